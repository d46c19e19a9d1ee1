"""Paging over a list that others change meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from nugen_async._core.page import Page
from nugen_async.resources._lists import Listing


@frozen
class Item:
    id: str


class Shelf:
    """A list on a server; *change* is called before each page is answered, but the first."""

    def __init__(self, size: int, *, total: bool = True, cap: int = 100) -> None:
        self.rows = [f"r{number}" for number in range(size)]
        self.asked: list[tuple[int, int]] = []
        self.change: Any = lambda _asked: None
        self.total = total
        self.cap = cap

    async def page(self, offset: int | None, limit: int | None) -> Page[Item]:
        assert offset is not None
        assert limit is not None
        if self.asked:
            self.change(len(self.asked))
        self.asked.append((offset, limit))
        rows = self.rows[offset : offset + min(limit, self.cap)]
        return Page(
            items=tuple(map(Item, rows)),
            total=len(self.rows) if self.total else None,
            limit=min(limit, self.cap) if self.total else None,
            offset=offset,
            raw={"rows": rows},
        )

    async def all(self, limit: int, offset: int = 0, *, sure: bool = True) -> list[str]:
        listing = Listing(self.page, limit=limit, offset=offset, sure=sure)
        return [row.id async for row in listing]


@pytest.mark.parametrize("total", [True, False])
@pytest.mark.parametrize("limit", [1, 2, 3, 10, 100])
@pytest.mark.parametrize("size", [0, 1, 2, 3, 7, 10, 11])
async def test_every_row_comes_once_and_in_order(size: int, limit: int, total: bool) -> None:
    shelf = Shelf(size, total=total)
    assert await shelf.all(limit) == shelf.rows
    assert len(shelf.asked) <= 2 + size // max(1, limit - 1)


async def test_one_full_page_is_asked_for_once() -> None:
    shelf = Shelf(10)
    assert len(await shelf.all(10)) == 10
    assert shelf.asked == [(0, 10)]


async def test_an_offset_starts_further_on() -> None:
    shelf = Shelf(10)
    assert await shelf.all(4, offset=5) == shelf.rows[5:]


async def test_a_server_that_caps_the_page_is_followed() -> None:
    shelf = Shelf(25, cap=10)
    assert await shelf.all(100) == shelf.rows


@pytest.mark.parametrize("size", [0, 1, 10, 11, 25])
async def test_a_server_that_caps_the_page_and_does_not_say_so_is_followed(size: int) -> None:
    shelf = Shelf(size, total=False, cap=10)
    assert await shelf.all(100, sure=False) == shelf.rows


async def test_rows_put_in_front_do_not_repeat_others() -> None:
    shelf = Shelf(20)
    shelf.change = lambda asked: shelf.rows.insert(0, f"new{asked}")
    found = await shelf.all(5)
    assert [row for row in found if row.startswith("r")] == [f"r{n}" for n in range(20)]
    assert len(set(found)) == len(found)


async def test_rows_taken_from_the_front_hide_no_other() -> None:
    shelf = Shelf(100)
    shelf.change = lambda asked: shelf.rows.__delitem__(slice(30)) if asked == 1 else None
    found = await shelf.all(20)
    assert found == [f"r{n}" for n in range(20)] + [f"r{n}" for n in range(30, 100)]


@given(
    size=st.integers(0, 60),
    limit=st.integers(2, 12),
    total=st.booleans(),
    moves=st.lists(st.tuples(st.integers(1, 12), st.booleans(), st.integers(0, 60)), max_size=8),
)
def test_what_stays_comes_exactly_once(
    size: int, limit: int, total: bool, moves: list[tuple[int, bool, int]]
) -> None:
    """Whatever is added in front or taken away anywhere, the rows that stay are found."""
    shelf = Shelf(size, total=total)
    start = list(shelf.rows)
    gone: set[str] = set()

    def change(asked: int) -> None:
        for when, add, place in moves:
            if when == asked and add:
                shelf.rows.insert(0, f"new{asked}/{place}/{len(shelf.rows)}")
            elif when == asked and shelf.rows:
                gone.add(shelf.rows.pop(place % len(shelf.rows)))

    shelf.change = change
    found = drive(shelf.all(limit))
    assert len(set(found)) == len(found)
    assert set(start) - gone <= set(found)
    assert len(shelf.asked) < 400


def drive(work: Any) -> Any:
    """Run a coroutine that never really waits."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waited")
