"""Notebooks: the progress of waits as a table that moves, in Jupyter; as lines anywhere else.

::

    alignment = await alignment.wait_until_ready(on_update=progress())

    async for outcome in nugen.wait_many(jobs, on_update=progress()):
        ...

Snapshots and outcomes show themselves as tables at the end of a cell, without this module.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TextIO

from .._core.html import bar, text
from .._core.schedule import Phase
from ..errors import printable
from ..report.figures import duration
from ..resources._records import Job

_MARKS = {
    Phase.READY: "#1d8a4e",
    Phase.FAILED: "#d04437",
    Phase.CANCELLED: "#d04437",
    Phase.PARKED: "#b07d1a",
}
_CELL = "text-align:left;padding:.2em 1em .2em 0"


class Progress:
    """What is known of the jobs that are waited for; to be passed as `on_update`. Made by `progress`."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out
        self._jobs: dict[tuple[type[Job], str], Job] = {}
        self._handle: Any = None
        self._display = _display()

    def __call__(self, job: Job) -> None:
        """Show *job* as it is now, beside those shown before."""
        self._jobs[type(job), job.id] = job
        if self._display is None:
            (self._out or sys.stderr).write(f"{_line(job)}\n")
        elif self._handle is None:
            self._handle = self._display(self, display_id=True)
        else:
            self._handle.update(self)

    def __repr__(self) -> str:
        return "\n".join(map(_line, self._jobs.values()))

    def _repr_html_(self) -> str:
        rows = "".join(map(_row, self._jobs.values()))
        return f"<table>{rows}</table>"


def progress(out: TextIO | None = None) -> Progress:
    """A callback for `on_update` that shows what it is told.

    In Jupyter it is one table, brought up to date in its place. Elsewhere it writes a line for each change
    to *out*, by default standard error. IPython is not imported, only used where it runs already.
    """
    return Progress(out)


def _display() -> Callable[..., Any] | None:
    """IPython's ``display``, where a front end shows HTML; None elsewhere."""
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module is not None else None
    if shell is None or getattr(shell, "kernel", None) is None:
        return None
    display: Callable[..., Any] = sys.modules["IPython.display"].display
    return display


def _left(job: Job) -> str:
    hints = job.hints()
    share = 1.0 if job.phase is Phase.READY else hints.progress
    told = [] if share is None else [f"{share:.0%}"]
    if hints.left is not None and job.phase.moving:
        told.append(f"about {duration(hints.left)} left")
    return ", ".join(told)


def _name(job: Job) -> str:
    return getattr(job, "name", "") or job.id


def _line(job: Job) -> str:
    said = f"{_name(job)}: {job.status.lower() or 'not looked at yet'}"
    more = job.reason if job.phase.ended and job.reason else _left(job)
    return " ".join(printable(f"{said}, {more}" if more else said).split())


def _row(job: Job) -> str:
    colour = _MARKS.get(job.phase)
    mark = f"color:{colour};font-weight:bold" if colour else ""
    share = 1.0 if job.phase is Phase.READY else job.hints().progress
    note = job.reason if job.phase.ended and job.reason else _left(job)
    return (
        f'<tr><td style="{_CELL}"><b>{text(_name(job))}</b></td>'
        f'<td style="{_CELL};{mark}">{text(job.status.lower())}</td>'
        f'<td style="{_CELL}">{bar(share)}</td><td style="{_CELL}">{text(note)}</td></tr>'
    )
