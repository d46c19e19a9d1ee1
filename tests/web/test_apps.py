"""Every example app starts jobs, streams them to the end, and frees what a leaving viewer held."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import socket
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from types import ModuleType
from typing import Any, Protocol

import aiohttp
import pytest
from aiohttp import web

from nugen_async.simulator import Simulator

from . import asgi
from .conftest import world

ASGI = ["fastapi", "starlette", "litestar", "quart"]
ORDER = {"name": "one", "base_model": "nugen-flash-instruct", "document_ids": ["d"]}
JSON = {"Content-Type": "application/json"}

# Frameworks' own affairs, which this repository's "warnings are errors" would stumble over.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Site(Protocol):
    async def get(self, path: str) -> tuple[int, bytes]: ...
    async def post(self, order: Any) -> tuple[int, dict[str, Any]]: ...
    def stream(self, last: str = "") -> AbstractAsyncContextManager[AsyncGenerator[bytes]]: ...


class OverAsgi:
    def __init__(self, app: Any, state: dict[str, Any]) -> None:
        self.app, self.state = app, state

    async def get(self, path: str) -> tuple[int, bytes]:
        exchange = await asgi.ask(self.app, self.state, "GET", path)
        return exchange.status, await exchange.read()

    async def post(self, order: Any) -> tuple[int, dict[str, Any]]:
        body = json.dumps(order).encode()
        exchange = await asgi.ask(self.app, self.state, "POST", "/jobs", body=body, headers=JSON)
        return exchange.status, json.loads(await exchange.read())

    @contextlib.asynccontextmanager
    async def stream(self, last: str = "") -> AsyncGenerator[AsyncGenerator[bytes]]:
        headers = {"Last-Event-ID": last} if last else {}
        exchange = await asgi.ask(self.app, self.state, "GET", "/events", headers=headers)
        check_head(exchange.status, exchange.headers)
        async with contextlib.aclosing(exchange.pieces()) as pieces:
            yield pieces
        await exchange.hang_up()


class OverLoopback:
    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session

    async def get(self, path: str) -> tuple[int, bytes]:
        async with self.session.get(path) as answer:
            return answer.status, await answer.read()

    async def post(self, order: Any) -> tuple[int, dict[str, Any]]:
        async with self.session.post("/jobs", json=order) as answer:
            return answer.status, await answer.json()

    @contextlib.asynccontextmanager
    async def stream(self, last: str = "") -> AsyncGenerator[AsyncGenerator[bytes]]:
        headers = {"Last-Event-ID": last} if last else {}
        async with self.session.get("/events", headers=headers) as answer:
            check_head(answer.status, {k.lower(): v for k, v in answer.headers.items()})

            async def pieces() -> AsyncGenerator[bytes]:
                async for piece in answer.content.iter_any():
                    yield piece

            async with contextlib.aclosing(pieces()) as body:
                yield body
            answer.close()


def check_head(status: int, headers: dict[str, str]) -> None:
    assert status == 200
    assert headers["content-type"].startswith("text/event-stream")
    assert "no-cache" in headers["cache-control"]
    assert headers["x-accel-buffering"] == "no"


def messages(body: bytes) -> list[dict[str, Any]]:
    frames = body.decode().split("\n\n")
    return [json.loads(f.split("data: ")[1]) for f in frames if f.startswith("id: ")]


def fresh(name: str) -> ModuleType:
    """The example as a new process would import it."""
    pytest.importorskip(
        name, reason=f"THE EXAMPLE APP OF {name.upper()} IS NOT TESTED: not installed"
    )
    for module in [m for m in sys.modules if m.startswith("nugen_async.examples")]:
        del sys.modules[module]
    return importlib.import_module(f"nugen_async.examples.{name}_app")


@contextlib.asynccontextmanager
async def listening(name: str, app: Any) -> AsyncGenerator[str]:
    """The URL of an app that brings a server of its own."""
    if name == "sanic":
        with socket.create_server(("127.0.0.1", 0)) as sock:
            server = await app.create_server(sock=sock, return_asyncio_server=True)
            await server.startup()
            await server.before_start()
            await server.after_start()
            yield f"http://127.0.0.1:{sock.getsockname()[1]}"
            await server.before_stop()
            server.close()
            for connection in list(server.connections):
                connection.close_if_idle()
            await server.after_stop()
        return
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield "http://{}:{}".format(*runner.addresses[0])
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def served(name: str) -> AsyncGenerator[tuple[ModuleType, Site]]:
    module = fresh(name)
    if name in ASGI:
        async with asgi.running(module.app) as state:
            yield module, OverAsgi(module.app, state)
        return
    patient = aiohttp.ClientTimeout(total=None)
    async with (
        listening(name, module.app) as url,
        aiohttp.ClientSession(url, timeout=patient) as session,
    ):
        yield module, OverLoopback(session)


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch) -> Callable[[Simulator], None]:
    def at(sim: Simulator) -> None:
        monkeypatch.setenv("NUGEN_BASE_URL", sim.url)
        monkeypatch.setenv("NUGEN_API_KEY", "test-key")

    return at


@pytest.mark.parametrize("name", [*ASGI, "sanic", "aiohttp"])
async def test_an_app_from_its_start_to_its_end(
    name: str, env: Callable[[Simulator], None]
) -> None:
    # One test, for Sanic starts no second app in one process.
    async with Simulator(world=world(minutes=10)) as sim:
        env(sim)
        async with served(name) as (module, site):
            status, page = await site.get("/")
            assert (status, page.startswith(b"<!doctype html>")) == (200, True)
            async with site.stream() as pieces:
                nothing = b"".join([piece async for piece in pieces])
            assert nothing == b"retry: 3000\n\nevent: end\ndata: {}\n\n"

            status, told = await site.post({**ORDER, "name": " "})
            assert (status, told["error"]) == (422, "InvalidRequestError")
            assert "name" in told["message"]

            for wrong in ({"nam": "faq"}, {"seed": 1}, ["name"], {**ORDER, "document_ids": "d"}):
                status, _ = await site.post(wrong)
                assert status in {400, 422}, "a browser's mistake is no failure of the server"

            started = [await site.post({**ORDER, "name": f"job {i}"}) for i in range(3)]
            assert [status for status, _ in started] == [201] * 3
            async with site.stream() as pieces:
                async for piece in pieces:
                    if b"data: " in piece:
                        break
                assert module.live.watched == 3
            await asyncio.sleep(10)
            assert module.live.watched == 0
            before = sim.log.total
            await asyncio.sleep(120)
            assert sim.log.total == before

            async with site.stream() as pieces:
                body = b"".join([piece async for piece in pieces])
        told_all = messages(body)
        assert {m["id"]: m["phase"] for m in told_all} == {j["id"]: "ready" for _, j in started}
        assert len(told_all) > 6
        assert body.endswith(b"event: end\ndata: {}\n\n")
        assert sim.log.by_operation["create_alignment"] == 3


@pytest.mark.parametrize("name", ["fastapi", "aiohttp"])
async def test_a_hundred_viewers_cost_one_poll(name: str, env: Callable[[Simulator], None]) -> None:
    async def looks(viewers: int) -> int:
        async with Simulator(world=world(minutes=10)) as sim:
            env(sim)
            async with served(name) as (_, site):
                await site.post(ORDER)

                async def view() -> bytes:
                    async with site.stream() as pieces:
                        return b"".join([piece async for piece in pieces])

                bodies = await asyncio.gather(*(view() for _ in range(viewers)))
            assert all(messages(body)[-1]["phase"] == "ready" for body in bodies)
            return sim.log.total

    assert await looks(100) <= await looks(1) + 1


@pytest.mark.parametrize("name", ["fastapi", "aiohttp"])
async def test_a_restarted_server_knows_the_jobs(
    name: str, env: Callable[[Simulator], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("JOBS_DB", str(tmp_path / "jobs.db"))
    async with Simulator(world=world(minutes=10)) as sim:
        env(sim)
        async with served(name) as (_, site):
            _, job = await site.post(ORDER)
        async with served(name) as (_, site), site.stream() as pieces:
            body = b"".join([piece async for piece in pieces])
    assert messages(body)[-1]["id"] == job["id"]
    assert messages(body)[-1]["phase"] == "ready"
