"""What every test may use."""

from __future__ import annotations

import asyncio
import gc
import signal

pytest_plugins = ["nugen_async.testing", "tests.security.canary"]

# looptime asks for the current loop before each test, also before a synchronous one; Python 3.11 would make
# one there that nobody closes, unless it was told that there is none.
asyncio.set_event_loop(None)

# Whoever starts the tests in the background may have told them, and so the commands that they
# start, to ignore Ctrl-C; the tests of Ctrl-C need it to be heard.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """What is there before the first test stays: no collection of garbage need look at it again."""
    import hypothesis  # noqa: F401, PLC0415 # it looks for what refers to a generator, and sees nothing frozen

    gc.collect()
    gc.freeze()
