"""Client CPU per status look, beside raw aiohttp, the peers, and a bare protocol as the limit."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from ._measure import Report, command, installed, interleaved, ratios
from ._server import serving
from ._worker import Run, Worker, workers

_PATH = "/api/v3/alignment-project/status/al-1"
_HEADERS = {"Authorization": "Bearer key", "Accept": "application/json"}
Look = Callable[[], Awaitable[Any]]


def _looking(look: Look) -> Run:
    """`count` looks, `in_flight` callers at a time."""

    async def run(count: int, in_flight: int) -> None:
        async def caller(looks: int) -> None:
            for _ in range(looks):
                await look()

        await asyncio.gather(*(caller(count // in_flight) for _ in range(in_flight)))

    return run


@asynccontextmanager
async def ours(url: str, connections: int) -> AsyncGenerator[Run]:
    """This library: a call, a gate, a deadline, and a record."""
    from nugen_async import Nugen  # noqa: PLC0415 # each side imports only itself

    async with Nugen("key", base_url=url, connections=connections) as nugen:

        async def look() -> None:
            job = await nugen.alignments.get_status("al-1")
            assert job.progress == 40

        yield _looking(look)


@asynccontextmanager
async def raw_aiohttp(url: str, connections: int) -> AsyncGenerator[Run]:
    """The base: aiohttp and `json.loads`, as one would write it by hand."""
    import aiohttp  # noqa: PLC0415 # as above

    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(connector=connector, headers=_HEADERS) as session:

        async def look() -> None:
            async with session.get(url + _PATH) as answer:
                answer.raise_for_status()
                assert json.loads(await answer.read())["progress"] == 40

        yield _looking(look)


@asynccontextmanager
async def aiohttp_orjson(url: str, connections: int) -> AsyncGenerator[Run]:
    """The same with orjson."""
    import aiohttp  # noqa: PLC0415 # as above
    import orjson  # noqa: PLC0415 # as above

    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(connector=connector, headers=_HEADERS) as session:

        async def look() -> None:
            async with session.get(url + _PATH) as answer:
                answer.raise_for_status()
                assert orjson.loads(await answer.read())["progress"] == 40

        yield _looking(look)


@asynccontextmanager
async def httpx(url: str, connections: int) -> AsyncGenerator[Run]:
    """Plain httpx and `json.loads`."""
    import httpx  # noqa: PLC0415 # as above

    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    async with httpx.AsyncClient(headers=_HEADERS, limits=limits, timeout=60) as client:

        async def look() -> None:
            answer = await client.get(url + _PATH)
            answer.raise_for_status()
            assert json.loads(answer.content)["progress"] == 40

        yield _looking(look)


@asynccontextmanager
async def openai(url: str, connections: int) -> AsyncGenerator[Run]:  # noqa: ARG001 # its own default is larger
    """Openai's client, reading a fine-tuning job."""
    import openai  # noqa: PLC0415 # as above

    async with openai.AsyncOpenAI(api_key="key", base_url=url) as client:

        async def look() -> None:
            assert (await client.fine_tuning.jobs.retrieve("ft-1")).status == "running"

        yield _looking(look)


@asynccontextmanager
async def seekrai(url: str, connections: int) -> AsyncGenerator[Run]:
    """Seekrai's client, reading a fine-tuning job; its own pool has no limit that can be set."""
    import httpx  # noqa: PLC0415 # as above
    from seekrai import AsyncSeekrFlow  # noqa: PLC0415 # as above

    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    async with httpx.AsyncClient(limits=limits, timeout=60) as http:
        client = AsyncSeekrFlow(api_key="key", base_url=url, async_http_client=http)

        async def look() -> None:
            assert (await client.fine_tuning.retrieve("ft-1")).status == "running"

        yield _looking(look)


@asynccontextmanager
async def azure_core(url: str, connections: int) -> AsyncGenerator[Run]:
    """The pipeline of azure-core with the policies that its generated clients have, on aiohttp."""
    import aiohttp  # noqa: PLC0415 # as above
    from azure.core import AsyncPipelineClient  # noqa: PLC0415 # as above
    from azure.core.pipeline import policies  # noqa: PLC0415 # as above
    from azure.core.pipeline.transport import AioHttpTransport  # noqa: PLC0415 # as above
    from azure.core.rest import HttpRequest  # noqa: PLC0415 # as above

    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=connections))
    stages = [
        policies.RequestIdPolicy(),
        policies.HeadersPolicy(_HEADERS),
        policies.UserAgentPolicy("benchmark"),
        policies.ContentDecodePolicy(),
        policies.AsyncRedirectPolicy(),
        policies.AsyncRetryPolicy(),
        policies.NetworkTraceLoggingPolicy(),
        policies.DistributedTracingPolicy(),
    ]
    transport = AioHttpTransport(session=session, session_owner=True)
    async with AsyncPipelineClient(url, policies=stages, transport=transport) as client:

        async def look() -> None:
            answer = await client.send_request(HttpRequest("GET", url + _PATH))
            answer.raise_for_status()
            assert answer.json()["progress"] == 40

        yield _looking(look)


class _Bare(asyncio.Protocol):
    """Writes ready-made bytes, and wakes its caller at the first bytes of the answer."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        assert self.answer is not None
        self.answer.set_result(data)


@asynccontextmanager
async def bare_protocol(url: str, connections: int) -> AsyncGenerator[Run]:
    """The limit: no HTTP at all, ready-made bytes out, and the JSON of what comes back."""
    loop = asyncio.get_running_loop()
    host, _, port = url.removeprefix("http://").partition(":")
    request = f"GET {_PATH} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()
    idle = [(await loop.create_connection(_Bare, host, int(port)))[1] for _ in range(connections)]

    async def look() -> None:
        connection = idle.pop()
        connection.answer = loop.create_future()
        connection.transport.write(request)
        data = await connection.answer
        idle.append(connection)
        assert json.loads(data[data.index(b"\r\n\r\n") + 4 :])["progress"] == 40

    yield _looking(look)
    for connection in idle:
        connection.transport.close()


BASE = "raw aiohttp + json.loads"
OURS = "nugen-async, four dependencies"
FAST = "nugen-async, orjson + uvloop"
_HERE = "benchmarks.per_request:"
_UVLOOP = "--loop=uvloop"
SIDES: dict[str, tuple[str, ...]] = {
    BASE: (f"{_HERE}raw_aiohttp",),
    OURS: (f"{_HERE}ours", "--without=orjson"),
    FAST: (f"{_HERE}ours", _UVLOOP),
    "aiohttp + orjson": (f"{_HERE}aiohttp_orjson",),
    "aiohttp + orjson + uvloop": (f"{_HERE}aiohttp_orjson", _UVLOOP),
    "azure-core": (f"{_HERE}azure_core",),
    "httpx": (f"{_HERE}httpx",),
    "openai": (f"{_HERE}openai",),
    "seekrai": (f"{_HERE}seekrai",),
    "bare asyncio protocol": (f"{_HERE}bare_protocol",),
}
_NEEDS = {
    FAST: ("orjson", "uvloop"),
    "aiohttp + orjson": ("orjson",),
    "aiohttp + orjson + uvloop": ("orjson", "uvloop"),
    "azure-core": ("azure",),
    "httpx": ("httpx",),
    "openai": ("openai",),
    "seekrai": ("seekrai",),
}
_WHY = (
    "Where a goal is missed: with aiohttp's own request taken out, a look of ours takes 11 us: 3.6 for "
    "the gate, the pace, the deadline and the session, 1.6 for retries, logging and erasing the key, "
    "0.8 for the JSON, 2.2 for a record of 30 fields with all tolerance on, 2.5 for what ties it to its"
    " client. It was 19 us before calls were made once for each job and two coroutines were merged. "
    "What is won back: no cookies, no merging of headers, one timer for all time-outs. In a crowd "
    "garbage collection is the difference: with it switched off, 10,000 looks at once cost 1.0 to 1.1 "
    "of the base. Rounds on this machine differ by a tenth; the line with orjson alone shows by how "
    "much."
)
_CROWD = 100
"""So many in flight are measured seven times; more of them five times, since a run of httpx takes 12 s."""
_DEAR = {"httpx": 10, "openai": 10, "seekrai": 10, "azure-core": 2}
"""So many times fewer looks, for those whose looks take so much longer."""


def main(*, quick: bool) -> None:
    """Measure and report."""
    report = Report("per_request", "CPU per status look")
    sides = {
        name: command
        for name, command in SIDES.items()
        if all(installed(module) for module in _NEEDS.get(name, ()))
    }
    if quick:
        sides = {name: sides[name] for name in (BASE, OURS, FAST) if name in sides}
    report.say(
        "Ratios to raw aiohttp in the same round, minimum · median · maximum; the server is a process of its"
        " own. So many callers are in flight, each on a connection of its own."
    )
    loads = (1, 100) if quick else (1, 100, 1000)
    found = {load: _at(load, sides, quick=quick) for load in loads}
    report.table(
        ["client", *(f"{load:,} in flight" for load in loads)],
        [[name, *(found[load].get(name, "not run") for load in loads)] for name in sides],
    )
    for load in loads:
        report.goal(f"{OURS}, {load:,} in flight", found[load][OURS], 1.10)
        if FAST in sides:
            report.goal(f"{FAST}, {load:,} in flight", found[load][FAST], 0.90)
    report.say(_WHY)
    report.write(quick=quick)


def _at(load: int, sides: dict[str, tuple[str, ...]], *, quick: bool) -> dict[str, Any]:
    looks = 200 if quick else 3000
    rounds = 2 if quick else 7 if load <= _CROWD else 5
    with serving() as url, workers(sides, url=url, connections=load) as running:

        def cost(name: str, worker: Worker) -> Callable[[], float]:
            count = max(load, looks // (1 if load == 1 else _DEAR.get(name, 1)))
            worker.run(count=load, in_flight=load)
            return lambda: worker.run(count=count, in_flight=load)["cpu"] / count

        costs = interleaved({name: cost(name, worker) for name, worker in running.items()}, rounds)
    return ratios(costs, BASE)


if __name__ == "__main__":
    command(main)
