"""Files on their way out: named, checked, and streamed without holding them or the loop."""

from __future__ import annotations

import asyncio
import inspect
import io
import logging
import os
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from pathlib import Path
from typing import IO, Any, BinaryIO, TypeAlias

from attrs import field, frozen

from .._core.wire import Part
from ..errors import InvalidRequestError

log = logging.getLogger("nugen_async")

CHUNK = 256 * 1024
"""Bytes read and sent at a time."""

MEGABYTE = 1024 * 1024

Content: TypeAlias = bytes | IO[bytes] | AsyncIterable[bytes]


@frozen
class Upload:
    """A file that is not on disk: its name, and its bytes in one piece, as a file object, or as they come.

    ``Upload("notes.txt", b"...")``; an async iterable is sent once and cannot be retried.
    """

    name: str
    content: Content = field(repr=False)
    content_type: str | None = None


FileSource: TypeAlias = str | os.PathLike[str] | Upload
"""A path, or an `Upload`."""


@frozen
class UploadProgress:
    """How far one file is; `total` is None for a stream of unknown length."""

    name: str
    sent: int
    total: int | None


OnProgress: TypeAlias = Callable[[UploadProgress], object]


@frozen
class Limits:
    """What a service takes."""

    largest: int
    suffixes: frozenset[str] = frozenset()
    """Lower case, with the dot; empty for any."""


@frozen
class Source:
    """One file, checked, ready to be opened for each sending."""

    name: str
    size: int | None
    content_type: str | None
    _open: Callable[[], AsyncIterable[bytes]] = field(repr=False)
    _largest: int = field(repr=False)

    def part(self, name: str, on_progress: OnProgress | None = None) -> Part:
        """The file as part *name* of a form."""
        return Part(
            name,
            filename=self.name,
            content_type=self.content_type or guessed_type(self.name),
            open=lambda: self._stream(on_progress),
            size=self.size,
        )

    async def _stream(self, on_progress: OnProgress | None) -> AsyncGenerator[bytes]:
        sent = 0
        async for chunk in self._read():
            sent += len(chunk)
            if sent > self._largest:
                raise InvalidRequestError(f"{self.name} is over {_megabytes(self._largest)}")
            yield chunk
            if on_progress is not None:
                try:
                    on_progress(UploadProgress(self.name, sent, self.size))
                except Exception:
                    log.exception("on_progress failed; the upload goes on without it")
                    on_progress = None

    async def _read(self) -> AsyncGenerator[bytes]:
        try:
            async for chunk in self._open():
                yield chunk
        except InvalidRequestError:
            raise
        except Exception as error:
            raise InvalidRequestError(f"{self.name} cannot be read: {error!r}") from error


_TYPES = {
    ".txt": "text/plain",
    ".md": "text/markdown",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".xml": "application/xml",
    ".csv": "text/csv",
    ".html": "text/html",
    ".pdf": "application/pdf",
}


def guessed_type(name: str) -> str:
    """The content type that goes with the suffix of *name*."""
    return _TYPES.get(Path(name).suffix.lower(), "application/octet-stream")


_ONE = (str, os.PathLike, Upload, bytes, bytearray, io.IOBase)
"""What is one file, or was meant as one, although it can be iterated over."""


async def sources(files: FileSource | Iterable[FileSource], limits: Limits) -> list[Source]:
    """Check *files* off the loop; raises `InvalidRequestError` for the first that cannot be sent."""
    if isinstance(files, _ONE) or not isinstance(files, Iterable):
        files = [files]
    found = [await asyncio.to_thread(_source, file, limits) for file in files]
    if not found:
        raise InvalidRequestError("there is no file to upload")
    return found


def _source(file: Any, limits: Limits) -> Source:
    if isinstance(file, Upload):
        size, opened = _content(file)
        name, content_type = file.name, file.content_type
    elif isinstance(file, str | os.PathLike):
        path = Path(os.fspath(file))
        name, size, content_type = path.name, _size_of(path), None

        def opened() -> AsyncIterable[bytes]:
            return _from_disk(path)
    else:
        raise InvalidRequestError(
            f"a file is a path or an Upload(name, content), not {type(file).__name__}"
        )
    _check(name, size, limits)
    return Source(name, size, content_type, opened, limits.largest)


def check(path: Path, limits: Limits) -> None:
    """Raise `InvalidRequestError` if the file at *path* cannot be sent. It looks at the disk."""
    _check(path.name, _size_of(path), limits)


def _size_of(path: Path) -> int:
    if not path.is_file():
        raise InvalidRequestError(f"there is no file {str(path)!r}")
    return path.stat().st_size


def _check(name: str, size: int | None, limits: Limits) -> None:
    if not name or not name.strip() or any(ord(c) < 32 or c == "\x7f" for c in name):  # noqa: PLR2004 # control characters
        raise InvalidRequestError(f"{name!r} is not a file name")
    suffix = Path(name).suffix.lower()
    if limits.suffixes and suffix not in limits.suffixes:
        allowed = ", ".join(sorted(limits.suffixes))
        raise InvalidRequestError(f"{name} is of a type that the API refuses; it takes {allowed}")
    if size is not None and size > limits.largest:
        raise InvalidRequestError(
            f"{name} has {size} bytes, over the limit of {_megabytes(limits.largest)}"
        )


def _megabytes(size: int) -> str:
    return f"{size // MEGABYTE} MB"


def _content(file: Upload) -> tuple[int | None, Callable[[], AsyncIterable[bytes]]]:
    content: Any = file.content
    if isinstance(content, bytes | bytearray | memoryview):
        data = bytes(content)
        return len(data), lambda: _from_memory(data)
    if isinstance(content, AsyncIterable):
        return None, _Once(file.name, content)
    if isinstance(content, io.TextIOBase):
        raise InvalidRequestError(f"{file.name} must be opened in binary mode")
    if callable(getattr(content, "read", None)) and not inspect.iscoroutinefunction(content.read):
        return _from_object(file.name, content)
    raise InvalidRequestError(
        f"{file.name}: content is bytes, a binary file object or an async iterable of bytes,"
        f" not {type(content).__name__}"
    )


class _Once:
    """A stream that can be sent once."""

    def __init__(self, name: str, stream: AsyncIterable[bytes]) -> None:
        self._name = name
        self._stream: AsyncIterable[bytes] | None = stream

    def __call__(self) -> AsyncIterable[bytes]:
        stream, self._stream = self._stream, None
        if stream is None:
            raise InvalidRequestError(f"{self._name} is a stream, which cannot be sent twice")
        return _checked(self._name, stream)


async def _checked(name: str, stream: AsyncIterable[bytes]) -> AsyncGenerator[bytes]:
    async for piece in stream:
        if not isinstance(piece, bytes | bytearray | memoryview):
            raise InvalidRequestError(
                f"{name} must be an async iterable of bytes, but yielded {type(piece).__name__}"
            )
        yield bytes(piece)


async def _from_memory(data: bytes) -> AsyncGenerator[bytes]:
    for first in range(0, len(data), CHUNK):
        yield data[first : first + CHUNK]


async def opened(path: Path) -> BinaryIO:
    """The file at *path*, for the caller to close; where the caller was cancelled meanwhile, it is closed."""
    opening: asyncio.Task[BinaryIO] = asyncio.create_task(asyncio.to_thread(path.open, "rb"))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_unwanted)
        raise


def _unwanted(opening: asyncio.Task[BinaryIO]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


async def _from_disk(path: Path) -> AsyncGenerator[bytes]:
    try:
        file = await opened(path)
    except OSError as error:
        raise InvalidRequestError(f"{str(path)!r} cannot be read: {error.strerror}") from error
    try:
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            yield chunk
    finally:
        file.close()


def _from_object(
    name: str, file: IO[bytes]
) -> tuple[int | None, Callable[[], AsyncIterable[bytes]]]:
    """A file object is sent from where it stands, and left open."""
    try:
        start = file.tell()
        size = file.seek(0, os.SEEK_END) - start
        file.seek(start)
    except (AttributeError, OSError, ValueError):
        return None, _Once(name, _reading(name, file))

    async def again() -> AsyncGenerator[bytes]:
        await asyncio.to_thread(file.seek, start)
        async for chunk in _reading(name, file):
            yield chunk

    return size, again


async def _reading(name: str, file: IO[bytes]) -> AsyncGenerator[bytes]:
    while chunk := await asyncio.to_thread(file.read, CHUNK):
        if not isinstance(chunk, bytes):
            raise InvalidRequestError(f"{name} must be opened in binary mode")
        yield chunk
