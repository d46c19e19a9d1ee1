"""SeekrFlow's nouns, where its contract has traps of its own."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from nugen_async import (
    APIConnectionError,
    CreateOutcomeUnknownError,
    InvalidRequestError,
    JobFailedError,
    JobParkedError,
    SeekrFlow,
    Upload,
)
from nugen_async._core.codec import structure
from nugen_async.resources.data_jobs import DataJob
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


@pytest.mark.filterwarnings("ignore:.*deprecated by the API")
async def test_training_pairs_may_come_of_a_vector_database_alone() -> None:
    async with Simulator(world=World()) as sim, SeekrFlow("k", base_url=sim.url) as seekr:
        made = await seekr.alignment.generate(
            instructions="i", files=[], type="context_data", vector_database_id="v"
        )
        assert sim.world.training_pairs[made.id].files == []


async def test_a_clone_can_be_given_a_name() -> None:
    async with Simulator(world=World()) as sim, SeekrFlow("k", base_url=sim.url) as seekr:
        job = await seekr.data_jobs.create(name="n", job_type="principle_files")
        named = await seekr.data_jobs.clone(job.id, name="other")
        unnamed = await seekr.data_jobs.clone(job.id)
        assert [named.name, unnamed.name] == ["other", "n (copy)"]
        assert unnamed.origin_data_job_id == job.id
        with pytest.raises(InvalidRequestError):
            await seekr.data_jobs.clone(job.id, name="n" * 256)


async def test_what_is_wrong_with_which_file_is_told() -> None:
    world = World(failures={"ingestion": 1.0})
    async with Simulator(world=world) as sim, SeekrFlow("k", base_url=sim.url) as seekr:
        file = await seekr.files.upload(Upload("a.pdf", b"x"), purpose="alignment")
        ingestion = await seekr.ingestion.create([file.id])
        with pytest.raises(JobFailedError, match=r"'failed': a\.pdf: .+ \(Save the file anew"):
            await ingestion.wait_until_ready()
        job = await seekr.data_jobs.create(name="n", job_type="principle_files")
        assert "add_files()" in job.reason
        await seekr.data_jobs.add_files(job.id, [file.id])
        with pytest.raises(JobParkedError, match=r"you: a\.pdf: .+ \(Save the file anew"):
            await job.wait_until_ready()
        changed = await seekr.data_jobs.remove_files(job.id, [file.id])
        assert "a.pdf" not in changed.reason


REVIEW = {"status": "needs_review", "files": [{"file_id": "f", "name": "a.pdf"}]}
FIX = {"file_id": "f", "name": "a.pdf", "suggested_fix": "unlock it"}
RECORD = {"filename": "a.pdf", "alignment_file_id": "f", "error_message": "locked"}
REASONS: list[tuple[dict[str, Any], str]] = [
    ({"status": "needs_review", "files": [FIX]}, "a.pdf: unlock it"),
    ({**REVIEW, "ingestion_jobs": [{"records": [RECORD]}]}, "a.pdf: locked"),
    (
        {**REVIEW, "files": [FIX], "ingestion_jobs": [{"records": [RECORD]}]},
        "a.pdf: locked (unlock it)",
    ),
    (
        {**REVIEW, "error": "look", "ingestion_jobs": [{"records": [RECORD, RECORD, 1]}]},
        "look; a.pdf: locked",
    ),
    ({**REVIEW, "files": [{"file_id": "f", "suggested_fix": "unlock it"}]}, "f: unlock it"),
    ({"status": "ready_to_start", "files": [FIX]}, "start it with data_jobs.start()"),
]
SILENT: list[Any] = [
    [{"records": [{**RECORD, "alignment_file_id": "removed"}]}],
    [{"records": [{**RECORD, "deleted": True}]}],
    [{"records": [{**RECORD, "error_message": {"code": 1}}]}],
    [{"records": [{**RECORD, "alignment_file_id": ["odd"]}]}],
    [{"records": "none"}],
    [{}],
]


@pytest.mark.parametrize(("body", "reason"), REASONS)
def test_a_data_job_says_what_it_waits_for(body: dict[str, Any], reason: str) -> None:
    assert structure({"id": "dj-1", **body}, DataJob).reason == reason


@pytest.mark.parametrize("ingestions", SILENT)
def test_a_data_job_that_tells_of_no_file_says_what_can_be_done(ingestions: Any) -> None:
    job = structure({"id": "dj-1", **REVIEW, "ingestion_jobs": ingestions}, DataJob)
    assert job.reason.startswith("its files or system prompt need a review")


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
