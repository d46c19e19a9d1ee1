"""What the server said, with a way back: Resource, and Job for what takes its time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from attrs import Factory, evolve, field, fields, frozen

from .._core import html
from .._core.age import Seen
from .._core.schedule import Hints, Phase
from .._core.sinks import OnUpdate
from .._core.token import Token
from .._core.waiters import ScheduleLike
from ..errors import ClientStateError
from ._lifecycle import Lifecycle

if TYPE_CHECKING:
    from ._nouns import Collection, JobCollection

_NOTHING: Mapping[str, Any] = {}


@frozen(eq=False)
class Origin:
    """Where a snapshot came from: its collection, and when it was seen. Pickles as None."""

    home: Collection
    seen: Seen
    began: datetime | None = None
    """When the job was created, where no field of the snapshot tells it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _nowhere, ()


def _nowhere() -> None:
    return None


@frozen(kw_only=True)
class Resource:
    """What the server said of one thing, with a way back. It never changes; `refresh` brings a new one.

    `raw` is the payload as it came, `notes` tells what had to be forgiven to read it.
    """

    rows: ClassVar[tuple[str, ...]] = ()
    """The keys under which a list may keep records of this kind."""
    bare: ClassVar[str | None] = None
    """The field that an answer fills which is no object but a bare text or number."""

    raw: Mapping[str, Any] = field(factory=dict[str, Any], eq=False, repr=False)
    notes: tuple[str, ...] = field(default=(), eq=False, repr=False)
    _origin: Origin | None = field(default=None, init=False, eq=False, repr=False)

    @property
    def _home(self) -> Collection:
        if self._origin is None:
            raise ClientStateError(
                f"this {type(self).__name__} belongs to no client (it was unpickled or made by hand);"
                " fetch it anew, or resume its token"
            )
        return self._origin.home

    def _repr_html_(self) -> str:
        """What a notebook shows: the fields that say something."""
        return html.table(type(self).__name__, html.facts(self))

    def with_raw(self, raw: Mapping[str, Any]) -> Self:
        """The same snapshot, read from *raw*. For the library's own use."""
        return evolve(self, raw=raw).bound_as(self)

    def stripped(self, *, shared: bool) -> Self:
        """The same snapshot without `raw`: itself, unless it is *shared*. For the library's own use."""
        if shared:
            return self.with_raw(_NOTHING)
        object.__setattr__(self, "raw", _NOTHING)
        return self

    def bound_as(self, other: Resource) -> Self:
        """The same snapshot with the way back of *other*. For the library's own use."""
        object.__setattr__(self, "_origin", other._origin)
        return self

    def bound_to(self, home: Collection, seen: Seen, began: datetime | None = None) -> Self:
        """The same snapshot with a way back. For the library's own use."""
        object.__setattr__(self, "_origin", Origin(home, seen, began))
        return self


@frozen(kw_only=True)
class Job(Resource):
    """A thing that takes its time: its status, and how to wait for its end."""

    lifecycle: ClassVar[Lifecycle]
    fleeting: ClassVar[frozenset[str]] = frozenset({"status", "progress"})
    """Fields that a newer snapshot never inherits from an older one."""

    id: str
    status: str = ""
    """The server's own word; empty when the job was not looked at yet."""

    @property
    def phase(self) -> Phase:
        """What the status means for somebody who waits."""
        return self.lifecycle.phase(self.status)

    @property
    def reason(self) -> str:
        """Why it failed, or what it waits for, as far as the server says; may be empty."""
        return ""

    @property
    def created(self) -> datetime | None:
        """When it began, by the server's clock (aware, UTC)."""
        return None

    @property
    def began(self) -> datetime | None:
        """`created`, or when this client created it or a resume token says that it was."""
        return self.created or (self._origin.began if self._origin is not None else None)

    @property
    def seen(self) -> Seen | None:
        """When this snapshot was received, or the answer to its creation; None for a bare handle."""
        origin = self._origin
        return origin.seen if origin is not None and (self.status or origin.seen.fresh) else None

    def hints(self, seen: Seen | None = None) -> Hints:  # noqa: ARG002 # nouns override it
        """What this snapshot tells of the time to come, as it was *seen* (now again, or at first)."""
        return Hints()

    def knowing(self, **sent: Any) -> Self:
        """This very snapshot, a create's answer, with what it left out of what was *sent*."""
        for name, value in sent.items():
            if value is not None and getattr(self, name) in ("", (), None):
                object.__setattr__(self, name, value)
        return self

    def succeeded_by(self, newer: Self, seen: Seen) -> Self:
        """*newer*, keeping what a short status answer does not repeat of this one."""
        kept: dict[str, Any] = {}
        for name, blank in _lasting(type(self)):
            if getattr(newer, name) == blank and (old := getattr(self, name)) != blank:
                kept[name] = old
        if kept:
            newer = evolve(newer, **kept)
        origin = self._origin
        return newer if origin is None else newer.bound_to(origin.home, seen, origin.began)

    @property
    def _jobs(self) -> JobCollection[Self]:
        return cast("JobCollection[Self]", self._home)

    async def refresh(self) -> Self:
        """Ask once for the present state; returns a new snapshot, this one stays as it is."""
        return await self._jobs.refreshed(self)

    async def wait_until_ready(
        self,
        timeout: float | None = None,
        *,
        on_update: OnUpdate[Self] | None = None,
        schedule: ScheduleLike = None,
        raise_on_failure: bool = True,
        stalled_after: float | None = None,
    ) -> Self:
        """Wait until the job has ended well; returns its last snapshot.

        `timeout` is the total in seconds: None for no limit, 0 for one look. The last look goes out just
        before the deadline, and the deadline is kept even when the server hangs. `on_update` is called with
        each changed snapshot (a coroutine function is awaited); it can neither break nor delay the wait.
        `schedule` is a `Schedule`, a maker of pauses (``lambda: backoff.expo(max_value=60)``), or a fixed
        number of seconds. `stalled_after` is in seconds without a change of status or progress.

        Any number of waits share one poller, and one look serves all who wait for the same job. Cancelling
        the await touches neither the remote job nor another waiter.

        Raises `JobFailedError` (or returns the failed job with `raise_on_failure=False`),
        `JobCancelledError`, `JobParkedError`, `JobStalledError`, `WaitTimeoutError`, `JobUnreachableError`;
        all of them carry the last snapshot as `job`, and a `resume_token`.
        """
        poller = self._jobs.poller
        terms = poller.enter(
            self,
            timeout=timeout,
            on_update=on_update,
            schedule=schedule,
            stalled_after=stalled_after,
        )
        try:
            await terms.future
        except BaseException:
            terms.stop()
            raise
        finally:
            poller.leave(terms)
        if terms.notifier is not None:
            await terms.notifier.drain()
        return terms.result(raise_on_failure=raise_on_failure)

    def updates(
        self,
        timeout: float | None = None,
        *,
        schedule: ScheduleLike = None,
        stalled_after: float | None = None,
    ) -> AsyncIterator[Self]:
        """Iterate over the changed snapshots; the last one is the end (good, bad or parked).

        A slow reader sees the newest snapshot, not each. Raises as `wait_until_ready`, but a failed job is
        yielded and not raised.
        """
        return self._jobs.changes(
            self, timeout=timeout, schedule=schedule, stalled_after=stalled_after
        )

    def resume_token(self) -> str:
        """JSON text with which ``client.resume(token)`` waits on, in any process. It holds no secret."""
        home = self._jobs
        return str(Token(home.service, home.noun, self.id, self.began))

    def explain(self) -> str:
        """Why the next look at this job is when it is, in a sentence for people."""
        return self._jobs.explained(self.id)


_lasting_fields: dict[type[Job], tuple[tuple[str, Any], ...]] = {}


def _lasting(kind: type[Job]) -> tuple[tuple[str, Any], ...]:
    """The fields that a newer snapshot inherits where it leaves them blank, with what blank is."""
    known = _lasting_fields.get(kind)
    if known is None:
        skipped = kind.fleeting | {"id", "raw", "notes", "_origin"}
        known = _lasting_fields[kind] = tuple(
            (a.name, a.default.factory() if isinstance(a.default, Factory) else a.default)  # type: ignore[arg-type] # attrs' Factory is a class at run time
            for a in fields(kind)
            if a.name not in skipped
        )
    return known
