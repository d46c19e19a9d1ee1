"""Recipes that cross nouns: documents, benchmark, alignment, deployment, evaluation, results, undeployment.

`Workflow` says what is wanted, `run_workflow` does it once, by hand. Many at once, and safe against crashes,
are `nugen_async.batch`.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from ._core.waiters import ScheduleLike
from .client import Nugen
from .launching.course import End, Failure, Progress, Scores
from .launching.ledger import Memory
from .launching.runner import Runner, Terms, undeploy_now
from .launching.spec import Evaluate, Stage, Workflow
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


@frozen(kw_only=True)
class WorkflowResult:
    """What a workflow made and measured. Ids are empty, numbers None, where a part did not run."""

    key: str
    name: str
    document_ids: tuple[str, ...] = ()
    benchmark_id: str = ""
    alignment_id: str = ""
    model_id: str = ""
    endpoint: str = ""
    evaluation_id: str = ""
    base_accuracy: float | None = None
    aligned_accuracy: float | None = None
    uncertainty: float | None = None
    """Of the aligned model."""
    waited: Mapping[str, float] = field(factory=dict[str, float])
    """Seconds of waiting per stage."""
    still_deployed: bool = False
    """The model may still be deployed, and cost money."""

    @property
    def difference(self) -> float | None:
        """Aligned accuracy minus base accuracy."""
        if self.base_accuracy is None or self.aligned_accuracy is None:
            return None
        return self.aligned_accuracy - self.base_accuracy


def result_of(key: str, spec: Workflow, progress: Progress) -> WorkflowResult:
    """What *progress* amounts to so far."""
    scores = progress.scores or Scores()
    return WorkflowResult(
        key=key,
        name=spec.name,
        document_ids=(*spec.document_ids, *progress.of(Stage.DOCUMENTS).ids),
        benchmark_id=spec.benchmark_id or progress.of(Stage.BENCHMARK).id,
        alignment_id=progress.of(Stage.ALIGNMENT).id,
        model_id=spec.model_id or progress.model_id,
        endpoint=progress.endpoint,
        evaluation_id=progress.of(Stage.EVALUATION).id,
        base_accuracy=scores.base,
        aligned_accuracy=scores.aligned,
        uncertainty=scores.uncertainty,
        waited={str(s): r.waited for s, r in progress.records.items() if r.waited},
        still_deployed=progress.serving,
    )


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
    cancelled. Raises what the failed stage raised: `JobFailedError`, `WaitTimeoutError`,
    `CreateOutcomeUnknownError`, `APIStatusError`, ...; `InvalidRequestError` before anything was sent when a
    file is missing.
    """
    ledger = Memory()
    key = workflow.key_at(0)
    terms = Terms(on_step=on_step, timeout=timeout, settle=settle, schedule=schedule)
    async with Runner(nugen, ledger, terms) as runner:
        await runner.check((workflow,))
        try:
            course = await runner.resume(key, workflow, Progress())
        except BaseException:
            progress, _ = ledger.rows.get(key, (Progress(), End.OPEN))
            if progress.serving and Stage.UNDEPLOYMENT in workflow.stages:
                await undeploy_now(nugen, progress.model_id or workflow.model_id or "")
            raise
    if course.error is not None:
        raise course.error
    return result_of(key, workflow, course.progress)
