"""What every test may use."""

from __future__ import annotations

import asyncio

pytest_plugins = ["nugen_async.testing", "tests.security.canary"]

# looptime asks for the current loop before each test, also before a synchronous one; Python 3.11 would make
# one there that nobody closes, unless it was told that there is none.
asyncio.set_event_loop(None)
