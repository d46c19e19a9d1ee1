"""The gate: so many at once, by urgency, no faster than the pace allows, and no slot ever lost."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nugen_async._core.gate import Gate, Urgency, shared_pace
from nugen_async._core.pace import Pace

from ..clock import VirtualLoop


async def occupy(gate: Gate, urgency: Urgency, seconds: float, log: list[str], name: str) -> None:
    await gate.enter(urgency)
    log.append(name)
    try:
        await asyncio.sleep(seconds)
    finally:
        gate.leave()


async def test_no_more_than_its_slots_are_in_flight() -> None:
    gate, log = Gate(3, Pace()), list[str]()
    async with asyncio.TaskGroup() as group:
        for n in range(9):
            group.create_task(occupy(gate, Urgency.CALL, 10, log, str(n)))
        for expected in (3, 6, 9):
            await asyncio.sleep(1)
            assert len(log) == expected
            await asyncio.sleep(9)


async def test_creates_pass_calls_and_calls_pass_polls() -> None:
    gate, log = Gate(1, Pace()), list[str]()
    async with asyncio.TaskGroup() as group:
        group.create_task(occupy(gate, Urgency.POLL, 5, log, "first"))
        await asyncio.sleep(1)
        for name, urgency in (("poll", 2), ("call", 1), ("create", 0)):
            group.create_task(occupy(gate, Urgency(urgency), 5, log, name))
    assert log == ["first", "create", "call", "poll"]


async def test_a_429_holds_everyone_back_until_the_gate_opens() -> None:
    gate, log = Gate(10, Pace()), list[str]()
    loop = asyncio.get_running_loop()
    await gate.enter(Urgency.CALL)
    gate.answered(429, 30)
    gate.leave()
    started = loop.time()
    await occupy(gate, Urgency.CREATE, 0, log, "x")
    assert 30 <= loop.time() - started <= 34


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(Urgency), st.floats(0, 5), st.none() | st.floats(0, 8)),
        max_size=25,
    )
)
def test_whoever_is_cancelled_whenever_no_slot_is_lost(
    users: list[tuple[Urgency, float, float | None]],
) -> None:
    async def scenario() -> None:
        gate, log = Gate(2, Pace()), list[str]()
        tasks = []
        for urgency, seconds, cancelled_after in users:
            task = asyncio.create_task(occupy(gate, urgency, seconds, log, ""))
            if cancelled_after is not None:
                asyncio.get_running_loop().call_later(cancelled_after, task.cancel)
            tasks.append(task)
        await asyncio.gather(*tasks, return_exceptions=True)
        assert gate.enter_now(Urgency.POLL)
        assert gate.enter_now(Urgency.POLL)
        assert not gate.enter_now(Urgency.CREATE)

    loop = VirtualLoop()
    try:
        loop.run_until_complete(scenario())
    finally:
        loop.close()


async def test_clients_of_one_key_and_host_share_a_pace() -> None:
    one = shared_pace("https://a", "k")
    assert shared_pace("https://a", "k") is one
    assert shared_pace("https://a", "other") is not one
    assert shared_pace("https://b", "k") is not one


def test_a_pace_belongs_to_its_loop() -> None:
    async def mine() -> Pace:
        return shared_pace("https://a", "k")

    first = asyncio.run(mine())
    assert asyncio.run(mine()) is not first


@pytest.mark.parametrize("slots", [1, 7])
async def test_the_gate_is_free_again_after_use(slots: int) -> None:
    gate = Gate(slots, Pace())
    for _ in range(3):
        entered = [gate.enter_now(Urgency.CALL) for _ in range(slots + 1)]
        assert entered == [True] * slots + [False]
        for _ in range(slots):
            gate.leave()
