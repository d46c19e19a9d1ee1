"""The whole flow for 10 to 10,000 workflows: time, requests, CPU and memory of the client."""

from __future__ import annotations

import asyncio
import math
import resource
import statistics
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from ._measure import Report, command, plot
from ._worker import Run, worker

_HERE = "benchmarks.scale:"


@asynccontextmanager
async def simulator(pace: float) -> AsyncGenerator[Run]:
    """A simulator whose jobs take seconds; a run says where it is, and what it was asked."""
    from nugen_async.simulator import Log, Simulator, Span, Times, World  # noqa: PLC0415 # each side imports only itself

    times = Times(
        alignment=Span(6.0 * pace, 0.3),
        queue=Span(0.5 * pace, 0.3),
        benchmark=Span(2.0 * pace, 0.3),
        deployment=Span(2.0 * pace, 0.3),
        evaluation=Span(3.0 * pace, 0.3),
        undeployment=Span(1.0 * pace, 0.3),
    )
    world = World(seed=1, times=times, trusting=True, log=Log(keep=0))
    async with Simulator(world=world) as sim:

        async def run() -> dict[str, float]:
            port = int(sim.url.rsplit(":", 1)[1].strip("/"))
            return {"port": port, "requests": world.log.total}

        yield run


@asynccontextmanager
async def ours(url: str) -> AsyncGenerator[Run]:
    """Benchmark, alignment, deployment, evaluation, results and undeployment of each, all at once."""
    from nugen_async import Nugen  # noqa: PLC0415 # as above
    from nugen_async.workflows import Workflow, run_workflow  # noqa: PLC0415 # as above

    async with Nugen("key", base_url=url) as nugen:

        async def run(count: int) -> dict[str, float]:
            loop = asyncio.get_running_loop()
            before, start = _peak(), loop.time()
            specs = [
                Workflow(
                    name=f"workflow {number}",
                    document_ids=("d",),
                    base_model="nugen-flash-instruct",
                    num_questions=5,
                    deploy=True,
                    evaluate="alone",
                )
                for number in range(count)
            ]
            work = (run_workflow(nugen, spec, schedule=1.0) for spec in specs)
            results = await asyncio.gather(*work)
            assert all(result.evaluation_id for result in results)
            return {"seconds": loop.time() - start, "memory": _peak() - before}

        yield run


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


def main(*, quick: bool) -> None:
    """Measure and report."""
    report = Report("scale", "The whole flow, from 10 to 10,000 workflows")
    report.say(
        "A simulator in another process, whose alignments take 6 s (median), benchmarks, deployments and"
        " evaluations 1 to 3 s. All workflows start at once and are looked at each second; the client's gate"
        " is the default of 100. Memory is the growth of the client's peak."
    )
    sizes = (5,) if quick else (10, 100, 1000, 10_000)
    found = {size: _flow(size, 0.1 if quick else 1.0) for size in sizes}
    report.table(
        [
            "workflows",
            "seconds",
            "requests a workflow",
            "client CPU a workflow",
            "memory a workflow",
        ],
        [
            [
                f"{size:,}",
                f"{told['seconds']:.1f}",
                f"{told['requests'] / size:.1f}",
                f"{1000 * told['cpu'] / size:.1f} ms",
                f"{told['memory'] / size / 1000:.1f} kB",
            ]
            for size, told in found.items()
        ],
    )
    if len(sizes) > 1:
        names = ("seconds", "requests", "cpu", "memory")
        growth = {
            name: _growth([(size, found[size][name]) for size in sizes[1:]]) for name in names
        }
        said = ", ".join(f"{name} n^{power:.2f}" for name, power in growth.items())
        report.say(f"Fitted growth from {sizes[1]:,} to {sizes[-1]:,} workflows: {said}.")
        report.say("![Seconds, requests, CPU and memory by workflows](scale.png)")
        curves = {name: [(size, found[size][name]) for size in sizes] for name in names}
        curves["memory, MB"] = [(size, value / 1e6) for size, value in curves.pop("memory")]
        curves["client CPU, seconds"] = curves.pop("cpu")
        plot("scale", curves, x="workflows", y="in all", quick=quick)
    report.write(quick=quick)


def _growth(points: list[tuple[int, float]]) -> float:
    """The power with which it grows: the slope of a straight line through the points, in logarithms."""
    sizes, values = (
        [math.log(max(each, 1e-9)) for each in part] for part in zip(*points, strict=True)
    )
    return statistics.linear_regression(sizes, values).slope


def _flow(size: int, pace: float) -> dict[str, float]:
    with worker(f"{_HERE}simulator", "--serve", pace=pace) as sim:
        url = f"http://127.0.0.1:{sim.run()['port']:.0f}"
        with worker(f"{_HERE}ours", url=url) as client:
            told = client.run(count=size)
        told["requests"] = sim.run()["requests"]
    return told


if __name__ == "__main__":
    command(main)
