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
from ..resources._uploads import opened

_PIECE = 1024 * 1024


@frozen
class File:
    """A file as it was when it was read."""

    path: Path
    size: int
    sha256: str

    @property
    def mark(self) -> str:
        """Its content as a token."""
        return self.sha256[:TOKEN_LENGTH]

    def name(self, *, marked: bool) -> str:
        """What it is called on the server; a marked name is the same only for the same content."""
        path = self.path
        return f"{path.stem}-{self.mark}{path.suffix}" if marked else path.name


class Files:
    """Files read once each, in threads."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int, int], str] = {}
        self._reading: dict[str, asyncio.Lock] = {}

    async def check(self, paths: Iterable[str]) -> None:
        """Raise `InvalidRequestError` naming every path that is no readable file."""
        missing = await asyncio.to_thread(_missing, dict.fromkeys(paths))
        if missing:
            raise InvalidRequestError(f"no readable file: {', '.join(missing)}")

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


def is_file(path: str) -> bool:
    """Whether there is a file at *path*, which may be anything."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):  # longer than a name can be, for one
        return False


def _missing(paths: Iterable[str]) -> list[str]:
    return [repr(path) for path in paths if not is_file(path)]


def _digest(path: Path) -> str:
    whole = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            whole.update(piece)
    return whole.hexdigest()
