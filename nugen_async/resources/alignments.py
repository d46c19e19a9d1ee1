"""Alignments: fine-tune a base model on documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar

from attrs import field, frozen

from .._core.age import Seen, server_time
from .._core.codec import seen_as, timestamp
from .._core.page import Page
from .._core.reconcile import OnUnknown, Wanted, carries
from .._core.schedule import Hints
from .._core.tolerance import ErrorText, error_text
from .._core.wire import Call, Effect, Route, Routes
from . import _checks
from ._lifecycle import Lifecycle
from ._lists import Listing
from ._metrics import BeforeAndAfter
from ._nouns import JobCollection
from ._reconciling import reconciled
from ._records import Job

_ONE = "/api/v3/alignment-project"
_MANY = "/api/v3/alignment-projects"


@frozen(kw_only=True)
class AlignmentMetrics(BeforeAndAfter):
    """What alignment changed; None where it was not measured."""


@frozen(kw_only=True)
class Alignment(Job):
    """One alignment project, as the server last described it.

    A `model_id` that is set is no sign of completion: the server may name it while the model trains.
    """

    rows: ClassVar = ("alignment_projects", "alignments")
    lifecycle: ClassVar = Lifecycle(
        ready=frozenset(
            {"ready", "completed", "evaluated"}
            | {"deploying", "deployed", "undeploying", "undeployed"}  # trained, whatever follows
        ),
        moving=frozenset(
            {"queued", "pending", "processing", "running", "in_progress", "evaluating"}
        ),
    )
    fleeting: ClassVar = frozenset(
        {"status", "progress", "inner_status", "eta_seconds", "estimated_completion"}
        | {"queue_position", "error", "stage_failures"}
    )

    id: str = field(metadata=seen_as("alignment_id"))
    name: str = field(default="", metadata=seen_as("alignment_name"))
    base_model: str = field(default="", metadata=seen_as("base_model_id"))
    status: str = ""
    inner_status: str | None = field(default=None, metadata=seen_as("data.status"))
    """What a nested answer says inside, where it also says something outside; they may disagree."""
    created_date: datetime | None = field(
        default=None, metadata=seen_as("created_at", "start_time")
    )
    completed_date: datetime | None = field(
        default=None, metadata=seen_as("completed_at", "end_time")
    )
    updated_at: datetime | None = field(default=None, metadata=seen_as("updated_date"))
    start_time: datetime | None = None
    end_time: datetime | None = None
    documents: tuple[str, ...] = field(default=(), metadata=seen_as("document_ids"))
    document_count: int | None = None
    creator: str | None = None
    description: str | None = None
    benchmark_id: str | None = None
    performance_metrics: AlignmentMetrics | None = None
    progress: float | None = None
    """Percent."""
    estimated_completion: str | None = None
    """The server's own words; a time or a sentence."""
    eta_seconds: float | None = None
    queue_position: int | None = None
    early_deployable: bool | None = None
    """A checkpoint can be deployed already (plural contract)."""
    gpu_training_completed: bool | None = None
    is_adapter_available: bool | None = None
    degraded: bool | None = None
    error: ErrorText | None = None
    stage_failures: tuple[Any, ...] = ()
    evaluation_id: str | None = None
    """The evaluation that follows by itself when a benchmark was given."""
    evaluation_results: Mapping[str, Any] | None = None
    model_id: str | None = field(
        default=None,
        metadata=seen_as("aligned_model_id", "models.0.model_id", "models.0.id"),
    )
    """The aligned model; not the alignment's id."""

    @property
    def reason(self) -> str:
        """Why it failed, with the stages that did."""
        stages = "; ".join(map(_failed, self.stage_failures))
        return ": ".join(part for part in (self.error or "", stages) if part)

    @property
    def created(self) -> datetime | None:
        """When it was started."""
        return self.created_date or self.start_time

    def hints(self, seen: Seen | None = None) -> Hints:
        """Progress in percent, and the estimate in whichever of its two forms came."""
        progress = None if self.progress is None else min(1.0, max(0.0, self.progress / 100))
        return Hints(
            progress=progress,
            left=self.eta_seconds if self.eta_seconds is not None else self._until_completion(seen),
            queue_position=self.queue_position,
        )

    @cached_property
    def _completion(self) -> datetime | None:
        """The point in time that `estimated_completion` names; a bare number is none."""
        told = self.estimated_completion or ""
        return timestamp(told) if "-" in told else None

    def _until_completion(self, seen: Seen | None) -> float | None:
        end, seen = self._completion, seen or self.seen
        now = server_time(seen.date) if seen is not None else None
        return None if end is None or now is None else max(0.0, (end - now).total_seconds())


def _failed(stage: Any) -> str:
    """One stage that failed, in words: its name, and why."""
    if not isinstance(stage, Mapping):
        return str(stage)
    name = next((str(stage[key]) for key in ("stage", "name") if stage.get(key)), "")
    why = error_text({key: value for key, value in stage.items() if key not in {"stage", "name"}})
    return ": ".join(part for part in (name, why) if part)


@frozen(eq=False)
class Alignments(JobCollection[Alignment]):
    """``client.alignments``."""

    noun: ClassVar = "alignments"
    record: ClassVar = Alignment
    routes: ClassVar[Mapping[str, Routes]] = {
        "create": Routes(
            Route("POST", f"{_ONE}/create"),
            Route(
                "POST",
                f"{_MANY}/create",
                {"name": "alignment_name", "base_model": "base_model_id"},
            ),
        ),
        "get": Routes(Route("GET", f"{_ONE}/{{id}}"), Route("GET", f"{_MANY}/{{id}}")),
        "status": Routes(
            Route("GET", f"{_ONE}/status/{{id}}"), Route("GET", f"{_MANY}/{{id}}/status")
        ),
        "list": Routes(Route("GET", _ONE), Route("GET", f"{_MANY}/list"), only={"limit": "plural"}),
    }

    async def create(
        self,
        *,
        name: str,
        base_model: str,
        document_ids: Sequence[str],
        workflow_id: str | None = None,
        benchmark_id: str | None = None,
        description: str | None = None,
        on_unknown: OnUnknown = None,
    ) -> Alignment:
        """Start an alignment; it costs money and takes from minutes to hours.

        `benchmark_id` has the model evaluated by itself afterwards. `workflow_id` is sent along and comes
        back in no answer; the API does not merge equal ones (create-alignment).

        When the answer is lost, `on_unknown="reconcile"` looks through the list and returns the one that
        fits, `"raise"` does not look; None looks if the name holds `workflow_id` (6 characters or more), by
        which the match is certain. Nothing is posted twice.

        Raises `InvalidRequestError` before sending; `BadRequestError` for a base model that cannot be
        aligned, `NotFoundError` for an unknown document, `CreateOutcomeUnknownError` when the answer was
        lost.
        """
        fields = {
            "name": _checks.text("name", name),
            "base_model": _checks.text("base_model", base_model),
            "document_ids": _checks.texts("document_ids", document_ids),
            "workflow_id": _checks.optional_text("workflow_id", workflow_id),
            "benchmark_id": _checks.optional_text("benchmark_id", benchmark_id),
            "description": _checks.maybe_text("description", description),
        }
        call = self._call("create", Alignment, json=fields, effect=Effect.CREATE)
        wanted = Wanted(
            token=workflow_id if carries(name, workflow_id) else None,
            name=name,
            base_model=base_model,
            documents=frozenset(document_ids),
        )
        made = await reconciled(lambda: self._send(call), self.list, wanted, on_unknown)
        return made.knowing(
            name=name,
            base_model=base_model,
            documents=tuple(document_ids),
            benchmark_id=benchmark_id,
            description=description,
        )

    async def get(self, alignment_id: str) -> Alignment:
        """Fetch everything about one alignment (get-alignment-data)."""
        return await self._send(self._asking("get", Alignment, alignment_id))

    async def get_status(self, alignment_id: str) -> Alignment:
        """Fetch the status only; in the plural contract little else (get-alignment-status)."""
        return await self._send(self._look(alignment_id))

    def list(self, *, limit: int | None = None) -> Listing[Alignment]:
        """List every alignment, or at most *limit* (plural contract); await it for a `Page`, or iterate.

        The path is inferred in the documented contract (list-alignment-projects shows none).
        """
        query = {"limit": _checks.whole("limit", limit)}
        call = self._call("list", Page[Alignment], query=query)
        return Listing(lambda _offset, _limit: self._send(call))

    def _look(self, job_id: str) -> Call[Alignment]:
        return self._asking("status", Alignment, job_id)

    def _detail(self, job_id: str) -> Call[Alignment]:
        return self._asking("get", Alignment, job_id)

    def _page(self, offset: int, limit: int) -> Call[Page[Alignment]]:  # noqa: ARG002 # the list comes whole
        return self._call("list", Page[Alignment])

    def _complete(self, job: Alignment) -> bool:
        return bool(job.reason) or job.model_id is not None
