"""Rows are read one by one from a list's text, as if it had been parsed whole."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any
from unittest.mock import patch

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from nugen_async import DecodeError
from nugen_async._core import rows
from nugen_async._core.codec import loads, rows_of
from nugen_async._core.rows import Rows


@frozen(kw_only=True)
class Thing:
    rows = ("things",)

    id: str


def read(body: bytes) -> tuple[list[Any], int | None]:
    """The rows and their total, which with orjson and without it are the same."""
    results = []
    for fast in {rows.FAST, False}:
        with patch.object(rows, "FAST", fast):
            listed = Rows(body, Thing)
            found = list(listed)
        assert [row for row, _ in found] == [json.loads(told) for _, told in found]
        results.append(([row for row, _ in found], listed.total))
    assert results == [results[0]] * len(results)
    return results[0]


def check_as_in_the_whole(body: bytes) -> None:
    try:
        expected = rows_of(loads(body), Thing)
    except DecodeError:
        with pytest.raises(DecodeError):
            read(body)
    else:
        assert read(body)[0] == expected


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
LISTS = st.lists(JSON, max_size=5)
AROUND = st.dictionaries(st.text(), JSON, max_size=3)


@given(LISTS, AROUND, st.sampled_from([None, 1, 4]), st.booleans())
def test_rows_are_those_of_the_whole(
    rows: list[Any], around: dict[str, Any], indent: int | None, bare: bool
) -> None:
    payload = rows if bare else {**around, "things": rows}
    body = json.dumps(payload, indent=indent).encode()
    assert read(body)[0] == rows_of(loads(body), Thing)


@given(st.dictionaries(st.sampled_from(["data", "items", "things", "x"]), LISTS | JSON, max_size=3))
def test_rows_in_an_unusual_place_are_found_or_refused_as_in_the_whole(payload: Any) -> None:
    check_as_in_the_whole(json.dumps(payload).encode())


@given(st.binary(max_size=12) | st.text('[]{}":,1\\u d-tn', max_size=12).map(str.encode))
def test_what_is_no_json_is_refused_as_in_the_whole(body: bytes) -> None:
    check_as_in_the_whole(body)


@pytest.mark.parametrize(
    "body",
    ['{"things": [1', '{"things": [1]', '{"things": [1,]}', "[1] 2", "[1 2]", "[NaN]", '{"things" [1]}',
     '["\\ud800"]', "[" * 100_000, "{1: 2}", "[,1]", "{,}", "", "\ufeff"],
    ids=lambda body: body[:16],
)  # fmt: skip
def test_broken_lists_are_refused(body: str) -> None:
    with pytest.raises(DecodeError):
        read(body.encode())


def test_the_total_may_follow_the_rows() -> None:
    assert read(b'{"things": [1], "total": 7}') == ([1], 7)
    assert read(b'{"total": 7, "things": []}') == ([], 7)
    assert read(b'{"total": "many", "things": []}') == ([], None)


def test_a_long_list_takes_no_more_room_than_twice_its_text() -> None:
    row = {"id": "x" * 50, "status": "PROCESSING", "documents": ["d" * 20] * 5}
    body = json.dumps({"things": [row] * 20_000}).encode()
    tracemalloc.start()
    count = sum(1 for _ in Rows(body, Thing))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 20_000
    assert peak < 2 * len(body)


def test_a_row_that_can_be_read_can_be_told_again_however_deep() -> None:
    deep: list[Any] = []
    for _ in range(500):
        deep = [deep]
    assert read(json.dumps({"things": [deep]}).encode())[0] == [deep]
