"""A model that is left serving costs money: whatever tells of the workflow says so, and how to end it."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from attrs import evolve

from nugen_async import Nugen
from nugen_async.batch import Batch, Failed, Outcome, Ready, TimedOut
from nugen_async.cli.app import execute
from nugen_async.errors import JobUnreachableError, NugenError, ServerError, WaitTimeoutError
from nugen_async.simulator import Fault, Simulator, Span, Status, Times, World
from nugen_async.workflows import Stage, Workflow, WorkflowResult, run_workflow

BASE = "llama-v3p1-8b-instruct"
SPEC = Workflow(
    name="legal",
    base_model=BASE,
    document_ids=("doc-1",),
    num_questions=5,
    deploy=True,
    evaluate="alone",
)


def world() -> World:
    """One that takes no model out of service."""
    made = World(seed=1, faults=[Fault(effect=Status(500), method="DELETE")])
    made.add_document("doc-1")
    return made


@contextlib.asynccontextmanager
async def batch(path: Path, made: World) -> AsyncGenerator[Batch]:
    async with (
        Simulator(world=made) as sim,
        Nugen("key", base_url=sim.url, max_retries=0) as nugen,
        Batch.open(path, nugen) as opened,
    ):
        yield opened


async def one(opened: Batch) -> Outcome:
    (outcome,) = [each async for each in opened.run([SPEC])]
    return outcome


def told(error: BaseException | None) -> list[str]:
    return getattr(error, "__notes__", [])


def sentence(model: str) -> str:
    return (
        f"its model {model} may still be deployed, and cost money; to end that:"
        f" await nugen.models.undeploy('{model}'), or nugen-async undeploy {model}"
    )


async def test_an_undeployment_that_fails_is_told_wherever_its_workflow_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made, journal = world(), str(tmp_path / "runs.db")
    async with batch(tmp_path / "runs.db", made) as opened:
        outcome = await one(opened)
        (again,) = await opened.outcomes()
        page = await opened.report()
    (model,) = made.models
    assert isinstance(outcome, Failed)
    assert outcome.result.leftover == sentence(model)
    for error in (outcome.error(), outcome.error(), again.error()):
        assert told(error) == [sentence(model)]
        assert told(pickle.loads(pickle.dumps(error))) == [sentence(model)]
    with pytest.raises(ServerError) as caught:
        outcome.unwrap()
    assert told(caught.value) == [sentence(model)]
    assert f"nugen-async undeploy {model}" in page
    assert f"nugen-async undeploy {model}" in outcome._repr_html_()

    monkeypatch.setenv("NUGEN_API_KEY", "key")
    await execute(("batch", "status", "--journal", journal, "--json"))
    assert f"  nugen-async undeploy {model}\n" in capsys.readouterr().err


async def test_the_command_tells_it_at_the_end_of_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = tmp_path / "runs.jsonl"
    manifest.write_text(
        f'{{"name": "legal", "base_model": "{BASE}", "document_ids": ["doc-1"], "deploy": true}}'
    )
    made = world()
    async with Simulator(world=made) as sim:
        monkeypatch.setenv("NUGEN_API_KEY", "key")
        monkeypatch.setenv("NUGEN_BASE_URL", sim.url)
        await execute(("batch", "run", str(manifest), "--journal", str(tmp_path / "runs.db"), "-q"))
    (model,) = made.models
    assert f"  nugen-async undeploy {model}\n" in capsys.readouterr().err


def test_a_run_whose_time_is_over_tells_what_it_leaves() -> None:
    result = WorkflowResult(key="k", name="n", model_id="m", still_deployed=True)
    outcome = TimedOut(key="k", result=result, exception=WaitTimeoutError(job_id="ev-1"))
    assert told(outcome.error()) == told(outcome.error()) == [sentence("m")]
    assert "nugen-async undeploy m" in outcome._repr_html_()
    given_back = TimedOut(
        key="k", result=evolve(result, still_deployed=False), exception=WaitTimeoutError()
    )
    assert told(given_back.error()) == []


async def test_a_workflow_by_hand_names_the_model_that_it_could_not_give_back() -> None:
    made = world()
    async with Simulator(world=made) as sim, Nugen("k", base_url=sim.url, max_retries=0) as nugen:
        with pytest.raises(NugenError) as caught:
            await run_workflow(nugen, SPEC)
    (model,) = made.models
    assert told(caught.value) == [sentence(model)]


async def test_a_model_that_was_meant_to_stay_is_no_warning() -> None:
    result = WorkflowResult(key="k", name="n", model_id="m\x1b[2J", still_deployed=True)
    assert "cost money" not in Ready(key="k", result=result)._repr_html_()
    assert "\x1b" not in result.leftover
    assert "undeploy 'm" in result.leftover


@pytest.mark.parametrize("status", [409, 422, 500])
async def test_a_deployment_that_was_refused_is_no_model_left_serving(
    tmp_path: Path, status: int
) -> None:
    made = World(
        seed=1, faults=[Fault(effect=Status(status, {"detail": "no"}), operation="deploy")]
    )
    made.add_document("doc-1")
    async with batch(tmp_path / "runs.db", made) as opened:
        outcome = await one(opened)
        assert isinstance(outcome, Failed)
        assert [failure.stage for failure in outcome.failures] == [Stage.DEPLOYMENT]
        assert not outcome.result.still_deployed
        assert (await opened.status()).still_deployed == ()


async def test_a_model_whose_deployment_was_given_up_on_is_undeployed_once_it_serves() -> None:
    made = World(seed=1, times=Times(deployment=Span(1800.0)))
    made.add_document("doc-1")
    made.inject(
        Fault(effect=Status(404, {"detail": "Not found"}), operation="deploy_status", times=8)
    )
    async with Simulator(world=made) as sim, Nugen("key", base_url=sim.url) as nugen:
        with pytest.raises(JobUnreachableError) as caught:
            await run_workflow(nugen, SPEC)
        (model,) = made.models.values()
        assert model.serving(sim.now) == "undeployed"
    assert told(caught.value) == []
