"""Web backends, whatever the framework: one client per process and loop, live progress as server-sent events.

::

    nugen = Lifespan(Nugen)                     # at import: nothing is opened
    app = FastAPI(lifespan=nugen)               # opened when the app starts, closed when it stops
    live = Broadcast()

    @app.get("/jobs/{job_id}/events")
    async def events(job_id: str, last_event_id: Annotated[str, Header()] = "") -> StreamingResponse:
        job = nugen.client.alignments.handle(job_id)
        frames = sse(live.updates(job), last_event_id=last_event_id)
        return StreamingResponse(frames, headers=SSE_HEADERS)

Whole apps, a file each: `nugen_async.examples`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from contextvars import Context
from types import TracebackType
from typing import Any, Generic, TypeVar, cast

from attrs import define, field, frozen

from .._core.schedule import Phase
from .._core.waiters import ScheduleLike
from ..errors import (
    APIStatusError,
    ClientClosedError,
    ClientStateError,
    CreateOutcomeUnknownError,
    InvalidRequestError,
    JobError,
    NugenError,
    printable,
)
from ..resources._records import Job

C = TypeVar("C", bound=AbstractAsyncContextManager[Any])
J = TypeVar("J", bound=Job)

SSE_HEADERS: Mapping[str, str] = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
}
"""What an answer made of `sse` should carry; the last one keeps nginx from holding frames back."""

_ALIVE = b": still here\n\n"
_END = b"event: end\ndata: {}\n\n"
_LONGEST_ID = 64 * 1024


class Lifespan(Generic[C]):
    """One client per process and event loop: made when the app starts, closed when it stops.

    *make* is called inside the running loop, so the client is born after every fork. Frameworks that want a
    function of the app (FastAPI, Starlette, Litestar) take the object itself; with others, enter it.
    """

    def __init__(self, make: Callable[[], C]) -> None:
        self._make = make
        self._open: _Opened[C] | None = None

    def __call__(self, app: object = None) -> AbstractAsyncContextManager[None]:  # noqa: ARG002 # the frameworks' signature
        """The context that opens the client, whatever the app."""
        return self

    async def __aenter__(self) -> None:
        loop = asyncio.get_running_loop()
        here = self._open
        if here is not None and here.pid == os.getpid():
            if here.loop is loop:
                raise ClientStateError("this lifespan is entered already")
            if not here.loop.is_closed():
                raise ClientStateError(
                    "this lifespan is entered in another event loop; make one Lifespan per loop"
                )
        client = self._make()
        await client.__aenter__()
        self._open = _Opened(client, loop, os.getpid())

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        here, self._open = self._open, None
        if here is not None:
            await here.client.__aexit__(kind, error, trace)

    @property
    def client(self) -> C:
        """The client of this process and loop.

        Raises `ClientStateError` where there is none: before the app started, after a fork, on another loop
        or in a thread (a handler that is no coroutine function).
        """
        here = self._open
        if here is None:
            raise ClientStateError("there is no client yet: enter the lifespan when the app starts")
        if here.pid != os.getpid():
            raise ClientStateError(
                f"the client was opened in process {here.pid}, before a fork to {os.getpid()};"
                " enter the lifespan in each worker, after the fork"
            )
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise ClientStateError(
                "the client must be used on its event loop: make the handler a coroutine function"
            ) from None
        if here.loop is not loop:
            raise ClientStateError(
                "the client belongs to another event loop; make one Lifespan per loop"
            )
        return here.client


@frozen
class _Opened(Generic[C]):
    client: C
    loop: asyncio.AbstractEventLoop
    pid: int


# -- many viewers, one watcher --------------------------------------------------------------------


@define(eq=False)
class _Show(Generic[J]):
    """One job on the air: its latest snapshot, and who looks."""

    latest: J | None = None
    over: bool = False
    error: Exception | None = None
    viewers: int = 0
    task: asyncio.Task[None] | None = None
    _news: asyncio.Event = field(factory=asyncio.Event)

    def tell(self) -> None:
        """Wake every viewer."""
        self._news.set()
        self._news = asyncio.Event()

    async def news(self) -> None:
        """Wait until something is told."""
        await self._news.wait()

    async def run(self, job: J, schedule: ScheduleLike) -> None:
        """Follow *job* to its end."""
        try:
            async for snapshot in job.updates(schedule=schedule):
                self.latest = snapshot
                self.tell()
        except Exception as error:  # noqa: BLE001 # raised again where somebody looks
            self.error = error
        finally:
            self.over = True
            self.tell()


class Broadcast(Generic[J]):
    """Any number of viewers of a job share one watcher, and so one poll.

    Whoever comes later sees the latest snapshot at once. When the last viewer leaves, the watcher is freed.
    The ends of the last *remembered* jobs are kept, so that looking at them again costs no request.
    *schedule* is that of `Job.updates`: a number looks every so many seconds, as long as anybody does.
    """

    def __init__(self, *, schedule: ScheduleLike = None, remembered: int = 1000) -> None:
        self._schedule = schedule
        self._shows: dict[tuple[type[Job], str], _Show[J]] = {}
        self._ends: OrderedDict[tuple[type[Job], str], J] = OrderedDict()
        self._remembered = remembered

    @property
    def watched(self) -> int:
        """How many jobs have viewers now."""
        return len(self._shows)

    async def updates(self, job: J) -> AsyncGenerator[J]:
        """The job's latest snapshot, then each change to its end, as `Job.updates` does.

        *job* may be a mere handle (``client.alignments.handle(id)``, ``client.resume(token)``).
        """
        key = type(job), job.id
        if (end := self._ends.get(key)) is not None:
            yield end
            return
        show = self._shows.get(key)
        if show is None:
            show = self._shows[key] = _Show(latest=job if job.status else None)
            # In an empty context: it belongs to no viewer, whoever came first.
            show.task = asyncio.get_running_loop().create_task(
                show.run(job, self._schedule), context=Context()
            )
        show.viewers += 1
        seen: J | None = None
        try:
            while True:
                if (latest := show.latest) is not None and latest is not seen:
                    seen = latest
                    yield latest
                elif show.over:
                    break
                else:
                    await show.news()
        finally:
            show.viewers -= 1
            await self._left(key, show)
        if show.error is not None:
            raise show.error

    async def _left(self, key: tuple[type[Job], str], show: _Show[J]) -> None:
        if (show.over or not show.viewers) and self._shows.get(key) is show:
            del self._shows[key]
            if show.latest is not None and show.latest.phase.ended:
                self._ends[key] = show.latest
                while len(self._ends) > self._remembered:
                    self._ends.popitem(last=False)
        if not show.viewers and show.task is not None and not show.task.done():
            show.task.cancel()
            await asyncio.wait({show.task})


# -- server-sent events -----------------------------------------------------------------------------


def facts(job: Job) -> dict[str, Any]:
    """What a page shows of a job, ready for JSON: `progress` from 0 to 1, `left` in seconds."""
    hints = job.hints()
    return {
        "id": job.id,
        "kind": type(job).__name__,
        "name": getattr(job, "name", ""),
        "status": job.status,
        "phase": job.phase.value,
        "ended": job.phase.ended,
        "progress": 1.0 if job.phase is Phase.READY else hints.progress,
        "left": None if job.phase.ended else hints.left,
        "reason": job.reason,
        "began": job.began.isoformat() if job.began else None,
    }


def problem(error: NugenError) -> tuple[int, dict[str, Any]]:
    """The HTTP status and the JSON with which a backend may answer when a call of its own failed.

    400, 404, 409, 422 and 429 are passed on, a bad argument is 422, a client that is not open 503; all else
    is 502.
    """
    match error:
        case InvalidRequestError():
            status = 422
        case APIStatusError(status=400 | 404 | 409 | 422 | 429 as status):
            pass
        case ClientStateError():
            status = 503
        case _:
            status = 502
    told = {"error": type(error).__name__, "message": printable(str(error))}
    if isinstance(error, CreateOutcomeUnknownError):
        told["look_for"] = printable(error.look_for)
    return status, told


async def sse(
    *updates: AsyncIterable[J],
    last_event_id: str | None = None,
    data: Callable[[J], object] = facts,
    retry: float = 3.0,
    keep_alive: float = 15.0,
) -> AsyncGenerator[bytes]:
    """Byte frames of a ``text/event-stream``: a message for each change of the jobs, in one stream.

    *updates* are iterators such as ``job.updates()`` or ``broadcast.updates(job)``; give several rather than
    opening several streams, for a browser has six connections to a host. *data* makes of a snapshot what is
    sent as JSON. *retry* is how many seconds a browser waits before it connects again, *keep_alive* how many
    seconds pass in silence before a comment goes out, which tells proxies and this server that both sides
    are there.

    Each message's ``id:`` tells the state of all jobs as the viewer knows it. Passed back as *last_event_id*
    (the header ``Last-Event-ID``), it makes the stream leave out what that viewer has seen, whichever process
    serves it. ``event: problem`` tells why one job cannot be followed any further, ``event: end`` that there
    is nothing to come: a page should close its `EventSource` then. When the client of this process is closed,
    the stream just ends and the browser connects again.

    Closing the generator (the viewer left) frees all *updates*.
    """
    known = set((last_event_id or "")[:_LONGEST_ID].split("."))
    marks: dict[AsyncIterator[J], str] = {}
    pending: dict[asyncio.Task[J], AsyncIterator[J]] = {}

    def ask(source: AsyncIterator[J]) -> None:
        pending[asyncio.ensure_future(_next(source))] = source

    for each in updates:
        ask(aiter(each))
    try:
        yield f"retry: {retry * 1000:.0f}\n\n".encode()
        while pending:
            done, _ = await asyncio.wait(
                pending, timeout=keep_alive, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                yield _ALIVE
            for task in done:
                source = pending.pop(task)
                try:
                    job = task.result()
                except StopAsyncIteration:
                    continue
                except ClientClosedError:
                    return
                except NugenError as error:
                    yield _problem_frame(error)
                    continue
                ask(source)
                text = json.dumps(data(job), separators=(",", ":"))
                mark = hashlib.blake2s(text.encode(), digest_size=6).hexdigest()
                seen = source not in marks and mark in known
                marks[source] = mark
                if not seen:
                    yield f"id: {'.'.join(marks.values())}\ndata: {text}\n\n".encode()
        yield _END
    finally:
        await _dropped(pending)


async def _next(source: AsyncIterator[J]) -> J:
    return await anext(source)


async def _dropped(pending: Mapping[asyncio.Task[J], AsyncIterator[J]]) -> None:
    """Cancel what is asked for, then close what was asked: an iterator in use cannot be closed."""
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    for source in pending.values():
        if hasattr(source, "aclose"):
            await cast("AsyncGenerator[J]", source).aclose()


def _problem_frame(error: NugenError) -> bytes:
    told = problem(error)[1]
    if isinstance(error, JobError):
        told |= {"id": error.job_id, "status": error.status}
    return f"event: problem\ndata: {json.dumps(told, separators=(',', ':'))}\n\n".encode()
