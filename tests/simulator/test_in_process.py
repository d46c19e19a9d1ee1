"""The transport without ports, and the fixtures for users."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable

import aiohttp
import pytest

from nugen_async.simulator import Drop, Fault, Simulator, Span, Stall, Times, World
from nugen_async.testing import simulated_session

pytest_plugins = ["nugen_async.testing"]

KEY = {"Authorization": "Bearer key"}
NEW = {"name": "n", "base_model": "nugen-flash-instruct", "document_ids": ["d"]}


async def test_every_host_leads_to_the_world() -> None:
    world = World(trusting=True, times=Times(alignment=Span(600), queue=Span(0)))
    async with simulated_session(world, headers=KEY) as session:
        url = "https://api.nugen.in/api/v3/alignment-project"
        async with session.post(f"{url}/create", json=NEW) as answer:
            made = (await answer.json())["alignment_id"]
        await asyncio.sleep(600)
        async with session.get(f"http://elsewhere:1234/api/v3/alignment-project/{made}") as answer:
            assert (await answer.json())["status"] == "READY"
        flow = {"Authorization": "key"}
        async with session.get("https://flow.seekr.com/v1/flow/files", headers=flow) as answer:
            assert await answer.json() == {"object": "list", "data": []}
    assert world.log.count() == 3
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_connections_are_kept_and_dropped_like_real_ones() -> None:
    world = World(faults=[Fault(effect=Drop(reset=True), nth=[3])])
    async with simulated_session(world, headers=KEY) as session:
        for _ in range(2):
            async with session.get("http://any/api/v3/models/base") as answer:
                await answer.read()
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.post("http://any/api/v3/models/base")
    assert [entry.connection for entry in world.log] == [1, 1, 1]


async def test_closing_the_session_lets_go_of_a_stall() -> None:
    world = World(faults=[Fault(effect=Stall())])
    session = simulated_session(world, headers=KEY)
    stalled = asyncio.create_task(session.get("http://any/api/v3/models/base"))
    await asyncio.sleep(1)
    await session.close()
    with pytest.raises(aiohttp.ClientError):
        await stalled
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_two_sessions_of_one_world_share_its_time() -> None:
    world = World(trusting=True)
    async with simulated_session(world, headers=KEY) as session:
        await (await session.get("http://any/api/v3/models/base")).read()
    await asyncio.sleep(100)
    async with simulated_session(world, headers=KEY) as session:
        await (await session.get("http://any/api/v3/models/base")).read()
    assert [round(entry.at, 3) for entry in world.log] == [0, 100]


async def test_the_fixture_makes_simulators(nugen_simulator: Callable[..., Simulator]) -> None:
    async with nugen_simulator(seed=3, trusting=True) as sim:
        assert (sim.world.seed, sim.world.trusting) == (3, True)


def test_the_fixture_makes_worlds(nugen_world: World) -> None:
    assert nugen_world.alignments == {}


def test_importing_the_simulator_leaves_the_server_unimported() -> None:
    code = (
        "import sys, nugen_async.simulator\n"
        "assert 'aiohttp.web' not in sys.modules, 'imported too early'\n"
        "nugen_async.simulator.Simulator\n"
        "assert 'aiohttp.web' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
