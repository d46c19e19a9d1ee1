"""Which word means what, for each kind of job."""

from __future__ import annotations

from typing import Any

import pytest

from nugen_async._core.codec import structure
from nugen_async._core.schedule import Hints, Phase
from nugen_async.resources._records import Job
from nugen_async.resources.alignments import Alignment
from nugen_async.resources.benchmarks import Benchmark
from nugen_async.resources.data_jobs import DataJob
from nugen_async.resources.documents import Document
from nugen_async.resources.evaluations import Evaluation
from nugen_async.resources.ingestion import IngestionJob
from nugen_async.resources.models import AlignedModel, Deployment, Undeployment
from nugen_async.resources.training_pairs import TrainingPairsJob

NUGEN: tuple[type[Any], ...] = (
    Alignment,
    Evaluation,
    Benchmark,
    Document,
    Deployment,
    Undeployment,
)
MOVES, ENDS, FAILS, STOPS, ODD = (
    Phase.RUNNING,
    Phase.READY,
    Phase.FAILED,
    Phase.CANCELLED,
    Phase.UNKNOWN,
)

# Columns as in NUGEN; the rows are the words that have been seen.
WORDS: dict[str, tuple[Phase, ...]] = {
    "QUEUED": (MOVES,) * 6,
    "pending": (MOVES,) * 6,
    "PROCESSING": (MOVES,) * 6,
    "Processing": (MOVES,) * 6,
    "in_progress": (MOVES,) * 6,
    "In Progress": (MOVES,) * 6,
    "in-progress": (MOVES,) * 6,
    "EVALUATING": (MOVES, MOVES, ODD, ODD, MOVES, MOVES),
    "READY": (ENDS, ENDS, ENDS, ENDS, MOVES, MOVES),
    "COMPLETED": (ENDS,) * 6,
    "completed": (ENDS,) * 6,
    "EVALUATED": (ENDS, ENDS, ODD, ODD, MOVES, MOVES),
    "uploaded": (ODD, ODD, ENDS, ENDS, ODD, ODD),
    "DEPLOYING": (ENDS, ODD, ODD, ODD, MOVES, MOVES),
    "DEPLOYED": (ENDS, ODD, ODD, ODD, ENDS, MOVES),
    "UNDEPLOYING": (ENDS, ODD, ODD, ODD, MOVES, MOVES),
    "UNDEPLOYED": (ENDS, ODD, ODD, ODD, MOVES, ENDS),
    "FAILED": (FAILS,) * 6,
    "failed": (FAILS,) * 6,
    "ERROR": (FAILS,) * 6,
    "STOPPED": (STOPS,) * 6,
    "c": (ODD,) * 6,
    "ACTIVE": (ODD,) * 6,
}


@pytest.mark.parametrize("word", WORDS)
def test_a_word_means_this_to_each_kind(word: str) -> None:
    assert tuple(kind(id="x", status=word).phase for kind in NUGEN) == WORDS[word]


SEEKR: dict[str, tuple[Phase, ...]] = {
    "pending": (MOVES, MOVES, MOVES),
    "queued": (MOVES, MOVES, MOVES),
    "running": (MOVES, MOVES, MOVES),
    "file_processing": (ODD, MOVES, ODD),
    "needs_review": (ODD, Phase.PARKED, ODD),
    "ready_to_start": (ODD, Phase.PARKED, ODD),
    "completed": (ENDS, ENDS, ENDS),
    "failed": (FAILS, FAILS, FAILS),
    "cancelled": (STOPS, STOPS, STOPS),
    "stopped": (STOPS, STOPS, STOPS),
    "resting": (ODD, ODD, ODD),
}


@pytest.mark.parametrize("word", SEEKR)
def test_a_word_of_seekrflow_means_this(word: str) -> None:
    kinds: tuple[type[Job], ...] = (TrainingPairsJob, DataJob, IngestionJob)
    assert tuple(kind(id="x", status=word).phase for kind in kinds) == SEEKR[word]


TRAPS: list[tuple[type[Any], dict[str, Any], Phase]] = [
    (Deployment, {"status": "READY"}, MOVES),
    (Deployment, {"status": "READY", "end_time": "2024-02-24T10:05:00Z"}, ENDS),
    (Deployment, {"status": "READY", "result": {"endpoint_url": "https://x"}}, ENDS),
    (Deployment, {"status": "READY", "end_time": "2024-02-24T10:05:00Z", "error": "x"}, FAILS),
    (Deployment, {"status": "COMPLETED", "result": {"error": "x"}}, FAILS),
    (Deployment, {"status": "UNDEPLOYED", "error": None}, MOVES),
    (Deployment, {"status": "UNDEPLOYED", "error": "provider error"}, FAILS),
    (Deployment, {"deployment_status": "DEPLOYED"}, ENDS),
    (Undeployment, {"status": "UNDEPLOYED", "error": "of long ago"}, ENDS),
    (Undeployment, {"status": "DEPLOYED", "error": "x"}, FAILS),
    (Undeployment, {"status": "READY", "end_time": "2024-02-24T10:05:00Z"}, ENDS),
    (Alignment, {"status": "PROCESSING", "model_id": "m"}, MOVES),
    (Alignment, {"status": "pending", "data": {"status": "COMPLETED", "id": "x"}}, MOVES),
]


@pytest.mark.parametrize(("kind", "body", "phase"), TRAPS)
def test_a_trap_is_seen(kind: type[Any], body: dict[str, Any], phase: Phase) -> None:
    assert structure(body, kind, "x").phase is phase


@pytest.mark.parametrize(
    ("body", "serving"),
    [
        ({"deployment_status": "DEPLOYED", "status": "READY"}, True),
        ({"deployment_status": "READY", "status": "DEPLOYED"}, False),
        ({"status": "deployed"}, True),
        ({"status": "READY"}, False),
        ({}, False),
    ],
)
def test_a_model_serves_only_when_deployed(body: dict[str, Any], serving: bool) -> None:
    assert structure({"id": "m", **body}, AlignedModel).serving is serving


REASONS: list[tuple[type[Any], dict[str, Any], str]] = [
    (Alignment, {"error": "no room", "stage_failures": ["train", "eval"]}, "no room: train; eval"),
    (Alignment, {"stage_failures": "train"}, "train"),
    (
        Alignment,
        {
            "stage_failures": [
                {"stage": "train", "error": {"message": "no memory"}},
                {"name": "eval"},
            ]
        },
        "train: no memory; eval",
    ),
    (Alignment, {"error": {"message": "no room"}}, "no room"),
    (Deployment, {"result": {"error": "no room"}}, "no room"),
    (DataJob, {"status": "ready_to_start"}, "start it with data_jobs.start()"),
    (DataJob, {"status": "failed", "alignment_job": {"status_message": "x"}}, "x"),
    (TrainingPairsJob, {"status": "failed", "created_at": 0, "status_message": "x"}, "x"),
    (Evaluation, {"status": "FAILED"}, ""),
]


@pytest.mark.parametrize(("kind", "body", "reason"), REASONS)
def test_a_failure_says_why(kind: type[Any], body: dict[str, Any], reason: str) -> None:
    assert structure(body, kind, "x").reason == reason


HINTS: list[tuple[type[Any], dict[str, Any], Hints]] = [
    (Alignment, {"progress": 25, "eta_seconds": 90}, Hints(progress=0.25, left=90.0)),
    (Alignment, {"progress": 250, "queue_position": 3}, Hints(progress=1.0, queue_position=3)),
    (Alignment, {"estimated_completion": "soon"}, Hints()),
    (Evaluation, {"progress": "3/10 questions", "eta_seconds": 300}, Hints(progress=0.3, left=300)),
    (
        Evaluation,
        {
            "questions_completed": 3,
            "total_questions": 10,
            "avg_time_per_question": 15.5,
            "eta_seconds": 300,
        },
        Hints(progress=0.3, left=108.5),
    ),
    (Evaluation, {"progress": "starting"}, Hints()),
    (Evaluation, {"progress": "0/0 questions"}, Hints()),
    (Document, {"processing_progress": 65}, Hints(progress=0.65)),
    (TrainingPairsJob, {"created_at": 0, "eta_minutes": 2, "progress": 50}, Hints(0.5, 120.0)),
    (DataJob, {"alignment_job": {"progress": 50, "eta_minutes": 1}}, Hints(0.5, 60.0)),
]


@pytest.mark.parametrize(("kind", "body", "hints"), HINTS)
def test_a_snapshot_tells_of_the_time_to_come(
    kind: type[Any], body: dict[str, Any], hints: Hints
) -> None:
    assert structure({"status": "running", **body}, kind, "x").hints() == hints
