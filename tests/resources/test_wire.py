"""One row a method: the call, the line it sends in each contract, its body, an answer, what is made of it."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from attrs import frozen

from nugen_async import NotFoundError, Nugen, SeekrFlow, Upload
from nugen_async._core.api import in_slices
from nugen_async._core.codec import SLICE
from nugen_async._core.page import Page
from nugen_async._core.schedule import Phase
from nugen_async.resources._lists import Listing
from nugen_async.resources._nouns import Collection, JobCollection
from nugen_async.resources.models import AlignedModel

from .canned import canned

V3, FLOW = "/api/v3", "/v1/flow"
FILE = Upload("a.txt", b"text")


@frozen
class Row:
    """One method of one collection; `plural` is None where both contracts send the same."""

    name: str
    ask: Callable[[Any], Awaitable[Any]]
    line: str
    answer: Any
    made: dict[str, Any] | list[dict[str, Any]] | None
    plural: str | None = None
    json: Any = None
    plural_json: Any = None
    headers: dict[str, str] | None = None
    form: list[str] | None = None


ALIGN = {"name": "n", "base_model": "b", "document_ids": ["d"]}
PAIRS = {"id": "al-1", "created_at": "2026-01-01T00:00:00Z", "status": "running"}
DATA = {"id": "dj-1", "status": "file_processing", "name": "n"}
AGENT = {"agent_name": "bot", "agent_description": "d", "model": "m"}
ASKED = {"id": "c", "choices": [{"text": "blue", "index": 0}], "usage": {"total_tokens": 3}}
SAID = {"id": "c", "choices": [{"message": {"role": "assistant", "content": "Hi"}}]}

NUGEN = [
    Row(
        "alignments.create",
        lambda c: c.alignments.create(**ALIGN, benchmark_id="bm"),
        f"POST {V3}/alignment-project/create",
        {"alignment_id": "al", "status": "PROCESSING"},
        {"id": "al", "status": "PROCESSING"},
        f"POST {V3}/alignment-projects/create",
        json={**ALIGN, "benchmark_id": "bm"},
        plural_json={
            "alignment_name": "n",
            "base_model_id": "b",
            "document_ids": ["d"],
            "benchmark_id": "bm",
        },
    ),
    Row(
        "alignments.get",
        lambda c: c.alignments.get("a/l"),
        f"GET {V3}/alignment-project/a%2Fl",
        {"id": "a/l", "status": "READY", "model_id": "m"},
        {"id": "a/l", "phase": Phase.READY, "model_id": "m"},
        f"GET {V3}/alignment-projects/a%2Fl",
    ),
    Row(
        "alignments.get_status",
        lambda c: c.alignments.get_status("al"),
        f"GET {V3}/alignment-project/status/al",
        {"status": "PROCESSING", "progress": 7},
        {"id": "al", "progress": 7.0},
        f"GET {V3}/alignment-projects/al/status",
    ),
    Row(
        "alignments.list",
        lambda c: c.alignments.list().page(),
        f"GET {V3}/alignment-project",
        {"alignment_projects": [{"id": "al", "status": "READY"}]},
        [{"id": "al"}],
        f"GET {V3}/alignment-projects/list",
    ),
    Row(
        "benchmarks.create",
        lambda c: c.benchmarks.create(document_ids=["d"], num_questions=3),
        f"POST {V3}/benchmark/create",
        {"id": "bm", "status": "PROCESSING"},
        {"id": "bm", "phase": Phase.RUNNING},
        f"POST {V3}/benchmarks/create",
        json={"documents": ["d"], "num_questions": 3},
        plural_json={"document_ids": ["d"], "n_samples": 3},
    ),
    Row(
        "benchmarks.upload",
        lambda c: c.benchmarks.upload([("Why?", "So.")], name="n", document_id="d"),
        f"POST {V3}/benchmark/upload",
        {"id": "bm", "name": "n", "status": "READY", "num_questions": 1},
        {"id": "bm", "benchmark_name": "n", "phase": Phase.READY},
        f"POST {V3}/benchmarks/upload",
    ),
    Row(
        "benchmarks.get",
        lambda c: c.benchmarks.get("bm"),
        f"GET {V3}/benchmark/bm/data",
        {"benchmark_id": "bm", "status": "READY", "questions": []},
        {"id": "bm", "questions": ()},
        f"GET {V3}/benchmarks/bm/data",
    ),
    Row(
        "benchmarks.get_status",
        lambda c: c.benchmarks.get_status("bm"),
        f"GET {V3}/benchmark/status/bm",
        {"id": "bm", "status": "READY"},
        {"id": "bm"},
        f"GET {V3}/benchmarks/bm/status",
    ),
    Row(
        "benchmarks.list",
        lambda c: c.benchmarks.list().page(),
        f"GET {V3}/benchmark/list",
        {"benchmarks": [{"id": "bm", "status": "READY"}]},
        [{"id": "bm"}],
        f"GET {V3}/benchmarks/list",
    ),
    Row(
        "documents.upload",
        lambda c: c.documents.upload(FILE, categories=["x"]),
        f"POST {V3}/documents",
        [17],
        [{"id": "17", "filename": "a.txt", "size": 4, "status": ""}],
        f"POST {V3}/documents/create",
        form=["files:a.txt", "categories"],
    ),
    Row(
        "documents.get_status",
        lambda c: c.documents.get_status("17"),
        f"GET {V3}/documents/17/status",
        {"status": "READY", "document_id": "doc-1"},
        {"id": "doc-1", "phase": Phase.READY},
    ),
    Row(
        "documents.list",
        lambda c: c.documents.list().page(),
        f"GET {V3}/documents",
        {"documents": [{"id": "d", "status": "READY"}]},
        [{"id": "d"}],
        f"GET {V3}/documents/list",
    ),
    Row(
        "documents.list_categories",
        lambda c: c.documents.list_categories(),
        f"GET {V3}/documents",
        {"documents": [], "categories": [{"name": "x", "count": 2}]},
        [{"name": "x", "count": 2}],
        f"GET {V3}/documents/list",
    ),
    Row(
        "documents.wait",
        lambda c: c.documents.wait(["17"], timeout=60),
        f"GET {V3}/documents/17/status",
        {"status": "READY", "document_id": "doc-1"},
        [{"id": "doc-1"}],
    ),
    Row(
        "evaluations.create",
        lambda c: c.evaluations.create(
            model_id="m", baseline="n", benchmark_id="b", custom_metrics={"x": 1}
        ),
        f"POST {V3}/evaluations",
        {"evaluation_id": "ev", "status": "PROCESSING"},
        {"id": "ev", "phase": Phase.RUNNING},
        f"POST {V3}/evaluations/create",
        json={"model_id": "n", "benchmark_id": "b", "model_id_2": "m", "custom_metrics": {"x": 1}},
        plural_json={
            "model_id": "m",
            "benchmark_id": "b",
            "baseline_model_id": "n",
            "custom_metrics": {"x": 1},
        },
    ),
    Row(
        "evaluations.get",
        lambda c: c.evaluations.get("ev"),
        f"GET {V3}/evaluations/ev/status",
        {"evaluation_id": "ev", "status": "READY"},
        {"id": "ev"},
        f"GET {V3}/evaluations/ev",
    ),
    Row(
        "evaluations.get_status",
        lambda c: c.evaluations.get_status("ev"),
        f"GET {V3}/evaluations/ev/status",
        {"evaluation_id": "ev", "status": "READY"},
        {"id": "ev"},
    ),
    Row(
        "evaluations.results",
        lambda c: c.evaluations.results("ev"),
        f"GET {V3}/evaluations/ev/results",
        {"evaluation_id": "ev", "metrics": {"accuracy": 1}, "base_model": {"id": "b"}},
        {"id": "ev", "base_model": {"id": "b"}},
    ),
    Row(
        "evaluations.download",
        lambda c: c.evaluations.download("ev"),
        f"GET {V3}/evaluations/ev/download",
        {"evaluation_id": "ev", "detailed_results": []},
        {"id": "ev", "detailed_results": ()},
    ),
    Row(
        "evaluations.list",
        lambda c: c.evaluations.list(status="READY", model_id="m", limit=5, offset=2).page(),
        f"GET {V3}/evaluations?status=READY&model_id=m&limit=5&offset=2",
        {"evaluations": [{"evaluation_id": "ev", "status": "READY"}], "total": 3},
        [{"id": "ev"}],
    ),
    Row(
        "models.list_base",
        lambda c: c.models.list_base().page(),
        f"GET {V3}/models/base",
        {"models": [{"model_id": "b", "model_name": "B", "parameters": "8B"}]},
        [{"id": "b", "name": "B", "parameters": "8B"}],
    ),
    Row(
        "models.list_aligned",
        lambda c: c.models.list_aligned().page(),
        f"GET {V3}/models/aligned",
        {"domain_aligned_models": [{"id": "m", "status": "READY"}]},
        [{"id": "m", "serving": False}],
    ),
    Row(
        "models.get",
        lambda c: c.models.get("m"),
        f"GET {V3}/models/m",
        {"model_id": "m", "deployment_status": "DEPLOYED"},
        {"id": "m", "serving": True},
    ),
    Row(
        "models.deploy",
        lambda c: c.models.deploy("m", provider="p"),
        f"POST {V3}/models/deploy-model/m",
        "m",
        {"id": "m", "status": ""},
        f"POST {V3}/models/m/deployment",
        headers={"X-Provider": "p"},
    ),
    Row(
        "deployments.start",
        lambda c: c.models.deployments.start("m", early=True),
        f"POST {V3}/models/deploy-model/m?early=true",
        {"message": "started"},
        {"id": "m", "message": "started"},
        f"POST {V3}/models/m/deployment?early=true",
    ),
    Row(
        "models.get_deployment",
        lambda c: c.models.get_deployment("m"),
        f"GET {V3}/models/deploy-model/m/status",
        {"model_id": "m", "status": "DEPLOYED"},
        {"id": "m", "phase": Phase.READY},
        f"GET {V3}/models/m/deployment/status",
    ),
    Row(
        "deployments.get_status",
        lambda c: c.models.deployments.get_status("m"),
        f"GET {V3}/models/deploy-model/m/status",
        {"status": "PENDING"},
        {"id": "m", "phase": Phase.RUNNING},
        f"GET {V3}/models/m/deployment/status",
    ),
    Row(
        "models.undeploy",
        lambda c: c.models.undeploy("m"),
        f"DELETE {V3}/models/undeploy-model/m",
        "m",
        {"id": "m"},
        f"DELETE {V3}/models/m/deployment",
    ),
    Row(
        "undeployments.start",
        lambda c: c.models.undeployments.start("m"),
        f"DELETE {V3}/models/undeploy-model/m",
        "m",
        {"id": "m"},
        f"DELETE {V3}/models/m/deployment",
    ),
    Row(
        "models.get_undeployment",
        lambda c: c.models.get_undeployment("m"),
        f"GET {V3}/models/undeploy-model/m/status",
        {"model_id": "m", "status": "COMPLETED"},
        {"id": "m", "phase": Phase.READY},
        f"GET {V3}/models/m/deployment/status",
    ),
    Row(
        "undeployments.get_status",
        lambda c: c.models.undeployments.get_status("m"),
        f"GET {V3}/models/undeploy-model/m/status",
        {"model_id": "m", "status": "UNDEPLOYED"},
        {"id": "m", "phase": Phase.READY},
        f"GET {V3}/models/m/deployment/status",
    ),
    Row(
        "inference.complete",
        lambda c: c.inference.complete(model="m", prompt=[1, 2], temperature=0, session_id="s"),
        f"POST {V3}/inference/completions",
        ASKED,
        {"text": "blue"},
        json={"model": "m", "prompt": [1, 2], "temperature": 0},
        headers={"X-Session-ID": "s"},
    ),
    Row(
        "inference.chat",
        lambda c: c.inference.chat(
            model="m", messages=[{"role": "user", "content": "?"}], provider="p", extra={"seed": 1}
        ),
        f"POST {V3}/inference/chat/completions",
        SAID,
        {"text": "Hi"},
        json={"model": "m", "messages": [{"role": "user", "content": "?"}], "seed": 1},
        headers={"X-Provider": "p"},
    ),
    Row(
        "inference.embed",
        lambda c: c.inference.embed(model="m", input=["a", "b"]),
        f"POST {V3}/inference/embeddings",
        {"data": [{"embedding": [1, 0.5], "index": 0}], "usage": {"total_tokens": 2}},
        {"id": ""},
        json={"model": "m", "input": ["a", "b"]},
    ),
    Row(
        "agents.create",
        lambda c: c.agents.create(**AGENT, max_tokens=5),
        f"POST {V3}/agents/create",
        {"data": {"id": "a", "name": "bot"}},
        {"id": "a", "name": "bot", "notes": ()},
        json={**AGENT, "max_tokens": 5},
    ),
    Row(
        "agents.list",
        lambda c: c.agents.list(include_inactive=True).page(),
        f"GET {V3}/agents?include_inactive=true",
        {"agents": [{"id": "a"}]},
        [{"id": "a"}],
    ),
    Row(
        "agents.get",
        lambda c: c.agents.get("a"),
        f"GET {V3}/agents/a",
        {"data": {"id": "a", "maxToken": 7}},
        {"id": "a", "max_tokens": 7},
    ),
    Row(
        "agents.update",
        lambda c: c.agents.update("a", instructions="Be kind."),
        f"PATCH {V3}/agents/a",
        {"data": {"id": "a"}},
        {"id": "a"},
        json={"instructions": "Be kind."},
    ),
    Row(
        "agents.run",
        lambda c: c.agents.run("bot", "Hi", session_id="s"),
        f"POST {V3}/agents/run-agents/bot/run",
        {"agent_id": "a", "response": "Hello"},
        {"agent_id": "a", "response": "Hello"},
        json={"message": "Hi"},
        headers={"X-Session-ID": "s"},
    ),
    Row(
        "agents.usage",
        lambda c: c.agents.usage(),
        f"GET {V3}/agents/usage",
        {"data": {"totalAgents": 2}},
        {"counters": {"totalAgents": 2}},
    ),
]

SEEKR = [
    Row(
        "alignment.generate",
        lambda c: c.alignment.generate(instructions="i", files=["f"], team="x"),
        f"POST {FLOW}/alignment/generate",
        PAIRS,
        {"id": "al-1", "phase": Phase.RUNNING},
        json={"instructions": "i", "files": ["f"], "type": "principle", "team": "x"},
    ),
    Row(
        "alignment.get",
        lambda c: c.alignment.get("al-1"),
        f"GET {FLOW}/alignment/al-1",
        {**PAIRS, "step_progress": "2 of 3", "stopped_at": None},
        {"id": "al-1", "step_progress": "2 of 3"},
    ),
    Row(
        "alignment.list",
        lambda c: c.alignment.list().page(),
        f"GET {FLOW}/alignment",
        {"object": "list", "data": [PAIRS]},
        [{"id": "al-1"}],
    ),
    Row(
        "alignment.outputs",
        lambda c: c.alignment.outputs("al-1"),
        f"GET {FLOW}/alignment/al-1/outputs",
        [{"id": "f", "filename": "x.parquet", "bytes": 9, "purpose": "fine-tune"}],
        [{"id": "f", "bytes": 9, "purpose": "fine-tune"}],
    ),
    Row(
        "alignment.cancel",
        lambda c: c.alignment.cancel("al-1"),
        f"POST {FLOW}/alignment/al-1/cancel",
        {**PAIRS, "status": "cancelled"},
        {"phase": Phase.CANCELLED},
    ),
    Row(
        "alignment.delete",
        lambda c: c.alignment.delete("al-1"),
        f"DELETE {FLOW}/alignment/al-1",
        204,
        None,
    ),
    Row(
        "data_jobs.create",
        lambda c: c.data_jobs.create(name="n", job_type="principle_files"),
        f"POST {FLOW}/data-jobs",
        DATA,
        {"id": "dj-1"},
        json={"name": "n", "job_type": "principle_files"},
    ),
    Row(
        "data_jobs.list",
        lambda c: c.data_jobs.list(sort_by="name", limit=7).page(),
        f"GET {FLOW}/data-jobs?sort_by=name&limit=7&offset=0",
        {"object": "list", "data": [DATA]},
        [{"id": "dj-1"}],
    ),
    Row(
        "data_jobs.get",
        lambda c: c.data_jobs.get("dj-1"),
        f"GET {FLOW}/data-jobs/dj-1",
        {**DATA, "alignment_job": {"id": "al-1", "progress": 5}},
        {"alignment_job_id": "al-1", "progress": 5.0},
    ),
    Row(
        "data_jobs.update",
        lambda c: c.data_jobs.update("dj-1", instructions="i"),
        f"PATCH {FLOW}/data-jobs/dj-1",
        DATA,
        {"id": "dj-1"},
        json={"instructions": "i"},
    ),
    Row(
        "data_jobs.add_files",
        lambda c: c.data_jobs.add_files("dj-1", ["f"], method="best"),
        f"POST {FLOW}/data-jobs/dj-1/add-files",
        DATA,
        {"id": "dj-1"},
        json={"file_ids": ["f"], "method": "best"},
    ),
    Row(
        "data_jobs.remove_files",
        lambda c: c.data_jobs.remove_files("dj-1", ["f"]),
        f"POST {FLOW}/data-jobs/dj-1/remove-files",
        DATA,
        {"id": "dj-1"},
        json={"file_ids": ["f"]},
    ),
    Row(
        "data_jobs.start",
        lambda c: c.data_jobs.start("dj-1"),
        f"POST {FLOW}/data-jobs/dj-1/start",
        {**DATA, "status": "queued"},
        {"phase": Phase.RUNNING},
    ),
    Row(
        "data_jobs.cancel",
        lambda c: c.data_jobs.cancel("dj-1"),
        f"POST {FLOW}/data-jobs/dj-1/cancel",
        {**DATA, "status": "cancelled"},
        {"phase": Phase.CANCELLED},
    ),
    Row(
        "data_jobs.clone",
        lambda c: c.data_jobs.clone("dj-1"),
        f"POST {FLOW}/data-jobs/dj-1/clone",
        {**DATA, "id": "dj-2", "origin_data_job_id": "dj-1"},
        {"id": "dj-2", "origin_data_job_id": "dj-1"},
        json={},
    ),
    Row(
        "data_jobs.delete",
        lambda c: c.data_jobs.delete("dj-1"),
        f"DELETE {FLOW}/data-jobs/dj-1",
        {"deleted": True},
        None,
    ),
    Row(
        "ingestion.create",
        lambda c: c.ingestion.create(["f"]),
        f"POST {FLOW}/ingestion",
        {"id": "in-1", "status": "queued"},
        {"id": "in-1", "phase": Phase.RUNNING},
        json={"files": ["f"]},
    ),
    Row(
        "ingestion.get",
        lambda c: c.ingestion.get("in-1"),
        f"GET {FLOW}/ingestion/in-1",
        {"id": "in-1", "status": "failed", "error_message": "torn"},
        {"reason": "torn"},
    ),
    Row(
        "ingestion.list",
        lambda c: c.ingestion.list().page(),
        f"GET {FLOW}/ingestion",
        {"data": [{"id": "in-1", "status": "queued"}]},
        [{"id": "in-1"}],
    ),
    Row(
        "files.upload",
        lambda c: c.files.upload(FILE, purpose="alignment"),
        f"PUT {FLOW}/files",
        {"id": "f", "filename": "a.txt"},
        {"id": "f"},
        form=["files:a.txt", "purpose"],
    ),
    Row(
        "files.upload_many",
        lambda c: c.files.upload_many([FILE, FILE], purpose="alignment"),
        f"PUT {FLOW}/bulk_files",
        [{"id": "f"}, {"id": "g"}],
        [{"id": "f"}, {"id": "g"}],
        form=["files:a.txt", "files:a.txt", "purpose"],
    ),
    Row(
        "files.list",
        lambda c: c.files.list(purpose="alignment").page(),
        f"GET {FLOW}/files?purpose=alignment&limit=100&offset=0",
        {"data": [{"id": "f", "original_file_id": "o"}]},
        [{"id": "f", "origin_file_id": "o"}],
    ),
    Row(
        "files.get",
        lambda c: c.files.get("f"),
        f"GET {FLOW}/files/f",
        {"id": "f", "bytes": 4},
        {"bytes": 4},
    ),
    Row("files.delete", lambda c: c.files.delete("f"), f"DELETE {FLOW}/files/f", 204, None),
    Row(
        "files.rename",
        lambda c: c.files.rename("f", "b.txt"),
        f"PUT {FLOW}/files/f/rename",
        {"id": "f", "filename": "b.txt"},
        {"filename": "b.txt"},
        json={"new_filename": "b.txt"},
    ),
    Row(
        "files.check",
        lambda c: c.files.check(purpose="alignment", suffix=".txt", size=4),
        f"POST {FLOW}/files/validate_metadata",
        {"is_valid": False, "errors": ["no"]},
        {"is_valid": False, "errors": ("no",)},
        json={"purpose": "alignment", "suffix": ".txt", "size": 4},
    ),
]

# Methods whose answers are no JSON record; each has a test of its own.
APART = {
    "inference.stream_complete",
    "inference.stream_chat",
    "data_jobs.generate_system_prompt",
    "files.content",
}


async def sent(client: Any, server: Any, row: Row) -> Any:
    server.answer, server.status = row.answer, 200
    if row.answer == 204:
        server.status = 204
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return await row.ask(client)


def compared(made: Any, expected: Any) -> None:
    if expected is None:
        assert made is None
    elif isinstance(expected, dict):
        assert {name: getattr(made, name) for name in expected} == expected
    else:
        rows = [{name: getattr(r, name) for name in e} for r, e in zip(made, expected, strict=True)]
        assert rows == expected


async def check(client: Any, server: Any, row: Row, line: str, json: Any) -> None:
    compared(await sent(client, server, row), row.made)
    asked = server.asked[-1]
    assert asked.line == line
    assert asked.json == json
    assert (row.headers or {}).items() <= asked.headers.items()
    if row.form is not None:
        assert [name for name, _ in asked.form] == row.form


@pytest.mark.parametrize("row", NUGEN, ids=lambda row: row.name)
async def test_a_method_of_nugen_sends_this(row: Row) -> None:
    async with canned() as server, Nugen("k", base_url=server.url) as client:
        await check(client, server, row, row.line, row.json)
        assert server.asked[-1].headers["Authorization"] == "Bearer k"


@pytest.mark.parametrize("row", NUGEN, ids=lambda row: row.name)
async def test_a_method_sends_this_in_the_plural_contract(row: Row) -> None:
    async with canned() as server, Nugen("k", base_url=server.url, contract="plural") as client:
        await check(client, server, row, row.plural or row.line, row.plural_json or row.json)


@pytest.mark.parametrize("row", SEEKR, ids=lambda row: row.name)
async def test_a_method_of_seekrflow_sends_this(row: Row) -> None:
    async with canned() as server, SeekrFlow("k", base_url=server.url) as client:
        await check(client, server, row, row.line, row.json)
        assert server.asked[-1].headers["Authorization"] == "k"


async def test_a_system_prompt_is_text() -> None:
    async with (
        canned({"system_prompt": "Be kind."}) as server,
        SeekrFlow("k", base_url=server.url) as client,
    ):
        assert await client.data_jobs.generate_system_prompt("i") == "Be kind."
    assert server.asked[0].line == f"POST {FLOW}/data-jobs/gen_system_prompt"
    assert server.asked[0].json == {"instructions": "i"}


async def test_the_content_of_a_file_comes_in_pieces() -> None:
    async with (
        canned(body=b"PAR1" * 50_000, content_type="application/octet-stream") as server,
        SeekrFlow("k", base_url=server.url) as client,
        client.files.content("f") as got,
    ):
        assert b"".join([piece async for piece in got]) == b"PAR1" * 50_000
    assert server.asked[0].line == f"GET {FLOW}/files/f/content"


def collections(client: Any) -> Iterator[tuple[str, Collection]]:
    for name, noun in vars(client).items():
        if isinstance(noun, Collection):
            yield name, noun
            for inner in noun.inner():
                yield inner.noun, inner


def verbs(noun: Collection) -> Iterator[str]:
    """The public methods that send something: coroutines, listings and streams."""
    shared = {name for base in (Collection, JobCollection) for name in vars(base)}
    for name, _ in inspect.getmembers(type(noun), inspect.isfunction):
        if not name.startswith("_") and (name not in shared):
            yield name


async def test_no_method_is_without_a_row() -> None:
    clients = (Nugen("k"), SeekrFlow("k"))
    there = {f"{n}.{v}" for c in clients for n, noun in collections(c) for v in verbs(noun)}
    rows = [row.name for row in (*NUGEN, *SEEKR)]
    assert len(set(rows)) == len(rows)
    assert there == {*rows, *APART}


async def test_no_route_is_without_a_row() -> None:
    """Every entry of every route table is sent by some row, in each contract."""
    lines = {row.line for row in (*NUGEN, *SEEKR)}
    lines |= {row.plural or row.line for row in NUGEN}
    lines |= {
        f"GET {FLOW}/files/f/content",
        f"POST {FLOW}/data-jobs/gen_system_prompt",
    }
    for client in (Nugen("k"), SeekrFlow("k")):
        for _, noun in collections(client):
            for routes in noun.routes.values():
                for route in filter(None, (routes.documented, routes.plural)):
                    path = re.sub(r"\\\{\w+\\\}", "[^/?]+", re.escape(route.path))
                    shape = re.compile(rf"{route.method} {path}(\?.*)?")
                    assert any(shape.fullmatch(line) for line in lines), route


# The endpoints of the contract's notes, both generations, below the two services' roots.
ENDPOINTS = """
POST /documents                                 POST /documents/create
GET /documents                                  GET /documents/list
GET /documents/{}/status
POST /benchmark/create                          POST /benchmarks/create
POST /benchmark/upload                          POST /benchmarks/upload
GET /benchmark/status/{}                        GET /benchmarks/{}/status
GET /benchmark/list                             GET /benchmarks/list
GET /benchmark/{}/data                          GET /benchmarks/{}/data
POST /alignment-project/create                  POST /alignment-projects/create
GET /alignment-project/status/{}                GET /alignment-projects/{}/status
GET /alignment-project/{}                       GET /alignment-projects/{}
GET /alignment-project                          GET /alignment-projects/list
GET /models/base                                GET /models/aligned
POST /models/deploy-model/{}                    POST /models/{}/deployment
GET /models/deploy-model/{}/status              GET /models/{}/deployment/status
DELETE /models/undeploy-model/{}                DELETE /models/{}/deployment
GET /models/undeploy-model/{}/status            GET /models/{}
POST /evaluations                               POST /evaluations/create
GET /evaluations/{}/status                      GET /evaluations/{}
GET /evaluations/{}/results                     GET /evaluations/{}/download
GET /evaluations
POST /inference/completions                     POST /inference/chat/completions
POST /inference/embeddings
POST /agents/create                             GET /agents
GET /agents/{}                                  PATCH /agents/{}
POST /agents/run-agents/{}/run                  GET /agents/usage
"""
SEEKR_ENDPOINTS = """
POST /alignment/generate                        GET /alignment/{}
GET /alignment                                  GET /alignment/{}/outputs
DELETE /alignment/{}                            POST /alignment/{}/cancel
POST /data-jobs                                 GET /data-jobs
GET /data-jobs/{}                               PATCH /data-jobs/{}
POST /data-jobs/{}/add-files                    POST /data-jobs/{}/remove-files
POST /data-jobs/{}/start                        POST /data-jobs/{}/cancel
POST /data-jobs/{}/clone                        POST /data-jobs/gen_system_prompt
DELETE /data-jobs/{}
POST /ingestion                                 GET /ingestion
GET /ingestion/{}
PUT /files                                      PUT /bulk_files
GET /files                                      GET /files/{}
DELETE /files/{}                                GET /files/{}/content
PUT /files/{}/rename                            POST /files/validate_metadata
"""


def endpoints(text: str, root: str) -> set[str]:
    return {f"{method} {root}{path}" for method, path in re.findall(r"([A-Z]+) (\S+)", text)}


async def test_no_endpoint_of_the_contract_is_without_a_method() -> None:
    there = set()
    for client in (Nugen("k"), SeekrFlow("k")):
        for _, noun in collections(client):
            for routes in noun.routes.values():
                for route in filter(None, (routes.documented, routes.plural)):
                    there.add(f"{route.method} {re.sub(r'{.*?}', '{}', route.path)}")
    assert there == endpoints(ENDPOINTS, V3) | endpoints(SEEKR_ENDPOINTS, FLOW)


async def test_a_listing_is_awaited_for_a_page_and_iterated_for_rows() -> None:
    answer = {"alignment_projects": [{"id": "a"}, {"id": "b"}]}
    async with canned(answer) as server, Nugen("k", base_url=server.url) as client:
        listing = client.alignments.list()
        assert isinstance(listing, Listing)
        assert isinstance(await listing, Page)
        assert [row.id async for row in listing] == ["a", "b"]
        assert len(server.asked) == 2


async def test_a_404_that_is_some_proxys_page_is_not_taken_for_none() -> None:
    async with (
        canned(body=b"<html>no such site</html>", status=404) as server,
        Nugen("k", base_url=server.url) as client,
    ):
        with pytest.raises(NotFoundError):
            await client.models.list_aligned()


async def test_an_empty_list_of_models_is_no_error() -> None:
    async with (
        canned({"detail": "No aligned models found"}, status=404) as server,
        Nugen("k", base_url=server.url) as client,
    ):
        assert list(await client.models.list_aligned()) == []


async def test_a_long_list_is_read_in_slices() -> None:
    """The loop has its turn after every slice of rows, and each row knows its way back."""
    models = [{"id": str(number), "status": "READY"} for number in range(5000)]
    nugen = Nugen("k")
    call = nugen.models._call("aligned", Page[AlignedModel])
    payload = {"domain_aligned_models": models}
    reading = in_slices(payload, call)
    turns = 0
    while True:
        try:
            reading.send(None)
        except StopIteration as end:
            page = end.value
            break
        turns += 1
    assert (turns, len(page)) == (5000 // SLICE, 5000)

    async with canned(payload) as server, Nugen("k", base_url=server.url) as client:
        page = await client.models.list_aligned()
        assert {row._home for row in page} == {client.models}
