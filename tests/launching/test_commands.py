"""``nugen-async batch``: from a manifest to results, and on after an interruption."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import frozen

from nugen_async.cli.app import execute
from nugen_async.cli.exits import Exit
from nugen_async.simulator import Simulator, World


@frozen
class Place:
    """A folder with a manifest of six workflows, and command lines that run in it."""

    folder: Path
    capture: pytest.CaptureFixture[str]

    @property
    def manifest(self) -> str:
        return str(self.folder / "runs.jsonl")

    @property
    def journal(self) -> str:
        return str(self.folder / "runs.db")

    async def run(self, *arguments: str) -> tuple[int, str, str]:
        self.capture.readouterr()
        code = await execute(arguments)
        told = self.capture.readouterr()
        return code, told.out, told.err


@pytest.fixture
def place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    monkeypatch.setenv("NUGEN_API_KEY", "key")
    monkeypatch.delenv("NUGEN_BASE_URL", raising=False)
    (tmp_path / "notes.txt").write_text("Notes.")
    rows = [
        {
            "name": f"run {n}",
            "key": f"k{n}",
            "base_model": "llama-v3p1-8b-instruct",
            "documents": ["notes.txt"],
            "num_questions": 5,
            "evaluate": "compare",
        }
        for n in range(6)
    ]
    (tmp_path / "runs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return Place(tmp_path, capsys)


async def test_a_batch_runs_and_tells_what_improved(place: Place) -> None:
    async with Simulator(world=World(seed=1)) as sim:
        url = ("--base-url", sim.url)
        code, out, err = await place.run(
            "batch", "run", place.manifest, "--journal", place.journal, *url
        )
        assert (code, out.count("ready")) == (Exit.OK, 6)
        assert "6 workflows: 6 ready." in err
        assert "run 3" in out
        assert " s  run 3  alignment  " in err

        sent = len(sim.log)
        code, out, _ = await place.run(
            "batch", "run", place.manifest, "--journal", place.journal, "--jsonl", *url
        )
        assert code == Exit.OK
        assert len(sim.log) == sent
        assert [json.loads(line)["state"] for line in out.splitlines()] == ["ready"] * 6

    code, out, _ = await place.run("batch", "status", "--journal", place.journal, "--json")
    assert (json.loads(out)["ready"], json.loads(out)["open"]) == (6, 0)
    code, out, _ = await place.run("batch", "export", "--journal", place.journal)
    rows = list(csv.DictReader(io.StringIO(out)))
    assert {row["key"] for row in rows} == {f"k{n}" for n in range(6)}
    assert all(float(row["aligned_accuracy"]) > 0 for row in rows)
    output = place.folder / "results.jsonl"
    await place.run(
        "batch", "export", "--journal", place.journal, "--format", "jsonl", "--output", str(output)
    )
    assert len(output.read_text().splitlines()) == 6


async def test_an_interrupted_batch_says_how_to_go_on_and_does(place: Place) -> None:
    async with Simulator(world=World(seed=1)) as sim:
        url = ("--base-url", sim.url)
        task = asyncio.create_task(
            place.run("batch", "run", place.manifest, "--journal", place.journal, *url)
        )
        while not sim.world.alignments:  # noqa: ASYNC110 # the simulator tells nobody
            await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        said = place.capture.readouterr().err
        assert f"nugen-async batch resume --journal {place.journal}" in said

        code, out, _ = await place.run(
            "batch", "resume", "--journal", place.journal, "--json", *url
        )
        assert code == Exit.OK
        assert {row["state"] for row in json.loads(out)} == {"ready"}
        assert len(sim.world.alignments) == 6


async def test_failures_have_an_exit_code_and_a_second_try(place: Place) -> None:
    world = World(seed=3, failures={"alignment": 0.5})
    async with Simulator(world=world) as sim:
        url = ("--base-url", sim.url)
        code, _, err = await place.run(
            "batch", "run", place.manifest, "--journal", place.journal, *url
        )
        assert code == Exit.FAILED
        told = [line for line in err.splitlines() if line.startswith("run ")]
        assert f"{len(told)} failed" in err
        assert all("Alignment alignment-" in line and "502" in line for line in told)
        assert "batch retry" in err
        world.failures = {}
        code, _, _ = await place.run("batch", "retry", "--journal", place.journal, *url)
        assert code == Exit.OK


async def test_out_of_time_has_its_own_exit_code(place: Place) -> None:
    async with Simulator(world=World()) as sim:
        code, _, err = await place.run(
            *("batch", "run", place.manifest, "--journal", place.journal),
            *("--timeout", "100", "--base-url", sim.url),
        )
    assert code == Exit.TIMED_OUT
    assert "batch resume" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "bad.jsonl"), "has 2 mistakes"),
        (("run", "none.jsonl"), "cannot be read"),
        (("status", "--journal", "none.db"), "no such file"),
        (("status", "--journal", "runs.jsonl"), "not a journal"),
        (("resume", "--fail-fast", "--at-least", "0.5"), "exclude each other"),
        (("resume", "--on-unknown", "ask"), "needs a terminal"),
    ],
)
async def test_wrong_input_is_told_in_a_sentence(
    place: Place, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(place.folder)
    Path("bad.jsonl").write_text("{\n[]\n")  # noqa: ASYNC240 # before anything runs
    code, _, err = await place.run("batch", *arguments)

    assert code == Exit.USAGE
    assert said in " ".join(err.split())
