"""The whole document: totals, metrics, timeline, failures and a table that sorts. Nothing is loaded."""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from statistics import fmean, median
from typing import get_args

from ..errors import printable
from .figures import bars, duration, is_share, number, text, timeline
from .rows import STAGES, Row, State, metric_names
from .style import SCRIPT, STYLE

_HASH = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
_STATES = get_args(State)
_WORDS = ("Name", "State", "Base model", "Model")
"""The headings of columns that hold words; numbers stand on the right."""
_NAMED = 12
"""So many names are told under one reason; the table has the others."""


def html(rows: Iterable[Row], *, title: str = "Alignments", made: datetime | None = None) -> str:
    """One self-contained HTML document about *rows*; *made* is when, by default now.

    It loads nothing and sends nothing: its content security policy forbids both. All texts are escaped.
    """
    rows = list(rows)
    names = metric_names(rows)
    moment = (made or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    parts = [
        _totals(rows, names),
        _failures(rows),
        _left(rows),
        *(_metric(rows, name) for name in names),
        _timeline(rows),
        _table(rows, names) if rows else "",
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\';'
        f" style-src 'unsafe-inline'; script-src 'sha256-{_HASH}'; img-src data:\">\n"
        f'<title>{text(title)}</title>\n<link rel="icon" href="data:,">\n<style>{STYLE}</style>\n'
        f"<header><h1>{text(title)}</h1><p>{moment}</p></header>\n<main>\n"
        + "\n".join(part for part in parts if part)
        + f"\n</main>\n<script>{SCRIPT}</script>\n</html>\n"
    )


def _section(title: str, body: str, note: str = "") -> str:
    told = f'<p class="note">{note}</p>' if note else ""
    return f"<section><h2>{title}</h2>{told}{body}</section>"


def _totals(rows: Sequence[Row], names: Sequence[str]) -> str:
    states = Counter(row.state for row in rows)
    cards = [("workflows", str(len(rows)), "")]
    cards += [(state, str(states[state]), state) for state in _STATES if states[state]]
    lengths = [row.seconds for row in rows if row.seconds is not None]
    if lengths:
        cards.append(("median duration", duration(median(lengths)), ""))
    spans = [span for row in rows for span in row.spans]
    if spans and (ends := [span.ended for span in spans if span.ended is not None]):
        cards.append(("in all", duration(max(ends) - min(span.began for span in spans)), ""))
    for name in names:
        changes = [row.metrics[name] for row in rows if name in row.metrics]
        differences = [c.difference for c in changes if c.difference is not None]
        if differences:
            mean = number(fmean(differences), share=is_share(changes), signed=True)
            points = " points" if is_share(changes) else ""
            cards.append((f"mean change of {text(_words(name))}", f"{mean}{points}", ""))
    return (
        '<dl class="totals">'
        + "".join(
            f'<div class="{kind}"><dt>{name}</dt><dd>{value}</dd></div>'
            for name, value, kind in cards
        )
        + "</dl>"
    )


def _metric(rows: Sequence[Row], name: str) -> str:
    changes = [row.metrics[name] for row in rows if name in row.metrics]
    differences = [c.difference for c in changes if c.difference is not None]
    note = f"{_key('before', 'before')} {_key('after', 'after')}"
    if differences:
        higher, lower = sum(d > 0 for d in differences), sum(d < 0 for d in differences)
        note += f" \u00b7 higher in {higher}, lower in {lower}"
        if same := len(differences) - higher - lower:
            note += f", the same in {same}"
        if is_share(changes):
            note += " \u00b7 changes in percentage points"
    return _section(
        text(_words(name)).capitalize(), f'<div class="bars">{bars(rows, name)}</div>', note
    )


def _timeline(rows: Sequence[Row]) -> str:
    drawn = timeline(rows)
    if not drawn:
        return ""
    used = {span.stage for row in rows for span in row.spans}
    keys = [_key(f"s{i}", stage) for i, stage in enumerate(STAGES) if stage in used]
    if any(span.failed for row in rows for span in row.spans):
        keys.append(_key("failed", "failed"))
    return _section("Timeline", f'<div class="times">{drawn}</div>', " ".join(keys))


def _key(kind: str, word: str) -> str:
    """A colour and what it stands for, never broken apart."""
    return f'<span class="legend"><span class="key {kind}"></span> {word}</span>'


def _failures(rows: Sequence[Row]) -> str:
    by_reason: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row.state in ("failed", "unknown"):
            by_reason[row.state, row.reason or "No reason was given."].append(row)
    if not by_reason:
        return ""
    items = "".join(
        f'<li class="{state}"><b>{len(found)} \u00d7 {state}</b> {text(reason)}'
        f"<small>{', '.join(text(row.title, 80) for row in found[:_NAMED])}"
        f"{f' and {len(found) - _NAMED} more' if len(found) > _NAMED else ''}</small></li>"
        for (state, reason), found in sorted(by_reason.items(), key=lambda item: -len(item[1]))
    )
    return _section("What went wrong", f'<ul class="failures">{items}</ul>')


def _left(rows: Sequence[Row]) -> str:
    models = [row.model_id for row in rows if row.left_serving]
    if not models:
        return ""
    command = shlex.join(("nugen-async", "undeploy", *map(printable, models)))
    note = "These models may still be in service, and cost money. To end that:"
    return _section(
        "Still deployed", f'<p class="wide"><code>{text(command, len(command))}</code></p>', note
    )


def _table(rows: Sequence[Row], names: Sequence[str]) -> str:
    heads = list(_WORDS[:-1])
    for name in names:
        label = text(_words(name)).capitalize()
        heads += [f"{label} before", "after", "change"]
    heads += ["Duration", _WORDS[-1]]
    shares = {
        name: is_share([row.metrics[name] for row in rows if name in row.metrics]) for name in names
    }
    head = "".join(
        f'<th scope="col"{"" if label in _WORDS else " class=n"}><button>{label}</button></th>'
        for label in heads
    )
    body = "".join(
        f"<tbody><tr>{_cells(row, shares)}</tr>{_why(row, len(heads))}</tbody>" for row in rows
    )
    return _section(
        "All workflows",
        f'<div class="wide"><table><thead><tr>{head}</tr></thead>{body}</table></div>',
        '<span class="screen">Click a heading to sort.</span>',
    )


def _cells(row: Row, shares: dict[str, bool]) -> str:
    cells = [
        f'<th scope="row">{text(row.title)}</th>',
        f'<td class="{row.state}">{row.state}</td>',
        f"<td>{text(row.base_model)}</td>",
    ]
    for name, share in shares.items():
        change = row.metrics.get(name)
        values = (change.before, change.after, change.difference) if change else (None,) * 3
        for place, value in enumerate(values):
            shown = number(value, share=share, signed=place == 2)  # noqa: PLR2004 # the last of three
            cells.append(
                f'<td class="n" data-v="{"" if value is None else f"{value:.6g}"}">{shown}</td>'
            )
    seconds = "" if row.seconds is None else f"{row.seconds:.0f}"
    cells.append(f'<td class="n" data-v="{seconds}">{duration(row.seconds)}</td>')
    cells.append(f"<td><code>{text(row.model_id)}</code></td>")
    return "".join(cells)


def _why(row: Row, width: int) -> str:
    """What went wrong, in a line of its own below that of the workflow; it moves with it."""
    if not row.reason:
        return ""
    return f'<tr class="why"><td colspan="{width}"><p>{text(row.reason)}</p></td></tr>'


def _words(name: str) -> str:
    return name.replace("_", " ")
