"""What a workflow amounts to: the ids of what it made, and what was measured. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import field, frozen

from ..errors import NugenError, printable
from ..resources.evaluations import EvaluationResults
from .course import Progress, Scores
from .spec import Stage, Workflow

E = TypeVar("E", bound=NugenError)


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
    in_doubt: bool = False
    """It was left so, since nobody can tell whether this workflow deployed it."""

    @property
    def leftover(self) -> str:
        """What is left behind that may cost money, and how to end that; empty where nothing is."""
        if not self.still_deployed:
            return ""
        model = printable(self.model_id)
        doubt = ", by this workflow or by others" if self.in_doubt else ""
        return (
            f"its model {model} may still be deployed{doubt}, and cost money; to end that:"
            f" await nugen.models.undeploy({model!r}), or nugen-async undeploy {shlex.quote(model)}"
        )

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
        in_doubt=progress.in_doubt,
    )


def noted(error: E, result: WorkflowResult) -> E:
    """*error* with a note of what the workflow has left behind, if anything."""
    leftover = result.leftover
    if leftover and leftover not in getattr(error, "__notes__", ()):
        error.add_note(leftover)
    return error


def scores(told: EvaluationResults, model_id: str, base_model: str | None) -> Scores:
    """What was measured, each side found by its model's id where the answer names it."""
    if base_model is None:
        metrics = told.metrics
        if metrics is None:
            return Scores()
        return Scores(aligned=metrics.accuracy, uncertainty=metrics.uncertainty)
    sides = [side for side in (told.base_model, told.eval_model) if isinstance(side, Mapping)]
    named = {side.get("model_id", side.get("id")): side for side in sides}
    ours = named.get(model_id, told.eval_model)
    theirs = named.get(base_model, told.base_model)
    return Scores(
        base=_measure(theirs, "accuracy"),
        aligned=_measure(ours, "accuracy"),
        uncertainty=_measure(ours, "uncertainty"),
    )


def _measure(side: Any, name: str) -> float | None:
    if not isinstance(side, Mapping):
        return None
    inner = side.get("metrics")
    value = side.get(name, inner.get(name) if isinstance(inner, Mapping) else None)
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError):
        return None
