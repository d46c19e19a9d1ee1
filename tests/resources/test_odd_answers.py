"""What is made of answers that no page shows, and of answers that were lost."""

from __future__ import annotations

from typing import Any

import pytest

from nugen_async import Nugen, SeekrFlow, Upload
from nugen_async._core.wire import Route, Routes
from nugen_async.errors import (
    BadRequestError,
    CreateOutcomeUnknownError,
    DecodeError,
    InvalidRequestError,
    NotFoundError,
)
from nugen_async.resources.evaluations import Evaluations
from nugen_async.simulator import Drop, Fault, Simulator, World

from .canned import canned


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


@pytest.mark.parametrize(
    "body", [{"evaluation_id": "ev-1"}, {"data": {"id": "ev-1"}, "status": []}]
)
async def test_a_create_that_tells_the_id_has_made_it_whatever_else_it_leaves_out(
    body: Any,
) -> None:
    async with canned(body) as server, Nugen("k", base_url=server.url) as nugen:
        made = await nugen.evaluations.create(model_id="m", benchmark_id="b")
    assert (made.id, made.status, made.raw) == ("ev-1", "", body)
    assert any("status" in note for note in made.notes)


@pytest.mark.filterwarnings("ignore:.*deprecated by the API")
async def test_a_job_without_a_time_of_creation_is_made_and_listed() -> None:
    row = {"id": "al-1", "status": "queued"}
    async with canned(row) as server, SeekrFlow("k", base_url=server.url) as seekr:
        made = await seekr.alignment.generate(instructions="x", files=["f"])
        server.answer = {"data": [row]}
        assert [each.id for each in await seekr.alignment.list()] == [made.id]


@pytest.mark.filterwarnings("ignore:.*deprecated by the API")
async def test_ids_of_files_are_no_names_of_what_was_created() -> None:
    async with canned(body=b"") as server, SeekrFlow("k", base_url=server.url) as seekr:
        with pytest.raises(CreateOutcomeUnknownError) as caught:
            await seekr.alignment.generate(instructions="x", files=["f"])
        assert caught.value.look_for.startswith("one like {")
        with pytest.raises(CreateOutcomeUnknownError) as caught:
            await seekr.files.upload(Upload("a.txt", b"a"), purpose="alignment")
        assert caught.value.look_for == "one named 'a.txt'"


@pytest.mark.parametrize(("status", "body"), [(200, b""), (202, b""), (200, b"OK"), (204, None)])
async def test_a_delete_may_be_answered_with_anything(status: int, body: bytes | None) -> None:
    async with (
        canned(status=status, body=body) as server,
        SeekrFlow("k", base_url=server.url) as seekr,
    ):
        await seekr.data_jobs.delete("dj-1")
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [200, 202, 204])
async def test_a_change_may_be_answered_with_nothing(status: int) -> None:
    async with canned(status=status, body=b"") as server:
        async with Nugen("k", base_url=server.url) as nugen:
            assert (await nugen.models.deploy("model-1")).id == "model-1"
        async with SeekrFlow("k", base_url=server.url) as seekr:
            assert (await seekr.data_jobs.cancel("dj-1")).id == "dj-1"
    assert len(server.asked) == 2


async def test_a_404_of_the_router_does_not_mean_none() -> None:
    """The page's word for "none" is a sentence; this is what a wrong base URL brings."""
    async with (
        canned({"detail": "Not Found"}, status=404) as server,
        Nugen("k", base_url=server.url) as nugen,
    ):
        with pytest.raises(NotFoundError):
            await nugen.models.list_aligned()


async def test_a_look_that_is_answered_with_nothing_is_made_again() -> None:
    async with canned(body=b"") as server, Nugen("k", base_url=server.url) as nugen:
        with pytest.raises(DecodeError):
            await nugen.models.get("model-1")
    assert len(server.asked) == 4


async def test_what_some_generations_alone_take_can_be_sent() -> None:
    async with canned({"id": "x"}) as server, Nugen("k", base_url=server.url) as nugen:
        await nugen.evaluations.create(model_id="m", benchmark_id="b", judge_provider="openai")
        agent = {"agent_name": "a", "agent_description": "d", "model": "m"}
        await nugen.agents.create(**agent, extra={"max_token": 500})
        await nugen.agents.update("a-1", extra={"max_token": 400})
        ask: Any = {"model": "m", "messages": [{"role": "user", "content": "?"}]}
        await nugen.inference.chat(**ask, top_k=0, prompt_truncate_len=0)
    assert [asked.json for asked in server.asked] == [
        {"model_id": "m", "benchmark_id": "b", "judge_provider": "openai"},
        {**agent, "max_token": 500},
        {"max_token": 400},
        {**ask, "top_k": 0, "prompt_truncate_len": 0},
    ]
    async with Nugen("k", base_url=server.url, contract="plural") as nugen:
        with pytest.raises(InvalidRequestError, match="judge_provider"):
            await nugen.evaluations.create(model_id="m", benchmark_id="b", judge_provider="nugen")
