"""A server that says what it is told and keeps what it was asked: for tests of single requests."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.policy import HTTP
from typing import Any

from aiohttp import web
from attrs import define, field


@define
class Asked:
    """One request, as it came over the socket."""

    line: str
    headers: dict[str, str]
    json: Any = None
    form: list[tuple[str, str | bytes]] = field(factory=list)


@define
class Canned:
    """What is said next, and what was asked so far."""

    url: str = ""
    answer: Any = None
    status: int = 200
    body: bytes | None = None
    content_type: str = "application/json"
    asked: list[Asked] = field(factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        asked = Asked(f"{request.method} {request.path_qs}", dict(request.headers))
        if request.content_type == "application/json" and request.can_read_body:
            asked.json = await request.json()
        elif request.content_type.startswith("multipart/"):
            asked.form = parsed(request.headers["Content-Type"], await request.content.read())
        self.asked.append(asked)
        if self.body is not None:
            return web.Response(body=self.body, status=self.status, content_type=self.content_type)
        if self.status == 204:
            return web.Response(status=204)
        return web.json_response(self.answer, status=self.status)


def parsed(content_type: str, body: bytes) -> list[tuple[str, str | bytes]]:
    """The parts of a form: ``(name, text)``, or ``(name:filename, bytes)`` for a file."""
    whole = message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body, policy=HTTP)
    found: list[tuple[str, str | bytes]] = []
    for part in whole.iter_parts():
        name = part.get_param("name", header="content-disposition")
        held: bytes = part.get_payload(decode=True)
        if filename := part.get_filename():
            found.append((f"{name}:{filename}", held))
        else:
            found.append((str(name), held.decode()))
    return found


@asynccontextmanager
async def canned(answer: Any = None, **told: Any) -> AsyncGenerator[Canned]:
    """A `Canned` server on loopback."""
    server = Canned(answer=answer, **told)
    runner = web.ServerRunner(web.Server(server.handle))
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0]
        server.url = f"http://{host}:{port}"
        yield server
    finally:
        await runner.cleanup()
