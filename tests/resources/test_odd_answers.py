"""What is made of answers that no page shows, and of answers that were lost."""

from __future__ import annotations

import pytest

from nugen_async import Nugen
from nugen_async._core.wire import Route, Routes
from nugen_async.resources.evaluations import Evaluations
from nugen_async.simulator import Simulator, World


async def test_a_create_goes_on_to_the_path_that_the_server_points_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first generation's path ends in a slash; the simulator takes it off with a 307."""
    routes = {**Evaluations.routes, "create": Routes(Route("POST", "/api/v3/evaluations/"))}
    monkeypatch.setattr(Evaluations, "routes", routes)
    async with Simulator(world=World(trusting=True)) as sim, Nugen("k", base_url=sim.url) as nugen:
        made = await nugen.evaluations.create(model_id="m", benchmark_id="b")
        assert [entry.status for entry in sim.log.requests("POST")] == [307, 200]
    assert made.status == "PROCESSING"
