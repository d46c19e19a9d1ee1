"""A simulator whose alignments take half an hour, and a client on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from attrs import frozen

from nugen_async import Alignment, Nugen
from nugen_async.simulator import Simulator, Span, Times, World


@frozen
class Site:
    sim: Simulator
    nugen: Nugen

    async def start(self, name: str = "n") -> Alignment:
        return await self.nugen.alignments.create(
            name=name, base_model="nugen-flash-instruct", document_ids=["d"]
        )

    @property
    def looks(self) -> int:
        return self.sim.log.total - self.sim.log.by_operation["create_alignment"]


def world(minutes: float = 30, **settings: Any) -> World:
    times = Times(alignment=Span(minutes * 60), queue=Span(0.0))
    return World(**{"seed": 1, "times": times, "trusting": True, **settings})


Open = Callable[..., AbstractAsyncContextManager[Site]]


@pytest.fixture
def site() -> Open:
    """``async with site(minutes=30) as s:``; no task may be left at its end."""

    @asynccontextmanager
    async def opened(minutes: float = 30, **settings: Any) -> AsyncGenerator[Site]:
        async with (
            Simulator(world=world(minutes, **settings)) as sim,
            Nugen("test-key", base_url=sim.url) as nugen,
        ):
            yield Site(sim, nugen)
        left = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
        assert left == []

    return opened
