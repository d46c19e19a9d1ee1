"""Who waits for which job, when each is due, and what the answer to a look means for all of them.

Nothing here asks the server or sets a timer: the poller and its looks do, and write here what came of it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Generic, TypeVar

from ..errors import NotFoundError, NugenError, printable
from .age import Seen, age_at
from .limits import Movement
from .logs import log
from .outcome import Outcome, Stalled, TimedOut, Unreachable
from .past import Durations
from .retry import Fate, fate
from .rounds import Agenda
from .schedule import DEFAULT, Hints, Phase, Schedule, Settled, Sleep
from .trouble import BUDGET, Abandon, Route, Trouble
from .waiters import AT_ONCE, Kind, Outlook, Subject, Terms, Waiter, Watched, end_of

J = TypeVar("J", bound=Watched)


class Book(Generic[J]):
    """All waits of one poller.

    It calls *hurried* when somebody is to be looked at as soon as possible, and *idle* when nobody waits.
    """

    def __init__(
        self,
        kind: Kind[J],
        agenda: Agenda[str],
        rng: random.Random,
        *,
        now: Callable[[], float],
        hurried: Callable[[], None],
        idle: Callable[[], object],
    ) -> None:
        self.subjects: dict[str, Subject[J]] = {}
        self.agenda = agenda
        self.rush: dict[str, None] = {}
        """Who is to be looked at as soon as possible."""
        self.order = 0
        """The number of the newest request."""
        self._kind = kind
        self._rng = rng
        self._now = now
        self._hurried = hurried
        self._idle = idle
        self._durations = Durations()
        self._warned: set[str] = set()

    def close(self) -> set[Terms[J]]:
        """Strike everything out; returns whose waits that ends."""
        subjects, self.subjects = self.subjects, {}
        return {waiter.terms for subject in subjects.values() for waiter in subject.waiters}

    def explain(self, job_id: str) -> str:
        """Why the next look at a job is when it is, for people."""
        subject = self.subjects.get(job_id)
        if subject is None:
            return f"{self._kind.noun} {printable(job_id)}: nobody waits for it"
        now = self._now()
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

    def register(self, job: J, terms: Terms[J], policy: Schedule) -> None:
        """Have *job* looked at for *terms*, by *policy*."""
        subject = self.subjects.get(job.id)
        if subject is None:
            subject = self.subjects[job.id] = Subject(job)
        outlook = next((o for o in subject.outlooks if o.policy == policy and o.shared), None)
        if outlook is None:
            outlook = self._outlook(job, policy, terms.started)
        subject.waiters += (Waiter(terms, outlook),)
        if terms.wait is not None:
            terms.wait.joined()
        if terms.timeout == 0 or outlook.next_look <= terms.started:
            self.hurry(subject)
        elif outlook.looked == terms.started:
            self.replan(subject)

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

    def concerned(self, terms: Terms[J]) -> list[tuple[Subject[J], Waiter[J]]]:
        """Who still waits under *terms*."""
        if terms.key is None:
            subjects = list(self.subjects.values())
        else:
            subject = self.subjects.get(terms.key)
            subjects = [] if subject is None else [subject]
        return [(s, w) for s in subjects for w in s.waiters if w.terms is terms]

    def leave(self, terms: Terms[J]) -> None:
        """Forget what *terms* still wait for; nobody else notices."""
        if terms.timer is not None:
            terms.timer.cancel()
            terms.timer = None
        for subject, waiter in self.concerned(terms):
            subject.waiters = tuple(w for w in subject.waiters if w is not waiter)
            if waiter.outlook not in subject.outlooks:
                self.replan(subject)
        if terms.wait is not None:
            terms.wait.left()

    def expire(self, terms: Terms[J]) -> None:
        """The time of *terms* is over: so is the wait for what has not ended."""
        now = self._now()
        for subject, waiter in self.concerned(terms):
            self.end(subject, waiter, TimedOut(subject.job, now - terms.started))
            self.replan(subject)

    def saw(self, subject: Subject[J], job: J, order: int, seen: Seen | None = None) -> None:
        """Hand one look's answer to everyone who registered before it was asked for.

        *seen* is given where an older snapshot was found unchanged.
        """
        now = self._now()
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
                self.end(subject, waiter, end_of(job))
        self.replan(subject)

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
            self.end(subject, waiter, TimedOut(job, now - terms.started))
        elif terms.stalled_after is not None:
            waiter.movement = waiter.movement or Movement(terms.started)
            still = waiter.movement.observe(job.status, progress, now, terms.stalled_after)
            if still is not None:
                self.end(subject, waiter, Stalled(job, now - still.since))

    def failed(
        self, subject: Subject[J], error: NugenError, order: int, *, missing: bool = False
    ) -> None:
        """A look brought no answer: try again later or elsewhere, within the budget."""
        now = self._now()
        subject.asked = False
        trouble = subject.trouble = subject.trouble or Trouble()
        if isinstance(error, NotFoundError):
            missing, subject.missed = True, error
        over = fate(error) is Fate.REFUSED and not missing
        if fate(error) is not Fate.NOT_STARTED:
            routes = self.routes(subject.key)
            verdict = trouble.failed(now, routes, BUDGET, missing=missing)
            over = over or isinstance(verdict, Abandon)
        log.info("%s %s: a look failed: %s", self._kind.noun, printable(subject.key), error)
        floor = getattr(error, "retry_after", None) or 0.0
        for waiter in subject.waiters:
            if waiter.terms.order >= order:
                continue
            if over or waiter.terms.timeout == 0:
                end = Unreachable(subject.job, error, max(1, trouble.failures))
                self.end(subject, waiter, end)
        for outlook in subject.outlooks:
            outlook.rest(outlook.watch.failed(now, max(1, trouble.failures), floor), now)
        self.replan(subject)

    def _warn_of(self, word: str) -> None:
        if word not in self._warned:
            self._warned.add(word)
            log.warning("%s: unknown status %r; taken as still running", self._kind.noun, word)

    @staticmethod
    def end(subject: Subject[J], waiter: Waiter[J], outcome: Outcome[J]) -> None:
        """The wait of one caller for one job is over."""
        subject.waiters = tuple(w for w in subject.waiters if w is not waiter)
        waiter.terms.sink.ended(outcome)
        if waiter.terms.wait is not None:
            waiter.terms.wait.ended(outcome)

    def hurry(self, subject: Subject[J]) -> None:
        """Look at once, together with all others that hurry in this turn of the loop."""
        self.rush[subject.key] = None
        self._hurried()

    def taken(self) -> list[Subject[J]]:
        """Take those out who hurry; one that is asked for already is asked for again."""
        rush, self.rush = self.rush, {}
        due: list[Subject[J]] = []
        for key in rush:
            subject = self.subjects.get(key)
            if subject is None:
                continue
            if subject.asked:
                subject.again = True
            else:
                self.agenda.drop(key)
                due.append(subject)
        return due

    def next_order(self) -> int:
        """The number of a request that goes out now."""
        self.order += 1
        return self.order

    def routes(self, job_id: str) -> tuple[Route, ...]:
        """Where the job's state can be asked for, the cheapest first."""
        routes = [Route.STATUS]
        if self._kind.detail(job_id) is not None:
            routes.append(Route.DETAIL)
        if self.agenda.listing is not None:
            routes.append(Route.LIST)
        return tuple(routes)

    def replan(self, subject: Subject[J]) -> None:
        """Put the job's next look on the agenda: the earliest that any of its waiters wants."""
        key = subject.key
        if not subject.waiters:
            self.agenda.drop(key)
            if self.subjects.get(key) is subject:
                del self.subjects[key]
            if subject.task is not None and subject.task is not asyncio.current_task():
                subject.task.cancel()
            if not self.subjects:
                self._idle()
        elif not subject.asked:
            if subject.again:
                subject.again = False
                self.hurry(subject)
                return
            now = self._now()
            first, *others = subject.outlooks
            if others:
                first = min(first, *others, key=lambda o: o.next_look)
            self.agenda.put(key, now, first.left(now))
