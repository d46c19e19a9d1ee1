"""Local files: there before anything is sent, and known by their content."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from attrs import frozen

from .._core.reconcile import TOKEN_LENGTH
from ..errors import InvalidRequestError
from ..resources._uploads import check, opened
from ..resources.benchmarks import read_questions
from ..resources.documents import LIMITS

_PIECE = 1024 * 1024


@frozen
class File:
    """A file as it was when it was read."""

    path: Path
    size: int
    sha256: str

    def mark(self, attempt: int = 1) -> str:
        """Its content as a token; another try has another, since a server may keep what failed."""
        token = self.sha256[:TOKEN_LENGTH]
        return token if attempt == 1 else f"{token}-{attempt}"

    def name(self, *, marked: bool, attempt: int = 1) -> str:
        """What it is called on the server; a marked name is the same only for the same content."""
        path = self.path
        return f"{path.stem}-{self.mark(attempt)}{path.suffix}" if marked else path.name


class Files:
    """Files read once each, in threads."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int, int], str] = {}
        self._reading: dict[str, asyncio.Lock] = {}

    async def check(self, named: Iterable[tuple[str, str]]) -> None:
        """Raise `InvalidRequestError`, naming all that cannot be sent of these fields and their paths."""
        once = dict.fromkeys(named)
        flaws = await asyncio.to_thread(lambda: [flaw(*each) for each in once])
        if told := "; ".join(filter(None, flaws)):
            raise InvalidRequestError(told)

    async def read(self, path: str) -> File:
        """Its size and digest; a file that did not change since is not read again."""
        async with self._reading.setdefault(path, asyncio.Lock()):
            return await asyncio.to_thread(self._read, Path(path))

    async def opened(self, file: File) -> BinaryIO:
        """Its content; whoever has it closes it."""
        try:
            return await opened(file.path)
        except OSError as error:
            raise _unreadable(file.path, error) from error

    def _read(self, path: Path) -> File:
        try:
            told = path.stat()
            key = str(path), told.st_size, told.st_mtime_ns
            if (known := self._known.get(key)) is None:
                known = self._known[key] = _digest(path)
        except OSError as error:
            raise _unreadable(path, error) from error
        return File(path, told.st_size, known)


def _unreadable(path: Path, error: OSError) -> InvalidRequestError:
    return InvalidRequestError(f"{str(path)!r} cannot be read: {error.strerror}")


def flaw(field: str, path: str) -> str | None:
    """Why the file at *path*, which a workflow names in this *field*, cannot be sent; None where it can.

    It reads files: call it in a thread where a loop runs.
    """
    if not _is_file(path):
        return f"no such file: {path}"
    try:
        if field == "documents":
            check(Path(path), LIMITS)
        else:
            read_questions(path)
    except InvalidRequestError as error:
        return str(error)
    return None


def _is_file(path: str) -> bool:
    """Whether there is a file at *path*, which may be anything."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):  # longer than a name can be, for one
        return False


def _digest(path: Path) -> str:
    whole = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            whole.update(piece)
    return whole.hexdigest()
