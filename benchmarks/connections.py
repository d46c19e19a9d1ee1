"""Connections: kept for looks, fresh for creates, bounded for everybody, and what the gate costs."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

from ._measure import Report, Spread, command, installed, interleaved, ratios
from ._server import serving
from ._worker import Run, workers

_HERE = "benchmarks.connections:"
_CREATE = "/api/v3/alignment-project/create"
_FIELDS = {"name": "n", "base_model": "nugen-flash-instruct", "document_ids": ["d"]}


@asynccontextmanager
async def ours(url: str) -> AsyncGenerator[Run]:
    """This library as it comes: a gate of 100."""
    from nugen_async import Nugen  # noqa: PLC0415 # each side imports only itself

    async with Nugen("key", base_url=url) as nugen:

        async def create() -> None:
            assert (await nugen.alignments.create(**_FIELDS)).id == "al-new"  # type: ignore[arg-type] # literal fields

        async def run(count: int, *, creates: bool = False) -> None:
            if creates:
                for _ in range(count // 50):
                    await asyncio.gather(*(create() for _ in range(50)))
            else:
                await asyncio.gather(*(nugen.alignments.get_status("al-1") for _ in range(count)))

        yield run


@asynccontextmanager
async def raw(url: str) -> AsyncGenerator[Run]:
    """Raw aiohttp behind a semaphore of 100."""
    import aiohttp  # noqa: PLC0415 # as above

    turn = asyncio.Semaphore(100)
    headers = {"Authorization": "Bearer key"}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def look() -> None:
            path = "/api/v3/alignment-project/status/al-1"
            async with turn, session.get(url + path) as answer:
                answer.raise_for_status()
                assert json.loads(await answer.read())["progress"] == 40

        async def create() -> None:
            async with turn, session.post(url + _CREATE, json=_FIELDS) as answer:
                answer.raise_for_status()
                assert json.loads(await answer.read())["alignment_id"] == "al-new"

        async def run(count: int, *, creates: bool = False) -> None:
            if creates:
                for _ in range(count // 50):
                    await asyncio.gather(*(create() for _ in range(50)))
            else:
                await asyncio.gather(*(look() for _ in range(count)))

        yield run


def main(*, quick: bool) -> None:
    """Measure and report."""
    report = Report("connections", "Connections")
    _reuse(report, quick=quick)
    _idle(report, quick=quick)
    _time_outs(report, quick=quick)
    _crowd(report, quick=quick)
    report.write(quick=quick)


def _reuse(report: Report, *, quick: bool) -> None:
    """Looks far apart, in virtual time."""
    if not installed("looptime"):
        report.say("Looks far apart were not measured: looptime is not installed.")
        return
    from tests.clock import VirtualLoop  # noqa: PLC0415 # only here

    for pause in (30.0, 60.0):
        looks, connections = 20 if quick else 400, 0
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            connections = runner.run(_apart(pause, looks))
        said = f"new connections a look, {looks} looks {pause:.0f} s apart"
        report.goal(said, connections / looks, 0.06 if quick else 0.01)


async def _apart(pause: float, looks: int) -> int:
    from nugen_async import Nugen  # noqa: PLC0415 # only here
    from nugen_async.simulator import Simulator, World  # noqa: PLC0415 # only here

    async with (
        Simulator(world=World(seed=1, trusting=True)) as sim,
        Nugen("key", base_url=sim.url) as nugen,
    ):
        job = await nugen.alignments.create(**_FIELDS)  # type: ignore[arg-type] # literal fields
        await nugen.alignments.get_status(job.id)
        before = sim.log.connections
        for _ in range(looks):
            await asyncio.sleep(pause)
            await nugen.alignments.get_status(job.id)
        return sim.log.connections - before + 1


def _idle(report: Report, *, quick: bool) -> None:
    """Creates after pauses of many lengths."""
    pauses = (0.2,) if quick else (0.5, 1.0, 1.5, 1.9, 2.1, 2.5, 4.0)
    with serving() as url:
        longest = asyncio.run(_creates(url, pauses))
    said = "the longest that a connection had been idle when a create came on it, "
    report.goal(said + f"pauses up to {max(pauses)} s", longest, 2.0, " s")


async def _creates(url: str, pauses: tuple[float, ...]) -> float:
    from nugen_async import Nugen  # noqa: PLC0415 # only here

    async with Nugen("key", base_url=url) as nugen:
        for pause in (*pauses, 0.0):
            await nugen.alignments.create(**_FIELDS)  # type: ignore[arg-type] # literal fields
            await asyncio.sleep(pause)
    return float(_book(url)["longest_idle_of_a_post"])


def _time_outs(report: Report, *, quick: bool) -> None:
    """Many slow calls through a pool of 100, with a second for each."""
    calls = 300 if quick else 3000
    with serving(delay=0.1) as url:
        failed = asyncio.run(_slow_calls(url, calls))
        naive = asyncio.run(_slow_raw_calls(url, calls))
    report.say(
        f"{calls:,} calls of 0.1 s at once through 100 connections, 1 s for each: {naive:,} false time-outs"
        " with aiohttp's own pool and `ClientTimeout(total=1)`."
    )
    report.goal("false time-outs of ours", failed, 0)


async def _slow_calls(url: str, calls: int) -> int:
    from nugen_async import APITimeoutError, Nugen, Timeout  # noqa: PLC0415 # only here

    async with Nugen("key", base_url=url, timeout=Timeout(attempt=1.0), max_retries=0) as nugen:
        work = (nugen.alignments.get_status("al-1") for _ in range(calls))
        ends = await asyncio.gather(*work, return_exceptions=True)
    return sum(isinstance(end, APITimeoutError) for end in ends)


async def _slow_raw_calls(url: str, calls: int) -> int:
    import aiohttp  # noqa: PLC0415 # only here

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1.0)) as session:

        async def look() -> None:
            async with session.get(f"{url}/api/v3/alignment-project/status/al-1") as answer:
                await answer.read()

        ends = await asyncio.gather(*(look() for _ in range(calls)), return_exceptions=True)
    return sum(isinstance(end, TimeoutError) for end in ends)


def _crowd(report: Report, *, quick: bool) -> None:
    """The CPU of many calls at once, and of creates."""
    base, four = "raw aiohttp behind a semaphore", "nugen-async, four dependencies"
    sides = {base: (f"{_HERE}raw",), four: (f"{_HERE}ours", "--without=orjson")}
    if installed("orjson") and installed("uvloop"):
        sides["nugen-async, orjson + uvloop"] = (f"{_HERE}ours", "--loop=uvloop")
    cases: list[tuple[str, dict[str, Any]]] = [
        ("looks at once", {"count": 500 if quick else 10_000}),
        ("creates, 50 at once", {"count": 200 if quick else 3000, "creates": True}),
    ]
    rows: dict[str, list[Spread]] = {name: [] for name in sides}
    with serving() as url, workers(sides, url=url) as running:
        for _, keywords in cases:

            def cost(name: str, keywords: dict[str, Any] = keywords) -> Callable[[], float]:
                running[name].run(**(keywords | {"count": 200}))
                return lambda: running[name].run(**keywords)["cpu"]

            costs = interleaved({name: cost(name) for name in sides}, 1 if quick else 7)
            for name, spread in ratios(costs, base).items():
                rows[name].append(spread)
    report.table(
        ["CPU", *(f"{keywords['count']:,} {what}" for what, keywords in cases)],
        [[name, *spreads] for name, spreads in rows.items()],
    )
    for (what, keywords), spread in zip(cases, rows[four], strict=True):
        report.goal(f"{four}, {keywords['count']:,} {what}", spread, 1.20)
    report.say(
        "Rounds differ by a tenth on this machine. A create checks its arguments, is wrapped for what may be"
        " unknown of it, and goes out on connections of its own; until its answer (`alignment_id` for `id`)"
        " was read as quickly as any other, it cost 1.29."
    )


def _book(url: str) -> dict[str, float]:
    with urllib.request.urlopen(f"{url}/book") as answer:  # noqa: S310 # our own server
        book: dict[str, float] = json.load(answer)
    return book


if __name__ == "__main__":
    command(main)
