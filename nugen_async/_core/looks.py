"""The requests of one poller: which go out, how many at once, and what their answers say of whom."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from contextvars import Context
from functools import partial
from itertools import islice
from typing import Any, Generic, NamedTuple, TypeVar

from attrs import evolve

from ..errors import DecodeError, NugenError, printable
from .age import Seen
from .api import Api
from .book import Book
from .codec import row_id, structure
from .logs import log
from .retry import Fate, fate
from .rows import Rows
from .trouble import BUDGET, Route
from .waiters import Kind, Subject, Watched
from .wire import Call, Json

IN_FLIGHT = 50
"""Item looks in flight of one poller; the client's own calls keep the rest of the gate."""
_SLICE = 200
"""Rows of a list between two turns of the loop."""
_LIST_SOON, _LIST_AGAIN = 4.0, 30.0
"""Seconds without a list once it failed, and once it failed again; who is due meanwhile is asked for alone.

The first is as long as those rest who were looked for on it.
"""
_SMOOTHING = 0.2
J = TypeVar("J", bound=Watched)


class _Row(NamedTuple):
    """One row of a list: whose it is, what it says, and its text."""

    name: str
    payload: Json
    told: bytes


class Looks(Generic[J]):
    """Asks for the jobs it is told to, and writes into the *book* what came of it; then it calls *done*."""

    def __init__(self, kind: Kind[J], api: Api, book: Book[J], *, done: Callable[[], None]) -> None:
        self.latency = 0.0
        """Seconds that a look at one job takes, of late."""
        self.list_latency = 0.0
        """Seconds that the whole list takes, of late."""
        self._kind = kind
        self._api = api
        self._book = book
        self._done = done
        self._loop = api.transport.open()
        self._queue: deque[Subject[J]] = deque()
        self._looking = 0
        self._lists = 0
        self._bad_lists = 0
        self._lost: list[Subject[J]] = []
        """Jobs that only the list can tell of, because their own routes fail."""
        self._searching = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def idle(self) -> bool:
        """Whether nothing is being asked."""
        return not (self._queue or self._looking or self._tasks)

    def begin(self, due: list[Subject[J]], *, listed: bool) -> None:
        """Look at all who are *due*, through the list or one by one."""
        for subject in due:
            subject.asked = "list" if listed else "item"
        if listed:
            self._spawn(self._list(due), due)
        else:
            self._queue.extend(due)
            self._feed()

    def stop(self) -> list[asyncio.Task[None]]:
        """Cancel what is being asked, but for the one who calls. Returns the tasks that end now."""
        self._queue.clear()
        self._lost = []
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        return tasks

    # -- the tasks ------------------------------------------------------------------------------

    def _feed(self) -> None:
        while self._queue and self._looking < IN_FLIGHT:
            subject = self._queue.popleft()
            if subject.waiters:
                self._looking += 1
                subject.task = self._spawn(self._look(subject), (subject,))
                subject.task.add_done_callback(partial(self._looked, subject))
            else:
                subject.asked = ""

    def _looked(self, subject: Subject[J], task: asyncio.Task[None]) -> None:
        """Free the place of a look, also of one that was cancelled before its first step."""
        self._looking -= 1
        if subject.task is task:
            subject.task = None
        self._feed()
        self._done()

    def _spawn(
        self, work: Coroutine[Any, Any, None], about: Iterable[Subject[J]]
    ) -> asyncio.Task[None]:
        task = self._loop.create_task(work, context=Context())
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._finished(done, about))
        return task

    def _finished(self, task: asyncio.Task[None], about: Iterable[Subject[J]]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        log.error("looking at %s failed in this library", self._kind.noun, exc_info=error)
        last = NugenError()
        last.add_note(repr(error))
        for subject in about:
            self._book.abandon(subject, last)

    # -- one job --------------------------------------------------------------------------------

    async def _look(self, subject: Subject[J]) -> None:
        """One look at one job by itself."""
        trouble = subject.trouble
        routes = self._book.routes(subject.key)
        route = trouble.route(routes, BUDGET) if trouble else routes[0]
        if route is Route.LIST:
            self._lost.append(subject)
            if len(self._lost) == 1:
                self._spawn(self._search(), self._lost)
            return
        order = self._book.next_order()
        try:
            job, told = await self._asked(subject, route)
        except NugenError as error:
            self._book.failed(subject, error, order)
        else:
            self._book.saw(subject, job, order, told=told)

    async def _asked(self, subject: Subject[J], route: Route) -> tuple[J, bytes | None]:
        kind, job_id = self._kind, subject.key
        call = kind.detail(job_id) if route is Route.DETAIL else kind.look(job_id)
        assert call is not None  # noqa: S101 # Book.routes() offered it
        job, told = await self._fetched(subject.job, call)
        if not job.phase.ended or kind.complete(job):
            return job, told
        more = kind.detail(job_id)
        if more is None or route is Route.DETAIL:
            return job, told
        try:
            detail, _ = await self._fetched(job, more)
        except NugenError as error:
            name = printable(job_id)
            log.info("%s %s ended, but its detail cannot be read: %s", kind.noun, name, error)
            return job, told
        return (detail if detail.phase.ended else job), told

    async def _fetched(self, before: J, call: Call[J]) -> tuple[J, bytes | None]:
        sent = self._loop.time()
        payload, response = await self._api.look(call)
        self.latency = _smoothed(self.latency, response.received - sent)
        seen = Seen(response.received, response.headers.get("date"))
        record = _structured(payload, before, self._kind.record)
        told = response.body if isinstance(payload, dict) else None
        return before.succeeded_by(record, seen), told

    # -- the list -------------------------------------------------------------------------------

    async def _search(self) -> None:
        """Look for all who are lost on one list; for those who come to be lost meanwhile, on the next."""
        async with self._searching:
            lost, self._lost = self._lost, []
            if lost:
                await self._list(lost, trusted=True)

    async def _list(self, asked: list[Subject[J]], *, trusted: bool = False) -> None:
        """One look at the whole list: whoever is watched and on it is observed, due or not.

        An end seen here is confirmed by a look of its own (but not of those *asked* for where the list is
        *trusted*, because such looks fail), and so is the absence of a job that was due: a list lags, and has
        default sizes.
        """
        book, agenda = self._book, self._book.agenda
        missing = {subject.key: subject for subject in asked}
        first, sent = book.order + 1, self._loop.time()
        failure: NugenError | None = None
        self._lists += 1
        agenda.list_after = math.inf
        try:
            await self._observe(missing, trusted=trusted)
            self.list_latency = _smoothed(self.list_latency, self._loop.time() - sent)
        except NugenError as error:
            failure = error
        finally:
            self._lists -= 1
            pause = self._pause_after(failure)
            agenda.list_after = math.inf if self._lists else self._loop.time() + pause
            self._done()  # a list that was cancelled is over, too
        for subject in missing.values():
            if failure is not None:
                book.failed(subject, failure, first)
            elif trusted:
                absent = DecodeError(problems=("the job is not on the list",))
                missed = subject.trouble.missed if subject.trouble else None
                book.failed(subject, missed or absent, first, missing=True)
            else:
                self._confirm(subject)
        self._feed()
        self._done()

    def _pause_after(self, failure: NugenError | None) -> float:
        """Seconds without a list."""
        if failure is not None and fate(failure) is Fate.NOT_STARTED:
            return getattr(failure, "retry_after", None) or 0.0
        if failure is None:
            self._bad_lists = 0
            return 0.0
        self._bad_lists += 1
        return _LIST_SOON if self._bad_lists == 1 else _LIST_AGAIN

    async def _observe(self, missing: dict[str, Subject[J]], *, trusted: bool) -> None:
        """Hand over what the list says; takes those who are on it out of *missing*."""
        async for rows, seen, order in self._rows():
            for row in rows:
                subject = self._book.subjects.get(row.name)
                if subject is None or (subject.asked and row.name not in missing):
                    continue
                asked = missing.pop(row.name, None) is not None
                self._saw_row(subject, row, seen, order, trusted=trusted and asked)
            await asyncio.sleep(0)

    async def _rows(self) -> AsyncGenerator[tuple[list[_Row], Seen, int]]:
        """The raw rows of the list, in slices, page after page."""
        agenda, record = self._book.agenda, self._kind.record
        facts = agenda.listing
        assert facts is not None  # noqa: S101 # only a kind with a list gets here
        offset, goes_on = 0, True
        met: set[str] = set()
        while goes_on:
            call = self._kind.page(offset, facts.limit or 0)
            assert call is not None  # noqa: S101 # as above
            order = self._book.next_order()
            payload, response = await self._api.look(evolve(call, unread=True))
            seen = Seen(response.received, response.headers.get("date"))
            body = response.body if payload is None else b"[]"  # a 404 that means "none"
            size, rows = len(body), Rows(body, record)
            del response, body  # a long body is not kept beside its text
            count, before, each = 0, len(met), iter(rows)
            while slice_ := list(islice(each, _SLICE)):
                count += len(slice_)
                known = [
                    _Row(name, row, told)
                    for row, told in slice_
                    if (name := row_id(row, record)) is not None
                ]
                if facts.limit is not None:
                    met.update(row.name for row in known)
                yield known, seen, order
            total = rows.total
            facts = agenda.listing = facts.seen_page(count, size, offset=offset, total=total)
            goes_on = facts.goes_on(count, len(met) - before, offset=offset, total=total)
            offset += count

    def _saw_row(
        self, subject: Subject[J], row: _Row, seen: Seen, order: int, *, trusted: bool
    ) -> None:
        if subject.shown(row.told):
            self._book.saw(subject, subject.job, order, seen=seen)
            return
        try:
            record = _structured(row.payload, subject.job, self._kind.record)
            job = subject.job.succeeded_by(record, seen)
        except NugenError as error:
            self._book.failed(subject, error, order)
            return
        if job.phase.ended and not trusted:
            self._confirm(subject)
        else:
            self._book.saw(subject, job, order, told=row.told)

    def _confirm(self, subject: Subject[J]) -> None:
        if subject.waiters and subject.asked != "item":
            subject.asked = "item"
            self._book.agenda.drop(subject.key)
            self._queue.append(subject)


def _smoothed(known: float, new: float) -> float:
    return known + _SMOOTHING * (new - known) if known else new


def _structured(payload: Json, before: Watched, record: type[J]) -> J:
    """The snapshot that *payload* makes; a status answer that does not repeat the id is about *before*."""
    if isinstance(payload, dict) and row_id(payload, record) is None:
        payload = {**payload, "id": before.id}
    return structure(payload, record)
