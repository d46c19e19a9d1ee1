"""One job: when to look next, and is it over (pure).

Nothing here reads a clock, sleeps or asks the server: `Watch.observe` takes the time as an argument
and answers with a value, and the loop that obeys it lives in the poller.

The interval is a function of the job's *age*, so that a wait which is resumed in another process
goes on at the right pace. Every sleep of the default schedule lies inside a net::

    lag <= max(20 s, a quarter of the duration), and never more than 10 minutes

whatever the server's estimates say: right, three times too long, three times too short, or lying
(``progress`` = t² or √t). Two things may stretch a sleep beyond the net, because the server asks
for it or because looks share requests: a server hint (`Hints.floor`), and rounding to the whole
second. An estimate only moves looks inside the net; a job without one is looked at every
`Schedule.blind` seconds.
"""

from __future__ import annotations

import enum
import math
import random
from collections.abc import Callable, Generator, Iterator

from attrs import define, field, frozen

DelayFactory = Callable[[], Iterator[float | None]]
"""Makes a new iterator of sleeps, in seconds, for each watch."""


class Phase(enum.Enum):
    """What a status word means for somebody who waits."""

    RUNNING = "running"
    UNKNOWN = "unknown"
    """A word that is not in the table: keep going."""
    PARKED = "parked"
    """Waiting for a person; looking again will not move it."""
    READY = "ready"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """The server will not change it any more."""
        return self in _ENDED

    @property
    def moving(self) -> bool:
        """Worth another look."""
        return self in _MOVING


_ENOUGH = 5
_ENDED = frozenset({Phase.READY, Phase.FAILED, Phase.CANCELLED})
_MOVING = frozenset({Phase.RUNNING, Phase.UNKNOWN})


@frozen
class Hints:
    """What one look said about the time to come; None means not known."""

    progress: float | None = None
    """The fraction done, 0 to 1."""
    left: float | None = None
    """Seconds to the end, as the server estimates them."""
    floor: float = 0.0
    """The server wants no look before so many seconds (``Retry-After``)."""
    queue_position: int | None = None


NO_HINTS = Hints()


class Reason(enum.Enum):
    """Why a look is when it is; `Sleep.why` makes a sentence of it."""

    FIRST = "first look: a job that cannot start has failed by then"
    RESUMED = "a job met again: look at once"
    AGE = "no estimate, so by its age of {about:.0f} s"
    HALFWAY = "half of the {about:.0f} s that seem to be left"
    END = "the end seems to be {about:.0f} s away"
    NET = "{about:.0f} s seem to be left, but an estimate is not trusted further than this"
    QUEUED = "number {about:.0f} in the queue"
    PAST = "earlier jobs of this kind took at least {about:.0f} s"
    SERVER = "the server asked for {about:.0f} s"
    OWN = "the schedule that was passed in"
    FAILED_LOOK = "the last {about:.0f} looks failed"


@frozen
class Sleep:
    """Look again after so many seconds."""

    seconds: float
    reason: Reason = Reason.OWN
    about: float = 0.0

    @property
    def why(self) -> str:
        """One short sentence for people."""
        return f"next look in {self.seconds:.1f} s: {self.reason.value.format(about=self.about)}"

    @property
    def blind(self) -> bool:
        """The end may come at any moment, so that looks are worth sharing."""
        return self.reason is Reason.AGE


@frozen
class Settled:
    """Nothing more to wait for: the job ended, or is parked."""

    phase: Phase


@frozen
class GiveUp:
    """The waiter's time is over; the job goes on."""

    waited: float


@frozen
class Stalled:
    """Neither status nor progress has moved since then."""

    since: float


@frozen(kw_only=True)
class Schedule:
    """How patient: immutable, shared by any number of watches.

    Times are in seconds. The defaults keep the bound that the module's docstring states.
    """

    first: float = 15.0
    """Age at the first look, spread over a third to either side so that a batch does not peak."""
    floor: float = 2.0
    """The shortest sleep."""
    steady: float = 20.0
    """Without an estimate: the interval of a job that is a few minutes old."""
    cap: float = 60.0
    """Without an estimate: the longest interval."""
    growth: float = 1 / 60
    """Without an estimate: from `steady` to `cap` the interval is this fraction of the age."""
    net: float = 0.25
    """No sleep is longer than this fraction of the age, or than `steady` where that is more."""
    longest: float = 600.0
    """The longest sleep of all: the clock of a suspended laptop stands still."""
    aim: float = 0.5
    """How much of an estimate to sleep, while the end is further away than a blind interval."""
    jitter: float = 0.05
    """Up to this fraction is added to a sleep that no estimate has set."""
    delays: DelayFactory | None = field(default=None, repr=False)
    """Makes the sleeps of one watch, instead of all of the above but `floor` and `longest`."""

    @classmethod
    def from_generator(
        cls, factory: DelayFactory, *, floor: float = 0.1, longest: float = 86_400.0
    ) -> Schedule:
        """Sleep what *factory*'s iterator says: ``backoff.expo``, ``fibo``, ``constant``,
        ``runtime``, or your own.

        A new iterator is made for each watch. A leading None (``backoff``'s generators have one) is
        skipped; a generator is *sent* the last `Hints`, which is what
        ``backoff.runtime(value=...)`` gets to see. The end of the iterator, an overflow, a negative
        number or a NaN keep the last delay.

        The lag is at most the delay of the day: ``expo(max_value=60)`` and ``constant(60)`` keep 60
        s, a bare ``expo(base=2)`` keeps half of the job's duration.
        """
        return cls(delays=factory, floor=floor, longest=longest)

    def blind(self, age: float) -> float:
        """The interval at this age, when nothing is known of the end."""
        plateau = max(self.steady, min(self.cap, self.growth * age))
        return max(self.floor, min(plateau, self.net * age))

    def ceiling(self, age: float) -> float:
        """The longest sleep at this age."""
        return max(self.floor, min(self.longest, max(self.steady, self.net * age)))

    def watch(self, *, age: float | None, now: float, rng: random.Random) -> Watch:
        """Start to watch a job of this *age*; None if not known, as for a bare id."""
        delays = Delays(iter(self.delays()), self.cap) if self.delays else None
        return Watch(self, now - max(0.0, age or 0.0), rng, delays)


def as_schedule(value: Schedule | DelayFactory | float | None) -> Schedule:
    """Whatever may be passed as ``schedule=``: a number is a fixed interval in seconds."""
    if value is None:
        return DEFAULT
    if isinstance(value, Schedule):
        return value
    if callable(value):
        return Schedule.from_generator(value)
    seconds = float(value)
    if not 0 < seconds < math.inf:
        raise ValueError(f"an interval must be positive and finite, not {value!r}")
    return Schedule.from_generator(lambda: iter((seconds,)))


DEFAULT = Schedule()


@define(eq=False)
class Delays:
    """A passed-in iterator of sleeps, and how it is kept from harming anybody."""

    _source: Iterator[float | None]
    _last: float
    """Until the iterator has said something."""
    _primed: float | None = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._primed = self._step(None)

    def draw(self, hints: Hints) -> float:
        """The next delay; the last one again when there is none, or none that makes sense."""
        delay, self._primed = self._primed, None
        if delay is None:
            delay = self._step(hints)
        if delay is not None and delay >= 0:
            self._last = float(delay)
        return self._last

    def _step(self, hints: Hints | None) -> float | None:
        try:
            if isinstance(self._source, Generator):
                return self._source.send(hints)
            return next(self._source)
        except (StopIteration, OverflowError):
            return None


@define(eq=False)
class Watch:
    """One job being watched: told what was seen, it answers when to look next."""

    schedule: Schedule
    born: float
    """When the job was created, on the clock that `now` is read from."""
    _rng: random.Random = field(repr=False, alias="rng")
    _delays: Delays | None = field(default=None, repr=False, alias="delays")
    _misses: int = 0
    """Looks in a row that were aimed at the end and found the job running."""
    _shrinks: bool = True
    """Whether the estimates got smaller over the last stretch; else they are not used."""
    _mark: tuple[float, float, float] | None = None
    """Time, seconds left and progress at the start of the present stretch."""
    _speed: float | None = None
    """Progress a second over the last whole stretch."""

    def first(self, now: float) -> Sleep:
        """Decide when to look for the first time.

        At once if the job is old enough, or the schedule was passed in: its delays lie between looks.
        """
        schedule = self.schedule
        if self._delays is not None:
            return Sleep(0.0, Reason.OWN)
        age = now - self.born
        due = schedule.first * (2 / 3 + self._rng.random() * 2 / 3)
        if age >= due:
            return Sleep(0.0, Reason.RESUMED)
        return Sleep(due - age, Reason.FIRST)

    def observe(
        self, phase: Phase, now: float, hints: Hints = NO_HINTS, *, expected: float = 0.0
    ) -> Sleep | Settled:
        """Decide the next move after a look.

        *expected* is the least that such a job can be expected to take (see `Durations.least`).
        """
        if not phase.moving:
            return Settled(phase)
        if self._delays is None:
            sleep = self._next(now, hints, expected)
        else:
            delay = self._delays.draw(hints)
            sleep = Sleep(min(max(delay, self.schedule.floor), self.schedule.longest), Reason.OWN)
        if hints.floor > sleep.seconds:
            return Sleep(hints.floor, Reason.SERVER, hints.floor)
        return sleep

    def failed(self, now: float, failures: int = 1, floor: float = 0.0) -> Sleep:
        """Decide when to look again after *failures* looks in a row that brought no answer."""
        age = max(0.0, now - self.born)
        seconds = min(self.schedule.floor * 2.0 ** min(failures, 10), self.schedule.cap)
        seconds = max(min(seconds, self.schedule.ceiling(age)), self.schedule.floor)
        return Sleep(max(floor, seconds * self._spread()), Reason.FAILED_LOOK, failures)

    def _next(self, now: float, hints: Hints, expected: float) -> Sleep:
        schedule = self.schedule
        age = max(0.0, now - self.born)
        blind, ceiling = schedule.blind(age), schedule.ceiling(age)
        if hints.queue_position:
            queued = max(blind, min(ceiling, schedule.cap))
            return Sleep(queued * self._spread(), Reason.QUEUED, hints.queue_position)
        left = self._left(now, age, hints)
        if left is None:
            if expected > age + blind:
                return Sleep(min(ceiling, expected - age), Reason.PAST, expected)
            return Sleep(blind * self._spread(), Reason.AGE, age)
        if left > blind:
            self._misses = 0
            seconds = max(schedule.floor, left * schedule.aim)
            return (
                Sleep(seconds, Reason.HALFWAY, left)
                if seconds <= ceiling
                else Sleep(ceiling, Reason.NET, left)
            )
        # Aimed at the end: each miss makes a stuck estimate ("1 s left") count for less.
        seconds = min(blind, max(left, schedule.floor * 1.5**self._misses))
        self._misses = min(self._misses + 1, 30)
        return Sleep(seconds, Reason.END, left)

    def _left(self, now: float, age: float, hints: Hints) -> float | None:
        """The smallest estimate of the seconds left, if there is one that shrinks."""
        done = hints.progress if hints.progress is not None and 0 < hints.progress <= 1 else None
        left = hints.left if hints.left is not None and 0 <= hints.left < math.inf else None
        if done is not None:
            own = (1 - done) / self._speed if self._speed else age * (1 - done) / done
            left = own if left is None else min(left, own)
        if left is None:
            return None
        if self._mark is None:
            self._mark = (now, left, done or 0.0)
            return left
        since, left_then, done_then = self._mark
        if now - since >= max(left_then / 2, self.schedule.floor):
            self._shrinks = left < 0.9 * left_then or left <= self.schedule.floor
            if done is not None:
                self._speed = (done - done_then) / (now - since) if done > done_then else None
            self._mark = (now, left, done or 0.0)
        return left if self._shrinks else None

    def _spread(self) -> float:
        return 1.0 + self.schedule.jitter * self._rng.random()


def check_timeout(timeout: float | None) -> None:
    """Raise ValueError unless *timeout* is None (no limit) or a number of seconds that is not
    negative."""
    if timeout is not None and not timeout >= 0:
        raise ValueError(f"a timeout is None or not negative, not {timeout!r}")


@frozen
class Look:
    """Look at this time."""

    at: float
    final: bool
    """The last one: sent early enough for its answer to be in before the deadline."""


@frozen
class Hold:
    """The last look is made: let the deadline come."""

    until: float


def margin(timeout: float, latency: float) -> float:
    """How long before the deadline the last look goes out, when looks take *latency* seconds."""
    return min(max(4 * latency, 0.05), timeout / 10)


def next_move(
    phase: Phase,
    now: float,
    *,
    started: float,
    timeout: float | None,
    next_look: float,
    latency: float = 0.0,
    final_look_done: bool = False,
) -> Settled | Look | Hold | GiveUp:
    """What one waiter does next: status before time, and the deadline is hard.

    A job that the last look found at its end is `Settled`, however late it is. With ``timeout=0``
    there is one look, sent at once, and its answer is waited for. *next_look* is when the job is
    due by its own schedule.
    """
    if not phase.moving:
        return Settled(phase)
    if timeout is None:
        return Look(next_look, final=False)
    deadline = started + timeout
    if final_look_done:
        return GiveUp(max(0.0, now - started)) if now >= deadline else Hold(deadline)
    last = deadline - margin(timeout, latency)
    if next_look < last:
        return Look(max(next_look, now), final=False) if now < last else Look(now, final=True)
    if timeout > 0 and now >= deadline:
        return GiveUp(now - started)
    return Look(max(last, now), final=True)


@define
class Movement:
    """When status or progress last moved, for a waiter that asked for ``stalled_after``."""

    since: float
    _seen: tuple[str, float | None] | None = None

    def observe(
        self, status: str, progress: float | None, now: float, limit: float
    ) -> Stalled | None:
        """`Stalled` when neither has moved for *limit* seconds."""
        seen = (status, progress)
        if seen != self._seen:
            self._seen, self.since = seen, now
        return Stalled(self.since) if now - self.since >= limit else None


@define
class Durations:
    """How long this account's jobs of one kind took: a running low quantile, in constant space."""

    count: int = 0
    _log: float = 0.0
    _spread: float = 0.0

    def learn(self, seconds: float) -> None:
        """Add one finished job."""
        if not 0 < seconds < math.inf:
            return
        self.count += 1
        gain = max(1 / self.count, 0.05)
        off = math.log(seconds) - self._log
        self._log += gain * off
        self._spread = (1 - gain) * (self._spread + gain * off * off)

    @property
    def least(self) -> float:
        """What nine jobs of ten exceed (by a lognormal fit), or 0.0 before five were seen."""
        if self.count < _ENOUGH:
            return 0.0
        return math.exp(self._log - 1.2816 * math.sqrt(self._spread))
