"""The processes of the kill tests: a simulator that tells its book, and a batch that may be killed."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from attrs import frozen

from nugen_async import Nugen
from nugen_async.batch import Batch
from nugen_async.simulator import Delay, Fault, Simulator, Span, Times, World
from nugen_async.workflows import Workflow

BASE = "llama-v3p1-8b-instruct"
SETTLE = 1.0
"""Seconds; a busy machine may take long to read what a killed process has sent."""
PROCESSES = get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.kill.processes"])


@frozen
class Book:
    """What the server has, whatever any client believes."""

    tokens: tuple[str, ...]
    """The token in each alignment."""
    evaluated: dict[str, int]
    """How many evaluations each aligned model has."""
    deployed: dict[str, int]
    """How many deployments each aligned model was given."""
    serving: tuple[str, ...]
    documents: int
    benchmarks: int
    names: tuple[str, ...]

    @classmethod
    def of(cls, world: World, now: float) -> Book:
        aligned = [job.model_id for job in world.alignments.values()]
        return cls(
            tokens=tuple(job.workflow_id or "" for job in world.alignments.values()),
            evaluated=Counter(job.model_id for job in world.evaluations.values()),
            deployed={
                model.id: sum(each.verb == "deploy" for each in model.operations)
                for model in world.models.values()
                if model.id in aligned
            },
            serving=tuple(m.id for m in world.models.values() if m.serving(now) == "deployed"),
            documents=len(world.documents),
            benchmarks=len(world.benchmarks),
            names=tuple(job.name for job in world.alignments.values()),
        )


def serve(pipe: Connection, speed: float) -> None:
    """A simulator that answers slowly, so that a kill often finds a create on its way."""

    async def main() -> None:
        world = World(
            seed=1,
            speed=speed,
            epoch=datetime.now(UTC),
            times=Times(alignment=Span(2700, 0.4), evaluation=Span(700, 0.3)),
        )
        world.inject(Fault(effect=Delay(0.03), method="POST"))
        async with Simulator(world=world) as simulator:
            pipe.send(simulator.url)
            while (await asyncio.to_thread(pipe.recv)) == "book":
                pipe.send(Book.of(world, simulator.now))

    asyncio.run(main())


@contextmanager
def server(speed: float) -> Iterator[tuple[str, Any]]:
    """A simulator in a process of its own; gives its URL and a function that brings its book."""
    ours, theirs = PROCESSES.Pipe()
    process = PROCESSES.Process(target=serve, args=(theirs, speed), daemon=True)
    process.start()

    def book() -> Book:
        ours.send("book")
        told: Book = ours.recv()
        return told

    try:
        yield ours.recv(), book
    finally:
        ours.send("end")
        process.join(10)


def specs(count: int, document: Path, series: int) -> list[Workflow]:
    """The same workflows every time, all on one document and one benchmark."""
    return [
        Workflow(
            name=f"series {series} run {n}",
            key=f"k{n}",
            base_model=BASE,
            documents=[document],
            num_questions=5 + series,
            deploy=True,
            evaluate="compare",
        )
        for n in range(count)
    ]


def run_batch(url: str, journal: Path, wanted: list[Workflow], pipe: Connection) -> None:
    """Run a batch to its end, if nobody kills it; tells how each workflow ended."""
    # A child that outlives a killed test run would go on for ever.
    threading.Thread(target=_die_with_parent, args=(os.getppid(),), daemon=True).start()

    async def main() -> None:
        async with (
            Nugen("key", base_url=url) as nugen,
            Batch.open(journal, nugen, settle=SETTLE) as batch,
        ):
            ends = [
                (type(outcome).__name__, str(outcome.error() or ""), outcome.result.model_id)
                async for outcome in batch.run(wanted, schedule=0.1)
            ]
        pipe.send(ends)

    asyncio.run(main())


def _die_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def run_worker(database: str, url: str) -> None:
    """A worker, until somebody stops or kills it."""
    from nugen_async.integrations.procrastinate import Fleet  # noqa: PLC0415 # an extra

    threading.Thread(target=_die_with_parent, args=(os.getppid(),), daemon=True).start()

    async def main() -> None:
        async with Nugen("key", base_url=url) as nugen, Fleet.open(database) as fleet:
            await fleet.work(nugen, settle=SETTLE, schedule=0.1, heartbeat=0.3, rescue_after=1.5)

    asyncio.run(main())
