"""The journal's file, owned by one process and written by one thread."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from sqlite3 import Connection
from typing import Any, TypeVar

from attrs import frozen

from .opening import JournalError, JournalLockedError, Opening, checkpoint
from .owner import Owner

T = TypeVar("T")

_HEARTBEAT = 10.0


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
            db, self.series = Opening(self.path, None if self._watch else self._owner).connect()
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
        self._release(db)

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
            checkpoint(db, "PASSIVE")
            db.execute(
                "UPDATE lease SET beat = ? WHERE owner = ?", (time.time(), self._owner.to_json())
            )

    def _release(self, db: Connection) -> None:
        """Leave a file that is whole by itself, also when others look at it or the disk is full."""
        with contextlib.suppress(sqlite3.Error):
            if not self._watch:
                checkpoint(db, "PASSIVE")  # which makes room for the next
                db.execute("DELETE FROM lease WHERE owner = ?", (self._owner.to_json(),))
                checkpoint(db, "FULL")
        with contextlib.suppress(sqlite3.Error):
            db.close()


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
