"""Bytes and CPU per waiting job: our waiters beside a task that sleeps, and `backoff`."""

from __future__ import annotations

import asyncio
import gc
import json
import random
import time
import tracemalloc
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import attrs

from ._measure import Report, Spread, command, installed, interleaved, ratios
from ._server import alignment, serving
from ._worker import Run, Worker, worker

_HERE = "benchmarks.waiters:"
_PAUSE = 20.0
"""Seconds between two wake-ups of one waiter, a tenth more or less."""
_RHYTHM = 2.0
"""Seconds between two lists: a rest of one second ends on the second after the next."""


# -- bytes --------------------------------------------------------------------------------------------


async def _held(start: Callable[[], list[asyncio.Task[Any]]], count: int) -> dict[str, float]:
    """Python's own count of the bytes that *count* waiters hold, and the CPU of starting them."""
    gc.collect()
    cpu = time.process_time()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    tasks = start()
    for _ in range(3):
        await asyncio.sleep(0)
    gc.collect()
    held = tracemalloc.get_traced_memory()[0] - before - 8 * len(tasks)
    tracemalloc.stop()
    cpu = time.process_time() - cpu
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return {"bytes": held / count, "start": cpu / count}


def _tasks(count: int, work: Callable[[int], Coroutine[Any, Any, Any]]) -> list[asyncio.Task[Any]]:
    return [asyncio.create_task(work(number)) for number in range(count)]


@asynccontextmanager
async def task_and_sleep(url: str) -> AsyncGenerator[Run]:  # noqa: ARG001 # it asks nobody
    """A task for each job, that sleeps between its looks."""

    async def wait(number: int) -> None:
        while True:  # noqa: ASYNC110 # that is what it is
            await asyncio.sleep(30 + number % 30)

    async def run(count: int) -> dict[str, float]:
        return await _held(lambda: _tasks(count, wait), count)

    yield run


@asynccontextmanager
async def on_predicate(url: str) -> AsyncGenerator[Run]:  # noqa: ARG001 # it asks nobody
    """`backoff.on_predicate` around a look."""
    import backoff  # noqa: PLC0415 # each side imports only itself

    async def look(_: int) -> str:
        return "PROCESSING"

    wait = backoff.on_predicate(
        backoff.constant, lambda status: status == "PROCESSING", interval=30, logger=None
    )(look)

    async def run(count: int) -> dict[str, float]:
        return await _held(lambda: _tasks(count, wait), count)

    yield run


@asynccontextmanager
async def ours(url: str, *, together: bool) -> AsyncGenerator[Run]:
    """Our waiters, on snapshots that the caller has already; no look falls into the measurement."""
    from nugen_async import Nugen  # noqa: PLC0415 # as above

    async with Nugen("key", base_url=url) as nugen:

        async def many(jobs: list[Any]) -> None:
            async for outcome in nugen.wait_many(jobs):
                raise AssertionError(outcome)

        async def run(count: int) -> dict[str, float]:
            jobs = list(await nugen.alignments.list())
            assert len(jobs) == count

            def start() -> list[asyncio.Task[Any]]:
                if together:
                    return [asyncio.create_task(many(jobs))]
                return _tasks(count, lambda number: jobs[number].wait_until_ready())

            return await _held(start, count)

        yield run


@asynccontextmanager
async def real_looks(url: str, *, without_list: bool) -> AsyncGenerator[Run]:
    """So many bare ids, awaited one by one: the peak while each is looked at for the first time."""
    from nugen_async import Nugen  # noqa: PLC0415 # as above

    async with Nugen("key", base_url=url) as nugen:
        alignments = nugen.alignments
        if without_list:
            kind = attrs.evolve(alignments._kind(), page=lambda _offset, _limit: None)  # noqa: SLF001 # to see single looks
            nugen._pollers["nugen", "alignments"] = type(alignments.poller)(kind, nugen._api)  # noqa: SLF001 # as above

        async def run(count: int) -> dict[str, float]:
            seen = 0

            def saw(_: object) -> None:
                nonlocal seen
                seen += 1

            await alignments.get_status("al-0")
            gc.collect()
            tracemalloc.start()
            tasks = _tasks(
                count,
                lambda number: alignments.handle(f"al-{number}").wait_until_ready(on_update=saw),
            )
            while seen < count:  # noqa: ASYNC110 # an event would be one more thing to measure
                await asyncio.sleep(0.05)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            return {"bytes": peak / count}

        yield run


# -- CPU ----------------------------------------------------------------------------------------------


@asynccontextmanager
async def waking_tasks(count: int, pause: float = _PAUSE) -> AsyncGenerator[Run]:
    """So many tasks, each of which wakes now and then and sleeps again."""
    wakes = 0
    rng = random.Random(1)

    async def wait(_: int) -> None:
        nonlocal wakes
        await asyncio.sleep(pause * rng.random())
        wakes += 1
        while True:
            await asyncio.sleep(pause * (0.9 + 0.2 * rng.random()))
            wakes += 1

    tasks = _tasks(count, wait)
    await asyncio.sleep(1.5)

    async def run(seconds: float) -> dict[str, float]:
        before = wakes
        await asyncio.sleep(seconds)
        return {"wakes": wakes - before}

    yield run
    for task in tasks:
        task.cancel()


@asynccontextmanager
async def waking_agenda(count: int) -> AsyncGenerator[Run]:
    """So many jobs on the poller's agenda, each due now and then: who is due, and when again."""
    from nugen_async._core.rounds import Agenda, ListFacts  # noqa: PLC0415 # each side imports only itself
    from nugen_async._core.sleep import Sleep  # noqa: PLC0415 # as above

    loop = asyncio.get_running_loop()
    agenda: Agenda[str] = Agenda(listing=ListFacts())
    rng = random.Random(1)
    wakes = 0
    for number in range(count):
        agenda.put(f"al-{number}", loop.time(), Sleep(_PAUSE * rng.random()))

    def tick() -> None:
        nonlocal wakes, timer
        now = loop.time()
        for key in agenda.take(now).due:
            agenda.put(key, now, Sleep(_PAUSE * (0.9 + 0.2 * rng.random())))
            wakes += 1
        timer = loop.call_at(agenda.next_wake() or now + 1, tick)

    timer = loop.call_soon(tick)
    await asyncio.sleep(1.5)

    async def run(seconds: float) -> dict[str, float]:
        before = wakes
        await asyncio.sleep(seconds)
        return {"wakes": wakes - before}

    yield run
    timer.cancel()


class _Still:
    """An `Api` whose list is there at once and never changes: what remains is the poller's own work."""

    def __init__(self, api: Any, rows: list[Any]) -> None:
        from nugen_async._core.wire import Response  # noqa: PLC0415 # each side imports only itself

        self.transport = api.transport
        self.looks = 0
        body = json.dumps(rows).encode()
        self._answer = None, Response(200, {}, body, asyncio.get_running_loop().time())

    async def look(self, _: object) -> Any:
        self.looks += 1
        return self._answer


@asynccontextmanager
async def waking_poller(count: int) -> AsyncGenerator[Run]:
    """The whole poller, each job seen unchanged once a second in a list that costs nothing to fetch."""
    from nugen_async import Nugen  # noqa: PLC0415 # as above
    from nugen_async._core.poller import Poller  # noqa: PLC0415 # as above

    async with Nugen("key", base_url="http://127.0.0.1") as nugen:
        nugen._api.transport.open()  # noqa: SLF001 # the poller without its network
        alignments = nugen.alignments
        still = _Still(nugen._api, [alignment(f"al-{i}") for i in range(count)])  # noqa: SLF001 # as above
        poller: Poller[Any] = Poller(alignments._kind(), still)  # type: ignore[arg-type] # noqa: SLF001 # as above
        nugen._pollers["nugen", "alignments"] = poller  # noqa: SLF001 # as above
        jobs = [alignments.handle(f"al-{i}") for i in range(count)]

        async def many() -> None:
            async for outcome in nugen.wait_many(jobs, schedule=1.0):
                raise AssertionError(outcome)

        waiting = asyncio.create_task(many())
        await asyncio.sleep(1.5)

        async def run(seconds: float) -> dict[str, float]:
            before = still.looks
            await asyncio.sleep(
                max(seconds, 2 * _RHYTHM)
            )  # a shorter one may lie between two looks
            return {"wakes": (still.looks - before) * count}

        yield run
        waiting.cancel()


# -- six hours ----------------------------------------------------------------------------------------


@asynccontextmanager
async def six_hours(count: int) -> AsyncGenerator[Run]:
    """So many waits of six virtual hours on the simulator, in one process with it."""
    from nugen_async import Nugen  # noqa: PLC0415 # as above
    from nugen_async.simulator import Simulator, Span, Times, World  # noqa: PLC0415 # as above

    async def run(*, estimates: Any) -> dict[str, float]:
        times = Times(alignment=Span(6 * 3600.0, 0.0), queue=Span(0.0))
        world = World(seed=1, times=times, trusting=True, estimates=estimates, progress="absent")
        async with (
            Simulator(world=world) as sim,
            Nugen("key", base_url=sim.url, rng=random.Random(1)) as nugen,
        ):
            create = nugen.alignments.create
            jobs = [
                await create(name=f"n{n}", base_model="b", document_ids=["d"]) for n in range(count)
            ]
            before, wall = sim.log.total, time.perf_counter()
            async for outcome in nugen.wait_many(jobs):
                outcome.unwrap()
            wall = time.perf_counter() - wall
            requests = [entry.path for entry in list(sim.log)[count:]]
            return {
                "waits": wall,
                "requests": sim.log.total - before,
                "simulator": await _served(sim.url, requests),
            }

    yield run


async def _served(url: str, paths: list[str]) -> float:
    """Seconds that the same requests take when nobody reads what comes back."""
    import aiohttp  # noqa: PLC0415 # as above

    headers = {"Authorization": "Bearer key", "Accept-Encoding": "gzip, deflate"}
    async with aiohttp.ClientSession(headers=headers, auto_decompress=False) as session:
        wall = time.perf_counter()
        for path in paths:
            async with session.get(url + path) as answer:
                answer.raise_for_status()
                await answer.read()
        return time.perf_counter() - wall


# -- the report ---------------------------------------------------------------------------------------


def main(*, quick: bool) -> None:
    """Measure and report."""
    report = Report("waiters", "Bytes and CPU per waiting job")
    _bytes(report, quick=quick)
    _looks(report, quick=quick)
    _cpu(report, quick=quick)
    _hours(report, quick=quick)
    report.write(quick=quick)


def _bytes(report: Report, *, quick: bool) -> None:
    sizes = (500,) if quick else (1000, 10_000, 100_000)
    kinds: dict[str, tuple[str, dict[str, Any]]] = {
        "a task that sleeps": ("task_and_sleep", {}),
        "`backoff.on_predicate`": ("on_predicate", {}),
        "ours, awaited one by one": ("ours", {"together": False}),
        "ours, in `wait_many`": ("ours", {"together": True}),
    }
    found: dict[str, dict[int, Spread]] = {}
    for size in sizes:
        with serving(rows=size) as url:
            for name, (side, keywords) in kinds.items():
                with worker(_HERE + side, url=url, **keywords) as one:
                    runs = [one.run(count=size)["bytes"] for _ in range(1 if quick else 5)]
                found.setdefault(name, {})[size] = Spread.of(runs)
    report.say(
        "Bytes that Python holds for one waiter, with no network: minimum · median · maximum of five runs."
        " The snapshot that the caller has anyway is not counted."
    )
    report.table(
        ["waiters", *(f"{size:,}" for size in sizes)],
        [[name, *(by_size[size] for size in sizes)] for name, by_size in found.items()],
    )
    size = sizes[min(1, len(sizes) - 1)]
    report.goal(
        f"awaited one by one, {size:,}", found["ours, awaited one by one"][size], 1500, " B"
    )
    report.goal(f"in `wait_many`, {size:,}", found["ours, in `wait_many`"][size], 500, " B")


def _looks(report: Report, *, quick: bool) -> None:
    size = 500 if quick else 10_000
    report.say(
        f"With real looks at {size:,} jobs: the peak while each is looked at for the first time."
    )
    with serving(rows=size) as url:
        for name, alone in (("through the list", False), ("one by one, gated", True)):
            with worker(f"{_HERE}real_looks", url=url, without_list=alone) as one:
                runs = [one.run(count=size)["bytes"] for _ in range(1 if quick else 5)]
            report.goal(f"looked at {name}", Spread.of(runs), 4000, " B")


def _cpu(report: Report, *, quick: bool) -> None:
    size, seconds = (500, 1.0) if quick else (10_000, 3.0)
    report.say(
        f"CPU of one wake-up among {size:,}, as a ratio to a task for each that wakes as often, and sleeps"
        f" again: each every {_PAUSE:.0f} s, a tenth more or less, at a moment of its own; and each every"
        f" {_RHYTHM:.0f} s. The agenda is what decides who is due, and when again; the poller has to read a"
        " list, find each row unchanged and decide on it as well."
    )
    agenda = _ratio(f"{_HERE}waking_agenda", _PAUSE, size, seconds, quick=quick)
    poller = _ratio(f"{_HERE}waking_poller", _RHYTHM, size, seconds, quick=quick)
    rows = [
        (f"our agenda, every {_PAUSE:.0f} s", agenda),
        (f"our poller, a list of all every {_RHYTHM:.0f} s", poller),
    ]
    report.table(["who wakes", "CPU a wake-up, a task that sleeps = 1"], rows)
    report.goal("CPU a wake-up, a task that sleeps = 1", agenda, 0.1)


def _ratio(side: str, pause: float, size: int, seconds: float, *, quick: bool) -> Spread:
    """What a wake-up costs on one side, a task that sleeps as often being 1."""
    with (
        worker(side, "--serve", count=size) as ours,
        worker(f"{_HERE}waking_tasks", "--serve", count=size, pause=pause) as tasks,
    ):

        def cost(one: Worker) -> Callable[[], float]:
            def once() -> float:
                told = one.run(seconds=seconds)
                return told["cpu"] / told["wakes"]

            return once

        sides = {"ours": cost(ours), "tasks": cost(tasks)}
        return ratios(interleaved(sides, 1 if quick else 5), "tasks")["ours"]


def _hours(report: Report, *, quick: bool) -> None:
    if not installed("looptime"):
        report.say("Six virtual hours were not measured: looptime is not installed.")
        return
    size = 100 if quick else 1000
    report.say(
        f"{size:,} waits over six virtual hours, in one process with the simulator: seconds of wall time, and"
        " what the simulator and the sockets take for the same requests when nobody reads the answers."
        " Without estimates all are looked at through the list every few seconds, all the time."
    )
    rows: list[tuple[object, ...]] = []
    for estimates, rounds in (("right", 1 if quick else 5), ("absent", 1)):
        with worker(f"{_HERE}six_hours", "--loop=looptime", count=size) as one:
            runs = [one.run(estimates=estimates) for _ in range(rounds)]
        took, served = (Spread.of(run[name] for run in runs) for name in ("waits", "simulator"))
        rows.append((estimates, int(runs[0]["requests"]), took, served))
        if estimates == "right":
            report.goal(f"{size:,} waits over six virtual hours", took, 2, " s")
    report.table(["estimates", "requests", "all, s", "simulator and sockets, s"], rows)
    report.say(
        "With right estimates a quarter is the simulator and its sockets; the rest is 63,000 rows read and"
        " decided on, and a thousand ends confirmed one by one."
    )


if __name__ == "__main__":
    command(main)
