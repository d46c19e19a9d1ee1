"""Workflows on several journals of one database, which need one model in service."""

from __future__ import annotations

import asyncio

import pytest

from nugen_async import Nugen
from nugen_async.batch import Batch, Outcome, Ready
from nugen_async.simulator import Simulator, World
from nugen_async.workflows import Workflow, run_workflow

pytestmark = pytest.mark.looptime(False)  # PostgreSQL keeps its own time


async def ran(batch: Batch, specs: list[Workflow]) -> list[Outcome]:
    return [outcome async for outcome in batch.run(specs, at_once=2, schedule=0.1)]


async def test_a_model_is_undeployed_by_the_last_workflow_of_all_journals(database: str) -> None:
    world = World(seed=3, speed=2000.0, evaluation_needs_deployment=True)
    world.add_document("doc-1")
    world.add_benchmark("b-1")
    async with (
        Simulator(world=world) as sim,
        Nugen("key", base_url=sim.url) as nugen,
        Batch.open(database, nugen) as one,
        Batch.open(database, nugen) as other,
    ):
        spec = Workflow(name="m", base_model="llama-v3p1-8b-instruct", document_ids=("doc-1",))
        made = await run_workflow(nugen, spec, schedule=0.1)
        specs = [
            Workflow(
                name=f"measure {n}",
                key=f"k{n}",
                model_id=made.model_id,
                benchmark_id="b-1",
                deploy=True,
                evaluate="alone",
            )
            for n in range(3, 7)
        ]
        halves = await asyncio.gather(ran(one, specs[:2]), ran(other, specs[2:]))
        model = world.models[made.model_id]

        assert {type(outcome) for half in halves for outcome in half} == {Ready}
        verbs = [each.verb for each in model.operations]
        assert verbs == ["deploy", "undeploy"] * (len(verbs) // 2)
        assert model.serving(sim.now) == "undeployed"
        outs = [each.created for each in model.operations if each.verb == "undeploy"]
        measured = world.evaluations.values()
        assert not any(each.created < at < each.ended for each in measured for at in outs)
