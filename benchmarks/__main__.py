"""``python -m benchmarks [--quick] [names…]``: each benchmark in a process of its own, one after another."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

NAMES = (
    *("per_request", "looks", "decoding", "waiters", "waiting", "connections"),
    *("scale", "batch", "chaos", "soak", "footprint"),
)


def main() -> int:
    """Run them; the number of those that failed is the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(NAMES))
    parser.add_argument("--quick", action="store_true", help="smaller, and nothing is written")
    told = parser.parse_args()
    here = Path(__file__).parent
    names = told.names or [name for name in NAMES if (here / f"{name}.py").exists()]
    if unknown := set(names) - set(NAMES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    if told.quick:  # what counts is that they run: all at once
        running = [_started(name, "--quick") for name in names]
        return sum(each.wait() != 0 for each in running)
    return sum(_started(name).wait() != 0 for name in names)


def _started(name: str, *options: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", f"benchmarks.{name}", *options])  # noqa: S603 # our own modules


if __name__ == "__main__":
    sys.exit(main())
