"""What the caller answers where no look can tell whether something was created."""

from __future__ import annotations

from pathlib import Path

import pytest

from nugen_async import Nugen
from nugen_async.batch import Ask, Batch, Outcome, Ready, Unknown
from nugen_async.simulator import Drop, Fault, Simulator, Status, World
from nugen_async.workflows import Workflow

BASE = "llama-v3p1-8b-instruct"


def workflow(world: World, key: str = "key") -> Workflow:
    if "doc-1" not in world.documents:
        world.add_document("doc-1")
    return Workflow(name=key, key=key, base_model=BASE, document_ids=("doc-1",))


async def ran(path: Path, nugen: Nugen, specs: list[Workflow], ask: Ask) -> list[Outcome]:
    async with Batch.open(path, nugen, on_unknown=ask) as batch:
        await batch.retry_failed()
        return [outcome async for outcome in batch.run(specs)]


@pytest.mark.parametrize("answer", ["yes", "Create", "raise", "alignment-1", "../x", True, 7])
async def test_a_word_that_is_no_id_decides_nothing(tmp_path: Path, answer: object) -> None:
    world = World()
    specs = [workflow(world)]
    world.inject(Fault(effect=Drop(handled=True), operation="create_alignment", nth=[1]))
    world.inject(Fault(effect=Status(403), operation="list_alignments"))
    async with Simulator(world=world) as sim, Nugen("key", base_url=sim.url) as nugen:
        (outcome,) = await ran(tmp_path / "runs.db", nugen, specs, lambda _: answer)  # type: ignore[arg-type,return-value]
        assert isinstance(outcome, Unknown)
        assert not outcome.result.alignment_id
        assert f"{answer!r} was the answer" in str(outcome.error())

        world.retract()
        (outcome,) = await ran(tmp_path / "runs.db", nugen, specs, lambda _: "fail")
        assert isinstance(outcome, Ready)
        assert outcome.result.alignment_id == next(iter(world.alignments))
        assert sim.log.count(operation="create_alignment") == 1


async def test_an_id_is_adopted_that_the_server_knows_and_no_other_row_has(tmp_path: Path) -> None:
    world = World()
    specs = [workflow(world, "first"), workflow(world, "second")]
    async with Simulator(world=world) as sim, Nugen("key", base_url=sim.url) as nugen:
        await ran(tmp_path / "runs.db", nugen, specs[:1], lambda _: "fail")
        (first,) = world.alignments
        world.inject(Fault(effect=Drop(handled=True), operation="create_alignment"))
        world.inject(Fault(effect=Status(403), operation="list_alignments"))

        *_, outcome = await ran(tmp_path / "runs.db", nugen, specs, lambda _: first)
        assert isinstance(outcome, Unknown)

        _, second = world.alignments
        *_, outcome = await ran(tmp_path / "runs.db", nugen, specs, lambda _: second)
        assert isinstance(outcome, Ready)
        assert outcome.result.alignment_id == second
