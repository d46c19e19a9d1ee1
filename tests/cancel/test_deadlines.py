"""No await outlives its deadline by more than a turn of the loop, wherever in a job's life it falls."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from nugen_async import Nugen, NugenError, Phase, Timeout, WaitTimeoutError
from nugen_async.simulator import Delay, Fault, Simulator, Span, Stall, Times, World

from ..chaos.cases import USES

LENGTH = 40.0
"""Virtual seconds that a job takes."""
TURN = 1e-3
MOMENTS = [0.05, 0.9, 1.0, 3.3, 19.0, 38.0, 39.5, 39.99, LENGTH, 40.01, 40.5, 42.0, 55.0]


def world(*faults: Fault) -> World:
    times = Times(alignment=Span(LENGTH, 0.0), queue=Span(0.0))
    return World(seed=1, times=times, trusting=True, faults=faults)


def now() -> float:
    return asyncio.get_running_loop().time()


@pytest.mark.parametrize("slow", [0.0, 0.4, 5.0])
@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_wait_keeps_its_own_deadline(moment: float, slow: float) -> None:
    faults = [Fault(effect=Delay(slow), method="GET")] if slow else []
    async with Simulator(world=world(*faults)) as sim, Nugen("k", base_url=sim.url) as nugen:
        job = await nugen.alignments.create(name="n", base_model="b", document_ids=["d"])
        started = now()
        try:
            ready = await job.wait_until_ready(moment)
        except WaitTimeoutError as error:
            assert now() - started == pytest.approx(moment, abs=TURN)  # either is right
            assert error.waited == pytest.approx(moment, abs=TURN)  # noqa: PT017 # as above
            assert moment < LENGTH + 3 + 3 * slow  # as above
        else:
            assert ready.phase is Phase.READY
            assert LENGTH - TURN <= now() - started <= moment + TURN


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_deadline_around_a_wait_is_kept_and_costs_nobody_else_anything(
    moment: float,
) -> None:
    async with Simulator(world=world()) as sim, Nugen("k", base_url=sim.url) as nugen:
        job = await nugen.alignments.create(name="n", base_model="b", document_ids=["d"])
        other = asyncio.create_task(job.wait_until_ready())
        started = now()
        ready: Any = None
        try:
            async with asyncio.timeout(moment):
                ready = await job.wait_until_ready()
        except TimeoutError:
            assert now() - started == pytest.approx(moment, abs=TURN)  # either is right
        assert ready is None or now() - started <= moment + TURN
        assert (await other).phase is Phase.READY


@pytest.mark.parametrize("total", [0.3, 2.0, 7.5])
@pytest.mark.parametrize("use", USES)
async def test_a_call_to_a_server_that_hangs_ends_in_time(use: str, total: float) -> None:
    act: Callable[[Nugen], Awaitable[Any]] = USES[use]
    async with Simulator(world=world(Fault(effect=Stall()))) as sim:
        timeout = Timeout(attempt=3.0, total=total)
        async with Nugen("k", base_url=sim.url, timeout=timeout) as nugen:
            started = now()
            with pytest.raises(NugenError):
                await act(nugen)
            limit = 12.0 if use == "wait" else total
            assert now() - started <= limit + TURN


async def test_a_deadline_that_ends_in_the_queue_says_that_nothing_was_sent() -> None:
    hang = Fault(effect=Stall(), method="GET")
    async with (
        Simulator(world=world(hang)) as sim,
        Nugen("k", base_url=sim.url, connections=1, max_retries=0) as nugen,
    ):
        blocking = asyncio.create_task(nugen.alignments.get("al-1"))
        await asyncio.sleep(1)
        hasty = nugen.with_options(timeout=Timeout(total=5.0))
        started = now()
        with pytest.raises(TimeoutError) as caught:
            await hasty.alignments.create(name="n", base_model="b", document_ids=["d"])
        assert now() - started == pytest.approx(5.0, abs=TURN)
        assert (type(caught.value).__name__, caught.value.sent) == ("APITimeoutError", False)  # type: ignore[attr-defined] # an APITimeoutError
        assert sim.log.count("POST") == 0
        blocking.cancel()
