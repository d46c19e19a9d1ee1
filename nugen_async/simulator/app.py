"""The aiohttp.web skin of the world: sockets, uploads and time around `World.handle`."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import struct
from types import TracebackType
from typing import Self
from weakref import WeakKeyDictionary

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError
from attrs import define, field

from .exchange import Form, SimRequest, SimResponse, Upload
from .log import Log
from .world import World

_PIECE = 256 * 1024
_KEPT_PART = "file"  # the only part whose content the world reads: a benchmark's questions
_KEPT_SIZE = 20 * 1024 * 1024
_LARGEST_BODY = 64 * 1024 * 1024
# With the usual 128, the kernel drops the 129th of many connections made at once and tries it
# again a second later: real time, in which virtual time runs away.
_BACKLOG = 4096
_LAST_WAIT = 1.0  # seconds for handlers to end once they were told to


@define(eq=False)
class Clock:
    """Seconds since a world was first asked for the time, by the running loop; never back.

    A test in virtual time has another clock than its fixtures had: when the loop's time jumps
    back, counting goes on from where it was.
    """

    _zero: float | None = field(default=None, init=False)
    _last: float = field(default=0.0, init=False)

    def now(self) -> float:
        """The time of the world."""
        time = asyncio.get_running_loop().time()
        if self._zero is None or time - self._zero < self._last:
            self._zero = time - self._last
        self._last = time - self._zero
        return self._last


_CLOCKS: WeakKeyDictionary[World, Clock] = WeakKeyDictionary()


def clock_of(world: World) -> Clock:
    """The one clock of a world, whoever serves it."""
    return _CLOCKS.setdefault(world, Clock())


@define(eq=False)
class Service:
    """One world behind one aiohttp server, with no socket of its own."""

    world: World
    keep_alive: float = 75.0
    clock: Clock = field(init=False)
    server: web.Server = field(init=False, repr=False)
    _closing: asyncio.Future[None] = field(init=False, repr=False)
    _numbers: WeakKeyDictionary[asyncio.BaseTransport, int] = field(
        factory=WeakKeyDictionary[asyncio.BaseTransport, int], init=False, repr=False
    )

    def __attrs_post_init__(self) -> None:
        self.clock = clock_of(self.world)
        self._closing = asyncio.get_running_loop().create_future()
        self.server = web.Server(
            self._serve,
            access_log=None,
            keepalive_timeout=self.keep_alive,
            handler_cancellation=True,
        )

    async def aclose(self) -> None:
        """Let go of what still waits, and close every connection."""
        self.let_go()
        await asyncio.sleep(0)
        self.server.pre_shutdown()
        await self.server.shutdown(_LAST_WAIT)

    def let_go(self) -> None:
        """End every stall and delay."""
        if not self._closing.done():
            self._closing.set_result(None)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        taken = await self._taken(request)
        response = self.world.handle(taken, self.clock.now())
        if response.delay:
            await self._wait(response.delay)
        if response.hang_up == "stall":
            await self._wait(None)
        return await self._sent(request, response)

    async def _wait(self, seconds: float | None) -> None:
        await asyncio.wait((self._closing,), timeout=seconds)

    async def _taken(self, request: web.BaseRequest) -> SimRequest:
        form, content = None, b""
        if request.content_type == "multipart/form-data":
            form = await _form(request)
        elif request.can_read_body:
            content = await _content(request)
        return SimRequest(
            method=request.method,
            path=request.rel_url.raw_path,
            query=dict(request.query),
            headers={name.lower(): value for name, value in request.headers.items()},
            content=content,
            form=form,
            connection=self._connection(request),
        )

    def _connection(self, request: web.BaseRequest) -> int:
        transport = request.transport
        if transport is None:
            return 0
        if transport not in self._numbers:
            self._numbers[transport] = self.world.log.number()
        return self._numbers[transport]

    async def _sent(self, request: web.BaseRequest, response: SimResponse) -> web.StreamResponse:
        if response.status is None:
            _hang_up(request, reset=response.hang_up == "reset")
            return web.Response()
        headers = dict(response.headers)
        if response.chunks is None and response.cut_at is None:
            return web.Response(status=response.status, headers=headers, body=response.body)
        stream = web.StreamResponse(status=response.status, headers=headers)
        if response.cut_at is not None:
            stream.content_length = max(len(response.body), response.cut_at + 1)
            await stream.prepare(request)
            await stream.write(response.body[: response.cut_at])
            _hang_up(request, reset=False)
            return stream
        await stream.prepare(request)
        for chunk in response.chunks or ():
            if response.pause:
                await self._wait(response.pause)
            await stream.write(chunk)
        if response.hang_up:
            _hang_up(request, reset=response.hang_up == "reset")
        else:
            await stream.write_eof()
        return stream


@define(eq=False)
class Simulator:
    """A world that listens on loopback while the block lasts.

    ``async with Simulator(world=World(seed=1)) as sim:`` gives `url`, `world` and `log`. Port 0
    takes a free one. *speed* divides the durations of jobs (see `Book`). *keep_alive* is how many
    seconds an idle connection lives. The world may be served again later: its time goes on.
    """

    world: World = field(factory=World, kw_only=True)
    speed: float | None = field(default=None, kw_only=True)
    host: str = field(default="127.0.0.1", kw_only=True)
    port: int = field(default=0, kw_only=True)
    keep_alive: float = field(default=75.0, kw_only=True)
    _service: Service | None = field(default=None, init=False, repr=False)
    _runner: web.ServerRunner | None = field(default=None, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        if self.speed is not None:
            self.world.speed = self.speed

    @property
    def url(self) -> str:
        """The base URL for both vendors' clients."""
        return f"http://{self.host}:{self.port}"

    @property
    def log(self) -> Log:
        """The world's log."""
        return self.world.log

    @property
    def now(self) -> float:
        """The time of the world, in seconds."""
        return clock_of(self.world).now()

    async def __aenter__(self) -> Self:
        self._service = Service(self.world, self.keep_alive)
        self._runner = web.ServerRunner(self._service.server, shutdown_timeout=_LAST_WAIT)
        await self._runner.setup()
        await web.TCPSite(self._runner, self.host, self.port, backlog=_BACKLOG).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop listening and close every connection; what still waits is let go."""
        service, self._service = self._service, None
        runner, self._runner = self._runner, None
        if service is not None and runner is not None:
            service.let_go()
            await runner.cleanup()


async def _content(request: web.BaseRequest) -> bytes:
    kept = bytearray()
    async for piece in request.content.iter_any():
        if len(kept) < _LARGEST_BODY:
            kept += piece
    return bytes(kept)


async def _form(request: web.BaseRequest) -> Form:
    """Read a multipart body piece by piece; a broken one counts as empty."""
    fields: list[tuple[str, str]] = []
    files: list[Upload] = []
    try:
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader) or part.name is None:
                continue
            if part.filename is None:
                fields.append((part.name, (await part.read()).decode(errors="replace")))
            else:
                files.append(await _upload(part, part.name, part.filename))
    except (ValueError, HttpProcessingError):
        return Form()
    return Form(fields=fields, files=files)


async def _upload(part: BodyPartReader, name: str, filename: str) -> Upload:
    digest, size = hashlib.sha256(), 0
    kept = bytearray()
    while piece := await part.read_chunk(_PIECE):
        digest.update(piece)
        size += len(piece)
        if name == _KEPT_PART and size <= _KEPT_SIZE:
            kept += piece
    return Upload(
        part=name,
        name=filename,
        size=size,
        sha256=digest.hexdigest(),
        content_type=part.headers.get("Content-Type", "application/octet-stream"),
        content=bytes(kept) if name == _KEPT_PART else None,
    )


def _hang_up(request: web.BaseRequest, *, reset: bool) -> None:
    transport = request.transport
    if transport is None:
        return
    if reset:
        sock: socket.socket | None = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    else:
        transport.close()
