"""The decoder's rules, one row each."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from types import NoneType
from typing import Any, ClassVar, NewType

import pytest
from attrs import field, frozen

from nugen_async._core import codec
from nugen_async._core.codec import (
    dumps,
    loads,
    row_id,
    rows_of,
    seen_as,
    steps,
    structure,
    timestamp,
)
from nugen_async._core.page import Page
from nugen_async._core.tolerance import ErrorText, shown, snake
from nugen_async.errors import DecodeError, InvalidRequestError

NOON = datetime(2024, 1, 15, 12, tzinfo=UTC)
ThingId = NewType("ThingId", str)


@frozen(kw_only=True)
class Part:
    weight: float
    label: str = "plain"
    made: datetime | None = None


@frozen(kw_only=True)
class Thing:
    rows: ClassVar = ("things",)
    bare: ClassVar = "id"

    id: ThingId = field(metadata=seen_as("thing_id"))
    name: str = field(default="", metadata=seen_as("thing_name", "title"))
    status: str = field(default="", metadata=seen_as("state"))
    inner_status: str | None = field(default=None, metadata=seen_as("data.status"))
    state: str | None = None
    count: int | None = None
    share: float | None = None
    ready: bool = False
    created: datetime | None = field(default=None, metadata=seen_as("started"))
    started: datetime | None = None
    tags: tuple[str, ...] = ()
    part: Part | None = None
    parts: tuple[Part, ...] = ()
    vector: tuple[float, ...] = ()
    either: float | str | None = None
    extra: Mapping[str, Any] | None = None
    result: Mapping[str, Any] | None = None
    error: ErrorText | None = field(default=None, metadata=seen_as("result.error"))
    first: str | None = field(default=None, metadata=seen_as("models.0.id"))
    progress: Any = None
    raw: Mapping[str, Any] = field(factory=dict, eq=False, repr=False)
    notes: tuple[str, ...] = field(default=(), eq=False, repr=False)


def notes_of(body: Any) -> tuple[str, ...]:
    return structure(body, Thing).notes


EXACT = [
    ({"id": "a"}, {}),
    ({"id": "a", "name": None, "tags": None, "ready": None}, {}),
    ({"id": "a", "unknown": {"deep": [1]}}, {}),
    ({"id": "a", "status": "a word never seen"}, {"status": "a word never seen"}),
    ({"id": "a", "count": 3, "share": 1, "ready": True}, {"count": 3, "share": 1.0, "ready": True}),
    ({"id": "a", "created": "2024-01-15T12:00:00Z"}, {"created": NOON}),
    ({"id": "a", "created": "2024-01-15T14:00:00+02:00"}, {"created": NOON}),
    ({"id": "a", "tags": ["x", "y"]}, {"tags": ("x", "y")}),
    ({"id": "a", "part": {"weight": 2}}, {"part": Part(weight=2.0)}),
    (
        {"id": "a", "parts": [{"weight": 2.5, "label": "b"}]},
        {"parts": (Part(weight=2.5, label="b"),)},
    ),
    ({"id": "a", "vector": [1, 0.5]}, {"vector": (1.0, 0.5)}),
    ({"id": "a", "either": "3 of 4"}, {"either": "3 of 4"}),
    ({"id": "a", "either": 0.5}, {"either": 0.5}),
    ({"id": "a", "extra": {"k": [1]}}, {"extra": {"k": [1]}}),
    ({"thing_id": "a"}, {}),
]


@pytest.mark.parametrize(("body", "expected"), EXACT)
def test_what_is_documented_is_read_without_a_note(body: Any, expected: dict[str, Any]) -> None:
    thing = structure(body, Thing)
    assert thing == Thing(id=ThingId("a"), **expected)
    assert thing.notes == ()
    assert thing.raw is body


FORGIVEN = [
    (
        {"ID": "a", "thingName": "n"},
        {"name": "n"},
        "$: read under another name: name from 'thingName'",
    ),
    (
        {"thingId": "a", "title": "n"},
        {"name": "n"},
        "$: read under another name: name from 'title'",
    ),
    ({"id": 7}, {"id": "7"}, "$.id: a number taken as text"),
    ({"id": 7.0}, {"id": "7"}, "$.id: a number taken as text"),
    ({"id": ["a"]}, {}, "$.id: a list of one where a value is declared"),
    (
        {"id": [["a", "b"], "c"]},
        {},
        "$.id: a list of 2 where one value is declared, the first one taken",
    ),
    ({"id": "a", "count": "3"}, {"count": 3}, "$.count: a number sent as text"),
    ({"id": "a", "count": 3.0}, {"count": 3}, "$.count: a fraction taken as a whole number"),
    ({"id": "a", "share": " 0.5 "}, {"share": 0.5}, "$.share: a number sent as text"),
    ({"id": "a", "count": "None"}, {}, "$.count: text 'None' taken as not known"),
    ({"id": "a", "count": "many"}, {}, "$.count: expected a number, got text 'many'; left out"),
    ({"id": "a", "share": math.nan}, {}, "$.share: expected a number, got number nan; left out"),
    ({"id": "a", "share": 10**400}, {}, "$.share: expected a number, got a huge number; left out"),
    ({"id": "a", "ready": "TRUE"}, {"ready": True}, "$.ready: a boolean sent as something else"),
    ({"id": "a", "ready": 0}, {}, "$.ready: a boolean sent as something else"),
    ({"id": "a", "name": True}, {"name": "true"}, "$.name: a boolean taken as text"),
    ({"id": "a", "name": {}}, {}, "$.name: expected text, got an object of 0; left out"),
    (
        {"id": "a", "created": "2024-01-15 12:00:00"},
        {"created": NOON},
        "$.created: no time zone, taken as UTC",
    ),
    ({"id": "a", "created": "soon"}, {}, "$.created: expected a time, got text 'soon'; left out"),
    ({"id": "a", "created": 1e300}, {}, "$.created: expected a time, got number 1e+300; left out"),
    ({"id": "a", "tags": "x"}, {"tags": ("x",)}, "$.tags: one value where a list is declared"),
    (
        {"id": "a", "tags": [["x", "y"]]},
        {"tags": ("x", "y")},
        "$.tags: a list of 1 lists where one list is declared, the first one taken",
    ),
    (
        {"id": "a", "tags": ["x", {}]},
        {"tags": ("x",)},
        "$.tags[1]: expected text, got an object of 0; left out",
    ),
    ({"id": "a", "part": {}}, {}, "$.part.weight: required, but missing; left out"),
    ({"id": "a", "part": "x"}, {}, "$.part: expected an object, got text 'x'; left out"),
    (
        {"id": "a", "part": {"weight": 1, "made": "2024-01-15T12:00:00"}},
        {"part": Part(weight=1.0, made=NOON)},
        "$.part.made: no time zone, taken as UTC",
    ),
    (
        {"id": "a", "parts": {"weight": 1}},
        {"parts": (Part(weight=1.0),)},
        "$.parts: one value where a list is declared",
    ),
    ({"data": {"id": "a", "name": "n"}}, {"name": "n"}, "$: fields read from 'data'"),
    ({"id": "a", "data": {"name": "n"}}, {"name": "n"}, "$: fields read from 'data'"),
    ({"id": "a", "started": "2024-01-15T12:00:00Z"}, {"created": NOON, "started": NOON}, None),
    (
        {"id": "a", "result": {"error": "no room"}},
        {"error": "no room", "result": {"error": "no room"}},
        None,
    ),
    ({"id": "a", "models": [{"id": "m"}]}, {"first": "m"}, None),
    (
        {"id": "a", "error": {"message": "no"}},
        {"error": "no"},
        "$.error: an object of 1 taken as an error text",
    ),
    (
        {"id": "a", "error": ["x", {"msg": "y"}]},
        {"error": "x; y"},
        "$.error: a list of 2 taken as an error text",
    ),
    ([{"id": "a"}], {}, "$: a list of one where an object is declared"),
]


@pytest.mark.parametrize(("body", "expected", "note"), FORGIVEN)
def test_what_is_forgiven_is_told(body: Any, expected: dict[str, Any], note: str | None) -> None:
    thing = structure(body, Thing)
    assert thing == Thing(**{"id": ThingId("a"), **expected})
    if note is not None:
        assert note in thing.notes


def test_the_outer_of_two_statuses_wins_and_both_are_kept() -> None:
    thing = structure({"id": "a", "status": "pending", "data": {"status": "COMPLETED"}}, Thing)
    assert (thing.status, thing.inner_status) == ("pending", "COMPLETED")
    assert "$.status: the outer value kept, 'data' says text 'COMPLETED'" in thing.notes


def test_an_inner_value_fills_an_outer_null() -> None:
    assert structure({"id": "a", "name": None, "data": {"name": "n"}}, Thing).name == "n"


def test_the_documented_name_beats_another_one_whichever_comes_first() -> None:
    assert structure({"title": "late", "name": "n", "id": "a"}, Thing).name == "n"
    assert structure({"name": "n", "title": "late", "id": "a"}, Thing).name == "n"


def test_a_field_stands_in_for_another_without_losing_itself() -> None:
    thing = structure({"id": "a", "state": "idle"}, Thing)
    assert (thing.status, thing.state) == ("idle", "idle")


@pytest.mark.parametrize("body", ["a", 7, 7.0])
def test_a_bare_value_is_the_field_that_the_record_names(body: Any) -> None:
    thing = structure(body, Thing)
    assert thing.id == str(int(body) if isinstance(body, float) else body)
    assert thing.raw == {"data": body}


WRONG = [
    (None, "$: expected an object, got null"),
    ({}, "$.id: required, but missing"),
    ({"id": None}, "$.id: required, but missing"),
    ({"id": {}}, "$.id: expected text, got an object of 0"),
    ({"id": []}, "$.id: expected a value, got a list of 0"),
    ({"id": math.inf}, "$.id: expected text, got number inf"),
]


@pytest.mark.parametrize(("body", "problem"), WRONG)
def test_what_cannot_be_read_is_named_by_its_path(body: Any, problem: str) -> None:
    with pytest.raises(DecodeError) as caught:
        structure(body, Thing)
    assert caught.value.problems == (problem,)


def test_the_id_that_was_asked_for_names_an_answer_without_one() -> None:
    assert structure({"status": "x"}, Thing, "a") == Thing(id=ThingId("a"), status="x")
    assert structure({"id": "b"}, Thing, "a").id == "b"


@pytest.mark.parametrize(
    "value",
    [
        "2024-01-15T12:00:00Z",
        "2024-01-15T12:00:00",
        "2024-01-15 12:00:00",
        "2024-01-15T12:00:00.000000",
        " 2024-01-15T13:30:00+01:30 ",
        1705320000,
        1705320000.0,
        "1705320000",
    ],
)
def test_each_form_of_a_time_is_the_same_moment(value: Any) -> None:
    assert timestamp(value) == NOON
    assert timestamp(value).tzinfo is UTC  # type: ignore[union-attr]


def test_fractions_of_a_second_are_kept() -> None:
    assert timestamp("2026-03-05 05:16:01.986524") == datetime(2026, 3, 5, 5, 16, 1, 986524, UTC)
    assert timestamp("20240115") == datetime(2024, 1, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        "",
        "never",
        -1,
        1.7e12,
        10**400,
        math.nan,
        "9" * 300,
        "0001-01-01T00:00:00+14:00",
        {},
        [],
    ],
)
def test_what_is_no_time_is_none(value: Any) -> None:
    assert timestamp(value) is None


def test_a_zone_is_turned_into_utc() -> None:
    zone = timezone(timedelta(hours=2))
    assert timestamp(NOON.astimezone(zone).isoformat()) == NOON


PAGES = [
    {"things": [{"id": "a"}, {"id": "b"}]},
    {"data": [{"id": "a"}, {"id": "b"}]},
    [{"id": "a"}, {"id": "b"}],
    {"Things": [["a"], "b"]},
    {"data": {"things": [{"id": "a"}, {"thing_id": "b"}]}},
]


@pytest.mark.parametrize("body", PAGES)
def test_rows_are_found_under_any_key(body: Any) -> None:
    page = structure(body, Page[Thing])
    assert [thing.id for thing in page] == ["a", "b"]
    assert [row_id(row, Thing) for row in rows_of(body, Thing)] == ["a", "b"]


def test_a_page_tells_its_place() -> None:
    page = structure({"things": [], "total": "7", "limit": 10, "offset": "x"}, Page[Thing])
    assert (page.total, page.limit, page.offset) == (7, 10, None)
    assert "$.offset: expected a number, got text 'x'; left out" in page.notes


def test_a_row_that_cannot_be_read_is_left_out_and_told() -> None:
    page = structure({"things": [{"id": "a"}, {"name": "no id"}, None]}, Page[Thing])
    assert [thing.id for thing in page] == ["a"]
    assert page.notes == (
        "$.things[1].id: required, but missing; row left out",
        "$.things[2]: expected an object, got null; row left out",
    )


def test_many_bad_rows_are_counted_and_not_listed() -> None:
    page = structure([None] * 1000, Page[Thing])
    assert len(page.notes) == 21
    assert page.notes[-1] == "$: 980 more rows or fields left out"


@pytest.mark.parametrize("body", [{}, None, "x", {"other": []}])
def test_an_answer_without_rows_is_no_page(body: Any) -> None:
    with pytest.raises(DecodeError):
        structure(body, Page[Thing])
    with pytest.raises(DecodeError):
        rows_of(body, Thing)


def test_a_null_list_is_empty() -> None:
    assert structure({"things": None}, Page[Thing]).items == ()


def test_rows_are_read_in_slices() -> None:
    body = [{"id": str(number)} for number in range(10)]
    pauses, reading = 0, steps(body, Page[Thing], rows=4)
    while True:
        try:
            next(reading)
        except StopIteration as end:
            page = end.value
            break
        pauses += 1
    assert pauses == 2
    assert page.items == structure(body, Page[Thing]).items


def test_the_id_of_a_row_is_told_without_reading_it() -> None:
    row = {"thing_id": 4, "state": ["x"], "progress": "3/10"}
    assert row_id(row, Thing) == "4"
    assert row_id({"data": {"id": "a"}}, Thing) == "a"
    assert row_id({"id": {}}, Thing) is None
    assert row_id("a", Thing) == "a"


def test_anything_is_nothing_where_nothing_is_asked() -> None:
    assert structure({"deleted": True}, NoneType) is None
    assert structure([1], list) == [1]
    assert structure({"a": 1}, dict) == {"a": 1}


BROKEN = [
    b"",
    b"  ",
    b"{",
    b"{'a': 1}",
    b"NaN",
    b"[1,]",
    b"\xff",
    b'"\\ud800"',
    b"[" * 100_000,
    b"<html>",
]


@pytest.fixture(params=["orjson", "json"])
def either_parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "json":
        monkeypatch.setattr(codec, "orjson", None)
    else:
        pytest.importorskip("orjson")


@pytest.mark.usefixtures("either_parser")
@pytest.mark.parametrize("body", BROKEN)
def test_what_is_no_json_is_a_decode_error(body: bytes) -> None:
    with pytest.raises(DecodeError):
        loads(body)


@pytest.mark.usefixtures("either_parser")
def test_both_parsers_say_the_same() -> None:
    assert loads(b'\xef\xbb\xbf{"a": [1, 2.5, "\\u00e4", null]}') == {"a": [1, 2.5, "ä", None]}
    assert dumps({"a": ["ä", None]}) == '{"a":["ä",null]}'.encode()
    with pytest.raises(InvalidRequestError):
        dumps({"a": object()})
    for number in (float("nan"), float("inf")):
        with pytest.raises(InvalidRequestError):
            dumps({"a": None, "b": [{"c": number}]})


def test_a_deep_body_is_read_or_refused_but_never_kills() -> None:
    deep: Any = "a"
    for _ in range(100_000):
        deep = [deep]
    assert structure({"id": deep}, Thing).id == "a"
    assert structure({"id": "a", "unknown": deep}, Thing).id == "a"


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("baseModel", "base_model"),
        ("BASE_MODEL", "base_model"),
        ("base-model", "base_model"),
        ("Base Model", "base_model"),
        ("modelID", "model_id"),
        ("model_id_2", "model_id_2"),
        ("HTTPCode", "http_code"),
    ],
)
def test_keys_of_every_case_are_one(key: str, expected: str) -> None:
    assert snake(key) == expected


def test_what_is_shown_of_a_value_is_short() -> None:
    assert shown("x" * 1000) == f"text '{'x' * 40}…'"
    assert shown("a\x1b[31m") == r"text 'a\x1b[31m'"
    assert shown(10**5000) == "a huge number"
    assert shown(json.loads("[[[]]]")) == "a list of 1"
