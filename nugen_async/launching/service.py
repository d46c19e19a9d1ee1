"""Models in service: several workflows use one deployment, and the last of them ends it.

What a workflow found serving before its own request was taken it leaves serving. The shared record of a
deployment tells whose it is: one with an id is ours, one with an intent alone may be, any other is not.

Not covered: other journals, and other clients of `run_workflow`, count as others; a deployment that begins in
the moment between our look and our request is taken for ours, and so is one by which somebody replaced ours.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from attrs import evolve, frozen

from ..client import Nugen
from ..errors import APIStatusError, BadRequestError, JobFailedError, NugenError, WaitTimeoutError
from ..resources._records import Job
from ..resources.models import deployment_now, undeployment_now
from .course import Record, Verb, Whose
from .ledger import Ledger
from .making import Write


@frozen(kw_only=True)
class User:
    """A workflow that needs a model in service."""

    name: str
    model_id: str
    made: bool
    """It made the model, so that nobody else is likely to have deployed it."""
    undeploy: bool | None
    """As in `Workflow`: True ends also what others deployed, False keeps it for all."""
    patience: float | None
    """Seconds that it has for whoever is about to bring the model in or out."""

    @property
    def thing(self) -> str:
        """What it shares, as a ledger calls it."""
        return f"deployment:{self.model_id}"


@frozen
class Service:
    """The deployments of one client, shared by whoever writes to one ledger."""

    nugen: Nugen
    ledger: Ledger

    async def enter(
        self,
        user: User,
        record: Record,
        write: Write,
        wait: Callable[[Job], Awaitable[Any]],
    ) -> Record:
        """*record* of a deployment that is there or on its way; raises what the server refused it with.

        *wait* is for an undeployment that is still under way.
        """
        async with self._held(user):
            known = await self.ledger.shared(user.thing) or Record()
            others = tuple(each for each in known.users if each != user.name)
            stays = user.undeploy is False
            users = others if stays else (*others, user.name)
            if await deployment_now(self.nugen.models, user.model_id) is not None:
                whose, ids = _whose(known, user), (user.model_id,)
                shared = evolve(known, users=users, ids=ids if whose is Whose.OURS else known.ids)
                if stays:
                    shared = Record(users=users)
                await self.ledger.write_shared(user.thing, shared)
                record = evolve(record, intended=_now(), ids=ids, whose=whose)
                await write(record)
                return record
            record = evolve(record, intended=_now(), whose=Whose.OURS)
            await write(record)
            shared = Record(users=users, intended="" if stays else record.intended)
            await self.ledger.write_shared(user.thing, shared)
            try:
                await self._deploy(user.model_id, wait)
            except APIStatusError as refusal:
                if refusal.status < 500 and not await self._may_serve(user.model_id):  # noqa: PLR2004
                    await self.ledger.write_shared(user.thing, Record(users=others))
                    await write(evolve(record, intended=""))
                raise
            record = evolve(record, ids=(user.model_id,))
            if not stays:
                await self.ledger.write_shared(user.thing, evolve(shared, ids=record.ids))
            await write(record)
            return record

    async def leave(
        self, user: User, record: Record, take_out: Callable[[], Awaitable[None]]
    ) -> None:
        """Have *take_out* end the deployment if it is ours and nobody else uses it."""
        async with self._held(user):
            known = await self.ledger.shared(user.thing) or record
            others = tuple(each for each in known.users if each != user.name)
            left = evolve(known, users=others)
            if others and user.undeploy:
                left = evolve(left, intended=known.intended or _now(), ids=(user.model_id,))
            if left != known:
                await self.ledger.write_shared(user.thing, left)
            if not others and (user.undeploy or _ours(known, record)):
                await take_out()
                await self.ledger.write_shared(user.thing, Record())

    async def fail(self, user: User) -> None:
        """Forget *user*, whose deployment the server could not bring to an end."""
        async with self._held(user):
            known = await self.ledger.shared(user.thing) or Record()
            others = tuple(each for each in known.users if each != user.name)
            left = evolve(known, users=others) if others else Record()
            await self.ledger.write_shared(user.thing, left)

    @asynccontextmanager
    async def _held(self, user: User) -> AsyncGenerator[None]:
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(user.patience):
                    await stack.enter_async_context(self.ledger.claim(user.thing))
            except TimeoutError:
                raise WaitTimeoutError(job_id=user.model_id, waited=user.patience or 0.0) from None
            yield

    async def _deploy(self, model_id: str, wait: Callable[[Job], Awaitable[Any]]) -> None:
        models = self.nugen.models
        try:
            await models.deploy(model_id)
        except BadRequestError as refusal:
            leaving = await undeployment_now(models, model_id)
            if leaving is None or leaving.phase.ended:
                raise
            try:
                await wait(leaving)
            except JobFailedError:
                raise refusal from None
            await models.deploy(model_id)

    async def _may_serve(self, model_id: str) -> bool:
        """Whether an earlier sending, whose answer was lost, may have been taken."""
        try:
            return await deployment_now(self.nugen.models, model_id) is not None
        except NugenError:
            return True


def _whose(known: Record, user: User) -> Whose:
    """Whose deployment is found: nobody can tell where the process ended while ours was being sent."""
    if known.verb is Verb.AWAIT or user.undeploy is False:
        return Whose.OURS
    if known.verb is Verb.LAUNCH:
        return Whose.OTHERS
    return Whose.OURS if user.made else Whose.UNSURE


def _ours(known: Record, record: Record) -> bool:
    return known.verb is Verb.AWAIT or (known.verb is Verb.LOOK and record.whose is Whose.OURS)


def _now() -> str:
    return datetime.now(UTC).isoformat()
