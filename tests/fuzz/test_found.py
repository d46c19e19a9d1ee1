"""What the searches found, as single facts."""

from __future__ import annotations

import asyncio

from nugen_async import Nugen, Ready
from nugen_async.simulator import Fault, Simulator, Span, Status, Times, World


def world() -> World:
    times = Times(alignment=Span(300.0, 0.0), queue=Span(0.0))
    return World(seed=1, times=times, trusting=True)


async def test_a_list_that_fails_is_not_the_last_that_is_asked() -> None:
    async with Simulator(world=world()) as sim, Nugen("k", base_url=sim.url) as nugen:
        make = nugen.alignments.create
        jobs = [await make(name=f"n{i}", base_model="b", document_ids=["d"]) for i in range(20)]
        sim.world.inject(
            Fault(effect=Status(500), path=r"alignment-project$", method="GET", times=3)
        )
        outcomes = [outcome async for outcome in nugen.wait_many(jobs)]
        assert len(outcomes) == 20
        assert all(isinstance(outcome, Ready) for outcome in outcomes)


async def test_a_closed_poller_looks_at_nothing() -> None:
    async with Simulator(world=world()) as sim:
        nugen = Nugen("k", base_url=sim.url)
        job = await nugen.alignments.create(name="n", base_model="b", document_ids=["d"])
        waits = [asyncio.create_task(job.wait_until_ready()) for _ in range(3)]
        await asyncio.sleep(1)
        await nugen.aclose()
        await asyncio.wait(waits)
        assert [type(wait.exception()).__name__ for wait in waits] == ["ClientClosedError"] * 3
        before = sim.log.total
        await asyncio.sleep(3600)
        assert sim.log.total == before
