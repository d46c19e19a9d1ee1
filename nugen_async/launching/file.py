"""The journal's file: opened with care, owned by one process, written by one thread."""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from sqlite3 import Connection
from typing import Any, TypeVar

from attrs import define, frozen

from ..errors import NugenError, printable
from .owner import Owner

T = TypeVar("T")

APPLICATION_ID = 0x4E55474A
"""``NUGJ``, in the file's header."""
MIGRATIONS = (
    """
    CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    CREATE TABLE lease (
        one INTEGER PRIMARY KEY CHECK (one = 1), owner TEXT NOT NULL, beat REAL NOT NULL
    ) STRICT;
    CREATE TABLE workflows (
        key TEXT NOT NULL UNIQUE, position INTEGER NOT NULL, spec TEXT NOT NULL,
        state TEXT NOT NULL, progress TEXT NOT NULL
    ) STRICT;
    CREATE TABLE shared (key TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
    """,
)
"""One script a version; ``user_version`` tells how many a file has had."""
_MAGIC = b"SQLite format 3\x00"
_BUSY = 5.0
_HEARTBEAT = 10.0


@define(kw_only=True, slots=False, repr=False)
class JournalError(NugenError):
    """The journal cannot be used; it stays as it was."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"journal {printable(self.path)}: {printable(self.reason)}"


class JournalLockedError(JournalError):
    """Another process owns the journal."""


@frozen
class _Job:
    do: Callable[[Connection], Any]
    writes: bool
    done: asyncio.Future[Any]


class JournalFile:
    """A SQLite file and the thread that has it."""

    def __init__(self, path: Path, *, watch: bool) -> None:
        self.path = path
        self.series = ""
        self._watch = watch
        self._owner = Owner.here()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._thread: threading.Thread | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"<JournalFile {self.path}>"

    async def open(self) -> None:
        """Start the thread, which checks the file and takes the lease."""
        opened: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(
            target=self._work, args=(opened,), name="nugen-journal", daemon=True
        )
        self._thread.start()
        try:
            await opened
        except BaseException:
            await self.aclose()
            raise

    async def write(self, do: Callable[[Connection], T]) -> T:
        """What *do* returns; what it wrote is on the disk then."""
        return await self._done(do, writes=True)

    async def read(self, do: Callable[[Connection], T]) -> T:
        """What *do* returns, which writes nothing: a full disk or another writer does not stop it."""
        return await self._done(do, writes=False)

    async def _done(self, do: Callable[[Connection], T], *, writes: bool) -> T:
        if self._closed:
            raise JournalError(path=str(self.path), reason="it is closed")
        done: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put(_Job(do, writes, done))
        return await done

    async def aclose(self) -> None:
        """Give up the lease and close the file. Who is cancelled meanwhile is so when it is closed."""
        if self._closed or self._thread is None:
            return
        self._closed = True
        self._jobs.put(None)
        ended = asyncio.ensure_future(asyncio.to_thread(self._thread.join))
        try:
            await asyncio.shield(ended)
        except asyncio.CancelledError:
            await asyncio.wait({ended})
            raise

    # -- in the thread ------------------------------------------------------------------------------

    def _work(self, opened: asyncio.Future[None]) -> None:
        try:
            db = self._connect()
        except Exception as error:  # noqa: BLE001 # whoever opens gets it
            self._answer(_tell_opened, opened, error)
            return
        self._answer(_tell_opened, opened, None)
        self._serve(db)

    def _answer(self, tell: Callable[..., None], *facts: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(tell, *facts)

    def _serve(self, db: Connection) -> None:
        due, last = time.monotonic() + _HEARTBEAT, False
        while not last:
            group: list[_Job] = []
            with contextlib.suppress(queue.Empty):
                job = self._jobs.get(timeout=max(0.0, due - time.monotonic()))
                while job is not None:
                    group.append(job)
                    job = self._jobs.get_nowait()
                last = True
            if group:
                self._commit(db, group)
            if time.monotonic() >= due:
                self._beat(db)
                due = time.monotonic() + _HEARTBEAT
        with contextlib.suppress(sqlite3.Error):
            if not self._watch:
                db.execute("DELETE FROM lease WHERE owner = ?", (self._owner.to_json(),))
            db.close()

    def _commit(self, db: Connection, group: list[_Job]) -> None:
        """Do all of *group* in one transaction; if one fails, each in its own."""
        told: list[Any] = []
        error: JournalError | None = None
        try:
            db.execute("BEGIN IMMEDIATE" if any(job.writes for job in group) else "BEGIN")
            self._check_owned(db)
            told = [job.do(db) for job in group]
            db.execute("COMMIT")
        except JournalError as failed:
            error = failed
        except Exception as failed:  # noqa: BLE001 # whoever asked gets it; the thread serves others, too
            error = JournalError(path=str(self.path), reason=f"it cannot be used: {failed}")
        if error is not None:
            with contextlib.suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            if len(group) > 1:
                for job in group:
                    self._commit(db, [job])
                return
        self._answer(_tell, group, told, error)

    def _check_owned(self, db: Connection) -> None:
        if self._watch:
            return
        held = db.execute("SELECT owner FROM lease").fetchone()
        if held != (self._owner.to_json(),):
            raise JournalLockedError(
                path=str(self.path), reason="another process has taken it over"
            )

    def _beat(self, db: Connection) -> None:
        """Give a sign of life. Where that cannot be, such as on a full disk, whoever writes is told."""
        if self._watch:
            return
        with contextlib.suppress(sqlite3.Error):
            db.execute(
                "UPDATE lease SET beat = ? WHERE owner = ?", (time.time(), self._owner.to_json())
            )

    # -- opening ------------------------------------------------------------------------------------

    def _connect(self) -> Connection:
        try:
            self._examine()
            db = self._connection("ro" if self._watch else "rw")
            try:
                if not self._watch:
                    self._settle(db)
                self.series = db.execute("SELECT value FROM meta WHERE name = 'series'").fetchone()[
                    0
                ]
            except BaseException:
                db.close()
                raise
        except sqlite3.DatabaseError as error:
            locked = isinstance(error, sqlite3.OperationalError) and "locked" in str(error)
            kind = JournalLockedError if locked else JournalError
            reason = "another program is writing to it" if locked else f"it is torn: {error}"
            raise kind(path=str(self.path), reason=reason) from error
        except (
            ValueError,
            TypeError,
            LookupError,
        ) as error:  # bytes that are no text, a lease of no owner
            raise self._not(f"it is torn: {error}") from error
        except OSError as error:
            raise JournalError(path=str(self.path), reason=error.strerror or str(error)) from error
        return db

    def _connection(self, mode: str) -> Connection:
        return sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=_BUSY,
            isolation_level=None,
            check_same_thread=False,
        )

    def _examine(self) -> None:
        """Make an empty file, or see that the one there is a journal of ours and whole; changes nothing."""
        if not self.path.exists():
            if self._watch:
                raise self._not("there is no such file")
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            return
        size = self.path.stat().st_size
        with self.path.open("rb") as file:
            head = file.read(100)
        if size == 0 and not self._watch:
            return
        if not head.startswith(_MAGIC):
            raise self._not("it is not a journal")
        page, pages = int.from_bytes(head[16:18], "big"), int.from_bytes(head[28:32], "big")
        page = 65536 if page == 1 else page
        if size < page * pages and not _filled(self.path, "-wal"):
            raise self._not("it is torn: a part of it is missing")
        try:
            self._inspect("ro")
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith("SQLITE_READONLY"):
                raise
            # Its owner died in a commit, which only a writer can take back: for our own files, we do.
            ours = int.from_bytes(head[68:72], "big") == APPLICATION_ID or size <= page
            if self._watch or not ours:
                raise self._not(
                    "its last owner died while writing; whoever opens it mends it"
                ) from None
            self._inspect("rw")

    def _inspect(self, mode: str) -> None:
        with contextlib.closing(self._connection(mode)) as db:
            (application,) = db.execute("PRAGMA application_id").fetchone()
            (version,) = db.execute("PRAGMA user_version").fetchone()
            (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            if application != APPLICATION_ID and (application or tables or self._watch):
                raise self._not("it is another program's database")
            if version > len(MIGRATIONS):
                raise self._not(
                    f"it was written by a newer version (schema {version}, this one knows"
                    f" {len(MIGRATIONS)}): update nugen-async"
                )
            (told,) = db.execute("PRAGMA quick_check(1)").fetchone()
            if told != "ok":
                raise self._not(f"it is torn: {told}")

    def _settle(self, db: Connection) -> None:
        """Bring the schema up to date and take the lease."""
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("BEGIN IMMEDIATE")
        try:
            self._migrate(db)
            held = db.execute("SELECT owner, beat FROM lease").fetchone()
            self._check_free(held)
            db.execute(
                "INSERT INTO lease (one, owner, beat) VALUES (1, ?, ?)"
                " ON CONFLICT (one) DO UPDATE SET owner = excluded.owner, beat = excluded.beat",
                (self._owner.to_json(), time.time()),
            )
        except BaseException:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")

    def _check_free(self, held: tuple[str, float] | None) -> None:
        if held is not None and (other := Owner.from_json(held[0])).alive(held[1], time.time()):
            raise JournalLockedError(path=str(self.path), reason=f"{other} is using it")

    def _migrate(self, db: Connection) -> None:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        for script in MIGRATIONS[version:]:
            for statement in filter(str.strip, script.split(";")):
                db.execute(statement)
        if version == 0:
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute("INSERT INTO meta VALUES ('series', ?)", (secrets.token_hex(8),))
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    def _not(self, reason: str) -> JournalError:
        return JournalError(path=str(self.path), reason=reason)


def _filled(path: Path, suffix: str) -> bool:
    """Whether the file beside *path* holds anything."""
    beside = path.with_name(path.name + suffix)
    return beside.exists() and beside.stat().st_size > 0


def _tell(group: list[_Job], told: list[Any], error: JournalError | None) -> None:
    for place, job in enumerate(group):
        if job.done.done():
            continue
        if error is not None:
            job.done.set_exception(error)
        else:
            job.done.set_result(told[place])


def _tell_opened(opened: asyncio.Future[None], error: Exception | None) -> None:
    if opened.done():
        return
    if error is not None:
        opened.set_exception(error)
    else:
        opened.set_result(None)
