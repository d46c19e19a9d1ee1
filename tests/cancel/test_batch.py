"""A batch that is cancelled at any moment goes on where it stopped: nothing twice, nothing lost."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from nugen_async import Nugen
from nugen_async.batch import Batch, Ready
from nugen_async.simulator import Delay, Fault, Simulator, World
from nugen_async.workflows import Workflow

from .driver import WHENS, Cut, When, after_turns, cut, settle

COUNT = 2


def specs() -> list[Workflow]:
    model = "llama-v3p1-8b-instruct"
    return [
        Workflow(name=f"run {n}", key=f"k{n}", base_model=model, document_ids=("doc-1",))
        for n in range(COUNT)
    ]


def world() -> World:
    made = World(seed=1)
    made.add_document("doc-1")
    made.inject(Fault(effect=Delay(0.3), share=0.5))
    return made


async def run(path: Path, nugen: Nugen) -> list[object]:
    async with Batch.open(path, nugen, settle=5.0) as batch:
        return [type(outcome) async for outcome in batch.run(specs(), at_once=2)]


def tasks() -> list[asyncio.Task[object]]:
    mine = asyncio.current_task()
    return [t for t in asyncio.all_tasks() if t is not mine and "RequestHandler" not in repr(t)]


async def goes_on(path: Path, sim: Simulator) -> None:
    """After whatever happened to the first run, the second brings all of it to its end."""
    await settle()
    assert tasks() == []
    async with Nugen("key", base_url=sim.url) as nugen:
        assert await run(path, nugen) == [Ready] * COUNT
    assert len(sim.log.created("create_alignment")) == COUNT


@pytest.mark.parametrize("moment", [0.0, 0.31, 0.5, 0.9, 1800.0])
@pytest.mark.parametrize("turns", [0, 1, 7])
async def test_cancelled_at_a_moment(tmp_path: Path, moment: float, turns: int) -> None:
    path = tmp_path / "runs.db"
    async with Simulator(world=world()) as sim:
        async with Nugen("key", base_url=sim.url) as nugen:
            task = asyncio.create_task(run(path, nugen))
            await asyncio.sleep(moment)
            await after_turns(task, turns)
            await asyncio.wait({task})
            assert task.cancelled() or task.result() == [Ready] * COUNT
        await goes_on(path, sim)


@pytest.mark.parametrize("when", WHENS, ids=lambda when: when.__name__)
async def test_cancelled_at_every_suspension(tmp_path: Path, when: When) -> None:
    for at in range(1, 100):
        where, path = Cut(at), tmp_path / f"{at}.db"
        async with Simulator(world=world()) as sim:
            async with Nugen("key", base_url=sim.url) as nugen:
                task = asyncio.create_task(_coroutine(cut(run(path, nugen), where, when)))
                await asyncio.wait({task})
                if when.__name__ != "waking":
                    assert task.cancelled() is where.struck
            await goes_on(path, sim)
        if not where.struck:
            return
    pytest.fail("it never ended")


async def _coroutine(work: object) -> object:
    return await work  # type: ignore[misc] # what `cut` makes is awaitable
