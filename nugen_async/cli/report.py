"""``report``: what came of many workflows, as one HTML file."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.text import Text

from ..batch import open_store
from ..errors import InvalidRequestError
from ..report import Row, from_journal, from_record, html
from .common import AS_USUAL, LOOK, Output, command
from .exits import Exit
from .screen import plural

_RESULTS = frozenset({"state", "metrics", "spans"})
"""What a line tells of a result; the other fields may be a manifest's as well."""


@command(
    "nugen-async report --journal runs.db",
    "nugen-async report demo.jsonl --output demo.html   # after:",
    "nugen-async demo --jsonl > demo.jsonl",
    group=LOOK,
)
async def report(
    lines: Path | None = None,
    /,
    *,
    journal: Annotated[str | None, Parameter(metavar="FILE|URL")] = None,
    output: Annotated[Path, Parameter(name=["--output", "-o"])] = Path("report.html"),
    title: str = "Alignments",
    shown: Output = AS_USUAL,
) -> int:
    """Write an HTML file: what improved, when what ran, what failed and why.

    The file loads nothing from anywhere, so that it can be mailed as it is. It asks no server.

    Parameters
    ----------
    lines
        A file of JSON lines with results, as "nugen-async demo --jsonl" prints them; "-" for standard input.
    journal
        The journal of a batch: a file, or postgresql://..., also while the batch runs.
    output
        The file to write; an existing one is replaced.
    title
        What stands at the top.
    """
    if (lines is None) == (journal is None):
        raise InvalidRequestError("give either a file of JSON lines or --journal")
    rows = (
        await _of_journal(journal) if journal is not None else await _of_lines(lines or Path("-"))
    )
    await asyncio.to_thread(output.write_text, html(rows, title=title), encoding="utf-8")
    screen = shown.screen
    screen.show({"output": str(output), "workflows": len(rows)}, Text(str(output)))
    screen.say(f"{plural(len(rows), 'workflow')} shown.")
    return Exit.OK


async def _of_journal(journal: str) -> list[Row]:
    store = await open_store(journal, watch=True)
    try:
        return [from_journal(row) for row in await store.rows()]
    finally:
        await store.aclose()


async def _of_lines(path: Path) -> Sequence[Row]:
    if str(path) == "-":
        text = await asyncio.to_thread(sys.stdin.read)
    else:
        text = await asyncio.to_thread(path.read_text, encoding="utf-8")
    rows: list[Row] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                rows.append(_row(json.loads(line)))
            except ValueError as error:
                raise InvalidRequestError(f"{path}, line {number}: {error}") from None
    return rows


def _row(record: Any) -> Row:
    """The row of *record*, which must tell what came of a workflow; that of a manifest does not."""
    if isinstance(record, dict) and not _RESULTS & record.keys():
        raise InvalidRequestError(
            "this tells no result (state, metrics or spans); of a batch give the --journal"
        )
    return from_record(record)
