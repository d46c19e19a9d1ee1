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
    from ._core.schedule import Phase, Schedule
    from ._core.transport import Timeout
    from .client import Nugen, RawResponse, SeekrFlow
    from .resources._uploads import Upload, UploadProgress
    from .resources.agents import Agent, AgentAnswer, AgentMetrics, AgentTokens, AgentUsage
    from .resources.alignments import Alignment, AlignmentMetrics
    from .resources.benchmarks import Benchmark, Question
    from .resources.data_jobs import DataJob, SystemPrompt
    from .resources.documents import Category, Document
    from .resources.evaluations import (
        AnswerResult,
        Evaluation,
        EvaluationMetrics,
        EvaluationResults,
    )
    from .resources.inference import (
        Choice,
        Completion,
        CompletionStream,
        Embedding,
        Embeddings,
        Message,
        Usage,
    )
    from .resources.ingestion import IngestionJob
    from .resources.models import AlignedModel, BaseModel, Deployment, ModelMetrics, Undeployment
    from .resources.seekr_files import File, FileCheck
    from .resources.training_pairs import OutputFile, TrainingPairsJob

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
    "AlignedModel",
    "Alignment",
    "AlignmentMetrics",
    "AnswerResult",
    "AuthenticationError",
    "BadRequestError",
    "BaseModel",
    "Benchmark",
    "Cancelled",
    "Category",
    "Choice",
    "ClientClosedError",
    "ClientStateError",
    "Completion",
    "CompletionStream",
    "ConfigurationError",
    "ConflictError",
    "CreateOutcomeUnknownError",
    "DataJob",
    "DecodeError",
    "Deployment",
    "Detail",
    "Document",
    "Embedding",
    "Embeddings",
    "Evaluation",
    "EvaluationMetrics",
    "EvaluationResults",
    "Failed",
    "File",
    "FileCheck",
    "IngestionJob",
    "InvalidRequestError",
    "JobCancelledError",
    "JobError",
    "JobFailedError",
    "JobParkedError",
    "JobStalledError",
    "JobUnreachableError",
    "Message",
    "ModelMetrics",
    "NotFoundError",
    "Nugen",
    "NugenError",
    "Outcome",
    "OutputFile",
    "Page",
    "Parked",
    "PayloadTooLargeError",
    "PaymentRequiredError",
    "PermissionDeniedError",
    "Phase",
    "Problem",
    "Question",
    "RateLimitError",
    "RawResponse",
    "Ready",
    "Schedule",
    "SeekrFlow",
    "ServerError",
    "Stalled",
    "SystemPrompt",
    "TimedOut",
    "Timeout",
    "TrainingPairsJob",
    "Undeployment",
    "UnprocessableEntityError",
    "Unreachable",
    "Upload",
    "UploadProgress",
    "Usage",
    "WaitTimeoutError",
    "printable",
]

_HOMES = {
    "_core.outcome": "Cancelled Failed Outcome Parked Ready Stalled TimedOut Unreachable",
    "_core.page": "Page",
    "_core.schedule": "Phase Schedule",
    "_core.transport": "Timeout",
    "client": "Nugen RawResponse SeekrFlow",
    "resources._uploads": "Upload UploadProgress",
    "resources.agents": "Agent AgentAnswer AgentMetrics AgentTokens AgentUsage",
    "resources.alignments": "Alignment AlignmentMetrics",
    "resources.benchmarks": "Benchmark Question",
    "resources.data_jobs": "DataJob SystemPrompt",
    "resources.documents": "Category Document",
    "resources.evaluations": "AnswerResult Evaluation EvaluationMetrics EvaluationResults",
    "resources.inference": "Choice Completion CompletionStream Embedding Embeddings Message Usage",
    "resources.ingestion": "IngestionJob",
    "resources.models": "AlignedModel BaseModel Deployment ModelMetrics Undeployment",
    "resources.seekr_files": "File FileCheck",
    "resources.training_pairs": "OutputFile TrainingPairsJob",
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
