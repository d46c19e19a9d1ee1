"""Where a workflow's progress is kept. The file and the database fulfil the same protocol as plain memory."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from weakref import WeakValueDictionary

from attrs import frozen

from .._core.reconcile import new_token
from ..errors import InvalidRequestError
from .course import End, Progress, Record
from .spec import Workflow


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


@frozen(kw_only=True)
class Row:
    """One workflow in a store: what is wanted, and how far it is."""

    key: str
    position: int
    spec: Workflow
    end: End
    progress: Progress


class Store(Ledger, Protocol):
    """A ledger that outlives the process, and knows what was wanted."""

    async def admit(self, specs: Sequence[Workflow]) -> list[str]:
        """Write a row for each workflow that has none; returns the keys of all, in order."""
        ...

    async def keys(self) -> list[tuple[str, End]]:
        """Every key, and how its workflow stands, in the order of their coming."""
        ...

    async def row(self, key: str) -> Row:
        """Everything about one workflow."""
        ...

    async def rows(self) -> list[Row]:
        """Everything about every workflow, in the order of their coming."""
        ...

    async def reopen(self) -> list[str]:
        """Make every workflow that failed or is unknown ready to go on; returns their keys."""
        ...

    async def aclose(self) -> None:
        """Let go of it."""
        ...


def check_once(keys: Sequence[str]) -> None:
    """Raise `InvalidRequestError` when a key comes twice."""
    twice = sorted(key for key, count in Counter(keys).items() if count > 1)
    if twice:
        raise InvalidRequestError(f"keys that come twice: {_some(twice)}")


def check_changed(changed: Sequence[str]) -> None:
    """Raise `InvalidRequestError` when keys stand for other workflows than before."""
    if changed:
        raise InvalidRequestError(
            f"other workflows were run under these keys: {_some(changed)}; give changed ones another key"
        )


def _some(keys: Sequence[str], most: int = 10) -> str:
    more = f" and {len(keys) - most} more" if len(keys) > most else ""
    return ", ".join(keys[:most]) + more


class Claims:
    """Claims within one process."""

    __slots__ = ("_locks",)

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def __call__(self, key: str) -> AbstractAsyncContextManager[None]:
        """A context in which nobody else of this process holds *key*."""
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        return lock


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
