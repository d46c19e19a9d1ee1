"""Many jobs under mixed faults and random cancellations: the server's book and the client's agree."""

from __future__ import annotations

import asyncio
import gc
import os
import random
from collections import Counter

from nugen_async import (
    Alignment,
    CreateOutcomeUnknownError,
    JobFailedError,
    JobUnreachableError,
    Nugen,
    Phase,
)
from nugen_async.simulator import Cut, Drop, Fault, Garble, Simulator, Span, Status, Times, World

COUNT = 10_000 if os.environ.get("FUZZ") == "nightly" else 300


def world() -> World:
    faults = [
        Fault(effect=Status(500, handled=True), share=0.03),
        Fault(effect=Status(502), share=0.02),
        Fault(effect=Drop(handled=True, reset=True), share=0.02),
        Fault(effect=Garble("html"), share=0.01),
        Fault(effect=Cut(), share=0.01),
        Fault(effect=Status(429, retry_after=1), share=0.002),
    ]
    times = Times(alignment=Span(1800.0, 0.8), queue=Span(20.0, 0.8))
    failures = {"alignment": 0.05}
    return World(seed=5, times=times, trusting=True, faults=faults, failures=failures)


async def test_the_book_and_the_outcomes_agree() -> None:
    dice = random.Random(7)
    tally: Counter[str] = Counter()
    ends: dict[str, str] = {}
    gate = asyncio.Semaphore(200)

    async def waited(nugen: Nugen, job: Alignment) -> Alignment:
        """Wait for it; now and then give up and come back, as callers do."""
        while True:
            try:
                async with asyncio.timeout(dice.uniform(1, 3000) if dice.random() < 0.3 else None):
                    return await job.wait_until_ready()
            except TimeoutError:
                tally["left"] += 1
                job = nugen.alignments.handle(job.id)
            except JobUnreachableError:
                tally["unreachable"] += 1

    async def one(nugen: Nugen, number: int) -> None:
        async with gate:
            try:
                job = await nugen.alignments.create(
                    name=f"n{number}", base_model="b", document_ids=["d"]
                )
            except CreateOutcomeUnknownError:
                tally["unknown"] += 1
                return
            try:
                ready = await waited(nugen, job)
            except JobFailedError as error:
                ends[error.job_id] = "failed"
            else:
                assert ready.phase is Phase.READY
                ends[ready.id] = "ready"

    async with Simulator(world=world()) as sim:
        async with Nugen("k", base_url=sim.url, max_retries=8) as nugen:
            async with asyncio.TaskGroup() as group:
                for number in range(COUNT):
                    group.create_task(one(nugen, number))
            (poller,) = nugen._pollers.values()
            assert poller.idle
            assert nugen._api.transport.gate._free == 100
        book = {job.id: job.phase(sim.now) for job in sim.world.alignments.values()}
    made = Counter(job.name for job in sim.world.alignments.values())
    assert max(made.values()) == 1
    assert all(book[job_id] == end for job_id, end in ends.items())
    assert len(ends) + tally["unknown"] == COUNT
    assert len(ends) <= len(book) <= COUNT
    assert tally["unknown"]
    assert tally["left"]
    gc.collect()
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
