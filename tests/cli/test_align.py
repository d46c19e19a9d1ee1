"""What ``align`` tells when it comes to no good end, and the lists that help then."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from nugen_async.simulator import Drop, Fault, Simulator, Stall, World

from .conftest import Run

ALIGN = ("align", "--name", "legal", "--base-model", "llama-v3p1-8b-instruct")


@pytest.fixture
def contract(tmp_path: Path) -> str:
    path = tmp_path / "contract.txt"
    path.write_text("It ends when it ends.")
    return str(path)


@pytest.fixture
def questions(tmp_path: Path) -> str:
    path = tmp_path / "questions.json"
    path.write_text(json.dumps([{"question": "When does it end?", "answer": "At the end."}]))
    return str(path)


async def interrupted(run: Run, *arguments: str, on: Simulator, after: float) -> None:
    """Run a command line, and cancel it as Ctrl-C does."""
    task = asyncio.ensure_future(run(*arguments, on=on))
    await asyncio.sleep(after)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_lost_create_can_be_looked_for(run: Run, contract: str) -> None:
    world = World(seed=1)
    world.inject(Fault(operation="create_alignment", effect=Drop(handled=True)))
    async with Simulator(world=world) as sim:
        ran = await run(*ALIGN, "--document", contract, on=sim)
        listed = await run("alignments", "--json", on=sim)
        shown = await run("alignments", on=sim)
        (made,) = sim.world.alignments
    assert ran.code == 7
    assert ran.err.endswith("To look: nugen-async alignments.\n")
    assert "later try" not in ran.err
    assert [each["id"] for each in listed.json] == [made]
    assert made in shown.out
    assert "legal" in shown.out


async def test_a_lost_benchmark_starts_no_alignment(
    run: Run, contract: str, questions: str
) -> None:
    world = World(seed=1)
    world.inject(Fault(operation="upload_benchmark", effect=Drop(handled=True)))
    async with Simulator(world=world) as sim:
        ran = await run(*ALIGN, "--document", contract, "--benchmark", questions, on=sim)
        (document,) = sim.world.documents
        assert not sim.world.alignments
    assert ran.code == 7
    assert "The alignment was not started.\n" in ran.err
    assert f"  --document-id {document}\nError: " in ran.err
    assert ran.err.endswith("To look: nugen-async benchmarks.\n")


async def test_scripts_learn_what_to_look_for(run: Run) -> None:
    world = World(trusting=True)
    world.inject(Fault(operation="create_alignment", effect=Drop(handled=True)))
    async with Simulator(world=world) as sim:
        for form in ("--json", "--jsonl"):
            ran = await run(*ALIGN, "--document-id", "d", form, on=sim)
            told = ran.json
            assert (ran.code, told["exit"], told["candidates"]) == (7, 7, [])
            assert told["look_for"] == "one named 'legal'"
            assert "not known whether" in told["error"]
            assert ran.err.startswith("Error: ")


async def test_scripts_learn_of_every_error(run: Run) -> None:
    async with Simulator() as sim:
        gone = await run("results", "ev-9", "--json", on=sim)
        wrong = await run("align", "--nam", "x", "--jsonl", on=sim)
    assert (gone.code, gone.json["exit"]) == (4, 4)
    assert (wrong.code, wrong.lines[0]["exit"]) == (2, 2)


async def test_alignments_and_evaluations_are_listed_the_newest_first(run: Run) -> None:
    async with Simulator(world=World(trusting=True)) as sim:
        none = await run("evaluations", on=sim)
        for number in range(3):
            await run(*ALIGN, "--document-id", "d", on=sim)
            await run("evaluate", "--model", f"m-{number}", "--benchmark", "b", on=sim)
            await asyncio.sleep(60)
        alignments = await run("alignments", "--jsonl", on=sim)
        evaluations = await run("evaluations", "--json", on=sim)
        shown = await run("evaluations", on=sim)
    assert "No evaluations yet" in none.err
    assert [each["id"] for each in alignments.lines] == list(sim.world.alignments)[::-1]
    assert [each["model_id"] for each in evaluations.json] == ["m-2", "m-1", "m-0"]
    assert shown.out.index("m-2") < shown.out.index("m-0")


async def test_interrupted_before_the_start_it_says_that_nothing_runs(
    run: Run, contract: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Simulator(world=World(seed=1)) as sim:
        await interrupted(run, *ALIGN, "--document", contract, on=sim, after=3)
        (document,) = sim.world.documents
        assert not sim.world.alignments
    assert capsys.readouterr().err.partition("The alignment")[2] == (
        " was not started.\n"
        "What was uploaded is still being processed. To wait for that:\n"
        f"  nugen-async watch document/{document}\n"
        "A later try can name what was uploaded in place of the files:\n"
        f"  --document-id {document}\n"
    )


async def test_interrupted_while_the_create_is_out_it_says_where_to_look(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    world = World(trusting=True)
    world.inject(Fault(operation="create_alignment", effect=Stall(handled=True)))
    async with Simulator(world=world) as sim:
        await interrupted(run, *ALIGN, "--document-id", "d", on=sim, after=3)
    told = "The alignment may have been started. To look:\n  nugen-async alignments\n"
    assert capsys.readouterr().err == told


async def test_a_refusal_names_all_that_was_uploaded(
    run: Run, contract: str, questions: str
) -> None:
    refused = ("align", "--name", "n", "--base-model", "no-such-model", "--document", contract)
    async with Simulator(world=World(seed=1)) as sim:
        ran = await run(*refused, "--benchmark", questions, on=sim)
        (document,), (benchmark,) = sim.world.documents, sim.world.benchmarks
    assert ran.code == 2
    assert f"\n  --document-id {document} --benchmark {benchmark}\nError: " in ran.err


async def test_one_limit_holds_for_all_waits(run: Run, contract: str, questions: str) -> None:
    loop = asyncio.get_running_loop()
    arguments = (*ALIGN, "--document", contract, "--benchmark", questions, "--wait")
    for limit, started in ((3, False), (300, True)):
        began = loop.time()
        async with Simulator(world=World(seed=1)) as sim:
            ran = await run(*arguments, "--timeout", str(limit), on=sim)
            assert bool(sim.world.alignments) is started
        assert ran.code == 6
        assert loop.time() - began == pytest.approx(limit, abs=1)


async def test_a_limit_holds_for_files_without_a_wait_for_the_alignment(
    run: Run, contract: str
) -> None:
    async with Simulator(world=World(seed=1)) as sim:
        ran = await run(*ALIGN, "--document", contract, "--timeout", "3", on=sim)
        (document,) = sim.world.documents
    assert ran.code == 6
    assert "The alignment was not started.\n" in ran.err
    assert f"  --document-id {document}\nError: {document}: Still " in ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        (*ALIGN, "--document-id", "d"),
        ("evaluate", "--model", "m", "--benchmark", "b"),
        ("deploy", "m"),
        ("undeploy", "m"),
        ("benchmarks", "create", "--document-id", "d"),
        ("documents", "upload", "contract.txt"),
    ],
)
async def test_a_limit_of_nothing_is_refused(run: Run, arguments: tuple[str, ...]) -> None:
    async with Simulator() as sim:
        ran = await run(*arguments, "--timeout", "3", on=sim)
        assert not len(sim.log)
    assert (ran.code, ran.err) == (2, "Error: --timeout limits a wait: give --wait as well.\n")


@pytest.mark.parametrize("wrong", ["--name", "--base-model", "--benchmark", "--document-id"])
async def test_empty_arguments_are_found_before_the_upload(
    run: Run, contract: str, wrong: str
) -> None:
    given = {"--name": "n", "--base-model": "b", "--document": contract, wrong: ""}
    async with Simulator() as sim:
        ran = await run("align", *(word for pair in given.items() for word in pair), on=sim)
        assert not len(sim.log)
    assert ran.code == 2
    assert "must not be empty" in ran.err
