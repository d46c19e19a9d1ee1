"""Client CPU per look at a job, when many are watched through the list."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from ._measure import Report, Spread, command
from ._server import serving
from ._worker import Run, Worker, worker

_ROUND = 1.0
_RHYTHM = 2.0
"""Seconds between two looks at everybody: a rest of one second ends on the second after the next."""


@asynccontextmanager
async def ours(url: str, watched: int) -> AsyncGenerator[Run]:
    """So many alignments in one `wait_many`, looked at each second."""
    from nugen_async import Nugen  # noqa: PLC0415 # each side imports only itself

    async with Nugen("key", base_url=url) as nugen:
        jobs = [nugen.alignments.handle(f"al-{i}") for i in range(watched)]

        async def wait() -> None:
            async for outcome in nugen.wait_many(jobs, schedule=_ROUND):
                raise AssertionError(outcome)

        waiting = asyncio.create_task(wait())
        await asyncio.sleep(_ROUND)

        async def run(seconds: float) -> None:
            await asyncio.sleep(seconds)

        yield run
        waiting.cancel()


@asynccontextmanager
async def one_by_one(url: str, watched: int) -> AsyncGenerator[Run]:
    """Raw aiohttp and `json.loads` in the same rhythm: a GET for each, 100 in flight, then a rest."""
    import aiohttp  # noqa: PLC0415 # as above

    connector = aiohttp.TCPConnector(limit=100)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def look(number: int) -> None:
            async with session.get(f"{url}/api/v3/alignment-project/status/al-{number}") as answer:
                answer.raise_for_status()
                assert json.loads(await answer.read())["progress"] == 40

        async def run(seconds: float) -> None:
            for _ in range(max(1, round(seconds / _RHYTHM))):
                await asyncio.sleep(_RHYTHM)
                await asyncio.gather(*(look(number) for number in range(watched)))

        yield run


def main(*, quick: bool) -> None:
    """Measure and report."""
    report = Report("looks", "CPU per look at a job, through the list")
    report.say(
        "Every watched job is looked at each other second, by one request for the list. Ratios to a GET for"
        " each by raw aiohttp with `json.loads` in the same rhythm: minimum · median · maximum."
    )
    cases = [(100, 100), (1000, 1000), (100, 1000)][: 1 if quick else 3]
    rows: list[tuple[object, ...]] = []
    for watched, listed in cases:
        for label, options in (("", ("--without=orjson",)), (" with orjson + uvloop", _FAST)):
            spread, looks = _measured(watched, listed, options, quick=quick)
            rows.append((f"{watched:,} watched of {listed:,}{label}", looks, spread))
            if watched == listed:
                report.goal(f"a look, {watched:,} jobs{label}", spread, 0.15)
    report.table(["jobs on the list", "looks measured", "CPU of a look, raw GET = 1"], rows)
    report.say(
        "Rows that nobody watches are not structured: the last two lines pay for their JSON only."
    )
    report.say(
        "Where the goal is missed: one request for the list, sent after a second's rest, costs 1.0 to 1.5 ms"
        " of CPU whatever it brings (1 ms of it the first `send` of a loop that slept); a hundred jobs share"
        " that, a thousand do not feel it. A row costs 10 us with orjson, 13 without: its JSON, its text"
        " compared with that of the last look, and the decision when to look next. Row by row, with no"
        " structure kept for a running job, it took 13 with orjson too; short lists are now read in one"
        " piece."
    )
    report.write(quick=quick)


_FAST = ("--loop=uvloop",)


def _measured(
    watched: int, listed: int, options: tuple[str, ...], *, quick: bool
) -> tuple[Spread, int]:
    seconds, rounds = (2.0, 2) if quick else (4.0, 5)
    with (
        serving(rows=listed) as url,
        worker("benchmarks.looks:ours", *options, url=url, watched=watched) as mine,
        worker("benchmarks.looks:one_by_one", url=url, watched=watched) as raw,
    ):
        found: list[float] = []
        looks = 0
        for _ in range(rounds):
            cpu, requests = _watch(url, raw, seconds)
            base = cpu / requests
            cpu, requests = _watch(url, mine, seconds)
            found.append(cpu / (requests * watched) / base)
            looks += requests * watched
    return Spread.of(found), looks


def _watch(url: str, side: Worker, seconds: float) -> tuple[float, int]:
    before = _requests(url)
    cpu = side.run(seconds=seconds)["cpu"]
    return cpu, _requests(url) - before


def _requests(url: str) -> int:
    with urllib.request.urlopen(f"{url}/book") as answer:  # noqa: S310 # our own server
        book: dict[str, Any] = json.load(answer)
    return int(book["requests"])


if __name__ == "__main__":
    command(main)
