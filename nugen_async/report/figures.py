"""Numbers, bars and timelines, as text and inline SVG. Everything that came from elsewhere is escaped."""

from __future__ import annotations

import html
from collections.abc import Sequence
from datetime import UTC, datetime

from ..errors import printable
from .rows import STAGES, Change, Row, Span

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_STEPS = (1, 5, 15, 30, 60, 300, 900, 1800, 3600, 7200, 14400, 28800, 43200, 86400, 604800)
_TICKS = 7
_LATE = 90
"""The share of the axis, in percent, after which a text must end at its tick to be seen whole."""
_AT_ONCE = 25
"""Lines of a figure that are shown without being asked for."""
_LEAST = 0.25
"""The share of the width, in percent, under which a stage could not be seen."""


def text(value: object, longest: int = 300) -> str:
    """*value* for HTML, without characters that control anything."""
    return html.escape(printable(value, longest).replace("\x00", ""))


def duration(seconds: float | None) -> str:
    """How long, in at most two units."""
    if seconds is None:
        return "\u2013"
    whole = round(seconds)
    for unit, name, smaller, small in (
        (_DAY, "d", _HOUR, "h"),
        (_HOUR, "h", _MINUTE, "min"),
        (_MINUTE, "min", 1, "s"),
    ):
        if whole >= unit:
            rest = whole % unit // smaller
            return f"{whole // unit} {name} {rest} {small}" if rest else f"{whole // unit} {name}"
    return f"{whole} s"


def is_share(changes: Sequence[Change]) -> bool:
    """Whether all numbers lie from 0 to 1, and are best shown as percent."""
    values = [v for c in changes for v in (c.before, c.after) if v is not None]
    return all(0 <= value <= 1 for value in values)


def number(value: float | None, *, share: bool, signed: bool = False) -> str:
    """A metric for people; a difference of shares is in percentage points."""
    if value is None:
        return "\u2013"
    shown = f"{value * 100:.1f}" if share else f"{value:.3g}"
    if signed and value > 0 and float(shown) != 0:
        shown = f"+{shown}"
    if float(shown) == 0:
        shown = shown.lstrip("-")
    return shown.replace("-", "\u2212") + (" %" if share and not signed else "")


def bars(rows: Sequence[Row], metric: str) -> str:
    """A pair of bars for each row that has *metric*, the greatest change first."""
    shown = [(row, row.metrics[metric]) for row in rows if metric in row.metrics]
    shown.sort(key=lambda pair: -(pair[1].difference or 0.0))
    changes = [change for _, change in shown]
    share = is_share(changes)
    most = (
        1.0 if share else max((v for c in changes for v in (c.before, c.after) if v), default=1.0)
    )
    return _folded([_pair(row, change, most, share=share) for row, change in shown])


def _folded(lines: Sequence[str]) -> str:
    """The first lines, and the others behind a summary; paper shows them all."""
    if len(lines) <= _AT_ONCE * 1.2:
        return "".join(lines)
    rest = lines[_AT_ONCE:]
    return (
        f"{''.join(lines[:_AT_ONCE])}<details><summary>{len(rest)} more</summary>"
        f"{''.join(rest)}</details>"
    )


def _pair(row: Row, change: Change, most: float, *, share: bool) -> str:
    told = " \u2192 ".join(number(v, share=share) for v in (change.before, change.after))
    drawn = "".join(
        f'<rect class="{kind}" y="{y}" height="7" rx="2" width="{max(0.0, value) / most * 100:.2f}%"/>'
        for kind, y, value in (("before", 1, change.before), ("after", 9, change.after))
        if value is not None
    )
    difference = number(change.difference, share=share, signed=True)
    label = text(row.title)
    return (
        f'<div class="line"><span class="label" title="{label}">{label}</span>'
        f'<svg role="img" aria-label="{told}" height="17">'
        f'<rect class="track" y="1" height="15" width="100%" rx="2"/>{drawn}</svg>'
        f'<span class="number">{told} <b>{difference}</b></span></div>'
    )


def timeline(rows: Sequence[Row]) -> str:
    """A line for each row on a common clock, with a block for each stage."""
    shown = sorted(
        (row for row in rows if row.spans), key=lambda row: min(s.began for s in row.spans)
    )
    if not shown:
        return ""
    start = min(span.began for row in shown for span in row.spans)
    end = max(span.ended or span.began for row in shown for span in row.spans)
    length = max(end - start, 1.0)
    marks = [(tick, (tick / length) * 100) for tick in ticks(length)]
    grid = "".join(f'<line x1="{at:.2f}%" x2="{at:.2f}%" y2="100%"/>' for _, at in marks)
    axis = "".join(_tick(tick, at, number) for number, (tick, at) in enumerate(marks))
    lines = _folded([_line(row, start, length, grid) for row in shown])
    return (
        f'<div class="line axis"><span class="label"></span><svg height="16">{axis}</svg>'
        f'<span class="number"></span></div>{lines}'
    )


def _tick(tick: int, at: float, number: int) -> str:
    """One time on the axis, *at* so many percent of it; a narrow screen shows every other one."""
    anchor = "start" if not tick else "end" if at > _LATE else "middle"
    kind = ' class="other"' if number % 2 else ""
    told = duration(tick) if tick else "0"
    return f'<text{kind} x="{at:.2f}%" y="12" text-anchor="{anchor}">{told}</text>'


def _line(row: Row, start: float, length: float, grid: str) -> str:
    blocks = "".join(_block(span, start, length) for span in row.spans)
    label = text(row.title)
    return (
        f'<div class="line"><span class="label" title="{label}">{label}</span>'
        f'<svg height="14" role="img" aria-label="{label}: {duration(row.seconds)}">'
        f'<g class="grid">{grid}</g>{blocks}</svg>'
        f'<span class="number">{duration(row.seconds)}</span></div>'
    )


def _block(span: Span, start: float, length: float) -> str:
    ended = span.ended if span.ended is not None else start + length
    left = (span.began - start) / length * 100
    width = min(max((ended - span.began) / length * 100, _LEAST), 100 - min(left, 100 - _LEAST))
    kind = f"s{STAGES.index(span.stage)}" if span.stage in STAGES else "s9"
    kind += " failed" if span.failed else " running" if span.ended is None else ""
    when = datetime.fromtimestamp(span.began, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    told = "failed after" if span.failed else "for"
    lasted = "goes on" if span.ended is None else f"{told} {duration(ended - span.began)}"
    return (
        f'<rect class="{kind}" x="{min(left, 100 - _LEAST):.2f}%" width="{width:.2f}%" y="1" height="12">'
        f"<title>{text(span.stage)}: {when}, {lasted}</title></rect>"
    )


def ticks(length: float) -> list[int]:
    """Round times, in seconds, for an axis of *length* seconds."""
    step = next((s for s in _STEPS if length / s <= _TICKS), _STEPS[-1] * int(length / _STEPS[-1]))
    return list(range(0, int(length * 0.97) + 1, max(1, step)))
