"""Finding again what a lost answer made, when the list is down, the clock is set, or several are alike."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import pytest

from nugen_async import Nugen
from nugen_async.batch import Batch, Outcome, Ready, TimedOut, Unknown
from nugen_async.launching.course import Record
from nugen_async.simulator import Drop, Fault, Simulator, Status, World
from nugen_async.workflows import Workflow

BASE = "llama-v3p1-8b-instruct"


def alignment(world: World) -> Workflow:
    world.add_document("doc-1")
    return Workflow(name="run", key="run", base_model=BASE, document_ids=("doc-1",))


async def ran(path: Path, nugen: Nugen, *specs: Workflow, **options: object) -> list[Outcome]:
    async with Batch.open(path, nugen) as batch:
        return [outcome async for outcome in batch.run(specs or None, **options)]


@pytest.mark.parametrize("minutes", [2, 14])
async def test_an_outage_right_after_a_create_only_makes_its_look_late(
    tmp_path: Path, minutes: int
) -> None:
    world = World()
    world.inject(Fault(effect=Status(502, handled=True), operation="create_alignment", nth=[1]))
    world.inject(Fault(effect=Status(502), method="GET", until=60 * minutes))
    async with Simulator(world=world) as sim, Nugen("key", base_url=sim.url) as nugen:
        (outcome,) = await ran(tmp_path / "runs.db", nugen, alignment(world))
        assert sim.log.count(operation="create_alignment") == 1

    assert isinstance(outcome, Ready)
    assert outcome.result.alignment_id == next(iter(world.alignments))


async def test_a_look_ends_with_the_time_of_its_workflow_and_goes_on_in_the_next_run(
    tmp_path: Path,
) -> None:
    world = World()
    world.inject(Fault(effect=Status(502, handled=True), operation="create_alignment", nth=[1]))
    world.inject(Fault(effect=Status(502), method="GET", until=600))
    async with Simulator(world=world) as sim, Nugen("key", base_url=sim.url) as nugen:
        (early,) = await ran(tmp_path / "runs.db", nugen, alignment(world), timeout=60)
        assert isinstance(early, TimedOut)
        assert early.exception.waited == pytest.approx(60, abs=5)
        (late,) = await ran(tmp_path / "runs.db", nugen)
        assert isinstance(late, Ready)
        assert sim.log.count(operation="create_alignment") == 1


async def test_a_list_that_is_refused_is_not_asked_for_again(tmp_path: Path) -> None:
    world = World()
    world.inject(Fault(effect=Drop(handled=True), operation="create_alignment"))
    world.inject(Fault(effect=Status(403), operation="list_alignments"))
    async with Simulator(world=world) as sim, Nugen("key", base_url=sim.url) as nugen:
        (outcome,) = await ran(tmp_path / "runs.db", nugen, alignment(world))
        assert isinstance(outcome, Unknown)
        assert sim.log.count(operation="list_alignments") == 1


async def test_of_equal_files_of_earlier_batches_the_newest_sound_one_is_adopted(
    tmp_path: Path,
) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("Contracts end when they end.")
    spec = Workflow(name="run", base_model=BASE, documents=[file])
    world = World()
    async with Simulator(world=world) as sim, Nugen("key", base_url=sim.url) as nugen:
        for number in range(3):
            world.failures = {"document": float(number == 2)}
            await ran(tmp_path / f"{number}.db", nugen, spec)
        _, sound, _ = world.documents
        world.failures = {}
        world.inject(Fault(effect=Drop(), operation="upload_documents", nth=[1]))
        (outcome,) = await ran(tmp_path / "last.db", nugen, spec)

    assert isinstance(outcome, Ready)
    assert outcome.result.document_ids == (sound,)


class Late(datetime):
    """The time of a machine whose clock was 30 minutes ahead, and has been set right."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:
        return datetime.now(tz) + timedelta(minutes=30)


@pytest.mark.parametrize("resumed", [False, True])
async def test_a_clock_that_is_set_right_does_not_hide_what_was_made_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, resumed: bool
) -> None:
    world = World()
    world.add_document("doc-1")
    spec = Workflow(
        name="run", model_id=BASE, document_ids=("doc-1",), num_questions=5, evaluate="alone"
    )
    world.inject(Fault(effect=Drop(handled=True), operation="create_evaluation", nth=[1]))
    if resumed:
        world.inject(Fault(effect=Status(503), operation="list_evaluations", nth=range(1, 40)))
    monkeypatch.setattr("nugen_async.launching.making.datetime", Late)
    async with Simulator(world=world) as sim, Nugen("key", base_url=sim.url) as nugen:
        (outcome,) = await ran(tmp_path / "runs.db", nugen, spec, timeout=300 if resumed else None)
        assert isinstance(outcome, TimedOut if resumed else Ready)
        monkeypatch.undo()
        (outcome,) = await ran(tmp_path / "runs.db", nugen)
        assert isinstance(outcome, Ready)
        assert sim.log.count(operation="create_evaluation") == 1


def test_an_intent_of_an_older_journal_is_read_without_the_servers_time() -> None:
    told = {"token": "abcdefghij", "intended": "2026-01-01T12:00:00+00:00"}
    record = Record.from_json(told)

    assert record.server_time == ""
    assert record.to_json() == {**told, "attempt": 1}
