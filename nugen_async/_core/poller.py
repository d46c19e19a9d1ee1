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
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from contextvars import Context
from functools import partial
from typing import Any, Generic, TypeVar

from ..errors import (
    ClientClosedError,
    DecodeError,
    InvalidRequestError,
    NotFoundError,
    NugenError,
    printable,
)
from . import observe
from .age import Seen, age_at
from .api import Api
from .codec import peek, row_id, rows_of, structure
from .logs import log
from .outcome import Failed, Outcome, Parked, Ready, Stalled, TimedOut, Unreachable
from .retry import Fate, fate
from .rounds import Abandon, Agenda, Budget, ListFacts, Pages, Route, Trouble, plan
from .schedule import (
    DEFAULT,
    Durations,
    Hints,
    Movement,
    Phase,
    Schedule,
    Settled,
    Sleep,
    as_schedule,
    check_timeout,
    margin,
)
from .sinks import Changes, Notifier, OnUpdate, Outcomes, Single, Sink
from .waiters import AT_ONCE, Kind, Outlook, ScheduleLike, Subject, Terms, Waiter, Watched, end_of
from .wire import Call, Json

_IN_FLIGHT = 50
"""Item looks in flight of one poller; the client's own calls keep the rest of the gate."""
_SLICE = 200
"""Rows of a list between two turns of the loop."""
_LONGEST_SLEEP = 60.0
"""The clock of a suspended laptop stands still: wake now and then to see what is due."""
_LIST_AGAIN = 30.0
"""Seconds until a list that failed is asked for again; jobs that are due are asked for one by one."""
_SMOOTHING = 0.2
_BUDGET = Budget()
J = TypeVar("J", bound=Watched)


class Poller(Generic[J]):
    """All waits of one client for one kind of job."""

    def __init__(self, kind: Kind[J], api: Api, rng: random.Random | None = None) -> None:
        self._kind = kind
        self._api = api
        self._loop = api.transport.open()
        self._rng = rng or random.Random()
        self._subjects: dict[str, Subject[J]] = {}
        listing = ListFacts(limit=kind.page_size) if kind.page(0, 1) is not None else None
        self._agenda: Agenda[str] = Agenda(listing=listing)
        self._durations = Durations()
        self._order = 0
        self._latency = 0.0
        self._rush: dict[str, None] = {}
        self._queue: deque[Subject[J]] = deque()
        self._looking = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._flushing: asyncio.Handle | None = None
        self._warned: set[str] = set()
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

    def explain(self, job_id: str) -> str:
        """Why the next look at a job is when it is, for people."""
        subject = self._subjects.get(job_id)
        if subject is None:
            return f"{self._kind.noun} {printable(job_id)}: nobody waits for it"
        now = self._loop.time()
        status = printable(subject.job.status) or "not looked at yet"
        said = f"{self._kind.noun} {printable(job_id)}: {status}"
        if subject.asked:
            return f"{said}; being looked at now"
        outlook = min(subject.outlooks, key=lambda o: o.next_look)
        said += f"; {outlook.why}"
        if outlook.looked < now:
            said += f" (decided {now - outlook.looked:.0f} s ago)"
        if subject.trouble is not None:
            said += f"; {subject.trouble.failures} looks in a row failed"
        if len(subject.waiters) > 1:
            said += f"; {len(subject.waiters)} waiters share its looks"
        return said

    def close(self) -> list[asyncio.Task[None]]:
        """End every wait with `ClientClosedError`; the jobs go on. Returns the tasks that end now."""
        self._closed = True
        for timer in (self._timer, self._flushing):
            if timer is not None:
                timer.cancel()
        subjects, self._subjects = self._subjects, {}
        self._queue.clear()
        error = ClientClosedError("the client was closed while jobs were waited for; they go on")
        for terms in {w.terms for s in subjects.values() for w in s.waiters}:
            if terms.timer is not None:
                terms.timer.cancel()
            terms.sink.broken(error)
        return self._stop()

    def _stop(self) -> list[asyncio.Task[None]]:
        """Cancel what is being asked, but for the one who calls."""
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        return tasks

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
        terms.order = self._order
        terms.wait = observe.waiting(self._kind.noun, terms.key)
        pending = False
        for job in jobs:
            if job.phase.ended:
                terms.sink.ended(end_of(job))
            else:
                self._register(job, terms, policy)
                pending = True
        if pending and terms.timeout:
            early = margin(terms.timeout, self._latency)
            when = terms.started + terms.timeout - early
            terms.timer = self._loop.call_at(when, self._finale, terms, context=Context())
        self._arm()

    def _register(self, job: J, terms: Terms[J], policy: Schedule) -> None:
        subject = self._subjects.get(job.id)
        if subject is None:
            subject = self._subjects[job.id] = Subject(job)
        outlook = next((o for o in subject.outlooks if o.policy == policy and o.shared), None)
        if outlook is None:
            outlook = self._outlook(job, policy, terms.started)
        subject.waiters += (Waiter(terms, outlook),)
        if terms.wait is not None:
            terms.wait.joined()
        if terms.timeout == 0 or outlook.next_look <= terms.started:
            self._hurry(subject)
        elif outlook.looked == terms.started:
            self._replan(subject)

    def _outlook(self, job: J, policy: Schedule, now: float) -> Outlook:
        """When to look first at a job that nobody watched by this schedule yet."""
        seen = job.seen
        age = age_at(seen, job.began) if seen is not None else None
        at = seen.at if seen is not None else now
        watch = policy.watch(age=age, now=at, rng=self._rng)
        outlook = Outlook(watch, ageless=age is None, now=now)
        if seen is None or not job.status:
            return outlook
        if seen.fresh:
            outlook.rest(watch.first(now), now)
            return outlook
        move = watch.observe(job.phase, at, job.hints(), expected=self._durations.least)
        if isinstance(move, Sleep) and at + move.seconds > now:
            outlook.rest(Sleep(at + move.seconds - now, move.reason, move.about), now)
        return outlook

    def _concerned(self, terms: Terms[J]) -> list[tuple[Subject[J], Waiter[J]]]:
        """Who still waits under *terms*."""
        if terms.key is None:
            subjects = list(self._subjects.values())
        else:
            subject = self._subjects.get(terms.key)
            subjects = [] if subject is None else [subject]
        return [(s, w) for s in subjects for w in s.waiters if w.terms is terms]

    def leave(self, terms: Terms[J]) -> None:
        """Forget what *terms* still wait for; nobody else notices."""
        if terms.timer is not None:
            terms.timer.cancel()
            terms.timer = None
        for subject, waiter in self._concerned(terms):
            subject.waiters = tuple(w for w in subject.waiters if w is not waiter)
            if waiter.outlook not in subject.outlooks:
                self._replan(subject)
        self._arm()
        if terms.wait is not None:
            terms.wait.left()

    def _finale(self, terms: Terms[J]) -> None:
        """The last look, early enough for its answer to be in before the deadline."""
        assert terms.timeout is not None  # noqa: S101 # only a wait with a limit has a finale
        for subject, _ in self._concerned(terms):
            self._hurry(subject)
        deadline = terms.started + terms.timeout
        terms.timer = self._loop.call_at(deadline, self._expire, terms, context=Context())

    def _expire(self, terms: Terms[J]) -> None:
        now = self._loop.time()
        for subject, waiter in self._concerned(terms):
            self._end(subject, waiter, TimedOut(subject.job, now - terms.started))
            self._replan(subject)
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
            self._round(
                [self._subjects[key] for key in turn.due], listed=isinstance(turn.way, Pages)
            )
        self._arm()

    def _hurry(self, subject: Subject[J]) -> None:
        """Look at once, together with all others that hurry in this turn of the loop."""
        self._rush[subject.key] = None
        if self._flushing is None:
            self._flushing = self._loop.call_soon(self._flush, context=Context())

    def _flush(self) -> None:
        self._flushing = None
        rush, self._rush = self._rush, {}
        due: list[Subject[J]] = []
        for key in rush:
            subject = self._subjects.get(key)
            if subject is None:
                continue
            if subject.asked:
                subject.again = True
            else:
                self._agenda.drop(key)
                due.append(subject)
        if due:
            way = plan(len(due), len(self._subjects), self._agenda.listing, self._agenda.item_bytes)
            self._round(due, listed=isinstance(way, Pages))
        self._arm()

    def _round(self, due: list[Subject[J]], *, listed: bool) -> None:
        for subject in due:
            subject.asked = True
        if listed:
            self._spawn(self._list(due), due)
        else:
            self._queue.extend(due)
            self._feed()

    def _feed(self) -> None:
        while self._queue and self._looking < _IN_FLIGHT:
            subject = self._queue.popleft()
            if subject.waiters:
                self._looking += 1
                subject.task = self._spawn(self._look(subject), (subject,))
                subject.task.add_done_callback(partial(self._looked, subject))
            else:
                subject.asked = False

    def _looked(self, subject: Subject[J], task: asyncio.Task[None]) -> None:
        """Free the place of a look, also of one that was cancelled before its first step."""
        self._looking -= 1
        if subject.task is task:
            subject.task = None
        self._feed()
        self._arm()

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
        for subject in about:
            for waiter in subject.waiters:
                last = NugenError()
                last.add_note(repr(error))
                self._end(subject, waiter, Unreachable(subject.job, last))
            self._replan(subject)

    # -- looking --------------------------------------------------------------------------------

    async def _look(self, subject: Subject[J]) -> None:
        """One look at one job by itself."""
        trouble = subject.trouble
        routes = self._routes(subject.key)
        route = trouble.route(routes, _BUDGET) if trouble else routes[0]
        if route is Route.LIST:
            await self._list([subject], trusted=True)
            return
        order = self._next_order()
        try:
            job = await self._asked(subject, route)
        except NugenError as error:
            self._failed(subject, error, order)
        else:
            self._saw(subject, job, order)

    def _routes(self, job_id: str) -> tuple[Route, ...]:
        routes = [Route.STATUS]
        if self._kind.detail(job_id) is not None:
            routes.append(Route.DETAIL)
        if self._agenda.listing is not None:
            routes.append(Route.LIST)
        return tuple(routes)

    async def _asked(self, subject: Subject[J], route: Route) -> J:
        kind, job_id = self._kind, subject.key
        call = kind.detail(job_id) if route is Route.DETAIL else kind.look(job_id)
        assert call is not None  # noqa: S101 # _routes() offered it
        job = await self._fetched(subject.job, call)
        if not job.phase.ended or kind.complete(job):
            return job
        more = kind.detail(job_id)
        if more is None or route is Route.DETAIL:
            return job
        try:
            detail = await self._fetched(job, more)
        except NugenError as error:
            told = printable(job_id)
            log.info("%s %s ended, but its detail cannot be read: %s", kind.noun, told, error)
            return job
        return detail if detail.phase.ended else job

    async def _fetched(self, before: J, call: Call[J]) -> J:
        sent = self._loop.time()
        payload, response = await self._api.look(call)
        self._latency += _SMOOTHING * (response.received - sent - self._latency)
        seen = Seen(response.received, response.headers.get("date"))
        return before.succeeded_by(_structured(payload, before, self._kind.record), seen)

    async def _list(self, asked: list[Subject[J]], *, trusted: bool = False) -> None:
        """One look at the whole list: whoever is watched and on it is observed, due or not.

        An end seen here is confirmed by a look of its own (unless *trusted*, because those looks fail), and
        so is the absence of a job that was due: a list lags, and has default sizes.
        """
        missing = {subject.key: subject for subject in asked}
        agenda = self._agenda
        agenda.list_after = math.inf  # one list at a time
        first = self._order + 1
        try:
            async for rows, seen, order in self._rows():
                for job_id, row in rows:
                    subject = self._subjects.get(job_id)
                    if subject is None or (subject.asked and job_id not in missing):
                        continue
                    missing.pop(job_id, None)
                    self._saw_row(subject, row, seen, order, trusted=trusted)
                await asyncio.sleep(0)
        except NugenError as error:
            agenda.list_after = self._loop.time() + _LIST_AGAIN
            for subject in missing.values():
                self._failed(subject, error, first)
            self._arm()
            return
        except BaseException:
            agenda.list_after = self._loop.time()
            raise
        agenda.list_after = self._loop.time()
        for subject in missing.values():
            if trusted:
                absent = subject.missed or DecodeError(problems=("the job is not on the list",))
                self._failed(subject, absent, first, missing=True)
            else:
                self._queue.append(subject)
        self._feed()
        self._arm()

    async def _rows(self) -> AsyncGenerator[tuple[list[tuple[str, Json]], Seen, int]]:
        """The raw rows of the list with their ids, in slices, page after page."""
        facts = self._agenda.listing
        assert facts is not None  # noqa: S101 # only a kind with a list gets here
        offset = 0
        while True:
            size = facts.limit or 0
            call = self._kind.page(offset, size)
            assert call is not None  # noqa: S101 # as above
            order = self._next_order()
            payload, response = await self._api.look(call)
            rows = rows_of(payload, self._kind.record)
            total = payload.get("total") if isinstance(payload, dict) else None
            facts = facts.seen_page(
                len(rows),
                len(response.body),
                offset=offset,
                total=total if isinstance(total, int) else None,
            )
            self._agenda.listing = facts
            seen = Seen(response.received, response.headers.get("date"))
            for first in range(0, len(rows), _SLICE):
                named = [
                    (row_id(row, self._kind.record), row) for row in rows[first : first + _SLICE]
                ]
                yield [(name, row) for name, row in named if name is not None], seen, order
            offset += len(rows)
            if not rows or not size or len(rows) < size or offset >= (facts.rows or 0):
                return

    def _next_order(self) -> int:
        self._order += 1
        return self._order

    # -- what a look brought ---------------------------------------------------------------------

    def _saw_row(
        self, subject: Subject[J], row: Json, seen: Seen, order: int, *, trusted: bool
    ) -> None:
        if self._unchanged(subject, row):
            self._saw(subject, subject.job, order, seen)
            return
        try:
            record = _structured(row, subject.job, self._kind.record)
            job = subject.job.succeeded_by(record, seen)
        except NugenError as error:
            self._failed(subject, error, order)
            return
        if job.phase.ended and not trusted:
            self._confirm(subject)
            return
        subject.row = row
        self._saw(subject, job, order)

    def _unchanged(self, subject: Subject[J], row: Json) -> bool:
        """Whether the row says what the last one said, as far as waiting goes: then it is not structured."""
        before, record = subject.row, self._kind.record
        if before is None or subject.job.phase.ended:
            return False
        return row == before or peek(row, record) == peek(before, record)

    def _confirm(self, subject: Subject[J]) -> None:
        if subject.asked and (subject.task is not None or subject in self._queue):
            return
        subject.asked = True
        self._agenda.drop(subject.key)
        self._queue.append(subject)

    def _saw(self, subject: Subject[J], job: J, order: int, seen: Seen | None = None) -> None:
        """Hand one look's answer to everyone who registered before it was asked for.

        *seen* is given where an older snapshot was found unchanged.
        """
        now = self._loop.time()
        changed = job is not subject.job and job != subject.job
        subject.job, subject.trouble, subject.asked = job, None, False
        phase = job.phase
        if phase is Phase.UNKNOWN:
            self._warn_of(job.status)
        elif phase is Phase.READY and subject.waiters:
            self._durations.learn(now - subject.waiters[0].outlook.watch.born)
        hints = job.hints(seen)
        for outlook in subject.outlooks:
            if outlook.ageless and job.seen is not None:
                age = age_at(job.seen, job.began)
                if age is not None:
                    outlook.ageless, outlook.watch.born = False, now - age
            outlook.rest(self._next(outlook, phase, now, hints), now)
        for waiter in subject.waiters:
            if waiter.terms.order >= order:
                continue
            if changed and phase is not Phase.PARKED:
                waiter.terms.sink.changed(job)
            if phase.moving:
                self._end_early(subject, waiter, job, hints.progress, now)
            else:
                self._end(subject, waiter, end_of(job))
        self._replan(subject)

    def _next(self, outlook: Outlook, phase: Phase, now: float, hints: Hints) -> Sleep:
        """How long to leave the job alone; a caller's own schedule that raises is replaced by ours."""
        try:
            move = outlook.watch.observe(phase, now, hints, expected=self._durations.least)
        except Exception as error:  # noqa: BLE001 # whatever a caller's generator raises
            log.warning("a schedule raised; the default takes its place: %r", error, exc_info=error)
            outlook.watch = DEFAULT.watch(age=now - outlook.watch.born, now=now, rng=self._rng)
            move = outlook.watch.observe(phase, now, hints)
        return AT_ONCE if isinstance(move, Settled) else move

    def _end_early(
        self, subject: Subject[J], waiter: Waiter[J], job: J, progress: float | None, now: float
    ) -> None:
        terms = waiter.terms
        if terms.timeout == 0:
            self._end(subject, waiter, TimedOut(job, now - terms.started))
        elif terms.stalled_after is not None:
            waiter.movement = waiter.movement or Movement(terms.started)
            still = waiter.movement.observe(job.status, progress, now, terms.stalled_after)
            if still is not None:
                self._end(subject, waiter, Stalled(job, now - still.since))

    def _failed(
        self, subject: Subject[J], error: NugenError, order: int, *, missing: bool = False
    ) -> None:
        """A look brought no answer: try again later or elsewhere, within the budget."""
        now = self._loop.time()
        subject.asked = False
        trouble = subject.trouble = subject.trouble or Trouble()
        if isinstance(error, NotFoundError):
            missing, subject.missed = True, error
        over = fate(error) is Fate.REFUSED and not missing
        if fate(error) is not Fate.NOT_STARTED:
            routes = self._routes(subject.key)
            verdict = trouble.failed(now, routes, _BUDGET, missing=missing)
            over = over or isinstance(verdict, Abandon)
        log.info("%s %s: a look failed: %s", self._kind.noun, printable(subject.key), error)
        floor = getattr(error, "retry_after", None) or 0.0
        for waiter in subject.waiters:
            if waiter.terms.order >= order:
                continue
            if over or waiter.terms.timeout == 0:
                end = Unreachable(subject.job, error, max(1, trouble.failures))
                self._end(subject, waiter, end)
        for outlook in subject.outlooks:
            outlook.rest(outlook.watch.failed(now, max(1, trouble.failures), floor), now)
        self._replan(subject)

    def _warn_of(self, word: str) -> None:
        if word not in self._warned:
            self._warned.add(word)
            log.warning("%s: unknown status %r; taken as still running", self._kind.noun, word)

    @staticmethod
    def _end(subject: Subject[J], waiter: Waiter[J], outcome: Outcome[J]) -> None:
        subject.waiters = tuple(w for w in subject.waiters if w is not waiter)
        waiter.terms.sink.ended(outcome)
        if waiter.terms.wait is not None:
            waiter.terms.wait.ended(outcome)

    def _replan(self, subject: Subject[J]) -> None:
        """Put the job's next look on the agenda: the earliest that any of its waiters wants."""
        key = subject.key
        if not subject.waiters:
            self._agenda.drop(key)
            if self._subjects.get(key) is subject:
                del self._subjects[key]
            if subject.task is not None and subject.task is not asyncio.current_task():
                subject.task.cancel()
            if not self._subjects:
                self._stop()
        elif not subject.asked:
            if subject.again:
                subject.again = False
                self._hurry(subject)
                return
            now = self._loop.time()
            first, *others = subject.outlooks
            if others:
                first = min(first, *others, key=lambda o: o.next_look)
            self._agenda.put(key, now, first.left(now))


def _structured(payload: Json, before: Watched, record: type[J]) -> J:
    """The snapshot that *payload* makes; a status answer that does not repeat the id is about *before*."""
    if isinstance(payload, dict) and row_id(payload, record) is None:
        payload = {**payload, "id": before.id}
    return structure(payload, record)
