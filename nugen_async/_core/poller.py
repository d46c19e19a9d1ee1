"""The one loop that obeys schedule and rounds: every wait of one client for one kind of job.

A waiter only registers interest. Whoever is due is asked for together, by single requests or through the
list, whichever is cheaper; what comes back is handed to all who registered *before* the request went out.
Nothing runs while nobody waits. All of it lives in an empty context: it belongs to no request of a web
backend and to no task of the caller's.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import AsyncGenerator, Callable, Iterable
from contextvars import Context
from typing import Generic, TypeVar

from attrs import evolve

from ..errors import ClientClosedError, InvalidRequestError
from . import observe
from .api import Api
from .book import Book
from .limits import check_timeout, margin
from .looks import IN_FLIGHT, Looks
from .outcome import Ending, Failed, Parked, Ready
from .rounds import Agenda, Items, ListFacts, Pages, plan
from .schedule import Schedule, as_schedule
from .sinks import Changes, Notifier, OnUpdate, Outcomes
from .waiters import Awaited, Fed, Kind, Limits, Many, ScheduleLike, Terms, Watched, end_of

_LONGEST_SLEEP = 60.0
"""The clock of a suspended laptop stands still: wake now and then to see what is due."""
_LIST_REST = 1.0
"""Seconds between two lists for those who hurry: many may come one after the other."""
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
        self._looks = Looks(kind, api, self._book, done=self._go_on)
        self._timer: asyncio.TimerHandle | None = None
        self._flushing: asyncio.Handle | None = None
        self._later: asyncio.TimerHandle | None = None
        self._hurried_list = -math.inf
        """When a list last went out for those who hurry."""
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
    ) -> Awaited[J]:
        """Begin to wait for one job: await the future of what is returned, and leave, whatever happens.

        It is no coroutine: one that is suspended weighs as much as half of all else that a wait needs.
        """
        policy, limits = self._policy(schedule), self._limits(timeout, stalled_after)
        notifier = Notifier(on_update) if on_update is not None else None
        terms: Awaited[J] = Awaited(policy, limits, job.id, self._loop.time(), notifier=notifier)
        try:
            self._enlist((job,), terms)
        except BaseException:
            self.leave(terms)
            raise
        return terms

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
        policy, limits = self._policy(schedule), self._limits(timeout, stalled_after)
        terms: Terms[J] = Fed(policy, limits, job.id, self._loop.time(), sink)
        last: J | None = None
        try:
            self._enlist((job,), terms)
            while not isinstance(news := await sink.get(), Ending):
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
        policy, limits = self._policy(schedule), self._limits(timeout, stalled_after)
        terms: Terms[J] = Many(policy, limits, self._loop.time(), sink)
        try:
            self._enlist(jobs, terms)
        except BaseException:
            self.leave(terms)
            raise
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
        for timer in (self._timer, self._flushing, self._later):
            if timer is not None:
                timer.cancel()
        error = ClientClosedError("the client was closed while jobs were waited for; they go on")
        for terms in self._book.close():
            sink = terms.sink
            terms.leave()
            sink.broken(error)
        return self._looks.stop()

    # -- who waits ------------------------------------------------------------------------------

    def _policy(self, schedule: ScheduleLike) -> Schedule:
        try:
            policy = as_schedule(schedule)
        except ValueError as error:
            raise InvalidRequestError(str(error)) from None
        return policy if policy.delays is None else evolve(policy)  # no two share its course

    @staticmethod
    def _limits(timeout: float | None, stalled_after: float | None) -> Limits | None:
        try:
            check_timeout(timeout)
        except ValueError as error:
            raise InvalidRequestError(str(error)) from None
        if stalled_after is not None and (
            not isinstance(stalled_after, int | float) or not stalled_after > 0
        ):
            raise InvalidRequestError(f"stalled_after is seconds above 0, not {stalled_after!r}")
        limited = timeout is not None or stalled_after is not None
        return Limits(timeout, stalled_after) if limited else None

    def _enlist(self, jobs: Iterable[J], terms: Terms[J]) -> None:
        if self._closed:
            raise ClientClosedError("the client is closed; make a new one")
        terms.order = self._book.order
        terms.wait = observe.waiting(self._kind.noun, terms.key)
        pending = False
        for job in jobs:
            if job.phase.ended:
                terms.sink.ended(end_of(job))
            else:
                self._book.register(job, terms)
                pending = True
        limits = terms.limits
        if pending and limits is not None and limits.timeout:
            deadline = terms.started + limits.timeout
            early = margin(limits.timeout)
            limits.timer = self._loop.call_at(
                deadline - early, self._near, terms, limits, limits.timeout, context=Context()
            )
        self._arm()

    def _near(self, terms: Terms[J], limits: Limits, timeout: float) -> None:
        """Have the last look made, early enough for its answer to be in before the deadline."""
        book, looks = self._book, self._looks
        takes = looks.latency * math.ceil(len(book.concerned(terms)) / IN_FLIGHT)
        if isinstance(self._way(len(book.subjects)), Pages):
            takes = max(takes, looks.list_latency)
        deadline = terms.started + timeout
        when = deadline - margin(timeout, takes)
        limits.timer = self._loop.call_at(
            when, self._finale, terms, limits, deadline, context=Context()
        )

    def _finale(self, terms: Terms[J], limits: Limits, deadline: float) -> None:
        self._book.look_last(terms)
        limits.timer = self._loop.call_at(deadline, self._expire, terms, context=Context())

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
        book, agenda = self._book, self._agenda
        if due := book.taken():
            listed = isinstance(self._way(len(due)), Pages)
            again = self._hurried_list + _LIST_REST
            busy = agenda.listed or self._loop.time() < again
            if listed and busy:  # who has time shares the next one
                if not agenda.listed and self._later is None:
                    self._later = self._loop.call_at(again, self._flush_later, context=Context())
                book.rush.update((key, False) for key, urgent in due.items() if not urgent)
                due = {key: True for key, urgent in due.items() if urgent}
                listed = len(due) > IN_FLIGHT
            if listed:
                self._hurried_list = self._loop.time()
            self._looks.begin([book.subjects[key] for key in due], listed=listed)
        self._arm()

    def _flush_later(self) -> None:
        self._later = None
        self._hurried()

    def _way(self, count: int) -> Items | Pages:
        """The cheaper way to look at so many jobs now."""
        agenda = self._agenda
        failed = agenda.list_after > self._loop.time() and not agenda.listed
        listing = None if failed else agenda.listing
        return plan(count, len(self._book.subjects), listing, agenda.item_bytes)

    def _go_on(self) -> None:
        """An answer is in: it is the turn of those who wait for the end of a list."""
        if self._book.rush and not self._agenda.listed:
            self._hurried()
        self._arm()
