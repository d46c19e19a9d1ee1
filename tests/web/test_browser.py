"""The example apps as a person meets them: started in a browser, watched, reloaded, watched to the end.

``SCREENSHOTS=folder`` keeps a picture of each stage.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import define

from nugen_async.simulator import Simulator, Span, Times, World

from . import browser

SERVE = {
    "fastapi": (
        "import uvicorn; uvicorn.run(app, port=port, log_level='warning',"
        " timeout_graceful_shutdown=1)"
    ),
    "aiohttp": (
        "from aiohttp import web; web.run_app(app, port=port, print=None,"
        " handler_cancellation=True, shutdown_timeout=1)"
    ),
}
CODE = """
import os
import nugen_async.examples.{name}_app as module
from nugen_async.integrations.web import Broadcast
module.live = Broadcast(schedule=0.5)  # jobs of seconds, not of hours
app, port = module.app, int(os.environ["PORT"])
{serve}
"""
BARS = """
return [...document.querySelectorAll("li")].map((li) => ({
  name: li.querySelector("b").textContent,
  status: li.querySelector(".status").textContent,
  note: li.querySelector(".note").textContent,
  width: parseFloat(li.querySelector(".bar").style.width || "0"),
}))
"""

SEED, FAIL = 2, {"alignment": 0.34}  # of three, one fails

pytestmark = [
    pytest.mark.browser,
    pytest.mark.looptime(False),
    pytest.mark.filterwarnings("default"),
]


@define
class Person:
    """Somebody at a browser."""

    driver: Any
    url: str
    name: str
    shots: int = 0

    def bars(self) -> list[dict[str, Any]]:
        return sorted(self.driver.execute_script(BARS), key=lambda bar: bar["name"])

    def until(self, holds: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        end = time.monotonic() + 40
        while not holds(bars := self.bars()):
            assert time.monotonic() < end, (bars, self.text("#trouble"), self.text("#line"))
            time.sleep(0.1)
        return bars

    def text(self, found: str) -> str:
        return self.driver.find_element("css selector", found).text

    def start(self, name: str, documents: str = "doc-1, doc-2") -> None:
        for field, text in (("name", name), ("documents", documents)):
            element = self.driver.find_element("name", field)
            element.clear()
            element.send_keys(text)
        self.driver.find_element("css selector", "form button").click()

    def picture(self, stage: str) -> None:
        if folder := os.environ.get("SCREENSHOTS"):
            self.shots += 1
            self.driver.save_screenshot(str(Path(folder, f"{self.name}-{self.shots}-{stage}.png")))


def watch_three_jobs(person: Person) -> None:
    person.driver.get(person.url)
    person.picture("empty")
    for name in ("contracts", "letters", "<b>minutes</b>"):
        person.start(name)
        person.until(lambda bars, name=name: name in [bar["name"] for bar in bars])
    first = person.until(lambda bars: len(bars) == 3 and all(bar["width"] > 0 for bar in bars))
    person.picture("running")
    second = person.until(
        lambda bars: all(b["width"] > a["width"] for a, b in zip(first, bars, strict=True))
    )
    assert person.text("#line") == "live"

    shown = [bar["name"] for bar in person.driver.execute_script(BARS)]
    person.driver.refresh()
    third = person.until(lambda bars: len(bars) == 3)
    assert [bar["name"] for bar in third] == [bar["name"] for bar in second]
    assert all(b["width"] >= a["width"] for a, b in zip(second, third, strict=True))
    assert [bar["name"] for bar in person.driver.execute_script(BARS)] == shown
    person.picture("reloaded")

    person.until(lambda bars: all(bar["status"] in {"ready", "failed"} for bar in bars))
    end = time.monotonic() + 10
    while person.text("#line") != "all have ended":
        assert time.monotonic() < end
        time.sleep(0.1)
    time.sleep(0.7)  # the bars' own movement
    person.picture("ended")
    ended = person.bars()
    assert [bar["width"] for bar in ended if bar["status"] == "ready"] == [100] * 2
    assert "502" in next(bar["note"] for bar in ended if bar["status"] == "failed")

    person.start("no documents", documents=",")
    end = time.monotonic() + 10
    while "document_ids" not in person.text("#trouble"):
        assert time.monotonic() < end
        time.sleep(0.1)
    person.picture("refused")
    assert len(person.bars()) == 3


@pytest.mark.parametrize("name", ["fastapi", "aiohttp"])
async def test_three_jobs_are_watched_through_a_reload(name: str, tmp_path: Path) -> None:
    pytest.importorskip(name, reason=f"BROWSER TEST DID NOT RUN: no {name}")
    browser.chromium()
    times = Times(alignment=Span(15.0, 0.15), queue=Span(0.5))
    async with Simulator(world=World(seed=SEED, times=times, trusting=True, failures=FAIL)) as sim:
        env = {"NUGEN_BASE_URL": sim.url, "NUGEN_API_KEY": "key", "JOBS_DB": ":memory:"}
        code = CODE.format(name=name, serve=SERVE[name])

        def visit() -> None:
            with browser.process(code, env) as url, browser.driven(tmp_path / "p") as driver:
                watch_three_jobs(Person(driver, url, name))

        await asyncio.to_thread(visit)
        assert sim.log.by_operation["create_alignment"] == 3
        assert "key" not in str(list(sim.log))
