"""Every fault met by every kind of call: what the caller got, and what the wire saw.

The tests assert on these rows, and ``python -m benchmarks.chaos`` prints them.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from nugen_async import Nugen, NugenError, Timeout, Upload

from .faults import FAULTS, Fault
from .server import FaultServer

ATTEMPT = 2.0
TOTAL = 12.0
"""Seconds for a whole call, and for a wait."""
CAP = 8 * 1024 * 1024
"""The largest body that the clients here take; the default is larger."""
SLACK = 8 * 1024 * 1024
"""What the buffers on the way take beyond it, for one request."""

ROW = {"id": "al-1", "alignment_id": "al-1", "name": "n", "status": "RUNNING", "progress": 10.0}
ANSWERS = {
    "GET /api/v3/alignment-project": {"alignment_projects": [ROW]},
    "GET /api/v3/alignment-project/": ROW,
    "POST /api/v3/alignment-project/create": ROW,
    "POST /api/v3/documents": {"document_ids": ["doc-1"]},
    "POST /api/v3/inference/completions": (
        b'data: {"id": "c", "choices": [{"text": "he"}]}\n\n'
        b'data: {"id": "c", "choices": [{"text": "y"}]}\n\ndata: [DONE]\n\n'
    ),
}

Use = Callable[[Nugen], Awaitable[Any]]


async def _get(nugen: Nugen) -> Any:
    return await nugen.alignments.get("al-1")


async def _create(nugen: Nugen) -> Any:
    return await nugen.alignments.create(name="n", base_model="b", document_ids=["d"])


async def _upload(nugen: Nugen) -> Any:
    return await nugen.documents.upload(Upload("notes.txt", b"some notes\n" * 1000))


async def _list(nugen: Nugen) -> Any:
    return await nugen.alignments.list()


async def _wait(nugen: Nugen) -> Any:
    return await nugen.alignments.handle("al-1").wait_until_ready(TOTAL)


async def _stream(nugen: Nugen) -> Any:
    async with nugen.inference.stream_complete(model="m", prompt="p") as stream:
        return [chunk.text async for chunk in stream]


USES: dict[str, Use] = {
    "get": _get,
    "create": _create,
    "upload": _upload,
    "list": _list,
    "wait": _wait,
    "stream": _stream,
}
PAID = frozenset({"create", "upload"})


@frozen
class Row:
    """One cell of the table."""

    fault: str
    use: str
    error: BaseException | None
    requests: int
    posts: int
    elapsed: float
    sent: int
    """Bytes that the server could send before the client hung up."""
    strangers: int
    """Requests that reached a host which the client was not told to trust."""
    open: int
    """Connections left open after the client was closed."""
    tasks: int
    """Tasks of the client's left after it was closed."""

    @property
    def outcome(self) -> str:
        return "answered" if self.error is None else type(self.error).__name__


def client(url: str) -> Nugen:
    nugen = Nugen(
        "test-key",
        base_url=url,
        timeout=Timeout(attempt=ATTEMPT, connect=1.0, total=TOTAL),
        max_retries=2,
    )
    transport = nugen._api.transport
    transport.settings = evolve(transport.settings, largest_body=CAP)
    return nugen


async def meet(fault: Fault, use: str) -> Row:
    """One call of this kind, met by this fault."""
    loop = asyncio.get_running_loop()
    act = USES[use]
    async with FaultServer(fault.play, ANSWERS) as server:
        async with client(server.url) as nugen:
            if fault.warm:
                await act(nugen) if use != "wait" else await _get(nugen)
            before, sent, started = len(server.log), server.sent, loop.time()
            error: BaseException | None = None
            try:
                await act(nugen)
            except NugenError as caught:
                error = caught
            elapsed = loop.time() - started
            sent = server.sent - sent
        await _settle()
        mine = server.tasks | {asyncio.current_task()}
        left = [t for t in asyncio.all_tasks() if t not in mine]
        requests = server.log[before:]
        return Row(
            fault.name,
            use,
            error,
            requests=len(requests),
            posts=sum(seen.method == "POST" for seen in requests),
            elapsed=elapsed,
            sent=sent,
            strangers=sum("localhost" in seen.headers.get("host", "") for seen in requests),
            open=_held(server),
            tasks=len(left),
        )


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def _held(server: FaultServer) -> int:
    """Connections whose client's side is still open, seen from the kernel's table of sockets."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    far = f"0100007F:{server.port:04X}"
    return sum(row[2] == far and row[3] == "01" for row in rows)


async def refused(use: str) -> Row:
    """The one fault without a server: nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        loop = asyncio.get_running_loop()
        error: BaseException | None = None
        async with client(url) as nugen:
            started = loop.time()
            try:
                await USES[use](nugen)
            except NugenError as caught:
                error = caught
            elapsed = loop.time() - started
    return Row("connection refused", use, error, 0, 0, elapsed, 0, 0, 0, 0)


NAMES = ["connection refused", *(each.name for each in FAULTS)]


async def row(fault: str, use: str) -> Row:
    """The cell of the table under these names."""
    if fault == "connection refused":
        return await refused(use)
    return await meet(next(each for each in FAULTS if each.name == fault), use)
