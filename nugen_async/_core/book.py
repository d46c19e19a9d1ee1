"""Who waits for which job, when each is due, and what the answer to a look means for all of them.

Nothing here asks the server or sets a timer: the poller and its looks do, and write here what came of it.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Collection, Mapping
from typing import Generic, TypeVar

from ..errors import NotFoundError, NugenError, printable
from .age import Seen, age_at
from .logs import log
from .outcome import Ending, Stalled, TimedOut, Unreachable
from .past import Past
from .retry import Fate, fate
from .rounds import Agenda
from .schedule import Hints, Phase, Schedule, Watch
from .trouble import BUDGET, Abandon, Route, Trouble
from .waiters import Kind, Many, Subject, Terms, Watched, end_of

_SHARED = 1.0
"""Seconds for which one last look serves all who wait for a job."""
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
        self.rush: dict[str, bool] = {}
        """Who is to be looked at as soon as possible, and whether some waiter has no time left for a list."""
        self.order = 0
        """The number of the newest request."""
        self._kind = kind
        self._rng = rng
        self._now = now
        self._hurried = hurried
        self._idle = idle
        self._last_looks: dict[str, float] = {}
        """When a deadline last had a job looked at."""
        self._past = Past()
        self._warned: set[str] = set()

    def close(self) -> set[Terms[J]]:
        """Strike everything out; returns whose waits that ends."""
        subjects, self.subjects = self.subjects, {}
        return {terms for subject in subjects.values() for terms in subject.waiters}

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
        watch = min(subject.watches, key=lambda watch: watch.due)
        said += f"; {watch.left(now).why}"
        if subject.trouble is not None:
            said += f"; {subject.trouble.failures} looks in a row failed"
        if len(subject.waiters) > 1:
            said += f"; {len(subject.waiters)} waiters share its looks"
        return said

    def register(self, job: J, terms: Terms[J]) -> None:
        """Have *job* looked at for *terms*."""
        now = terms.started
        subject = self.subjects.get(job.id)
        watches = () if subject is None else subject.watches
        known = next((watch for watch in watches if watch.serves(terms.policy)), None)
        watch = known or self._watch(job, terms.policy, now)  # a caller's own schedule may raise
        if subject is None:
            subject = self.subjects[job.id] = Subject(job)
        subject.join(terms, watch)
        if isinstance(terms, Many):
            terms.keys.append(subject.key)
        if terms.wait is not None:
            terms.wait.joined()
        if terms.once or watch.due <= now:
            self.hurry(subject)
        elif known is None:
            self.replan(subject)

    def _watch(self, job: J, policy: Schedule, now: float) -> Watch:
        """When to look first at a job that nobody watched by this policy yet."""
        seen = job.seen
        age = age_at(seen, job.began) if seen is not None else None
        watch = policy.watch(age=age, now=now if seen is None else seen.at, rng=self._rng)
        if seen is not None and seen.fresh:
            watch.first(now)
        elif seen is not None and job.status:
            watch.observe(job.phase, seen.at, job.hints(), self._past)
        return watch

    def concerned(self, terms: Terms[J]) -> list[Subject[J]]:
        """The jobs that *terms* still wait for."""
        found = [self.subjects.get(key) for key in terms.keys]
        return [each for each in found if each is not None and terms in each.waiters]

    def leave(self, terms: Terms[J]) -> None:
        """Forget what *terms* still wait for; nobody else notices."""
        for subject in self.concerned(terms):
            if subject.part((terms,)):
                self.replan(subject)
        terms.leave()
        if terms.wait is not None:
            terms.wait.left()

    def look_last(self, terms: Terms[J]) -> None:
        """Look once more at what *terms* wait for; waiters on one job share such a look for a second."""
        now = self._now()
        for subject in self.concerned(terms):
            if self._last_looks.get(subject.key, -math.inf) <= max(terms.started, now - _SHARED):
                self._last_looks[subject.key] = now
                self.hurry(subject, urgent=True)

    def expire(self, terms: Terms[J]) -> None:
        """The time of *terms* is over: so is the wait for what has not ended."""
        now = self._now()
        for subject in self.concerned(terms):
            last = subject.trouble.last if subject.trouble is not None else None
            self._end(terms, TimedOut(subject.snapshot, now - terms.started, last))
            subject.part((terms,))
            self.replan(subject)

    def saw(
        self,
        subject: Subject[J],
        job: J,
        order: int,
        *,
        told: bytes | None = None,
        seen: Seen | None = None,
    ) -> None:
        """Hand one look's answer to everyone who registered before it was asked for.

        *told* is the text of its payload; *seen* is given where an older snapshot was found unchanged.
        """
        now, phase = self._now(), job.phase
        changed = job is not subject.job and job != subject.job
        subject.trouble, subject.asked = None, ""
        hints = job.hints(seen)
        if phase.moving:
            if phase is Phase.UNKNOWN:
                self._warn_of(job.status)
            for watch in subject.watches:
                self._decide(watch, job, hints, now)
        else:
            self._over(subject, phase, now)
        informed = [terms for terms in subject.waiters if terms.order < order]
        shared = False
        if changed and phase is not Phase.PARKED:
            for terms in informed:
                if terms.sink.listens:
                    shared = True
                    terms.sink.changed(job)
        if job is not subject.job:
            subject.shows(job, told if phase.moving else None, shared=shared)
        if not phase.moving:
            self._ended(subject, dict.fromkeys(informed, end_of(job)))
        elif limited := [terms for terms in informed if terms.limits is not None]:
            ends = {terms: self._end_early(subject, terms, hints, now) for terms in limited}
            self._ended(subject, {terms: end for terms, end in ends.items() if end is not None})
        self.replan(subject)

    def _over(self, subject: Subject[J], phase: Phase, now: float) -> None:
        """The job moves no more: learn from it; who cannot be told yet has it looked at again."""
        for watch in subject.watches:
            watch.due = now
        if phase is Phase.READY and subject.watches and not subject.watches[0].ageless:
            watch = subject.watches[0]
            self._past.learn(now - watch.born, watch.estimated)

    @staticmethod
    def _end_early(
        subject: Subject[J], terms: Terms[J], hints: Hints, now: float
    ) -> Ending[J] | None:
        """The end of one wait, if its limit is reached while the job goes on."""
        if terms.once:
            return TimedOut(subject.snapshot, now - terms.started)
        if terms.limits is None:
            return None
        since = terms.limits.stalled(subject.job, hints.progress, terms.started, now)
        return None if since is None else Stalled(subject.snapshot, now - since)

    def _decide(self, watch: Watch, job: J, hints: Hints, now: float) -> None:
        """Have the next look decided; a caller's own schedule that raises is replaced by ours."""
        phase = job.phase
        if watch.ageless and job.seen is not None:
            age = age_at(job.seen, job.began)
            if age is not None:
                watch.ageless, watch.born = False, now - age
        try:
            watch.observe(phase, now, hints, self._past)
        except Exception as error:  # noqa: BLE001 # whatever a caller's generator raises
            log.warning("a schedule raised; the default takes its place: %r", error, exc_info=error)
            watch.go_on_by_default()
            watch.observe(phase, now, hints, self._past)

    def failed(
        self, subject: Subject[J], error: NugenError, order: int, *, missing: bool = False
    ) -> None:
        """A look brought no answer: try again later or elsewhere, within the budget."""
        now = self._now()
        subject.asked = ""
        trouble = subject.trouble = subject.trouble or Trouble()
        trouble.last = error
        if isinstance(error, NotFoundError):
            missing, trouble.missed = True, error
        over = fate(error) is Fate.REFUSED and not missing
        if fate(error) is not Fate.NOT_STARTED:
            routes = self.routes(subject.key)
            verdict = trouble.failed(now, routes, BUDGET, missing=missing)
            over = over or isinstance(verdict, Abandon)
        log.info("%s %s: a look failed: %s", self._kind.noun, printable(subject.key), error)
        floor = getattr(error, "retry_after", None) or 0.0
        lost = [t for t in subject.waiters if t.order < order and (over or t.once)]
        for watch in subject.watches:
            watch.failed(now, max(1, trouble.failures), floor)
        self.abandon(subject, error, lost)

    def abandon(
        self, subject: Subject[J], error: NugenError, lost: Collection[Terms[J]] | None = None
    ) -> None:
        """End the wait of those who are *lost*, or of all: the job cannot be asked for."""
        lost = subject.waiters if lost is None else lost
        if lost:
            failures = max(1, subject.trouble.failures) if subject.trouble else 1
            end = Unreachable(subject.snapshot, error, failures)
            self._ended(subject, dict.fromkeys(lost, end))
        self.replan(subject)

    def _warn_of(self, word: str) -> None:
        if word not in self._warned:
            self._warned.add(word)
            log.warning("%s: unknown status %r; taken as still running", self._kind.noun, word)

    def _ended(self, subject: Subject[J], ends: Mapping[Terms[J], Ending[J]]) -> None:
        """Tell each whose wait is over, and forget it."""
        if ends:
            subject.part(ends)
            for terms, outcome in ends.items():
                self._end(terms, outcome)

    @staticmethod
    def _end(terms: Terms[J], outcome: Ending[J]) -> None:
        terms.sink.ended(outcome)
        if terms.wait is not None:
            terms.wait.ended(outcome)

    def hurry(self, subject: Subject[J], *, urgent: bool = False) -> None:
        """Look at once, together with all others that hurry in this turn of the loop."""
        self.rush[subject.key] = urgent or self.rush.get(subject.key, False)
        self._hurried()

    def taken(self) -> dict[str, bool]:
        """Take those out who hurry, each with whether it is urgent.

        One that is being asked for stays, to be asked for again; but what is urgent waits neither for a list
        nor for a look that went out before.
        """
        rush, self.rush = self.rush, {}
        due: dict[str, bool] = {}
        for key, urgent in rush.items():
            subject = self.subjects.get(key)
            if subject is None:
                continue
            queued = subject.asked == "item" and subject.task is None
            if subject.asked and (queued or not urgent):
                self.rush[key] = urgent
            else:
                self.agenda.drop(key)
                due[key] = urgent
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
            if self.subjects.get(key) is subject:  # and not one that a later wait has made
                self.agenda.drop(key)
                self._last_looks.pop(key, None)
                del self.subjects[key]
            if subject.task is not None and subject.task is not asyncio.current_task():
                subject.task.cancel()
            if not self.subjects:
                self._idle()
        elif not subject.asked:
            if key in self.rush:
                self._hurried()
                return
            now = self._now()
            watch, *others = subject.watches
            if others:
                watch = min(watch, *others, key=lambda watch: watch.due)
            self.agenda.put(key, now, watch.left(now))
