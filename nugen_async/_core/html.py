"""Records as small HTML tables, for notebooks: escaped, readable in light and dark. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from attrs import fields, has

from ..errors import printable

_LONGEST = 300
_MOST = 6
"""Entries of a sequence that are shown."""
_LINES, _COLUMNS = 20, 8
"""Records of a page that are shown, and what of each."""
_HIDDEN = frozenset({"raw", "notes"})
_CELL = "text-align:left;vertical-align:top;padding:.15em .8em .15em 0"


def text(value: object) -> str:
    """*value* for HTML, without characters that control anything."""
    match value:
        case bool():
            shown = "yes" if value else "no"
        case float():
            shown = f"{value:.6g}"
        case datetime():
            at = value.astimezone(UTC) if value.tzinfo else value
            shown = f"{at:%Y-%m-%d %H:%M:%S}{' UTC' if value.tzinfo else ''}"
        case tuple() | list():
            shown = ", ".join(printable(each, _LONGEST) for each in value[:_MOST])
            shown += f" and {len(value) - _MOST} more" if len(value) > _MOST else ""
        case Mapping():
            shown = ", ".join(f"{name}: {told}" for name, told in value.items())
        case _:
            shown = str(value)
    from html import escape  # noqa: PLC0415 # its table of entities is large, and few programs are notebooks

    return escape(printable(shown, _LONGEST))


def facts(record: Any, prefix: str = "") -> Iterable[tuple[str, object]]:
    """The fields of an attrs record that say something; those of records inside under both names."""
    for each in fields(type(record)):
        value = getattr(record, each.name)
        if each.name.startswith("_") or each.name in _HIDDEN or value in (None, "", (), {}):
            continue
        name = f"{prefix}{each.name.replace('_', ' ')}"
        if has(type(value)):
            yield from facts(value, f"{name}: ")
        else:
            yield name, value


def table(title: str, rows: Iterable[tuple[str, object]], note: str = "") -> str:
    """A heading, a line for each fact, and a note below."""
    lines = "".join(
        f'<tr><th style="{_CELL};opacity:.7;font-weight:normal">{text(name)}</th>'
        f'<td style="{_CELL}">{text(value)}</td></tr>'
        for name, value in rows
    )
    below = f'<div style="margin-top:.3em">{text(note)}</div>' if note else ""
    return f"<div><b>{text(title)}</b><table>{lines}</table>{below}</div>"


def grid(title: str, records: Sequence[Any], note: str = "") -> str:
    """A heading, a line for each of the first records in the columns that they fill, and a note below."""
    shown = [dict(facts(each)) if has(type(each)) else {"": each} for each in records[:_LINES]]
    names = list(dict.fromkeys(name for row in shown for name in row))[:_COLUMNS]
    lines = "".join(_line("td", [row.get(name, "") for name in names]) for row in shown)
    more = f"and {len(records) - _LINES} more" if len(records) > _LINES else ""
    below = "".join(f"<div>{text(said)}</div>" for said in (more, note) if said)
    return f"<div><b>{text(title)}</b><table>{_line('th', names)}{lines}</table>{below}</div>"


def _line(cell: str, values: Iterable[object]) -> str:
    cells = "".join(f'<{cell} style="{_CELL}">{text(value)}</{cell}>' for value in values)
    return f"<tr>{cells}</tr>"


def bar(share: float | None) -> str:
    """A bar that shows *share*, 0 to 1; an empty one where it is not known."""
    width = 0.0 if share is None else min(1.0, max(0.0, share)) * 100
    return (
        '<div style="width:12em;height:.6em;border-radius:.3em;background:rgba(128,128,128,.25)">'
        f'<div style="width:{width:.0f}%;height:100%;border-radius:.3em;background:#3b7ddd"></div></div>'
    )
