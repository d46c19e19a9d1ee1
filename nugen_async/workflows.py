"""Recipes that cross nouns: documents, benchmark, alignment, deployment, evaluation, results, undeployment.

`Workflow` says what is wanted, `run_workflow` does it once, by hand. Many at once, and safe against crashes,
are `nugen_async.batch`.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

from ._core.waiters import ScheduleLike
from .client import Nugen
from .launching.course import End, Failure, Progress
from .launching.ledger import Memory
from .launching.results import WorkflowResult, noted, result_of
from .launching.runner import Runner, Terms
from .launching.spec import Evaluate, Stage, Workflow, keys_of
from .launching.stages import Moment, OnStep

__all__ = [
    "Evaluate",
    "Failure",
    "Moment",
    "OnStep",
    "Stage",
    "Workflow",
    "WorkflowResult",
    "result_of",
    "run_workflow",
]

_DEPLOYMENTS: WeakKeyDictionary[Nugen, Memory] = WeakKeyDictionary()
"""What the workflows of one client share."""


async def run_workflow(
    nugen: Nugen,
    workflow: Workflow,
    *,
    on_step: OnStep | None = None,
    timeout: float | None = None,
    settle: float = 60.0,
    schedule: ScheduleLike = None,
) -> WorkflowResult:
    """Run one workflow to its end; returns the ids of all that was made, and what was measured.

    `on_step` is called with a `Moment` at each beginning, change and end of a stage. `timeout` bounds all of
    it, in seconds; `settle` is how long a list may take to show what a lost create made. `schedule` is how
    patiently each job is looked at, as for `Job.wait_until_ready`.

    A model that was deployed here is undeployed again, also when a later stage failed or the task is
    cancelled; a deployment that is still under way then cannot be, and a warning in the log names the model.
    One that was found serving is left so, unless `undeploy=True` was asked for. Workflows that run with one
    client at the same time share a deployment, and the last of them ends it.
    Raises what the failed stage raised: `JobFailedError`, `WaitTimeoutError`,
    `CreateOutcomeUnknownError`, `APIStatusError`, ...; `InvalidRequestError` before anything was sent when a
    file cannot be. Where the undeployment failed, too, a note of the error (`__notes__`) names the model.
    """
    ledger = Memory()
    (key,) = keys_of([workflow])
    terms = Terms(on_step=on_step, timeout=timeout, settle=settle, schedule=schedule)
    deployments = _DEPLOYMENTS.setdefault(nugen, Memory())
    async with Runner(nugen, ledger, terms, deployments=deployments) as runner:
        await runner.check([workflow])
        try:
            course = await runner.resume(key, workflow, Progress())
        except BaseException:
            progress, _ = ledger.rows.get(key, (Progress(), End.OPEN))
            await runner.give_back(key, workflow, progress)
            raise
    result = result_of(key, workflow, course.progress)
    if course.error is not None:
        raise noted(course.error, result)
    return result
