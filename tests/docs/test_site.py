"""The site builds without a warning, its links hold, and it asks no other host for anything."""

from __future__ import annotations

import inspect
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args
from urllib.parse import unquote, urlsplit

import pytest
from attrs import define, field

from nugen_async import Outcome, client

from ..web import browser
from .samples import ROOT

pytest.importorskip("zensical", reason="needs the extra docs")
pytest.importorskip("mkdocstrings_handlers.python", reason="needs the extra docs")

_READ = ("nugen_async", "benchmarks", "CHANGELOG.md")


@define
class Page(HTMLParser):
    """What a page points to, what may be pointed to in it, and its text."""

    links: list[str] = field(factory=list)
    loaded: list[str] = field(factory=list)
    anchors: set[str] = field(factory=set)
    text: list[str] = field(factory=list)
    _code: int = 0

    def __attrs_pre_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        self.anchors |= {told[name] for name in ("id", "name") if name in told}
        self._code += tag in {"pre", "script"}
        if tag == "a" and "href" in told:
            self.links.append(told["href"])
        elif "src" in told:
            self.loaded.append(told["src"])
        elif tag == "link" and told.get("rel") in {"stylesheet", "icon", "preload"}:
            self.loaded.append(told["href"])

    def handle_endtag(self, tag: str) -> None:
        self._code -= tag in {"pre", "script"}

    def handle_data(self, data: str) -> None:
        if not self._code:
            self.text.append(data)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = tmp_path_factory.mktemp("project")
    for name in _READ:
        (project / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "docs", project / "docs")
    shutil.copy(ROOT / "zensical.toml", project)
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return project / "site"


def test_links_hold_and_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    pages = {path: Page() for path in site.rglob("*.html") if path.name != "404.html"}
    for path, page in pages.items():
        page.feed(path.read_text("utf-8"))
    troubles = [trouble for path in pages for trouble in _troubles(site, path, pages)]

    assert len(pages) > 30
    assert troubles == []


def test_the_clients_page_leads_to_every_noun_outcome_and_argument(site: Path) -> None:
    """Also to what a batch has under the same name: Ready, Failed, TimedOut."""
    told = (site / "reference/clients/index.html").read_text("utf-8")
    nouns = re.findall(r"self\.(\w+) = [A-Z]\w+\(api, pollers\)", inspect.getsource(client))
    assert len(nouns) == 11
    for noun in nouns:
        assert re.search(rf"<td><a [^>]*><code>{noun}</code></a></td>", told), noun
    outcomes = [kind.__name__ for kind in get_args(Outcome)]
    assert len(outcomes) == 7
    for name in (*outcomes, "OnUpdate", "ScheduleLike"):
        assert f'href="../waiting/#nugen_async.{name}"' in told, name


@pytest.mark.looptime(False)
@pytest.mark.filterwarnings("default")
def test_plots_are_legible_on_a_telephone_and_in_the_dark(site: Path, tmp_path: Path) -> None:
    screen = {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    with browser.driven(tmp_path / "p") as driver:
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
        driver.get((site / "measured/waiting/index.html").as_uri())
        width, around, page, shown = driver.execute_script(
            "const plot = document.querySelector('p > img');"
            "return [plot.clientWidth, plot.parentNode.clientWidth,"
            " document.documentElement.scrollWidth, getComputedStyle(plot).filter]"
        )
    assert (width > 600, around < 400, page) == (True, True, 400)
    assert "invert" in shown


def _troubles(site: Path, path: Path, pages: dict[Path, Page]) -> Iterator[str]:
    page, name = pages[path], path.relative_to(site)
    for link in (*page.links, *page.loaded):
        url = urlsplit(link)
        if url.scheme or url.netloc:
            if link in page.loaded:
                yield f"{name} loads {link}"
            continue
        target = (path.parent / unquote(url.path)).resolve() if url.path else path
        target = target / "index.html" if target.is_dir() else target
        if not target.is_file():
            yield f"{name} links to {link}, which is not there"
        elif url.fragment and target in pages:
            anchor = unquote(url.fragment)
            if anchor not in pages[target].anchors and not anchor.startswith("__"):
                yield f"{name} links to {link}, which has no such anchor"
    text = "".join(page.text)
    for left_over in ("][nugen_async", "][]", "--8<--", "::: nugen_async"):
        if left_over in text:
            at = text.index(left_over)
            yield f"{name} shows {text[max(0, at - 60) : at + 40]!r}"
