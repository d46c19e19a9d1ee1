"""A whole workflow cut anywhere, by a cancellation or by a crash: it goes on, and nothing is made twice."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from pathlib import Path

import pytest

from nugen_async import Nugen
from nugen_async.batch import Batch, Ready
from nugen_async.journal import Journal
from nugen_async.launching import file
from nugen_async.launching.owner import Owner
from nugen_async.launching.runner import Runner, Terms
from nugen_async.simulator import Delay, Drop, Fault, Simulator, World
from nugen_async.workflows import Workflow, run_workflow

from ..cases import NIGHTLY
from .driver import WHENS, Cut, When, asleep, cut

STRIDE = 1 if NIGHTLY else 11
MADE_ONCE = ("upload_documents", "create_benchmark", "create_alignment", "create_evaluation")


@pytest.fixture
def spec(tmp_path: Path) -> Workflow:
    document = tmp_path / "notes.txt"
    document.write_text("Notes.")
    return Workflow(
        name="run",
        key="k",
        base_model="llama-v3p1-8b-instruct",
        documents=[document],
        num_questions=5,
        deploy=True,
        evaluate="compare",
    )


def world() -> World:
    slow = Fault(effect=Delay(0.3), share=0.5)
    lost = Fault(effect=Drop(handled=True), method="POST", nth=[2])
    return World(seed=1, faults=[slow, lost])


def assert_made_once(sim: Simulator) -> None:
    """By the server's own log; and no model is left to be paid for."""
    made = Counter(entry.operation for entry in sim.log if entry.created is not None)
    assert {made[operation] for operation in MADE_ONCE} == {1}
    assert {model.serving(sim.now) for model in sim.world.models.values()} == {"undeployed"}


async def resumed(path: Path, nugen: Nugen, spec: Workflow) -> None:
    """Go on with a workflow as a batch does, in one coroutine."""
    journal = await Journal.open(path)
    try:
        await journal.admit([spec])
        async with Runner(nugen, journal, Terms(settle=5.0)) as runner:
            row = await journal.row("k")
            await runner.resume("k", row.spec, row.progress)
    finally:
        await journal.aclose()


async def goes_on(path: Path, sim: Simulator, spec: Workflow) -> None:
    async with (
        Nugen("key", base_url=sim.url) as nugen,
        Batch.open(path, nugen, settle=5.0) as batch,
    ):
        assert [type(outcome) async for outcome in batch.run([spec])] == [Ready]
    assert_made_once(sim)


@pytest.mark.parametrize("when", WHENS, ids=lambda when: when.__name__)
async def test_a_workflow_cancelled_at_every_suspension(
    tmp_path: Path, spec: Workflow, when: When
) -> None:
    for at in range(1 + WHENS.index(when), 1000, STRIDE):
        where, path = Cut(at), tmp_path / f"{at}.db"
        async with Simulator(world=world()) as sim:
            async with Nugen("key", base_url=sim.url) as nugen:
                work = cut(resumed(path, nugen, spec), where, when)
                task = asyncio.create_task(_coroutine(work))
                await asyncio.wait({task})
                if when.__name__ != "waking":
                    assert task.cancelled() is where.struck
            await goes_on(path, sim, spec)
        if not where.struck:
            return
    pytest.fail("it never ended")


async def test_a_workflow_whose_process_dies_at_every_suspension(
    tmp_path: Path, spec: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Owner.here()
    for at in range(1, 1000, STRIDE):
        where, path, copy = Cut(at), tmp_path / f"{at}.db", tmp_path / f"{at}-copy.db"

        def dies(
            task: asyncio.Task[None],
            future: asyncio.Future[object] | None,
            path: Path = path,
            copy: Path = copy,
        ) -> None:
            """What is on the disk now is all that the next process has."""
            for suffix in ("", "-wal"):
                if (beside := path.with_name(path.name + suffix)).exists():
                    shutil.copyfile(beside, copy.with_name(copy.name + suffix))
            asleep(task, future)

        async with Simulator(world=world()) as sim:
            async with Nugen("key", base_url=sim.url) as nugen:
                with monkeypatch.context() as patch:
                    patch.setattr(file.Owner, "here", lambda: _dead(here))
                    work = cut(resumed(path, nugen, spec), where, dies)
                    task = asyncio.create_task(_coroutine(work))
                    await asyncio.wait({task})
            await goes_on(copy if where.struck else path, sim, spec)
        if not where.struck:
            return
    pytest.fail("it never ended")


def _dead(owner: Owner) -> Owner:
    """A process that had this one's number before."""
    return Owner(host=owner.host, pid=owner.pid, started="before", nonce=owner.nonce)


@pytest.mark.parametrize("when", WHENS, ids=lambda when: when.__name__)
async def test_a_workflow_by_hand_gives_its_model_back_or_names_it_wherever_it_is_cancelled(
    spec: Workflow, when: When, caplog: pytest.LogCaptureFixture
) -> None:
    for at in range(1 + WHENS.index(when), 1000, STRIDE):
        where = Cut(at)
        caplog.clear()
        async with Simulator(world=world()) as sim:
            async with Nugen("key", base_url=sim.url) as nugen:
                task = asyncio.create_task(_coroutine(cut(run_workflow(nugen, spec), where, when)))
                await asyncio.wait({task})
                assert not where.struck or when.__name__ == "waking" or task.cancelled()
                serving = {model.id: model.serving(sim.now) for model in sim.world.models.values()}
                named = {name for name in serving if f"model {name} may stay" in caplog.text}
            busy = {name for name, state in serving.items() if state == "deploying"}
            assert named == busy
            assert "deployed" not in serving.values()
        if not where.struck:
            return
    pytest.fail("it never ended")


async def _coroutine(work: object) -> object:
    return await work  # type: ignore[misc] # what `cut` makes is awaitable
