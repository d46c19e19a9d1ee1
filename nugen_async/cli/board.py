"""Several jobs as they move: bars on a terminal, lines without one. All of it on standard error."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from typing import Literal

from attrs import define, field, frozen
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from ..errors import printable
from .screen import Screen, clock, duration, plural

End = Literal["ok", "bad", "parked", "open"]

_FRAME = 0.1
_FEW = 16
"""More rows than this are summed up where there is no terminal."""
_SUMMARY = 2.0
_STEP = 0.25
_MARKS: dict[End, tuple[str, str, str]] = {
    "ok": ("✓", "+", "green"),
    "bad": ("✗", "x", "red"),
    "parked": ("‖", "=", "yellow"),
    "open": ("…", ".", "yellow"),
}
_ECHO = 2
"""Columns that stay free, so that the echo of Ctrl-C begins no new line, which would be left behind."""
_BAR = 8
"""A shorter bar says nothing."""


@define(eq=False)
class Row:
    """One job, as last heard of."""

    title: str
    began: float
    ref: str = ""
    """What the first line names besides the title, where that alone does not tell which job it is."""
    step: str = ""
    stage: str = ""
    status: str = ""
    progress: float | None = None
    left: float | None = None
    heard: float = 0.0
    ended: float | None = None
    end: End | None = None
    note: str = ""
    _told: tuple[str, str, int] = ("", "", -1)

    def elapsed(self, now: float) -> float:
        """Seconds since it was first shown, until its end."""
        return (self.ended if self.ended is not None else now) - self.began

    def remaining(self, now: float) -> str:
        """The estimate, counted down since it was heard."""
        if self.left is None or self.end is not None:
            return ""
        return f"{duration(max(0.0, self.left - (now - self.heard)))} left"

    @property
    def where(self) -> str:
        """The stage, with its number."""
        return f"{self.step} {self.stage}".strip()

    def news(self) -> bool:
        """Whether a line is due: another stage or status, or a quarter further on the way to the end."""
        quarter = int((self.progress or 0.0) / _STEP) if self.end is None else self._told[2]
        told = (self.stage, self.status, quarter)
        fresh, self._told = told != self._told, told
        return fresh


@define(eq=False)
class Board:
    """The rows, and how they are shown. Use `shown` around the work."""

    screen: Screen
    rows: dict[str, Row] = field(factory=dict[str, Row])
    _now: float = 0.0
    _began: float = 0.0
    _summed: float = 0.0
    _spinner: Spinner = field(factory=lambda: Spinner("dots", style="cyan"))

    @property
    def _lively(self) -> bool:
        """Whether there are bars: on a terminal, unless results are printed into it as they come."""
        err, out = self.screen.err, self.screen.out
        mixed = self.screen.form == "jsonl" and out.is_terminal
        return err.is_terminal and not (err.is_dumb_terminal or mixed or self.screen.quiet)

    @contextlib.asynccontextmanager
    async def shown(self) -> AsyncGenerator[Board]:
        """Show the rows while the block runs; they leave the terminal with it."""
        loop = asyncio.get_running_loop()
        self._began = self._now = loop.time()
        self._summed = self._began - _SUMMARY
        if not self._lively:
            yield self
            return
        with Live(self, console=self.screen.err, auto_refresh=False, transient=True) as live:
            painter = loop.create_task(self._paint(live))
            try:
                yield self
            finally:
                painter.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await painter

    async def _paint(self, live: Live) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._now = loop.time()
            live.refresh()
            await asyncio.sleep(_FRAME)

    # -- what happens -----------------------------------------------------------------------------

    def add(self, key: str, title: str, ref: str = "") -> None:
        """Begin a row; a second time with the same key changes nothing."""
        self.rows.setdefault(key, Row(title, asyncio.get_running_loop().time(), ref))

    def tell(
        self,
        key: str,
        status: str,
        *,
        step: str = "",
        stage: str = "",
        progress: float | None = None,
        left: float | None = None,
    ) -> None:
        """News of a job: *progress* as a share of 1, *left* in seconds; None is not known."""
        row, now = self.rows[key], asyncio.get_running_loop().time()
        row.step, row.stage = step or row.step, stage or row.stage
        row.status, row.heard = status, now
        row.progress, row.left = progress, left
        self._line(row, now)

    def finish(self, key: str, end: End, status: str, note: str = "") -> None:
        """A job's end, or the end of waiting for it."""
        row, now = self.rows[key], asyncio.get_running_loop().time()
        row.status, row.end, row.note, row.ended, row.heard = status, end, note, now, now
        if end == "ok":
            row.progress = 1.0
        self._line(row, now)

    def count(self, end: End | None) -> int:
        """How many rows ended so; None counts those that go on."""
        return sum(1 for row in self.rows.values() if row.end == end)

    # -- lines --------------------------------------------------------------------------------------

    def _line(self, row: Row, now: float) -> None:
        console = self.screen.err
        self._now = now
        if self._lively or self.screen.quiet:
            return
        if len(self.rows) > _FEW:
            if now - self._summed >= _SUMMARY or self.count(None) == 0:
                self._summed = now
                console.print(f"{now - self._began:6.1f} s  {self.summary()}")
        elif row.status and (row.news() or row.note):
            title, row.ref = f"{row.title} ({row.ref})" if row.ref else row.title, ""
            parts = [f"{now - self._began:6.1f} s", title, row.where, printable(row.status)]
            if row.progress is not None and row.end is None:
                parts.append(f"{row.progress:.0%}")
            parts.append(row.remaining(now))
            if row.note:
                parts.append(printable(row.note))
            console.print("  ".join(part for part in parts if part))

    def summary(self) -> str:
        """All rows in one line: how many where."""
        going = Counter(
            row.stage or printable(row.status) or "not seen yet"
            for row in self.rows.values()
            if row.end is None
        )
        parts = [f"{count} {what}" for what, count in going.items()]
        for end, word in (
            ("ok", "done"),
            ("bad", "failed"),
            ("parked", "parked"),
            ("open", "left"),
        ):
            if count := self.count(end):  # type: ignore[arg-type] # the pairs are literals
                parts.append(f"{count} {word}")
        return ", ".join(parts) or "nothing yet"

    # -- bars ---------------------------------------------------------------------------------------

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """As many rows as fit, those that go on first, and a line that sums up all."""
        rows = list(self.rows.values())
        room = max(1, console.height - 3)
        hidden = len(rows) - room
        if hidden > 0:
            rows = sorted(rows, key=lambda row: row.end is not None)[:room]
        usable = options.max_width - _ECHO
        layout = Layout.of(rows, self._now, usable)
        grid = Table.grid(padding=(0, 1), expand=False)
        for justify, width in layout.columns():
            grid.add_column(justify=justify, width=width, no_wrap=True, overflow="ellipsis")
        for row in rows:
            grid.add_row(*self._cells(row, layout, ascii_only=options.ascii_only))
        yield grid
        if len(self.rows) > 1:
            more = f"and {hidden} more; " if hidden > 0 else ""
            text = Text(f"{more}{plural(len(self.rows), 'job')}: {self.summary()}", style="dim")
            text.truncate(usable, overflow="ellipsis")
            yield text

    def _cells(self, row: Row, layout: Layout, *, ascii_only: bool) -> Iterator[RenderableType]:
        now = self._now
        if row.end is None:
            yield Text(".") if ascii_only else self._spinner.render(now)
        else:
            fancy, simple, style = _MARKS[row.end]
            yield Text(simple if ascii_only else fancy, style=style)
        yield Text(_ending(row.title, layout.title))
        if layout.stage:
            yield Text(row.where)
        if layout.status:
            yield Text(printable(row.status), style="dim" if row.stage else "")
        if layout.bar:
            blank = row.progress is None
            yield Text("") if blank else ProgressBar(total=1.0, completed=row.progress or 0.0)
        yield Text("" if row.progress is None else f"{row.progress:.0%}")
        if layout.left:
            yield Text(row.remaining(now), style="dim")
        yield Text(clock(row.elapsed(now)), style="dim")


@frozen
class Layout:
    """How wide each column of the board is; 0 for one that has no room."""

    title: int
    stage: int
    status: int
    bar: int
    left: int
    elapsed: int

    @classmethod
    def of(cls, rows: Sequence[Row], now: float, width: int) -> Layout:
        """What fits: the bar goes first, then the status of a stage, the estimate, the stage."""
        title = min(_widest(row.title for row in rows), max(12, width * 2 // 5))
        stage = _widest(row.where for row in rows)
        status = min(26, max(10, _widest(printable(row.status) for row in rows)))
        left = max(8, _widest(row.remaining(now) for row in rows))
        elapsed = max(4, _widest(clock(row.elapsed(now)) for row in rows))
        room = width - (1 + 1 + title + 1 + 4 + 1 + elapsed)
        if stage + 1 > room:
            stage = 0
        room -= stage + 1 if stage else 0
        if room < status + left + 2:
            if stage:
                status = 0
            if room < status + left + 2:
                left = 0
        room -= sum(part + 1 for part in (status, left) if part) + 1
        return cls(title, stage, status, min(30, room) if room >= _BAR else 0, left, elapsed)

    def columns(self) -> Iterator[tuple[Literal["left", "right"], int]]:
        """Each column's justification and width, from left to right."""
        yield "left", 1
        for width in (self.title, self.stage, self.status, self.bar):
            if width:
                yield "left", width
        yield "right", 4
        for width in (self.left, self.elapsed):
            if width:
                yield "right", width


def _ending(text: str, width: int) -> str:
    """The end of *text*, which tells ids apart better than their beginning."""
    return text if cell_len(text) <= width else "…" + text[1 - width :]


def _widest(texts: Iterable[str]) -> int:
    return max(map(cell_len, texts), default=0)
