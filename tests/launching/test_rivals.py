"""Two creates that a list cannot tell apart: neither takes what the other made."""

from __future__ import annotations

from pathlib import Path

import pytest

from nugen_async import Nugen
from nugen_async.batch import Batch, Unknown
from nugen_async.simulator import Delay, Drop, Fault, Simulator, World
from nugen_async.workflows import Workflow

BASE = "llama-v3p1-8b-instruct"


def evaluations(world: World) -> list[Workflow]:
    """Of one model on one benchmark, with metrics that no list tells."""
    world.add_benchmark("task-1")
    return [
        Workflow(
            name=metric,
            key=metric,
            model_id=BASE,
            benchmark_id="task-1",
            evaluate="alone",
            custom_metrics=(metric,),
        )
        for metric in ("first", "second")
    ]


def alignments(world: World) -> list[Workflow]:
    world.add_document("doc-1")
    twin = {"name": "twin", "base_model": BASE, "document_ids": ("doc-1",), "mark": False}
    return [Workflow(key=key, **twin) for key in ("first", "second")]


@pytest.mark.looptime(False)  # in virtual time the answers would wait for the journal's thread
@pytest.mark.parametrize("kind", ["evaluation", "alignment"])
async def test_a_look_leaves_what_another_create_is_about_to_be_answered_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("nugen_async.launching.lookups._REST", 0.01)
    world = World(seed=1)
    specs = evaluations(world) if kind == "evaluation" else alignments(world)
    world.inject(Fault(effect=Drop(), operation=f"create_{kind}", nth=[1]))
    world.inject(Fault(effect=Delay(0.3), operation=f"create_{kind}", nth=[2]))
    async with (
        Simulator(world=world) as sim,
        Nugen("key", base_url=sim.url) as nugen,
        Batch.open(tmp_path / "runs.db", nugen, settle=0.1) as batch,
    ):
        outcomes = [outcome async for outcome in batch.run(specs, timeout=0.7)]
        assert sim.log.count(operation=f"create_{kind}") == 3

    made = world.evaluations if kind == "evaluation" else world.alignments
    ids = {getattr(outcome.result, f"{kind}_id") for outcome in outcomes}
    assert len(ids) == 2
    assert ids == set(made)


async def test_what_two_lost_creates_may_have_made_is_adopted_by_neither(tmp_path: Path) -> None:
    world = World(seed=1)
    world.inject(Fault(effect=Drop(), operation="create_evaluation", nth=[1]))
    world.inject(Fault(effect=Drop(handled=True), operation="create_evaluation", nth=[2]))
    async with (
        Simulator(world=world) as sim,
        Nugen("key", base_url=sim.url) as nugen,
        Batch.open(tmp_path / "runs.db", nugen, settle=5) as batch,
    ):
        outcomes = [outcome async for outcome in batch.run(evaluations(world))]
        assert sim.log.count(operation="create_evaluation") == 2

    assert {type(outcome) for outcome in outcomes} == {Unknown}
    assert {outcome.error().candidates for outcome in outcomes} == {tuple(world.evaluations)}
