"""What a wait weighs, and that nothing is missing from what it brings."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from nugen_async import Alignment, JobStalledError, Nugen, Outcome, WaitTimeoutError

from ..resources.canned import canned
from .conftest import Open

COUNT = 1500
ROW = {
    "name": "Support answers",
    "base_model": "nugen-flash-instruct",
    "status": "PROCESSING",
    "progress": 40,
    "documents": ["doc-1", "doc-2"],
    "created_date": "2026-01-05T09:30:00Z",
}


async def held(start: Callable[[], list[asyncio.Task[Any]]]) -> float:
    """Bytes a waiter that Python holds for what *start* starts."""
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    tasks = start()
    for _ in range(3):
        await asyncio.sleep(0)
    gc.collect()
    found = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return found / COUNT


async def test_a_wait_weighs_about_as_much_as_a_task_that_sleeps_and_one_of_many_a_third() -> None:
    async def sleep(seconds: float) -> None:
        while True:  # noqa: ASYNC110 # that is what it is
            await asyncio.sleep(seconds)

    async def many(nugen: Nugen, jobs: list[Alignment]) -> list[Outcome[Alignment]]:
        return [outcome async for outcome in nugen.wait_many(jobs)]

    rows = [{"id": f"al-{number}", **ROW} for number in range(COUNT)]
    async with canned(rows) as server, Nugen("key", base_url=server.url) as nugen:
        jobs = list(await nugen.alignments.list())
        make = asyncio.create_task
        sleeping = await held(lambda: [make(sleep(30.0 + number)) for number in range(COUNT)])
        alone = await held(lambda: [make(job.wait_until_ready()) for job in jobs])
        together = await held(lambda: [make(many(nugen, jobs))])
    assert alone <= 1.25 * sleeping, "tables that have just grown included"
    assert together <= min(500, sleeping / 3)
    assert len(server.asked) == 1


@pytest.mark.parametrize("count", [1, 60])
async def test_snapshots_carry_their_payload_however_the_wait_ends(site: Open, count: int) -> None:
    seen: list[Alignment] = []
    async with site(minutes=600, progress="zero", estimates="absent") as s:
        jobs = await s.start_many(count)
        by_update = asyncio.create_task(jobs[0].wait_until_ready(900, on_update=seen.append))
        stalled = asyncio.create_task(jobs[-1].wait_until_ready(stalled_after=500))
        outcomes = [outcome async for outcome in s.nugen.wait_many(jobs, timeout=1000)]
        with pytest.raises(WaitTimeoutError) as timed_out:
            await by_update
        with pytest.raises(JobStalledError) as still:
            await stalled
    last = [timed_out.value.job, still.value.job, *(outcome.job for outcome in outcomes)]
    assert len(outcomes) == count
    assert seen
    assert {job.raw["status"] for job in (*seen, *last)} == {"PROCESSING"}
