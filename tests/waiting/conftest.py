"""A world of one's own for waiting tests: alignments of a known length, one client."""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from attrs import frozen

from nugen_async import Alignment, Nugen
from nugen_async.simulator import Simulator, Span, Times, World

LOOK = r"alignment-project/status/"
DETAIL = r"alignment-project/[^/]+$"


@frozen
class Site:
    """A simulator and a client on it."""

    sim: Simulator
    nugen: Nugen

    async def start(self, name: str = "n") -> Alignment:
        """One alignment, just created."""
        return await self.nugen.alignments.create(
            name=name, base_model="nugen-flash-instruct", document_ids=["d"]
        )

    async def start_many(self, count: int) -> list[Alignment]:
        return await asyncio.gather(*(self.start(f"n{i}") for i in range(count)))

    def requests(self, operation: str) -> int:
        return self.sim.log.by_operation[operation]

    @property
    def looks(self) -> int:
        """Requests that were made to learn how jobs are."""
        return sum(
            count
            for operation, count in self.sim.log.by_operation.items()
            if not operation.startswith("create")
        )


def world(minutes: float = 45, sigma: float = 0.0, **settings: Any) -> World:
    times = Times(alignment=Span(minutes * 60, sigma), queue=Span(0.0))
    return World(**{"seed": 1, "times": times, "trusting": True, **settings})


@pytest.fixture
def aiohttp_in_virtual_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """aiohttp ages idle connections by `time.monotonic`; in these tests time is the loop's."""
    monkeypatch.setattr("aiohttp.connector.monotonic", lambda: asyncio.get_running_loop().time())


Open = Callable[..., AbstractAsyncContextManager[Site]]


@asynccontextmanager
async def opened(
    minutes: float = 45, sigma: float = 0.0, client: dict[str, Any] | None = None, **settings: Any
) -> AsyncGenerator[Site]:
    async with (
        Simulator(world=world(minutes, sigma, **settings)) as sim,
        Nugen("test-key", base_url=sim.url, rng=random.Random(1), **(client or {})) as nugen,
    ):
        yield Site(sim, nugen)
    left = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
    assert left == []
    gc.collect()


@pytest.fixture
def site() -> Open:
    """``async with site(minutes=45) as s:``; no task may be left at its end."""
    return opened
