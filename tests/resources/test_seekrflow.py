"""SeekrFlow's nouns, where its contract has traps of its own."""

from __future__ import annotations

import pytest
from attrs import evolve

from nugen_async import (
    APIConnectionError,
    CreateOutcomeUnknownError,
    InvalidRequestError,
    SeekrFlow,
    Upload,
)
from nugen_async.simulator import Drop, Fault, Simulator, World

from .canned import canned

LOST = Drop(handled=True)


async def test_files_whose_adding_was_not_answered_are_not_added_twice() -> None:
    world = World(trusting=True)
    async with Simulator(world=world) as sim, SeekrFlow("k", base_url=sim.url) as seekr:
        job = await seekr.data_jobs.create(name="n", job_type="principle_files")
        world.inject(Fault(effect=LOST, operation="add_data_job_files", times=1))
        with pytest.raises(CreateOutcomeUnknownError) as lost:
            await seekr.data_jobs.add_files(job.id, ["f1", "f2"])
        assert "whether the ingestion was created" in str(lost.value)
        assert f"Look for the files f1, f2 in data job {job.id} before" in str(lost.value)
        assert len((await seekr.data_jobs.get(job.id)).ingestion_jobs) == 1


async def test_what_is_answered_without_an_id_is_about_the_job_that_was_named() -> None:
    async with canned({"status": "queued"}) as server, SeekrFlow("k", base_url=server.url) as seekr:
        assert (await seekr.data_jobs.start("dj-1")).id == "dj-1"
        assert (await seekr.data_jobs.add_files("dj-1", ["f"])).id == "dj-1"


async def test_a_field_of_a_data_job_can_be_emptied() -> None:
    async with Simulator(world=World()) as sim, SeekrFlow("k", base_url=sim.url) as seekr:
        job = await seekr.data_jobs.create(
            name="n",
            job_type="context_grounded_vector_db",
            system_prompt="s",
            vector_database_id="v",
        )
        changed = await seekr.data_jobs.update(
            job.id, system_prompt="t", clear=["vector_database_id"]
        )
        assert (changed.system_prompt, changed.vector_database_id) == ("t", None)
        with pytest.raises(InvalidRequestError, match="both given and cleared"):
            await seekr.data_jobs.update(job.id, instructions="i", clear=["instructions"])
        with pytest.raises(InvalidRequestError, match="clear must be one of"):
            await seekr.data_jobs.update(job.id, clear=["name"])  # type: ignore[list-item]
        assert (await seekr.data_jobs.get(job.id)).name == "n"


async def test_a_page_of_files_may_be_as_long_as_the_server_makes_it() -> None:
    async with (
        Simulator(world=World()) as sim,
        SeekrFlow("k", base_url=sim.url) as seekr,
    ):
        await seekr.files.upload_many([Upload("a.md", b"x")] * 120, purpose="alignment")
        assert len(await seekr.files.list(limit=500)) == 120
        assert len([file async for file in seekr.files.list(limit=500)]) == 120


async def test_a_clone_can_be_given_a_name() -> None:
    async with Simulator(world=World()) as sim, SeekrFlow("k", base_url=sim.url) as seekr:
        job = await seekr.data_jobs.create(name="n", job_type="principle_files")
        named = await seekr.data_jobs.clone(job.id, name="other")
        unnamed = await seekr.data_jobs.clone(job.id)
        assert [named.name, unnamed.name] == ["other", "n (copy)"]
        assert unnamed.origin_data_job_id == job.id
        with pytest.raises(InvalidRequestError):
            await seekr.data_jobs.clone(job.id, name="n" * 256)


async def test_a_file_may_be_larger_than_any_other_answer() -> None:
    async with (
        canned(body=b"PAR1" * 1000, content_type="application/octet-stream") as server,
        SeekrFlow("k", base_url=server.url) as seekr,
    ):
        transport = seekr._api.transport
        transport.settings = evolve(transport.settings, largest_body=1000)
        async with seekr.files.content("f") as pieces:
            assert sum([len(piece) async for piece in pieces]) == 4000
        with pytest.raises(APIConnectionError, match="over 1000 bytes"):
            await seekr.files.get("f")
