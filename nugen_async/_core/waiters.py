"""Who waits for what: one job watched, one caller's interest in it, and what a noun declares for both."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Generic, Protocol, Self, TypeVar

from attrs import frozen

from ..errors import NotFoundError
from .age import Seen
from .delays import DelayFactory
from .limits import Movement
from .observe import Wait
from .outcome import Cancelled, Failed, Outcome, Parked, Ready
from .page import Page
from .schedule import Hints, Phase, Schedule, Sleep, Watch
from .sinks import Sink
from .trouble import Trouble
from .wire import Call, Json

ScheduleLike = Schedule | DelayFactory | float | None
"""What `schedule=` takes: a policy, a maker of pauses such as ``lambda: backoff.expo()``, or seconds."""

AT_ONCE = Sleep(0.0)


class Watched(Protocol):
    """What the poller must know of a snapshot."""

    @property
    def id(self) -> str: ...  # the job's
    @property
    def status(self) -> str: ...  # the job's
    @property
    def phase(self) -> Phase: ...  # the job's
    @property
    def reason(self) -> str: ...  # the job's
    @property
    def began(self) -> datetime | None: ...  # the job's
    @property
    def seen(self) -> Seen | None: ...  # the job's
    def hints(self, seen: Seen | None = None) -> Hints: ...  # the job's
    def resume_token(self) -> str: ...  # the job's
    def succeeded_by(self, newer: Self, seen: Seen) -> Self: ...  # the job's


J = TypeVar("J", bound=Watched)


@frozen(kw_only=True)
class Kind(Generic[J]):
    """What a noun declares so that its jobs can be waited for."""

    noun: str
    record: type[J]
    look: Callable[[str], Call[J]]
    """The cheapest route that tells one job's status."""
    detail: Callable[[str], Call[J] | None]
    """The route that tells all of one job: the error text, the model id."""
    page: Callable[[int, int], Call[Page[J]] | None]
    """The list from a row on, at most so many rows."""
    complete: Callable[[J], bool]
    """Whether an ended snapshot carries all that it should, so that `detail` is not asked."""
    page_size: int | None = None
    """Rows to ask for; None where the list comes whole."""


class Terms(Generic[J]):
    """What one caller asked for; all waiters of one `wait_many` share it.

    `key` is the one job it is about, None for many. `order` is the newest request that had gone out when the
    caller registered: only later ones tell it anything.
    """

    __slots__ = ("key", "order", "sink", "stalled_after", "started", "timeout", "timer", "wait")

    def __init__(
        self,
        sink: Sink[J],
        timeout: float | None,
        stalled_after: float | None,
        *,
        key: str | None,
        now: float,
    ) -> None:
        self.key = key
        self.sink = sink
        self.timeout = timeout
        self.stalled_after = stalled_after
        self.started = now
        self.order = 0
        self.timer: asyncio.TimerHandle | None = None
        self.wait: Wait | None = None


class Outlook:
    """When one job is to be looked at next, by one schedule; shared by all who wait for it by that schedule.

    `ageless` until the job's age is known.
    """

    __slots__ = ("_about", "_reason", "_seconds", "ageless", "looked", "watch")

    def __init__(self, watch: Watch, *, ageless: bool, now: float) -> None:
        self.watch = watch
        self.ageless = ageless
        self.looked = now
        self.rest(AT_ONCE, now)

    @property
    def policy(self) -> Schedule:
        """Whose looks these are."""
        return self.watch.schedule

    def rest(self, sleep: Sleep, now: float) -> None:
        """Leave the job alone for so long. Kept as its parts, which weigh half of a `Sleep`."""
        self.looked = now
        self._seconds, self._reason, self._about = sleep.seconds, sleep.reason, sleep.about

    def left(self, now: float) -> Sleep:
        """What is left of the rest."""
        seconds = self._seconds
        if self.looked != now:
            seconds = max(0.0, self.looked + seconds - now)
        return Sleep(seconds, self._reason, self._about)

    @property
    def why(self) -> str:
        """One short sentence for people."""
        return Sleep(self._seconds, self._reason, self._about).why

    @property
    def shared(self) -> bool:
        """Whether another waiter may wait by it: a maker of pauses has a course of its own for each."""
        return self.policy.delays is None

    @property
    def next_look(self) -> float:
        """On the loop's clock."""
        return self.looked + self._seconds


class Waiter(Generic[J]):
    """One caller's interest in one job."""

    __slots__ = ("movement", "outlook", "terms")

    def __init__(self, terms: Terms[J], outlook: Outlook) -> None:
        self.terms = terms
        self.outlook = outlook
        self.movement: Movement | None = None


class Subject(Generic[J]):
    """One watched job, however many wait for it.

    `key` is the id that it is asked for by; the server may come to name it otherwise (a document's task).
    """

    __slots__ = ("again", "asked", "job", "key", "missed", "row", "task", "trouble", "waiters")

    def __init__(self, job: J) -> None:
        self.key = job.id
        self.job = job
        self.waiters: tuple[Waiter[J], ...] = ()
        self.asked = False
        self.again = False
        self.row: Json = None
        self.missed: NotFoundError | None = None
        self.task: asyncio.Task[None] | None = None
        self.trouble: Trouble | None = None

    @property
    def outlooks(self) -> Iterable[Outlook]:
        """Each once."""
        waiters = self.waiters
        if len(waiters) == 1:
            return (waiters[0].outlook,)
        return {id(waiter.outlook): waiter.outlook for waiter in waiters}.values()


_ENDS: dict[Phase, type[Outcome[Watched]]] = {
    Phase.READY: Ready,
    Phase.FAILED: Failed,
    Phase.CANCELLED: Cancelled,
    Phase.PARKED: Parked,
}


def end_of(job: J) -> Outcome[J]:
    """The outcome that a job's own end, or its being parked, makes."""
    return _ENDS[job.phase](job)  # type: ignore[return-value] # the table's values are generic
