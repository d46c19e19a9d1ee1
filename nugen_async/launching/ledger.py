"""Where a workflow's progress is kept. The file and the database fulfil the same protocol as plain memory."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from .._core.reconcile import new_token
from .course import End, Progress, Record


class Ledger(Protocol):
    """Everything awaited here is durable when the await returns."""

    @property
    def series(self) -> str:
        """What makes tokens differ between journals."""
        ...

    async def keep(self, key: str, progress: Progress) -> None:
        """Keep the progress of the workflow *key*, which goes on."""
        ...

    async def end(self, key: str, progress: Progress, end: End) -> None:
        """Keep how the workflow *key* ended."""
        ...

    async def shared(self, key: str) -> Record | None:
        """The record of a thing that several workflows use."""
        ...

    async def write_shared(self, key: str, record: Record) -> None:
        """Keep the record of a thing that several workflows use."""
        ...

    async def taken(self, candidates: Collection[str]) -> set[str]:
        """Which of these ids belong to some record already."""
        ...

    def claim(self, key: str) -> AbstractAsyncContextManager[None]:
        """Hold the shared thing *key*, so that nobody else makes it meanwhile."""
        ...

    async def turn(self) -> None:
        """Wait until this ledger's users may create one more thing."""
        ...


class Claims:
    """Claims within one process."""

    __slots__ = ("_locks",)

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}

    def __call__(self, key: str) -> AbstractAsyncContextManager[None]:
        """A context in which nobody else of this process holds *key*."""
        return self._locks.setdefault(key, asyncio.Lock())


class Memory:
    """A ledger that ends with the process, for one workflow run by hand."""

    def __init__(self) -> None:
        self.series = new_token()
        self.rows: dict[str, tuple[Progress, End]] = {}
        self._shared: dict[str, Record] = {}
        self.claim = Claims()

    async def keep(self, key: str, progress: Progress) -> None:
        """Keep it."""
        self.rows[key] = progress, End.OPEN

    async def end(self, key: str, progress: Progress, end: End) -> None:
        """Keep it."""
        self.rows[key] = progress, end

    async def shared(self, key: str) -> Record | None:
        """Bring it."""
        return self._shared.get(key)

    async def write_shared(self, key: str, record: Record) -> None:
        """Keep it."""
        self._shared[key] = record

    async def taken(self, candidates: Collection[str]) -> set[str]:
        """Compare with every record."""
        records = [*self._shared.values()]
        records += [r for progress, _ in self.rows.values() for r in progress.records.values()]
        held = {each for record in records for each in record.ids}
        return held.intersection(candidates)

    async def turn(self) -> None:
        """At once: the client's own pace is enough."""
