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
from .errors import *  # noqa: F403 # the whole tree, by its __all__
from .errors import __all__ as _errors
from .resources._uploads import Upload, UploadProgress
from .resources.agents import Agent, AgentAnswer, AgentMetrics, AgentTokens, AgentUsage
from .resources.alignments import Alignment, AlignmentMetrics
from .resources.benchmarks import Benchmark, Question
from .resources.data_jobs import DataJob, SystemPrompt
from .resources.documents import Category, Document
from .resources.evaluations import AnswerResult, Evaluation, EvaluationMetrics, EvaluationResults
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

__all__ = [  # noqa: PLE0604 # the errors export their own
    *_errors,
    "Upload",
    "UploadProgress",
    "TrainingPairsJob",
    "OutputFile",
    "FileCheck",
    "File",
    "IngestionJob",
    "SystemPrompt",
    "DataJob",
    "SeekrFlow",
    "Agent",
    "AgentAnswer",
    "AgentMetrics",
    "AgentTokens",
    "AgentUsage",
    "AlignedModel",
    "Alignment",
    "AlignmentMetrics",
    "AnswerResult",
    "BaseModel",
    "Benchmark",
    "Cancelled",
    "Category",
    "Choice",
    "Completion",
    "CompletionStream",
    "Deployment",
    "Document",
    "Embedding",
    "Embeddings",
    "Evaluation",
    "EvaluationMetrics",
    "EvaluationResults",
    "Failed",
    "Message",
    "ModelMetrics",
    "Nugen",
    "Outcome",
    "Page",
    "Parked",
    "Phase",
    "Question",
    "RawResponse",
    "Ready",
    "Schedule",
    "Stalled",
    "TimedOut",
    "Timeout",
    "Undeployment",
    "Unreachable",
    "Usage",
]
