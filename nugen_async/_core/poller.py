"""The one loop that obeys schedule and rounds: every wait of one client for one kind of job.

A waiter only registers interest. Whoever is due is asked for together, by single requests or through the
list, whichever is cheaper; what comes back is handed to all who registered *before* the request went out.
Nothing runs while nobody waits. All of it lives in an empty context: it belongs to no request of a web
backend and to no task of the caller's.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Iterable
from contextvars import Context
from typing import Generic, TypeVar

from ..errors import ClientClosedError, InvalidRequestError
from . import observe
from .api import Api
from .book import Book
from .limits import check_timeout, margin
from .looks import Looks
from .outcome import Failed, Outcome, Parked, Ready
from .rounds import Agenda, ListFacts, Pages, plan
from .schedule import as_schedule
from .sinks import Changes, Notifier, OnUpdate, Outcomes, Single, Sink
from .waiters import Kind, ScheduleLike, Terms, Watched, end_of

_LONGEST_SLEEP = 60.0
"""The clock of a suspended laptop stands still: wake now and then to see what is due."""
J = TypeVar("J", bound=Watched)


class Poller(Generic[J]):
    """All waits of one client for one kind of job."""

    def __init__(self, kind: Kind[J], api: Api, rng: random.Random | None = None) -> None:
        self._kind = kind
        self._loop = loop = api.transport.open()
        listing = ListFacts(limit=kind.page_size) if kind.page(0, 1) is not None else None
        self._agenda: Agenda[str] = Agenda(listing=listing)
        self._book = Book(
            kind,
            self._agenda,
            rng or random.Random(),
            now=loop.time,
            hurried=self._hurried,
            idle=self._deserted,
        )
        self._looks = Looks(kind, api, self._book, done=self._arm)
        self._timer: asyncio.TimerHandle | None = None
        self._flushing: asyncio.Handle | None = None
        self._closed = False

    # -- what callers do ------------------------------------------------------------------------

    def enter(
        self,
        job: J,
        *,
        timeout: float | None,
        schedule: ScheduleLike,
        stalled_after: float | None,
        on_update: OnUpdate[J] | None,
    ) -> tuple[Single[J], Terms[J]]:
        """Begin to wait for one job: await the sink's future, and leave with the terms, whatever happens.

        It is no coroutine: one that is suspended weighs as much as half of all else that a wait needs.
        """
        sink = Single(Notifier(on_update) if on_update is not None else None)
        terms = self._terms(sink, timeout, stalled_after, key=job.id)
        try:
            self._enlist((job,), terms, schedule)
        except BaseException:
            self.leave(terms)
            raise
        return sink, terms

    async def changes(
        self,
        job: J,
        *,
        timeout: float | None,
        schedule: ScheduleLike,
        stalled_after: float | None,
    ) -> AsyncGenerator[J]:
        """Yield each changed snapshot of one job; the last one is its end."""
        sink: Changes[J] = Changes()
        terms = self._terms(sink, timeout, stalled_after, key=job.id)
        last: J | None = None
        try:
            self._enlist((job,), terms, schedule)
            while not isinstance(news := await sink.get(), Outcome):
                last = news
                yield news
        finally:
            self.leave(terms)
        if not isinstance(news, Ready | Failed | Parked):
            news.unwrap()
        elif news.job is not last:
            yield news.job

    def watch_many(
        self,
        jobs: Iterable[J],
        sink: Outcomes[J],
        *,
        timeout: float | None,
        schedule: ScheduleLike,
        stalled_after: float | None,
    ) -> Callable[[], None]:
        """Have the outcome of each job put into *sink*; returns what ends all of it."""
        terms = self._terms(sink, timeout, stalled_after, key=None)
        self._enlist(jobs, terms, schedule)
        return lambda: self.leave(terms)

    def leave(self, terms: Terms[J]) -> None:
        """Forget what *terms* still wait for; nobody else notices."""
        self._book.leave(terms)
        self._arm()

    def explain(self, job_id: str) -> str:
        """Why the next look at a job is when it is, for people."""
        return self._book.explain(job_id)

    @property
    def watched(self) -> frozenset[str]:
        """The ids of all jobs that somebody waits for."""
        return frozenset(self._book.subjects)

    @property
    def idle(self) -> bool:
        """Whether nobody waits, and nothing is asked or planned."""
        return not (self._book.subjects or len(self._agenda)) and self._looks.idle

    def close(self) -> list[asyncio.Task[None]]:
        """End every wait with `ClientClosedError`; the jobs go on. Returns the tasks that end now."""
        self._closed = True
        for timer in (self._timer, self._flushing):
            if timer is not None:
                timer.cancel()
        error = ClientClosedError("the client was closed while jobs were waited for; they go on")
        for terms in self._book.close():
            if terms.timer is not None:
                terms.timer.cancel()
            terms.sink.broken(error)
        return self._looks.stop()

    # -- who waits ------------------------------------------------------------------------------

    def _terms(
        self,
        sink: Sink[J],
        timeout: float | None,
        stalled_after: float | None,
        *,
        key: str | None,
    ) -> Terms[J]:
        try:
            check_timeout(timeout)
        except ValueError as error:
            raise InvalidRequestError(str(error)) from None
        if stalled_after is not None and not stalled_after > 0:
            raise InvalidRequestError(f"stalled_after must be positive, not {stalled_after!r}")
        return Terms(sink, timeout, stalled_after, key=key, now=self._loop.time())

    def _enlist(self, jobs: Iterable[J], terms: Terms[J], schedule: ScheduleLike) -> None:
        if self._closed:
            raise ClientClosedError("the client is closed; make a new one")
        try:
            policy = as_schedule(schedule)
        except ValueError as error:
            raise InvalidRequestError(str(error)) from None
        terms.order = self._book.order
        terms.wait = observe.waiting(self._kind.noun, terms.key)
        pending = False
        for job in jobs:
            if job.phase.ended:
                terms.sink.ended(end_of(job))
            else:
                self._book.register(job, terms, policy)
                pending = True
        if pending and terms.timeout:
            early = margin(terms.timeout, self._looks.latency)
            when = terms.started + terms.timeout - early
            terms.timer = self._loop.call_at(when, self._finale, terms, context=Context())
        self._arm()

    def _finale(self, terms: Terms[J]) -> None:
        """The last look, early enough for its answer to be in before the deadline."""
        assert terms.timeout is not None  # noqa: S101 # only a wait with a limit has a finale
        for subject, _ in self._book.concerned(terms):
            self._book.hurry(subject)
        deadline = terms.started + terms.timeout
        terms.timer = self._loop.call_at(deadline, self._expire, terms, context=Context())

    def _expire(self, terms: Terms[J]) -> None:
        self._book.expire(terms)
        self._arm()

    # -- when to look ---------------------------------------------------------------------------

    def _arm(self) -> None:
        """Set the one timer to the next second at which somebody is due."""
        when = None if self._closed else self._agenda.next_wake()
        timer = self._timer
        if when is None:
            if timer is not None:
                timer.cancel()
                self._timer = None
            return
        when = min(max(when, self._loop.time()), self._loop.time() + _LONGEST_SLEEP)
        if timer is not None:
            if not timer.cancelled() and self._loop.time() < timer.when() <= when:
                return
            timer.cancel()
        self._timer = self._loop.call_at(when, self._tick, context=Context())

    def _tick(self) -> None:
        self._timer = None
        now = self._loop.time()
        due = self._agenda.next_wake()
        if due is not None and due <= now:
            turn = self._agenda.take(now)
            subjects = [self._book.subjects[key] for key in turn.due]
            self._looks.begin(subjects, listed=isinstance(turn.way, Pages))
        self._arm()

    def _hurried(self) -> None:
        if self._flushing is None:
            self._flushing = self._loop.call_soon(self._flush, context=Context())

    def _deserted(self) -> None:
        self._looks.stop()

    def _flush(self) -> None:
        self._flushing = None
        if due := self._book.taken():
            agenda, watched = self._agenda, len(self._book.subjects)
            way = plan(len(due), watched, agenda.listing, agenda.item_bytes)
            self._looks.begin(due, listed=isinstance(way, Pages))
        self._arm()
