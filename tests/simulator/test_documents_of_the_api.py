"""The simulator against OpenAPI documents, by schemathesis over loopback.

Four are the vendors' own. The plural contract has none; `tests/data/plural.yaml` is drawn up from its table.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import yaml
from schemathesis.engine import events, from_schema

from nugen_async.simulator import SimRequest, Simulator, World
from tests.cases import NIGHTLY

DATA = Path(__file__).parents[1] / "data"
PROSE = ("400", "401", "404")  # told by the pages' text, missing in their OpenAPI parts
# The same path has another method (the list), which this document does not tell of.
ELSEWHERE = {"create_evaluation": ("allow_header_conformance", "unsupported_method")}


@contextmanager
def serving(world: World) -> Iterator[Simulator]:
    """A simulator on a loop in another thread: schemathesis is synchronous."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    simulator = Simulator(world=world)
    asyncio.run_coroutine_threadsafe(simulator.__aenter__(), loop).result()
    try:
        yield simulator
    finally:
        asyncio.run_coroutine_threadsafe(simulator.aclose(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def with_models() -> World:
    """A world whose list of aligned models shows every state there is."""
    world = World(keys={"key"}, trusting=True, strict_schema=True, failures={"deployment": 0.4})
    headers = {"authorization": "Bearer key"}
    for index in range(30):
        body = b'{"name": "n", "base_model": "b", "document_ids": [], "benchmark_id": "x"}'
        path = "/api/v3/alignment-project/create"
        request = SimRequest(method="POST", path=path, headers=headers, content=body)
        assert world.handle(request, -(10.0**6)).status == 200
        model = list(world.models)[index]
        verbs = ("POST", "DELETE")[: index % 3]
        for order, verb in enumerate(verbs):
            path = f"/api/v3/models/{model}/deployment"
            request = SimRequest(method=verb, path=path, headers=headers)
            world.handle(request, -5000.0 * (3 - order) if index % 2 else -1.0)
    return world


@pytest.mark.parametrize(
    ("document", "key", "operation"),
    [
        ("create_alignment", "Bearer key", "create_alignment"),
        ("create_evaluation", "Bearer key", "create_evaluation"),
        ("list_aligned_models", "Bearer key", "list_aligned_models"),
        ("seekr_generate", "key", "generate_training_pairs"),
    ],
)
def test_the_simulator_does_what_the_document_says(document: str, key: str, operation: str) -> None:
    raw: dict[str, Any] = yaml.safe_load((DATA / f"{document}.yaml").read_text())
    raw.pop("servers", None)
    for path in raw["paths"].values():
        for each in path.values():
            for status in PROSE:
                each["responses"].setdefault(status, {"description": "told by the text"})
    off = ELSEWHERE.get(document, ())
    with serving(with_models()) as simulator:
        assert broken(raw, simulator, key, off=off) == []
        answered = {entry.status for entry in simulator.log.requests(operation=operation)}
        assert {200, 401} <= answered


def broken(
    raw: dict[str, Any],
    simulator: Simulator,
    key: str,
    *,
    off: Iterable[str] = (),
    cases: int = 60,
) -> list[str]:
    """What in the answers is not as the document has it."""
    config = schemathesis.Config.from_dict(
        {
            "seed": 1,
            "headers": {"Authorization": key},
            "generation": {"deterministic": True, "max-examples": cases, "database": "none"},
            "checks": {name: {"enabled": False} for name in off},
        }
    )
    schema = schemathesis.openapi.from_dict(raw, config=config)
    schema.config.update(base_url=simulator.url)
    found: list[str] = []
    for event in from_schema(schema).execute():
        assert not isinstance(event, events.NonFatalError | events.FatalError), event
        if isinstance(event, events.ScenarioFinished):
            found += [
                f"{check.name}: {check.failure_info.failure}"
                for checks in event.recorder.checks.values()
                for check in checks
                if check.failure_info is not None
            ]
    return found


def test_the_simulator_does_what_is_known_of_the_plural_contract() -> None:
    raw: dict[str, Any] = yaml.safe_load((DATA / "plural.yaml").read_text())
    world = with_models()
    world.contracts = frozenset({"plural"})
    world.add_document("doc-1")
    world.add_benchmark("bench-1")
    known = {
        "alignment": world.alignments,
        "benchmark": world.benchmarks,
        "document": world.documents,
        "model": world.models,
        "evaluation": world.evaluations,
    }
    for kind, ids in known.items():
        examples = {each: {"value": each} for each in list(ids)[:9]}
        raw["components"]["parameters"][kind]["examples"] = examples
    with serving(world) as simulator:
        # Whether a sound request is taken depends on the state of what it names.
        off, cases = ["positive_data_acceptance"], 60 if NIGHTLY else 5
        assert broken(raw, simulator, "Bearer key", off=off, cases=cases) == []
        answered = {entry.operation for entry in simulator.log.requests(status=200)}
    declared = {each["operationId"] for path in raw["paths"].values() for each in path.values()}
    assert declared - answered <= {"upload_documents", "upload_benchmark"}
