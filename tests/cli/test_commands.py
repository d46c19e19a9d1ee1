"""What each command sends, and what it prints for people and for scripts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nugen_async import Nugen, SeekrFlow
from nugen_async.simulator import Simulator, World

from .conftest import Run


@pytest.fixture
def contract(tmp_path: Path) -> str:
    path = tmp_path / "contract.txt"
    path.write_text("It ends when it ends.")
    return str(path)


ALIGN = ("align", "--name", "legal", "--base-model", "llama-v3p1-8b-instruct")


async def test_align_uploads_starts_and_says_how_to_go_on(run: Run, contract: str) -> None:
    async with Simulator(world=World(seed=1)) as sim:
        ran = await run(*ALIGN, "--document", contract, on=sim)
        (made,) = sim.log.created("create_alignment")
    assert (ran.code, ran.out) == (0, f"{made}\n")
    assert f"nugen-async watch alignment/{made}" in ran.err


async def test_align_waits_on_demand_and_tells_scripts_everything(run: Run, contract: str) -> None:
    async with Simulator(world=World(seed=1)) as sim:
        ran = await run(*ALIGN, "--document", contract, "--wait", "--json", on=sim)
        (alignment,) = sim.world.alignments.values()
    (told,) = ran.json
    assert (ran.code, told["exit"], told["error"]) == (0, 0, None)
    assert told["ref"] == f"alignment/{alignment.id}"
    assert told["job"]["model_id"] == alignment.model_id
    assert told["job"]["phase"] == "ready"
    assert "raw" not in told["job"]


async def test_align_takes_a_file_of_questions_as_the_benchmark(
    run: Run, contract: str, tmp_path: Path
) -> None:
    questions = tmp_path / "questions.json"
    questions.write_text(json.dumps([{"question": "When does it end?", "answer": "At the end."}]))
    async with Simulator(world=World(seed=1)) as sim:
        ran = await run(*ALIGN, "--document", contract, "--benchmark", str(questions), on=sim)
        (alignment,) = sim.world.alignments.values()
        (benchmark,) = sim.world.benchmarks
    assert ran.code == 0
    assert alignment.benchmark_id == benchmark


async def test_align_reads_the_questions_before_anything_is_sent(
    run: Run, contract: str, tmp_path: Path
) -> None:
    questions = tmp_path / "questions.json"
    questions.write_text('[{"question": "When does it end?"}]')
    async with Simulator(world=World(seed=1)) as sim:
        ran = await run(*ALIGN, "--document", contract, "--benchmark", str(questions), on=sim)
        assert not len(sim.log)
    assert ran.code == 2
    assert "question 1: $.answer: required" in ran.err


async def test_align_that_is_refused_tells_how_to_use_the_documents_again(
    run: Run, contract: str
) -> None:
    refused = ("align", "--name", "legal", "--base-model", "no-such-model")
    async with Simulator(world=World(seed=1)) as sim:
        first = await run(*refused, "--document", contract, on=sim)
        (document,) = sim.world.documents
        again = await run(*ALIGN, "--document-id", document, on=sim)
        assert sim.log.count(operation="upload_documents") == 1
    assert (first.code, again.code) == (2, 0)
    assert f"  --document-id {document}\nError: " in first.err


async def test_align_without_documents_sends_nothing(run: Run) -> None:
    async with Simulator() as sim:
        ran = await run(*ALIGN, on=sim)
        assert not len(sim.log)
    assert ran.code == 2
    assert ran.err == ("Error: An alignment needs documents: give --document or --document-id.\n")


async def test_a_document_may_end_under_another_id(run: Run, contract: str) -> None:
    async with Simulator(world=World(generation="G2")) as sim:
        waited = await run("documents", "upload", contract, "--wait", "--jsonl", on=sim)
        (document,) = sim.world.documents
        aligned = await run(*ALIGN, "--document", contract, on=sim)
        looks = sim.log.count(operation="document_status")
    assert (waited.code, aligned.code) == (0, 0)
    assert waited.lines[0]["ref"] == f"document/{document}"
    assert looks, "they were asked for by the ids of their tasks"


async def test_documents_that_cannot_be_processed_are_not_aligned(run: Run, contract: str) -> None:
    async with Simulator(world=World(failures={"document": 1.0})) as sim:
        ran = await run(*ALIGN, "--document", contract, on=sim)
        assert not sim.log.created("create_alignment")
    assert (ran.code, ran.out) == (1, "")
    assert "Error: Document" in ran.err


async def test_without_a_terminal_each_end_is_told_once(run: Run, contract: str) -> None:
    async with Simulator(world=World(seed=1)) as sim:
        ran = await run(*ALIGN, "--document", contract, "--wait", on=sim)
        (model,) = sim.world.models
        deployed = await run("deploy", model, "--wait", on=sim)
    for told, word, ends in ((ran, "READY", 2), (deployed, "COMPLETED", 1)):
        assert sum(word in line.split() for line in told.err.splitlines()) == ends, told.err


async def test_jobs_are_shown_by_their_names(run: Run, contract: str) -> None:
    async with Simulator(world=World(seed=1)) as sim:
        ran = await run(*ALIGN, "--document", contract, "--wait", on=sim)
        (document,), (alignment,) = sim.world.documents, sim.world.alignments
    lines = [line.split(maxsplit=2)[2] for line in ran.err.splitlines() if " s  " in line]
    assert any(line.startswith(f"contract.txt (document/{document})  ") for line in lines)
    assert any(line.startswith(f"legal (alignment/{alignment})  ") for line in lines)
    assert sum(alignment in line for line in lines) == 1
    assert lines[-1].startswith("legal  ")


async def test_documents_are_uploaded_and_listed(run: Run, contract: str) -> None:
    async with Simulator() as sim:
        uploaded = await run("documents", "upload", contract, "--jsonl", on=sim)
        waited = await run("documents", "upload", contract, "--wait", "--jsonl", on=sim)
        listed = await run("documents", "--json", on=sim)
        shown = await run("documents", on=sim)
    assert uploaded.lines[0]["filename"] == "contract.txt"
    assert waited.lines[0]["job"]["phase"] == "ready"
    assert len(listed.json) == 2
    assert "contract.txt" in shown.out


async def test_benchmarks_are_made_listed_and_shown(
    run: Run, contract: str, tmp_path: Path
) -> None:
    questions = tmp_path / "questions.json"
    questions.write_text(json.dumps([{"question": "When?", "answer": "Then."}]))
    async with Simulator() as sim:
        waited = await run("documents", "upload", contract, "--wait", "--jsonl", on=sim)
        document = waited.lines[0]["job"]["id"]
        made = await run(
            "benchmarks", "create", "--document-id", document, "--questions", "3", "--wait", on=sim
        )
        own = await run(
            *("benchmarks", "upload", str(questions), "--name", "own", "--document-id", document),
            "--json",
            on=sim,
        )
        listed = await run("benchmarks", "--jsonl", on=sim)
        shown = await run("benchmarks", "show", own.json["id"], on=sim)
        whole = await run("benchmarks", "show", own.json["id"], "--json", on=sim)
    assert (made.code, own.code) == (0, 0)
    assert len(listed.lines) == 2
    assert "When?" in shown.out
    assert whole.json["questions"][0]["answer"] == "Then."


async def test_models_are_deployed_compared_asked_and_undeployed(run: Run, contract: str) -> None:
    async with Simulator(world=World(seed=2)) as sim:
        await run(*ALIGN, "--document", contract, "--wait", on=sim)
        (model,) = sim.world.models
        (document,) = sim.world.documents
        made = await run(
            "benchmarks", "create", "--document-id", document, "--wait", "--json", on=sim
        )
        benchmark = made.json[0]["job"]["id"]
        deployed = await run("deploy", model, "--wait", "--json", on=sim)
        listed = await run("models", on=sim)
        single = await run("evaluate", "--model", model, "--benchmark", benchmark, "--wait", on=sim)
        both = await run(
            "compare", model, "llama-v3p1-8b-instruct", "--benchmark", benchmark, on=sim
        )
        evaluation = list(sim.world.evaluations)[-1]
        again = await run("results", evaluation, "--json", on=sim)
        asked = await run("chat", "--model", model, "When does it end?", on=sim)
        told = await run("chat", "--model", model, "When does it end?", "--json", on=sim)
        undeployed = await run("undeploy", model, "--wait", on=sim)
    skill = sim.world.skill(model, benchmark)
    base = sim.world.skill("llama-v3p1-8b-instruct", benchmark)
    assert deployed.json[0]["ref"] == f"deployment/{model}"
    assert "DEPLOYED" in listed.out
    assert f"{skill.accuracy:.3g}" in single.out
    (accuracy,) = [line.split() for line in both.out.splitlines() if line.startswith("accuracy")]
    difference = f"{skill.accuracy - base.accuracy:+.3g}"
    assert accuracy == ["accuracy", f"{skill.accuracy:.3g}", f"{base.accuracy:.3g}", difference]
    assert again.json["comparison"]["accuracy_difference"] == pytest.approx(float(difference))
    assert asked.out.strip() == told.json["text"].strip()
    assert "confidence" in asked.err
    assert undeployed.code == 0


async def test_a_refused_deployment_hides_no_other(run: Run, contract: str) -> None:
    async with Simulator() as sim:
        await run(*ALIGN, "--document", contract, "--wait", on=sim)
        (model,) = sim.world.models
        ran = await run("deploy", model, "no-such-model", on=sim)
    assert ran.code == 4
    assert ran.out == f"{model}\n"
    assert "no-such-model: " in ran.err


async def test_base_models_and_empty_lists_are_told(run: Run) -> None:
    async with Simulator() as sim:
        base = await run("models", "--base", on=sim)
        none = await run("models", on=sim)
        array = await run("models", "--json", on=sim)
        lines = await run("models", "--jsonl", on=sim)
    assert "llama-v3p1-8b-instruct" in base.out
    assert (none.code, none.out) == (0, "")
    assert "No aligned models yet" in none.err
    assert (array.json, lines.out) == ([], "")


async def test_every_kind_of_job_is_watched_by_its_short_name(run: Run, contract: str) -> None:
    async with Simulator() as sim:
        await run(*ALIGN, "--document", contract, on=sim)
        (alignment,) = sim.world.alignments
        (document,) = sim.world.documents
        async with Nugen("k", base_url=sim.url) as nugen:
            token = nugen.alignments.handle(alignment).resume_token()
        now = await run("status", alignment, f"documents/{document}", "--jsonl", on=sim)
        ran = await run("watch", token, f"alignment/{alignment}", alignment, "--jsonl", on=sim)
    assert [line["ref"] for line in now.lines] == [f"alignment/{alignment}", f"document/{document}"]
    assert [line["ref"] for line in ran.lines] == [f"alignment/{alignment}"]
    assert ran.lines[0]["exit"] == 0


async def test_jobs_of_both_services_are_watched_together(run: Run) -> None:
    async with Simulator(world=World(trusting=True)) as sim:
        await run(*ALIGN, "--document-id", "d", on=sim)
        (alignment,) = sim.world.alignments
        async with SeekrFlow("k", base_url=sim.url) as seekr:
            with pytest.warns(DeprecationWarning, match="data_jobs"):
                pairs = (await seekr.alignment.generate(instructions="Be kind.", files=["f"])).id
        ran = await run("watch", alignment, f"training-pairs/{pairs}", "--json", on=sim)
    assert ran.code == 0
    assert {each["ref"] for each in ran.json} == {
        f"alignment/{alignment}",
        f"training-pairs/{pairs}",
    }


async def test_a_simulator_is_asked_over_the_plural_contract(run: Run) -> None:
    async with Simulator(world=World(contracts={"plural"})) as sim:
        ran = await run("documents", "--contract", "plural", "--json", on=sim)
    assert (ran.code, ran.json) == (0, [])


@pytest.mark.parametrize("contract", ["documented", "plural"])
async def test_the_model_in_question_stands_on_the_left_in_either_contract(
    run: Run, contract: str
) -> None:
    async with Simulator(world=World(seed=2, trusting=True)) as sim:
        ran = await run(
            *("compare", "ours", "theirs", "--benchmark", "b", "--contract", contract), on=sim
        )
        (evaluation,) = sim.world.evaluations.values()
    assert (evaluation.model_id, evaluation.base_id) == ("ours", "theirs")
    assert ran.out.splitlines()[0].split() == ["metric", "ours", "theirs", "difference"]


async def test_many_jobs_are_looked_at_together(run: Run) -> None:
    async with Simulator(world=World(trusting=True)) as sim:
        for _ in range(40):
            await run(*ALIGN, "--document-id", "d", "--quiet", on=sim)
        sim.log.clear()
        ran = await run("watch", *sim.world.alignments, "--jsonl", on=sim)
        first, second, *_ = sim.log
        assert (first.operation, second.at > first.at + 1) == ("list_alignments", True)
    assert (ran.code, len(ran.lines)) == (0, 40)
