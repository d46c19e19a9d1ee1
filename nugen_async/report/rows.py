"""What a report shows of one workflow. Times are seconds since 1970, durations seconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, cast, get_args

from attrs import field, frozen

from ..errors import InvalidRequestError
from ..launching import ledger
from ..launching.results import WorkflowResult

State = Literal["ready", "failed", "unknown", "open"]

STAGES = (
    "documents",
    "benchmark",
    "alignment",
    "deployment",
    "evaluation",
    "results",
    "undeployment",
)
"""In the order in which a workflow passes them, and in which a legend names them."""


@frozen
class Change:
    """One metric before and after an alignment; None where it was not measured."""

    before: float | None = None
    after: float | None = None

    @property
    def difference(self) -> float | None:
        """After minus before."""
        if self.before is None or self.after is None:
            return None
        return self.after - self.before


@frozen
class Span:
    """One stage of a workflow on the clock; it still goes on where `ended` is None."""

    stage: str
    began: float
    ended: float | None = None
    failed: bool = False


@frozen(kw_only=True)
class Row:
    """One workflow: what it is called, how it stands, what it changed, when it did what."""

    key: str
    name: str = ""
    base_model: str = ""
    model_id: str = ""
    state: State = "open"
    reason: str = ""
    """Why it did not end well."""
    left_serving: bool = False
    """It did not end well, and its model may still be deployed."""
    metrics: Mapping[str, Change] = field(factory=dict[str, Change])
    """By name, such as "accuracy" or "uncertainty"."""
    spans: tuple[Span, ...] = ()

    @property
    def title(self) -> str:
        """What people call it."""
        return self.name or self.key

    @property
    def seconds(self) -> float | None:
        """From its beginning to its end; None while it goes on."""
        ends = [span.ended for span in self.spans if span.ended is not None]
        if len(ends) < len(self.spans) or not ends:
            return None
        return max(ends) - min(span.began for span in self.spans)


def from_result(result: WorkflowResult) -> Row:
    """The row of a workflow that ended well. A result tells no clock times, so it has no timeline."""
    return Row(
        key=result.key,
        name=result.name,
        model_id=result.model_id,
        state="ready",
        metrics=_metrics(result.base_accuracy, result.aligned_accuracy, result.uncertainty),
    )


def from_journal(row: ledger.Row) -> Row:
    """The row of a journal's or a batch's row."""
    progress = row.progress
    scores = progress.scores
    broken = {failure.stage: failure.at for failure in progress.failures}
    spans: list[Span] = []
    for stage, record in progress.records.items():
        began = _instant(record.intended)
        if began is not None:
            seen = _instant(record.ended or broken.get(stage)) or began
            over = record.done or stage in broken
            # By the clock, since nobody may have waited all the time; virtual time has only waited.
            ended = max(seen, began + record.waited) if over else None
            spans.append(Span(str(stage), began, ended, failed=stage in broken))
    return Row(
        key=row.key,
        name=row.spec.name,
        base_model=row.spec.base_model or "",
        model_id=progress.model_id or row.spec.model_id or "",
        state=row.end.value,
        reason="; ".join(f"{failure.stage}: {failure.message}" for failure in progress.failures),
        left_serving=progress.serving and (progress.in_doubt or bool(progress.failures)),
        metrics=_metrics(scores.base, scores.aligned, scores.uncertainty) if scores else {},
        spans=tuple(spans),
    )


def from_record(record: Mapping[str, Any]) -> Row:
    """The row of plain data, such as a line of JSON: the fields of `Row`, of which only `key` must be there.

    `metrics` maps a name to ``[before, after]``, `spans` holds ``[stage, began, ended]``, where a time is
    seconds since 1970 or ISO 8601. Raises `InvalidRequestError` for anything else.
    """
    try:
        spans = [tuple(span) for span in record.get("spans") or ()]
        return Row(
            key=str(record["key"]),
            **{
                name: str(record.get(name) or "")
                for name in ("name", "base_model", "model_id", "reason")
            },
            state=_state(record.get("state", "open")),
            left_serving=bool(record.get("left_serving")),
            metrics={
                str(name): Change(*map(_number, pair))
                for name, pair in (record.get("metrics") or {}).items()
            },
            spans=tuple(
                Span(str(stage), _began(began), _instant(ended), failed=bool(failed))
                for stage, began, ended, *rest in spans
                for failed in (rest[:1] or [False])
            ),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidRequestError(f"not a row of a report: {error!r}") from None


def _metrics(
    base: float | None, aligned: float | None, uncertainty: float | None
) -> dict[str, Change]:
    made = {"accuracy": Change(base, aligned), "uncertainty": Change(None, uncertainty)}
    return {name: change for name, change in made.items() if change != Change()}


def _state(value: Any) -> State:
    if value not in get_args(State):
        raise ValueError(f"state {value!r} is none of {', '.join(get_args(State))}")
    return cast("State", value)


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _began(value: Any) -> float:
    began = _instant(value)
    if began is None:
        raise ValueError("a span has no beginning")
    return began


def _instant(value: Any) -> float | None:
    """Seconds since 1970 of a number or of ISO 8601, where no zone means UTC; None for nothing."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        told = datetime.fromisoformat(value)
        return (told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp()
    return float(value)


def metric_names(rows: Iterable[Row]) -> list[str]:
    """Every metric that some row has, the best known first."""
    found = dict.fromkeys(name for row in rows for name in row.metrics)
    known = [name for name in ("accuracy", "uncertainty") if name in found]
    return known + [name for name in found if name not in known]
