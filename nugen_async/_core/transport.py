"""The only aiohttp request in the package: its turn, its time-outs, and foreign errors made ours."""

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
from attrs import evolve, frozen
from multidict import CIMultiDict
from yarl import URL

from ..errors import (
    APITimeoutError,
    ClientClosedError,
    ClientStateError,
    NugenError,
)
from . import bodies, foreign, observe
from .age import Seen
from .codec import dumps
from .deadline import Bound, Deadlines
from .gate import Gate, Urgency, shared_pace
from .secret import Masked, eraser
from .sessions import Sessions
from .settings import Settings, Timeout
from .wire import Call, Response

T = TypeVar("T")

_MOVED = frozenset({301, 302, 307, 308})
_SAME = frozenset({307, 308})
"""These ask for the same request elsewhere, and so was not done here; 301 and 302 may make a GET of it."""
_HOPS = 3
_CLOSED = "the client is closed; make a new one"


_process = object()
"""Another one after a fork: to compare it is cheaper than to ask for the process id at each request."""


def _forked() -> None:
    global _process  # noqa: PLW0603 # there is one process
    _process = object()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_forked)


class Transport:
    """Sends bytes and brings bytes back. Bound to one event loop and one process from its first use."""

    def __init__(self, settings: Settings, session: aiohttp.ClientSession | None = None) -> None:
        self.settings = settings
        self._base = str(URL(settings.base_url)).rstrip("/")
        self._gate: Gate | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process: object = None
        key = settings.authorization
        known = {"Authorization": Masked(key.reveal()), **settings.headers}
        self._sessions = Sessions(settings, known, session)
        self._headers = self._sessions.headers
        self._json_headers: CIMultiDict[str] = CIMultiDict(
            {**self._headers, "Content-Type": "application/json"}
        )
        self.without_key = eraser(key)
        """Takes the key out of what a server said, before any of it is shown or kept."""
        self._closing: asyncio.Task[None] | None = None
        self.closed = False
        self.heard = Seen(0.0)
        """The last answer that told the server's time."""

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
        self._sessions.check(loop)
        self._loop, self._process = loop, _process
        digest = hashlib.blake2b(
            self.settings.authorization.reveal().encode(), digest_size=16
        ).hexdigest()
        pace = shared_pace(str(URL(self._base).origin()), digest)
        self._gate = Gate(self.settings.connections, pace)
        self._deadlines = Deadlines()

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

        An answer that points elsewhere on the same origin is replaced by that of the place pointed to: to a
        GET always, to others without a form where it is a 307 or 308, which say that nothing was done.
        *deadline* is in the loop's time, and bounds the wait for a turn as well.
        Raises `APITimeoutError`, `APIConnectionError`, `ClientStateError`; nothing foreign.
        """
        self.open()
        gate = self.gate
        if not gate.enter_now(urgency):
            await (gate.enter(urgency) if deadline is None else self._turn(call, urgency, deadline))
        sent = observe.sending(call, self._base, look=urgency is Urgency.POLL, resends=resends)
        result: Response | NugenError | None = None
        try:
            with self._deadlines.within(_allowance(call, timeout.attempt), deadline) as bound:
                if call.parts and timeout.attempt:
                    call = _postponing(call, bound, timeout.attempt, deadline)
                response = result = await self._asked(call, timeout, headers)
        except NugenError as error:
            result = error
            raise
        except foreign.FOREIGN as error:
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
        body = await bodies.whole(answer, self.settings.largest_body)
        if answer.status in _MOVED and not call.parts:
            answer, body = await self._followed(answer, body, call, timeout, headers)
        received = asyncio.get_running_loop().time()
        if (date := answer.headers.get("Date")) is not None:
            self.heard = Seen(received, date)
        return Response(answer.status, answer.headers, body, received)

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
        if (own := foreign.own(error)) is not None:
            return own
        said = self.washed(str(error) or type(error).__name__)
        return foreign.translated(error, said, call.method, self.url(call.path))

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
        followed = _MOVED if call.method == "GET" else _SAME
        asked = {answer.url}
        for _ in range(_HOPS):
            target = _target(answer)
            if answer.status not in followed or target is None or target in asked:
                break
            asked.add(target)
            answer = await self._request(call, timeout, headers, target)
            body = await bodies.whole(answer, self.settings.largest_body)
        return answer, body

    @contextlib.asynccontextmanager
    async def stream(
        self,
        call: Call[Any],
        *,
        timeout: Timeout,
        headers: Mapping[str, str] | None = None,
        deadline: float | None = None,
        bounded: bool = True,
    ) -> AsyncGenerator[tuple[Response, AsyncIterator[bytes]]]:
        """Send *call* once; yield the head of the answer, and its body as it comes.

        `timeout.attempt` bounds the wait for the head and for each piece of the body, *deadline* (in the
        loop's time) all of it. A refusal (a status that is no success) is read whole into the response.
        A body that is not *bounded* may have any size, since no more of it is kept than one piece.
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
                    body = await bounds.within(bodies.whole(answer, self.settings.largest_body))
                result = head = Response(answer.status, answer.headers, body, loop.time())
                largest = self.settings.largest_body if bounded else math.inf
                pieces = _pieces(answer, bounds, largest)
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
        if self.closed:
            raise ClientClosedError(_CLOSED)
        session = self._sessions.of(call.effect)
        if call.json is not None:
            data: Any = dumps(call.json)
            sent = self._json_headers
        else:
            data = bodies.form(call.parts) if call.parts else None
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
        await self._sessions.close()


@lru_cache
def _connecting(seconds: float | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, sock_connect=seconds)


def _target(answer: aiohttp.ClientResponse) -> URL | None:
    """Where *answer* points to, if that is on its own origin."""
    place = answer.headers.get("Location")
    try:
        there = answer.url.join(URL(place)) if place else None
        return there if there and there.origin() == answer.url.origin() else None
    except ValueError:
        return None


def _allowance(call: Call[Any], attempt: float | None) -> float | None:
    return attempt + bodies.upload_time(call.parts) if attempt and call.parts else attempt


def _postponing(call: Call[Any], bound: Bound, attempt: float, latest: float | None) -> Call[Any]:
    """*call*, whose streams of unknown size put off the end of *bound* as they go out."""
    if all(part.measured for part in call.parts):
        return call
    loop = asyncio.get_running_loop()
    last = math.inf if latest is None else latest

    def sent(size: int) -> None:
        end = max(bound.when + bodies.seconds_for(size), loop.time() + attempt)
        bound.postpone(min(end, last))

    return evolve(call, parts=bodies.counted(call.parts, sent))


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
        except foreign.FOREIGN as error:
            failure = self.translated(error)
        raise failure


async def _pieces(
    answer: aiohttp.ClientResponse, bounds: _Bounds, largest: float
) -> AsyncGenerator[bytes]:
    size = 0
    while True:
        piece = await bounds.within(bodies.piece(answer, size, largest))
        if not piece:
            return
        size += len(piece)
        yield piece
