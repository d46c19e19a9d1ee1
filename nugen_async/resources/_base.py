"""What all nouns share: Resource, Job, Lifecycle, Collection, JobCollection."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any, ClassVar, Generic, Self, TypeVar, cast

from attrs import Factory, evolve, field, fields, frozen

from .._core import html
from .._core.age import Seen, server_time
from .._core.api import Api
from .._core.page import Page
from .._core.poller import Poller
from .._core.schedule import Hints, Phase
from .._core.sinks import OnUpdate
from .._core.token import Token
from .._core.waiters import Kind, ScheduleLike
from .._core.wire import Call, Contract, Effect, Json, Part, Routes, identifier, sendable
from ..errors import ClientStateError, InvalidRequestError

_NOTHING: Mapping[str, Any] = {}
_NEVER = Seen(0.0)

T = TypeVar("T")
R = TypeVar("R", bound="Resource")
J = TypeVar("J", bound="Job")


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

    def stripped(self) -> Self:
        """This very snapshot without `raw`; only while nobody else holds it. For the library's own use."""
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


def _phase_table(lifecycle: Lifecycle) -> Mapping[str, Phase]:
    rows = (
        (lifecycle.moving, Phase.RUNNING),
        (lifecycle.parked, Phase.PARKED),
        (lifecycle.cancelled, Phase.CANCELLED),
        (lifecycle.failed, Phase.FAILED),
        (lifecycle.ready, Phase.READY),
    )
    return {form: phase for words, phase in rows for w in words for form in (w, w.upper())}


@frozen(kw_only=True)
class Lifecycle:
    """Which words mean what, for one kind of job. Words are compared without case, blanks or hyphens.

    A word that stands nowhere means "still running", and is shown as it came.
    """

    ready: frozenset[str]
    moving: frozenset[str] = frozenset()
    failed: frozenset[str] = frozenset({"failed", "error"})
    cancelled: frozenset[str] = frozenset({"stopped", "cancelled", "canceled"})
    parked: frozenset[str] = frozenset()
    _phases: Mapping[str, Phase] = field(
        init=False, repr=False, eq=False, default=Factory(_phase_table, takes_self=True)
    )

    def phase(self, status: str) -> Phase:
        """What *status* means; an empty one has not been asked for yet."""
        known = self._phases.get(status)
        if known is not None:
            return known
        word = status.strip().lower().replace(" ", "_").replace("-", "_")
        return self._phases.get(word, Phase.UNKNOWN) if word else Phase.RUNNING


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


_REMEMBERED = 1024
"""Calls that a collection keeps for the next look at the same job, about 1 kB each."""

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


@frozen(eq=False)
class Collection:
    """One noun's verbs, as ``client.<noun>``."""

    service: ClassVar[str] = "nugen"
    noun: ClassVar[str]
    routes: ClassVar[Mapping[str, Routes]]

    _api: Api
    _pollers: dict[tuple[str, str], Poller[Any]] = field(repr=False)
    _asked: dict[tuple[str, str, Contract | None], Call[Any]] = field(
        init=False, factory=dict[tuple[str, str, "Contract | None"], "Call[Any]"], repr=False
    )

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a client cannot be pickled; make one in each process")

    def _call(
        self,
        op: str,
        returns: type[T],
        *,
        ids: Mapping[str, object] | None = None,
        json: Mapping[str, Json] | None = None,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        parts: tuple[Part, ...] = (),
        effect: Effect = Effect.READ,
        empty_on_404: bool = False,
    ) -> Call[T]:
        """The call for *op* in the contract that this noun speaks; fields that are None are left out."""
        for name, value in (headers or {}).items():
            if not sendable(value):
                raise InvalidRequestError(f"what is sent as {name} holds what no header can carry")
        routes = self.routes[op]
        known = self._api.dialect.of(self.noun)
        if routes.only:
            given = {**(json or {}), **(query or {}), **{part.name: part for part in parts}}
            known = routes.taking((k for k, v in given.items() if v is not None), known)

        def on(contract: Contract, alternative: Call[T] | None) -> Call[T]:
            route = routes.under(contract)
            return Call(
                route.method,
                route.fill(ids) if ids else route.path,
                returns,
                json=None if json is None else route.renamed(json),
                query={k: _query(v) for k, v in query.items() if v is not None} if query else {},
                headers=headers or {},
                parts=parts
                and tuple(evolve(p, name=route.rename.get(p.name, p.name)) for p in parts),
                effect=effect,
                about=str(ids.get("id", "")) if ids and effect is not Effect.CREATE else "",
                noun=self.noun,
                alternative=alternative,
                empty_on_404=empty_on_404,
            )

        if known is not None:
            return on(known, None)
        return on("documented", on("plural", None) if routes.plural else None)

    def _asking(self, op: str, returns: type[T], about: str) -> Call[T]:
        """The call that asks *op* of one thing; the same one each time that a job is looked at."""
        if about.__class__ is not str:  # a UUID, or a mistake
            return self._call(op, returns, ids={"id": about})
        key = (op, about, self._api.dialect.of(self.noun))
        call = self._asked.get(key)
        if call is None:
            if len(self._asked) >= _REMEMBERED:
                self._asked.clear()
            call = self._asked[key] = self._call(op, returns, ids={"id": about})
        return call

    def inner(self) -> tuple[Collection, ...]:
        """Collections that live inside this one, such as a model's deployments."""
        return ()

    async def _send(self, call: Call[T]) -> T:
        """Send *call*; what comes back knows this collection."""
        value, response = await self._api.answer(call)
        fresh = call.effect is Effect.CREATE
        return self._bound(value, Seen(response.received, response.headers.get("date"), fresh))

    def _bound(self, value: T, seen: Seen) -> T:
        if isinstance(value, Resource):
            value.bound_to(self, seen, server_time(seen.date) if seen.fresh else None)
        elif isinstance(value, Page):
            origin = Origin(self, seen)
            for row in cast("Page[Any]", value):
                if isinstance(row, Resource):
                    object.__setattr__(row, "_origin", origin)
        return value


def _query(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@frozen(eq=False)
class JobCollection(Collection, Generic[J]):
    """A noun whose things take their time. It declares how to look at one, and at the list of them."""

    record: ClassVar[type[Job]]
    page_size: ClassVar[int | None] = None
    """Rows that the poller asks for in one page; None where the list comes whole."""

    @abstractmethod
    def _look(self, job_id: str) -> Call[J]:
        """The cheapest route that tells one job's status."""

    def _detail(self, job_id: str) -> Call[J] | None:  # noqa: ARG002 # nouns override it
        """The route that brings the error text and what was made; None where there is none."""
        return None

    def _page(self, offset: int, limit: int) -> Call[Page[J]] | None:  # noqa: ARG002 # as above
        """The list from row *offset* on; None where there is no list."""
        return None

    def _complete(self, job: J) -> bool:  # noqa: ARG002 # as above
        """Whether an ended snapshot carries all that it should."""
        return True

    def handle(self, job_id: str, *, created: datetime | None = None) -> J:
        """A snapshot of nothing but the id, made without a request: to wait for it, or to refresh it.

        `created` (aware), where it is known, sets the pace of the first looks.
        Raises `InvalidRequestError` for an empty id.
        """
        named = identifier(job_id)
        if not named.strip():
            raise InvalidRequestError("an id must not be empty")
        blank = cast("J", self.record(id=named))
        return blank.bound_to(self, _NEVER, created)

    async def refreshed(self, job: J) -> J:
        """The present state of *job*, by the detail route where there is one."""
        call = self._detail(job.id) or self._look(job.id)
        value, response = await self._api.answer(call)
        return job.succeeded_by(value, Seen(response.received, response.headers.get("date")))

    @property
    def poller(self) -> Poller[J]:
        """The one poller of this client for this noun, made at the first wait."""
        poller = self._pollers.get((self.service, self.noun))
        if poller is None:
            poller = self._pollers[self.service, self.noun] = Poller(
                self._kind(), self._api, self._api.options.retry.rng
            )
        return poller

    def _kind(self) -> Kind[J]:
        return Kind(
            noun=self.noun,
            record=cast("type[J]", self.record),
            look=self._look,
            detail=self._detail,
            page=self._page,
            complete=self._complete,
            page_size=self.page_size,
        )

    def changes(
        self,
        job: J,
        *,
        timeout: float | None,
        schedule: ScheduleLike,
        stalled_after: float | None,
    ) -> AsyncIterator[J]:
        """The changed snapshots of *job*."""
        return self.poller.changes(
            job, timeout=timeout, schedule=schedule, stalled_after=stalled_after
        )

    def explained(self, job_id: str) -> str:
        """Why the next look at a job is when it is."""
        return self.poller.explain(job_id)
