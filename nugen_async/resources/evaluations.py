"""Evaluations: measure a model against a benchmark, alone or beside another."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Literal, cast

from attrs import field, frozen

from .._core.age import Seen
from .._core.codec import seen_as
from .._core.page import Page
from .._core.reconcile import Wanted
from .._core.schedule import Hints
from .._core.tolerance import ErrorText
from .._core.wire import Call, Effect, Json, Route, Routes
from ..errors import InvalidRequestError
from . import _checks
from ._lifecycle import Lifecycle
from ._lists import Listing
from ._nouns import JobCollection
from ._reconciling import reconciled
from ._records import Job, Resource

_BASE = "/api/v3/evaluations"
_LARGEST_PAGE = 100
_DONE_OF_ALL = re.compile(r"\s*(\d{1,9})\s*/\s*(\d{1,9})")


@frozen(kw_only=True)
class EvaluationMetrics:
    """What the judge measured; None where it did not."""

    accuracy: float | None = None
    """Share of right answers, 0 to 1."""
    uncertainty: float | None = None
    """0 to 1; lower is surer."""
    domain_violations: int | None = None
    average_response_time: float | None = None
    """Seconds."""
    overall_score: float | None = None
    average_score: float | None = None
    relevance: float | None = None
    total_questions: int | None = None
    correct_answers: int | None = None
    raw: Mapping[str, Any] = field(factory=dict[str, Any], eq=False, repr=False)
    """Everything that was measured, custom metrics too, under the server's names."""


class _Compared:
    """Which side of a comparison is which, whichever contract told it."""

    __slots__ = ()

    model_id: str
    model_id_2: str | None
    baseline_model_id: str | None

    @property
    def subject(self) -> str:
        """The id of the model in question."""
        return self.model_id_2 or self.model_id

    @property
    def baseline(self) -> str | None:
        """The id of the model that it is compared with; None where it is measured alone."""
        return self.model_id if self.model_id_2 else self.baseline_model_id


@frozen(kw_only=True)
class Evaluation(_Compared, Job):
    """One evaluation, as the server last described it."""

    rows: ClassVar = ("evaluations",)
    lifecycle: ClassVar = Lifecycle(
        ready=frozenset({"ready", "completed", "evaluated"}),
        moving=frozenset(
            {"queued", "pending", "processing", "running", "in_progress", "evaluating"}
        ),
    )
    fleeting: ClassVar = frozenset(
        {"status", "progress", "questions_completed", "avg_time_per_question", "eta_seconds"}
        | {"message", "error"}
    )

    id: str = field(metadata=seen_as("id", wire="evaluation_id"))
    model_id: str = ""
    status: str = field(default="", metadata=seen_as(required=True))
    benchmark_id: str = ""
    model_id_2: str | None = None
    """Of a comparison in the documented contract: the model in question, `model_id` being the baseline."""
    baseline_model_id: str | None = None
    """Of a comparison in the plural contract: what `model_id` is compared with."""
    name: str | None = field(default=None, metadata=seen_as("evaluation_name"))
    judge_provider: str | None = None
    created_at: datetime | None = field(default=None, metadata=seen_as("created_date"))
    start_time: datetime | None = None
    end_time: datetime | None = None
    completed_at: datetime | None = field(
        default=None, metadata=seen_as("completed_date", "end_time")
    )
    message: str | None = None
    progress: str | None = None
    """The server's words, such as ``3/10 questions``."""
    questions_completed: int | None = None
    total_questions: int | None = None
    avg_time_per_question: float | None = None
    """Seconds."""
    eta_seconds: float | None = None
    """The server's estimate; seen to contradict its own numbers."""
    method: str | None = None
    """``eval`` or ``eval-compare``."""
    metrics: EvaluationMetrics | None = None
    raw_answers_count: int | None = None
    error: ErrorText | None = None

    @property
    def reason(self) -> str:
        """Why it failed, as far as the server says."""
        return self.error or ""

    @property
    def created(self) -> datetime | None:
        """When it was started."""
        return self.created_at or self.start_time

    def hints(self, seen: Seen | None = None) -> Hints:  # noqa: ARG002 # no time is told
        """The share of questions answered; the time left by their average, else as the server guesses."""
        done, total = self._counts()
        if done is None or not total:
            return Hints(left=self.eta_seconds)
        left = self.eta_seconds
        if self.avg_time_per_question is not None:
            left = max(0.0, (total - done) * self.avg_time_per_question)
        return Hints(progress=min(1.0, max(0.0, done / total)), left=left)

    def _counts(self) -> tuple[int | None, int | None]:
        if self.questions_completed is not None and self.total_questions:
            return self.questions_completed, self.total_questions
        told = _DONE_OF_ALL.match(self.progress or "")
        return (int(told[1]), int(told[2])) if told else (None, None)

    async def results(self) -> EvaluationResults:
        """Fetch what was measured; a `BadRequestError` before the end."""
        return await cast("Evaluations", self._home).results(self.id)


@frozen(kw_only=True)
class EvaluationResults(_Compared, Resource):
    """What an evaluation measured."""

    id: str = field(metadata=seen_as("id", wire="evaluation_id"))
    model_id: str = ""
    benchmark_id: str = ""
    status: str = ""
    raw_answers_count: int | None = None
    completed_at: datetime | None = field(
        default=None, metadata=seen_as("completed_date", "end_time")
    )
    created_at: datetime | None = None
    method: str | None = None
    """``eval`` or ``eval-compare``."""
    metrics: EvaluationMetrics | None = None
    model_id_2: str | None = None
    """As in `Evaluation`."""
    baseline_model_id: str | None = None
    """As in `Evaluation`."""
    base_model: str | Mapping[str, Any] | None = None
    """In a comparison: the base side, as an object."""
    eval_model: str | Mapping[str, Any] | None = None
    comparison: Mapping[str, Any] | None = None
    judge_provider: str | None = None
    detailed_results: tuple[AnswerResult, ...] = ()
    """One row an answer; only in a download."""
    error: ErrorText | None = None


@frozen(kw_only=True)
class AnswerResult:
    """One question, what was expected, what the model said, and its score."""

    question: str = ""
    expected_answer: str = ""
    model_answer: str = ""
    score: float | None = None
    raw: Mapping[str, Any] = field(factory=dict[str, Any], eq=False, repr=False)


@frozen(eq=False)
class Evaluations(JobCollection[Evaluation]):
    """``client.evaluations``."""

    noun: ClassVar = "evaluations"
    record: ClassVar = Evaluation
    page_size: ClassVar[int | None] = _LARGEST_PAGE
    routes: ClassVar[Mapping[str, Routes]] = {
        "create": Routes(
            Route("POST", _BASE, {"subject": "model_id_2", "baseline": "model_id"}),
            Route(
                "POST",
                f"{_BASE}/create",
                {"subject": "model_id", "baseline": "baseline_model_id", "name": "evaluation_name"},
            ),
            only={"model_id_2": "documented", "judge_provider": "documented", "name": "plural"},
        ),
        "status": Routes(Route("GET", f"{_BASE}/{{id}}/status")),
        "get": Routes(Route("GET", f"{_BASE}/{{id}}/status"), Route("GET", f"{_BASE}/{{id}}")),
        "results": Routes(Route("GET", f"{_BASE}/{{id}}/results")),
        "download": Routes(Route("GET", f"{_BASE}/{{id}}/download")),
        "list": Routes(Route("GET", _BASE)),
    }

    async def create(
        self,
        *,
        model_id: str,
        benchmark_id: str,
        baseline: str | None = None,
        model_id_2: str | None = None,
        name: str | None = None,
        custom_metrics: Sequence[str] | Mapping[str, Any] | None = None,
        judge_provider: str | None = None,
        on_unknown: Literal["raise", "reconcile"] = "raise",
    ) -> Evaluation:
        """Start to measure `model_id`, alone or in comparison with a `baseline` (create-evaluation).

        The contracts name the two sides in opposite order: in a comparison the documented `model_id` is
        the baseline and `model_id_2` the model in question (by the page's example), the plural one has
        `model_id` and `baseline_model_id`. With `baseline` both are told as they want it. `model_id_2`
        instead sends the documented contract's own fields as they are, so that `model_id` is the baseline.

        `name` is what to call the evaluation (plural contract). `custom_metrics` is a list of names, as the
        page's example shows, or an object, as its schema says; it is sent as it is.
        `judge_provider` is who judges (first generation: ``anthropic``, ``openai`` or ``nugen``); the later
        documented schema has no field for it.

        When the answer is lost, `on_unknown="reconcile"` looks through the list and returns the one of
        these models, this benchmark and this name that is new; without a name of ours the match is only
        probable.

        Raises `InvalidRequestError` before sending, `CreateOutcomeUnknownError` when the answer was lost.
        """
        if baseline is not None and model_id_2 is not None:
            raise InvalidRequestError("a comparison has two sides: give baseline or model_id_2")
        fields = {
            "model_id" if baseline is None else "subject": _checks.text("model_id", model_id),
            "baseline": _checks.optional_text("baseline", baseline),
            "model_id_2": _checks.optional_text("model_id_2", model_id_2),
            "benchmark_id": _checks.text("benchmark_id", benchmark_id),
            "name": _checks.optional_text("name", name),
            "custom_metrics": _metrics(custom_metrics),
            "judge_provider": _checks.optional_text("judge_provider", judge_provider),
        }
        call = self._call("create", Evaluation, json=fields, effect=Effect.CREATE)
        models = frozenset(filter(None, (model_id, baseline, model_id_2)))
        wanted = Wanted(name=name, models=models, benchmark_id=benchmark_id)
        made = await reconciled(lambda: self._send(call), self.list, wanted, on_unknown)
        return made.knowing(name=name, benchmark_id=benchmark_id)

    async def get(self, evaluation_id: str) -> Evaluation:
        """Fetch one evaluation (documented: its status; plural: its detail)."""
        return await self._send(self._asking("get", Evaluation, evaluation_id))

    async def get_status(self, evaluation_id: str) -> Evaluation:
        """Fetch the status, with progress while it runs (get-evaluation-status)."""
        return await self._send(self._look(evaluation_id))

    async def results(self, evaluation_id: str) -> EvaluationResults:
        """Fetch what was measured (get-evaluation-results); a `BadRequestError` before the end."""
        return await self._send(self._asking("results", EvaluationResults, evaluation_id))

    async def download(self, evaluation_id: str) -> EvaluationResults:
        """Fetch what was measured with every answer in `detailed_results` (download-evaluation-results)."""
        return await self._send(self._asking("download", EvaluationResults, evaluation_id))

    def list(
        self,
        *,
        status: str | None = None,
        model_id: str | None = None,
        limit: int = _LARGEST_PAGE,
        offset: int = 0,
    ) -> Listing[Evaluation]:
        """List evaluations, `limit` a page (1 to 100); await it for one page, or iterate over all.

        `status` is a word of the server's, such as ``PROCESSING``; its vocabulary differs between
        generations, and a word that it does not know brings an empty list (list-user-evaluations).
        """
        size = _checks.whole("limit", limit, at_most=_LARGEST_PAGE) or _LARGEST_PAGE
        first = _checks.whole("offset", offset, at_least=0) or 0
        filters = {
            "status": _checks.optional_text("status", status),
            "model_id": _checks.optional_text("model_id", model_id),
        }
        return Listing(
            lambda start, count: self._send(
                self._call(
                    "list", Page[Evaluation], query={**filters, "limit": count, "offset": start}
                )
            ),
            limit=size,
            offset=first,
        )

    def _look(self, job_id: str) -> Call[Evaluation]:
        return self._asking("status", Evaluation, job_id)

    def _detail(self, job_id: str) -> Call[Evaluation] | None:
        if self._api.dialect.of(self.noun) != "plural":
            return None
        return self._asking("get", Evaluation, job_id)

    def _page(self, offset: int, limit: int) -> Call[Page[Evaluation]]:
        return self._call("list", Page[Evaluation], query={"limit": limit, "offset": offset})


def _metrics(given: Sequence[str] | Mapping[str, Any] | None) -> Json:
    if given is None or isinstance(given, Mapping):
        return None if given is None else dict(given)
    if isinstance(given, str):
        raise InvalidRequestError("custom_metrics is a list of names or an object, not text")
    return _checks.texts("custom_metrics", given)
