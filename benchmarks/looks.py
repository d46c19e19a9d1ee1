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
"""Seconds between two looks at everybody: the poller's grid is whole seconds."""


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


def main(*, quick: bool) -> None:
    """Measure and report."""
    report = Report("looks", "CPU per look at a job, through the list")
    report.say(
        "Every watched job is looked at once a second, by one request for the list. Ratios to one GET by raw"
        " aiohttp with `json.loads` at 100 in flight: minimum · median · maximum."
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
    report.write(quick=quick)


_FAST = ("--loop=uvloop",)


def _measured(
    watched: int, listed: int, options: tuple[str, ...], *, quick: bool
) -> tuple[Spread, int]:
    seconds, rounds = (2.0, 2) if quick else (4.0, 7)
    gets = 500 if quick else 2000
    with (
        serving(rows=listed) as url,
        worker("benchmarks.looks:ours", *options, url=url, watched=watched) as mine,
        worker("benchmarks.per_request:raw_aiohttp", url=url, connections=100) as raw,
    ):
        raw.run(count=200, in_flight=100)
        found: list[float] = []
        looks = 0
        for _ in range(rounds):
            base = raw.run(count=gets, in_flight=100)["cpu"] / gets
            cpu, requests = _watch(url, mine, seconds)
            found.append(cpu / (requests * watched) / base)
            looks += requests * watched
    return Spread.of(found), looks


def _watch(url: str, mine: Worker, seconds: float) -> tuple[float, int]:
    before = _requests(url)
    cpu = mine.run(seconds=seconds)["cpu"]
    return cpu, _requests(url) - before


def _requests(url: str) -> int:
    with urllib.request.urlopen(f"{url}/book") as answer:  # noqa: S310 # our own server
        book: dict[str, Any] = json.load(answer)
    return int(book["requests"])


if __name__ == "__main__":
    command(main)
