"""Call in, record out: the only road to the network. Retries live here and nowhere else."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from types import NoneType
from typing import Any, TypeVar, cast

from attrs import evolve, field, frozen

from ..errors import (
    APIStatusError,
    DecodeError,
    NugenError,
)
from . import interpret, lost
from .codec import handle, steps, structure
from .events import Event, Events
from .gate import Urgency
from .logs import log
from .retry import Fate, Retry, fate
from .secret import masked
from .settings import Timeout
from .transport import Transport
from .wire import Call, Contract, Effect, Json, Response

T = TypeVar("T")

_LONG = 64 * 1024
"""Bytes of an answer from which on it is read in slices; to read so many takes about 0.5 ms."""

_seen: ContextVar[list[tuple[Response, Json]] | None] = ContextVar("nugen_async_seen", default=None)


@frozen(kw_only=True)
class Options:
    """What a caller may set per call: time-outs, retries, extra headers."""

    timeout: Timeout = field(factory=Timeout)
    retry: Retry = field(factory=Retry)
    headers: Mapping[str, str] = field(factory=dict[str, str], converter=masked, repr=False)


class Dialect:
    """Which contract each noun speaks; with "auto" it is learned at the noun's first answer."""

    __slots__ = ("_known", "_preferred")

    def __init__(self, preferred: Contract | None) -> None:
        self._preferred: Contract | None = preferred
        self._known: dict[str, Contract] = {}

    def of(self, noun: str) -> Contract | None:
        """The contract to use for *noun*; None while it is not known yet."""
        return self._known.get(noun) if self._preferred is None else self._preferred

    def learn(self, noun: str, contract: Contract) -> None:
        """Remember which contract answered."""
        self._known[noun] = contract


class Api:
    """One way to the service with one set of options; cheap, shares its transport with its siblings."""

    __slots__ = ("dialect", "options", "transport")

    def __init__(self, transport: Transport, dialect: Dialect, options: Options) -> None:
        self.transport = transport
        self.dialect = dialect
        self.options = options

    def __repr__(self) -> str:
        return f"<Api {self.transport.settings.base_url}>"

    async def send(self, call: Call[T]) -> T:
        """The record that *call* asks for.

        Raises `APIStatusError`, `APIConnectionError`, `DecodeError`, `ClientStateError`; for a create whose
        outcome cannot be told, `CreateOutcomeUnknownError`.
        """
        return (await self.answer(call))[0]

    async def answer(self, call: Call[T]) -> tuple[T, Response]:
        """The record, and the answer that it was made from."""
        started = datetime.now(UTC) if call.effect is Effect.CREATE else None
        try:
            payload, response = await self.fetch(call)
            try:
                if len(response.body) < _LONG:
                    return structure(payload, call.returns, call.about), response
                return await in_slices(payload, call), response
            except DecodeError as error:
                if (made := _changed(call, payload, error)) is not None:
                    return made, response
                raise self._unreadable(error, call, response) from None
        except NugenError as error:
            if started is not None and fate(error) is Fate.UNKNOWN:
                raise lost.create(call, error, started, datetime.now(UTC)) from error
            raise

    def fetch(
        self, call: Call[Any], *, urgency: Urgency | None = None
    ) -> Coroutine[Any, Any, tuple[Json, Response]]:
        """The payload of *call*, not yet made a record, after as many tries as the options allow."""
        options = self.options
        if urgency is None:
            urgency = Urgency.CREATE if call.effect is Effect.CREATE else Urgency.CALL
        return self._settled(call, options.retry, urgency, self._deadline())

    def _deadline(self) -> float | None:
        total = self.options.timeout.total
        return None if total is None else asyncio.get_running_loop().time() + total

    def look(self, call: Call[Any]) -> Coroutine[Any, Any, tuple[Json, Response]]:
        """The payload of *call* after one sending at the lowest urgency; the poller retries by itself."""
        return self._settled(call, None, Urgency.POLL, None)

    async def _settled(
        self, call: Call[Any], retry: Retry | None, urgency: Urgency, deadline: float | None
    ) -> tuple[Json, Response]:
        """Send as often as *retry* allows; where the documented *route* is missing, on the plural one.

        No sending is waited for that would come after *deadline*.
        """
        other = call.alternative
        contract: Contract = "documented"
        tries = 0
        doubt = False
        while True:
            try:
                response = await self.transport.exchange(
                    call,
                    timeout=self.options.timeout,
                    urgency=urgency,
                    headers=self.options.headers,
                    deadline=deadline,
                    resends=tries,
                )
                got = self._payload(call, response, doubt=doubt)
            except NugenError as error:
                if other is not None and contract == "documented" and _of_the_route(error):
                    call, contract, tries = evolve(other, alternative=None), "plural", 0
                    continue
                tries += 1
                pause = self._pause(call, error, retry, tries, deadline)
                doubt = doubt or fate(error) is Fate.UNKNOWN
            else:
                if other is not None:
                    self.dialect.learn(call.noun, contract)
                return got
            await asyncio.sleep(pause)

    @staticmethod
    def _pause(
        call: Call[Any], error: NugenError, retry: Retry | None, tries: int, deadline: float | None
    ) -> float:
        """Seconds until the next sending; raises *error* where there is none, or none before *deadline*."""
        pause = retry.pause(error, call.effect, tries) if retry else None
        if pause is None:
            raise error
        if deadline is not None and asyncio.get_running_loop().time() + pause >= deadline:
            raise error
        log.info("%s %s: %s; again in %.1f s", call.method, call.path, error, pause)
        return pause

    def _payload(
        self, call: Call[Any], response: Response, *, doubt: bool = False
    ) -> tuple[Json, Response]:
        """What *response* says, and itself without the key; raises for a refusal.

        With *doubt* the same was sent before, and may have been done.
        """
        status = response.status
        if log.isEnabledFor(logging.DEBUG):
            log.debug("%s %s -> %d", call.method, call.path, status)
        response = self.transport.shown(response)
        if 200 <= status < 300:  # noqa: PLR2004 # HTTP's successes
            self.transport.answered(status, None)
            try:
                payload = None if call.unread else interpret.payload(response)
            except DecodeError as error:
                if not _may_say_nothing(call, response):
                    raise self._unreadable(error, call, response) from None
                payload = None
            if payload is None and call.effect is Effect.SETTLE and call.about:
                payload = {}  # the change was made, and its id is known
        else:
            payload = self._refused(call, response, doubt=doubt)
        if (sink := _seen.get()) is not None:
            sink.append((response, payload))
        return payload, response

    def _refused(self, call: Call[Any], response: Response, *, doubt: bool) -> Json:
        """Raise for *response*, unless it says that there are none, or none any more."""
        url = self.transport.url(call.path)
        error = interpret.refusal(response, call.method, url, time.time())
        self.transport.answered(error.status, error.retry_after)
        if _means_none(call, error):
            return []
        if doubt and _means_gone(call, error):
            return None
        raise error

    def _unreadable(self, error: DecodeError, call: Call[Any], response: Response) -> DecodeError:
        return interpret.located(error, response, call.method, self.transport.url(call.path))

    @contextlib.asynccontextmanager
    async def download(self, call: Call[Any]) -> AsyncGenerator[AsyncIterator[bytes]]:
        """The body of the answer, as it comes, of any size. Sent once, never again."""
        async with self.transport.stream(
            call, timeout=self.options.timeout, headers=self.options.headers, bounded=False
        ) as (head, pieces):
            if not 200 <= head.status < 300:  # noqa: PLR2004 # HTTP's successes
                self._payload(call, head)
            yield pieces

    @contextlib.asynccontextmanager
    async def stream(self, call: Call[Any]) -> AsyncGenerator[AsyncIterator[Event]]:
        """Each server-sent event of the answer, as it comes. Sent once, never again."""
        async with self.transport.stream(
            call,
            timeout=self.options.timeout,
            headers=self.options.headers,
            deadline=self._deadline(),
        ) as (head, pieces):
            if not 200 <= head.status < 300:  # noqa: PLR2004 # HTTP's successes
                self._payload(call, head)
            async with contextlib.aclosing(self._events(pieces, call, head)) as events:
                yield events

    async def _events(
        self, pieces: AsyncIterator[bytes], call: Call[Any], head: Response
    ) -> AsyncGenerator[Event]:
        events = Events(self.transport.without_key)
        async for piece in pieces:
            for event in events.feed(piece):
                yield event
            if events.done:
                return
        piece = b""  # a traceback shows variables, and this one is not clean
        try:
            for event in events.end():
                yield event
        except DecodeError as error:
            told = Response(head.status, head.headers, error.body.encode())
            raise self._unreadable(error, call, told) from None


async def in_slices(payload: Json, call: Call[T]) -> T:
    """The record of a long answer, made so that the loop is never held."""
    reading = steps(payload, call.returns, call.about)
    while True:
        try:
            next(reading)
        except StopIteration as end:
            return cast("T", end.value)
        await asyncio.sleep(0)


def _may_say_nothing(call: Call[Any], response: Response) -> bool:
    """Whether a success needs no payload: that of a delete, or without a body that of a change by id."""
    return call.returns is NoneType or (
        call.effect is Effect.SETTLE and bool(call.about) and not response.body.strip()
    )


def _changed(call: Call[T], payload: Json, error: DecodeError) -> T | None:
    """What a change was made to, by its id, though the answer cannot be read; None where no id is known."""
    if call.effect not in {Effect.CREATE, Effect.SETTLE}:
        return None
    return handle(payload, call.returns, call.about, error.problems)


def _means_none(call: Call[Any], error: APIStatusError) -> bool:
    """Whether a 404 is the service's way to say that there are none, and no proxy's or router's own."""
    asked = call.empty_on_404 and error.status == 404  # noqa: PLR2004 # Not Found
    return asked and not interpret.route_is_missing(error)


def _means_gone(call: Call[Any], error: APIStatusError) -> bool:
    """Whether a 404 says that an earlier sending of *call*, whose answer was lost, did its work."""
    return error.status == 404 and call.method == "DELETE" and call.returns is NoneType  # noqa: PLR2004 # Not Found


def _of_the_route(error: NugenError) -> bool:
    return isinstance(error, APIStatusError) and interpret.route_is_missing(error)


@contextlib.contextmanager
def watching(sink: list[tuple[Response, Json]]) -> Any:
    """Collect every answer that the calls inside bring."""
    token = _seen.set(sink)
    try:
        yield sink
    finally:
        _seen.reset(token)
