"""The whole flow at once, in virtual time; the terminal that shows it."""

from __future__ import annotations

import asyncio
import gc
import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from nugen_async.cli.app import execute
from nugen_async.cli.board import Board
from nugen_async.cli.screen import Screen
from nugen_async.simulator import Simulator, World

from .conftest import Run


async def test_eight_alignments_end_in_a_table_and_a_lesson(run: Run) -> None:
    ran = await run("demo")
    assert ran.code == 0
    rows = [line for line in ran.out.splitlines() if "aligned-model-" in line]
    assert len(rows) == 8
    for row in rows:
        assert re.search(r"\d\d\.\d %  +\d\d\.\d %  +[+-]\d+\.\d pp +\d+\.\d s +\d+$", row), row
    assert "8 workflows" in ran.err
    assert "nugen-async align" in ran.err
    told = re.search(r"(\d+) looks at jobs, which one by one would have been (\d+)", ran.err)
    assert told
    assert int(told[1]) < int(told[2])


async def test_what_a_demo_tells_makes_a_report(run: Run, tmp_path: Path) -> None:
    told = await run("demo", "--jobs", "2", "--jsonl")
    lines, page = tmp_path / "demo.jsonl", tmp_path / "demo.html"
    lines.write_text(told.out)
    ran = await run("report", str(lines), "--output", str(page), "--title", "Two")
    assert (ran.code, ran.out) == (0, f"{page}\n")
    html = page.read_text()
    assert "<title>Two</title>" in html
    for line in told.lines:
        assert line["model_id"] in html
        assert len(line["spans"]) == 7
        assert all(began <= ended for _, began, ended in line["spans"])


async def test_a_report_of_nothing_writes_nothing(run: Run, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_text('{"key": "k", "state": "open"}\n{"key": 1, "state": "?"}\n')
    page = str(tmp_path / "r.html")
    ran = await run("report", str(wrong), "-o", page)
    assert ran.code == 2
    assert "line 2" in ran.err
    assert (await run("report", "-o", page)).code == 2
    missing = await run("report", "--journal", str(tmp_path / "none.db"), "-o", page)
    assert missing.code == 2
    assert not Path(page).exists()  # noqa: ASYNC240 - one look at a local file


async def test_a_manifest_is_no_report(run: Run, tmp_path: Path) -> None:
    manifest = tmp_path / "runs.jsonl"
    manifest.write_text('{"key": "a", "name": "a", "documents": ["a.txt"], "base_model": "b"}\n')
    ran = await run("report", str(manifest), "-o", str(tmp_path / "r.html"))
    assert (ran.code, ran.out) == (2, "")
    assert "line 1: this tells no result" in ran.err
    assert "--journal" in ran.err


async def test_eight_alignments_take_less_than_half_a_minute(run: Run) -> None:
    ran = await run("demo", "--jsonl")
    assert len(ran.lines) == 8
    assert max(line["seconds"] for line in ran.lines) < 28


async def test_two_hundred_alignments_lose_nothing(run: Run) -> None:
    """Warnings are errors here: no unclosed session, no lost task, no exception never retrieved."""
    ran = await run("demo", "--jobs", "200", "--json")
    gc.collect()
    assert ran.code == 0
    assert len({each["model_id"] for each in ran.json}) == 200
    assert all(each["difference"] is not None and each["state"] == "ready" for each in ran.json)
    summaries = [line for line in ran.err.splitlines() if re.match(r" +\d+\.\d s ", line)]
    assert summaries[-1].endswith("200 done")
    assert len(summaries) < 30


async def test_the_demo_runs_on_a_server_that_is_named(run: Run) -> None:
    async with Simulator(world=World(seed=3)) as sim:
        ran = await run("demo", "--base-url", sim.url, "--jobs", "2", "--json", on=sim)
        requests = len(sim.log)
        assert not any(model.serving(sim.now) == "deployed" for model in sim.world.models.values())
    assert ran.code == 0
    assert [each["name"] for each in ran.json] == ["contracts", "claims"]
    assert sum(each["requests"] for each in ran.json) < requests


async def test_a_server_with_another_contract_and_failing_jobs(run: Run) -> None:
    async with Simulator(world=World(seed=3, failures={"alignment": 1.0})) as sim:
        ran = await run(
            *("demo", "--base-url", sim.url, "--jobs", "2", "--contract", "plural"), on=sim
        )
    assert ran.code == 1
    assert ran.out.count("failed") == 2
    assert "502 Bad Gateway" in ran.err


def shown(width: int, height: int, board: Board) -> list[str]:
    console = Console(
        file=io.StringIO(), force_terminal=True, width=width, height=height, no_color=True
    )
    with console.capture() as capture:
        console.print(board)
    return [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in capture.get().splitlines()]


@pytest.fixture
async def board() -> Board:
    quiet = Board(Screen(quiet=True))
    for name in ("contracts", "claims"):
        quiet.add(name, name)
    quiet.tell("contracts", "PROCESSING", step="3/7", stage="alignment", progress=0.5, left=90.0)
    quiet.tell("claims", "PENDING", step="4/7", stage="deployment")
    return quiet


@pytest.mark.parametrize("width", [30, 40, 50, 64, 80, 100, 160])
async def test_no_line_is_wider_than_the_terminal(width: int, board: Board) -> None:
    lines = shown(width, 24, board)
    assert len(lines) == 3
    assert all(len(line) <= width for line in lines)
    assert "50%" in lines[0]


async def test_a_wide_terminal_shows_all_and_a_narrow_one_what_matters(board: Board) -> None:
    wide, narrow = shown(100, 24, board)[0], shown(44, 24, board)[0]
    for part in ("contracts", "3/7 alignment", "PROCESSING", "━", "50%", "90 s left"):
        assert part in wide
    for part in ("contracts", "alignment", "50%"):
        assert part in narrow
    assert "PROCESSING" not in narrow


async def test_a_low_terminal_shows_what_goes_on_and_counts_the_rest() -> None:
    board = Board(Screen(quiet=True))
    for number in range(30):
        board.add(str(number), f"job-{number}")
        board.tell(str(number), "PROCESSING", stage="alignment")
    for number in range(25):
        board.finish(str(number), "ok", "READY")
    lines = shown(80, 10, board)
    assert len(lines) == 8
    assert "job-25" in lines[0]
    assert lines[-1] == "and 23 more; 30 jobs: 5 alignment, 25 done"


async def test_an_end_is_told_once_whether_or_not_progress_was(
    capsys: pytest.CaptureFixture[str],
) -> None:
    board = Board(Screen())
    for key, progress in (("none", None), ("some", 0.6)):
        board.add(key, key)
        board.tell(key, "PROCESSING", progress=progress)
        board.tell(key, "COMPLETED", progress=progress)
        board.finish(key, "ok", "COMPLETED")
    assert capsys.readouterr().err.count("COMPLETED") == 2


async def test_rows_without_a_status_are_named_in_the_sum() -> None:
    board = Board(Screen(quiet=True))
    for number in range(4):
        board.add(str(number), f"job-{number}")
    assert shown(80, 24, board)[-1] == "4 jobs: 4 not seen yet"


async def test_what_the_server_says_reaches_no_terminal_unwashed(board: Board) -> None:
    board.tell("claims", "\x1b[2J\x07EVIL", stage="")
    board.finish("claims", "bad", "FAI\x1bLED", "\x9b31m")
    assert all("\x1b" not in line and "\x9b" not in line for line in shown(80, 24, board))


async def test_a_demo_that_is_interrupted_gives_back_what_it_deployed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Simulator(world=World(seed=3)) as sim:
        monkeypatch.setenv("NUGEN_API_KEY", "k")
        running = asyncio.create_task(execute(["demo", "--base-url", sim.url, "--jobs", "3"]))
        while not any(m.serving(sim.now) == "deployed" for m in sim.world.models.values()):  # noqa: ASYNC110 - the server has no event
            await asyncio.sleep(10)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await asyncio.sleep(3600)
        assert not any(m.serving(sim.now) == "deployed" for m in sim.world.models.values())
        going = {f"alignment/{a.id}" for a in sim.world.alignments.values()}
    err = capsys.readouterr().err
    line = next(line for line in err.splitlines() if "nugen-async watch" in line)
    assert set(line.split()[2:-2]) < going
