"""Many jobs: who is due, and which requests this round takes (pure).

A round takes the cheaper of one request for each due job and the pages of the list, which looks at
all watched jobs at once; prices are in requests, and `PRICE_OF_BYTES` says what a byte costs.

Looks fall on whole seconds, and those far from an expected end on coarser steps (`slot`), so that jobs
come due together. Jobs without an estimate share their looks (`Crowd`): when the list costs *c* requests
and job *i* alone would be looked at every *Iᵢ* seconds, the interval that is best for all of them is
``√(c / Σ 1/Iᵢ²)``. It shrinks as 1/√N, but not below `LEAST_SHARED`.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Hashable
from typing import Generic, TypeVar

from attrs import define, evolve, field, frozen

from .sleep import Sleep

PRICE_OF_BYTES = 128 * 1024
"""So many bytes cost as much as one request.

The smaller, the more single requests; the larger, the more lists. At this price 1,000 alignments on an
unpaged list cost 2.7 requests and 0.12 MB each with an estimate, 2.7 and 0.82 MB without (measured by
``benchmarks/waiting.py``).
"""

ROW_BYTES = 600.0
"""A row of a list, or one item, before any was seen."""

LEAST_SHARED = 6.0
"""Seconds between two lists that are asked for only because many jobs share them."""

_COARSE, _COARSEST = 32, 256
"""Seconds: shorter sleeps keep their second, and no step of the grid is longer."""

K = TypeVar("K", bound=Hashable)


@frozen
class ListFacts:
    """What is known of a kind's list endpoint; before the first page, what is hoped for."""

    limit: int | None = None
    """Rows a page; None: all rows come in one."""
    rows: int | None = None
    """Rows in all, watched or not."""
    row_bytes: float = ROW_BYTES

    def pages(self, watched: int) -> int:
        """Requests for the whole list."""
        return 1 if self.limit is None else max(1, math.ceil(self._rows(watched) / self.limit))

    def price(self, watched: int) -> float:
        """What one look at the whole list costs, in requests."""
        return self.pages(watched) + self._rows(watched) * self.row_bytes / PRICE_OF_BYTES

    def seen_page(
        self, rows: int, size: int, *, offset: int = 0, total: int | None = None
    ) -> ListFacts:
        """Learn from a page of *rows* rows in *size* bytes, the first of them being row *offset*.

        *total* is how many there are, if the server says so.
        """
        known = offset + rows if total is None else max(total, 0)
        if total is None and self.limit is not None and rows >= self.limit:
            known = max(known, self.rows or 0)
        return evolve(self, rows=known, row_bytes=size / rows if rows else self.row_bytes)

    def goes_on(self, rows: int, new: int, *, offset: int, total: int | None = None) -> bool:
        """Whether to ask for the page after one of *rows* rows, of which *new* were not on those before.

        *total* is believed while no page contradicts it. A page with nothing new is the last one: the server
        may count wrongly, or know nothing of offsets.
        """
        if self.limit is None or not new:
            return False
        end = offset + rows
        return rows >= self.limit if total is None or total < end else end < total

    def _rows(self, watched: int) -> int:
        return max(watched if self.rows is None else self.rows, 0)


@frozen
class Items:
    """Ask for each due job by itself."""


@frozen
class Pages:
    """Ask for the list: so many pages, as far as known."""

    pages: int


def plan(
    due: float, watched: int, listing: ListFacts | None, item_bytes: float = ROW_BYTES
) -> Items | Pages:
    """The cheaper way to look at *due* jobs out of *watched*.

    *due* may have a fraction, for those who are not quite due (see `Crowd.ripe`).
    """
    if listing is None or listing.pages(watched) >= watched:
        return Items()
    one_by_one = due * (1 + item_bytes / PRICE_OF_BYTES)
    return Pages(listing.pages(watched)) if listing.price(watched) < one_by_one else Items()


def slot(now: float, sleep: Sleep, *, shared: bool) -> int:
    """The whole second for a look.

    Never more than a second late. An elastic sleep that others may share is cut to a multiple of the
    largest power of two that it holds, so that looks far from an end fall together.
    """
    due = now + sleep.seconds
    if not shared or not sleep.reason.elastic or sleep.seconds < _COARSE:
        return math.ceil(due)
    step = 1 << (int(min(sleep.seconds, _COARSEST)).bit_length() - 1)
    return math.floor(due / step) * step


@define(eq=False)
class Wheel(Generic[K]):
    """Who is due when, in buckets of one second each; who was taken out counts until it is put back."""

    _buckets: dict[int, tuple[int, dict[K, None]]] = field(factory=dict, repr=False)
    """By second; each with the one number that all its members share."""
    _slots: dict[K, int | None] = field(factory=dict, repr=False)
    """None: taken out."""
    _order: list[int] = field(factory=list, repr=False)

    def __len__(self) -> int:
        return len(self._slots)

    def __contains__(self, key: K) -> bool:
        return key in self._slots

    def add(self, key: K, at: int) -> None:
        """Make *key* due at the second *at*, instead of whenever it was due."""
        before = self._slots.get(key)
        if before == at:
            return
        if before is not None:
            self._leave(key, before)
        bucket = self._buckets.get(at)
        if bucket is None:
            bucket = self._buckets[at] = at, {}
            heapq.heappush(self._order, at)
        self._slots[key], members = bucket
        members[key] = None

    def discard(self, key: K) -> None:
        """Forget *key*, if it is there."""
        at = self._slots.pop(key, None)
        if at is not None:
            self._leave(key, at)

    def pop_due(self, now: float) -> list[K]:
        """Take out all that are due, earliest first; they are to be added again or discarded."""
        due: list[K] = []
        while self._order and self._order[0] <= now:
            due.extend(self._buckets.pop(heapq.heappop(self._order))[1])
        for key in due:
            self._slots[key] = None
        return due

    @property
    def next_due(self) -> int | None:
        """The earliest second somebody is due at."""
        order = self._order
        while order and not self._buckets[order[0]][1]:
            del self._buckets[heapq.heappop(order)]
        return order[0] if order else None

    def _leave(self, key: K, at: int) -> None:
        # An emptied bucket stays until its second comes up: to take it out would cost more.
        del self._buckets[at][1][key]


@define
class Crowd:
    """The jobs without an estimate, as one: how many, and by running means how they want looks."""

    size: int = 0
    asked: float = 0.0
    """Mean time of the last look."""
    weight: float = 0.0
    """Mean of 1/I², with I the interval of a job alone."""

    def enter(self, now: float, seconds: float, *, new: bool) -> None:
        """A job was looked at, and wants the next look in so many *seconds*."""
        self.size += new
        self.asked += (now - self.asked) / self.size
        self.weight += (max(seconds, LEAST_SHARED) ** -2 - self.weight) / self.size

    def leave(self) -> None:
        """A job ended, or has an estimate now."""
        self.size -= 1

    def looked(self, now: float) -> None:
        """All were looked at by one list round."""
        self.asked = now

    def ripe(self, now: float, count: int) -> float:
        """How many requests a look at *count* of them is worth: each is worth 1 at its interval."""
        return count * self.weight * max(0.0, now - self.asked) ** 2

    def due(self, price: float) -> float:
        """When a look at all of them is worth *price* requests."""
        worth = self.size * self.weight
        return self.asked + max(LEAST_SHARED, math.sqrt(price / worth)) if worth > 0 else math.inf


@frozen
class Round(Generic[K]):
    """What to ask for now: the jobs that are due, and how."""

    due: list[K]
    way: Items | Pages


@define(eq=False)
class Agenda(Generic[K]):
    """All watched jobs of one kind: told each one's next sleep, it says whom to look at, and how.

    After a round of `Pages` every watched job that the list showed is put again with its new sleep;
    jobs that were due and are absent from the list are asked for one by one.
    """

    listing: ListFacts | None = None
    """None: this kind has no list."""
    item_bytes: float = ROW_BYTES
    list_after: float = -math.inf
    """No list before then, because it failed; infinite while one is under way."""
    _wheel: Wheel[K] = field(factory=Wheel[K], repr=False)
    _blind: set[K] = field(factory=set, repr=False)
    _crowd: Crowd = field(factory=Crowd)

    def __len__(self) -> int:
        return len(self._wheel)

    @property
    def listed(self) -> bool:
        """Whether the list is being asked for."""
        return self.list_after == math.inf

    def put(self, key: K, now: float, sleep: Sleep) -> None:
        """Look at *key* again after *sleep*; also the way to begin."""
        shared = self.listing is not None and len(self) > (key in self._wheel)
        self._wheel.add(key, max(slot(now, sleep, shared=shared), math.ceil(now)))
        if sleep.reason.blind and shared:
            self._crowd.enter(now, sleep.seconds, new=key not in self._blind)
            self._blind.add(key)
        else:
            self._leave_crowd(key)

    def drop(self, key: K) -> None:
        """Watch *key* no more."""
        self._wheel.discard(key)
        self._leave_crowd(key)

    def next_wake(self) -> float | None:
        """When the next round is; None when nobody is due."""
        due = self._wheel.next_due
        listing, watched = self.listing, len(self)
        if due is None or listing is None or not self._blind or listing.pages(watched) >= watched:
            return due
        return min(due, max(self._crowd.due(listing.price(watched)), self.list_after))

    def take(self, now: float) -> Round[K]:
        """The round of this moment; whoever it names is put again when the answer is there, or dropped."""
        due = self._wheel.pop_due(now)
        listing = self.listing if now >= self.list_after else None
        others = len(self._blind) - sum(key in self._blind for key in due)
        worth = len(due) + self._crowd.ripe(now, others)
        way = plan(worth, len(self), listing, self.item_bytes)
        if isinstance(way, Pages):
            self._crowd.looked(now)
        return Round(due, way)

    def _leave_crowd(self, key: K) -> None:
        if key in self._blind:
            self._blind.discard(key)
            self._crowd.leave()
