"""Finding again what a lost answer made: through the lists, one listing for all who look meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import evolve, frozen

from .._core.age import clock_at
from .._core.reconcile import Sighting, Wanted, fitting, judge, pauses, sighted
from .._core.retry import Fate, fate
from .._core.trouble import BUDGET, Abandon, Route, Trouble
from ..client import Nugen
from ..errors import ClientStateError, NugenError
from ..resources._nouns import JobCollection
from .course import Record
from .ledger import Ledger
from .rivals import Rivals

_LONG_AGO = timedelta(hours=1)
"""What was sent before that is on the list by now, if it was taken."""
_LONGEST_PAUSE = 60.0
"""Seconds between readings of a list that fail."""
_REST, _RESTS = 0.5, 4.0
"""Seconds, and times its own length, between two readings of a list: a long one is not read all the time."""


@frozen
class Found:
    """What may be it, and whether that may as well be what another open create made."""

    ids: tuple[str, ...] = ()
    disputed: bool = False


class Lookups:
    """Looks at the lists of one client."""

    def __init__(self, nugen: Nugen, ledger: Ledger, settle: float) -> None:
        self.rivals = Rivals()
        self._transport = nugen._api.transport  # noqa: SLF001 # the same package
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

    async def find(self, kind: str, key: str, wanted: Wanted, record: Record) -> Found:
        """What may be what *key* *wanted*, and *record* says was sent, oldest first.

        A list that cannot be read for a while is borne as waits bear it. An exact match is told at once.
        Nothing, or what is only probable, is told after the list had the time to show all, and others the
        time to say what is theirs.
        """
        waits: Iterator[float] | None = None
        trouble = Trouble()
        while True:
            try:
                seen = await self._lists[kind].glance()
            except NugenError as error:
                await asyncio.sleep(_borne(trouble, error))
                continue
            trouble = Trouble()
            since = self._since(record)
            sought = evolve(wanted, since=since)
            shown = await self._untaken(fitting(sought, seen))
            if shown and not wanted.exact:
                await self.rivals.answers(key, kind, shown)
                shown = await self._untaken(shown)
            fits = judge(sought, shown)
            if fits and wanted.exact:
                return Found(fits)
            if waits is None:
                waits = pauses(0.0 if self._long_ago(since) else self._settle)
            if (pause := next(waits, None)) is None:
                return Found(fits, self.rivals.dispute(key, kind, shown))
            await asyncio.sleep(pause)

    async def _untaken(self, shown: list[Sighting]) -> list[Sighting]:
        """Those that belong to no record yet."""
        taken = await self._ledger.taken([each.id for each in shown]) if shown else set[str]()
        return [each for each in shown if each.id not in taken]

    def clock(self) -> datetime | None:
        """What the server's clock says; None before it told the time."""
        return clock_at(self._transport.heard, asyncio.get_running_loop().time())

    def _since(self, record: Record) -> datetime | None:
        """When it was sent, by the server's clock: ours may have been set since."""
        if record.server_time:
            return datetime.fromisoformat(record.server_time)
        theirs = self.clock()
        if theirs is None:
            return None
        return datetime.fromisoformat(record.intended) + (theirs - datetime.now(UTC))

    def _long_ago(self, since: datetime | None) -> bool:
        theirs = self.clock()
        return since is not None and theirs is not None and theirs - since > _LONG_AGO

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
        self._now: asyncio.Task[tuple[Sighting, ...]] | None = None
        self._next: asyncio.Task[tuple[Sighting, ...]] | None = None
        self._rested = 0.0

    async def glance(self) -> tuple[Sighting, ...]:
        """The list, from a reading that begins after this call."""
        if self._next is None:
            self._next = asyncio.create_task(self._read_after(self._now))
        return await asyncio.shield(self._next)

    async def _read_after(
        self, before: asyncio.Task[tuple[Sighting, ...]] | None
    ) -> tuple[Sighting, ...]:
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

    async def _read(self) -> tuple[Sighting, ...]:
        return tuple([sighted(row) async for row in self._rows()])

    async def aclose(self) -> None:
        tasks = [task for task in (self._now, self._next) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
