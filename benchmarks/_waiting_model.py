"""A pure model of waiting: jobs with a duration, a server that tells of them, and virtual time.

Ours is driven by the very modules that the poller obeys: `Watch` for one job, `Agenda` for many. Looks
take no time, so a lag is the schedule's own. An end costs one request more than the look that saw it,
to fetch the whole record; the other policies are spared that.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, get_args

import backoff
from attrs import define, field, frozen

from nugen_async._core.past import Past
from nugen_async._core.rounds import Agenda, ListFacts, Pages
from nugen_async._core.schedule import DEFAULT, NO_HINTS, Hints, Phase, Schedule, Settled, Watch

Estimate = Literal[
    "right",
    "noisy",
    "total rough",
    "left too long",
    "left too short",
    "total too long",
    "total too short",
    "progress t²",
    "progress √t",
    "absent",
]
"""What the server says while a job runs.

``right``: the time left, off by up to 20 %, the same for all of a job's life; ``noisy``: off by up to
20 %, anew at each look; ``total rough``: what would be left if the job took up to 20 % more or less, so that
nothing tells when it really ends; ``left``: three (or a third) times the time that is left; ``total``: what
would be left if the job took three (or a third) times as long, so that it runs out long before, or never.
"""
ESTIMATES: tuple[Estimate, ...] = get_args(Estimate)

ROW_BYTES = 600
ITEM_BYTES = 1000

LONG = (45 * 60.0, 0.8)
SHORT = (5 * 60.0, 0.5)
"""Durations: the median of a lognormal in seconds, and its sigma."""

Delays = Callable[[random.Random], Iterator[float]]


@define(eq=False)
class Job:
    """One job on the pretend server, launched at 0."""

    duration: float
    factor: float
    """How far off a ``right`` estimate is."""
    found: float = math.nan
    """When we knew that it had ended."""

    @property
    def lag(self) -> float:
        """From its end until we knew."""
        return self.found - self.duration


@frozen
class Result:
    """What a policy cost, and how late it was."""

    jobs: int
    requests: float
    """A job."""
    mean: float
    """Lag in seconds."""
    p95: float
    """Lag in seconds."""
    relative_p95: float
    """Lag as a part of the duration."""
    relative_p99: float
    megabytes: float
    """A job."""
    beyond: float
    """The worst lag less the bound that the documentation states; negative is good."""
    lists: int = 0
    burst: float = 1.0
    """Requests in the busiest second of the first minute, over their mean."""

    def beaten_by(self, other: Result) -> bool:
        """No worse in one of requests and mean lag, and better in the other."""
        mine, its = (self.requests, self.mean), (other.requests, other.mean)
        return its != mine and its[0] <= mine[0] and its[1] <= mine[1]


def bound(duration: float) -> float:
    """The lag that `nugen_async._core.schedule` promises, its rounding to seconds included."""
    return min(max(25.0, duration / 4), 600.0) + 1.0


def launch(count: int, durations: tuple[float, float], seed: int) -> list[Job]:
    """*count* jobs launched together."""
    rng = random.Random(seed)
    median, sigma = durations
    return [
        Job(median * math.exp(rng.gauss(0.0, sigma)), rng.uniform(0.8, 1.2)) for _ in range(count)
    ]


def alone(jobs: Sequence[Job], delays: Delays, seed: int) -> Result:
    """Each job polled by itself, as a loop of look and sleep does it."""
    rng = random.Random(seed)
    requests = 0
    for job in jobs:
        job.found = 0.0
        for delay in delays(rng):
            if job.found >= job.duration:
                break
            job.found += delay
            requests += 1
    return _result(jobs, requests, requests * ITEM_BYTES)


def fixed(seconds: float) -> Delays:
    """Every so many seconds."""

    def delays(_: random.Random) -> Iterator[float]:
        while True:
            yield seconds

    return delays


def expo(*, jitter: bool) -> Delays:
    """``backoff.expo`` capped at 60 s, with its full jitter or without."""

    def delays(rng: random.Random) -> Iterator[float]:
        source = backoff.expo(max_value=60)
        next(source)
        for value in source:
            yield rng.uniform(0, value) if jitter else value

    return delays


def ours(
    jobs: Sequence[Job],
    estimate: Estimate,
    seed: int,
    *,
    together: int | None = None,
    listed: bool = True,
    schedule: Schedule = DEFAULT,
) -> Result:
    """Our poller; *together* jobs share one client (default: all), the next group has its own."""
    size = together or len(jobs)
    parts = [
        _Poller(jobs[n : n + size], estimate, random.Random(f"{seed}/{n}"), schedule, listed=listed)
        for n in range(0, len(jobs), size)
    ]
    for part in parts:
        part.run()
    return _result(
        jobs,
        sum(part.requests for part in parts),
        sum(part.bytes for part in parts),
        lists=sum(part.lists for part in parts),
        burst=max(part.burst for part in parts),
    )


@define(eq=False)
class _Poller:
    """One client's loop, in virtual time."""

    jobs: Sequence[Job]
    estimate: Estimate
    rng: random.Random
    schedule: Schedule
    listed: bool
    requests: int = 0
    bytes: float = 0.0
    lists: int = 0
    _seconds: Counter[int] = field(factory=Counter[int])
    _alive: dict[Job, Watch] = field(factory=dict[Job, Watch])
    _past: Past = field(factory=Past)

    def run(self) -> None:
        agenda = Agenda[Job](ListFacts() if self.listed else None, ITEM_BYTES)
        for job in self.jobs:
            watch = self.schedule.watch(age=0.0, now=0.0, rng=self.rng)
            self._alive[job] = watch
            agenda.put(job, 0.0, watch.first(0.0))
        while (now := agenda.next_wake()) is not None:
            turn = agenda.take(now)
            if isinstance(turn.way, Pages):
                assert agenda.listing is not None
                rows, size = len(self.jobs), len(self.jobs) * ROW_BYTES
                agenda.listing = agenda.listing.seen_page(rows, size)
                self._count(now, 1, size)
                self.lists += 1
                seen = list(self._alive)
            else:
                seen = turn.due
                self._count(now, len(seen), len(seen) * ITEM_BYTES)
            for job in seen:
                self._look(agenda, job, now)

    @property
    def burst(self) -> float:
        """Requests in the busiest second of the first minute of looks, over their mean."""
        begin = min(self._seconds)
        minute = [self._seconds[second] for second in range(begin, begin + 60)]
        return max(minute) / (sum(minute) / len(minute))

    def _look(self, agenda: Agenda[Job], job: Job, now: float) -> None:
        phase = Phase.READY if now >= job.duration else Phase.RUNNING
        watch = self._alive[job]
        move = watch.observe(phase, now, self._hints(job, now), self._past)
        if isinstance(move, Settled):
            self._past.learn(now, watch.estimated)
            job.found = now
            del self._alive[job]
            agenda.drop(job)
            self._count(now, 1, ITEM_BYTES)
        else:
            agenda.put(job, now, move)

    def _count(self, now: float, requests: int, size: float) -> None:
        self.requests += requests
        self.bytes += size
        self._seconds[int(now)] += requests

    def _hints(self, job: Job, now: float) -> Hints:  # noqa: C901 # one case for each kind
        left = max(0.0, job.duration - now)
        done = min(1.0, now / job.duration)
        match self.estimate:
            case "right":
                return Hints(left=left * job.factor)
            case "noisy":
                return Hints(left=left * self.rng.uniform(0.8, 1.2))
            case "total rough":
                return Hints(left=max(0.0, job.duration * job.factor - now))
            case "left too long":
                return Hints(left=left * 3)
            case "left too short":
                return Hints(left=left / 3)
            case "total too long":
                return Hints(left=job.duration * 3 - now)
            case "total too short":
                return Hints(left=max(0.0, job.duration / 3 - now))
            case "progress t²":
                return Hints(progress=done**2)
            case "progress √t":
                return Hints(progress=math.sqrt(done))
            case "absent":
                return NO_HINTS


def _result(
    jobs: Sequence[Job], requests: int, size: float, *, lists: int = 0, burst: float = 1.0
) -> Result:
    lags = sorted(job.lag for job in jobs)
    relative = sorted(job.lag / job.duration for job in jobs)
    count = len(jobs)
    return Result(
        jobs=count,
        requests=requests / count,
        mean=sum(lags) / count,
        p95=_rank(lags, 0.95),
        relative_p95=_rank(relative, 0.95),
        relative_p99=_rank(relative, 0.99),
        megabytes=size / count / 1e6,
        beyond=max(job.lag - bound(job.duration) for job in jobs),
        lists=lists,
        burst=burst,
    )


def _rank(ordered: Sequence[float], part: float) -> float:
    return ordered[min(len(ordered) - 1, math.ceil(part * len(ordered)) - 1)]
