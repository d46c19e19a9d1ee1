"""Every entry of the examples, decoded into the value that it means or sent as it stands."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from nugen_async import Nugen
from nugen_async._core.codec import dumps, structure
from nugen_async._core.interpret import refusal
from nugen_async._core.page import Page
from nugen_async._core.schedule import Phase
from nugen_async._core.wire import Response
from nugen_async.errors import ConflictError, Problem
from nugen_async.resources._completions import Completion
from nugen_async.resources.agents import Agent, AgentAnswer, AgentTokens
from nugen_async.resources.alignments import Alignment, AlignmentMetrics
from nugen_async.resources.benchmarks import Benchmark, Question
from nugen_async.resources.documents import Category, Document, UploadReceipt
from nugen_async.resources.evaluations import (
    AnswerResult,
    Evaluation,
    EvaluationMetrics,
    EvaluationResults,
)
from nugen_async.resources.models import AlignedModel, Deployment, ModelMetrics, Undeployment

from .canned import canned

EXAMPLES: dict[str, dict[str, Any]] = {
    entry["id"]: entry
    for entry in json.loads((Path(__file__).parents[1] / "data" / "examples.json").read_text())
}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


DEPLOYED: dict[str, Any] = {
    "id": "alignment-xyz789-deployed",
    "name": "customer_support_model",
    "base_model": "nugen-flash-instruct",
    "alignment_project": "Customer Support Alignment",
    "alignment_id": "alignment-xyz789",
    "created_date": at("2024-01-15T10:30"),
    "status": "DEPLOYED",
    "deployment_status": "DEPLOYED",
    "serving": True,
    "endpoint": "https://api.nugen.in/api/v3/inference/completions/alignment-xyz789-deployed",
    "creator": "user@example.com",
    "usage_count": 150,
    "last_used": at("2024-01-20T14:30"),
    "performance_metrics": ModelMetrics(
        accuracy=0.92, uncertainty=0.15, domain_violations=2, average_response_time=1.2
    ),
    "downloadable": True,
    "conversation_saving_enabled": True,
}
DONE: dict[str, Any] = {
    "id": "alignment-abc123",
    "name": "Customer Support Model",
    "base_model": "nugen-flash-instruct",
    "created_date": at("2024-01-15T10:30"),
    "completed_date": at("2024-01-15T12:45"),
    "documents": ("doc-abc123", "doc-def456", "doc-ghi789"),
    "document_count": 3,
    "creator": "user@example.com",
    "evaluation_id": "eval-xyz789",
    "model_id": "alignment-abc123-deployed",
    "performance_metrics": AlignmentMetrics(
        accuracy_before=0.75,
        accuracy_after=0.92,
        uncertainty_before=0.35,
        uncertainty_after=0.15,
        domain_violations_before=12,
        domain_violations_after=2,
    ),
    "progress": 100.0,
    "error": None,
}
AGENT: dict[str, Any] = {
    "id": "agent-12345",
    "name": "Customer Support Agent",
    "description": "Answers support questions",
    "base_model": "nugen-flash-instruct",
    "base_model_name": "Nugen Flash Instruct",
    "created_date": at("2024-01-15T10:30"),
    "active": True,
    "creator": "youremail@domain.com",
    "system_prompt": "Be a helpful support assistant.",
    "temperature": 0.7,
    "usage_count": 150,
    "last_used": at("2024-01-20T14:30"),
    "conversation_saving_enabled": True,
    "notes": ("$: read under another name: temperature from 'uncertainty_threshold'",),
}

ANSWERS: dict[str, tuple[Any, dict[str, Any] | list[dict[str, Any]]]] = {
    "ex002": (
        Alignment,
        {"id": "alignment-xyz789", "status": "PROCESSING", "phase": Phase.RUNNING},
    ),
    "ex004": (Alignment, {"id": "alignment-project-123", "status": "PROCESSING", "notes": ()}),
    "ex005": (
        Page[AlignedModel],
        [
            {
                **DEPLOYED,
                "id": "aligned-model-01kmqm4nrn9fw6r",
                "endpoint": "https://api.example.com/v1/models/alignment-xyz789",
                "performance_metrics": ModelMetrics(
                    accuracy_before=0.75,
                    accuracy_after=0.92,
                    uncertainty_before=0.35,
                    uncertainty_after=0.15,
                    domain_violations_before=12,
                    domain_violations_after=2,
                ),
                "evaluation_data": {"accuracy": 0.92, "total_questions": 50},
                "notes": (),
            }
        ],
    ),
    "ex006": (
        Page[AlignedModel],
        [
            {**DEPLOYED, "notes": ()},
            {
                "id": "alignment-abc456",
                "name": "legal_document_assistant",
                "status": "UNDEPLOYED",
                "deployment_status": "UNDEPLOYED",
                "serving": False,
                "endpoint": "",
                "last_used": None,
                "usage_count": 0,
                "downloadable": False,
                "performance_metrics": ModelMetrics(
                    accuracy=0.88,
                    uncertainty=0.18,
                    domain_violations=3,
                    average_response_time=0.0,
                ),
                "notes": (),
            },
        ],
    ),
    "ex007": (Page[AlignedModel], [{**DEPLOYED, "notes": ()}]),
    "ex011": (Page[AlignedModel], [{**DEPLOYED, "conversation_saving_enabled": False}]),
    "ex014": (
        Evaluation,
        {
            "id": "eval-xyz789",
            "model_id": "aligned-model-01kmqm4nrn9fw6r",
            "status": "PROCESSING",
            "benchmark_id": "task-abc123",
            "created_at": at("2024-01-15T10:30"),
            "message": "Evaluation created successfully and queued for execution",
            "notes": (),
        },
    ),
    "ex016": (Evaluation, {"id": "eval-abc123", "model_id": "model-xyz789", "notes": ()}),
    "ex020": (Alignment, {"id": "alignment-project-123", "phase": Phase.RUNNING}),
    "ex022": (
        Alignment,
        {
            **DONE,
            "status": "pending",
            "inner_status": "COMPLETED",
            "phase": Phase.RUNNING,
            "start_time": at("2024-01-15T10:30"),
            "end_time": at("2024-01-15T12:30"),
        },
    ),
    "ex025": (Alignment, {**DONE, "status": "COMPLETED", "phase": Phase.READY, "notes": ()}),
    "ex031": (Evaluation, {"id": "eval-abc123", "status": "pending", "phase": Phase.RUNNING}),
    "ex033": (
        Evaluation,
        {
            "id": "eval-abc123",
            "phase": Phase.RUNNING,
            "progress": "3/10 questions",
            "questions_completed": 3,
            "total_questions": 10,
            "avg_time_per_question": 15.5,
            "eta_seconds": 300.0,
            "start_time": at("2024-02-24T10:00"),
            "end_time": at("2024-02-24T10:05"),
        },
    ),
    "ex035": (Evaluation, {"id": "eval-xyz789", "questions_completed": 5, "eta_seconds": 62.0}),
    "ex038": (Evaluation, {"id": "eval-xyz789", "status": "pending", "total_questions": 10}),
    "ex041": (
        EvaluationResults,
        {
            "id": "eval-xyz789",
            "model_id": "aligned-model-01kmqm4nrn9fw6r",
            "method": "eval",
            "raw_answers_count": 10,
            "completed_at": at("2024-01-15T10:45"),
            "metrics": EvaluationMetrics(
                accuracy=0.92,
                relevance=0.88,
                average_score=0.9,
                total_questions=10,
                correct_answers=9,
            ),
            "notes": (),
        },
    ),
    "ex045": (
        EvaluationResults,
        {
            "id": "eval-xyz789",
            "detailed_results": (
                AnswerResult(
                    question="What is it for?",
                    expected_answer="For ...",
                    model_answer="It is for ...",
                    score=0.95,
                ),
            ),
            "created_at": at("2024-01-15T10:30"),
        },
    ),
    "ex054": (
        Benchmark,
        {
            "id": "benchmark-xyz789",
            "benchmark_name": "Customer Support Q&A",
            "phase": Phase.READY,
            "num_questions": 2,
            "questions": (
                Question(
                    question_num=1,
                    question="How is a password reset?",
                    answer="With the link on the sign-in page.",
                ),
                Question(
                    question_num=2,
                    question="What does it need to run?",
                    answer="A current web browser.",
                ),
            ),
        },
    ),
    "ex057": (
        Benchmark,
        {
            "id": "task-abc123",
            "benchmark_name": "Benchmark_doc-123",
            "phase": Phase.READY,
            "start_time": at("2024-01-15T10:30"),
            "end_time": at("2024-01-15T10:32:45"),
        },
    ),
    "ex061": (
        Benchmark,
        {
            "id": "benchmark-123",
            "phase": Phase.RUNNING,
            "num_questions": 10,
            "updated_at": at("2024-01-15T12:30"),
            "s3_url": "https://s3.amazonaws.com/benchmark-123.zip",
            "documents": ("doc-abc123", "doc-def456"),
            "questions": (
                Question(
                    question_num=1, question="Can goods be returned?", answer="Within thirty days."
                ),
            ),
            "error": "<string>",
        },
    ),
    "ex065": (UploadReceipt, {"document_ids": ("12345", "12346")}),
    "ex067": (
        Page[Document],
        [
            {
                "id": "doc-abc123",
                "filename": "quarterly_report.pdf",
                "type": "application/pdf",
                "size": 102400,
                "upload_date": at("2024-01-15T10:30"),
                "phase": Phase.READY,
                "categories": ("financial", "2024"),
                "uploader": "someone@example.com",
                "processing_progress": 100.0,
            },
            {"id": "doc-xyz789", "phase": Phase.RUNNING, "processing_progress": 65.0},
        ],
    ),
    "ex070": (Deployment, {"id": "alignment-xyz789", "phase": Phase.RUNNING, "result": None}),
    "ex072": (
        Deployment,
        {"phase": Phase.FAILED, "reason": "Not enough resources to deploy", "deployment_id": None},
    ),
    "ex074": (
        Deployment,
        {
            "id": "aligned-model-01kmqm4nrn9fw6r",
            "phase": Phase.READY,
            "deployment_id": "deploy-abc123",
            "endpoint_url": "https://api.example.com/v1/models/alignment-xyz789",
            "end_time": at("2024-02-24T10:05"),
        },
    ),
    "ex077": (Undeployment, {"id": "<string>", "phase": Phase.RUNNING, "result": {}}),
    "ex079": (
        Undeployment,
        {"id": "alignment-xyz789", "phase": Phase.READY, "message": "The model was undeployed"},
    ),
    "ex101": (Agent, AGENT),
    "ex104": (
        Page[Agent],
        [{"id": "agent-123", "active": True, "usage_count": 42, "system_prompt": None}],
    ),
    "ex106": (Agent, AGENT),
    "ex112": (
        AgentAnswer,
        {
            "agent_id": "agent-123",
            "response": "Hello, what do you need?",
            "usage": AgentTokens(input_tokens=50, output_tokens=100, total_tokens=150),
        },
    ),
    "ex126": (
        Alignment,
        {
            "id": "alignment_01exampleexample03",
            "phase": Phase.RUNNING,
            "progress": None,
            "queue_position": 3,
            "early_deployable": False,
        },
    ),
    "ex132": (Deployment, {"id": "model_01exampleexample04", "phase": Phase.READY}),
    "ex134": (Deployment, {"phase": Phase.FAILED, "reason": "provider error"}),
    "ex135": (
        Deployment,
        {
            "phase": Phase.FAILED,
            "reason": "Redeployment failed and was reverted to READY status",
        },
    ),
    "ex138": (Completion, {"object": "confidence", "confidence_score": 93.5, "choices": ()}),
}


def facts(record: Any, names: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in names}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_means_this(name: str) -> None:
    into, expected = ANSWERS[name]
    body = EXAMPLES[name]["body"]
    made = structure(body, into)
    if isinstance(expected, dict):
        assert facts(made, expected) == expected
        return
    assert made.notes == ()
    assert [facts(row, want) for row, want in zip(made, expected, strict=True)] == expected


def test_categories_are_the_other_list_of_the_documents() -> None:
    page = structure(EXAMPLES["ex067"]["body"], Page[Category])
    assert [(row.name, row.count) for row in page] == [
        ("financial", 5),
        ("2024", 12),
        ("meetings", 8),
    ]


REFUSALS: dict[str, Any] = {
    "ex008": "Bad request",
    "ex009": "No aligned models found",
    "ex010": (Problem(("header", "Authorization"), "field required", "value_error.missing"),),
    "ex117": {"document_id": "document_01exampleexample01"},
    "ex139": None,
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_says_this(name: str) -> None:
    entry = EXAMPLES[name]
    raw = entry["body"]
    body = raw.encode() if isinstance(raw, str) else dumps(raw)
    error = refusal(Response(entry["http_status"], {}, body), "GET", "/x", 0.0)
    assert error.detail == REFUSALS[name]
    if isinstance(error, ConflictError):
        assert error.existing_id == "document_01exampleexample01"


Ask = Callable[[Nugen, dict[str, Any]], Awaitable[Any]]
ALIGN: Ask = lambda n, b: n.alignments.create(**b)  # noqa: E731 # a row reads best on a line
EVALUATE: Ask = lambda n, b: n.evaluations.create(**b)  # noqa: E731
COMPLETE: Ask = lambda n, b: n.inference.complete(**b)  # noqa: E731
CHAT: Ask = lambda n, b: n.inference.chat(**b)  # noqa: E731
EMBED: Ask = lambda n, b: n.inference.embed(**b)  # noqa: E731
AGENT_MADE: Ask = lambda n, b: n.agents.create(**b)  # noqa: E731

REQUESTS: dict[str, tuple[Ask, dict[str, Any]]] = {
    "ex001": (ALIGN, {}),
    "ex003": (ALIGN, {}),
    "ex012": (EVALUATE, {}),
    "ex013": (EVALUATE, {}),
    "ex015": (EVALUATE, {}),
    "ex017": (ALIGN, {}),
    "ex019": (ALIGN, {}),
    "ex028": (EVALUATE, {"judge_provider": None}),  # gone from the contract since
    "ex030": (EVALUATE, {}),
    "ex049": (
        lambda n, b: n.benchmarks.create(
            document_ids=b["documents"], num_questions=b["num_questions"]
        ),
        {},
    ),
    "ex082": (COMPLETE, {}),
    "ex084": (COMPLETE, {"stream": None}),  # its default
    "ex085": (COMPLETE, {}),
    "ex086": (CHAT, {"stream": None}),
    "ex087": (CHAT, {"stream": None, "max_tokens": 2000}),  # typed as integer
    "ex088": (CHAT, {"stream": None, "max_tokens": 2000}),
    "ex089": (EMBED, {"dimensions": None}),  # the text "None"
    "ex091": (EMBED, {}),
    "ex093": (EMBED, {}),
    "ex094": (CHAT, {}),
    "ex097": (AGENT_MADE, {}),
    "ex098": (AGENT_MADE, {"max_token": None}),  # max_tokens since
    "ex099": (AGENT_MADE, {}),
    "ex108": (lambda n, b: n.agents.update("a", **b), {}),
    "ex110": (lambda n, b: n.agents.run("bot", b["message"]), {}),
    "ex121": (
        lambda n, b: n.benchmarks.create(
            document_ids=b["document_ids"],
            num_questions=b["n_samples"],
            name=b["benchmark_name"],
        ),
        {},
    ),
    "ex123": (
        lambda n, b: n.alignments.create(
            name=b["alignment_name"],
            base_model=b["base_model_id"],
            document_ids=b["document_ids"],
            benchmark_id=b["benchmark_id"],
            description=b["description"],
        ),
        {},
    ),
    "ex136": (
        lambda n, b: n.evaluations.create(
            model_id=b["model_id"],
            benchmark_id=b["benchmark_id"],
            baseline=b["baseline_model_id"],
            name=b["evaluation_name"],
        ),
        {},
    ),
}
ENOUGH = {
    "alignment_id": "x",
    "evaluation_id": "x",
    "id": "x",
    "status": "PROCESSING",
    "response": "",
}


@pytest.mark.parametrize("name", REQUESTS)
async def test_a_request_is_sent_as_it_stands(name: str) -> None:
    ask, changes = REQUESTS[name]
    entry = EXAMPLES[name]
    wanted = {k: v for k, v in {**entry["body"], **changes}.items() if v is not None}
    contract: Any = "plural" if entry["version_hint"] == "G4" else "documented"
    async with canned(ENOUGH) as server, Nugen("k", base_url=server.url, contract=contract) as n:
        await ask(n, wanted)
    (asked,) = server.asked
    assert asked.json == wanted
    if entry["origin"] == "seed":
        assert asked.line == entry["endpoint"]


async def test_an_upload_of_questions_is_sent_as_it_stands() -> None:
    for name, contract in (("ex052", "documented"), ("ex119", "plural")):
        async with (
            canned(ENOUGH) as server,
            Nugen("k", base_url=server.url, contract=contract) as n,  # type: ignore[arg-type]
        ):
            form = EXAMPLES["ex051"]["body"]
            await n.benchmarks.upload(
                EXAMPLES[name]["body"],
                name=form["name"],
                document_id=form["document_id"],
                description=form["description"],
            )
        sent = dict(server.asked[0].form)
        assert json.loads(sent.pop("file:questions.json")) == EXAMPLES[name]["body"]
        assert {k: v for k, v in sent.items() if k != "benchmark_name"} == {
            k: v for k, v in form.items() if k != "file"
        }


async def test_an_upload_of_documents_is_sent_as_it_stands(tmp_path: Path) -> None:
    form = EXAMPLES["ex063"]["body"]
    for name in form["files"]:
        (tmp_path / name).write_text(name)
    async with canned(["a", "b"]) as server, Nugen("k", base_url=server.url) as n:
        await n.documents.upload(
            [tmp_path / name for name in form["files"]], categories=form["categories"]
        )
    assert server.asked[0].form == [
        *((f"files:{name}", name.encode()) for name in form["files"]),
        *(("categories", each) for each in form["categories"]),
    ]


def test_no_example_is_left_out() -> None:
    uploads = {"ex051", "ex052", "ex119", "ex063"}
    assert set(EXAMPLES) == {*ANSWERS, *REFUSALS, *REQUESTS, *uploads}
