"""A loopback server in a process of its own: one bare asyncio protocol, so that it is never the bottleneck.

``python -m benchmarks._server --rows 100 --delay 0.1`` prints its port, serves until its standard input is
closed, and answers everything: statuses, a list, creates, and the paths that the peers ask for.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from attrs import define, field, frozen

_MANY = "alignment-project"


def alignment(job_id: str) -> dict[str, Any]:
    """What the documented status and list routes say of one project, about 350 bytes."""
    return {
        "id": job_id,
        "name": f"Support answers, tone of voice, {job_id}",
        "base_model": "nugen-flash-instruct",
        "status": "PROCESSING",
        "progress": 40,
        "created_date": "2026-01-05T09:30:00Z",
        "documents": ["doc-7f3a9c21", "doc-1b44e870", "doc-90aa17cd"],
        "document_count": 3,
        "creator": "jo@example.org",
        "estimated_completion": None,
        "error": None,
        "model_id": None,
    }


def tune(job_id: str) -> dict[str, Any]:
    """A fine-tuning job, as openai and seekrai read it."""
    return {
        "id": job_id,
        "object": "fine_tuning.job",
        "status": "running",
        "fine_tune_type": "STANDARD",
        "training_files": ["file-1"],
        "model": "m",
        "accel_type": "A100",
        "n_accel": 1,
        "n_epochs": 1,
        "batch_size": 1,
        "learning_rate": 0.1,
        "created_at": "2026-01-05T09:30:00Z",
    }


@define(eq=False)
class Book:
    """What the server saw."""

    connections: int = 0
    requests: int = 0
    posts: int = 0
    longest_idle_of_a_post: float = 0.0
    """Seconds that a connection had been idle when a POST came on it."""


@frozen
class Answers:
    """The ready-made bytes of every answer."""

    rows: int
    known: dict[bytes, bytes] = field(factory=dict[bytes, bytes])

    def to(self, method: bytes, path: bytes) -> bytes:
        """The whole answer; made once for each path."""
        known = self.known.get(path)
        if known is None or method == b"POST":
            known = self.known[path] = _answer(self._payload(method, path.decode()))
        return known

    def _payload(self, method: bytes, path: str) -> Any:
        last = path.partition("?")[0].rpartition("/")[2]
        if method == b"POST":
            return {"alignment_id": "al-new", "status": "QUEUED"}
        if "/fine" in path:
            return tune(last)
        if last.startswith(_MANY):
            return {"alignment_projects": [alignment(f"al-{i}") for i in range(self.rows)]}
        return alignment(last)


def _answer(payload: Any) -> bytes:
    body = json.dumps(payload).encode()
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Mon, 05 Jan 2026 10:20:00 GMT\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Connection(asyncio.Protocol):
    """Reads as much of HTTP as the benchmarks send."""

    def __init__(self, book: Book, answers: Answers, delay: float) -> None:
        self._book = book
        self._answers = answers
        self._delay = delay
        self._data = b""
        self._loop = asyncio.get_running_loop()
        self._idle_since: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._book.connections += 1

    def data_received(self, data: bytes) -> None:
        """Answer every whole request."""
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:end]
            method, path, _ = head.split(b" ", 2)
            end += 4
            if method == b"POST":
                lower = head.lower()
                at = lower.find(b"content-length:")
                end += int(lower[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
                if len(self._data) < end:
                    return
            self._data = self._data[end:]
            self._serve(method, path)

    def _serve(self, method: bytes, path: bytes) -> None:
        book, now = self._book, self._loop.time()
        if path == b"/book":
            said = {name: getattr(book, name) for name in Book.__annotations__}
            self._transport.write(_answer(said))
            return
        book.requests += 1
        if method == b"POST":
            book.posts += 1
            if self._idle_since is not None:
                book.longest_idle_of_a_post = max(
                    book.longest_idle_of_a_post, now - self._idle_since
                )
        answer = self._answers.to(method, path)
        if self._delay:
            self._loop.call_later(self._delay, self._send, answer)
        else:
            self._send(answer)

    def _send(self, answer: bytes) -> None:
        self._idle_since = self._loop.time()
        self._transport.write(answer)


async def _serve(rows: int, delay: float) -> None:
    book, answers = Book(), Answers(rows)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        partial(Connection, book, answers, delay), "127.0.0.1", 0, backlog=4096
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    closed = asyncio.Event()
    loop.add_reader(sys.stdin, closed.set)
    await closed.wait()


@contextmanager
def serving(*, rows: int = 100, delay: float = 0.0) -> Iterator[str]:
    """The URL of a server in a process of its own, for as long as the block lasts."""
    command = [sys.executable, "-m", "benchmarks._server", f"--rows={rows}", f"--delay={delay}"]
    with subprocess.Popen(  # noqa: S603 # our own module
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        assert process.stdin is not None
        process.stdin.close()


def main() -> None:
    """Serve until standard input is closed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--delay", type=float, default=0.0)
    told = parser.parse_args()
    asyncio.run(_serve(told.rows, told.delay))


if __name__ == "__main__":
    main()
