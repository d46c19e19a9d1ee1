"""Finding again what a lost answer made: through the lists, one listing for all who look meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import evolve, frozen

from .._core.age import server_time
from .._core.reconcile import Sighting, Wanted, judge, pauses, sighted
from ..client import Nugen
from .ledger import Ledger

_REST, _RESTS = 0.5, 4.0
"""Seconds, and times its own length, between two readings of a list: a long one is not read all the time."""


@frozen
class Glance:
    """What a list showed, and how far the server's clock is ahead of ours; None where that is not known."""

    seen: tuple[Sighting, ...]
    ahead: timedelta | None


class Lookups:
    """Looks at the lists of one client."""

    def __init__(self, nugen: Nugen, ledger: Ledger, settle: float) -> None:
        self._ledger = ledger
        self._settle = settle
        self._lists = {
            "document": _List(nugen.documents.list),
            "benchmark": _List(nugen.benchmarks.list),
            "alignment": _List(nugen.alignments.list),
            "evaluation": _List(nugen.evaluations.list),
        }

    async def find(self, kind: str, wanted: Wanted, intended: datetime) -> tuple[str, ...]:
        """The ids of what may be what was *wanted* and *intended* then, oldest first.

        None is told only after the list had the time to show it.
        """
        age = (datetime.now(UTC) - intended).total_seconds()
        waits = pauses(min(self._settle, self._settle - age))
        while True:
            glance = await self._lists[kind].glance()
            since = None if glance.ahead is None else intended + glance.ahead
            fits = judge(evolve(wanted, since=since), glance.seen)
            if fits:
                taken = await self._ledger.taken(fits)
                fits = tuple(each for each in fits if each not in taken)
            if fits or (pause := next(waits, None)) is None:
                return fits
            await asyncio.sleep(pause)

    async def aclose(self) -> None:
        """End what is being read."""
        await asyncio.gather(*(each.aclose() for each in self._lists.values()))


class _List:
    """One list, read once for everybody who asks before the reading begins."""

    def __init__(self, rows: Callable[[], AsyncIterable[Any]]) -> None:
        self._rows = rows
        self._now: asyncio.Task[Glance] | None = None
        self._next: asyncio.Task[Glance] | None = None
        self._rested = 0.0

    async def glance(self) -> Glance:
        """The list, from a reading that begins after this call."""
        if self._next is None:
            self._next = asyncio.create_task(self._read_after(self._now))
        return await asyncio.shield(self._next)

    async def _read_after(self, before: asyncio.Task[Glance] | None) -> Glance:
        loop = asyncio.get_running_loop()
        if before is not None:
            await asyncio.wait({before})
            await asyncio.sleep(self._rested - loop.time())
        self._now, self._next = self._next, None
        begun = loop.time()
        try:
            return await self._read()
        finally:
            took = loop.time() - begun
            self._rested = loop.time() + max(_REST, _RESTS * took)

    async def _read(self) -> Glance:
        seen: list[Sighting] = []
        ahead = None
        async for row in self._rows():
            if ahead is None and row.seen is not None:
                theirs = server_time(row.seen.date)
                ahead = None if theirs is None else theirs - datetime.now(UTC)
            seen.append(sighted(row))
        return Glance(tuple(seen), ahead)

    async def aclose(self) -> None:
        tasks = [task for task in (self._now, self._next) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
