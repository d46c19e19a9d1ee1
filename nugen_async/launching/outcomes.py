"""What a batch tells: how each workflow stands, how all of them do, and whether to go on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

from attrs import define, field, frozen

from .._core import html
from ..errors import NugenError, printable
from .course import End, Failure
from .ledger import Row
from .results import WorkflowResult, noted, result_of
from .runner import Course
from .spec import Stage

Policy = Literal["all", "fail_fast"] | float
"""When a run stops early: never; at the first that fails; when not even this share (0 to 1) can succeed."""


@define(kw_only=True, slots=False, repr=False)
class WorkflowFailedError(NugenError):
    """A workflow did not end well; `kind` and `reason` are those of the error that stopped it."""

    key: str
    stage: str
    kind: str
    reason: str

    def __str__(self) -> str:
        return f"workflow {printable(self.key)}, {self.stage}: {printable(self.reason)}"


@define(kw_only=True, slots=False, repr=False)
class BatchStoppedError(NugenError):
    """The batch's policy ended it early. What runs on the server goes on; run it again to go on, too."""

    policy: str
    ready: int
    failed: int
    left: int

    def __str__(self) -> str:
        return (
            f"the batch was stopped by its policy ({self.policy}):"
            f" {self.ready} ready, {self.failed} failed, {self.left} not ended;"
            " run it again to go on, after retry_failed() also with what failed"
        )


@frozen(kw_only=True)
class Outcome:
    """How one workflow stands after a run."""

    key: str
    result: WorkflowResult
    """What it made and measured so far."""
    before: bool = False
    """It had ended in an earlier run, and nothing was done now."""

    def error(self) -> NugenError | None:
        """What stopped it; None for `Ready`.

        Where a model may be left serving, a note of it (`__notes__`) says so, and how to end that.
        """
        return None

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        rows = [*html.facts(self.result)]
        if (error := self.error()) is not None:
            rows.append(("error", error))
        if self.result.leftover and (self.result.in_doubt or not isinstance(self, Ready)):
            rows.append(("left behind", self.result.leftover))
        return html.table(type(self).__name__, rows)

    def unwrap(self) -> WorkflowResult:
        """The result, or the error raised."""
        error = self.error()
        if error is not None:
            raise error
        return self.result


@frozen(kw_only=True)
class Ready(Outcome):
    """Everything was done."""


@frozen(kw_only=True)
class Failed(Outcome):
    """A stage did not end well. `Batch.retry_failed` makes it ready for another try."""

    failures: Sequence[Failure]
    """The first is what stopped it; others are of giving back what it had deployed."""
    exception: NugenError | None = None
    """The error itself, when it happened in this run."""

    def error(self) -> NugenError:
        """`exception`, or what the journal kept of it."""
        first = self.failures[0]
        error = self.exception or WorkflowFailedError(
            key=self.key, stage=str(first.stage), kind=first.kind, reason=first.message
        )
        return noted(error, self.result)


@frozen(kw_only=True)
class Unknown(Failed):
    """Something may have been created, or not, and no look could tell. It was not sent again."""


@frozen(kw_only=True)
class TimedOut(Outcome):
    """The time of this run was over; on the server it goes on, and so does the next run.

    Nothing was undeployed: see ``result.leftover``.
    """

    exception: NugenError

    def error(self) -> NugenError:
        """`WaitTimeoutError` or `JobStalledError`."""
        return noted(self.exception, self.result)


@frozen(kw_only=True)
class Open(Outcome):
    """It has not ended, and nothing stopped it but the end of a run."""


@frozen(kw_only=True)
class Status:
    """How a batch stands."""

    total: int
    ready: int
    failed: int
    unknown: int
    open: int
    stages: dict[Stage, int] = field(factory=dict[Stage, int])
    """Of the open ones: how many have come to which stage."""
    still_deployed: tuple[str, ...] = ()
    """Keys of those that may have left a model deployed."""


def status_of(rows: Iterable[Row]) -> Status:
    """Count *rows*."""
    ends: Counter[End] = Counter()
    stages: Counter[Stage] = Counter()
    deployed: list[str] = []
    for row in rows:
        ends[row.end] += 1
        begun = [stage for stage in row.spec.stages if stage in row.progress.records]
        if row.end is End.OPEN and begun:
            stages[begun[-1]] += 1
        if row.progress.serving and Stage.UNDEPLOYMENT in row.spec.stages:
            deployed.append(row.key)
    return Status(
        total=ends.total(),
        ready=ends[End.READY],
        failed=ends[End.FAILED],
        unknown=ends[End.UNKNOWN],
        open=ends[End.OPEN],
        stages=dict(stages),
        still_deployed=tuple(deployed),
    )


def outcome_of(row: Row, *, before: bool = False) -> Outcome:
    """The outcome that a row tells of."""
    return outcome(row, Course(progress=row.progress, end=row.end), before=before)


def outcome(row: Row, course: Course, *, before: bool = False) -> Outcome:
    """The outcome of *course*, which *row* began."""
    result = result_of(row.key, row.spec, course.progress)
    if course.end is End.READY:
        return Ready(key=row.key, result=result, before=before)
    if course.end is End.OPEN:
        return Open(key=row.key, result=result, before=before)
    kind = Unknown if course.end is End.UNKNOWN else Failed
    return kind(
        key=row.key,
        result=result,
        before=before,
        failures=course.progress.failures,
        exception=course.error,
    )


def ended(end: End) -> bool:
    """Whether a run has nothing left to do for it."""
    return end is not End.OPEN


def stop_if_hopeless(
    policy: Policy, tally: Counter[type[Outcome]], total: int, earlier: int = 0
) -> None:
    """Raise `BatchStoppedError` when *policy* cannot be met any more; so many had failed *earlier*."""
    if policy == "all":
        return
    bad = tally[Failed] + tally[Unknown]
    allowed = earlier if policy == "fail_fast" else total - total * float(policy)
    if bad > allowed + 1e-9:
        raise BatchStoppedError(
            policy=str(policy) if isinstance(policy, str) else f"at least {policy:.0%}",
            ready=tally[Ready],
            failed=bad,
            left=total - tally.total() + tally[TimedOut],
        )
