"""What every call makes of every fault: the page ``results/chaos.md``, from the code that the tests run.

``python -m benchmarks.chaos`` in the repository's root; in virtual time, a few seconds.
"""

from __future__ import annotations

import asyncio
import platform
from pathlib import Path

import aiohttp

from tests.chaos.cases import ATTEMPT, CAP, NAMES, TOTAL, USES, Row, row
from tests.clock import VirtualLoop

PAGE = Path(__file__).parent / "results" / "chaos.md"

HEAD = """# Chaos

What the caller got from each kind of call (columns) when the server did this (rows), and after it the
requests that the server read. One client a cell, {attempt:g} s for an attempt, {total:g} s for the whole call
or wait, 2 retries, bodies of at most {cap} MiB. All of it ended in time, within `NugenError`; no create was
posted twice unless the server said that it had not taken it (429, 503 with `Retry-After`); no connection,
task or body over the limit was left. `tests/chaos` holds the code to this page.

{facts}. Written by `python -m benchmarks.chaos`.

"""


def cell(met: Row) -> str:
    """One cell of the table."""
    return f"{met.outcome} {met.requests}"


async def rows() -> list[list[Row]]:
    """Every fault met by every kind of call."""
    return [[await row(fault, use) for use in USES] for fault in NAMES]


def main() -> None:
    """Write the page, and show it."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        table = runner.run(rows())
    facts = f"CPython {platform.python_version()}, aiohttp {aiohttp.__version__}, virtual time"
    text = HEAD.format(attempt=ATTEMPT, total=TOTAL, cap=CAP // 1024**2, facts=facts)
    text += f"| fault | {' | '.join(USES)} |\n|{'---|' * (len(USES) + 1)}\n"
    text += "".join(f"| {met[0].fault} | {' | '.join(map(cell, met))} |\n" for met in table)
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
