"""One side of a comparison in a process of its own, so that no side carries another's imports or garbage.

``python -m benchmarks._worker benchmarks.per_request:ours`` reads one JSON object a line (the keywords of
a run) and prints what the run cost. Options: ``--loop=uvloop``, ``--without=orjson`` (as if it were not
installed), ``--serve``.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, ExitStack, contextmanager
from typing import Any

from attrs import frozen

Run = Callable[..., Awaitable[Mapping[str, float] | None]]
"""One run, with the keywords that were sent; what it returns is reported beside the CPU time."""
Side = Callable[..., AbstractAsyncContextManager[Run]]


@frozen
class Worker:
    """The other process, seen from here."""

    process: subprocess.Popen[str]

    def run(self, **keywords: Any) -> dict[str, float]:
        """What one run cost: `cpu` and `wall` in seconds, and whatever the side reports."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(keywords) + "\n")
        self.process.stdin.flush()
        said = self.process.stdout.readline()
        if not said:
            raise RuntimeError(f"{self.process.args!r} ended")
        told: dict[str, float] = json.loads(said)
        return told


@contextmanager
def worker(side: str, *options: str, **keywords: Any) -> Iterator[Worker]:
    """A process that holds one side, ``module:function``; *keywords* are the function's."""
    command = [sys.executable, "-m", "benchmarks._worker", side, *options, json.dumps(keywords)]
    with subprocess.Popen(  # noqa: S603 # our own module
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Worker(process)
        assert process.stdin is not None
        process.stdin.close()


@contextmanager
def workers(sides: Mapping[str, tuple[str, ...]], **keywords: Any) -> Iterator[dict[str, Worker]]:
    """One process for each named side."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(worker(*command, **keywords))
            for name, command in sides.items()
        }


async def _obey(side: Side, keywords: Mapping[str, Any], *, serving: bool) -> None:
    loop = asyncio.get_running_loop()
    async with side(**keywords) as run:
        while True:
            # A side that serves others lives between its runs, any other one stands still.
            read = sys.stdin.readline
            line = await loop.run_in_executor(None, read) if serving else read()
            if not line:
                return
            gc.collect()
            wall, cpu = time.perf_counter(), time.process_time()
            more = await run(**json.loads(line))
            told = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
            print(json.dumps({**told, **(more or {})}), flush=True)


def main() -> None:
    """Import the side, then run it as often as told."""
    parser = argparse.ArgumentParser()
    parser.add_argument("side")
    parser.add_argument("--loop", default="asyncio")
    parser.add_argument("--without", action="append", default=[])
    parser.add_argument("--serve", action="store_true", help="go on between the runs")
    parser.add_argument("keywords")
    told = parser.parse_args()
    for name in told.without:
        sys.modules[name] = None  # type: ignore[assignment] # importing it raises ImportError
    module, _, name = told.side.partition(":")
    side = getattr(importlib.import_module(module), name)
    factory = None if told.loop == "asyncio" else importlib.import_module(told.loop).new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_obey(side, json.loads(told.keywords), serving=told.serve))


if __name__ == "__main__":
    main()
