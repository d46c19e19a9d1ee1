"""Many workflows in one process, against a server that misbehaves.

Do all end, and what does it cost?

``python -m benchmarks batch`` runs 1,000 workflows without faults, the same keys again, and 10,000 with
faults, whose run is cancelled at random moments and begun again; the table goes to
``benchmarks/results/batch.md``. The simulator runs in a process of its own, and what it has is compared
with what the journal says.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import multiprocessing
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from attrs import frozen

from nugen_async import Nugen
from nugen_async.batch import Batch, Outcome
from nugen_async.simulator import Cut, Drop, Fault, Garble, Simulator, Span, Status, Times, World
from nugen_async.workflows import Workflow

from ._measure import machine

BASE = "llama-v3p1-8b-instruct"
RESULTS = Path(__file__).parent / "results" / "batch.md"
SPEED = 1500.0
SETTLE = 3.0
CUTS = 12
TITLES = (
    "run",
    "wall s",
    "CPU s of the client",
    "peak MB",
    "requests",
    "outcomes",
    "as the server says",
    "made twice",
)
FAULTS = (
    Fault(name="5xx", effect=Status(502), share=0.03),
    Fault(name="5xx, handled", effect=Status(500, handled=True), share=0.02),
    Fault(name="reset", effect=Drop(reset=True), share=0.01),
    Fault(name="reset, handled", effect=Drop(handled=True, reset=True), share=0.01),
    Fault(name="HTML", effect=Garble("html"), share=0.005),
    Fault(name="cut", effect=Cut(), share=0.005),
)
STORMS = tuple(
    Fault(name="429 storm", effect=Status(429, retry_after=1), since=at, until=at + 2.0)
    for at in range(10, 3600, 20)
)


@frozen
class Told:
    """What the server has in the end."""

    tokens: list[str]
    ends: dict[str, str]
    """How each alignment ended, by the model that it was to make."""
    requests: int
    creates: int
    faults: dict[str, int]


def serve(pipe: Connection, *, faults: bool) -> None:
    """The server's process."""

    async def main() -> None:
        world = World(
            seed=4,
            speed=SPEED,
            epoch=datetime.now(UTC),
            times=Times(alignment=Span(2700, 0.5)),
            failures={"alignment": 0.03} if faults else {},
            faults=[*FAULTS, *STORMS] if faults else [],
        )
        async with Simulator(world=world) as simulator:
            pipe.send(simulator.url)
            while (await asyncio.to_thread(pipe.recv)) == "told":
                pipe.send(
                    Told(
                        tokens=[job.workflow_id or "" for job in world.alignments.values()],
                        ends={
                            j.model_id: j.phase(simulator.now) for j in world.alignments.values()
                        },
                        requests=len(world.log),
                        creates=world.log.count(operation="create_alignment"),
                        faults=dict(world.log.by_fault),
                    )
                )

    asyncio.run(main())


def specs(count: int, document: Path) -> list[Workflow]:
    """Alignments on one shared document."""
    return [
        Workflow(name=f"run {n}", key=f"k{n}", base_model=BASE, documents=[document])
        for n in range(count)
    ]


async def run(
    url: str, journal: Path, wanted: list[Workflow], at_once: int, cuts: int
) -> list[Outcome]:
    """All of them, in a run that is cancelled so many times and begun again."""
    dice = random.Random(4)  # a seeded one, to cut alike each time
    for _ in range(cuts):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(dice.uniform(1, 15)):
                return await whole(url, journal, wanted, at_once)
    return await whole(url, journal, wanted, at_once)


async def whole(url: str, journal: Path, wanted: list[Workflow], at_once: int) -> list[Outcome]:
    """One run over all of them."""
    async with (
        Nugen("key", base_url=url, timeout=30) as nugen,
        Batch.open(journal, nugen, settle=SETTLE) as batch,
    ):
        return [each async for each in batch.run(wanted, at_once=at_once)]


def measure(
    count: int, at_once: int, *, faults: bool, again: bool, cuts: int = 0
) -> list[dict[str, Any]]:
    """The rows of the table for one size."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=serve, args=(theirs,), kwargs={"faults": faults}, daemon=True)
    server.start()
    url = ours.recv()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as place:
        document = Path(place) / "notes.txt"
        document.write_text("Notes.")
        wanted = specs(count, document)
        before = 0
        for turn in range(2 if again else 1):
            gc.collect()
            wall, cpu = time.perf_counter(), time.process_time()
            outcomes = asyncio.run(run(url, Path(place) / "runs.db", wanted, at_once, cuts))
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            ours.send("told")
            told: Told = ours.recv()
            ends = Counter(type(each).__name__ for each in outcomes)
            agree = sum(
                (type(each).__name__ == "Ready") == (told.ends.get(each.result.model_id) == "ready")
                for each in outcomes
            )
            assert len(outcomes) == count
            assert len(told.tokens) == len(set(told.tokens)), "something was made twice"
            rows.append(
                {
                    "run": f"{count:,} workflows, {at_once:,} at once"
                    + (", faults" if faults else "")
                    + (f", {cuts} cancellations" if cuts else "")
                    + (", the same keys again" if turn else ""),
                    "wall": wall,
                    "cpu": cpu,
                    "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                    "requests": told.requests - before,
                    "ends": ", ".join(f"{n:,} {name}" for name, n in sorted(ends.items())),
                    "agree": agree,
                    "twice": len(told.tokens) - len(set(told.tokens)),
                    "faults": told.faults,
                }
            )
            before = told.requests
    ours.send("end")
    server.join(10)
    return rows


def main() -> None:
    """Run and print, and write when asked to."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--workflows", type=int, default=10_000)
    options.add_argument("--at-once", type=int, default=2_500)
    options.add_argument("--quick", action="store_true", help="smaller, and nothing is written")
    given = options.parse_args()
    if given.quick:
        rows = measure(20, 20, faults=False, again=True)
        rows += measure(40, 20, faults=True, again=False, cuts=1)
    else:
        rows = measure(1_000, 1_000, faults=False, again=True)
        rows += measure(given.workflows, given.at_once, faults=True, again=False, cuts=CUTS)
    lines = [
        "# Batches",
        "",
        "Client and server share the machine; the run with faults is cancelled at random and begun again.",
        "",
        f"| {' | '.join(TITLES)} |",
        "|---" * len(TITLES) + "|",
    ]
    lines += [
        f"| {r['run']} | {r['wall']:.1f} | {r['cpu']:.1f} | {r['memory']:.0f} | {r['requests']:,} |"
        f" {r['ends']} | {r['agree']:,} | {r['twice']} |"
        for r in rows
    ]
    hit = ", ".join(f"{name} {n:,}" for name, n in sorted(rows[-1]["faults"].items()))
    lines += ["", f"Requests hit by faults in the last run: {hit}.", ""]
    lines += ["Repeat with `python -m benchmarks batch`. Measured on:", ""]
    lines += [*(f"- {fact}" for fact in machine()), ""]
    text = "\n".join(lines)
    sys.stdout.write(text)
    if not given.quick:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(text)


if __name__ == "__main__":
    main()
