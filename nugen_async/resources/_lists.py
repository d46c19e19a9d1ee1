"""Lists of things: one answer when awaited, every row when iterated."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator
from typing import Any, Generic, TypeVar

from attrs import evolve, field, frozen

from .._core.page import Page

R = TypeVar("R")

_WIDER = 4
"""How much further each step back goes when rows are gone."""


@frozen(eq=False)
class Listing(Generic[R]):
    """A list not yet asked for.

    ``await listing`` brings one `Page` (the first; the whole list where the route does not page), and
    ``async for row in listing`` every row, page after page. Each use asks anew.

    Rows that were on the list from start to end come exactly once, also when others are added or removed
    meanwhile: pages overlap by a row, and when that row is gone the step back is widened until the
    pages meet again.
    """

    _ask: Callable[[int | None, int | None], Awaitable[Page[R]]]
    _limit: int | None = field(default=None, alias="limit")
    """Rows a page; None where the route does not page."""
    _offset: int = field(default=0, alias="offset")
    _sure: bool = field(default=True, alias="sure")
    """Whether the server is known to give so many rows a page; else a short page need not be the last."""

    def __await__(self) -> Generator[Any, None, Page[R]]:
        return self.page().__await__()

    async def page(self, *, offset: int | None = None, limit: int | None = None) -> Page[R]:
        """Fetch one page, from row *offset* on, of at most *limit* rows."""
        if self._limit is None:
            return await self._ask(None, None)
        return await self._ask(
            self._offset if offset is None else offset, self._limit if limit is None else limit
        )

    def __aiter__(self) -> AsyncIterator[R]:
        return self._rows()

    async def _rows(self) -> AsyncGenerator[R]:
        async for page in self.pages():
            for row in page:
                yield row

    async def pages(self) -> AsyncGenerator[Page[R]]:
        """Iterate over the pages; rows that an earlier page had are left out."""
        known: set[str] = set()
        page, end = await self.page(), self._offset
        end += _sent(page)
        while True:
            fresh = tuple(row for row in page if _id(row) not in known)
            known.update(map(_id, fresh))
            if fresh:
                yield evolve(page, items=fresh)
            if self._limit is None or self._ends(page, end, self._limit, fresh=bool(fresh)):
                return
            page, end = await self._following(end, self._limit, known)

    def _ends(self, page: Page[R], end: int, size: int, *, fresh: bool) -> bool:
        """Whether *page*, with *fresh* rows or none, is the last one."""
        if page.total is not None and fresh:
            return end >= page.total
        short = _sent(page) < min(size, page.limit or size)
        return short and (self._sure or not fresh)

    async def _following(self, end: int, size: int, known: set[str]) -> tuple[Page[R], int]:
        """The page that goes on where the *known* rows end, and the number of the row after it."""
        back = 1 if size > 1 else 0
        while True:
            start = max(self._offset, end - back)
            page = await self._ask(start, size)
            meets = back == 0 or any(_id(row) in known for row in page)
            if meets or start == self._offset:
                return page, start + _sent(page)
            back *= _WIDER


def _id(row: Any) -> str:
    return str(row.id)


def _sent(page: Page[Any]) -> int:
    """How many rows the server sent, readable or not."""
    return max((len(v) for v in page.raw.values() if isinstance(v, list)), default=0)
