"""The journal's file before anybody works with it: made, or seen to be ours, whole and free."""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from sqlite3 import Connection
from typing import Literal, Self

from attrs import define, frozen

from ..errors import NugenError, printable
from .owner import Owner

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
_UNABLE = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_READONLY")
"""What SQLite calls it when the disk, not the file, is at fault."""
_BUSY = 5.0
_one_at_a_time = threading.Lock()
"""Of this process's openings: each looks at the file in a way that would take the locks of another away."""


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
class _Head:
    """What SQLite writes at the beginning of a file."""

    sqlite: bool
    size: int
    """Bytes there are."""
    page: int
    pages: int
    logged: bool
    """Whether it has, while it is open, its last writes in a ``-wal`` beside."""
    application: int

    @classmethod
    def read(cls, head: bytes, size: int) -> Self:
        page = int.from_bytes(head[16:18], "big")
        return cls(
            sqlite=head.startswith(b"SQLite format 3\x00"),
            size=size,
            page=65536 if page == 1 else page,
            pages=int.from_bytes(head[28:32], "big"),
            logged=head[18:20] == b"\x02\x02",
            application=int.from_bytes(head[68:72], "big"),
        )


@frozen
class Opening:
    """One attempt to open a journal."""

    path: Path
    owner: Owner | None
    """Who wants to own it; None to look only."""

    def connect(self) -> tuple[Connection, str]:
        """A connection to the journal, which the owner holds then, and its series.

        Raises `JournalLockedError` and `JournalError`; the file then stays as it was.
        """
        try:
            with _one_at_a_time:
                self._examine()
                db = self._connection("rw" if self.owner else "ro")
                try:
                    return db, self._settled(db)
                except BaseException:
                    db.close()
                    raise
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
                reason = "another program is writing to it"
                raise JournalLockedError(path=str(self.path), reason=reason) from error
            torn = not getattr(error, "sqlite_errorname", "").startswith(_UNABLE)
            raise self._not(f"it {'is torn' if torn else 'cannot be used'}: {error}") from error
        except (ValueError, TypeError, LookupError) as error:
            # Bytes that are no text, or a lease of no owner.
            raise self._not(f"it is torn: {error}") from error
        except OSError as error:
            raise self._not(error.strerror or str(error)) from error

    def _connection(self, mode: str) -> Connection:
        return sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=_BUSY,
            isolation_level=None,
            check_same_thread=False,
        )

    # -- to see what it is: changes nothing ---------------------------------------------------------

    def _examine(self) -> None:
        """Make an empty file, or see that the one there is a journal of ours, and whole."""
        if not self.path.exists():
            if self.owner is None:
                raise self._not("there is no such file")
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            return
        if self.path.stat().st_size == 0 and self.owner is not None:
            return
        if not self._beside("-wal"):  # else this process may own it
            self._check_alone(self._head())
        try:
            self._inspect("ro")
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith("SQLITE_READONLY"):
                raise
            # Its owner died in a commit, which only a writer can take back: for our own files, we do.
            head = self._head()
            ours = head.application == APPLICATION_ID or head.size <= head.page
            if self.owner is None or not ours:
                raise self._not(
                    "its last owner died while writing; whoever opens it mends it"
                ) from None
            self._inspect("rw")

    def _head(self) -> _Head:
        """The header. To close it ends this process's locks on the file (POSIX): only where it has none."""
        with self.path.open("rb") as file:
            return _Head.read(file.read(100), self.path.stat().st_size)

    def _check_alone(self, head: _Head) -> None:
        if not head.sqlite:
            raise self._not("it is not a journal")
        if head.size < head.page * head.pages and not self._beside("-journal"):
            raise self._not("it is torn: a part of it is missing")
        if head.logged:
            self._check_closed(head.application)

    def _check_closed(self, application: int) -> None:
        """See that its last owner closed the file, so that nothing is in a ``-wal`` left elsewhere."""
        # Immutable, since a reader as any other would make a ``-wal``.
        with contextlib.closing(self._connection("ro&immutable=1")) as db:
            (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            ours = application == APPLICATION_ID
            held = db.execute("SELECT owner FROM lease").fetchone() if ours else None
        if (tables and held is None) or self._beside("-wal"):
            return
        owner = f"{Owner.from_json(held[0])}, its last owner," if held else "its last owner"
        raise self._not(
            f"{owner} has not closed it, and {self.path.name}-wal, which holds what was written last,"
            " is not beside it: bring that file, too"
        )

    def _inspect(self, mode: str) -> None:
        with contextlib.closing(self._connection(mode)) as db:
            (application,) = db.execute("PRAGMA application_id").fetchone()
            (version,) = db.execute("PRAGMA user_version").fetchone()
            (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            if application != APPLICATION_ID and (application or tables or self.owner is None):
                raise self._not("it is another program's database")
            if version > len(MIGRATIONS):
                raise self._not(
                    f"it was written by a newer version (schema {version}, this one knows"
                    f" {len(MIGRATIONS)}): update nugen-async"
                )
            (told,) = db.execute("PRAGMA quick_check(1)").fetchone()
            if told != "ok":
                raise self._not(f"it is torn: {told}")
            if version and self.owner is not None:
                # A writer that was refused would, by closing, take the ``-wal`` of a dead owner away.
                self._check_free(db)

    def _beside(self, suffix: str) -> bool:
        """Whether the file beside, of that ending, holds anything."""
        beside = self.path.with_name(self.path.name + suffix)
        return beside.exists() and beside.stat().st_size > 0

    # -- to own it ----------------------------------------------------------------------------------

    def _settled(self, db: Connection) -> str:
        """Bring the schema up to date and take the lease; returns the series."""
        if self.owner is not None:
            db.execute("PRAGMA synchronous = FULL")
            with _transaction(db):
                _migrate(db)
                self._check_free(db)
            # Only now: a file with a ``-wal`` has tables, so that without it, it never seems new.
            db.execute("PRAGMA journal_mode = WAL")
        series: str
        (series,) = db.execute("SELECT value FROM meta WHERE name = 'series'").fetchone()
        if self.owner is not None:
            with _transaction(db):
                self._check_free(db)
                db.execute(
                    "INSERT INTO lease (one, owner, beat) VALUES (1, ?, ?)"
                    " ON CONFLICT (one) DO UPDATE SET owner = excluded.owner, beat = excluded.beat",
                    (self.owner.to_json(), time.time()),
                )
            # The lease in the file itself tells that there is a ``-wal``, should it be left behind.
            checkpoint(db, "FULL")
        return series

    def _check_free(self, db: Connection) -> None:
        held = db.execute("SELECT owner, beat FROM lease").fetchone()
        if held is not None and (other := Owner.from_json(held[0])).alive(held[1], time.time()):
            raise JournalLockedError(path=str(self.path), reason=f"{other} is using it")

    def _not(self, reason: str) -> JournalError:
        return JournalError(path=str(self.path), reason=reason)


def checkpoint(db: Connection, how: Literal["PASSIVE", "FULL"]) -> None:
    """Bring what was written into the file itself: all, or what those who look at it now permit.

    It is in the ``-wal`` in any case, so it can wait where the disk is full.
    """
    with contextlib.suppress(sqlite3.Error):
        db.execute(f"PRAGMA wal_checkpoint({how})").fetchall()


@contextlib.contextmanager
def _transaction(db: Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _migrate(db: Connection) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    for script in MIGRATIONS[version:]:
        for statement in filter(str.strip, script.split(";")):
            db.execute(statement)
    if version == 0:
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute("INSERT INTO meta VALUES ('series', ?)", (secrets.token_hex(8),))
    if version < len(MIGRATIONS):
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
