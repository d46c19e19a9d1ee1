"""The report: one file, everything in it, nothing from outside."""

from __future__ import annotations

import random
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from nugen_async import InvalidRequestError, Nugen
from nugen_async.batch import Batch, open_store
from nugen_async.cli import report as _command  # noqa: F401 # it enters itself into the command line
from nugen_async.cli.app import execute
from nugen_async.launching import ledger
from nugen_async.launching.course import End, Failure, Progress, Record
from nugen_async.report import Change, Row, Span, from_journal, from_record, from_result, html
from nugen_async.report.figures import duration, number, ticks
from nugen_async.simulator import Simulator, World
from nugen_async.workflows import Stage, Workflow

from .web import browser

DASH, TIMES = "\u2013", "\u00d7"
T0 = 1_795_000_000.0
EVIL = "<script>alert(1)</script>\"'&\x1b[31m\u202e\x00"


def row(i: int, **others: Any) -> Row:
    dice = random.Random(i)
    before = dice.uniform(0.4, 0.7)
    settings: dict[str, Any] = {
        "key": f"k{i}",
        "name": f"run {i}",
        "base_model": "llama",
        "model_id": f"m-{i}",
        "state": "ready",
        "metrics": {"accuracy": Change(before, before + dice.uniform(-0.05, 0.3))},
        "spans": (
            Span("documents", T0 + i, T0 + i + 30),
            Span("alignment", T0 + i + 30, T0 + i + 2700),
        ),
    }
    return Row(**{**settings, **others})


class Tags(HTMLParser):
    """Checks that every tag is closed, and collects what a page holds."""

    VOID = frozenset({"meta", "link"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


@pytest.mark.parametrize("count", [0, 1, 8, 200])
def test_a_page_is_whole_and_loads_nothing(count: int) -> None:
    page = html(row(i) for i in range(count))
    parsed = Tags(page)
    assert parsed.open == []
    for tag, attributes in parsed.tags:
        assert "src" not in attributes
        assert tag not in {"iframe", "img", "object", "form"}
        assert attributes.get("href", "data:,") == "data:,"
    assert "http://" not in page
    assert "https://" not in page
    assert "url(" not in page
    assert len(re.findall(r"<tr>", page)) == (count + 1 if count else 0)


def test_all_text_is_escaped() -> None:
    evil = row(
        0,
        key=EVIL,
        name=EVIL,
        base_model=EVIL,
        model_id=EVIL,
        state="failed",
        reason=EVIL,
        metrics={EVIL: Change(1.0, 2.0)},
        spans=(Span(EVIL, T0, T0 + 1, failed=True),),
    )
    page = html([evil], title=EVIL)
    parsed = Tags(page)
    assert [tag for tag, _ in parsed.tags].count("script") == 1
    assert not {
        name for _, attributes in parsed.tags for name in attributes if name.startswith("on")
    }
    for character in "\x1b\u202e\x00":
        assert character not in page


def test_a_model_that_is_left_serving_is_told_with_the_command_that_ends_it() -> None:
    record = {"key": "one", "model_id": "m; rm -rf <b>", "state": "failed", "left_serving": True}
    page = html([from_record(record), from_record({"key": "two", "model_id": "kept"})])
    assert "<code>nugen-async undeploy &#x27;m; rm -rf &lt;b&gt;&#x27;</code>" in page
    assert "Still deployed" not in html([from_record({**record, "left_serving": False})])


def test_totals_and_reasons() -> None:
    rows = [
        row(0),
        row(1, state="failed", reason="alignment: no", metrics={}),
        row(2, state="failed", reason="alignment: no", metrics={}),
        row(3, state="unknown", metrics={}),
        row(4, state="open", metrics={}, spans=(Span("alignment", T0),)),
    ]
    page = html(rows)
    told = re.sub(r"<[^>]+>", " ", page.split("<main>")[1])
    told = " ".join(told.split())
    assert "workflows 5 ready 1 failed 2 unknown 1 open 1" in told
    assert f"2 {TIMES} failed alignment: no run 1, run 2" in told
    assert f"1 {TIMES} unknown No reason was given." in told


def test_the_greatest_change_comes_first_and_the_missing_last() -> None:
    rows = [
        row(0, name="less", metrics={"accuracy": Change(0.5, 0.6)}),
        row(1, name="more", metrics={"accuracy": Change(0.5, 0.9)}),
        row(2, name="unmeasured", metrics={"accuracy": Change(None, 0.7)}),
    ]
    section = html(rows).split("<h2>Accuracy</h2>")[1].split("</section>")[0]
    assert re.findall(r'class="label" title="(\w+)"', section) == ["more", "less", "unmeasured"]
    assert "+40.0" in section
    assert "50.0 % → 90.0 %" in section


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (None, DASH),
        (0, "0 s"),
        (59.6, "1 min"),
        (61, "1 min 1 s"),
        (7320, "2 h 2 min"),
        (90000, "1 d 1 h"),
    ],
)
def test_durations(seconds: float | None, told: str) -> None:
    assert duration(seconds) == told


def test_numbers() -> None:
    assert number(0.123, share=True) == "12.3 %"
    assert number(-0.0001, share=True, signed=True) == "0.0"
    assert number(-0.05, share=True, signed=True) == "\u22125.0"
    assert number(1.5, share=False, signed=True) == "+1.5"
    assert number(None, share=True) == DASH


@pytest.mark.parametrize("length", [1, 59, 600, 3600, 86400, 10**7, 10**9])
def test_an_axis_has_a_few_round_times(length: float) -> None:
    made = ticks(length)
    assert made[0] == 0
    assert len(made) <= 8
    assert all(tick <= length for tick in made)


def test_a_record_is_a_row() -> None:
    made = from_record(
        {
            "key": "a",
            "state": "failed",
            "reason": "no",
            "metrics": {"accuracy": [0.5, None]},
            "spans": [["alignment", "2026-11-21T05:00:00Z", "2026-11-21T06:00:00+00:00", True]],
        }
    )
    assert made.metrics == {"accuracy": Change(0.5, None)}
    assert made.seconds == 3600
    assert made.spans[0].failed
    assert from_record({"key": 7}) == Row(key="7")


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"key": "a", "state": "done"},
        {"key": "a", "metrics": {"accuracy": 3}},
        {"key": "a", "metrics": {"accuracy": ["x", 1]}},
        {"key": "a", "spans": [["alignment"]]},
        {"key": "a", "spans": [["alignment", None, None]]},
        {"key": "a", "spans": 3},
    ],
)
def test_anything_else_is_refused(record: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError, match="not a row"):
        from_record(record)


async def test_a_batch_is_shown_as_its_journal_tells_it(tmp_path: Path) -> None:
    world = World(seed=4, failures={"alignment": 0.3})
    world.add_document("doc-1")
    specs = [
        Workflow(
            name=f"run {i}",
            base_model="llama-v3p1-8b-instruct",
            document_ids=("doc-1",),
            num_questions=20,
            deploy=True,
            evaluate="compare",
        )
        for i in range(12)
    ]
    path = tmp_path / "runs.db"
    async with (
        Simulator(world=world) as sim,
        Nugen("key", base_url=sim.url) as nugen,
        Batch.open(path, nugen) as batch,
    ):
        outcomes = [outcome async for outcome in batch.run(specs)]
    store = await open_store(path, watch=True)
    rows = [from_journal(each) for each in await store.rows()]
    await store.aclose()

    ready = [each for each in rows if each.state == "ready"]
    failed = [each for each in rows if each.state == "failed"]
    assert (len(rows), len(ready)) == (12, sum(o.error() is None for o in outcomes))
    assert failed
    assert all("502" in each.reason for each in failed)
    for each in ready:
        assert each.metrics["accuracy"].difference is not None
        assert [span.stage for span in each.spans] == list(specs[0].stages)
        assert each.seconds is not None
    results = {o.key: from_result(o.result) for o in outcomes if o.error() is None}
    assert {e.key: e.metrics for e in ready} == {k: r.metrics for k, r in results.items()}

    code = await execute(["report", "--journal", str(path), "--output", str(tmp_path / "r.html")])
    assert code == 0
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "run 11" in page
    assert Tags(page).open == []


def test_a_stage_lasts_until_its_end_was_seen_whoever_waited() -> None:
    spec = Workflow(name="n", base_model="b", document_ids=("d",), deploy=True)
    at = "2026-11-21T0{}:00:00+00:00".format
    done = Record(intended=at(5), ids=("al",), done=True, waited=60.0, ended=at(6))
    refused = Failure(stage=Stage.DEPLOYMENT, kind="ServerError", message="no", at=at(8))
    progress = Progress(
        records={Stage.ALIGNMENT: done, Stage.DEPLOYMENT: Record(intended=at(7))},
        failures=(refused,),
    )
    told = from_journal(
        ledger.Row(key="k", position=0, spec=spec, end=End.FAILED, progress=progress)
    )
    assert [span.ended - span.began for span in told.spans if span.ended] == [3600.0, 3600.0]
    assert told.seconds == 3 * 3600


async def test_the_command_reads_records(tmp_path: Path) -> None:
    lines = tmp_path / "rows.jsonl"
    lines.write_text('{"key": "one", "state": "ready"}\n\n{"key": "two", "metrics": {}}\n')
    made = tmp_path / "r.html"
    assert await execute(["report", str(lines), "--output", str(made)]) == 0
    page = made.read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert ">two</th>" in page
    for text in ("[3]", "{", '{"name": "no key"}'):
        lines.write_text(text)
        assert await execute(["report", str(lines), "--output", str(made)]) != 0


@pytest.mark.looptime(False)
@pytest.mark.filterwarnings("default")
def test_a_browser_sorts_it_and_finds_nothing_to_complain_of(tmp_path: Path) -> None:
    rows = [row(i, metrics={"accuracy": Change(0.5, 0.5 + i % 7 / 20)}) for i in range(40)]
    rows += [row(99, metrics={}, state="failed", reason="no")]
    file = tmp_path / "report.html"
    file.write_text(html(rows), encoding="utf-8")
    with browser.driven(tmp_path / "p") as driver:
        driver.get(file.as_uri())

        def column(place: int) -> list[str]:
            return driver.execute_script(
                "return [...document.querySelectorAll('tbody')]"
                f".map((body) => body.rows[0].cells[{place}].textContent)"
            )

        def click(heading: int) -> None:
            driver.find_elements("css selector", "thead button")[heading].click()

        click(5)
        rising = column(5)
        click(5)
        falling = column(5)
        numbers = [float(cell) for cell in rising[:-1]]
        assert numbers == sorted(numbers)
        assert rising[-1] == falling[-1] == DASH
        assert [float(cell) for cell in falling[:-1]] == sorted(numbers, reverse=True)
        click(0)
        assert column(0)[:3] == ["run 0", "run 1", "run 2"]
        above = "return document.querySelector('.why').previousElementSibling.cells[0].textContent"
        assert driver.execute_script(above) == "run 99"
        wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert driver.execute_script(wide) == 0
        assert "more" in driver.find_element("css selector", "summary").text
        assert [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"] == []


@pytest.mark.looptime(False)
@pytest.mark.filterwarnings("default")
def test_a_telephone_shows_every_number_and_breaks_no_word(tmp_path: Path) -> None:
    rows = [
        row(1, spans=(Span("documents", T0, T0 + 20), Span("alignment", T0 + 20, T0 + 118))),
        row(2, metrics={}, state="failed", reason="alignment: POST http://x answered 400. " * 6),
    ]
    file = tmp_path / "report.html"
    with browser.driven(tmp_path / "p") as driver:
        screen = {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": True}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        for length in (118, 400, 5000, 400_000):
            spans = (Span("alignment", T0, T0 + length),)
            file.write_text(html([row(0, spans=spans), *rows]), encoding="utf-8")
            driver.get(file.as_uri())

            def boxes(selector: str) -> list[dict[str, float]]:
                return driver.execute_script(
                    f"return [...document.querySelectorAll('{selector}')]"
                    ".map((each) => each.getBoundingClientRect().toJSON())"
                )

            assert boxes("h1")[0]["height"] < 60, "one line"
            numbers = boxes(".bars .number, .times .line:not(.axis) .number")
            assert len(numbers) == 5
            assert all(box["width"] > 20 and box["right"] < 400 for box in numbers)
            ticks = [box for box in boxes(".axis text") if box["width"]]
            (card,) = boxes(".times")
            assert len(ticks) > 1
            assert all(
                card["left"] <= box["left"] and box["right"] <= card["right"] for box in ticks
            )
            gaps = [after["left"] - before["right"] for before, after in pairwise(ticks)]
            assert min(gaps) > 0, "no two times overlap"
            (why,) = boxes(".why p")
            assert why["right"] < 400, "the reason is read without scrolling"
