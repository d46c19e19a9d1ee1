"""What a notebook shows: tables of snapshots and outcomes, and progress that moves."""

from __future__ import annotations

import io
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from nugen_async import Alignment, AlignmentMetrics, Failed, Nugen, Page, Ready, TimedOut
from nugen_async._core.html import text
from nugen_async.integrations.notebook import progress
from nugen_async.simulator import Simulator, Span, Times, World

EVIL = "<img src=x onerror=alert(1)>\x1b[2J\u202e"
CELLS = [
    """
from nugen_async import Nugen
from nugen_async.integrations.notebook import progress
from nugen_async.simulator import Simulator, Span, Times, World
world = World(seed=1, trusting=True, times=Times(alignment=Span(4.0), queue=Span(0.0)))
sim = await Simulator(world=world).__aenter__()
nugen = Nugen("key", base_url=sim.url)
""",
    """
job = await nugen.alignments.create(name="n", base_model="nugen-flash-instruct", document_ids=["d"])
job
""",
    "await job.wait_until_ready(on_update=progress(), schedule=0.5)",
    "[outcome async for outcome in nugen.wait_many([job])][0]",
    "await nugen.aclose(); await sim.aclose()",
]


def job(**fields: Any) -> Alignment:
    return Alignment(**{"id": "al-1", "name": "contracts", "status": "PROCESSING", **fields})


def test_a_snapshot_shows_what_it_knows() -> None:
    shown = job(
        progress=40.0,
        created_date=datetime(2026, 11, 21, 5, 0, tzinfo=UTC),
        documents=tuple(f"d{i}" for i in range(9)),
        performance_metrics=AlignmentMetrics(accuracy_before=0.5, accuracy_after=0.712345678),
        raw={"secret": "raw stays where it is"},
    )._repr_html_()
    assert "<b>Alignment</b>" in shown
    assert "2026-11-21 05:00:00 UTC" in shown
    assert "performance metrics: accuracy after" in shown
    assert "0.712346" in shown
    assert "d5 and 3 more" in shown
    assert "raw stays" not in shown
    assert "eta" not in shown


def test_an_outcome_shows_its_error() -> None:
    assert "<b>Ready: Alignment</b>" in Ready(job(status="READY"))._repr_html_()


@pytest.mark.parametrize("field", ["id", "name", "status", "error", "base_model", "documents"])
def test_all_text_is_escaped(field: str) -> None:
    evil = job(**{field: (EVIL,) if field == "documents" else EVIL})
    shown = evil._repr_html_()
    table = progress(io.StringIO())
    table(evil)
    assert "\x1b" not in repr(table)
    for html in (shown, table._repr_html_()):
        assert "<img" not in html
        assert "\x1b" not in html
        assert "\u202e" not in html


def test_a_page_shows_its_rows_in_the_columns_that_they_fill() -> None:
    rows = (job(progress=40.0), job(id="al-2", base_model=EVIL))
    shown = Page(rows, total=7, notes=("one row left out",))._repr_html_()
    assert "<b>2 of 7 on this page</b>" in shown
    assert [cell in shown for cell in (">al-2</td>", ">progress</th>", ">base model</th>")] == [
        True,
        True,
        True,
    ]
    assert ">eta" not in shown
    assert "one row left out" in shown
    assert "<img" not in shown
    assert "\x1b" not in shown
    many = Page(tuple(job(id=f"al-{n}") for n in range(25)))._repr_html_()
    assert (many.count("<tr>"), "and 5 more" in many) == (21, True)
    assert "<b>0 on this page</b>" in Page()._repr_html_()
    assert ">x</td>" in Page(("x",))._repr_html_()


def test_long_text_is_cut() -> None:
    assert len(text("x" * 10_000)) <= 300


def test_without_a_notebook_progress_is_lines() -> None:
    out = io.StringIO()
    told = progress(out)
    told(job(progress=25.0, eta_seconds=125.0))
    told(job(status="FAILED", error="no\nway"))
    assert out.getvalue().splitlines()[0] == "contracts: processing, 25%, about 2 min 5 s left"
    assert out.getvalue().splitlines()[1] == "contracts: failed, no way"
    assert "IPython" not in sys.modules or told._display is None


async def test_outcomes_of_waits_show_themselves() -> None:
    times = Times(alignment=Span(600.0), queue=Span(0.0))
    world = World(seed=1, trusting=True, times=times, failures={"alignment": 1.0})
    async with Simulator(world=world) as sim, Nugen("key", base_url=sim.url) as nugen:
        made = await nugen.alignments.create(
            name="n", base_model="nugen-flash-instruct", document_ids=["d"]
        )
        out = io.StringIO()
        (early,) = [o async for o in nugen.wait_many([made], timeout=5)]
        (late,) = [o async for o in nugen.wait_many([made], on_update=progress(out))]
    assert isinstance(early, TimedOut)
    assert "it goes on" in early._repr_html_()
    assert isinstance(late, Failed)
    assert "502 Bad Gateway" in late._repr_html_()
    assert "502 Bad Gateway" in out.getvalue().splitlines()[-1]


@pytest.mark.browser
@pytest.mark.looptime(False)
@pytest.mark.filterwarnings("default")
def test_a_real_notebook_awaits_and_shows_progress_in_one_place() -> None:
    reason = "THE NOTEBOOK TEST DID NOT RUN: pip install nbclient ipykernel"
    nbclient = pytest.importorskip("nbclient", reason=reason)
    pytest.importorskip("ipykernel", reason=reason)
    nbformat = pytest.importorskip("nbformat", reason=reason)
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    nbclient.NotebookClient(book, timeout=120, kernel_name="python3").execute()
    shown = [book.cells[i].outputs for i in range(len(CELLS))]
    assert "<b>Alignment</b>" in shown[1][-1]["data"]["text/html"]
    bars = [out for out in shown[2] if out["output_type"] == "display_data"]
    assert len(bars) == 1
    assert "100%" in bars[0]["data"]["text/html"]
    assert "aligned" in shown[2][-1]["data"]["text/html"]
    assert "<b>Ready: Alignment</b>" in shown[3][-1]["data"]["text/html"]
