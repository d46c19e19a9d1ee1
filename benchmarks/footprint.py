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
import {module}
print('{{"seconds": %f, "modules": %d}}' % (time.process_time() - start, len(sys.modules) - before))
"""
_PEERS = {"httpx": "httpx", "openai": "openai", "seekrai": "seekrai", "azure.core": "azure-core"}
"""Modules, and the distributions that they come from."""
_OURS = ("aiohttp", "attrs", "cattrs", "backoff")
"""What we require, in case that we are imported from the source and not installed."""


def main(*, quick: bool) -> None:
    """Measure and report."""
    report = Report("footprint", "Footprint")
    modules = {"aiohttp": "aiohttp", "nugen_async": "nugen-async"}
    # Compiled code is what users import: all of it is compiled anew, into a place of our own.
    with tempfile.TemporaryDirectory() as cache:
        _measure(report, modules, cache, quick=quick)
    report.write(quick=quick)


def _measure(report: Report, modules: dict[str, str], cache: str, *, quick: bool) -> None:
    if not quick:
        modules |= {name: dist for name, dist in _PEERS.items() if installed(name.split(".")[0])}
    count: dict[str, int] = {}

    def cost(module: str) -> Callable[[], float]:
        def once() -> float:
            told = _import(module, cache)
            count[module] = int(told["modules"])
            return told["seconds"]

        return once

    for module in modules:
        _import(module, cache)  # compiles it
    told = ratios(interleaved({m: cost(m) for m in modules}, 2 if quick else 15), "aiohttp")
    report.say(
        "CPU of the import in a new process, aiohttp alone = 1 (minimum · median · maximum); installed size with"
        " all that it requires, as far as it is installed here."
    )
    report.table(
        ["import", "CPU", "modules", "installed"],
        [
            [f"`{module}`", told[module], count[module], f"{_size(dist) / 1e6:.1f} MB"]
            for module, dist in modules.items()
        ],
    )
    report.goal("`import nugen_async`, `import aiohttp` = 1", told["nugen_async"], 1.25)


def _import(module: str, cache: str) -> dict[str, float]:
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    said = subprocess.run(  # noqa: S603 # our own code
        [sys.executable, "-c", _TIMED.format(module=module)],
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
    left = [dist, *(_OURS if dist == "nugen-async" else ())]
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
