"""The journal in PostgreSQL: many processes, each holding what it works on.

One connection a process does everything: it writes, and it holds the advisory locks. When it is lost, the
locks are free and nothing can be written any more, so that no intent is ever recorded by a process that lost
its claim. Needs psycopg, which the extra ``procrastinate`` brings.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, LiteralString, Self, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.json import Jsonb

from .course import End, Progress, Record, retried
from .ledger import Claims, Row, check_changed, check_once
from .opening import JournalError
from .spec import Workflow, keys_of

T = TypeVar("T")

VERSION = 1
_SCHEMA: LiteralString = """
CREATE TABLE IF NOT EXISTS nugen_meta (name text PRIMARY KEY, value text NOT NULL);
CREATE TABLE IF NOT EXISTS nugen_workflows (
    key text PRIMARY KEY, seq bigserial, position bigint NOT NULL, spec jsonb NOT NULL,
    state text NOT NULL DEFAULT 'open', progress jsonb NOT NULL DEFAULT '{}',
    updated timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS nugen_shared (key text PRIMARY KEY, record jsonb NOT NULL);
CREATE TABLE IF NOT EXISTS nugen_pace (
    one boolean PRIMARY KEY DEFAULT true CHECK (one), per_second double precision,
    next timestamptz NOT NULL DEFAULT now()
);
INSERT INTO nugen_pace DEFAULT VALUES ON CONFLICT DO NOTHING;
"""
_TAKEN: LiteralString = """
SELECT held FROM nugen_workflows, jsonb_each(progress -> 'records') AS stage,
    jsonb_array_elements_text(coalesce(stage.value -> 'ids', '[]')) AS held
WHERE held = ANY(%(ids)s) AND progress ? 'records'
UNION SELECT held FROM nugen_shared, jsonb_array_elements_text(coalesce(record -> 'ids', '[]')) AS held
WHERE held = ANY(%(ids)s)
"""
_TURN: LiteralString = """
UPDATE nugen_pace SET next = greatest(next, clock_timestamp()) + make_interval(secs => 1 / per_second)
WHERE per_second > 0
RETURNING extract(epoch FROM next - clock_timestamp()) - 1 / per_second
"""
_ROW: LiteralString = "SELECT key, position, spec, state, progress FROM nugen_workflows"
_LOCK: LiteralString = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"
_UNLOCK: LiteralString = "SELECT pg_advisory_unlock(hashtextextended(%s, 0))"
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0


class PostgresJournal:
    """The progress of workflows, in a database. Made by `open`, closed by `aclose`."""

    def __init__(self, database: str, db: psycopg.AsyncConnection[Any], series: str) -> None:
        self._database = database
        self._db = db
        self._claims = Claims()
        self.series = series
        """What makes the tokens of this journal differ from those of others."""

    def __repr__(self) -> str:
        return f"<PostgresJournal {_place(self._database)}>"

    @classmethod
    async def open(cls, database: str) -> Self:
        """Connect to *database* (``postgresql://...``), and make the tables where they are missing.

        Raises `JournalError` when it cannot be reached or its tables are of a newer version.
        """
        place = _place(database)
        try:
            db = await psycopg.AsyncConnection.connect(database, autocommit=True)
        except psycopg.Error as error:
            raise JournalError(path=place, reason=f"no connection: {_said(error)}") from None
        try:
            series = await _settled(db, place)
        except BaseException:
            await db.close()
            raise
        return cls(database, db, series)

    async def aclose(self) -> None:
        """Let go of the connection, and with it of every claim."""
        await self._db.close()

    @property
    def broken(self) -> bool:
        """Whether the connection is lost; a new journal must be opened then."""
        return self._db.closed or self._db.broken

    # -- rows -------------------------------------------------------------------------------------

    async def admit(self, specs: Sequence[Workflow]) -> list[str]:
        """Write a row for each workflow that has none; returns the keys of all, in order.

        Raises `InvalidRequestError` for keys that come twice or stand for another workflow.
        """
        keys = keys_of(specs)
        check_once(keys)
        told = [spec.to_json() for spec in specs]
        known = dict(
            await self._run("SELECT key, spec FROM nugen_workflows WHERE key = ANY(%s)", keys)
        )
        check_changed([k for k, spec in zip(keys, told, strict=True) if known.get(k, spec) != spec])
        try:
            async with self._db.cursor() as cursor:
                await cursor.executemany(
                    "INSERT INTO nugen_workflows (key, position, spec) VALUES (%s, %s, %s)"
                    " ON CONFLICT DO NOTHING",
                    [
                        (key, position, Jsonb(spec))
                        for position, (key, spec) in enumerate(zip(keys, told, strict=True))
                        if key not in known
                    ],
                )
        except psycopg.Error as error:
            raise self._lost(error) from error
        return keys

    async def keys(self) -> list[tuple[str, End]]:
        """Every key, and how its workflow stands, in the order of their coming."""
        rows = await self._run("SELECT key, state FROM nugen_workflows ORDER BY seq")
        return [(key, End(state)) for key, state in rows]

    async def row(self, key: str) -> Row:
        """Everything about one workflow."""
        rows = await self._run(_ROW + " WHERE key = %s", key)
        if not rows:
            raise JournalError(path=_place(self._database), reason=f"it has no workflow {key!r}")
        return _read(*rows[0])

    async def rows(self) -> list[Row]:
        """Everything about every workflow, in the order of their coming."""
        return [_read(*row) for row in await self._run(_ROW + " ORDER BY seq")]

    async def reopen(self) -> list[str]:
        """Make every workflow that failed, or whose state is unknown, ready to go on; returns their keys."""
        rows = await self._run(_ROW + " WHERE state IN ('failed', 'unknown') ORDER BY seq")
        again = [_read(*row) for row in rows]
        for row in again:
            await self.end(row.key, retried(row.progress), End.OPEN)
        return [row.key for row in again]

    # -- the ledger -------------------------------------------------------------------------------

    async def keep(self, key: str, progress: Progress) -> None:
        """Keep the progress of a workflow that goes on."""
        await self.end(key, progress, End.OPEN)

    async def end(self, key: str, progress: Progress, end: End) -> None:
        """Keep how a workflow ended."""
        await self._run(
            "UPDATE nugen_workflows SET state = %s, progress = %s, updated = now() WHERE key = %s",
            str(end),
            Jsonb(progress.to_json()),
            key,
        )

    async def shared(self, key: str) -> Record | None:
        """The record of a thing that several workflows use."""
        rows = await self._run("SELECT record FROM nugen_shared WHERE key = %s", key)
        return Record.from_json(rows[0][0]) if rows else None

    async def write_shared(self, key: str, record: Record) -> None:
        """Keep the record of a thing that several workflows use."""
        await self._run(
            "INSERT INTO nugen_shared (key, record) VALUES (%s, %s)"
            " ON CONFLICT (key) DO UPDATE SET record = excluded.record",
            key,
            Jsonb(record.to_json()),
        )

    async def taken(self, candidates: Collection[str]) -> set[str]:
        """Which of these ids belong to some record already."""
        return {held for (held,) in await self._run(_TAKEN, ids=[*candidates])}

    def claim(self, key: str) -> AbstractAsyncContextManager[None]:
        """Hold *key* among all processes; it is free again when this one ends, however it ends."""
        return self._held(f"{self.series}:{key}")

    @asynccontextmanager
    async def _held(self, key: str) -> AsyncGenerator[None]:
        async with self._claims(key):
            pause = _FIRST_PAUSE
            while not await self._locked(key):
                await asyncio.sleep(pause)
                pause = min(_LONGEST_PAUSE, pause * 2)
            try:
                yield
            finally:
                await self._unlock(key)

    async def _locked(self, key: str) -> bool:
        """Whether *key* is this process's now. Who is cancelled while the server grants it gives it back."""
        asked = asyncio.ensure_future(self._run(_LOCK, key))
        try:
            ((granted,),) = await _to_its_end(asked)
        except asyncio.CancelledError:
            if not asked.cancelled() and asked.exception() is None and asked.result() == [(True,)]:
                await self._unlock(key)
            raise
        return bool(granted)

    async def _unlock(self, key: str) -> None:
        if not self.broken:
            await _to_its_end(asyncio.ensure_future(self._run(_UNLOCK, key)))

    async def set_pace(self, creates_per_second: float | None) -> None:
        """Let all processes together create at most so many things a second; None for no limit."""
        await self._run("UPDATE nugen_pace SET per_second = %s", creates_per_second)

    async def turn(self) -> None:
        """Wait for this process's turn to create something, as the whole fleet's pace allows."""
        for (seconds,) in await self._run(_TURN):
            if seconds > 0:
                await asyncio.sleep(float(seconds))

    async def _run(self, query: LiteralString, *values: object, **named: object) -> list[Any]:
        try:
            cursor = await self._db.execute(query, named or values)
            return await cursor.fetchall() if cursor.description else []
        except psycopg.Error as error:
            raise self._lost(error) from error

    def _lost(self, error: psycopg.Error) -> JournalError:
        return JournalError(path=_place(self._database), reason=_said(error))


async def _to_its_end(work: asyncio.Future[T]) -> T:
    """What *work* brings. Who is cancelled meanwhile is so when it is done."""
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        while not work.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait({work})
        raise


async def _settled(db: psycopg.AsyncConnection[Any], place: str) -> str:
    """Make the tables, one process at a time; returns the journal's series."""
    try:
        async with db.transaction():
            await db.execute("SELECT pg_advisory_xact_lock(hashtextextended('nugen_async', 0))")
            await db.execute(_SCHEMA)
            await db.execute(
                "INSERT INTO nugen_meta VALUES ('version', %s), ('series', %s) ON CONFLICT DO NOTHING",
                (str(VERSION), secrets.token_hex(8)),
            )
            rows = await (await db.execute("SELECT name, value FROM nugen_meta")).fetchall()
    except psycopg.Error as error:
        raise JournalError(path=place, reason=_said(error)) from None
    told: Mapping[str, str] = dict(rows)
    if int(told["version"]) > VERSION:
        raise JournalError(
            path=place,
            reason=f"it was written by a newer version (schema {told['version']}, this one knows"
            f" {VERSION}): update nugen-async",
        )
    return told["series"]


def _said(error: psycopg.Error) -> str:
    """What PostgreSQL said, in one line."""
    return " ".join(str(error).split())


def _place(database: str) -> str:
    """The database without its password, fit to be shown."""
    try:
        told = conninfo_to_dict(database)
    except psycopg.Error:
        return "postgresql"
    return f"postgresql://{told.get('host', '')}/{told.get('dbname', '')}"


def _read(key: str, position: int, spec: Any, state: str, progress: Any) -> Row:
    return Row(
        key=key,
        position=position,
        spec=Workflow.from_json(spec),
        end=End(state),
        progress=Progress.from_json(progress),
    )
