"""What the clients of both services do alike: lifetime, options, waiting for many, resuming."""

from __future__ import annotations

import functools
import os
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, ClassVar, Generic, Literal, ParamSpec, Self, TypeVar, cast, overload

import aiohttp
from attrs import evolve, field, frozen

from ._core.api import Api, Dialect, Options, watching
from ._core.outcome import Outcome
from ._core.poller import Poller
from ._core.retry import Retry
from ._core.secret import Secret
from ._core.settings import (
    Settings,
    Timeout,
    headers_of,
    key_of,
    listed,
    retries_of,
    root_of,
    timeout_of,
)
from ._core.sinks import Notifier, OnUpdate, Outcomes
from ._core.token import read_token
from ._core.transport import Transport
from ._core.waiters import ScheduleLike
from ._core.wire import Contract, Json, Response
from .errors import ConfigurationError, InvalidRequestError
from .resources._nouns import Collection, JobCollection
from .resources._records import Job

P = ParamSpec("P")
T = TypeVar("T")
J = TypeVar("J", bound=Job)


@functools.cache
def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 # slow to import

    try:
        return version("nugen-async")
    except PackageNotFoundError:
        return "0"


@frozen(eq=False)
class RawResponse(Generic[T]):
    """A record beside the answer that it was made from."""

    record: T
    status: int
    headers: Mapping[str, str] = field(repr=False)
    """Case-insensitive."""
    request_id: str | None
    body: bytes = field(repr=False)
    """The whole body, decompressed, and untouched but for the API key where the server repeats that."""
    payload: Json = field(repr=False)
    """The body as JSON, before any of it was forgiven."""


class Client:
    """What both services share: a transport, options, and waits over several nouns."""

    _key_variable: ClassVar[str]
    _url_variable: ClassVar[str]
    _default_url: ClassVar[str]
    _prefix: ClassVar[str]
    """With which every path begins; a base URL may end with it."""

    def __init__(
        self,
        api_key: Secret,
        *,
        base_url: str | None,
        timeout: float | Timeout | None,
        max_retries: int,
        session: aiohttp.ClientSession | None,
        headers: Mapping[str, str] | None,
        connections: int,
        allow_http: Sequence[str],
        trace_configs: Sequence[aiohttp.TraceConfig],
        middlewares: Sequence[Any],
        contract: Contract | None,
        rng: random.Random | None,
    ) -> None:
        key = api_key or key_of(os.environ.get(self._key_variable))
        if not key:
            raise ConfigurationError(
                f"no API key: set the environment variable {self._key_variable}, or pass api_key="
            )
        if not key.reveal().isascii() or not key.reveal().isprintable():
            raise ConfigurationError("the API key holds characters that no header can carry")
        if " " in key.reveal():
            raise ConfigurationError('the API key holds a blank: pass it alone, without "Bearer"')
        settings = Settings(
            base_url=root_of(
                base_url or os.environ.get(self._url_variable) or self._default_url, self._prefix
            ),
            authorization=Secret(self._authorization(key.reveal())),
            headers={
                "User-Agent": f"nugen-async/{_version()}",
                "Accept": "application/json",
                **headers_of(headers),
            },
            connections=connections,
            allow_http=(*allow_http, *listed("NUGEN_ALLOW_HTTP")),
            trace_configs=trace_configs,
            middlewares=middlewares,
        )
        options = Options(
            timeout=timeout_of(timeout),
            retry=Retry(limit=retries_of(max_retries), rng=rng or random.Random()),
        )
        self._pollers: dict[tuple[str, str], Poller[Any]] = {}
        self._furnish(Api(Transport(settings, session), Dialect(contract), options))

    def _authorization(self, key: str) -> str:
        raise NotImplementedError

    def _furnish(self, api: Api) -> None:
        """Set one collection per noun, all on the same road to the network.

        The nouns are imported here, by the first client: their records take half of the time that the
        whole package takes, and who uses one service does not need the other's.
        """
        self._api = api

    def __repr__(self) -> str:
        if not hasattr(self, "_api"):  # its making failed, and a traceback shows it
            return f"<{type(self).__name__}>"
        state = ", closed" if self._api.transport.closed else ""
        return f"<{type(self).__name__} {self._api.transport.settings.base_url}{state}>"

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a client cannot be pickled; make one in each process")

    # -- lifetime -------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self._api.transport.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End every wait with `ClientClosedError` and close what was opened.

        A session that was passed in stays open. Remote jobs go on. Closing twice is harmless, and a close
        that is cancelled goes on by itself.
        """
        pollers = list(self._pollers.values())
        self._pollers.clear()
        self._api.transport.closed = True
        looks = [task for poller in pollers for task in poller.close()]
        await self._api.transport.aclose(looks)

    def with_options(
        self,
        *,
        timeout: float | Timeout | Literal["same"] | None = "same",
        max_retries: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Self:
        """The same client with other settings for the calls made through it.

        It shares connections, limiter and pollers with this one, and is closed with it.
        `timeout` and `max_retries` are as in the constructor; `headers` are added.
        """
        options = self._api.options
        if timeout != "same":
            options = evolve(options, timeout=timeout_of(timeout))
        if max_retries is not None:
            options = evolve(options, retry=evolve(options.retry, limit=retries_of(max_retries)))
        if headers is not None:
            options = evolve(options, headers={**options.headers, **headers_of(headers)})
        sibling = object.__new__(type(self))
        sibling._pollers = self._pollers  # a sibling of the same class
        sibling._furnish(Api(self._api.transport, self._api.dialect, options))  # the same
        return sibling

    # -- over all nouns ---------------------------------------------------------------------------

    def with_raw_response(
        self, method: Callable[P, Awaitable[T]]
    ) -> Callable[P, Awaitable[RawResponse[T]]]:
        """The same method, bringing the answer beside the record.

        ``raw = await nugen.with_raw_response(nugen.alignments.get)("al-1")`` has `record`, `status`,
        `headers`, `request_id`, `body` and `payload`. Of a method that sends several requests it is the
        last answer.
        """

        async def raw(*args: P.args, **kwargs: P.kwargs) -> RawResponse[T]:
            answers: list[tuple[Response, Json]] = []
            with watching(answers):
                record = await method(*args, **kwargs)
            if not answers:
                raise InvalidRequestError(
                    f"{getattr(method, '__name__', method)!r} sends no request"
                )
            response, payload = answers[-1]
            return RawResponse(
                record,
                response.status,
                response.headers,
                response.request_id,
                response.body,
                payload,
            )

        return raw

    async def wait_many(
        self,
        jobs: Iterable[J],
        *,
        timeout: float | None = None,
        on_update: OnUpdate[J] | None = None,
        schedule: ScheduleLike = None,
        stalled_after: float | None = None,
    ) -> AsyncGenerator[Outcome[J]]:
        """Wait for many jobs, of any kinds; yield one outcome a job as they end, in that order.

        Yields `Ready`, `Failed`, `Cancelled`, `Parked`, `TimedOut`, `Stalled` or `Unreachable`, each with
        the last snapshot as `job`; one job's bad end is an outcome, not an exception. Arguments are those
        of `Job.wait_until_ready`. Leaving the loop early ends the waiting, never the jobs.
        """
        by_noun: dict[Poller[J], dict[str, J]] = {}
        for job in jobs:
            by_noun.setdefault(self._poller_of(job), {})[job.id] = job
        notifier = Notifier(on_update) if on_update is not None else None
        sink: Outcomes[J] = Outcomes(notifier)
        leave: list[Callable[[], None]] = []
        try:
            leave.extend(
                poller.watch_many(
                    group.values(),
                    sink,
                    timeout=timeout,
                    schedule=schedule,
                    stalled_after=stalled_after,
                )
                for poller, group in by_noun.items()
            )
            left = sum(len(group) for group in by_noun.values())
            del by_noun
            for _ in range(left):
                yield await sink.get()
            if notifier is not None:
                await notifier.drain()
        finally:
            for end in leave:
                end()
            if notifier is not None:
                notifier.stop()

    def _poller_of(self, job: J) -> Poller[J]:
        if not isinstance(job, Job):
            raise InvalidRequestError(
                f"wait_many takes jobs, not {type(job).__name__}; of an id, alignments.handle(id) makes one"
            )
        home = cast("JobCollection[J]", job._home)  # noqa: SLF001 # its way back is the library's
        for collection in self._job_collections():
            if collection.noun == home.noun and collection.service == home.service:
                return collection.poller
        raise InvalidRequestError(f"a {type(job).__name__} is none of this client's jobs")

    @overload
    def resume(self, token: str) -> Any: ...
    @overload
    def resume(self, token: str, kind: type[J]) -> J: ...
    def resume(self, token: str, kind: type[J] | None = None) -> Any:
        """The job that a resume token names, to be waited for; makes no request.

        Returns a snapshot with nothing but its id; *kind* (`Alignment`, ...) says which it must be, also to a
        type checker. Raises `InvalidRequestError` for a text that is no token, or another service's, or
        another kind's.
        """
        named = read_token(token)
        for collection in self._job_collections():
            if (collection.service, collection.noun) == (named.service, named.kind):
                if kind is not None and not issubclass(collection.record, kind):
                    break
                return collection.handle(named.id, created=named.created)
        raise InvalidRequestError(f"this resume token is for {named.kind!r} of {named.service!r}")

    def _job_collections(self) -> list[JobCollection[Any]]:
        nouns = [noun for noun in vars(self).values() if isinstance(noun, Collection)]
        nouns += [inner for noun in nouns for inner in noun.inner()]
        return [noun for noun in nouns if isinstance(noun, JobCollection)]
