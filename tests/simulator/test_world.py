"""What the Nugen side of the world does, without any server."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nugen_async.simulator import ROUTES, SimRequest, Span, Times, World
from nugen_async.simulator.exchange import Route

Make = Callable[..., Any]
V3 = "/api/v3"
NEW = {"name": "n", "base_model": "nugen-flash-instruct", "document_ids": ["d"]}
NEW_G4 = {"alignment_name": "n", "base_model_id": "nugen-flash-instruct", "document_ids": ["d"]}
EXACT = Times(
    alignment=Span(1000),
    queue=Span(100),
    evaluation=Span(200),
    benchmark=Span(50),
    document=Span(10),
    deployment=Span(30),
    undeployment=Span(20),
)


def test_the_whole_flow_on_documented_routes(nugen: Make, upload: Make) -> None:
    call = nugen(times=EXACT)
    [document] = call.ok(f"POST {V3}/documents", upload("a.txt", categories="c"))
    assert call.ok(f"GET {V3}/documents/status/{document}")["status"] == "PROCESSING"
    call.now = 10
    assert call.ok(f"GET {V3}/documents/{document}/status") == {
        "status": "READY",
        "document_id": document,
        "progress": 100,
    }
    benchmark = call.ok(
        f"POST {V3}/benchmark/create", {"documents": [document], "num_questions": 7}
    )["id"]
    call.now = 60
    assert call.ok(f"GET {V3}/benchmark/status/{benchmark}")["status"] == "READY"
    assert len(call.ok(f"GET {V3}/benchmark/{benchmark}/data")["questions"]) == 7

    body = NEW | {"document_ids": [document], "benchmark_id": benchmark}
    alignment = call.ok(f"POST {V3}/alignment-project/create", body)["alignment_id"]
    assert call(f"GET {V3}/models/aligned") == (404, {"detail": "No aligned models found"})
    seen = []
    for call.now in (60, 160, 700, 1160, 1359, 1360):
        row = call.ok(f"GET {V3}/alignment-project/status/{alignment}")
        seen.append((row["status"], row["progress"], row["model_id"] is not None))
    assert seen == [
        ("PROCESSING", 0, False),
        ("PROCESSING", 7, False),
        ("PROCESSING", 49, True),
        ("EVALUATING", 84, True),
        ("EVALUATING", 99, True),
        ("READY", 100, True),
    ]
    row = call.ok(f"GET {V3}/alignment-project/{alignment}")
    evaluation, model = row["evaluation_id"], row["model_id"]
    assert (
        call.ok(f"GET {V3}/evaluations/{evaluation}/results")["metrics"]["accuracy"]
        == (row["performance_metrics"]["accuracy_after"])
    )

    assert call.ok(f"POST {V3}/models/deploy-model/{model}") == model
    assert call(f"POST {V3}/models/deploy-model/{model}")[0] == 400
    deploying = call.ok(f"GET {V3}/models/deploy-model/{model}/status")
    assert (deploying["status"], deploying["end_time"]) == ("PENDING", None)
    call.now += 30
    assert call.ok(f"GET {V3}/models/deploy-model/{model}/status")["status"] == "COMPLETED"
    [listed] = call.ok(f"GET {V3}/models/aligned")["domain_aligned_models"]
    assert (listed["id"], listed["deployment_status"]) == (model, "DEPLOYED")
    assert listed["evaluation_data"]["evaluation_id"] == evaluation

    comparison = call.ok(
        f"POST {V3}/evaluations",
        {
            "model_id": "nugen-flash-instruct",
            "model_id_2": model,
            "benchmark_id": benchmark,
            "custom_metrics": ["relevance"],
        },
    )["evaluation_id"]
    assert call(f"GET {V3}/evaluations/{comparison}/results")[0] == 400
    call.now += 100
    status = call.ok(f"GET {V3}/evaluations/{comparison}/status")
    assert (status["progress"], status["total_questions"]) == ("3/7 questions", 7)
    call.now += 100
    results = call.ok(f"GET {V3}/evaluations/{comparison}/results")
    assert results["method"] == "eval-compare"
    assert results["base_model"]["accuracy"] == row["performance_metrics"]["accuracy_before"]
    assert "relevance" in results["metrics"]
    assert len(call.ok(f"GET {V3}/evaluations/{comparison}/download")["detailed_results"]) == 7

    assert call.ok(f"DELETE {V3}/models/undeploy-model/{model}") == model
    call.now += 20
    assert call.ok(f"GET {V3}/models/undeploy-model/{model}/status")["status"] == "COMPLETED"
    assert call(f"DELETE {V3}/models/undeploy-model/{model}")[0] == 400
    listed = call.ok(f"GET {V3}/models/aligned")["domain_aligned_models"][0]
    assert (listed["status"], listed["deployment_status"]) == ("UNDEPLOYED", "READY")


def test_the_whole_flow_on_plural_routes(nugen: Make, upload: Make) -> None:
    call = nugen(times=EXACT, contracts={"plural"})
    [document] = call.ok(f"POST {V3}/documents/create", upload("a.txt"))["document_ids"]
    status, again = call(f"POST {V3}/documents/create", upload("a.txt"))
    assert (status, again["detail"]["document_id"]) == (409, document)
    call.now = 10
    assert call.ok(f"GET {V3}/documents/list")["documents"][0]["document_id"] == document
    questions = [{"sample_num": 1, "instruction": "q", "response": "a"}]
    form = upload(
        "q.json",
        part="file",
        content=json.dumps(questions).encode(),
        document_id=document,
        benchmark_name="b",
    )
    made = call.ok(f"POST {V3}/benchmarks/upload", form)
    benchmark = made["benchmark_id"]
    assert (made["status"], made["n_samples"]) == ("READY", 1)
    assert call.ok(f"GET {V3}/benchmarks/{benchmark}/data")["samples"] == questions

    body = NEW_G4 | {"document_ids": [document], "benchmark_id": benchmark}
    alignment = call.ok(f"POST {V3}/alignment-projects/create", body)["alignment_id"]
    row = call.ok(f"GET {V3}/alignment-projects/{alignment}/status")
    assert (row["status"], row["queue_position"], row["progress"]) == ("QUEUED", 10, None)
    call.now = 900
    row = call.ok(f"GET {V3}/alignment-projects/{alignment}/status")
    assert (row["status"], row["early_deployable"]) == ("PROCESSING", False)
    call.now = 1060
    assert call.ok(f"GET {V3}/alignment-projects/{alignment}/status")["early_deployable"] is True
    model = call.ok(f"GET {V3}/alignment-projects/{alignment}")["model_id"]
    assert call(f"POST {V3}/models/{model}/deployment")[0] == 409
    assert call.ok(f"POST {V3}/models/{model}/deployment", early="true")["status"] == "DEPLOYING"
    call.now = 2000
    assert call.ok(f"GET {V3}/alignment-projects/list")["alignment_projects"][0]["status"] == (
        "READY"
    )
    deployment = call.ok(f"GET {V3}/models/{model}/deployment/status")
    assert deployment == {"model_id": model, "status": "DEPLOYED", "error": None}
    assert call.ok(f"GET {V3}/models/{model}")["model_name"] == "n"
    body = {"model_id": model, "benchmark_id": benchmark, "baseline_model_id": "nugen-legal"}
    evaluation = call.ok(f"POST {V3}/evaluations/create", body)["evaluation_id"]
    call.now = 2200
    assert call.ok(f"GET {V3}/evaluations/{evaluation}")["status"] == "READY"
    assert call.ok(f"GET {V3}/evaluations/{evaluation}/results")["model_id"] == model
    assert call.ok(f"DELETE {V3}/models/{model}/deployment")["status"] == "UNDEPLOYING"


@pytest.mark.parametrize(
    ("only", "missing", "served"),
    [
        ("plural", f"POST {V3}/alignment-project/create", f"POST {V3}/alignment-projects/create"),
        ("documented", f"POST {V3}/alignment-projects/create", f"GET {V3}/alignment-project"),
        ("documented", f"GET {V3}/documents/list", f"GET {V3}/documents"),
    ],
)
def test_a_contract_that_is_off_is_the_routes_404(
    nugen: Make, only: str, missing: str, served: str
) -> None:
    call = nugen(contracts={only})
    assert call(missing) == (404, {"detail": "Not Found"})
    assert call(served)[0] in (200, 422)


def test_a_name_is_taken_once_where_the_contract_says_so(nugen: Make) -> None:
    call = nugen(trusting=True)
    new = {"document_ids": ["d"], "n_samples": 3, "benchmark_name": "b"}
    made = call.ok(f"POST {V3}/benchmarks/create", new)["benchmark_id"]
    status, body = call(f"POST {V3}/benchmarks/create", new)
    assert (status, body["detail"]["benchmark_id"]) == (409, made)
    call.world.duplicate_names = frozenset()
    call.ok(f"POST {V3}/benchmarks/create", new)


def test_the_framework_answers_what_is_no_route(nugen: Make) -> None:
    call = nugen()
    assert call("GET /nowhere") == (404, {"detail": "Not Found"})
    assert call(f"GET {V3}/alignment-project/create") == (405, {"detail": "Method Not Allowed"})
    assert call.send(f"GET {V3}/alignment-project/create").headers["Allow"] == "POST"
    redirect = call.send(f"POST {V3}/evaluations/", {})
    assert (redirect.status, redirect.headers["Location"]) == (307, f"{V3}/evaluations")


@pytest.mark.parametrize(
    ("header", "path", "status"),
    [
        ("", f"{V3}/models/base", 401),
        ("Bearer ", f"{V3}/models/base", 401),
        ("key", f"{V3}/models/base", 401),
        ("Bearer other", f"{V3}/models/base", 401),
        ("Bearer key", f"{V3}/models/base", 200),
        ("bearer key", f"{V3}/models/base", 200),
        ("Bearer key", "/v1/flow/files", 401),
        ("", "/v1/flow/files", 401),
        ("key", "/v1/flow/files", 200),
    ],
)
def test_each_vendor_wants_its_own_header(header: str, path: str, status: int) -> None:
    world = World(keys={"key"})
    request = SimRequest(method="GET", path=path, headers={"authorization": header})
    assert world.handle(request, 0).status == status


def test_a_missing_key_can_be_the_documented_422() -> None:
    world = World(missing_key_status=422)
    answer = world.handle(SimRequest(method="GET", path=f"{V3}/models/aligned"), 0)
    detail = {"loc": ["header", "Authorization"], "msg": "field required"}
    assert json.loads(answer.body) == {"detail": [detail | {"type": "value_error.missing"}]}


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        ({}, 422, [["body", "name"], ["body", "base_model"], ["body", "document_ids"]]),
        (NEW | {"name": None}, 422, [["body", "name"]]),
        (NEW | {"document_ids": ["d", 3]}, 422, [["body", "document_ids", 1]]),
        (NEW | {"description": 1}, 422, [["body", "description"]]),
        ([], 422, [["body"]]),
        (NEW, 404, None),
        (NEW | {"base_model": "nugen-legal"}, 400, None),
        (NEW | {"base_model": "nobody"}, 400, None),
        (NEW | {"document_ids": [], "benchmark_id": "b"}, 404, None),
        (NEW | {"document_ids": [], "benchmark_id": None, "extra": 1}, 200, None),
    ],
)
def test_a_create_is_checked(nugen: Make, body: Any, status: int, detail: Any) -> None:
    call = nugen()
    answered, data = call(f"POST {V3}/alignment-project/create", body)
    assert answered == status
    if detail is not None:
        assert [problem["loc"] for problem in data["detail"]] == detail
        assert set(data["detail"][0]) == {"loc", "msg", "type"}
    assert len(call.world.alignments) == (status == 200)


def test_a_document_cannot_be_used_before_it_is_ready(nugen: Make, upload: Make) -> None:
    call = nugen(times=EXACT)
    [document] = call.ok(f"POST {V3}/documents", upload("a.txt"))
    body = NEW | {"document_ids": [document]}
    assert call(f"POST {V3}/alignment-project/create", body)[0] == 404
    call.now = 10
    assert call(f"POST {V3}/alignment-project/create", body)[0] == 200


def test_uploads_are_checked(nugen: Make, upload: Make) -> None:
    call = nugen()
    assert call(f"POST {V3}/documents", upload())[0] == 422
    assert call(f"POST {V3}/documents", upload("a.pdf"))[0] == 400
    assert call(f"POST {V3}/documents", upload("a.txt", "b.md"))[0] == 200
    bad = upload("q.json", part="file", content=b"{", name="n", document_id="d")
    assert call(f"POST {V3}/benchmark/upload", bad)[0] == 400


def test_jobs_fail_at_the_asked_share_each_for_a_reason(nugen: Make) -> None:
    call = nugen(trusting=True, failures={"alignment": 0.3})
    for _ in range(300):
        call.ok(f"POST {V3}/alignment-project/create", NEW)
    failed = [each for each in call.world.alignments.values() if each.outcome == "failed"]
    assert len(failed) == pytest.approx(90, abs=25)
    early = [each for each in failed if each.ended - each.started <= 15]
    assert len(early) > len(failed) / 4
    call.now = 1e6
    row = call.ok(f"GET {V3}/alignment-project/{failed[0].id}")
    assert (row["status"], row["model_id"]) == ("FAILED", None)
    assert "502" in row["error"]


def test_a_world_can_be_furnished_without_requests(nugen: Make) -> None:
    call = nugen()
    document = call.world.add_document()
    benchmark = call.world.add_benchmark("task-abc123", size=3)
    body = NEW | {"document_ids": [document.id], "benchmark_id": benchmark.id}
    call.ok(f"POST {V3}/alignment-project/create", body)
    [evaluation] = call.world.evaluations.values()
    assert (evaluation.total, evaluation.automatic) == (3, True)
    assert call(f"GET {V3}/evaluations/{evaluation.id}")[0] == 404  # it has not begun
    assert len(call.world.log) == 2


def test_jobs_can_be_stopped_by_the_server(nugen: Make) -> None:
    call = nugen(trusting=True, stopped=1.0)
    made = call.ok(f"POST {V3}/alignment-project/create", NEW)["alignment_id"]
    call.now = 1e6
    row = call.ok(f"GET {V3}/alignment-project/status/{made}")
    assert (row["status"], row["model_id"], row["error"]) == ("STOPPED", None, None)
    assert row["progress"] < 100


def test_durations_are_lognormal_by_seed(nugen: Make) -> None:
    def lengths(seed: int) -> list[float]:
        call = nugen(seed=seed, trusting=True, times=Times(queue=Span(0)))
        for _ in range(400):
            call.ok(f"POST {V3}/alignment-project/create", NEW)
        return sorted(each.ended for each in call.world.alignments.values())

    first = lengths(1)
    assert first == lengths(1) != lengths(2)
    assert first[200] == pytest.approx(2700, rel=0.2)
    assert first[40] < 1100
    assert first[360] > 5500


@pytest.mark.parametrize(
    ("mode", "factor"), [("right", 1.0), ("long", 3.0), ("short", 1 / 3), ("absent", None)]
)
def test_estimates_are_as_wrong_as_asked(nugen: Make, mode: str, factor: float | None) -> None:
    call = nugen(trusting=True, estimates=mode, times=EXACT)
    made = call.ok(f"POST {V3}/alignment-projects/create", NEW_G4)["alignment_id"]
    told = call.ok(f"GET {V3}/alignment-projects/{made}/status")["eta_seconds"]
    assert told == (None if factor is None else pytest.approx(1100 * factor, abs=1))


@pytest.mark.parametrize(
    ("shape", "shown"),
    [("linear", 50), ("square", 25), ("root", 70), ("zero", 0), ("absent", None)],
)
def test_progress_is_as_bent_as_asked(nugen: Make, shape: str, shown: int | None) -> None:
    call = nugen(trusting=True, progress=shape, times=EXACT)
    made = call.ok(f"POST {V3}/alignment-project/create", NEW)["alignment_id"]
    call.now = 550
    assert call.ok(f"GET {V3}/alignment-project/status/{made}")["progress"] == shown
    call.now = 1100
    assert call.ok(f"GET {V3}/alignment-project/status/{made}")["progress"] == 100


def test_a_failed_deploy_goes_back_with_its_reason(nugen: Make) -> None:
    call = nugen(trusting=True, times=EXACT, failures={"deployment": 1.0})
    call.ok(f"POST {V3}/alignment-project/create", NEW)
    [model] = call.world.models
    call.now = 2000
    call.ok(f"POST {V3}/models/deploy-model/{model}")
    call.now = 2100
    task = call.ok(f"GET {V3}/models/deploy-model/{model}/status")
    assert task["status"] == "FAILED"
    assert "READY" in task["result"]["error"]
    now = call.ok(f"GET {V3}/models/{model}/deployment/status")
    assert (now["status"], now["error"]) == ("UNDEPLOYED", task["result"]["error"])
    [row] = call.ok(f"GET {V3}/models/aligned")["domain_aligned_models"]
    assert (row["status"], row["deployment_status"]) == ("READY", "READY")
    assert call(f"POST {V3}/models/deploy-model/{model}")[0] == 200


def test_evaluations_are_paged_by_ten_and_filtered(nugen: Make) -> None:
    call = nugen(trusting=True, times=EXACT)
    for index in range(25):
        call.now = index * 20
        call.ok(f"POST {V3}/evaluations", {"model_id": f"m{index % 2}", "benchmark_id": "b"})
    page = call.ok(f"GET {V3}/evaluations")
    assert (len(page["evaluations"]), page["total"], page["limit"]) == (10, 25, 10)
    newest = page["evaluations"][0]["evaluation_id"]
    assert newest == list(call.world.evaluations)[-1]
    rest = call.ok(f"GET {V3}/evaluations", limit="100", offset="20")["evaluations"]
    assert len(rest) == 5
    assert call.ok(f"GET {V3}/evaluations", model_id="m1")["total"] == 12
    assert call.ok(f"GET {V3}/evaluations", status="READY")["total"] == 15
    assert call.ok(f"GET {V3}/evaluations", status="in_progress")["total"] == 10
    assert call.ok(f"GET {V3}/evaluations", status="pending")["total"] == 0
    assert call(f"GET {V3}/evaluations", limit="101")[0] == 422


def test_inference_wants_a_deployed_model(nugen: Make) -> None:
    call = nugen(trusting=True, times=EXACT)
    call.ok(f"POST {V3}/alignment-project/create", NEW)
    [model] = call.world.models
    call.now = 2000
    body = {"model": model, "prompt": ["a", "b"], "max_tokens": "3"}
    assert call(f"POST {V3}/inference/completions", body)[0] == 400
    call.ok(f"POST {V3}/models/deploy-model/{model}")
    call.now = 2100
    told = call.ok(f"POST {V3}/inference/completions", body)
    assert len(told["choices"]) == 2
    assert 0 <= told["confidence_score"] <= 100
    assert call.world.models[model].uses == 1
    vectors = call.ok(
        "POST /inference/embeddings", {"model": "m", "input": "x", "dimensions": "None"}
    )
    assert len(vectors["data"]) == 1


def test_a_g4_stream_tells_confidence_between_chunks(nugen: Make) -> None:
    call = nugen(trusting=True, times=EXACT, generation="G4")
    call.ok(f"POST {V3}/alignment-project/create", NEW)
    [model] = call.world.models
    call.now = 2000
    call.ok(f"POST {V3}/models/{model}/deployment")
    call.now = 2100
    body = {"model": model, "messages": [{"role": "user", "content": "x"}], "stream": True}
    answer = call.send(f"POST {V3}/inference/chat/completions", body)
    assert answer.chunks is not None
    events = [json.loads(chunk[6:]) for chunk in answer.chunks[:-1]]
    assert [event["object"] for event in events[:2]] == ["chat.completion.chunk", "confidence"]
    assert "usage" in events[-1]
    assert "confidence_score" not in events[-1]


def test_agents(nugen: Make) -> None:
    call = nugen()
    body = {"agent_name": "a", "agent_description": "d", "model": "nugen-flash-instruct"}
    made = call.ok(f"POST {V3}/agents/create", body)["data"]
    assert made["max_tokens"] == 1000
    changed = call.ok(f"PATCH {V3}/agents/{made['id']}", {"instructions": "be polite"})["data"]
    assert changed["system_prompt"] == "be polite"
    told = call.ok(f"POST {V3}/agents/run-agents/a/run", {"message": "hello"})
    assert told["usage"]["total_tokens"] > 0
    assert [row["usage_count"] for row in call.ok(f"GET {V3}/agents")["agents"]] == [1]
    assert call.ok(f"GET {V3}/agents/usage")["data"]["totalRequests"] == 1
    assert call(f"POST {V3}/agents/create", body | {"model": "nobody"})[0] == 400
    assert call(f"GET {V3}/agents/nobody")[0] == 404


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    [
        "name",
        "base_model",
        "document_ids",
        "documents",
        "num_questions",
        "model_id",
        "benchmark_id",
        "model",
        "prompt",
        "messages",
        "max_tokens",
        "stream",
        "input",
        "dimensions",
        "n",
        "agent_name",
        "agent_description",
        "message",
        "instructions",
        "files",
        "type",
        "file_ids",
        "job_type",
        "purpose",
        "suffix",
        "size",
        "temperature",
    ]
)


@settings(max_examples=300, deadline=None)
@given(
    route=st.sampled_from(ROUTES),
    body=st.dictionaries(KEYS, JSON, max_size=6) | JSON,
    query=st.dictionaries(
        st.sampled_from(
            ["limit", "offset", "status", "model_id", "sort_by", "sort_order", "early"]
        ),
        st.text(max_size=5),
    ),
)
def test_no_request_breaks_the_world(route: Route, body: Any, query: dict[str, str]) -> None:
    world = World(trusting=True)
    key = "Bearer key" if route.vendor == "nugen" else "key"
    request = SimRequest(
        method=route.method,
        path=route.path.replace("{id}", "some"),
        query=query,
        headers={"authorization": key},
        content=json.dumps(body).encode(),
    )
    status = world.handle(request, 0.0).status
    assert status is not None
    assert status < 500
