"""Where output goes: tables and JSON to standard output, all else to standard error."""

from __future__ import annotations

import enum
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Generic, Literal, TypeVar

import attrs
from attrs import define, field, frozen
from rich import box
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from ..errors import printable

T = TypeVar("T")

Form = Literal["people", "json", "jsonl"]

_MINUTE, _HOUR = 60.0, 3600.0
_PIPED_WIDTH = 160
_CELL = 200
_EMPTY = "-"
_GAP = 2
_FOLDED = 32
"""A column that may be folded needs no more room than this."""
_HIDDEN = frozenset({"raw"})


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    wide = stream.isatty() or "COLUMNS" in os.environ
    return Console(
        stderr=stderr,
        width=None if wide else _PIPED_WIDTH,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=False,
    )


def plain(value: Any) -> Any:
    """*value* as JSON can say it: records without their raw payload, times in ISO 8601."""
    match value:
        case None | bool() | int() | str():
            return value.value if isinstance(value, enum.Enum) else value
        case float():
            return value if math.isfinite(value) else None
        case datetime():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case enum.Enum():
            return plain(value.value)
        case Mapping():
            pairs: Mapping[Any, Any] = value
            return {str(key): plain(told) for key, told in pairs.items()}
        case list() | tuple() | set() | frozenset():
            items: Iterable[Any] = value
            return [plain(item) for item in items]
        case BaseException():
            return str(value)
        case _ if attrs.has(type(value)):
            return {
                a.name: plain(getattr(value, a.name))
                for a in attrs.fields(type(value))
                if not a.name.startswith("_") and a.name not in _HIDDEN
            }
        case _:
            return str(value)


@frozen
class Column(Generic[T]):
    """One column of a table: its title and what stands in it."""

    title: str
    value: Callable[[T], object]
    right: bool = False
    rank: int = 0
    """The columns of the highest rank go first where the terminal is narrow; those of rank 0 stay."""
    fold: bool = False
    """Break what is too long, so that it can be copied whole; else it is shortened."""


@define
class Screen:
    """One command's way to tell something."""

    form: Form = "people"
    quiet: bool = False
    out: Console = field(factory=lambda: _console(stderr=False))
    err: Console = field(factory=lambda: _console(stderr=True))

    @property
    def human(self) -> bool:
        """Whether standard output is read by people."""
        return self.form == "people"

    def say(self, text: RenderableType) -> None:
        """Tell how things go, on standard error; nothing with ``--quiet``."""
        if not self.quiet:
            self.warn(text)

    def warn(self, text: RenderableType) -> None:
        """Tell what went wrong, on standard error, always. Only a terminal has lines that end."""
        self.err.print(text, soft_wrap=not self.err.is_terminal)

    def command(self, line: str) -> None:
        """A command line to copy: never broken into several."""
        self.err.print(f"  {line}", soft_wrap=True)

    def write(self, text: str) -> None:
        """A piece of running text to standard output, as it comes."""
        self.out.file.write(text)
        self.out.file.flush()

    def show(self, value: object, view: RenderableType | None = None) -> None:
        """The result: *view* for people (the value's own fields without one), else JSON."""
        if not self.human:
            self._json(value)
        else:
            self.out.print(view if view is not None else sheet(value))

    def rows(
        self,
        values: Iterable[T],
        columns: Sequence[Column[T]],
        *,
        as_json: Callable[[T], object] = plain,
        nothing: str = "",
    ) -> None:
        """Many results: a table for people, a JSON array, or a JSON object a line.

        *nothing* is what people are told when there are none.
        """
        found = list(values)
        if self.form == "json":
            self._json([as_json(value) for value in found])
        elif self.form == "jsonl":
            for value in found:
                self._json(as_json(value))
        elif found:
            self.out.print(table(found, columns, self.out.width))
        elif nothing:
            self.say(nothing)

    def _json(self, value: object) -> None:
        indent = 2 if self.form == "json" else None
        self.out.file.write(json.dumps(plain(value), indent=indent) + "\n")
        self.out.file.flush()


def table(values: Sequence[T], columns: Sequence[Column[T]], width: int) -> Table:
    """*values* as a table, without the columns that *width* has no room for, and the empty ones."""
    cells = {column: [cell(column.value(value)) for value in values] for column in columns}
    shown = [c for c in columns if c.rank == 0 or any(text.plain != _EMPTY for text in cells[c])]
    while _width(shown, cells) > width and (last := max(column.rank for column in shown)):
        shown = [column for column in shown if column.rank != last]
    made = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), pad_edge=False)
    for column in shown:
        made.add_column(
            printable(column.title, _CELL),
            justify="right" if column.right else "left",
            overflow="fold" if column.fold else "ellipsis",
            no_wrap=not column.fold,
        )
    for row in zip(*(cells[column] for column in shown), strict=True):
        made.add_row(*row)
    return made


def _width(columns: Sequence[Column[T]], cells: Mapping[Column[T], Sequence[Text]]) -> int:
    widths = [max(cell_len(c.title), *(text.cell_len for text in cells[c])) for c in columns]
    limits = [min(w, _FOLDED) if c.fold else w for w, c in zip(widths, columns, strict=True)]
    return sum(limits) + _GAP * (len(columns) - 1)


def sheet(value: object) -> Table:
    """The fields of one record, one a line, without the empty ones."""
    made = Table.grid(padding=(0, 2))
    made.add_column(no_wrap=True, style="dim")
    made.add_column(overflow="fold")
    for name, told in plain(value).items():
        if told not in (None, "", [], {}):
            made.add_row(name.replace("_", " "), cell(_flat(told)))
    return made


def cell(value: object) -> Text:
    """One value for a table: an empty one as a dash, server text without control characters."""
    match value:
        case Text():
            return value
        case None | "" | () | []:
            return Text(_EMPTY, style="dim")
        case bool():
            return Text("yes" if value else "no")
        case float():
            return Text(f"{value:.3g}" if math.isfinite(value) else "-")
        case datetime():
            return Text(f"{value:%Y-%m-%d %H:%M}")
        case _:
            return Text(printable(value, _CELL))


def _flat(value: object) -> object:
    """Nested values as one line of text."""
    match value:
        case dict():
            pairs: Mapping[Any, Any] = value
            return ", ".join(f"{k} {_flat(v)}" for k, v in pairs.items() if v is not None)
        case list():
            items: Sequence[Any] = value
            return ", ".join(str(_flat(item)) for item in items)
        case _:
            return value


def duration(seconds: float) -> str:
    """A time span for people, never more exact than they need it."""
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds // _HOUR:.0f} h {seconds % _HOUR // _MINUTE:02.0f} min"


def clock(seconds: float) -> str:
    """A time span that runs: ``0:07``, ``1:12:05``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def percent(share: float | None) -> str:
    """A share of 1 as percent."""
    return "" if share is None or not math.isfinite(share) else f"{100 * share:.1f} %"


def points(difference: float | None) -> str:
    """A difference of two shares in percentage points, with its sign."""
    return "" if difference is None else f"{100 * difference:+.1f} pp"


def plural(count: int, one: str, many: str = "") -> str:
    """``1 job``, ``2 jobs``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
