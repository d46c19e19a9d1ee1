"""As much of an ASGI server as a test needs: the lifespan, and requests that may be hung up on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

from attrs import define, field

App = Any


@contextlib.asynccontextmanager
async def running(app: App) -> AsyncGenerator[dict[str, Any]]:
    """The app between its start and its end; yields the state that requests carry."""
    asked: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    state: dict[str, Any] = {}
    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": state}
    task = asyncio.create_task(app(scope, asked.get, told.put))
    await asked.put({"type": "lifespan.startup"})
    started = await told.get()
    assert started["type"] == "lifespan.startup.complete", started
    yield state
    await asked.put({"type": "lifespan.shutdown"})
    ended = await told.get()
    assert ended["type"] == "lifespan.shutdown.complete", ended
    await task


@define(eq=False)
class Exchange:
    """One request in progress."""

    task: asyncio.Task[None] = field(init=False)
    _told: asyncio.Queue[dict[str, Any] | None] = field(factory=asyncio.Queue)
    _gone: asyncio.Event = field(factory=asyncio.Event)
    status: int = 0
    headers: dict[str, str] = field(factory=dict[str, str])

    async def begin(
        self,
        app: App,
        state: dict[str, Any],
        *,
        method: str,
        path: str,
        body: bytes,
        headers: dict[str, str],
    ) -> None:
        """Send it, and wait for the head of the answer."""
        sent = False

        async def receive() -> dict[str, Any]:
            nonlocal sent
            if not sent:
                sent = True
                return {"type": "http.request", "body": body, "more_body": False}
            await self._gone.wait()
            return {"type": "http.disconnect"}

        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [
                (b"host", b"test"),
                (b"content-length", str(len(body)).encode()),
                *((k.lower().encode(), v.encode()) for k, v in headers.items()),
            ],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
            "state": dict(state),
            "extensions": {},
        }
        self.task = asyncio.create_task(app(scope, receive, self._told.put))
        self.task.add_done_callback(lambda _: self._told.put_nowait(None))
        head = await self._told.get()
        assert head is not None, self.task.exception()
        self.status = head["status"]
        self.headers = {k.decode().lower(): v.decode() for k, v in head["headers"]}

    async def pieces(self) -> AsyncGenerator[bytes]:
        """The body as it comes."""
        while (told := await self._told.get()) is not None:
            if body := told.get("body"):
                yield body
            if not told.get("more_body"):
                await self.hang_up()
                return

    async def read(self) -> bytes:
        """The whole body."""
        return b"".join([piece async for piece in self.pieces()])

    async def hang_up(self) -> None:
        """Leave, in the middle or after the end."""
        self._gone.set()
        await asyncio.wait({self.task})


async def ask(
    app: App,
    state: dict[str, Any],
    method: str,
    path: str,
    *,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
) -> Exchange:
    """Send one request."""
    exchange = Exchange()
    await exchange.begin(app, state, method=method, path=path, body=body, headers=headers or {})
    return exchange
