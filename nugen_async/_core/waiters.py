"""Who waits for what: one job watched, one caller's interest in it, and what a noun declares for both."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, Generic, Literal, Protocol, Self, TypeVar

from attrs import define, field, frozen

from ..errors import NugenError
from .age import Seen
from .delays import DelayFactory
from .limits import Movement
from .observe import Wait
from .outcome import Cancelled, Ending, Failed, Parked, Ready
from .page import Page
from .schedule import Hints, Phase, Schedule, Watch
from .sinks import Notifier, Sink
from .trouble import Trouble
from .wire import Call

ScheduleLike = Schedule | DelayFactory | float | None
"""What `schedule=` takes: a policy, a maker of pauses such as ``lambda: backoff.expo()``, or seconds."""


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
    def with_raw(self, raw: Mapping[str, Any]) -> Self: ...  # the job's
    def stripped(self, *, shared: bool) -> Self: ...  # the job's
    def succeeded_by(self, newer: Self, seen: Seen) -> Self: ...  # the job's


J = TypeVar("J", bound=Watched)
T = TypeVar("T")


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


@define(eq=False, weakref_slot=False)
class Limits:
    """How long one caller waits at most, in all or without movement; made for those who set a limit."""

    timeout: float | None
    stalled_after: float | None
    timer: asyncio.TimerHandle | None = None
    _movements: dict[str, Movement] = field(factory=dict[str, Movement], init=False)
    """Of each job, where `stalled_after` is set."""

    def stalled(
        self, job: Watched, progress: float | None, started: float, now: float
    ) -> float | None:
        """Since when the job has not moved, if that is for too long."""
        if self.stalled_after is None:
            return None
        movement = self._movements.setdefault(job.id, Movement(started))
        still = movement.observe(job.status, progress, now, self.stalled_after)
        return None if still is None else still.since


class Terms(Generic[J]):
    """One caller: what it asked for, and where its news goes; all jobs of one `wait_many` share it.

    `key` is the one job it is about, None for many. `order` is the newest request that had gone out when the
    caller registered: only later ones tell it anything.
    """

    __slots__ = ("key", "limits", "order", "policy", "started", "wait")

    def __init__(
        self, policy: Schedule, limits: Limits | None, key: str | None, now: float
    ) -> None:
        self.key = key
        self.policy = policy
        self.limits = limits
        self.started = now
        self.order = 0
        self.wait: Wait | None = None

    @property
    def sink(self) -> Sink[J]:
        """Where the news goes."""
        raise NotImplementedError

    @property
    def keys(self) -> Iterable[str]:
        """The jobs that it is or was about."""
        return () if self.key is None else (self.key,)

    @property
    def once(self) -> bool:
        """Whether one look is all that is wanted."""
        return self.limits is not None and self.limits.timeout == 0

    def leave(self) -> None:
        """The wait is over: stop its clock."""
        if self.limits is not None and self.limits.timer is not None:
            self.limits.timer.cancel()
            self.limits.timer = None


class Awaited(Terms[J]):
    """One awaiting caller and its sink in one, since there may be very many of them.

    The future is its own, so that its cancellation is nobody else's.
    """

    __slots__ = ("future", "notifier")

    def __init__(
        self,
        policy: Schedule,
        limits: Limits | None,
        key: str,
        now: float,
        *,
        notifier: Notifier[J] | None,
    ) -> None:
        super().__init__(policy, limits, key, now)
        self.future: asyncio.Future[Ending[J]] = asyncio.get_running_loop().create_future()
        self.notifier = notifier

    @property
    def sink(self) -> Sink[J]:
        """Itself."""
        return self

    @property
    def listens(self) -> bool:
        """Whether it wants to be called back."""
        return self.notifier is not None

    def changed(self, job: J) -> None:
        """Call back, if asked to."""
        if self.notifier is not None:
            self.notifier.tell(job)

    def ended(self, outcome: Ending[J]) -> None:
        """Wake the caller."""
        if not self.future.done():
            self.future.set_result(outcome)

    def broken(self, error: NugenError) -> None:
        """Wake the caller with the error."""
        if not self.future.done():
            self.future.set_exception(error)

    def result(self, *, raise_on_failure: bool) -> J:
        """The job of the outcome, once there is one, or its error raised."""
        outcome = self.future.result()
        if not raise_on_failure and outcome.job.phase.ended:
            return outcome.job
        return outcome.unwrap()

    def stop(self) -> None:
        """Nobody awaits it any more."""
        if self.notifier is not None:
            self.notifier.stop()


class Fed(Terms[J]):
    """One caller who reads the news of one job or many from a sink."""

    __slots__ = ("_sink",)

    def __init__(
        self, policy: Schedule, limits: Limits | None, key: str | None, now: float, sink: Sink[J]
    ) -> None:
        super().__init__(policy, limits, key, now)
        self._sink = sink

    @property
    def sink(self) -> Sink[J]:
        """What was given."""
        return self._sink


class Many(Fed[J]):
    """One caller who reads the ends of many jobs from a sink."""

    __slots__ = ("_keys",)

    def __init__(self, policy: Schedule, limits: Limits | None, now: float, sink: Sink[J]) -> None:
        super().__init__(policy, limits, None, now, sink)
        self._keys: list[str] = []

    @property
    def keys(self) -> list[str]:
        """The jobs that it is or was about, for the book to add to."""
        return self._keys


class Subject(Generic[J]):
    """One watched job, however many wait for it.

    `key` is the id that it is asked for by; the server may come to name it otherwise (a document's task).
    `asked` is the way it is being asked for, empty while it is not.
    While it runs, the payload of its snapshot is kept as text, which takes a third of the room.
    """

    __slots__ = ("_told", "_waiters", "_watches", "asked", "job", "key", "task", "trouble")

    def __init__(self, job: J) -> None:
        self.key = job.id
        self.job = job
        self.asked: Literal["", "list", "item"] = ""
        self.task: asyncio.Task[None] | None = None
        self.trouble: Trouble | None = None
        self._told: bytes | None = None
        # Mostly one of each, which needs no tuple.
        self._waiters: Terms[J] | tuple[Terms[J], ...] = ()
        self._watches: Watch | tuple[Watch, ...] = ()

    @property
    def waiters(self) -> tuple[Terms[J], ...]:
        """Who waits for it."""
        waiters = self._waiters
        return waiters if isinstance(waiters, tuple) else (waiters,)

    @property
    def watches(self) -> tuple[Watch, ...]:
        """When it is to be looked at: one for each policy, shared by all who wait by it."""
        watches = self._watches
        return watches if isinstance(watches, tuple) else (watches,)

    def join(self, terms: Terms[J], watch: Watch) -> None:
        """*terms* wait for it by *watch* from now on."""
        self._waiters = _few((*self.waiters, terms))
        if watch not in self.watches:
            self._watches = _few((*self.watches, watch))

    def part(self, gone: Collection[Terms[J]]) -> bool:
        """Those *gone* wait no more; whether that may change when the job is looked at."""
        stay = tuple(terms for terms in self.waiters if terms not in gone)
        self._waiters = _few(stay)
        if stay and not isinstance(self._watches, tuple):
            return False
        self._watches = _few(
            tuple(w for w in self.watches if any(w.serves(terms.policy) for terms in stay))
        )
        return True

    @property
    def snapshot(self) -> J:
        """The job as it was last seen, with its payload."""
        raw = None if self._told is None else _reread(self._told)
        return self.job if raw is None else self.job.with_raw(raw)

    def shows(self, job: J, told: bytes | None, *, shared: bool) -> None:
        """It looks like *job* now, whose payload is the text *told*; *shared* if others hold it too."""
        self.job = job if told is None else job.stripped(shared=shared)
        self._told = told

    def shown(self, told: bytes) -> bool:
        """Whether the payload is word for word what it was."""
        return self._told == told


def _reread(told: bytes) -> dict[str, Any] | None:
    """The object that was read from *told*; by the more lenient of the two readers that may have done it."""
    try:
        raw = json.loads(told)
    except (ValueError, RecursionError):
        return None
    return raw if isinstance(raw, dict) else None


def _few(these: tuple[T, ...]) -> T | tuple[T, ...]:
    return these[0] if len(these) == 1 else these


_ENDS: dict[Phase, type[Ending[Watched]]] = {
    Phase.READY: Ready,
    Phase.FAILED: Failed,
    Phase.CANCELLED: Cancelled,
    Phase.PARKED: Parked,
}


def end_of(job: J) -> Ending[J]:
    """The outcome that a job's own end, or its being parked, makes."""
    return _ENDS[job.phase](job)  # type: ignore[return-value] # the table's values are generic
