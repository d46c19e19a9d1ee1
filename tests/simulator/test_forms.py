"""Each generation's form, held against the collected examples."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from nugen_async.simulator import Span, Times, exchange
from nugen_async.simulator.forms import camel, filtered_phases, stamp, task_word, word

Make = Callable[..., Any]
V3 = "/api/v3"
EXAMPLES: dict[str, Any] = {
    entry["id"]: entry["body"]
    for entry in json.loads((Path(__file__).parents[1] / "data" / "examples.json").read_text())
}
EXACT = Times(
    alignment=Span(1000),
    queue=Span(100),
    evaluation=Span(200),
    benchmark=Span(50),
    document=Span(10),
    deployment=Span(30),
    undeployment=Span(20),
)
NEW = {"name": "n", "base_model": "b", "document_ids": ["d"], "benchmark_id": "x"}


@pytest.mark.parametrize(
    ("example", "generation", "line", "at"),
    [
        ("ex004", "G3", f"POST {V3}/alignment-project/create", 0),
        ("ex020", "G2", f"POST {V3}/alignment-project/create", 0),
        ("ex022", "G2", f"GET {V3}/alignment-project/status/ALIGNMENT", 2000),
        ("ex025", "G2", f"GET {V3}/alignment-project/ALIGNMENT", 2000),
        ("ex126", "G4", f"GET {V3}/alignment-projects/ALIGNMENT/status", 50),
        ("ex006", "G3", f"GET {V3}/models/aligned", 2000),
        ("ex016", "G3", f"POST {V3}/evaluations", 2000),
        ("ex031", "G2", f"POST {V3}/evaluations", 2000),
        ("ex033", "G2", f"GET {V3}/evaluations/EVALUATION/status", 1200),
        ("ex035", "G3", f"GET {V3}/evaluations/EVALUATION/status", 1200),
        ("ex041", "G3", f"GET {V3}/evaluations/EVALUATION/results", 2000),
        ("ex045", "G3", f"GET {V3}/evaluations/EVALUATION/download", 2000),
        ("ex057", "G3", f"GET {V3}/benchmark/status/BENCHMARK", 60),
        ("ex061", "G2", f"GET {V3}/benchmark/BENCHMARK/data", 60),
        ("ex070", "G2", f"GET {V3}/models/deploy-model/MODEL/status", 2001),
        ("ex074", "G3", f"GET {V3}/models/deploy-model/MODEL/status", 2030),
        ("ex132", "G4", f"GET {V3}/models/MODEL/deployment/status", 2030),
        ("ex101", "G2", f"GET {V3}/agents/AGENT", 0),
    ],
)
def test_an_answer_has_every_key_of_its_example(
    nugen: Make, example: str, generation: str, line: str, at: float
) -> None:
    call = nugen(times=EXACT, trusting=True)
    call.ok(f"POST {V3}/alignment-project/create", NEW)
    made = call.ok(f"POST {V3}/benchmark/create", {"documents": ["d"], "num_questions": 10})
    agent = call.ok(
        f"POST {V3}/agents/create", {"agent_name": "a", "agent_description": "d", "model": "b"}
    )
    [alignment] = call.world.alignments.values()
    if at > 2000:
        call.now = 2000
        call.ok(f"POST {V3}/models/deploy-model/{alignment.model_id}")
    call.now = at
    call.world.generation = generation
    for name, value in {
        "ALIGNMENT": alignment.id,
        "MODEL": alignment.model_id,
        "EVALUATION": alignment.evaluation_id,
        "BENCHMARK": made["id"],
        "AGENT": agent["data"]["id"],
    }.items():
        line = line.replace(name, value)
    body = None
    if line.startswith("POST"):
        body = NEW if "alignment" in line else {"model_id": "b", "benchmark_id": "x"}
    missing = lacking(EXAMPLES[example], call.ok(line, body))
    assert missing <= {"comparison", "correct_answers", "relevance", "average_score"}, missing


def lacking(wanted: Any, given: Any) -> set[str]:
    """Keys of the example that the answer lacks, at every depth where both have an object."""
    if isinstance(wanted, dict) and isinstance(given, dict):
        deeper = (lacking(wanted[key], given[key]) for key in wanted.keys() & given.keys())
        return (wanted.keys() - given.keys()).union(*deeper) - {
            "human_interventions",
            "user_satisfaction_score",
        }
    if isinstance(wanted, list) and isinstance(given, list) and wanted and given:
        return lacking(wanted[0], given[0])
    return set()


def test_the_first_generation_is_camel_case_and_nested(nugen: Make) -> None:
    call = nugen(times=EXACT, trusting=True, generation="G1")
    made = call.ok(f"POST {V3}/alignment-project/create", NEW)
    assert made["status"] == "processing"
    call.now = 2000
    told = call.ok(f"GET {V3}/alignment-project/status/{made['id']}")
    assert told["status"] == told["data"]["status"] == "completed"
    assert told["data"]["baseModel"] == "b"
    assert told["data"]["performanceMetrics"]["accuracyAfter"] > 0
    assert told["data"]["model_id"] is not None
    listed = call.ok(f"GET {V3}/alignment-project")["alignment_projects"]
    assert listed == [call.ok(f"GET {V3}/alignment-project/{made['id']}")]
    assert "judge_provider" in call.ok(
        f"POST {V3}/evaluations", {"model_id": "b", "benchmark_id": "x"}
    )


def test_the_second_generation_numbers_its_upload_tasks(nugen: Make, upload: Make) -> None:
    call = nugen(times=EXACT, generation="G2")
    [task] = call.ok(f"POST {V3}/documents", upload("a.txt"))
    assert isinstance(task, int)
    told = call.ok(f"GET {V3}/documents/status/{task}")
    assert told == {"status": "pending", "document_id": None}
    call.now = 10
    told = call.ok(f"GET {V3}/documents/status/{task}")
    assert told == {"status": "completed", "document_id": next(iter(call.world.documents))}


@pytest.mark.parametrize(
    ("generation", "text"),
    [
        ("G1", "2026-03-10T10:00:01Z"),
        ("G2", "2026-03-10T10:00:01Z"),
        ("G3", "2026-03-10T10:00:01.500000"),
        ("G4", "2026-03-10 10:00:01.500000"),
    ],
)
def test_times(generation: Any, text: str) -> None:
    epoch = datetime.fromisoformat("2026-03-10T10:00:00+00:00")
    assert stamp(generation, epoch, 1.5) == text


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"name": "Zoë", "n": [1, 2.5, None]}, '{"name":"Zoë","n":[1,2.5,null]}'),
        ({"name": "\ud800"}, '{"name":"\\ud800"}'),
        ({"n": 1 << 70}, '{"n":1180591620717411303424}'),
    ],
)
def test_json_is_the_same_with_and_without_orjson(
    monkeypatch: pytest.MonkeyPatch, value: Any, text: str, *, fast: bool
) -> None:
    if not fast:
        monkeypatch.setattr(exchange, "orjson", None)
    assert exchange.as_json(value) == text.encode()


def test_words() -> None:
    assert [word(g, "running") for g in ("G1", "G2", "G3", "G4")] == [
        "processing",
        "pending",
        "PROCESSING",
        "PROCESSING",
    ]
    assert [task_word("G4", "deploy", p) for p in ("running", "ready", "failed")] == [
        "DEPLOYING",
        "DEPLOYED",
        "UNDEPLOYED",
    ]
    assert task_word("G3", "undeploy", "running") == "PENDING"
    assert filtered_phases("G3", "pending") == frozenset()
    assert filtered_phases("G2", "pending") == {"queued", "running"}
    assert camel({"a_b": [{"model_id": 1, "c_d": 2}]}) == {"aB": [{"model_id": 1, "cD": 2}]}
