"""A server of raw bytes: it reads one request, and then does what a fault tells it to."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Self

from attrs import define, frozen

PIECE = 64 * 1024


@frozen
class Seen:
    """One request as it arrived; `body` is what was read of it before the fault struck."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    connection: int


@define(eq=False)
class Peer:
    """The server's end of one connection, for a fault to misuse."""

    server: FaultServer
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int
    good: bytes = b"{}"
    """The body that a healthy server would answer with."""
    request: Seen | None = None

    async def read_head(self) -> tuple[str, str, dict[str, str]]:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip("\r\n").split("\r\n")
        method, target, _ = first.split(" ", 2)
        pairs = (line.partition(":") for line in lines)
        return method, target, {name.lower(): value.strip() for name, _, value in pairs}

    async def read_body(self, headers: Mapping[str, str]) -> bytes:
        if "chunked" in headers.get("transfer-encoding", ""):
            pieces = []
            while size := int(await self.reader.readline(), 16):
                pieces.append((await self.reader.readexactly(size + 2))[:-2])
            await self.reader.readline()
            return b"".join(pieces)
        return await self.reader.readexactly(int(headers.get("content-length", 0)))

    async def take(self, *, body: bool = True) -> None:
        """Read a request, with its body unless told otherwise, and write it into the log."""
        method, target, headers = await self.read_head()
        self.good = self.server.answer_for(method, target)
        content = await self.read_body(headers) if body else b""
        self.request = Seen(method, target, headers, content, self.number)
        self.server.log.append(self.request)

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            self.server.sent += len(piece)
            await self.writer.drain()

    async def answer(
        self,
        body: bytes | None = None,
        *,
        status: str = "200 OK",
        kind: str = "application/json",
        length: int | None = None,
        **headers: str,
    ) -> None:
        """A whole answer, sound unless the arguments say otherwise."""
        body = self.good if body is None else body
        await self.send(
            head(status, len(body) if length is None else length, kind, **headers), body
        )

    def reset(self) -> None:
        """Hang up with an RST."""
        sock: socket.socket = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def hold(self) -> None:
        """Keep the connection open and say no more, until the client has gone."""
        while await self.reader.read(PIECE):
            pass


def head(
    status: str = "200 OK",
    length: int | None = 0,
    kind: str = "application/json",
    **headers: str,
) -> bytes:
    """A status line and headers; names are given with ``_`` for ``-``."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}"]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


Play = Callable[[Peer], Awaitable[None]]


async def healthy(peer: Peer) -> None:
    """Answer as it should be, for as long as the client asks on this connection."""
    while True:
        await peer.take()
        await peer.answer()


class FaultServer:
    """Listens on loopback; every connection is played by *play*."""

    def __init__(self, play: Play, answers: Mapping[str, Any] | None = None) -> None:
        self.play = play
        self.answers = answers or {}
        self.log: list[Seen] = []
        self.connections = 0
        self.sent = 0
        self.broken: list[BaseException] = []
        self._open: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    def answer_for(self, method: str, target: str) -> bytes:
        """The sound answer to a request: the longest key that its line begins with decides."""
        line = f"{method} {target}"
        for key in sorted(self.answers, key=len, reverse=True):
            if line.startswith(key):
                found = self.answers[key]
                return found if isinstance(found, bytes) else json.dumps(found).encode()
        return b"{}"

    @property
    def port(self) -> int:
        assert self._server is not None
        return self._server.sockets[0].getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def tasks(self) -> set[asyncio.Task[None]]:
        return set(self._open)

    def count(self, method: str) -> int:
        return sum(seen.method == method for seen in self.log)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        self.connections += 1
        peer = Peer(self, reader, writer, self.connections)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await self.play(peer)
        except asyncio.CancelledError:
            pass
        except Exception as error:  # noqa: BLE001 # a fault that does not work must fail its test
            self.broken.append(error)
        finally:
            self._open.discard(task)
            writer.close()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        left = list(self._open)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        for _ in range(3):
            await asyncio.sleep(0)
        if self.broken and error is None:
            raise self.broken[0]
