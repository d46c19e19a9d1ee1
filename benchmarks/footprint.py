"""Import time, modules imported and installed size, beside aiohttp alone and the peers."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from ._measure import Report, command, installed, interleaved, ratios

_TIMED = """
import sys, time
before, start = len(sys.modules), time.process_time()
{statement}
print('{{"seconds": %f, "modules": %d}}' % (time.process_time() - start, len(sys.modules) - before))
"""
_BASE = "import aiohttp"
_OURS = "from nugen_async import Nugen"
_MORE = {"import nugen_async": "nugen-async", f"{_OURS}; Nugen('key')": "nugen-async"}
_PEERS = {
    "from httpx import AsyncClient": "httpx",
    "from openai import AsyncOpenAI": "openai",
    "from seekrai import AsyncSeekrFlow": "seekrai",
    "from azure.core import AsyncPipelineClient": "azure-core",
}
"""Statements, and the distributions that they need."""
_NEEDS = ("aiohttp", "attrs", "cattrs", "backoff")
"""What we require, in case that we are imported from the source and not installed."""


def main(*, quick: bool) -> None:
    """Measure and report."""
    report = Report("footprint", "Footprint")
    statements = {_BASE: "aiohttp", _OURS: "nugen-async"}
    # Compiled code is what users import: all of it is compiled anew, into a place of our own.
    with tempfile.TemporaryDirectory() as cache:
        _measure(report, statements, cache, quick=quick)
    report.say(
        "Nouns are imported when a client is made, cattrs when the first record is read. With 300 modules the"
        " statement cost 1.23; long modules were split into 313 since."
    )
    report.write(quick=quick)


def _measure(report: Report, statements: dict[str, str], cache: str, *, quick: bool) -> None:
    if not quick:
        statements |= _MORE
        statements |= {
            said: dist
            for said, dist in _PEERS.items()
            if installed(said.split()[1].partition(".")[0])
        }
    count: dict[str, int] = {}

    def cost(statement: str) -> Callable[[], float]:
        def once() -> float:
            told = _import(statement, cache)
            count[statement] = int(told["modules"])
            return told["seconds"]

        return once

    for statement in statements:
        _import(statement, cache)  # compiles it
    told = ratios(interleaved({s: cost(s) for s in statements}, 2 if quick else 15), _BASE)
    report.say(
        "CPU of the import in a new process, aiohttp alone = 1 (minimum · median · maximum); installed size"
        " with all that it requires, as far as it is installed here."
    )
    report.table(
        ["statement", "CPU", "modules", "installed"],
        [
            [f"`{said}`", told[said], count[said], f"{_size(dist) / 1e6:.1f} MB"]
            for said, dist in statements.items()
        ],
    )
    report.goal(f"`{_OURS}`, `{_BASE}` = 1", told[_OURS], 1.25)


def _import(statement: str, cache: str) -> dict[str, float]:
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    said = subprocess.run(  # noqa: S603 # our own code
        [sys.executable, "-c", _TIMED.format(statement=statement)],
        check=True,
        capture_output=True,
        text=True,
        env={**kept, "PYTHONPYCACHEPREFIX": cache},
    )
    told: dict[str, float] = json.loads(said.stdout)
    return told


def _size(dist: str) -> int:
    return sum(_files(name) for name in set(_closure(dist)))


def _closure(dist: str) -> Iterator[str]:
    """*dist* and all that it requires without an extra."""
    seen: set[str] = set()
    left = [dist, *(_NEEDS if dist == "nugen-async" else ())]
    while left:
        name = _canonical(left.pop())
        if name in seen:
            continue
        seen.add(name)
        try:
            needs = distribution(name).requires or []
        except PackageNotFoundError:
            if name != "nugen-async":
                continue
            needs = []
        yield name
        left += [re.split(r"[\s;\[<>=!~(]", need)[0] for need in needs if "extra ==" not in need]


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _files(dist: str) -> int:
    if dist == "nugen-async":  # here it may be installed as a link to its source
        package = Path(__file__).parent.parent / "nugen_async"
        return sum(p.stat().st_size for p in package.rglob("*") if "__pycache__" not in p.parts)
    paths = (Path(str(file.locate())) for file in distribution(dist).files or ())
    return sum(p.stat().st_size for p in paths if p.exists() and "__pycache__" not in p.parts)


if __name__ == "__main__":
    command(main)
