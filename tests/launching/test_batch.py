"""Many workflows: one outcome each, nothing twice, and the second run does nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from nugen_async import Nugen
from nugen_async.batch import Batch, BatchStoppedError, Failed, Ready, TimedOut, Unknown
from nugen_async.errors import CreateOutcomeUnknownError, InvalidRequestError, JobFailedError
from nugen_async.simulator import Drop, Fault, Simulator, Span, Status, Times, World
from nugen_async.workflows import Moment, Stage, Workflow

BASE = "llama-v3p1-8b-instruct"


def plain(count: int, world: World, **others: object) -> list[Workflow]:
    if "doc-1" not in world.documents:
        world.add_document("doc-1")
    return [
        Workflow(name=f"run {n}", key=f"k{n}", base_model=BASE, document_ids=("doc-1",), **others)
        for n in range(count)
    ]


async def ran(batch: Batch, *args: object, **options: object) -> list[object]:
    return [outcome async for outcome in batch.run(*args, **options)]


async def test_every_workflow_gets_one_outcome_and_a_second_run_sends_nothing(
    tmp_path: Path,
) -> None:
    world = World(seed=1)
    specs = plain(30, world)
    async with Simulator(world=world) as sim, Nugen("key", base_url=sim.url) as nugen:
        async with Batch.open(tmp_path / "runs.db", nugen) as batch:
            first = await ran(batch, specs, at_once=8)
        sim.log.clear()
        async with Batch.open(tmp_path / "runs.db", nugen) as batch:
            second = await ran(batch, specs, at_once=8)
            status = await batch.status()
            page = await batch.report(title="Thirty")

        assert len(sim.log) == 0
    assert {type(o) for o in (*first, *second)} == {Ready}
    assert {o.result.model_id for o in first} == set(world.models)
    assert [o.result for o in sorted(first, key=lambda o: int(o.key[1:]))] == [
        o.result for o in second
    ]
    assert all(o.before for o in second)
    assert "<title>Thirty</title>" in page
    assert all(f"run {n}" in page for n in range(30))
    assert (status.total, status.ready, status.open) == (30, 30, 0)


async def test_no_more_than_so_many_run_at_once(tmp_path: Path) -> None:
    world = World(seed=1)
    async with (
        Simulator(world=world) as sim,
        Nugen("key", base_url=sim.url) as nugen,
        Batch.open(tmp_path / "runs.db", nugen) as batch,
    ):
        await ran(batch, plain(20, world), at_once=3)

    spans = [(job.created, job.ended) for job in world.alignments.values()]
    assert max(sum(a <= at < b for a, b in spans) for at, _ in spans) == 3


async def test_what_workflows_share_is_uploaded_and_built_once(tmp_path: Path) -> None:
    one, same = tmp_path / "one.txt", tmp_path / "same.txt"
    one.write_text("The same words.")
    same.write_text("The same words.")
    specs = [
        Workflow(
            name=f"w{n}",
            base_model=BASE,
            documents=[one],
            num_questions=5,
            evaluate="compare",
        )
        for n in range(10)
    ]
    async with Simulator(world=World()) as sim, Nugen("key", base_url=sim.url) as nugen:
        async with Batch.open(tmp_path / "runs.db", nugen) as batch:
            outcomes = await ran(batch, specs)

        assert {type(o) for o in outcomes} == {Ready}
        assert len(sim.world.documents) == len(sim.world.benchmarks) == 1
        assert len(sim.world.alignments) == len(sim.world.evaluations) == 10


@pytest.mark.parametrize("contract", ["documented", "plural"])
async def test_a_document_that_failed_is_uploaded_anew_by_another_try(
    tmp_path: Path, contract: str
) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("Contracts end when they end.")
    world = World(seed=1, failures={"document": 1.0}, contracts={contract})
    specs = [
        Workflow(name=f"w{n}", key=f"k{n}", base_model=BASE, documents=[notes]) for n in range(3)
    ]
    async with (
        Simulator(world=world) as sim,
        Nugen("key", base_url=sim.url, contract=contract) as nugen,
        Batch.open(tmp_path / "runs.db", nugen) as batch,
    ):
        first = await ran(batch, specs)
        world.failures = {}
        assert await batch.retry_failed() == 3
        second = await ran(batch, specs)

    assert {type(outcome) for outcome in first} == {Failed}
    assert {type(outcome) for outcome in second} == {Ready}
    assert len(world.documents) == 2


async def test_a_document_that_was_deleted_is_uploaded_anew_by_another_try(tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("Contracts end when they end.")
    world = World(seed=1)
    old, *new = [
        Workflow(name=key, key=key, base_model=BASE, documents=[notes]) for key in ("a", "b", "c")
    ]
    async with (
        Simulator(world=world) as sim,
        Nugen("key", base_url=sim.url) as nugen,
        Batch.open(tmp_path / "runs.db", nugen) as batch,
    ):
        await ran(batch, [old])
        world.documents.clear()
        first = await ran(batch, new)
        assert await batch.retry_failed() == len(new)
        second = await ran(batch, new)

    assert {type(outcome) for outcome in first} == {Failed}
    assert {type(outcome) for outcome in second} == {Ready}
    assert len(world.documents) == 1


async def test_out_of_time_for_what_is_shared_names_it(tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("Contracts end when they end.")
    world = World(times=Times(document=Span(600.0)))
    async with (
        Simulator(world=world) as sim,
        Nugen("key", base_url=sim.url) as nugen,
        Batch.open(tmp_path / "runs.db", nugen) as batch,
    ):
        specs = [Workflow(name="n", documents=[notes])]
        task = asyncio.create_task(ran(batch, specs))
        while not world.documents:  # noqa: ASYNC110 # the simulator rings no bell
            await asyncio.sleep(0.1)
        await asyncio.sleep(10)
        task.cancel()
        await asyncio.wait({task})
        (outcome,) = await ran(batch, specs, timeout=60)
        assert isinstance(outcome, TimedOut)
        error = outcome.error()
        assert [error.job_id] == [*world.documents]
        assert str(error).startswith(f"document {error.job_id} was not seen")
        assert (await nugen.resume(error.resume_token).wait_until_ready()).id == error.job_id


async def test_five_percent_may_fail_and_the_others_are_there(tmp_path: Path) -> None:
    world = World(seed=5, failures={"alignment": 0.2})
    async with (
        Simulator(world=world) as sim,
        Nugen("key", base_url=sim.url) as nugen,
        Batch.open(tmp_path / "runs.db", nugen) as batch,
    ):
        outcomes = await ran(batch, plain(40, world))
        failed = [o for o in outcomes if isinstance(o, Failed)]
        created = len(world.alignments)
        world.failures = {}
        assert await batch.retry_failed() == len(failed)
        again = await ran(batch)

    assert 0 < len(failed) < 20
    assert isinstance(failed[0].error(), JobFailedError)
    assert {type(o) for o in again} == {Ready}
    assert len(again) == 40
    assert len(world.alignments) == created + len(failed) == 40 + len(failed)


async def test_fail_fast_stops_the_run_and_leaves_the_rest_to_the_next(tmp_path: Path) -> None:
    world = World(seed=5, failures={"alignment": 0.2})
    specs = plain(40, world)
    async with (
        Simulator(world=world) as sim,
        Nugen("key", base_url=sim.url) as nugen,
        Batch.open(tmp_path / "runs.db", nugen) as batch,
    ):
        with pytest.raises(BatchStoppedError) as caught:
            await ran(batch, specs, at_once=10, policy="fail_fast")
        assert (await batch.status()).open == caught.value.left > 0
        rest = await ran(batch, specs)

    assert len(rest) == 40
    assert len(world.alignments) == 40


async def test_a_share_stops_the_run_only_when_it_cannot_be_reached(tmp_path: Path) -> None:
    world = World(seed=5, failures={"alignment": 0.2})
    specs = plain(40, world)
    async with Simulator(world=world) as sim, Nugen("key", base_url=sim.url) as nugen:
        async with Batch.open(tmp_path / "a.db", nugen) as batch:
            assert len(await ran(batch, specs, policy=0.5)) == 40
        async with Batch.open(tmp_path / "b.db", nugen) as batch:
            with pytest.raises(BatchStoppedError, match="at least 99%"):
                await ran(batch, specs, policy=0.99)


async def test_results_raises_a_group_where_it_is_asked_for(tmp_path: Path) -> None:
    world = World(seed=5, failures={"alignment": 0.2})
    async with (
        Simulator(world=world) as sim,
        Nugen("key", base_url=sim.url) as nugen,
        Batch.open(tmp_path / "runs.db", nugen) as batch,
    ):
        with pytest.raises(ExceptionGroup) as caught:
            await batch.results(plain(20, world))
        assert caught.group_contains(JobFailedError)


async def test_out_of_time_stays_open_and_goes_on_without_a_second_create(tmp_path: Path) -> None:
    world = World()
    specs = plain(5, world)
    async with (
        Simulator(world=world) as sim,
        Nugen("key", base_url=sim.url) as nugen,
        Batch.open(tmp_path / "runs.db", nugen) as batch,
    ):
        early = await ran(batch, specs, timeout=60)
        late = await ran(batch, specs)

    assert {type(o) for o in early} == {TimedOut}
    assert all(o.result.alignment_id for o in early)
    assert {type(o) for o in late} == {Ready}
    assert len(world.alignments) == 5


async def test_leaving_the_loop_leaves_the_jobs(tmp_path: Path) -> None:
    world = World()
    specs = plain(10, world)
    async with Simulator(world=world) as sim, Nugen("key", base_url=sim.url) as nugen:
        async with Batch.open(tmp_path / "runs.db", nugen) as batch:
            async for _ in batch.run(specs):
                break
        async with Batch.open(tmp_path / "runs.db", nugen) as batch:
            outcomes = await ran(batch, specs)

    assert {type(o) for o in outcomes} == {Ready}
    assert len(world.alignments) == 10


AMBIGUOUS = [
    Fault(effect=Drop(handled=True, reset=True), operation="create_alignment", share=0.5),
    Fault(effect=Drop(reset=True), operation="create_alignment", share=0.5),
    Fault(effect=Status(500, handled=True), operation="create_alignment", share=0.5),
    Fault(effect=Status(502), operation="create_alignment", share=0.5),
]


@pytest.mark.parametrize("fault", AMBIGUOUS, ids=["taken+reset", "reset", "taken+500", "502"])
async def test_lost_answers_make_nothing_twice(tmp_path: Path, fault: Fault) -> None:
    world = World(seed=2, faults=[fault])
    async with Simulator(world=world) as sim, Nugen("key", base_url=sim.url) as nugen:
        async with Batch.open(tmp_path / "runs.db", nugen, settle=5) as batch:
            outcomes = await ran(batch, plain(20, world))
        unknown = [o for o in outcomes if isinstance(o, Unknown)]

        assert {type(o) for o in outcomes} <= {Ready, Unknown}
        assert len(unknown) < 20
        assert len({job.workflow_id for job in world.alignments.values()}) == len(world.alignments)
        assert len(world.alignments) == 20 - len(unknown)


async def test_two_that_fit_are_reported_and_the_caller_may_choose(tmp_path: Path) -> None:
    """Without a token two equal jobs cannot be told apart."""
    world = World()
    twins = [
        Workflow(name="twin", key=key, base_model=BASE, document_ids=["doc-1"], mark=False)
        for key in ("a", "b")
    ]
    world.add_document("doc-1")
    world.inject(Fault(effect=Drop(handled=True), operation="create_alignment"))
    asked: list[CreateOutcomeUnknownError] = []

    def choose(error: CreateOutcomeUnknownError) -> str:
        asked.append(error)
        return error.candidates[0]

    async with Simulator(world=world) as sim, Nugen("key", base_url=sim.url) as nugen:
        async with Batch.open(tmp_path / "runs.db", nugen, settle=5) as batch:
            outcomes = await ran(batch, twins)
            assert {type(o) for o in outcomes} == {Unknown}
            assert outcomes[0].error().candidates == tuple(world.alignments)
            assert outcomes[0].error().body["name"] == "twin"
            assert await batch.retry_failed() == 2
        async with Batch.open(tmp_path / "runs.db", nugen, settle=5, on_unknown=choose) as batch:
            outcomes = await ran(batch)

        assert {type(o) for o in outcomes} == {Ready}
        assert len(asked) == 1, "what one adopts is no candidate for the other"
        assert len(world.alignments) == 2


async def test_a_list_that_shows_rubbish_is_no_proof_of_absence(tmp_path: Path) -> None:
    world = World()
    world.inject(Fault(effect=Drop(handled=True), operation="create_alignment"))
    world.inject(Fault(effect=Status(500), operation="list_alignments"))
    async with Simulator(world=world) as sim, Nugen("key", base_url=sim.url) as nugen:
        async with Batch.open(tmp_path / "runs.db", nugen, settle=5) as batch:
            (outcome,) = await ran(batch, plain(1, world))

        assert isinstance(outcome, Unknown)
        assert "list cannot be read" in str(outcome.error())
        assert sim.log.count(operation="create_alignment") == 1
        world.retract()
        async with Batch.open(tmp_path / "runs.db", nugen, settle=5) as batch:
            await batch.retry_failed()
            (outcome,) = await ran(batch)
        assert isinstance(outcome, Ready)
        assert sim.log.count(operation="create_alignment") == 1


async def test_another_run_goes_on_where_the_loop_was_left(tmp_path: Path) -> None:
    world = World(seed=1)
    specs = plain(12, world)
    async with (
        Simulator(world=world) as sim,
        Nugen("key", base_url=sim.url) as nugen,
        Batch.open(tmp_path / "runs.db", nugen) as batch,
    ):
        async for outcome in batch.run(specs):
            assert isinstance(outcome, Ready)
            break
        first, second = await asyncio.gather(ran(batch), ran(batch))
        assert len(sim.log.created("create_alignment")) == len(specs)
    for outcomes in (first, second):
        assert sorted(o.key for o in outcomes) == sorted(str(s.key) for s in specs)
        assert {type(o) for o in outcomes} == {Ready}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"specs": [{"name": "n"}]}, "a Workflow is needed, not dict"),
        ({"specs": Workflow(name="n", document_ids=("d",))}, "not one Workflow"),
        ({"policy": "some"}, "not 'some'"),
        ({"policy": 1.1}, "not 1.1"),
        ({"timeout": -1}, "not -1"),
        ({"at_once": 0}, "at least 1"),
    ],
)
async def test_what_makes_no_sense_is_told_before_anything_is_sent(
    given: dict[str, Any], told: str, tmp_path: Path
) -> None:
    async with (
        Simulator() as sim,
        Nugen("key", base_url=sim.url) as nugen,
        Batch.open(tmp_path / "runs.db", nugen) as batch,
    ):
        with pytest.raises(InvalidRequestError, match=told):
            await ran(batch, **given)
        assert len(sim.log) == 0


async def test_keys_that_come_twice_or_mean_something_else_are_refused(tmp_path: Path) -> None:
    world = World()
    async with (
        Simulator(world=world) as sim,
        Nugen("key", base_url=sim.url) as nugen,
        Batch.open(tmp_path / "runs.db", nugen) as batch,
    ):
        one, two = plain(2, world)
        with pytest.raises(InvalidRequestError, match="twice: k0"):
            await ran(batch, [one, two, one])
        await ran(batch, [one])
        other = Workflow(name="other", key="k0", base_model=BASE, document_ids=["doc-1"])
        with pytest.raises(InvalidRequestError, match="under these keys: k0"):
            await ran(batch, [other])


async def test_a_run_that_is_refused_leaves_nothing_in_the_journal(tmp_path: Path) -> None:
    scan = tmp_path / "scan.pdf"
    scan.write_bytes(b"%PDF")
    async with (
        Simulator() as sim,
        Nugen("key", base_url=sim.url) as nugen,
        Batch.open(tmp_path / "runs.db", nugen) as batch,
    ):
        with pytest.raises(InvalidRequestError, match=r"scan\.pdf"):
            await ran(batch, [Workflow(name="n", documents=[scan])])
        assert len(sim.log) == 0
        assert (await batch.status()).total == 0
        assert await ran(batch) == []


@pytest.mark.parametrize("with_specs", [True, False])
async def test_files_that_are_not_needed_any_more_may_be_gone(
    tmp_path: Path, *, with_specs: bool
) -> None:
    notes, quiz = tmp_path / "notes.txt", tmp_path / "quiz.json"
    notes.write_text("Contracts end when they end.")
    quiz.write_text('[{"question": "When does it end?", "answer": "At the end."}]')
    specs = [Workflow(name="n", base_model=BASE, documents=[notes], benchmark_file=quiz)]

    def vanish(moment: Moment) -> None:
        if (moment.stage, moment.what) == (Stage.ALIGNMENT, "begins"):
            notes.unlink()
            quiz.unlink()

    async with Simulator(world=World(seed=1)) as sim, Nugen("key", base_url=sim.url) as nugen:
        async with Batch.open(tmp_path / "runs.db", nugen) as batch:
            (first,) = await ran(batch, specs, timeout=300, on_step=vanish)
        async with Batch.open(tmp_path / "runs.db", nugen) as batch:
            (second,) = await ran(batch, specs if with_specs else None)
        assert (type(first), type(second)) == (TimedOut, Ready)
        assert sim.log.count(operation="create_alignment") == 1


async def test_a_file_that_is_gone_before_another_run_fails_its_workflow_and_no_other(
    tmp_path: Path,
) -> None:
    here, gone = tmp_path / "here.txt", tmp_path / "gone.txt"
    for path in (here, gone):
        path.write_text(path.name)
    specs = [Workflow(name=path.name, key=path.name, documents=[path]) for path in (here, gone)]
    async with Simulator(world=World()) as sim, Nugen("key", base_url=sim.url) as nugen:
        async with Batch.open(tmp_path / "runs.db", nugen) as batch:
            await ran(batch, specs, timeout=0)
        gone.unlink()
        async with Batch.open(tmp_path / "runs.db", nugen) as batch:
            outcomes = {outcome.key: outcome for outcome in await ran(batch)}
    assert isinstance(outcomes["here.txt"], Ready)
    assert isinstance(outcomes["gone.txt"].error(), InvalidRequestError)


@pytest.mark.parametrize("order", [["new", "a", "b", "c"], ["c", "b", "a"], ["c"]])
async def test_rows_without_a_key_may_be_added_moved_and_removed(
    tmp_path: Path, order: list[str]
) -> None:
    world = World(seed=1)
    world.add_document("doc-1")

    def specs(names: list[str]) -> list[Workflow]:
        return [Workflow(name=n, base_model=BASE, document_ids=["doc-1"]) for n in names]

    async with (
        Simulator(world=world) as sim,
        Nugen("key", base_url=sim.url) as nugen,
        Batch.open(tmp_path / "runs.db", nugen) as batch,
    ):
        await ran(batch, specs(["a", "b", "c"]))
        outcomes = await ran(batch, specs(order))
        assert sim.log.count(operation="create_alignment") == 3 + ("new" in order)
    assert sorted(outcome.result.name for outcome in outcomes) == sorted(order)


async def test_fail_fast_goes_on_after_what_failed_before(tmp_path: Path) -> None:
    world = World(seed=1)
    specs = plain(3, world)
    world.inject(Fault(operation="create_alignment", effect=Status(403), times=1))
    async with (
        Simulator(world=world) as sim,
        Nugen("key", base_url=sim.url) as nugen,
        Batch.open(tmp_path / "runs.db", nugen) as batch,
    ):
        with pytest.raises(BatchStoppedError, match="retry_failed"):
            await ran(batch, specs, policy="fail_fast", at_once=1)
        again = await ran(batch, specs, policy="fail_fast", at_once=1)
    assert [type(outcome) for outcome in again] == [Failed, Ready, Ready]


async def test_a_cancellation_from_within_a_workflow_is_an_error_and_no_hang(
    tmp_path: Path,
) -> None:
    world = World(seed=1)
    world.inject(Fault(operation="create_alignment", effect=Drop(handled=True), times=1))
    world.inject(Fault(operation="list_alignments", effect=Status(403)))

    async def decide(_: CreateOutcomeUnknownError) -> str:
        gone = asyncio.get_running_loop().create_future()
        gone.cancel()
        return str(await gone)

    async with (
        Simulator(world=world) as sim,
        Nugen("key", base_url=sim.url) as nugen,
        Batch.open(tmp_path / "runs.db", nugen, on_unknown=decide) as batch,
    ):
        with pytest.raises(RuntimeError, match="cancelled from within"):
            await ran(batch, plain(2, world))


@pytest.mark.parametrize("policy", ["raise", "reconcile", "ask", True, None])
def test_what_is_no_way_to_treat_unknown_creates_is_refused(policy: Any) -> None:
    with pytest.raises(InvalidRequestError, match="on_unknown"):
        Batch.open("runs.db", Nugen("key"), on_unknown=policy)


async def test_a_file_that_vanishes_fails_its_workflow_and_no_other(tmp_path: Path) -> None:
    here, gone = tmp_path / "here.txt", tmp_path / "gone.txt"
    for path in (here, gone):
        path.write_text(path.name)
    specs = [Workflow(name=path.name, key=path.name, documents=[path]) for path in (here, gone)]

    def vanish(_: Moment) -> None:
        gone.unlink(missing_ok=True)

    async with (
        Simulator(world=World()) as sim,
        Nugen("key", base_url=sim.url) as nugen,
        Batch.open(tmp_path / "runs.db", nugen) as batch,
    ):
        outcomes = {o.key: o for o in await ran(batch, specs, at_once=1, on_step=vanish)}
        assert isinstance(outcomes["here.txt"], Ready)
        assert isinstance(outcomes["gone.txt"].error(), InvalidRequestError)
        gone.write_text("back")
        assert await batch.retry_failed() == 1
        assert {type(o) for o in await ran(batch)} == {Ready}
