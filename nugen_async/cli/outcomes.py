"""What ``batch`` shows of outcomes: words and exit codes, a table, JSON, CSV."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Sequence
from typing import Any

from rich.text import Text

from ..batch import Failed, Open, Outcome, Ready, Status, TimedOut, Unknown
from ..errors import printable
from .board import End
from .exits import Exit, sentence
from .screen import Column, Screen, duration, percent, plural, points

_MOST = 10

WORDS: dict[type[Outcome], tuple[str, End, Exit]] = {
    Ready: ("ready", "ok", Exit.OK),
    Failed: ("failed", "bad", Exit.FAILED),
    Unknown: ("unknown", "bad", Exit.UNKNOWN),
    TimedOut: ("open", "open", Exit.TIMED_OUT),
    Open: ("open", "open", Exit.TIMED_OUT),
}
"""The word, the mark and the exit code for each kind of outcome."""


def summary(found: Status) -> str:
    """How a batch stands, in a sentence."""
    parts = [
        f"{count} {word}"
        for count, word in (
            (found.ready, "ready"),
            (found.failed, "failed"),
            (found.unknown, "unknown"),
            (found.open, "open"),
        )
        if count
    ]
    text = f"{plural(found.total, 'workflow')}: {', '.join(parts) or 'nothing yet'}."
    if found.still_deployed:
        text += f" {plural(len(found.still_deployed), 'model')} may still be deployed."
    return text


def tell_of_models(screen: Screen, outcomes: Sequence[Outcome]) -> None:
    """Tell how to end what costs money, where something is left that was not meant to stay."""
    left = [
        o.result
        for o in outcomes
        if o.result.still_deployed and (o.result.in_doubt or not isinstance(o, Ready))
    ]
    if left:
        screen.warn(
            f"{plural(len(left), 'model')} not meant to stay deployed may still cost money. To end that:"
        )
        ids = (printable(result.model_id) for result in left)
        screen.command(shlex.join(("nugen-async", "undeploy", *ids)))


def tell_of_failures(screen: Screen, outcomes: Sequence[Outcome]) -> None:
    """Tell why workflows failed; of very many only the first, since a report has room for all."""
    failed = [outcome for outcome in outcomes if isinstance(outcome, Failed)]
    for outcome in failed[:_MOST]:
        name, reason = printable(outcome.result.name), sentence(outcome.failures[0].message)
        screen.warn(Text.assemble((f"{name}: ", "red"), reason))
    if len(failed) > _MOST:
        screen.warn(f"... and {len(failed) - _MOST:,} more: see nugen-async report -h")


COLUMNS: tuple[Column[Outcome], ...] = (
    Column("workflow", lambda o: o.result.name, fold=True),
    Column("state", lambda o: WORDS[type(o)][0]),
    Column("model", lambda o: o.result.model_id, rank=2, fold=True),
    Column("base", lambda o: percent(o.result.base_accuracy), right=True, rank=3),
    Column("aligned", lambda o: percent(o.result.aligned_accuracy), right=True, rank=3),
    Column("gain", lambda o: points(o.result.difference), right=True, rank=1),
    Column("waited", lambda o: duration(sum(o.result.waited.values())), right=True, rank=4),
    Column("key", lambda o: o.key, rank=5, fold=True),
)


def as_json(outcome: Outcome) -> dict[str, Any]:
    """One outcome for scripts."""
    result, error = outcome.result, outcome.error()
    return {
        "key": outcome.key,
        "name": result.name,
        "state": WORDS[type(outcome)][0],
        "document_ids": list(result.document_ids),
        "benchmark_id": result.benchmark_id,
        "alignment_id": result.alignment_id,
        "model_id": result.model_id,
        "endpoint": result.endpoint,
        "evaluation_id": result.evaluation_id,
        "base_accuracy": result.base_accuracy,
        "aligned_accuracy": result.aligned_accuracy,
        "difference": None if result.difference is None else round(result.difference, 6),
        "uncertainty": result.uncertainty,
        "waited": dict(result.waited),
        "still_deployed": result.still_deployed,
        "error": None if error is None else str(error),
    }


def as_csv(rows: Sequence[dict[str, Any]]) -> str:
    """Outcomes for spreadsheets."""
    made = io.StringIO(newline="")
    table = csv.writer(made, lineterminator="\n")
    names = list(rows[0]) if rows else []
    table.writerow(names)
    for row in rows:
        table.writerow([_cell(row[name]) for name in names])
    return made.getvalue()


def _cell(value: Any) -> Any:
    """One cell; text that a spreadsheet would run as a formula is made harmless."""
    match value:
        case list():
            return "; ".join(map(str, value))
        case dict():
            return round(sum(value.values()), 1)
        case str() if value.startswith(("=", "+", "-", "@")):
            return f"'{value}"
        case _:
            return value
