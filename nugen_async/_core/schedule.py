"""One job: when to look next, and is it over (pure).

Nothing here reads a clock, sleeps or asks the server: `Watch.observe` takes the time as an argument
and answers with a value, and the loop that obeys it lives in the poller.

The interval is a function of the job's *age*, so that a wait which is resumed in another process
goes on at the right pace. An estimate (the server's, or what progress so far comes to) only moves
looks inside a net. Whatever the estimates say, right, three times too long, three times too short,
or a lying progress bar (t², √t), a job watched by the default schedule is seen to end

    at most max(25 s, duration / 4) late, and never more than 10 minutes,

plus up to a second, because looks fall on whole seconds. Only a hint of the server
(`Hints.floor`, a ``Retry-After``) and failed looks stretch that.
"""

from __future__ import annotations

import enum
import math
import random

from attrs import define, field, frozen

from .delays import DelayFactory, Delays
from .past import UNKNOWN, Past
from .sleep import Reason, Sleep


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

    ended: bool
    """The server will not change it any more."""
    moving: bool
    """Worth another look."""

    def __init__(self, word: str) -> None:
        self.ended = word in {"ready", "failed", "cancelled"}
        self.moving = word in {"running", "unknown"}


_WORTH = 0.4
"""Seconds of lag that a look is worth: of an end that may come at any moment of a stretch, an interval of the
root of so much times the stretch costs as much in looks as it does in lag."""
_MISSES = 20
"""Counting on would change nothing: the sleep has long been as long as without an estimate."""


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


@frozen
class Settled:
    """Nothing more to wait for: the job ended, or is parked."""

    phase: Phase


@frozen(kw_only=True)
class Schedule:
    """How patient: immutable, shared by any number of watches.

    Times are in seconds. The defaults keep the bound that the module's docstring states.
    """

    first: float = 15.0
    """Mean age at the first look, spread evenly from a third to five thirds of it: a batch launched
    together does not peak, and goes on at an even rate."""
    floor: float = 2.0
    """The shortest sleep."""
    steady: float = 20.0
    """Without an estimate: the interval of a young job."""
    cap: float = 60.0
    """Without an estimate: the longest interval."""
    growth: float = 1 / 30
    """Without an estimate: from `steady` to `cap` the interval is this fraction of the age."""
    net: float = 0.25
    """With an estimate no sleep is longer than this fraction of the age,"""
    stride: float = 25.0
    """or than this, where that is more."""
    longest: float = 600.0
    """The longest sleep of all: the clock of a suspended laptop stands still."""
    trust: float = 0.8
    """How right an estimate is taken to be. Far from the end this part of it is slept; once it is
    no longer than the interval without an estimate, it is divided by this, to be past the end."""
    jitter: float = 0.05
    """Up to this fraction is added to a sleep that no estimate has set."""
    delays: DelayFactory | None = field(default=None, repr=False)
    """Makes the sleeps of one watch, instead of all of the above but `floor` and `longest`."""

    @classmethod
    def from_generator(
        cls, factory: DelayFactory, *, floor: float = 0.1, longest: float = 86_400.0
    ) -> Schedule:
        """Sleep what *factory*'s iterator says: one of ``backoff``'s generators, or your own.

        A new iterator is made for each watch; the first look is made at once, and the first delay lies
        between that and the second. A leading None or 0 (``backoff``'s generators have one) is skipped, and
        a generator is *sent* the last `Hints`, which ``backoff.runtime(value=...)`` gets to see. The
        end of the iterator, an overflow, a negative number or a NaN keep the last delay.

        A look is late by no more than the delay before it: 60 s for ``expo(max_value=60)`` and
        ``constant(60)``; a bare ``expo`` may take as long again as the job did.
        """
        return cls(delays=factory, floor=floor, longest=longest)

    def __attrs_post_init__(self) -> None:
        times = (self.first, self.floor, self.steady, self.cap, self.stride, self.longest)
        fractions = (self.net, self.growth, self.trust)
        good = all(number > 0 for number in (*times, *fractions))
        if not (good and self.trust <= 1 and self.jitter >= 0):
            raise ValueError(f"times and fractions must be positive: {self!r}")

    def blind(self, age: float) -> float:
        """The interval at this age, when nothing is known of the end."""
        return max(self.floor, self.steady, min(self.cap, self.growth * age))

    def ceiling(self, age: float) -> float:
        """The longest sleep at this age."""
        return max(self.floor, min(self.longest, max(self.stride, self.net * age)))

    def watch(self, *, age: float | None, now: float, rng: random.Random) -> Watch:
        """Start to watch a job of this *age*.

        None if it is not known, as for a bare id: then it counts as old enough to be looked at now.
        """
        delays = Delays(iter(self.delays()), self.cap) if self.delays else None
        born = now - (2 * self.first if age is None else max(0.0, age))
        return Watch(self, born, rng, delays, age is None)


def as_schedule(value: Schedule | DelayFactory | float | None) -> Schedule:
    """Whatever may be passed as ``schedule=``: a number is a fixed interval in seconds."""
    if value is None:
        return DEFAULT
    if isinstance(value, Schedule):
        return value
    if callable(value):
        return Schedule.from_generator(value)
    if not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ValueError(
            f"a schedule is positive and finite seconds, or a generator's function, not {value!r}"
        )
    return Schedule.from_generator(lambda: iter((float(value),)))


DEFAULT = Schedule()


@define(eq=False, weakref_slot=False)
class Watch:
    """One job being watched: told what was seen, it answers when to look next, and remembers that."""

    schedule: Schedule
    born: float
    """When the job was created, on the clock that `now` is read from."""
    _rng: random.Random = field(repr=False, alias="rng")
    _delays: Delays | None = field(default=None, repr=False, alias="delays")
    ageless: bool = False
    """Its age is not known, and `born` a guess."""
    due: float = field(default=-math.inf, init=False)
    """When the next look is."""
    _reason: Reason = field(default=Reason.RESUMED, init=False)
    _end: float = field(default=math.nan, init=False)
    """When the job ends, as it was last estimated before that moment."""
    _misses: int = field(default=0, init=False)
    """Looks in a row that were aimed at the end and found the job running."""
    _since: float = field(default=-math.inf, init=False)
    """The start of the stretch over which the estimates are compared."""
    _then: float = field(default=math.inf, init=False)
    """The seconds left, as estimated then."""
    _haste: float = field(default=1.0, init=False)
    """How many seconds the estimate lost in one; an estimate that runs ahead is divided by it."""

    def first(self, now: float) -> Sleep:
        """Decide when to look for the first time.

        At once if the job is old enough, or its schedule was passed in: delays lie between looks.
        """
        schedule = self.schedule
        if self._delays is not None:
            return self._kept(Sleep(0.0, Reason.OWN), now)
        age = now - self.born
        due = schedule.first * (1 + 4 * self._rng.random()) / 3
        if age >= due:
            return self._kept(Sleep(0.0, Reason.RESUMED), now)
        return self._kept(Sleep(due - age, Reason.FIRST), now)

    def observe(
        self, phase: Phase, now: float, hints: Hints = NO_HINTS, past: Past = UNKNOWN
    ) -> Sleep | Settled:
        """Decide the next move after a look; *past* is what jobs of this kind have taught."""
        if not phase.moving:
            return Settled(phase)
        if self._delays is None:
            sleep = self._next(now, hints, past)
        else:
            delay = self._delays.draw(hints)
            sleep = Sleep(min(max(delay, self.schedule.floor), self.schedule.longest), Reason.OWN)
        if hints.floor > sleep.seconds:
            sleep = Sleep(hints.floor, Reason.SERVER, hints.floor)
        return self._kept(sleep, now)

    def failed(self, now: float, failures: int = 1, floor: float = 0.0) -> Sleep:
        """Decide when to look again after *failures* looks in a row that brought no answer."""
        age = max(0.0, now - self.born)
        seconds = min(self.schedule.floor * 2.0 ** min(failures, 10), self.schedule.cap)
        seconds = max(min(seconds, self.schedule.ceiling(age)), self.schedule.floor)
        return self._kept(Sleep(max(floor, seconds * self._spread()), Reason.FAILED_LOOK), now)

    def left(self, now: float) -> Sleep:
        """What is left of the last sleep."""
        left, reason = max(0.0, self.due - now), self._reason
        if reason is Reason.AGE:
            return Sleep(left, reason, now - self.born)
        return Sleep(left, reason, left if reason is Reason.SERVER else max(0.0, self._end - now))

    @property
    def estimated(self) -> float | None:
        """How long the job would take in all, as estimated of late; None where it was not."""
        return None if math.isnan(self._end) else self._end - self.born

    def serves(self, schedule: Schedule) -> bool:
        """Whether it is *schedule*'s; a maker of pauses has a course of its own for each wait."""
        mine = self.schedule
        return mine is schedule or (mine.delays is None and mine == schedule)

    def go_on_by_default(self) -> None:
        """Use the passed-in delays no more: they raised."""
        self._delays = None

    def _kept(self, sleep: Sleep, now: float) -> Sleep:
        self.due, self._reason = now + sleep.seconds, sleep.reason
        return sleep

    @property
    def _policy(self) -> Schedule:
        """Whose numbers count: the default's, where delays were passed in and raised."""
        return self.schedule if self.schedule.delays is None else DEFAULT

    def _next(self, now: float, hints: Hints, past: Past) -> Sleep:
        schedule = self._policy
        age = max(0.0, now - self.born)
        blind, ceiling = schedule.blind(age), schedule.ceiling(age)
        if hints.queue_position:
            queued = max(blind, min(ceiling, schedule.cap))
            return Sleep(queued, Reason.QUEUED)
        left = self._left(now, age, hints)
        if left is None:
            if past.least > age + blind:
                return Sleep(min(ceiling, past.least - age), Reason.PAST)
            return Sleep(blind * self._spread(), Reason.AGE, age)
        least, most = past.between(self.estimated or age)
        if most - least > blind:
            return self._between(least - age, most - age, blind, ceiling)
        if left > blind:
            self._misses = 0
            seconds = left * schedule.trust
            if seconds > ceiling:
                return Sleep(ceiling, Reason.NET, left)
            return Sleep(seconds, Reason.FAR, left)
        # Each miss in a row makes a stuck estimate ("1 s left") count for less.
        missed = self._reason is Reason.NEAR and now >= self.due
        self._misses += missed and self._misses < _MISSES
        seconds = min(blind, max(left / schedule.trust, schedule.floor * 1.5**self._misses))
        return Sleep(seconds, Reason.NEAR, left)

    def _between(self, soonest: float, latest: float, blind: float, ceiling: float) -> Sleep:
        """The end is *soonest* to *latest* seconds away, and nobody knows where between."""
        if soonest > blind:
            reason = Reason.NET if soonest > ceiling else Reason.FAR
            return Sleep(min(soonest, ceiling), reason, soonest)
        seconds = blind
        if latest > 0:
            seconds = min(blind, max(self._policy.floor, math.sqrt(_WORTH * (latest - soonest))))
        return Sleep(seconds * self._spread(), Reason.SPREAD)

    def _left(self, now: float, age: float, hints: Hints) -> float | None:
        """The smallest estimate of the seconds left."""
        done = hints.progress if hints.progress is not None and 0 < hints.progress <= 1 else None
        left = hints.left if hints.left is not None and 0 <= hints.left < math.inf else None
        if done is not None:
            own = age * (1 - done) / done
            # An estimate that is used up while the bar goes on has been wrong: the bar is all there is.
            left = min(left, own) if left else own
        if left is None:
            return None
        lost, passed = self._then - left, now - self._since
        if passed >= max(self.schedule.floor, min(self._then / 2, age / 5)):
            if self._then < math.inf:
                self._haste = max(1.0, lost / passed)
            self._since, self._then = now, left
        if left > 0 or math.isnan(self._end):
            self._end = now + left / self._haste
        return left / self._haste

    def _spread(self) -> float:
        return 1.0 + self.schedule.jitter * self._rng.random()
