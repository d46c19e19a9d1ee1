"""For the tests of those who use the client: the simulator as fixtures and as a transport.

Fixtures, after ``pytest_plugins = ["nugen_async.testing"]`` in a ``conftest.py``::

    async def test_my_pipeline(nugen_simulator):
        async with nugen_simulator(seed=7, failures={"alignment": 0.2}) as sim:
            async with Nugen(api_key="test", base_url=sim.url) as nugen:
                ...
            assert sim.log.count(operation="create_alignment") == 3

Without a port, every host leading to the same world::

    world = World(seed=7)
    async with simulated_session(world) as session:
        nugen = Nugen(api_key="test", session=session)

Nothing here sleeps by itself, so a test that waits for an hour's alignment can take milliseconds
with looptime (``pip install looptime``), which moves the loop's time whenever nothing is left to
do. Mark the test ``@pytest.mark.looptime`` or run ``pytest --looptime``; for time-outs of a fixed
length, ``@pytest.mark.looptime(end=3600 * 24)`` ends a test that would wait for ever. Make
clients and servers inside the test, as above: async fixtures run before virtual time begins, so
what they made has timers on another clock. (A `World` survives this: its time never goes back.)
Virtual time moves when nothing can be read from any socket for a few turns of the loop. Bytes on
a socket pair or on loopback are there at once, so the time stands still during requests, however
many. What takes real time does not: names that aiohttp resolves and files that it reads, both in
threads (looptime waits for threads, and lets the time pass). Numeric hosts, as in `Simulator.url`,
and `simulated_session` need no thread; the latter also cannot lose time to the kernel's queues.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .simulator import Simulator, World
from .simulator.in_process import InProcessConnector, simulated_session

__all__ = [
    "InProcessConnector",
    "Simulator",
    "World",
    "nugen_simulator",
    "nugen_world",
    "simulated_session",
]


@pytest.fixture
def nugen_world() -> World:
    """A fresh world with default settings; override it to choose others."""
    return World()


@pytest.fixture
def nugen_simulator() -> Callable[..., Simulator]:
    """A factory of simulators that are not yet started: keywords are those of `World`.

    A ready world may be given instead. Use each in an ``async with`` block.
    """

    def make(world: World | None = None, /, **settings: Any) -> Simulator:
        return Simulator(world=world if world is not None else World(**settings))

    return make
