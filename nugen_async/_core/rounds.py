"""Many jobs: who is due, and which requests this round takes (pure).

The price of a round is counted in requests: 64 kB cost as much as one request (`PRICE_OF_BYTES`). A
round takes the cheaper of one request per due job and the pages of the list, which looks at every
watched job at once. It never takes more requests than there are jobs watched.

Due times lie on a grid of whole seconds, coarser where the interval is long and a list exists, so
that jobs come due together. Jobs without an estimate share looks: with N of them on one list that
costs *c* requests, the interval that is best for all is ``√(c / Σ 1/Iᵢ²)``, where *Iᵢ* is the
interval of job *i* alone; it shrinks as 1/√N.
"""

from __future__ import annotations

import enum
import heapq
import math
from collections.abc import Hashable
from typing import Generic, TypeVar

from attrs import define, evolve, field, frozen

from .schedule import Sleep

PRICE_OF_BYTES = 65_536
"""So many bytes cost as much as one request."""

ROW_BYTES = 600.0
"""A row of a list, or one item, before any was seen."""

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
        """Learn from a page of *rows* rows in *size* bytes; *total* if the server says how many
        there are."""
        known = total if total is not None else offset + rows
        if total is None and self.limit is not None and rows >= self.limit:
            known = max(known, self.rows or 0)
        row_bytes = size / rows if rows else self.row_bytes
        return evolve(self, rows=known, row_bytes=row_bytes)

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
    """The cheaper way to look at *due* jobs out of *watched*; *due* may be a fraction (see
    `Crowd.ripe`)."""
    if listing is None or listing.pages(watched) > watched:
        return Items()
    one_by_one = due * (1 + item_bytes / PRICE_OF_BYTES)
    return Pages(listing.pages(watched)) if listing.price(watched) < one_by_one else Items()


def slot(due: float, seconds: float, *, shared: bool) -> int:
    """The whole second for a look that is *due* after a sleep of *seconds*.

    Never early by more than an eighth of the sleep, never late by more than a second.
    """
    if not shared or seconds < 16:
        return math.ceil(due)
    step = 1 << (int(min(seconds, 512.0) / 8).bit_length() - 1)
    return math.floor(due / step) * step


@define(eq=False)
class Wheel(Generic[K]):
    """Who is due when, in buckets of one second each."""

    _buckets: dict[int, dict[K, None]] = field(factory=dict, repr=False)
    _slots: dict[K, int] = field(factory=dict, repr=False)
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
        self._slots[key] = at
        bucket = self._buckets.get(at)
        if bucket is None:
            self._buckets[at] = {key: None}
            heapq.heappush(self._order, at)
        else:
            bucket[key] = None

    def discard(self, key: K) -> None:
        """Forget *key*, if it is there."""
        at = self._slots.pop(key, None)
        if at is not None:
            self._leave(key, at)

    def pop_due(self, now: float) -> list[K]:
        """Take out all that are due, earliest first."""
        due: list[K] = []
        while self._order and self._order[0] <= now:
            due.extend(self._buckets.pop(heapq.heappop(self._order), ()))
        for key in due:
            del self._slots[key]
        return due

    @property
    def next_due(self) -> int | None:
        """The earliest second somebody is due at."""
        order = self._order
        while order and not self._buckets[order[0]]:
            del self._buckets[heapq.heappop(order)]
        return order[0] if order else None

    def _leave(self, key: K, at: int) -> None:
        # An emptied bucket stays until its second comes up: to take it out would cost more.
        del self._buckets[at][key]


@define
class Crowd:
    """The jobs without an estimate, as one: how many, and by running means how often each wants a
    look."""

    size: int = 0
    asked: float = 0.0
    """Mean time of the last look."""
    weight: float = 0.0
    """Mean of 1/I², with I the interval of a job alone."""

    def enter(self, now: float, seconds: float, *, new: bool) -> None:
        """A job was looked at, and wants the next look in so many *seconds*."""
        self.size += new
        self.asked += (now - self.asked) / self.size
        self.weight += (seconds**-2 - self.weight) / self.size

    def leave(self) -> None:
        """A job ended, or has an estimate now."""
        self.size -= 1

    def looked(self, now: float) -> None:
        """All were looked at by one list round."""
        self.asked = now

    def ripe(self, now: float) -> float:
        """How many requests a look at all of them is worth now: a job counts 1 when its interval is
        over."""
        return self.size * self.weight * max(0.0, now - self.asked) ** 2

    def due(self, price: float) -> float:
        """When a look at all of them is worth *price* requests."""
        worth = self.size * self.weight
        return self.asked + math.sqrt(price / worth) if worth > 0 else math.inf


@frozen
class Round(Generic[K]):
    """What to ask for now: the jobs that are due, and how."""

    due: list[K]
    way: Items | Pages


@define(eq=False)
class Agenda(Generic[K]):
    """All watched jobs of one kind: tell it each job's next sleep, and it says whom to look at, and
    how.

    After a round of `Pages` every watched job that the list showed is put again with its new sleep;
    jobs that were due and are absent from the list are asked for one by one.
    """

    listing: ListFacts | None = None
    """None: this kind has no list."""
    item_bytes: float = ROW_BYTES
    _wheel: Wheel[K] = field(factory=Wheel, repr=False)
    _blind: set[K] = field(factory=set, repr=False)
    _crowd: Crowd = field(factory=Crowd)
    _watched: set[K] = field(factory=set, repr=False)

    def __len__(self) -> int:
        return len(self._watched)

    def put(self, key: K, now: float, sleep: Sleep) -> None:
        """Look at *key* again after *sleep*; also the way to begin."""
        self._watched.add(key)
        shared = self.listing is not None and len(self._watched) > 1
        self._wheel.add(
            key, max(slot(now + sleep.seconds, sleep.seconds, shared=shared), math.ceil(now))
        )
        if sleep.blind and shared:
            self._crowd.enter(now, sleep.seconds, new=key not in self._blind)
            self._blind.add(key)
        else:
            self._see(key)

    def drop(self, key: K) -> None:
        """Watch *key* no more."""
        self._watched.discard(key)
        self._wheel.discard(key)
        self._see(key)

    def next_wake(self) -> float | None:
        """When the next round is; None when nobody is watched."""
        due = self._wheel.next_due
        if self.listing is None or not self._blind:
            return due
        together = math.ceil(self._crowd.due(self.listing.price(len(self._watched))))
        if self.listing.pages(len(self._watched)) > len(self._watched):
            return due
        return together if due is None else min(due, together)

    def take(self, now: float) -> Round[K]:
        """The round of this moment; whoever it names is put again when the answer is there, or
        dropped."""
        due = self._wheel.pop_due(now)
        others = self._crowd.ripe(now)
        way = plan(len(due) + others, len(self._watched), self.listing, self.item_bytes)
        if isinstance(way, Pages):
            self._crowd.looked(now)
        return Round(due, way)

    def _see(self, key: K) -> None:
        if key in self._blind:
            self._blind.discard(key)
            self._crowd.leave()


class Route(enum.Enum):
    """Where one job's state can be asked for."""

    STATUS = "status"
    DETAIL = "detail"
    LIST = "list"


@frozen(kw_only=True)
class Budget:
    """How much trouble a wait takes before it gives up: *both* the count and the seconds are used
    up."""

    failures: int = 20
    seconds: float = 900.0
    grace: float = 60.0
    """A job may answer 404 for so long, counted from the first 404: right after create it may not
    be there yet."""
    patience: int = 2
    """Failures in a row on one route before the next one is tried."""


@frozen
class Ask:
    """Try again, on this route."""

    route: Route


@frozen
class Abandon:
    """The budget is used up: report the last failure."""

    failures: int
    seconds: float
    missing: bool
    """The last answers were all 404."""


@define
class Trouble:
    """The failed looks at one job, in a row; made at the first failure, dropped at a success."""

    failures: int = 0
    since: float = 0.0
    missing_since: float | None = None

    def failed(
        self, now: float, routes: tuple[Route, ...], budget: Budget, *, missing: bool = False
    ) -> Ask | Abandon:
        """Count one more failure (*missing*: it was a 404) and decide."""
        if not self.failures:
            self.since = now
        self.failures += 1
        if not missing:
            self.missing_since = None
        elif self.missing_since is None:
            self.missing_since = now
        waited = now - self.since
        if self.missing_since is not None and now - self.missing_since >= budget.grace:
            return Abandon(self.failures, waited, missing=True)
        if not missing and self.failures >= budget.failures and waited >= budget.seconds:
            return Abandon(self.failures, waited, missing=False)
        return Ask(self.route(routes, budget))

    def route(self, routes: tuple[Route, ...], budget: Budget) -> Route:
        """The route whose turn it is: each gets `Budget.patience` tries, then the next, and round
        again."""
        return routes[self.failures // budget.patience % len(routes)]
