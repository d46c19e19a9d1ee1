"""Who takes a model out of service: whoever brought it there, once nobody else needs it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from nugen_async import Nugen
from nugen_async.batch import Batch, Failed, Outcome, Ready, TimedOut
from nugen_async.cli.app import execute
from nugen_async.journal import Journal
from nugen_async.launching.course import Record
from nugen_async.simulator import Simulator, World
from nugen_async.simulator.records import Model
from nugen_async.workflows import Moment, Stage, Workflow, run_workflow

BASE = "llama-v3p1-8b-instruct"
INTENT = Record(intended="2026-01-01T00:00:00+00:00")


@pytest.fixture
def world() -> World:
    made = World(seed=3, evaluation_needs_deployment=True)
    made.add_document("doc-1")
    return made


async def trained(nugen: Nugen, world: World, *, served: bool = False) -> Model:
    spec = Workflow(name="model", base_model=BASE, document_ids=("doc-1",))
    made = await run_workflow(nugen, spec)
    if served:
        await (await nugen.models.deploy(made.model_id)).wait_until_ready()
    return world.models[made.model_id]


def measuring(model: Model, questions: int = 5, **others: object) -> Workflow:
    """One that needs the model in service."""
    return Workflow(
        name=f"measure {questions}",
        key=f"k{questions}",
        model_id=model.id,
        document_ids=("doc-1",),
        num_questions=questions,
        deploy=True,
        evaluate="alone",
        **others,
    )


async def ran(batch: Batch, specs: list[Workflow], **options: object) -> list[Outcome]:
    return [outcome async for outcome in batch.run(specs, **options)]


def verbs(model: Model) -> list[str]:
    return [each.verb for each in model.operations]


@pytest.mark.parametrize("fails", [False, True])
async def test_a_model_that_was_found_serving_is_left_serving(
    tmp_path: Path, world: World, *, fails: bool
) -> None:
    async with Simulator(world=world) as sim, Nugen("key", base_url=sim.url) as nugen:
        model = await trained(nugen, world, served=True)
        world.failures = {"evaluation": float(fails)}
        async with Batch.open(tmp_path / "runs.db", nugen) as batch:
            (outcome,) = await ran(batch, [measuring(model)])

        assert type(outcome) is (Failed if fails else Ready)
        assert not outcome.result.still_deployed
        assert model.serving(sim.now) == "deployed"
        assert verbs(model) == ["deploy"]


async def test_a_model_that_was_found_serving_is_undeployed_where_that_was_asked_for(
    tmp_path: Path, world: World
) -> None:
    async with Simulator(world=world) as sim, Nugen("key", base_url=sim.url) as nugen:
        model = await trained(nugen, world, served=True)
        async with Batch.open(tmp_path / "runs.db", nugen) as batch:
            specs = [measuring(model, 5, undeploy=True), *(measuring(model, n) for n in (6, 7))]
            outcomes = await ran(batch, specs)

        assert {type(outcome) for outcome in outcomes} == {Ready}
        assert verbs(model) == ["deploy", "undeploy"]
        assert model.serving(sim.now) == "undeployed"


async def test_a_workflow_by_hand_that_is_cancelled_leaves_serving_what_it_found(
    world: World,
) -> None:
    async with Simulator(world=world) as sim, Nugen("key", base_url=sim.url) as nugen:
        model = await trained(nugen, world, served=True)
        evaluating = asyncio.Event()

        def note(moment: Moment) -> None:
            if (moment.stage, moment.what) == (Stage.EVALUATION, "changes"):
                evaluating.set()

        task = asyncio.create_task(run_workflow(nugen, measuring(model), on_step=note))
        await evaluating.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert verbs(model) == ["deploy"]


@pytest.mark.parametrize("failing", [0.0, 0.5])
async def test_rows_that_deploy_one_model_share_it_and_the_last_undeploys(
    tmp_path: Path, world: World, failing: float
) -> None:
    async with Simulator(world=world) as sim, Nugen("key", base_url=sim.url) as nugen:
        model = await trained(nugen, world)
        world.failures = {"evaluation": failing}
        async with Batch.open(tmp_path / "runs.db", nugen) as batch:
            outcomes = await ran(batch, [measuring(model, n) for n in range(3, 11)], at_once=3)

        assert {type(outcome) for outcome in outcomes} == ({Ready, Failed} if failing else {Ready})
        assert not any(outcome.result.still_deployed for outcome in outcomes)
        assert verbs(model) == ["deploy", "undeploy"] * (len(model.operations) // 2)
        assert model.serving(sim.now) == "undeployed"
        for out in (each for each in model.operations if each.verb == "undeploy"):
            measured = world.evaluations.values()
            assert not any(each.created < out.created < each.ended for each in measured)


async def test_workflows_by_hand_share_a_deployment_of_one_client(world: World) -> None:
    async with Simulator(world=world) as sim, Nugen("key", base_url=sim.url) as nugen:
        model = await trained(nugen, world)
        await asyncio.gather(*(run_workflow(nugen, measuring(model)) for _ in range(3)))

        assert verbs(model) == ["deploy", "undeploy"]
        assert model.serving(sim.now) == "undeployed"


async def test_a_row_whose_time_is_over_still_needs_its_model(tmp_path: Path, world: World) -> None:
    async with Simulator(world=world) as sim, Nugen("key", base_url=sim.url) as nugen:
        model = await trained(nugen, world)
        one, other = measuring(model, 5), measuring(model, 6)
        async with Batch.open(tmp_path / "runs.db", nugen) as batch:
            seconds = 0.0
            while "create_evaluation" not in sim.log.by_operation:
                (early,) = await ran(batch, [one], timeout=(seconds := seconds + 60))
            (late,) = await ran(batch, [other])
            assert (type(early), type(late)) == (TimedOut, Ready)
            assert early.result.still_deployed
            assert not late.result.still_deployed
            assert verbs(model) == ["deploy"]
        async with Batch.open(tmp_path / "runs.db", nugen) as batch:
            (early,) = await ran(batch, [one])

        assert isinstance(early, Ready)
        assert verbs(model) == ["deploy", "undeploy"]


@pytest.mark.parametrize("served", [False, True])
async def test_a_deployment_of_which_nobody_can_tell_whose_it_is_stays_and_is_told(
    tmp_path: Path,
    world: World,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    served: bool,
) -> None:
    monkeypatch.setenv("NUGEN_API_KEY", "key")
    async with Simulator(world=world) as sim, Nugen("key", base_url=sim.url) as nugen:
        model = await trained(nugen, world, served=served)
        journal = await Journal.open(tmp_path / "runs.db")
        await journal.write_shared(f"deployment:{model.id}", INTENT)
        await journal.aclose()
        async with Batch.open(tmp_path / "runs.db", nugen) as batch:
            (outcome,) = await ran(batch, [measuring(model)])
            status = await batch.status()
            page = await batch.report()
        await execute(("batch", "status", "--journal", str(tmp_path / "runs.db")))

        assert (f"nugen-async undeploy {model.id}" in capsys.readouterr().err) is served
        assert isinstance(outcome, Ready)
        assert outcome.result.still_deployed is outcome.result.in_doubt is served
        assert (f"nugen-async undeploy {model.id}" in page) is served
        assert ("by this workflow or by others" in outcome._repr_html_()) is served
        assert status.still_deployed == (("k5",) if served else ())
        assert verbs(model) == (["deploy"] if served else ["deploy", "undeploy"])


async def test_a_model_on_its_way_out_is_deployed_once_it_is_out(world: World) -> None:
    async with Simulator(world=world) as sim, Nugen("key", base_url=sim.url) as nugen:
        model = await trained(nugen, world, served=True)
        await nugen.models.undeploy(model.id)
        await run_workflow(nugen, measuring(model, undeploy=False))

        assert verbs(model) == ["deploy", "undeploy", "deploy"]
        assert model.serving(sim.now) == "deployed"


async def test_a_model_that_one_of_those_who_share_it_wants_to_stay_stays(
    tmp_path: Path, world: World
) -> None:
    async with Simulator(world=world) as sim, Nugen("key", base_url=sim.url) as nugen:
        model = await trained(nugen, world)
        async with Batch.open(tmp_path / "runs.db", nugen) as batch:
            await ran(batch, [measuring(model, 5), measuring(model, 6, undeploy=False)])

        assert verbs(model) == ["deploy"]
        assert model.serving(sim.now) == "deployed"
