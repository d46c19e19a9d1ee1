"""One noun's verbs: Collection, and JobCollection for nouns whose things take their time."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar, cast

from attrs import evolve, field, frozen

from .._core.age import Seen, server_time
from .._core.api import Api
from .._core.page import Page
from .._core.poller import Poller
from .._core.schedule import Phase
from .._core.waiters import Kind, ScheduleLike
from .._core.wire import Call, Contract, Effect, Json, Part, Routes, identifier, sendable
from ..errors import BadRequestError, ConflictError, InvalidRequestError, NugenError
from ._records import Job, Origin, Resource

T = TypeVar("T")
J = TypeVar("J", bound=Job)

_NEVER = Seen(0.0)

_REMEMBERED = 1024
"""Calls that a collection keeps for the next look at the same job, about 1 kB each."""


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
        if about.__class__ is not str:  # a whole number, or a mistake
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

    async def _stopped(self, call: Call[J]) -> J:
        """Send *call*, which cancels a job; one that is cancelled already is what was wanted."""
        try:
            return await self._send(call)
        except (BadRequestError, ConflictError) as refusal:
            try:
                job = await self._send(self._look(call.about))
            except NugenError:
                raise refusal from None
            if job.phase is not Phase.CANCELLED:
                raise
            return job

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
