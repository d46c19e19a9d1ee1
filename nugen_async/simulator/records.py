"""What the pretend server remembers: jobs whose whole course is fixed when they are made."""

from __future__ import annotations

from typing import Any, Literal

from attrs import define, field

from .chance import Progress, shown_progress

Phase = Literal["queued", "running", "evaluating", "ready", "failed", "stopped"]
Serving = Literal["trained", "deploying", "deployed", "undeploying", "undeployed"]


@define(kw_only=True)
class Job:
    """Something that takes its time. Times are seconds since the world began."""

    id: str
    created: float
    started: float
    worked: float
    ended: float
    outcome: Phase = "ready"
    error: str | None = None
    shape: Progress = "linear"
    estimate: float | None = None
    stopped_at: float | None = None

    def phase(self, now: float) -> Phase:
        """Where the job is at a moment."""
        if self.stopped_at is not None and now >= self.stopped_at:
            return "stopped"
        if now < self.started:
            return "queued"
        if now < self.worked:
            return "running"
        if now < self.ended:
            return "evaluating"
        return self.outcome

    def over(self, now: float) -> bool:
        """Whether nothing more will happen."""
        return self.phase(now) in ("ready", "failed", "stopped")

    @property
    def end(self) -> float:
        """When it is over, stopping included."""
        return self.ended if self.stopped_at is None else min(self.ended, self.stopped_at)

    def fraction(self, now: float) -> float:
        """How much of its time has passed, 0 to 1."""
        length = self.ended - self.created
        return 1.0 if length <= 0 else min(1.0, max(0.0, (now - self.created) / length))

    def progress(self, now: float) -> int | None:
        """The percent shown, as distorted as the world makes it."""
        if self.phase(now) == "ready":
            return 100
        shown = shown_progress(self.shape, self.fraction(min(now, self.end)))
        return shown if shown is None else min(shown, 99)

    def remaining(self, now: float) -> float | None:
        """The seconds that the server says are left; 0 when its estimate is overdue."""
        if self.estimate is None or self.over(now):
            return None
        return max(0.0, self.created + self.estimate - now)


@define(kw_only=True)
class Document(Job):
    """An uploaded file; only its name, size and digest are kept."""

    filename: str
    type: str
    size: int
    sha256: str
    task: int
    categories: list[str] = field(factory=list[str])


@define(kw_only=True)
class Benchmark(Job):
    """Questions with right answers."""

    name: str
    document_ids: list[str]
    size: int
    source: Literal["generated", "uploaded"]
    description: str | None = None
    questions: list[tuple[int, str, str]] = field(factory=list[tuple[int, str, str]], repr=False)


@define(kw_only=True)
class Alignment(Job):
    """A project that makes an aligned model of a base model."""

    name: str
    base_model: str
    document_ids: list[str]
    workflow_id: str | None = None
    benchmark_id: str | None = None
    description: str | None = None
    model_id: str
    model_id_from: float
    evaluation_id: str | None = None


@define(kw_only=True)
class Deployment(Job):
    """One attempt to deploy or undeploy a model."""

    verb: Literal["deploy", "undeploy"]


@define(kw_only=True)
class Model:
    """An aligned model, from the moment its training ends."""

    id: str
    name: str
    alignment_id: str
    base_model: str
    created: float
    uses: int = 0
    last_used: float | None = None
    operations: list[Deployment] = field(factory=list[Deployment])

    def operation(self, now: float, verb: str | None = None) -> Deployment | None:
        """The latest attempt made by then, of one verb or of both."""
        for attempt in reversed(self.operations):
            if attempt.created <= now and verb in (None, attempt.verb):
                return attempt
        return None

    def serving(self, now: float) -> Serving:
        """Whether the model can be called at a moment."""
        last = self.operation(now)
        if last is None:
            return "trained"
        if last.verb == "deploy":
            if not last.over(now):
                return "deploying"
            return "deployed" if last.outcome == "ready" else "undeployed"
        if not last.over(now):
            return "undeploying"
        return "undeployed" if last.outcome == "ready" else "deployed"


@define(kw_only=True)
class Evaluation(Job):
    """A model measured on a benchmark, or two compared."""

    model_id: str
    benchmark_id: str
    base_id: str | None = None
    total: int
    name: str | None = None
    custom_metrics: Any = None
    automatic: bool = False

    def answered(self, now: float) -> int:
        """How many questions are done."""
        return int(self.total * self.fraction(min(now, self.end)) + 1e-9)


@define(kw_only=True)
class Agent:
    """A model with instructions."""

    id: str
    name: str
    description: str
    model: str
    created: float
    max_tokens: int
    temperature: float
    instructions: str | None
    uses: int = 0
    last_used: float | None = None


@define(kw_only=True)
class SeekrFile:
    """A SeekrFlow file, without its content."""

    id: str
    filename: str
    purpose: str
    size: int
    created: float


@define(kw_only=True)
class TrainingPairs(Job):
    """A SeekrFlow alignment job."""

    instructions: str
    files: list[str]
    type: str
    system_prompt: str | None = None
    vector_database_id: str | None = None
    outputs: list[SeekrFile] = field(factory=list[SeekrFile])


@define(kw_only=True)
class Ingestion(Job):
    """SeekrFlow files on their way into a form that can be learned from."""

    files: list[str]
    method: str


@define(kw_only=True)
class DataJob:
    """A SeekrFlow data job: files, then a person's review, then an alignment job."""

    id: str
    name: str
    job_type: str
    created: float
    updated: float
    system_prompt: str | None = None
    instructions: str | None = None
    vector_database_id: str | None = None
    origin: str | None = None
    """The data job that it is a clone of."""
    files: list[str] = field(factory=list[str])
    ingestions: list[str] = field(factory=list[str])
    alignment_id: str | None = None
    cancelled: float | None = None
    timeline: list[tuple[float, str]] = field(factory=list[tuple[float, str]])
