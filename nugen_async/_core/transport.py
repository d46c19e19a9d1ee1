"""The only aiohttp request in the package: sessions, connections, time-outs, and foreign errors made ours."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import math
import os
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Mapping,
    Sequence,
)
from functools import lru_cache, partial
from typing import Any, TypeVar

import aiohttp
from attrs import field, frozen
from multidict import CIMultiDict
from yarl import URL

from ..errors import (
    APIConnectionError,
    APITimeoutError,
    ClientClosedError,
    ClientStateError,
    ConfigurationError,
    InvalidRequestError,
    NugenError,
)
from . import observe
from .codec import dumps
from .deadline import Deadlines
from .gate import Gate, Urgency, shared_pace
from .secret import Masked, Secret, eraser, masked
from .wire import Call, Effect, Part, Response

T = TypeVar("T")

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_UPLOAD_RATE = 64 * 1024
_MEGABYTE = 1024 * 1024
_MOVED = frozenset({301, 302, 307, 308})
_HOPS = 3
_CLOSED = "the client is closed; make a new one"
_FOREIGN = (aiohttp.ClientError, OSError, ValueError, RuntimeError, EOFError)


_process = object()
"""Another one after a fork: to compare it is cheaper than to ask for the process id at each request."""


def _forked() -> None:
    global _process  # noqa: PLW0603 # there is one process
    _process = object()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_forked)


@frozen
class Timeout:
    """Seconds. `attempt` bounds one sending from its first byte to the last byte of the answer.

    It starts when the request gets its turn, not while it queues. `connect` bounds the making of a
    connection, `total` the whole call with its queueing, pauses and retries. None is no bound. An upload
    gets another second for each 64 KiB on top of `attempt`.
    """

    attempt: float | None = 60.0
    connect: float | None = 10.0
    total: float | None = None

    def __attrs_post_init__(self) -> None:
        for name in ("attempt", "connect", "total"):
            seconds = getattr(self, name)
            if seconds is None:
                continue
            if not isinstance(seconds, int | float) or not 0 < seconds < math.inf:
                raise ConfigurationError(f"timeout: {name} must be more than 0 s, not {seconds!r}")


@frozen(kw_only=True)
class Settings:
    """What a transport needs to know; the key is inside and never shown."""

    base_url: str
    authorization: Secret = field(repr=False)
    headers: Mapping[str, str] = field(factory=dict[str, str], converter=masked, repr=False)
    connections: int = 100
    keepalive: float = 75.0
    create_keepalive: float = 2.0
    largest_body: int = 256 * _MEGABYTE
    allow_http: Sequence[str] = ()
    trace_configs: Sequence[aiohttp.TraceConfig] = ()
    middlewares: Sequence[Any] = ()

    def __attrs_post_init__(self) -> None:
        check_base_url(self.base_url, self.allow_http)
        if self.connections < 1:
            raise ConfigurationError(f"connections must be at least 1, not {self.connections}")


def check_base_url(base_url: str, allow_http: Sequence[str] = ()) -> None:
    """Refuse a base URL that is none, carries a password, or would send the key in the clear."""
    if not base_url.isprintable():
        raise ConfigurationError("base_url holds control characters")
    try:
        url = URL(base_url)
        host = url.host
    except ValueError as error:
        raise ConfigurationError(f"base_url is not a URL: {error}") from None
    if url.scheme not in {"http", "https"} or not host:
        raise ConfigurationError("base_url must begin with https:// and name a host")
    if url.user or url.password or url.query_string or url.fragment:
        raise ConfigurationError("base_url must not hold a user, a password, a query or a fragment")
    if url.scheme == "http" and host not in _LOOPBACK and host not in allow_http:
        raise ConfigurationError(
            f"base_url {url.origin()} would send the API key unencrypted;"
            f" use https, or allow this host by name: allow_http=[{host!r}] or NUGEN_ALLOW_HTTP={host}"
        )


class Transport:
    """Sends bytes and brings bytes back. Bound to one event loop and one process from its first use."""

    def __init__(self, settings: Settings, session: aiohttp.ClientSession | None = None) -> None:
        self.settings = settings
        self._base = str(URL(settings.base_url)).rstrip("/")
        self._given = session
        self._session: aiohttp.ClientSession | None = session
        self._fresh: aiohttp.ClientSession | None = session
        self._gate: Gate | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process: object = None
        key = settings.authorization
        known = {"Authorization": Masked(key.reveal()), **settings.headers}
        # A session of our own sends them by itself; to merge them anew takes 2 us a request.
        self._defaults: CIMultiDict[str] = CIMultiDict(known if session is None else {})
        self._headers: CIMultiDict[str] = CIMultiDict({} if session is None else known)
        self._json_headers: CIMultiDict[str] = CIMultiDict(
            {**self._headers, "Content-Type": "application/json"}
        )
        self.without_key = eraser(key)
        """Takes the key out of what a server said, before any of it is shown or kept."""
        self._closing: asyncio.Task[None] | None = None
        self.closed = False

    def __reduce__(self) -> Any:
        raise TypeError("a client cannot be pickled; make one in each process")

    def url(self, path: str) -> str:
        """The whole URL of *path*, for messages."""
        return self._base + path

    @property
    def gate(self) -> Gate:
        """The gate that every request of this client passes; made inside the running loop."""
        if self._gate is None:
            self.open()
            assert self._gate is not None  # noqa: S101 # open() made it
        return self._gate

    def answered(self, status: int, retry_after: float | None) -> None:
        """Tell the pace what the server said; also of an answer that comes while the client closes."""
        if self._gate is not None:
            self._gate.answered(status, retry_after)

    def open(self) -> asyncio.AbstractEventLoop:
        """Bind to the running loop at first use; afterwards check that it is still the same one."""
        if self.closed:
            raise ClientClosedError(_CLOSED)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise ClientStateError("the client must be used inside a running event loop") from None
        if self._loop is None:
            self._bind(loop)
        elif self._loop is not loop:
            raise ClientStateError(
                "the client belongs to another event loop; make one client per loop"
            )
        elif self._process is not _process:
            raise ClientStateError(
                "the client was made before a fork; make one client per process, after the fork"
            )
        return loop

    def _bind(self, loop: asyncio.AbstractEventLoop) -> None:
        given = self._given
        if given is not None and getattr(given, "_loop", loop) is not loop:
            raise ClientStateError("the session passed in belongs to another event loop")
        self._loop, self._process = loop, _process
        digest = hashlib.blake2b(
            self.settings.authorization.reveal().encode(), digest_size=16
        ).hexdigest()
        pace = shared_pace(str(URL(self._base).origin()), digest)
        self._gate = Gate(self.settings.connections, pace)
        self._deadlines = Deadlines()

    def _pick(self, effect: Effect) -> aiohttp.ClientSession:
        """The session for *effect*: a create never goes out on a connection that was idle for long.

        Servers hang up idle connections first, and a create on a dying connection ends as "unknown".
        """
        if self.closed:
            raise ClientClosedError(_CLOSED)
        if effect is Effect.CREATE:
            if self._fresh is None:
                self._fresh = self._new_session(self.settings.create_keepalive)
            return self._fresh
        if self._session is None:
            self._session = self._new_session(self.settings.keepalive)
        return self._session

    def _new_session(self, keepalive: float) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            headers=self._defaults,
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=keepalive, ttl_dns_cache=300),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            trace_configs=list(self.settings.trace_configs),
            middlewares=tuple(self.settings.middlewares),
        )

    async def exchange(
        self,
        call: Call[Any],
        *,
        timeout: Timeout,
        urgency: Urgency,
        headers: Mapping[str, str] | None = None,
        deadline: float | None = None,
        resends: int = 0,
    ) -> Response:
        """Send *call* once, and bring back the whole answer, whatever its status.

        The answer to a GET that points elsewhere on the same origin is that of the place pointed to.
        *deadline* is in the loop's time, and bounds the wait for a turn as well.
        Raises `APITimeoutError`, `APIConnectionError`, `ClientStateError`; nothing foreign.
        """
        self.open()
        gate = self.gate
        if not gate.enter_now(urgency):
            if deadline is not None:
                await self._turn(call, urgency, deadline)
            else:  # `Gate.enter` without a coroutine of its own: thousands may stand here
                turn = gate.queue(urgency)
                try:
                    await turn
                except asyncio.CancelledError:
                    gate.give_up(turn)
                    raise
        sent = observe.sending(call, self._base, look=urgency is Urgency.POLL, resends=resends)
        result: Response | NugenError | None = None
        try:
            with self._deadlines.within(_allowance(call, timeout.attempt), deadline):
                response = result = await self._asked(call, timeout, headers)
        except NugenError as error:
            result = error
            raise
        except _FOREIGN as error:
            failure = result = self._translated(error, call)
        else:
            return response
        finally:
            gate.leave()
            if sent is not None:
                sent(result)
        raise failure  # apart from the foreign one: it may quote the server, and its frames hold the key

    async def _asked(
        self, call: Call[Any], timeout: Timeout, headers: Mapping[str, str] | None
    ) -> Response:
        answer = await self._request(call, timeout, headers)
        body = await _whole(answer, self.settings.largest_body)
        if answer.status in _MOVED and call.method == "GET":
            answer, body = await self._followed(answer, body, call, timeout, headers)
        return Response(answer.status, answer.headers, body, asyncio.get_running_loop().time())

    def shown(self, answer: Response) -> Response:
        """*answer* as it may be shown and kept: without the key, in a refusal's headers neither.

        The headers of a success are left as they are, since nothing of them gets into a record.
        """
        body, headers = self.without_key(answer.body), answer.headers
        if not 200 <= answer.status < 300:  # noqa: PLR2004 # HTTP's successes
            headers = CIMultiDict((name, self.washed(value)) for name, value in headers.items())
        elif body is answer.body:
            return answer
        return Response(answer.status, headers, body, answer.received)

    def washed(self, text: str) -> str:
        """*text* without the key."""
        return self.without_key(text.encode("utf-8", "surrogatepass")).decode(
            "utf-8", "surrogatepass"
        )

    def _translated(self, error: Exception, call: Call[Any]) -> NugenError:
        """What *error* is called here; it may quote the server, or come of a file that cannot be read."""
        if (own := _own(error)) is not None:
            return own
        said = self.washed(str(error) or type(error).__name__)
        return _translated(error, said, call.method, self.url(call.path))

    async def _turn(self, call: Call[Any], urgency: Urgency, deadline: float | None) -> None:
        """Wait to be let in, but not beyond *deadline*."""
        if deadline is None:
            await self.gate.enter(urgency)
            return
        try:
            async with asyncio.timeout_at(deadline):
                await self.gate.enter(urgency)
        except TimeoutError:
            raise APITimeoutError(
                method=call.method,
                url=self.url(call.path),
                reason="its turn to be sent did not come in time",
                sent=False,
            ) from None

    async def _followed(
        self,
        answer: aiohttp.ClientResponse,
        body: bytes,
        call: Call[Any],
        timeout: Timeout,
        headers: Mapping[str, str] | None,
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        """Where *answer* points to; itself when that is another origin, which must not see the key."""
        for _ in range(_HOPS):
            target = _target(answer)
            if answer.status not in _MOVED or target is None:
                break
            answer = await self._request(call, timeout, headers, target)
            body = await _whole(answer, self.settings.largest_body)
        return answer, body

    @contextlib.asynccontextmanager
    async def stream(
        self,
        call: Call[Any],
        *,
        timeout: Timeout,
        headers: Mapping[str, str] | None = None,
        deadline: float | None = None,
    ) -> AsyncGenerator[tuple[Response, AsyncIterator[bytes]]]:
        """Send *call* once; yield the head of the answer, and its body as it comes.

        `timeout.attempt` bounds the wait for the head and for each piece of the body, *deadline* (in the
        loop's time) all of it. A refusal (a status that is no success) is read whole into the response.
        """
        loop = self.open()
        gate = self.gate
        await self._turn(call, Urgency.CALL, deadline)
        bounds = _Bounds(partial(self._translated, call=call), timeout.attempt, deadline)
        sent = observe.sending(call, self._base, look=False, resends=0)
        result: Response | NugenError | None = None
        try:
            answer = await bounds.within(self._request(call, timeout, headers))
            async with answer:
                body = b""
                if answer.status >= 300:  # noqa: PLR2004 # HTTP's successes end here
                    body = await bounds.within(_whole(answer, self.settings.largest_body))
                result = head = Response(answer.status, answer.headers, body, loop.time())
                pieces = _pieces(answer, bounds, self.settings.largest_body)
                async with contextlib.aclosing(pieces):
                    yield head, pieces
        except NugenError as error:
            result = error
            raise
        finally:
            gate.leave()
            if sent is not None:
                sent(result)

    def _request(
        self,
        call: Call[Any],
        timeout: Timeout,
        headers: Mapping[str, str] | None,
        target: URL | None = None,
    ) -> Coroutine[Any, Any, aiohttp.ClientResponse]:
        session = self._pick(call.effect)
        if call.json is not None:
            data: Any = dumps(call.json)
            sent = self._json_headers
        else:
            data = _form(call.parts) if call.parts else None
            sent = self._headers
        if call.headers or headers:
            sent = CIMultiDict(sent)
            sent.update({**call.headers, **(headers or {})})
        url = target
        if url is None:
            url = URL(self._base + call.path, encoded=True)
            if call.query:
                url = url.with_query(dict(call.query))
        return session.request(
            call.method,
            url,
            data=data,
            headers=sent,
            allow_redirects=False,
            timeout=_connecting(timeout.connect),
        )

    async def aclose(self, looks: Sequence[asyncio.Task[None]] = ()) -> None:
        """Close what this transport opened, once *looks* have ended; a session passed in stays open.

        When the caller is cancelled, closing goes on by itself.
        """
        self.closed = True
        if self._loop is None or self._process is not _process:
            return
        if self._closing is None:
            if self._gate is not None:
                self._gate.close(ClientClosedError(_CLOSED))
            self._closing = asyncio.ensure_future(self._close(looks))
        await asyncio.shield(self._closing)

    async def _close(self, looks: Sequence[asyncio.Task[None]]) -> None:
        await asyncio.gather(*looks, return_exceptions=True)
        self._deadlines.close()
        mine = [s for s in (self._session, self._fresh) if s is not None and s is not self._given]
        self._session = self._fresh = None
        for session in mine:
            await session.close()


@lru_cache
def _connecting(seconds: float | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, sock_connect=seconds)


def _allowance(call: Call[Any], attempt: float | None) -> float | None:
    if attempt is None or not call.parts:
        return attempt
    return attempt + sum(part.size or 0 for part in call.parts) / _UPLOAD_RATE


def _form(parts: Sequence[Part]) -> aiohttp.FormData:
    """A multipart body; every stream in it is opened anew, so that a second sending is whole again."""
    form = aiohttp.FormData(default_to_multipart=True, quote_fields=False)
    for part in parts:
        if part.open is None:
            form.add_field(part.name, part.value or "")
        else:
            form.add_field(
                part.name,
                part.open(),
                filename=part.filename,
                content_type=part.content_type or "application/octet-stream",
            )
    return form


async def _whole(answer: aiohttp.ClientResponse, largest: int) -> bytes:
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


def _check_size(size: int, largest: int) -> None:
    if size > largest:
        raise aiohttp.ClientPayloadError(f"the body is over {largest} bytes; the rest was not read")


def _target(answer: aiohttp.ClientResponse) -> URL | None:
    """Where *answer* points to, if that is on its own origin."""
    place = answer.headers.get("Location")
    try:
        there = answer.url.join(URL(place)) if place else None
        return there if there and there.origin() == answer.url.origin() else None
    except ValueError:
        return None


@frozen
class _Bounds:
    """How long each step of a stream may take, and what its failure is called."""

    translated: Callable[[Exception], NugenError]
    pause: float | None
    deadline: float | None

    async def within(self, step: Awaitable[T]) -> T:
        """What *step* brings in time; what it raises becomes ours."""
        now = asyncio.get_running_loop().time()
        ends = [at for at in (self.deadline, self.pause and now + self.pause) if at is not None]
        try:
            async with asyncio.timeout_at(min(ends, default=None)):
                return await step
        except NugenError:
            raise
        except _FOREIGN as error:
            failure = self.translated(error)
        raise failure


async def _pieces(
    answer: aiohttp.ClientResponse, bounds: _Bounds, largest: int
) -> AsyncGenerator[bytes]:
    size = 0
    while True:
        piece = await bounds.within(_piece(answer, size, largest))
        if not piece:
            return
        size += len(piece)
        yield piece


async def _piece(answer: aiohttp.ClientResponse, before: int, largest: int) -> bytes:
    piece = await answer.content.readany()
    _check_size(before + len(piece), largest)
    return piece


def _own(error: BaseException | None) -> InvalidRequestError | None:
    """Our own complaint about the request that *error* came of, if it did."""
    while error is not None and not isinstance(error, InvalidRequestError):
        error = error.__cause__ or error.__context__
    return error


def _unreached(error: aiohttp.ClientConnectorError) -> str:
    """What aiohttp says of a connection that could not be made, without its own settings."""
    cause = error.os_error
    number = cause.errno or 0  # negative where it is a resolver's
    why = os.strerror(number) if number > 0 else cause.strerror or str(cause)
    return f"cannot connect to {error.host}:{error.port}: {why}"


def _translated(error: Exception, said: str, method: str, url: str) -> NugenError:
    match error:
        case aiohttp.ConnectionTimeoutError():
            return APITimeoutError(
                method=method, url=url, reason="no connection in time", sent=False
            )
        case aiohttp.ClientConnectorError() if not isinstance(error, aiohttp.ClientSSLError):
            return APIConnectionError(method=method, url=url, reason=_unreached(error), sent=False)
        case aiohttp.ClientConnectorError() | aiohttp.ClientSSLError():
            return APIConnectionError(method=method, url=url, reason=said, sent=False)
        case TimeoutError():
            return APITimeoutError(method=method, url=url, reason="no whole answer in time")
        case RuntimeError() if "closed" in said.lower():
            return ClientClosedError("the session is closed; make a new client")
        case aiohttp.ServerDisconnectedError():
            return APIConnectionError(
                method=method, url=url, reason="the server closed the connection"
            )
        case aiohttp.InvalidURL():
            return ConfigurationError(f"not a URL: {url}")
        case _:
            return APIConnectionError(
                method=method, url=url, reason=f"{type(error).__name__}: {said}"
            )
