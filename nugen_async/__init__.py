"""An asyncio client for the Nugen Intelligence API, with SeekrFlow's alignment jobs beside it.

General layout, top to bottom; imports only go down:

cli, testing, integrations   for who asks for them
report, batch, workflows     recipes over many nouns, and what survives a crash
client                       `Nugen` and `SeekrFlow`: one attribute per noun
resources | simulator        one module per noun; a server of one's own
_core                        decisions (pure), and the few modules with effects
errors                       one tree of plain data
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ClientClosedError,
    ClientStateError,
    ConfigurationError,
    ConflictError,
    CreateOutcomeUnknownError,
    DecodeError,
    Detail,
    InvalidRequestError,
    JobCancelledError,
    JobError,
    JobFailedError,
    JobParkedError,
    JobStalledError,
    JobUnreachableError,
    NotFoundError,
    NugenError,
    PayloadTooLargeError,
    PaymentRequiredError,
    PermissionDeniedError,
    Problem,
    RateLimitError,
    ServerError,
    UnprocessableEntityError,
    WaitTimeoutError,
    printable,
)

if TYPE_CHECKING:
    from ._client import RawResponse
    from ._core.age import Seen
    from ._core.delays import DelayFactory
    from ._core.outcome import (
        Cancelled,
        Failed,
        Outcome,
        Parked,
        Ready,
        Stalled,
        TimedOut,
        Unreachable,
    )
    from ._core.page import Page
    from ._core.reconcile import OnUnknown
    from ._core.schedule import Hints, Phase, Schedule
    from ._core.settings import Timeout
    from ._core.sinks import OnUpdate
    from ._core.waiters import ScheduleLike
    from .client import Nugen, SeekrFlow
    from .resources._completions import Choice, Completion, CompletionStream, Message, Usage
    from .resources._lifecycle import Lifecycle
    from .resources._lists import Listing
    from .resources._records import Job, Resource
    from .resources._uploads import Content, FileSource, OnProgress, Upload, UploadProgress
    from .resources.agents import Agent, AgentAnswer, AgentMetrics, Agents, AgentTokens, AgentUsage
    from .resources.alignments import Alignment, AlignmentMetrics, Alignments
    from .resources.benchmarks import Benchmark, Benchmarks, Question, QuestionLike
    from .resources.data_jobs import DataJob, DataJobs, JobType, SystemPrompt
    from .resources.documents import Category, Document, Documents
    from .resources.evaluations import (
        AnswerResult,
        Evaluation,
        EvaluationMetrics,
        EvaluationResults,
        Evaluations,
    )
    from .resources.inference import (
        ChatOptions,
        CompletionOptions,
        Embedding,
        EmbeddingOptions,
        Embeddings,
        Inference,
        MessageLike,
        Prompt,
    )
    from .resources.ingestion import Ingestion, IngestionJob
    from .resources.models import (
        AlignedModel,
        BaseModel,
        Deployment,
        Deployments,
        ModelMetrics,
        Models,
        Undeployment,
        Undeployments,
    )
    from .resources.seekr_files import File, FileCheck, Files
    from .resources.training_pairs import OutputFile, TrainingPairs, TrainingPairsJob

__all__ = [
    "APIConnectionError",
    "APIError",
    "APIStatusError",
    "APITimeoutError",
    "Agent",
    "AgentAnswer",
    "AgentMetrics",
    "AgentTokens",
    "AgentUsage",
    "Agents",
    "AlignedModel",
    "Alignment",
    "AlignmentMetrics",
    "Alignments",
    "AnswerResult",
    "AuthenticationError",
    "BadRequestError",
    "BaseModel",
    "Benchmark",
    "Benchmarks",
    "Cancelled",
    "Category",
    "ChatOptions",
    "Choice",
    "ClientClosedError",
    "ClientStateError",
    "Completion",
    "CompletionOptions",
    "CompletionStream",
    "ConfigurationError",
    "ConflictError",
    "Content",
    "CreateOutcomeUnknownError",
    "DataJob",
    "DataJobs",
    "DecodeError",
    "DelayFactory",
    "Deployment",
    "Deployments",
    "Detail",
    "Document",
    "Documents",
    "Embedding",
    "EmbeddingOptions",
    "Embeddings",
    "Evaluation",
    "EvaluationMetrics",
    "EvaluationResults",
    "Evaluations",
    "Failed",
    "File",
    "FileCheck",
    "FileSource",
    "Files",
    "Hints",
    "Inference",
    "Ingestion",
    "IngestionJob",
    "InvalidRequestError",
    "Job",
    "JobCancelledError",
    "JobError",
    "JobFailedError",
    "JobParkedError",
    "JobStalledError",
    "JobType",
    "JobUnreachableError",
    "Lifecycle",
    "Listing",
    "Message",
    "MessageLike",
    "ModelMetrics",
    "Models",
    "NotFoundError",
    "Nugen",
    "NugenError",
    "OnProgress",
    "OnUnknown",
    "OnUpdate",
    "Outcome",
    "OutputFile",
    "Page",
    "Parked",
    "PayloadTooLargeError",
    "PaymentRequiredError",
    "PermissionDeniedError",
    "Phase",
    "Problem",
    "Prompt",
    "Question",
    "QuestionLike",
    "RateLimitError",
    "RawResponse",
    "Ready",
    "Resource",
    "Schedule",
    "ScheduleLike",
    "SeekrFlow",
    "Seen",
    "ServerError",
    "Stalled",
    "SystemPrompt",
    "TimedOut",
    "Timeout",
    "TrainingPairs",
    "TrainingPairsJob",
    "Undeployment",
    "Undeployments",
    "UnprocessableEntityError",
    "Unreachable",
    "Upload",
    "UploadProgress",
    "Usage",
    "WaitTimeoutError",
    "printable",
]

_HOMES = {
    "_core.age": "Seen",
    "_core.delays": "DelayFactory",
    "_core.outcome": "Cancelled Failed Outcome Parked Ready Stalled TimedOut Unreachable",
    "_core.page": "Page",
    "_core.reconcile": "OnUnknown",
    "_core.schedule": "Hints Phase Schedule",
    "_core.sinks": "OnUpdate",
    "_core.settings": "Timeout",
    "_core.waiters": "ScheduleLike",
    "_client": "RawResponse",
    "client": "Nugen SeekrFlow",
    "resources._completions": "Choice Completion CompletionStream Message Usage",
    "resources._lifecycle": "Lifecycle",
    "resources._records": "Job Resource",
    "resources._lists": "Listing",
    "resources._uploads": "Content FileSource OnProgress Upload UploadProgress",
    "resources.agents": "Agent AgentAnswer AgentMetrics AgentTokens AgentUsage Agents",
    "resources.alignments": "Alignment AlignmentMetrics Alignments",
    "resources.benchmarks": "Benchmark Benchmarks Question QuestionLike",
    "resources.data_jobs": "DataJob DataJobs JobType SystemPrompt",
    "resources.documents": "Category Document Documents",
    "resources.evaluations": (
        "AnswerResult Evaluation EvaluationMetrics EvaluationResults Evaluations"
    ),
    "resources.inference": (
        "ChatOptions CompletionOptions Embedding EmbeddingOptions Embeddings Inference "
        "MessageLike Prompt"
    ),
    "resources.ingestion": "Ingestion IngestionJob",
    "resources.models": (
        "AlignedModel BaseModel Deployment Deployments ModelMetrics Models Undeployment "
        "Undeployments"
    ),
    "resources.seekr_files": "File FileCheck Files",
    "resources.training_pairs": "OutputFile TrainingPairs TrainingPairsJob",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    """Import a public name at its first use: who wants an error or the simulator needs no client."""
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{home}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
