"""What is made of answers that no page shows, and of answers that were lost."""

from __future__ import annotations

import pytest

from nugen_async import Nugen, SeekrFlow
from nugen_async._core.wire import Route, Routes
from nugen_async.errors import BadRequestError, NotFoundError
from nugen_async.resources.evaluations import Evaluations
from nugen_async.simulator import Drop, Fault, Simulator, World


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


@pytest.mark.filterwarnings("ignore:.*deprecated by the API")
async def test_what_was_cancelled_or_deleted_before_its_answer_was_lost_is_done() -> None:
    lost = Drop(handled=True)
    world = World(trusting=True)
    async with Simulator(world=world) as sim, SeekrFlow("k", base_url=sim.url) as seekr:
        job = await seekr.alignment.generate(instructions="x", files=["f"])
        world.inject(Fault(effect=lost, operation="cancel_training_pairs", times=1))
        assert (await seekr.alignment.cancel(job.id)).status == "cancelled"
        world.inject(Fault(effect=lost, operation="delete_training_pairs", times=1))
        await seekr.alignment.delete(job.id)
        assert [row.id async for row in seekr.alignment.list()] == []
        with pytest.raises(NotFoundError):  # nobody else's doing is taken for ours
            await seekr.alignment.delete(job.id)
        data = await seekr.data_jobs.create(name="n", job_type="principle_files")
        world.inject(Fault(effect=lost, operation="cancel_data_job", times=1))
        assert (await seekr.data_jobs.cancel(data.id)).status == "cancelled"


@pytest.mark.filterwarnings("ignore:.*deprecated by the API")
async def test_a_job_that_has_ended_cannot_be_cancelled() -> None:
    async with (
        Simulator(world=World(trusting=True)) as sim,
        SeekrFlow("k", base_url=sim.url) as seekr,
    ):
        job = await seekr.alignment.generate(instructions="x", files=["f"])
        await job.wait_until_ready()
        with pytest.raises(BadRequestError):
            await seekr.alignment.cancel(job.id)
