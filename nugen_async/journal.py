"""What was already started, on disk: one row a workflow, in a SQLite file that one process owns at a time.

Every write is on the disk when its await returns (WAL, ``synchronous=FULL``). One thread does all of it;
what is waiting when it comes round goes into one commit. The file is readable by its owner only.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from sqlite3 import Connection
from typing import Any, Self, TypeVar

from .launching.course import End, Progress, Record, retried
from .launching.file import JournalFile
from .launching.ledger import Claims, Row, check_changed, check_once
from .launching.opening import JournalError, JournalLockedError
from .launching.spec import Workflow, keys_of, storable

__all__ = ["Journal", "JournalError", "JournalLockedError"]

T = TypeVar("T")

_ROW = "SELECT key, position, spec, state, progress FROM workflows"


class Journal:
    """The progress of workflows, in a file. Made by `open`, closed by `aclose`."""

    def __init__(self, file: JournalFile) -> None:
        self._file = file
        self._ids: set[str] | None = None
        self._loading = asyncio.Lock()
        self._claims = Claims()

    @classmethod
    async def open(cls, path: str | os.PathLike[str], *, watch: bool = False) -> Self:
        """Open the journal at *path*, or make it; with *watch* only to look, beside its owner.

        Raises `JournalLockedError` when another process owns it, `JournalError` when it is torn, foreign, or
        of a newer version. It then stays as it was.
        """
        file = JournalFile(Path(path), watch=watch)
        await file.open()
        return cls(file)

    async def aclose(self) -> None:
        """Let go of the file. What was awaited is in it."""
        await self._file.aclose()

    @property
    def series(self) -> str:
        """What makes the tokens of this journal differ from those of others."""
        return self._file.series

    # -- rows -------------------------------------------------------------------------------------

    async def admit(self, specs: Sequence[Workflow]) -> list[str]:
        """Write a row for each workflow that has none; returns the keys of all, in order.

        Raises `InvalidRequestError` for keys that come twice or stand for another workflow.
        """
        keys = keys_of(specs)
        check_once(keys)
        rows = [
            (key, position, _dumped(spec.to_json()))
            for position, (key, spec) in enumerate(zip(keys, specs, strict=True))
        ]

        def write(db: Connection) -> list[str]:
            known = dict(db.execute("SELECT key, spec FROM workflows"))
            changed = [key for key, _, spec in rows if known.get(key, spec) != spec]
            if not changed:
                db.executemany(
                    "INSERT INTO workflows (key, position, spec, state, progress)"
                    " VALUES (?, ?, ?, 'open', '{}') ON CONFLICT DO NOTHING",
                    rows,
                )
            return changed

        check_changed(await self._file.write(write))
        return keys

    async def keys(self) -> list[tuple[str, End]]:
        """Every key, and how its workflow stands, in the order of their coming."""
        rows = await self._select("SELECT key, state FROM workflows ORDER BY rowid")
        with self._reading("a workflow's state"):
            return [(key, End(state)) for key, state in rows]

    async def row(self, key: str) -> Row:
        """Everything about one workflow."""
        (row,) = await self._select(f"{_ROW} WHERE key = ?", key)
        return self._read(*row)

    async def rows(self) -> list[Row]:
        """Everything about every workflow, in the order of their coming."""
        return [self._read(*row) for row in await self._select(f"{_ROW} ORDER BY rowid")]

    async def reopen(self) -> list[str]:
        """Make every workflow that failed, or whose state is unknown, ready to go on; returns their keys."""
        rows = await self._select(f"{_ROW} WHERE state IN ('failed', 'unknown') ORDER BY rowid")
        again = [self._read(*row) for row in rows]
        values = [(_dumped(retried(row.progress).to_json()), row.key) for row in again]

        def write(db: Connection) -> None:
            db.executemany(
                "UPDATE workflows SET state = 'open', progress = ? WHERE key = ?", values
            )

        await self._file.write(write)
        return [row.key for row in again]

    # -- the ledger -------------------------------------------------------------------------------

    async def keep(self, key: str, progress: Progress) -> None:
        """Keep the progress of a workflow that goes on."""
        await self.end(key, progress, End.OPEN)

    async def end(self, key: str, progress: Progress, end: End) -> None:
        """Keep how a workflow ended."""
        self._note(progress.records.values())
        text = _dumped(progress.to_json())

        def write(db: Connection) -> None:
            db.execute(
                "UPDATE workflows SET state = ?, progress = ? WHERE key = ?", (str(end), text, key)
            )

        await self._file.write(write)

    async def shared(self, key: str) -> Record | None:
        """The record of a thing that several workflows use."""
        rows = await self._select("SELECT record FROM shared WHERE key = ?", _named(key))
        with self._reading(f"what is shared as {key!r}"):
            return Record.from_json(json.loads(rows[0][0])) if rows else None

    async def write_shared(self, key: str, record: Record) -> None:
        """Keep the record of a thing that several workflows use."""
        self._note((record,))
        text = _dumped(record.to_json())

        def write(db: Connection) -> None:
            db.execute(
                "INSERT INTO shared (key, record) VALUES (?, ?)"
                " ON CONFLICT (key) DO UPDATE SET record = excluded.record",
                (_named(key), text),
            )

        await self._file.write(write)

    async def taken(self, candidates: Collection[str]) -> set[str]:
        """Which of these ids belong to some record already."""
        async with self._loading:
            if self._ids is None:
                await self._load()
        assert self._ids is not None  # noqa: S101 # just loaded
        return self._ids.intersection(candidates)

    async def _load(self) -> None:
        """Learn every id on the disk; what is written meanwhile is noted, too."""
        self._ids = set()
        try:
            with self._reading("what was made"):
                for (text,) in await self._select("SELECT progress FROM workflows"):
                    self._note(Progress.from_json(json.loads(text)).records.values())
                shared = await self._select("SELECT record FROM shared")
                self._note(Record.from_json(json.loads(text)) for (text,) in shared)
        except BaseException:
            self._ids = None
            raise

    def _note(self, records: Iterable[Record]) -> None:
        if self._ids is not None:
            self._ids.update(each for record in records for each in record.ids)

    def claim(self, key: str) -> AbstractAsyncContextManager[None]:
        """Hold *key* among the tasks of this process, the file's one owner."""
        return self._claims(key)

    async def turn(self) -> None:
        """At once: one process has the client's own pace."""

    def _read(self, key: str, position: int, spec: str, state: str, progress: str) -> Row:
        with self._reading(f"the row of {key!r}"):
            return Row(
                key=key,
                position=position,
                spec=Workflow.from_json(json.loads(spec)),
                end=End(state),
                progress=Progress.from_json(json.loads(progress)),
            )

    @contextmanager
    def _reading(self, what: str) -> Iterator[None]:
        try:
            yield
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise JournalError(
                path=str(self._file.path), reason=f"{what} makes no sense: {error}"
            ) from error

    async def _select(self, query: str, *values: object) -> list[Any]:
        return await self._file.read(lambda db: db.execute(query, values).fetchall())


def _dumped(value: Any) -> str:
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    if storable(text):
        return text
    # Half a surrogate pair, as in the path of a file whose name is no UTF-8, can only be kept escaped.
    return json.dumps(value, separators=(",", ":"))


def _named(key: str) -> str:
    """The key of what is shared, which may hold the name of such a file."""
    return key.encode("utf-8", "backslashreplace").decode()
