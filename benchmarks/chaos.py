"""What every call makes of every fault: the page ``results/chaos.md``, from the code that the tests run.

In virtual time.
"""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Sequence
from pathlib import Path

import aiohttp

from tests.chaos.cases import ATTEMPT, CAP, NAMES, TOTAL, USES, Row, row
from tests.clock import VirtualLoop

from ._measure import command

PAGE = Path(__file__).parent / "results" / "chaos.md"

HEAD = """# Chaos

What the caller got from each kind of call (columns) when the server did this (rows), and after it the
requests that the server read. One client a cell, {attempt:g} s for an attempt, {total:g} s for the whole call
or wait, 2 retries, bodies of at most {cap} MiB. All of it ended in time, within `NugenError`; no create was
posted twice unless the server said that it had not taken it (429, 503 with `Retry-After`, 307 or 308 to its
own origin); no connection, task or body over the limit was left. `tests/chaos` holds the code to this page.

{facts}. Written by `python -m benchmarks chaos`.

"""


def cell(met: Row) -> str:
    """One cell of the table."""
    return f"{met.outcome} {met.requests}"


async def rows(faults: Sequence[str]) -> list[list[Row]]:
    """Each fault met by every kind of call."""
    return [[await row(fault, use) for use in USES] for fault in faults]


def main(*, quick: bool) -> None:
    """Write the page, and show it."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        table = runner.run(rows(NAMES[:3] if quick else NAMES))
    facts = f"CPython {platform.python_version()}, aiohttp {aiohttp.__version__}, virtual time"
    text = HEAD.format(attempt=ATTEMPT, total=TOTAL, cap=CAP // 1024**2, facts=facts)
    text += f"| fault | {' | '.join(USES)} |\n|{'---|' * (len(USES) + 1)}\n"
    text += "".join(f"| {met[0].fault} | {' | '.join(map(cell, met))} |\n" for met in table)
    print(text)
    if not quick:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    command(main)
