"""What each stage of a workflow does with the server."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeVar

from attrs import evolve, frozen

from .._core.logs import log
from .._core.waiters import ScheduleLike
from ..client import Nugen
from ..errors import (
    BadRequestError,
    JobFailedError,
    JobUnreachableError,
    NotFoundError,
    NugenError,
    WaitTimeoutError,
)
from ..resources._records import Job
from . import things
from .course import Progress, Record, Step, Verb
from .files import File, Files
from .ledger import Ledger
from .making import Maker, Thing, Write
from .results import scores
from .service import Service, User
from .spec import Stage, Workflow

J = TypeVar("J", bound=Job)

_AT_REST = frozenset({"READY", "UNDEPLOYED"})
"""What a list says of a model that is not deployed; any other word might mean that it is."""


@frozen(kw_only=True)
class Moment:
    """Something happened in a workflow."""

    key: str
    name: str
    stage: Stage
    what: Literal["begins", "goes on", "changes", "ends", "fails"]
    id: str = ""
    """The server's name for what the stage is about; empty while there is none."""
    status: str = ""
    progress: float | None = None
    """The share that is done, 0 to 1, where the server tells it."""
    left: float | None = None
    """Seconds to the end, as the server estimates them."""
    error: NugenError | None = None


OnStep = Callable[[Moment], Awaitable[None] | None]


@frozen(kw_only=True)
class Tools:
    """What the runs of one runner have in common."""

    nugen: Nugen
    ledger: Ledger
    maker: Maker
    files: Files
    service: Service
    on_step: OnStep | None
    schedule: ScheduleLike = None


class Run:
    """One workflow on its way; `progress` is always what the ledger knows, or more."""

    def __init__(
        self, tools: Tools, key: str, spec: Workflow, progress: Progress, deadline: float | None
    ) -> None:
        self.progress = progress
        self._tools = tools
        self._nugen = tools.nugen
        self._key = key
        self._spec = spec
        self._deadline = deadline
        self._began = 0.0
        self._stages: Mapping[Stage, Callable[[Record], Awaitable[None]]] = {
            Stage.DOCUMENTS: self._documents,
            Stage.BENCHMARK: self._benchmark,
            Stage.ALIGNMENT: self._alignment,
            Stage.DEPLOYMENT: self._deployment,
            Stage.EVALUATION: self._evaluation,
            Stage.RESULTS: self._results,
            Stage.UNDEPLOYMENT: self._undeployment,
        }

    async def take(self, step: Step) -> None:
        """Carry out *step* to the end of its stage."""
        record = self.progress.of(step.stage)
        what: Literal["begins", "goes on"] = "begins" if step.verb is Verb.LAUNCH else "goes on"
        await self.tell(step.stage, what, id=record.id)
        self._began = asyncio.get_running_loop().time()
        try:
            await self._stages[step.stage](record)
        except NotFoundError:
            if step.stage in (Stage.BENCHMARK, Stage.ALIGNMENT):
                await self._forget_what_is_gone()
            raise
        await self.tell(step.stage, "ends", id=self.progress.of(step.stage).id)

    async def tell(self, stage: Stage, what: Any, **facts: Any) -> None:
        """Let the caller know; what goes wrong there is logged, and breaks nothing here."""
        if self._tools.on_step is None:
            return
        try:
            moment = Moment(key=self._key, name=self._spec.name, stage=stage, what=what, **facts)
            answer = self._tools.on_step(moment)
            if inspect.isawaitable(answer):
                await answer
        except Exception:  # noqa: BLE001 # it is the caller's, and may raise anything
            log.exception("%s: on_step failed", self._key)

    # -- the stages -----------------------------------------------------------------------------

    async def _documents(self, record: Record) -> None:
        files = [await self._tools.files.read(path) for path in dict.fromkeys(self._spec.documents)]
        unique = {file.sha256: file for file in files}
        made = await self._together([self._document(file) for file in unique.values()])
        ids = {file.sha256: done.id for file, done in zip(unique.values(), made, strict=True)}
        self._end(Stage.DOCUMENTS, record, ids=tuple(ids[file.sha256] for file in files))

    def _document(self, file: File) -> Awaitable[Record]:
        files, mark = self._tools.files, self._spec.mark

        def attempted(attempt: int) -> Thing:
            return things.document(self._nugen, files, file, attempt, mark=mark)

        return self._shared(attempted, self._nugen.documents.handle)

    async def _forget_what_is_gone(self) -> None:
        """Have another try upload again the documents that the server does not list any more."""
        paths, ledger = dict.fromkeys(self._spec.documents), self._tools.ledger
        with contextlib.suppress(NugenError, TimeoutError):  # then they are as they were
            async with asyncio.timeout(self._left):
                listed = {each.id async for each in self._nugen.documents.list()}
                uploaded = zip(paths, self.progress.of(Stage.DOCUMENTS).ids, strict=False)
                for path, gone in [each for each in uploaded if each[1] not in listed]:
                    file = await self._tools.files.read(path)
                    key = things.document_key(file, mark=self._spec.mark)
                    async with ledger.claim(key):
                        record = await ledger.shared(key)
                        if record is not None and record.id == gone:
                            await ledger.write_shared(key, Record(attempt=record.attempt + 1))
                    self.progress = self.progress.noted(Stage.DOCUMENTS, Record())

    async def _benchmark(self, record: Record) -> None:
        spec, documents, nugen = self._spec, self._document_ids, self._nugen
        if spec.benchmark_file is not None:
            file = await self._tools.files.read(spec.benchmark_file)
            thing = things.uploaded_benchmark(nugen, file, documents[0], mark=spec.mark)
        else:
            thing = things.generated_benchmark(nugen, documents, spec.num_questions or 0)
        made = await self._shared(lambda _: thing, nugen.benchmarks.handle)
        self._end(Stage.BENCHMARK, record, ids=made.ids)

    async def _alignment(self, record: Record) -> None:
        thing = things.alignment(
            self._nugen, self._key, self._spec, self._document_ids, self._deadline
        )
        job = await self._made_and_ended(
            Stage.ALIGNMENT, thing, record, self._nugen.alignments.handle
        )
        if not job.model_id:
            job = await job.refresh()
        if not job.model_id:
            raise JobFailedError(
                job=job, job_id=job.id, status=job.status, reason="it names no model that it made"
            )
        self._end(Stage.ALIGNMENT, self.progress.of(Stage.ALIGNMENT), model_id=job.model_id)

    async def _deployment(self, record: Record) -> None:
        service, user = self._tools.service, self.user

        async def write(changed: Record) -> None:
            await self._write(Stage.DEPLOYMENT, changed)

        async def gone(job: Job) -> None:
            await self._ended(Stage.DEPLOYMENT, job)

        if not record.ids:
            record = await service.enter(user, record, write, gone)
        deployment = self._nugen.models.deployments.handle(self._model_id)
        try:
            job = await self._ended(Stage.DEPLOYMENT, deployment)
        except JobFailedError:
            await service.fail(user)
            raise
        self._end(Stage.DEPLOYMENT, record, endpoint=job.endpoint_url or "")

    async def _undeployment(self, record: Record) -> None:
        async def take_out() -> None:
            nonlocal record
            if not record.ids:
                record = evolve(record, intended=_now())
                await self._write(Stage.UNDEPLOYMENT, record)
                begun = await self._undeployed()
                record = evolve(record, ids=(self._model_id,))
                if not begun:
                    return
                await self._write(Stage.UNDEPLOYMENT, record)
            out = self._nugen.models.undeployments.handle(self._model_id)
            await self._ended(Stage.UNDEPLOYMENT, out)

        deployment = self.progress.of(Stage.DEPLOYMENT)
        await self._tools.service.leave(self.user, deployment, take_out)
        self._end(Stage.UNDEPLOYMENT, record)

    async def _undeployed(self) -> bool:
        """Begin the undeployment, once the deployment that this workflow gave up on has ended.

        False when there is nothing to undeploy: the server refuses it, and lists a model that is at rest.
        """
        models, model_id = self._nugen.models, self._model_id
        try:
            await models.undeploy(model_id)
        except BadRequestError as refusal:
            if not self.progress.of(Stage.DEPLOYMENT).intended:
                raise
            if await self._at_rest():
                return False
            try:
                await self._ended(Stage.UNDEPLOYMENT, models.deployments.handle(model_id))
            except (JobFailedError, JobUnreachableError):
                raise refusal from None
            await models.undeploy(model_id)
        return True

    async def _at_rest(self) -> bool:
        """Whether the list of models shows this one as not in service, nor on its way there."""
        async for model in self._nugen.models.list_aligned():
            if model.id == self._model_id:
                return (model.deployment_status or model.status).strip().upper() in _AT_REST
        return False

    async def _evaluation(self, record: Record) -> None:
        thing = things.evaluation(
            self._nugen,
            self._key,
            self._spec,
            model_id=self._model_id,
            benchmark_id=self._spec.benchmark_id or self.progress.of(Stage.BENCHMARK).id,
            deadline=self._deadline,
        )
        await self._made_and_ended(Stage.EVALUATION, thing, record, self._nugen.evaluations.handle)
        self._end(Stage.EVALUATION, self.progress.of(Stage.EVALUATION))

    async def _results(self, record: Record) -> None:
        told = await self._nugen.evaluations.results(self.progress.of(Stage.EVALUATION).id)
        base = self._spec.base_model if self._spec.evaluate == "compare" else None
        self._end(Stage.RESULTS, record, scores=scores(told, self._model_id, base))

    # -- what they have in common -----------------------------------------------------------------

    @property
    def _document_ids(self) -> tuple[str, ...]:
        return (*self.progress.of(Stage.DOCUMENTS).ids, *self._spec.document_ids)

    @property
    def user(self) -> User:
        """This workflow, as one that needs its model in service."""
        return User(
            name=f"{self._tools.ledger.series}:{self._key}",
            model_id=self._model_id,
            made=self._spec.aligns,
            undeploy=self._spec.undeploy,
            patience=self._left,
        )

    @property
    def _model_id(self) -> str:
        return self._spec.model_id or self.progress.model_id

    def _end(self, stage: Stage, record: Record, **facts: Any) -> None:
        spent, now = asyncio.get_running_loop().time() - self._began, datetime.now(UTC)
        ended = evolve(
            record,
            ids=facts.pop("ids", record.ids),
            done=True,
            waited=record.waited + spent,
            intended=record.intended or (now - timedelta(seconds=spent)).isoformat(),
            ended=now.isoformat(),
        )
        self.progress = self.progress.noted(stage, ended, **facts)

    async def _write(self, stage: Stage, record: Record) -> None:
        self.progress = self.progress.noted(stage, record)
        await self._tools.ledger.keep(self._key, self.progress)

    async def _made_and_ended(
        self, stage: Stage, thing: Thing, record: Record, handle: Callable[..., J]
    ) -> J:
        async def write(changed: Record) -> None:
            await self._write(stage, changed)

        record = await self._tools.maker.once(thing, record, write)
        self.progress = self.progress.noted(stage, record)
        return await self._ended(stage, handle(record.id, created=_moment(record)))

    async def _shared(self, thing_of: Callable[[int], Thing], handle: Callable[..., Job]) -> Record:
        """The record of what `thing_of` the attempt is, when that is ready."""
        thing = thing_of(1)

        async def make(record: Record, write: Write) -> Record:
            record = await self._tools.maker.once(thing_of(record.attempt), record, write)
            try:
                ready = await handle(record.id, created=_moment(record)).wait_until_ready(
                    schedule=self._tools.schedule
                )
            except JobFailedError:
                await write(Record(attempt=record.attempt + 1))
                raise
            record = evolve(record, ids=(ready.id,), done=True)
            await write(record)
            return record

        try:
            async with asyncio.timeout(self._left):
                return await self._tools.maker.shared(thing.key, make)
        except TimeoutError as error:
            if isinstance(error, NugenError):
                raise
            waited = asyncio.get_running_loop().time() - self._began
            record = await self._tools.ledger.shared(thing.key) or Record()
            if not record.id:
                raise WaitTimeoutError(job_id=thing.kind, waited=waited) from None
            job = handle(record.id)
            raise WaitTimeoutError(
                job=job, job_id=job.id, resume_token=job.resume_token(), waited=waited
            ) from None

    async def _ended(self, stage: Stage, job: J) -> J:
        async def changed(now: J) -> None:
            hints = now.hints()
            await self.tell(
                stage,
                "changes",
                id=now.id,
                status=now.status,
                progress=hints.progress,
                left=hints.left,
            )

        watching = None if self._tools.on_step is None else changed
        return await job.wait_until_ready(
            self._left, on_update=watching, schedule=self._tools.schedule
        )

    @property
    def _left(self) -> float | None:
        if self._deadline is None:
            return None
        return max(0.0, self._deadline - asyncio.get_running_loop().time())

    async def _together(self, made: list[Awaitable[Record]]) -> list[Record]:
        """All of them; the first error only when each has ended, so that none is left behind."""
        ended = await asyncio.gather(*made, return_exceptions=True)
        for each in ended:
            if isinstance(each, BaseException):
                raise each
        return [each for each in ended if isinstance(each, Record)]


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _moment(record: Record) -> datetime | None:
    return datetime.fromisoformat(record.intended) if record.intended else None
