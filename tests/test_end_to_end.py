"""The whole way, from documents to a deployed model, in every form the API has been seen in."""

from __future__ import annotations

import asyncio
import gc
import itertools
from typing import Any

import pytest

from nugen_async import Nugen, Phase, SeekrFlow, Upload
from nugen_async.errors import JobParkedError
from nugen_async.simulator import Simulator, World

FORMS = [
    *itertools.product(("documented",), ("G1", "G2", "G3", None), (None,)),
    *itertools.product(("plural",), ("G4", "G3", "G2", "G1", None), (None,)),
    ("auto", None, {"documented"}),
    ("auto", None, {"plural"}),
    ("auto", "G1", {"documented"}),
]


async def whole_way(nugen: Nugen) -> dict[str, Any]:
    files = [Upload("guide.md", b"# Guide\n"), Upload("faq.txt", b"Q and A")]
    uploaded = await nugen.documents.upload(files, categories=["support"])
    documents = await nugen.documents.wait(uploaded)
    ids = [document.id for document in documents]
    made = await nugen.benchmarks.create(document_ids=ids, num_questions=12)
    benchmark = await made.wait_until_ready()
    given = await nugen.benchmarks.upload([("Why?", "Because.")], name="own", document_id=ids[0])
    await given.wait_until_ready()
    created = await nugen.alignments.create(
        name="support", base_model="nugen-flash-instruct", document_ids=ids
    )
    alignment = await created.wait_until_ready()
    assert alignment.model_id
    deployment = await (await nugen.models.deploy(alignment.model_id)).wait_until_ready()
    (model,) = await nugen.models.list_aligned()
    started = await nugen.evaluations.create(
        model_id=alignment.model_id, baseline="nugen-flash-instruct", benchmark_id=benchmark.id
    )
    evaluation = await started.wait_until_ready()
    results = await evaluation.results()
    await (await nugen.models.undeploy(alignment.model_id)).wait_until_ready()
    (idle,) = await nugen.models.list_aligned()
    return {
        "documents": len(set(ids)),
        "benchmark": benchmark.phase,
        "alignment": alignment.phase,
        "model": (model.id, model.name, model.base_model, model.serving),
        "same model": model.id == alignment.model_id == deployment.id,
        "evaluation": evaluation.phase,
        "accuracy": results.metrics.accuracy if results.metrics else None,
        "idle": idle.serving,
        "alignments": [a.id == alignment.id async for a in nugen.alignments.list()],
        "evaluations": [e.id == evaluation.id async for e in nugen.evaluations.list()],
        "benchmarks": {b.id async for b in nugen.benchmarks.list()} == {benchmark.id, given.id},
    }


@pytest.mark.parametrize(("contract", "generation", "served"), FORMS)
async def test_the_same_way_brings_the_same_end(
    contract: Any, generation: Any, served: Any
) -> None:
    settings = {"contracts": served} if served else {}
    world = World(seed=7, generation=generation, **settings)
    async with (
        Simulator(world=world) as sim,
        Nugen("k", base_url=sim.url, contract=contract) as nugen,
    ):
        end = await whole_way(nugen)
    model, name, base, serving = end.pop("model")
    assert model in world.models
    assert (base, serving) == ("nugen-flash-instruct", True)
    assert name
    (alignment,) = world.alignments.values()
    assert end == {
        "documents": 2,
        "benchmark": Phase.READY,
        "alignment": Phase.READY,
        "same model": True,
        "evaluation": Phase.READY,
        "accuracy": pytest.approx(end["accuracy"]),
        "idle": False,
        "alignments": [True],
        "evaluations": [True],
        "benchmarks": True,
    }
    assert 0 < end["accuracy"] < 1
    assert alignment.id


async def test_auto_tries_the_documented_route_once_a_noun() -> None:
    world = World(seed=7, contracts={"plural"}, trusting=True)
    async with Simulator(world=world) as sim, Nugen("k", base_url=sim.url, contract="auto") as n:
        for name in ("a", "b", "c"):
            await n.alignments.create(
                name=name, base_model="nugen-flash-instruct", document_ids=["d"]
            )
        paths = [entry.path for entry in sim.log]
    assert paths == ["/api/v3/alignment-project/create"] + 3 * ["/api/v3/alignment-projects/create"]
    assert len(world.alignments) == 3


async def test_two_hundred_at_once_leave_nothing_behind() -> None:
    async with Simulator(world=World(seed=5, trusting=True)) as sim:
        async with Nugen("k", base_url=sim.url) as nugen:

            async def one(number: int) -> Phase:
                job = await nugen.alignments.create(
                    name=f"n{number}", base_model="nugen-flash-instruct", document_ids=["d"]
                )
                return (await job.wait_until_ready()).phase

            phases = await asyncio.gather(*map(one, range(200)))
        assert sim.log.by_operation["create_alignment"] == 200
    assert set(phases) == {Phase.READY}
    assert [t for t in asyncio.all_tasks() if t is not asyncio.current_task()] == []
    gc.collect()


async def test_seekrflow_from_files_to_outputs() -> None:
    async with Simulator(world=World(seed=7)) as sim, SeekrFlow("k", base_url=sim.url) as seekr:
        file = await seekr.files.upload(Upload("guide.md", b"# Guide"), purpose="alignment")
        job = await seekr.data_jobs.create(name="n", job_type="principle_files", instructions="be")
        await seekr.data_jobs.add_files(job.id, file_ids=[file.id])
        with pytest.raises(JobParkedError) as parked:
            await seekr.data_jobs.handle(job.id).wait_until_ready()
        assert parked.value.status == "ready_to_start"
        await seekr.data_jobs.start(job.id)
        done = await seekr.resume(parked.value.resume_token).wait_until_ready()
        assert done.phase is Phase.READY
        outputs = await seekr.alignment.outputs(done.alignment_job_id)
    assert [o.purpose for o in outputs if o.purpose == "fine-tune"] == ["fine-tune"]


async def test_seekrflow_alignment_jobs() -> None:
    async with (
        Simulator(world=World(seed=7, trusting=True)) as sim,
        SeekrFlow("k", base_url=sim.url) as seekr,
    ):
        with pytest.deprecated_call(match="data_jobs"):
            job = await seekr.alignment.generate(instructions="be kind", files=["f"])
        ready = await job.wait_until_ready()
        assert ready.phase is Phase.READY
        assert [j.id for j in await seekr.alignment.list()] == [job.id]
        with pytest.deprecated_call(match="data_jobs"):
            other = await seekr.alignment.generate(instructions="be kind", files=["f"])
        stopped = await seekr.alignment.cancel(other.id)
        assert stopped.phase is Phase.CANCELLED
        await seekr.alignment.delete(other.id)
