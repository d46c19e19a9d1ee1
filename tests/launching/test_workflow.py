"""One workflow by hand: every part, what it brings, and what it leaves behind."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from nugen_async import Nugen
from nugen_async.errors import (
    InvalidRequestError,
    JobFailedError,
    PermissionDeniedError,
    WaitTimeoutError,
)
from nugen_async.simulator import Drop, Fault, Simulator, Status, World
from nugen_async.workflows import Moment, Stage, Workflow, run_workflow


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    path = tmp_path / "notes.txt"
    path.write_text("Contracts end when they end.")
    return path


def whole(notes: Path, **others: object) -> Workflow:
    wanted = {"deploy": True, "evaluate": "compare", "num_questions": 10, **others}
    return Workflow(
        name="legal", base_model="llama-v3p1-8b-instruct", documents=(str(notes),), **wanted
    )


async def test_the_whole_chain_says_what_improved_and_leaves_nothing_deployed(notes: Path) -> None:
    moments: list[Moment] = []
    async with Simulator(world=World(seed=3)) as sim, Nugen("key", base_url=sim.url) as nugen:
        result = await run_workflow(nugen, whole(notes), on_step=moments.append)
        (model,) = sim.world.models.values()
        (evaluation,) = sim.world.evaluations.values()
        skill = sim.world.skill(model.id, evaluation.benchmark_id)
        base = sim.world.skill("llama-v3p1-8b-instruct", evaluation.benchmark_id)

        assert model.serving(sim.now) == "undeployed"
    assert result.model_id == model.id
    assert result.evaluation_id == evaluation.id
    assert (result.base_accuracy, result.aligned_accuracy) == (base.accuracy, skill.accuracy)
    assert result.uncertainty == skill.uncertainty
    assert result.difference == pytest.approx(skill.accuracy - base.accuracy)
    assert not result.still_deployed
    assert [m.stage for m in moments if m.what == "ends"] == list(Stage)
    assert min(result.waited.values()) > 1
    assert set(result.waited) == set(map(str, Stage)) - {"results"}


@pytest.mark.parametrize("contract", ["documented", "plural"])
async def test_a_comparison_knows_its_sides_in_each_contract(notes: Path, contract: str) -> None:
    world = World(seed=3, contracts={contract})
    async with Simulator(world=world) as sim:
        async with Nugen("key", base_url=sim.url, contract=contract) as nugen:
            result = await run_workflow(nugen, whole(notes, deploy=False))
        (evaluation,) = world.evaluations.values()

        assert (evaluation.model_id, evaluation.base_id) == (
            result.model_id,
            "llama-v3p1-8b-instruct",
        )
    assert result.difference is not None
    assert result.difference != 0


async def test_a_model_that_was_deployed_is_undeployed_when_the_evaluation_fails(
    notes: Path,
) -> None:
    async with Simulator(world=World(failures={"evaluation": 1.0})) as sim:
        async with Nugen("key", base_url=sim.url) as nugen:
            with pytest.raises(JobFailedError, match="evaluation"):
                await run_workflow(nugen, whole(notes))
        (model,) = sim.world.models.values()

        assert model.serving(sim.now) == "undeployed"


async def test_a_model_is_given_back_when_the_task_is_cancelled_or_out_of_time(
    notes: Path,
) -> None:
    async with Simulator(world=World()) as sim, Nugen("key", base_url=sim.url) as nugen:
        deployed = asyncio.Event()

        def note(moment: Moment) -> None:
            if (moment.stage, moment.what) == (Stage.EVALUATION, "begins"):
                deployed.set()

        task = asyncio.create_task(run_workflow(nugen, whole(notes), on_step=note))
        await deployed.wait()
        await asyncio.sleep(30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        (model,) = sim.world.models.values()

        assert model.serving(sim.now) == "undeploying"


async def test_out_of_time_is_told_with_a_way_to_go_on(notes: Path) -> None:
    async with Simulator(world=World()) as sim, Nugen("key", base_url=sim.url) as nugen:
        with pytest.raises(WaitTimeoutError) as caught:
            await run_workflow(nugen, whole(notes), timeout=300)

        assert nugen.resume(caught.value.resume_token).id == caught.value.job_id


async def test_an_alignment_whose_answer_was_lost_is_found_by_its_token(notes: Path) -> None:
    world = World()
    world.inject(
        Fault(operation="create_alignment", effect=Drop(handled=True, reset=True), times=1)
    )
    async with Simulator(world=world) as sim, Nugen("key", base_url=sim.url) as nugen:
        result = await run_workflow(nugen, whole(notes, deploy=False, evaluate=None))

        assert [*world.alignments] == [result.alignment_id]
        assert sim.log.count(operation="create_alignment") == 1


async def test_files_that_are_not_there_are_told_before_anything_is_sent(tmp_path: Path) -> None:
    async with Simulator(world=World()) as sim, Nugen("key", base_url=sim.url) as nugen:
        with pytest.raises(InvalidRequestError, match=r"nowhere\.txt"):
            await run_workflow(nugen, whole(tmp_path / "nowhere.txt"))

        assert len(sim.log) == 0


async def test_files_that_the_api_would_refuse_are_told_before_anything_is_sent(
    notes: Path, tmp_path: Path
) -> None:
    scan, questions = tmp_path / "scan.pdf", tmp_path / "questions.json"
    scan.write_bytes(b"%PDF")
    questions.write_text('[{"question": "When?"}]')
    async with Simulator(world=World()) as sim, Nugen("key", base_url=sim.url) as nugen:
        spec = Workflow(
            name="legal", base_model="m", documents=[notes, scan], benchmark_file=questions
        )
        with pytest.raises(InvalidRequestError, match=r"scan\.pdf.+; .+question 1: \$\.answer"):
            await run_workflow(nugen, spec)

        assert len(sim.log) == 0


async def test_a_refusal_is_raised_as_it_is(notes: Path) -> None:
    async with Simulator(world=World()) as sim, Nugen("key", base_url=sim.url) as nugen:
        sim.world.inject(Fault(operation="create_alignment", effect=Status(403)))
        with pytest.raises(PermissionDeniedError):
            await run_workflow(nugen, whole(notes))

        assert not sim.world.models


async def test_a_callback_that_fails_breaks_nothing(notes: Path) -> None:
    def broken(_: Moment) -> None:
        raise RuntimeError("of the caller's making")

    async with Simulator(world=World()) as sim, Nugen("key", base_url=sim.url) as nugen:
        result = await run_workflow(nugen, whole(notes, deploy=False), on_step=broken)

    assert result.difference is not None
