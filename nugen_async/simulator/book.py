"""The server's book: its settings, its dice and everything that was ever made on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from attrs import define, field, frozen

from .chance import (
    Estimates,
    Kind,
    Progress,
    Skill,
    Span,
    Times,
    aligned_skill,
    base_skill,
    estimate_factor,
)
from .exchange import Generation, Refused
from .records import (
    Agent,
    Alignment,
    Benchmark,
    DataJob,
    Document,
    Evaluation,
    Ingestion,
    Model,
    SeekrFile,
    TrainingPairs,
)

_AT_ONCE = Span(0.0)
EPOCH = datetime(2026, 3, 10, 10, 0, tzinfo=UTC)
_EARLY_FAILURE = 15.0  # a job that cannot start fails within about this many seconds
_REASONS: Mapping[Kind, str] = {
    "alignment": "Training failed: upstream provider answered 502 Bad Gateway",
    "evaluation": "Evaluation failed: the judge did not answer",
    "benchmark": "Benchmark generation failed: no usable text in the documents",
    "document": "The file could not be read",
    "deployment": "Redeployment failed and was reverted to READY status",
    "undeployment": "The provider did not release the model",
    "training_pairs": "Generation failed: the worker ran out of memory",
    "ingestion": "The file could not be parsed",
}


def _frozen(words: Iterable[str]) -> frozenset[str]:
    return frozenset(words)


@frozen(kw_only=True)
class BaseModel:
    """A model that others can be made of."""

    id: str
    name: str
    parameters: str
    alignment_ready: bool = True
    kind: str = "text"


BASE_MODELS = (
    BaseModel(id="nugen-flash-instruct", name="Nugen Flash Instruct", parameters="8B"),
    BaseModel(id="llama-v3p1-8b-instruct", name="Llama 3.1 8B Instruct", parameters="8B"),
    BaseModel(id="qwen-v2p5-0p5b-instruct", name="Qwen 2.5 0.5B Instruct", parameters="0.5B"),
    BaseModel(id="nugen-legal", name="Nugen Legal", parameters="7B", alignment_ready=False),
    BaseModel(
        id="nugen-flash-embed",
        name="Nugen Flash Embed",
        parameters="0.3B",
        alignment_ready=False,
        kind="embedding",
    ),
)


@define(kw_only=True, eq=False)
class Book:
    """Settings and state. Every setting may be changed while the world runs.

    What is served:

    - *contracts*: route sets that exist, ``documented`` and ``plural``; shared routes always do.
    - *generation*: the form of all answers; by default G3, and G4 on plural routes.
    - *keys*: the keys that are known; by default any. *missing_key_status*: 401, or the 422 that
      one page documents.
    - *trusting*: unknown ids of documents, benchmarks and models in requests count as existing.
    - *strict_schema*: refuse the list form of ``custom_metrics``, which the prose shows and the
      schema forbids.
    - *duplicate_names*: contracts in which an upload of a known name is a 409 (seen: plural).
    - *documents_must_be_ready*: a document in process is a 404 when it is used.
    - *evaluation_needs_deployment*: evaluating a model that is not deployed is a 400.
    - *alignment_list_limit*: the default limit of the plural alignment list; by default none.

    How jobs go, each by its own dice:

    - *times*: durations in seconds; *speed* divides them all, so that timestamps, estimates and
      ends agree with the caller's own clock. *uploaded_benchmark*: how long an uploaded one takes.
    - *progress*: its shape over time, or ``zero`` or ``absent``.
    - *estimates*: right, within 20 % (``rough``), three times too long or too short, absent, or
      each job its own (``mixed``).
    - *failures*: the share that fails, by kind; half of them within seconds. *stopped*: the share
      of alignments and training pairs that the server stops.
    - *model_id_from*: the part of the training after which an alignment tells its model's id.
    - *chat_pause*: seconds between the events of a stream.
    - *epoch*: the date on which the world began.
    """

    seed: int = 0
    speed: float = 1.0
    epoch: datetime = EPOCH
    generation: Generation | None = None
    contracts: AbstractSet[str] = field(
        default=frozenset({"documented", "plural"}), converter=_frozen
    )
    keys: AbstractSet[str] | None = field(default=None, repr=False)
    missing_key_status: int = 401
    times: Times = field(factory=Times)
    progress: Progress = "linear"
    estimates: Estimates = "rough"
    failures: Mapping[Kind, float] = field(factory=dict[Kind, float])
    stopped: float = 0.0
    model_id_from: float = 0.5
    trusting: bool = False
    strict_schema: bool = False
    duplicate_names: AbstractSet[str] = frozenset({"plural"})
    documents_must_be_ready: bool = True
    evaluation_needs_deployment: bool = False
    uploaded_benchmark: Span = _AT_ONCE
    alignment_list_limit: int | None = None
    chat_pause: float = 0.0
    base_models: tuple[BaseModel, ...] = BASE_MODELS
    creator: str = "user@example.com"

    documents: dict[str, Document] = field(factory=dict[str, Document], init=False, repr=False)
    benchmarks: dict[str, Benchmark] = field(factory=dict[str, Benchmark], init=False, repr=False)
    alignments: dict[str, Alignment] = field(factory=dict[str, Alignment], init=False, repr=False)
    models: dict[str, Model] = field(factory=dict[str, Model], init=False, repr=False)
    evaluations: dict[str, Evaluation] = field(
        factory=dict[str, Evaluation], init=False, repr=False
    )
    agents: dict[str, Agent] = field(factory=dict[str, Agent], init=False, repr=False)
    files: dict[str, SeekrFile] = field(factory=dict[str, SeekrFile], init=False, repr=False)
    training_pairs: dict[str, TrainingPairs] = field(
        factory=dict[str, TrainingPairs], init=False, repr=False
    )
    ingestions: dict[str, Ingestion] = field(factory=dict[str, Ingestion], init=False, repr=False)
    data_jobs: dict[str, DataJob] = field(factory=dict[str, DataJob], init=False, repr=False)
    tasks: dict[str, str] = field(factory=dict[str, str], init=False, repr=False)
    file_names: dict[str, str] = field(factory=dict[str, str], init=False, repr=False)
    benchmark_names: dict[str, str] = field(factory=dict[str, str], init=False, repr=False)
    born: dict[str, float] = field(factory=dict[str, float], init=False, repr=False)
    last_rows: dict[str, tuple[object, dict[str, Any]]] = field(
        factory=dict[str, tuple[object, dict[str, Any]]], init=False, repr=False
    )
    """What is told of an alignment from its end on, by its id; with the settings that it depends on."""
    counts: Counter[str] = field(factory=Counter[str], init=False, repr=False)

    def new_id(self, prefix: str, now: float) -> str:
        """A fresh id, the same in every run of the same seed."""
        self.counts[prefix] += 1
        ordinal = self.counts[prefix]
        tail = Random(f"{self.seed}/{prefix}/{ordinal}").randrange(16**4)
        made = f"{prefix}-{ordinal:05d}{tail:04x}"
        self.born[made] = now
        return made

    def course(
        self, kind: Kind, id: str, now: float, *, span: Span | None = None
    ) -> dict[str, Any]:
        """The whole course of a new job: its times, its end, what it will show on the way."""
        dice = Random(f"{self.seed}/course/{id}")
        length = (span or self.times.of(kind)).draw(dice) / self.speed
        queue = self.times.queue.draw(dice) / self.speed if kind == "alignment" else 0.0
        factor = estimate_factor(self.estimates, dice)
        estimate = None if factor is None else (queue + length) * factor
        fate, when = dice.random(), dice.random()
        share = self.failures.get(kind, 0.0)
        outcome, error = "ready", None
        if fate < share:
            outcome, error = "failed", _REASONS[kind]
            early = min(length, _EARLY_FAILURE / self.speed)
            length = dice.choice((early, length)) * when
        elif fate < share + self.stopped and kind in ("alignment", "training_pairs"):
            outcome, length = "stopped", length * when
        ended = now + queue + length
        return {
            "id": id,
            "created": now,
            "started": now + queue,
            "worked": ended,
            "ended": ended,
            "outcome": outcome,
            "error": error,
            "shape": self.progress,
            "estimate": estimate,
        }

    def at(self, moment: float) -> datetime:
        """A moment of the world as a date."""
        return self.epoch + timedelta(seconds=moment)

    def base_model(self, id: str) -> BaseModel | None:
        """A base model by id."""
        return next((model for model in self.base_models if model.id == id), None)

    def skill(self, model_id: str, topic: str) -> Skill:
        """How well a base or aligned model does on a topic (a benchmark, or an alignment)."""
        model = self.models.get(model_id)
        if model is None:
            return base_skill(self.seed, model_id, topic)
        return aligned_skill(self.seed, self.skill(model.base_model, topic), model.alignment_id)

    def known_model(self, id: str, now: float) -> bool:
        """Whether requests may name this model at a moment."""
        model = self.models.get(id)
        if model is not None:
            return self.alignments[model.alignment_id].model_id_from <= now
        return self.trusting or self.base_model(id) is not None

    def check_documents(self, ids: list[str], now: float) -> None:
        """Refuse ids that nobody uploaded, or that are not ready to be used."""
        for each in ids:
            document = self.documents.get(each)
            if document is None and self.trusting:
                continue
            ready = document is not None and (
                not self.documents_must_be_ready or document.phase(now) == "ready"
            )
            if not ready:
                raise Refused(404, f"Document not found or does not belong to user: {each}")

    def add_document(self, id: str | None = None, *, filename: str = "notes.txt") -> Document:
        """Put a ready document into the world, without a request."""
        made = id or self.new_id("doc", 0.0)
        document = Document(
            id=made,
            created=0.0,
            started=0.0,
            worked=0.0,
            ended=0.0,
            filename=filename,
            type="text/plain",
            size=0,
            sha256="",
            task=self.new_task(made),
        )
        self.documents[made] = document
        return document

    def add_benchmark(self, id: str | None = None, *, size: int = 10) -> Benchmark:
        """Put a ready benchmark into the world, without a request."""
        made = id or self.new_id("benchmark", 0.0)
        benchmark = Benchmark(
            id=made,
            created=0.0,
            started=0.0,
            worked=0.0,
            ended=0.0,
            name=made,
            document_ids=[],
            size=size,
            source="generated",
        )
        self.benchmarks[made] = benchmark
        return benchmark

    def new_task(self, document_id: str) -> int:
        """The number under which an upload of the second generation can be asked for."""
        self.counts["task"] += 1
        task = 12344 + self.counts["task"]
        self.tasks[str(task)] = document_id
        return task
