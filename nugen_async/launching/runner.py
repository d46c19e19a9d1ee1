"""One step after another until the end: by hand, in a batch, after a crash, on a worker of a fleet.

`Runner.resume` is the one way to run a workflow. What differs is the ledger that it writes to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from attrs import frozen

from .._core import observe
from .._core.logs import log
from .._core.waiters import ScheduleLike
from ..client import Nugen
from ..errors import (
    ClientStateError,
    CreateOutcomeUnknownError,
    JobFailedError,
    JobStalledError,
    NugenError,
    WaitTimeoutError,
    printable,
)
from .course import Done, End, Failure, Progress, next_step
from .files import Files
from .ledger import Ledger
from .lookups import Lookups
from .making import Decide, Maker
from .service import Service
from .spec import Stage, Workflow
from .stages import OnStep, Run, Tools

_LAST_WORD = 10.0
"""Seconds that an interrupted workflow takes to give its model back."""


@frozen(kw_only=True)
class Terms:
    """How a runner goes about it."""

    on_step: OnStep | None = None
    timeout: float | None = None
    """Seconds for one workflow in this run; what is under way on the server goes on."""
    settle: float = 60.0
    """Seconds that a list may take to show what was just created."""
    decide: Decide | None = None
    """Asked where no look can tell whether something was created; None: then the stage fails."""
    schedule: ScheduleLike = None
    """How patiently each job is looked at."""


@frozen(kw_only=True)
class Course:
    """How far a workflow came: its progress, how it stands, and the error that stopped it."""

    progress: Progress
    end: End
    error: NugenError | None = None


class Runner:
    """Runs workflows of one client and one ledger; what they share is made once."""

    def __init__(
        self,
        nugen: Nugen,
        ledger: Ledger,
        terms: Terms | None = None,
        *,
        deployments: Ledger | None = None,
    ) -> None:
        """*deployments* is where deployments are shared when *ledger* is for one workflow alone."""
        self._terms = terms or Terms()
        self._ledger = ledger
        self._lookups = Lookups(nugen, ledger, self._terms.settle)
        self._maker = Maker(ledger, self._lookups, self._terms.decide)
        self._files = Files()
        self._tools = Tools(
            nugen=nugen,
            ledger=ledger,
            maker=self._maker,
            files=self._files,
            service=Service(nugen, deployments or ledger),
            on_step=self._terms.on_step,
            schedule=self._terms.schedule,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End what is under way for several workflows; on the server it goes on."""
        await self._maker.aclose()
        await self._lookups.aclose()

    async def check(self, specs: Iterable[Workflow]) -> None:
        """Raise `InvalidRequestError`, naming all files that cannot be sent; sends nothing."""
        await self._files.check(each for spec in specs for each in spec.files())

    async def resume(self, key: str, spec: Workflow, progress: Progress) -> Course:
        """Go on with a workflow until it ends; returns how it ended.

        Raises `WaitTimeoutError` or `JobStalledError` when waiting took too long, `ClientStateError` when the
        client was closed: the workflow is as it was, and goes on when it is resumed again.
        """
        errors: list[NugenError] = []
        timeout = self._terms.timeout
        deadline = None if timeout is None else asyncio.get_running_loop().time() + timeout
        run = Run(self._tools, key, spec, progress, deadline)
        with observe.doing("workflow", key=key, name=spec.name) as told:
            while not isinstance(step := next_step(spec, run.progress), Done):
                try:
                    with observe.doing(f"workflow {step.stage}", key=key):
                        await run.take(step)
                except (WaitTimeoutError, JobStalledError, ClientStateError):
                    raise
                except NugenError as error:
                    log.info("%s: %s: %s", key, step.stage, error)
                    errors.append(error)
                    run.progress = run.progress.failed(failure(step.stage, error))
                    await run.tell(step.stage, "fails", error=error)
            await self._ledger.end(key, run.progress, step.end)
            told(errors[0] if errors else None)
        return Course(progress=run.progress, end=step.end, error=errors[0] if errors else None)

    async def give_back(self, key: str, spec: Workflow, progress: Progress) -> None:
        """Begin to undo the deployment of an interrupted workflow, and do not wait: it has no time.

        A warning tells of a model that stays, as one does whose deployment is still under way.
        """
        if not progress.deployed or Stage.UNDEPLOYMENT not in spec.stages:
            return
        user = Run(self._tools, key, spec, progress, None).user

        async def take_out() -> None:
            await self._tools.nugen.models.undeploy(user.model_id)

        try:
            async with asyncio.timeout(_LAST_WORD):
                await self._tools.service.leave(user, progress.of(Stage.DEPLOYMENT), take_out)
        except (NugenError, TimeoutError) as error:
            told = "a workflow was interrupted, and its model %s may stay deployed: %s"
            log.warning(told, printable(user.model_id), error)


def failure(stage: Stage, error: NugenError) -> Failure:
    """*error* as a record keeps it."""
    unknown = isinstance(error, CreateOutcomeUnknownError)
    return Failure(
        stage=stage,
        kind=type(error).__name__,
        message=str(error),
        unknown=unknown,
        spent=isinstance(error, JobFailedError),
        candidates=error.candidates if isinstance(error, CreateOutcomeUnknownError) else (),
        at=datetime.now(UTC).isoformat(),
    )
