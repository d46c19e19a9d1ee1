"""A loop in virtual time for code that brings its own runner."""

from __future__ import annotations

import asyncio

import looptime


class VirtualLoop(looptime.LoopTimeEventLoop, asyncio.SelectorEventLoop):
    """Waits for its threads when it closes.

    Since Python 3.12 a runner gives them five minutes, and in virtual time those pass at once.
    """

    async def shutdown_default_executor(
        self,
        timeout: float | None = None,  # noqa: ARG002 # not in virtual seconds
    ) -> None:
        """End the threads, however long that takes."""
        await super().shutdown_default_executor()
