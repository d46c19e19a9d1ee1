"""Bodies on their way out and in: multipart forms, and answers that may not grow without end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Sequence
from functools import partial

import aiohttp
from attrs import evolve

from .wire import Part

_UPLOAD_RATE = 64 * 1024
"""Bytes a second that even a slow upload makes."""


def upload_time(parts: Sequence[Part]) -> float:
    """Seconds that the sending of *parts* may take on top of a request's own time."""
    return seconds_for(sum(part.size or 0 for part in parts))


def seconds_for(size: int) -> float:
    """Seconds that even a slow upload takes for *size* bytes."""
    return size / _UPLOAD_RATE


def counted(parts: Sequence[Part], sent: Callable[[int], None]) -> tuple[Part, ...]:
    """*parts*, those of unknown size telling *sent* the bytes of each piece that goes out."""
    return tuple(
        part if part.measured else evolve(part, open=partial(_counting, part.open, sent))
        for part in parts
    )


async def _counting(
    opened: Callable[[], AsyncIterable[bytes]], sent: Callable[[int], None]
) -> AsyncGenerator[bytes]:
    async for each in opened():
        sent(len(each))
        yield each


def form(parts: Sequence[Part]) -> aiohttp.FormData:
    """A multipart body; every stream in it is opened anew, so that a second sending is whole again."""
    made = aiohttp.FormData(default_to_multipart=True, quote_fields=False)
    for part in parts:
        if part.open is None:
            made.add_field(part.name, part.value or "")
        else:
            made.add_field(
                part.name,
                part.open(),
                filename=part.filename,
                content_type=part.content_type or "application/octet-stream",
            )
    return made


async def whole(answer: aiohttp.ClientResponse, largest: int) -> bytes:
    """The body, read to its end; an endless one, or a bomb of gzip, ends at *largest* bytes.

    At its end the connection is free for others; after anything else it is closed.
    """
    content = answer.content
    try:
        first = await content.readany()
        _check_size(len(first), largest)
        if content.at_eof():
            return first
        pieces, size = [first], len(first)
        while piece := await content.readany():
            pieces.append(piece)
            size += len(piece)
            _check_size(size, largest)
    except BaseException:
        answer.close()
        raise
    return b"".join(pieces)


async def piece(answer: aiohttp.ClientResponse, before: int, largest: float) -> bytes:
    """The next bytes of a body of which *before* were read; none at its end, never over *largest* in all."""
    read = await answer.content.readany()
    _check_size(before + len(read), largest)
    return read


def _check_size(size: int, largest: float) -> None:
    if size > largest:
        raise aiohttp.ClientPayloadError(f"the body is over {largest} bytes; the rest was not read")
