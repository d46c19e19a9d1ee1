"""Finding again what a lost answer made: through the lists, one listing for all who look meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import evolve, frozen

from .._core.age import server_time
from .._core.reconcile import Sighting, Wanted, fitting, judge, pauses, sighted
from .._core.retry import Fate, fate
from .._core.trouble import BUDGET, Abandon, Route, Trouble
from ..client import Nugen
from ..errors import ClientStateError, NugenError
from ..resources._nouns import JobCollection
from .ledger import Ledger
from .rivals import Rivals

_LONG_AGO = timedelta(hours=1)
"""What was sent before that is on the list by now, if it was taken."""
_LONGEST_PAUSE = 60.0
"""Seconds between readings of a list that fail."""
_REST, _RESTS = 0.5, 4.0
"""Seconds, and times its own length, between two readings of a list: a long one is not read all the time."""


@frozen
class Glance:
    """What a list showed, and how far the server's clock is ahead of ours; None where that is not known."""

    seen: tuple[Sighting, ...]
    ahead: timedelta | None


@frozen
class Found:
    """What may be it, and whether that may as well be what another open create made."""

    ids: tuple[str, ...] = ()
    disputed: bool = False


class Lookups:
    """Looks at the lists of one client."""

    def __init__(self, nugen: Nugen, ledger: Ledger, settle: float) -> None:
        self.rivals = Rivals()
        self._ledger = ledger
        self._settle = settle
        self._nouns: Mapping[str, JobCollection[Any]] = {
            "document": nugen.documents,
            "benchmark": nugen.benchmarks,
            "alignment": nugen.alignments,
            "evaluation": nugen.evaluations,
        }
        self._lists = {
            "document": _List(nugen.documents.list),
            "benchmark": _List(nugen.benchmarks.list),
            "alignment": _List(nugen.alignments.list),
            "evaluation": _List(nugen.evaluations.list),
        }

    async def find(self, kind: str, key: str, wanted: Wanted, intended: datetime) -> Found:
        """What may be what *key* *wanted* and *intended* then, oldest first.

        A list that cannot be read for a while is borne as waits bear it. An exact match is told at once.
        Nothing, or what is only probable, is told after the list had the time to show all, and others the
        time to say what is theirs.
        """
        waits = pauses(0.0 if datetime.now(UTC) - intended > _LONG_AGO else self._settle)
        trouble = Trouble()
        while True:
            try:
                glance = await self._lists[kind].glance()
            except NugenError as error:
                await asyncio.sleep(_borne(trouble, error))
                continue
            trouble = Trouble()
            since = None if glance.ahead is None else intended + glance.ahead
            sought = evolve(wanted, since=since)
            shown = fitting(sought, glance.seen)
            if not wanted.exact:
                await self.rivals.answers(key, kind, shown)
            taken = await self._ledger.taken([each.id for each in shown]) if shown else set[str]()
            shown = [each for each in shown if each.id not in taken]
            fits = judge(sought, shown)
            if fits and wanted.exact:
                return Found(fits)
            if (pause := next(waits, None)) is None:
                return Found(fits, self.rivals.dispute(key, kind, shown))
            await asyncio.sleep(pause)

    async def has(self, kind: str, id: str) -> bool:
        """Whether the server shows a thing of this *kind* under this *id*."""
        try:
            await self._nouns[kind].handle(id).refresh()
        except ClientStateError:
            raise
        except NugenError:
            return False
        return True

    async def aclose(self) -> None:
        """End what is being read."""
        await asyncio.gather(*(each.aclose() for each in self._lists.values()))


def _borne(trouble: Trouble, error: NugenError) -> float:
    """Seconds until another reading; raises *error* where it will not pass, or lasts for too long."""
    if fate(error) is Fate.REFUSED:
        raise error
    now = asyncio.get_running_loop().time()
    if isinstance(trouble.failed(now, (Route.LIST,), BUDGET), Abandon):
        raise error
    return min(_LONGEST_PAUSE, 2.0**trouble.failures)


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
