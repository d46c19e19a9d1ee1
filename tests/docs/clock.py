"""A loop whose clock runs fast: what a sample waits for a minute, a test waits for two seconds.

Unlike virtual time it needs no say over the other side, so that a sample may run its own loop and talk
over a port to a server in another thread.
"""

from __future__ import annotations

import asyncio
import selectors

FASTER = 30.0


class QuickSelector(selectors.DefaultSelector):
    """A selector for a fast clock: its time-outs are in that clock's seconds."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """As the selector's, sooner."""
        return super().select(timeout / FASTER if timeout is not None else None)


class QuickLoop(asyncio.SelectorEventLoop):
    """An event loop whose seconds are short."""

    def __init__(self) -> None:
        super().__init__(QuickSelector())

    def time(self) -> float:
        """Seconds of the fast clock."""
        return super().time() * FASTER
