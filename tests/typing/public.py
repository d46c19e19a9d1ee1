"""What a type checker sees of the public surface. Checked by mypy and pyright, never run."""

from __future__ import annotations

from typing import Any, assert_never, assert_type

from nugen_async import (
    AlignedModel,
    Alignment,
    AlignmentMetrics,
    Alignments,
    Benchmark,
    Cancelled,
    Deployment,
    Document,
    Evaluation,
    EvaluationResults,
    Failed,
    FileSource,
    JobFailedError,
    Listing,
    Nugen,
    NugenError,
    OnProgress,
    OnUnknown,
    OnUpdate,
    Outcome,
    Page,
    Parked,
    Phase,
    RawResponse,
    Ready,
    ScheduleLike,
    SeekrFlow,
    Stalled,
    TimedOut,
    TrainingPairsJob,
    Unreachable,
)


async def nouns(nugen: Nugen) -> None:
    assert_type(await nugen.documents.upload("a.md"), list[Document])
    created = await nugen.alignments.create(name="n", base_model="b", document_ids=["d"])
    assert_type(created, Alignment)
    assert_type(await created.wait_until_ready(timeout=1), Alignment)
    assert_type(await created.refresh(), Alignment)
    assert_type(created.phase, Phase)
    assert_type(created.performance_metrics, AlignmentMetrics | None)
    assert_type(await nugen.alignments.list(), Page[Alignment])
    async for row in nugen.alignments.list():
        assert_type(row, Alignment)
    async for model in nugen.models.list_aligned():
        assert_type(model, AlignedModel)
    assert_type(await nugen.models.deploy("m"), Deployment)
    assert_type(await nugen.benchmarks.create(document_ids=["d"], num_questions=1), Benchmark)
    evaluation = await nugen.evaluations.create(model_id="m", benchmark_id="b")
    assert_type(evaluation, Evaluation)
    assert_type(await evaluation.results(), EvaluationResults)
    assert_type(evaluation.baseline, str | None)


async def annotated(
    alignments: Alignments, schedule: ScheduleLike, on_update: OnUpdate[Alignment], lost: OnUnknown
) -> Listing[Alignment]:
    made = await alignments.create(name="n", base_model="b", document_ids=["d"], on_unknown=lost)
    await made.wait_until_ready(schedule=schedule, on_update=on_update)
    return alignments.list(limit=3)


async def uploaded(nugen: Nugen, files: list[FileSource], shown: OnProgress) -> list[Document]:
    return await nugen.documents.upload(files, names=["a"], on_progress=shown)


async def waiting(nugen: Nugen, jobs: list[Alignment]) -> None:
    async for outcome in nugen.wait_many(jobs, on_update=lambda job: job.progress):
        assert_type(outcome, Outcome[Alignment])
        assert_type(outcome.job, Alignment)
        assert_type(outcome.unwrap(), Alignment)
        match outcome:
            case Ready():
                assert_type(outcome, Ready[Alignment])
            case Failed() | Cancelled() | Parked() | TimedOut() | Stalled() | Unreachable():
                assert_type(outcome.error(), NugenError)
            case _:
                assert_never(outcome)
    async for snapshot in jobs[0].updates():
        assert_type(snapshot, Alignment)
    assert_type(nugen.alignments.handle("a"), Alignment)
    assert_type(jobs[0].resume_token(), str)
    assert_type(nugen.resume("{}"), Any)
    assert_type(nugen.resume("{}", Alignment), Alignment)


async def raw(nugen: Nugen) -> None:
    answer = await nugen.with_raw_response(nugen.alignments.get)("a")
    assert_type(answer, RawResponse[Alignment])
    assert_type(answer.record, Alignment)
    assert_type(answer.body, bytes)
    assert_type(nugen.with_options(max_retries=0), Nugen)


async def seekr(client: SeekrFlow, error: JobFailedError) -> None:
    job = await client.alignment.get("a")
    assert_type(job, TrainingPairsJob)
    assert_type(await job.wait_until_ready(), TrainingPairsJob)
    assert_type(error.resume_token, str)
