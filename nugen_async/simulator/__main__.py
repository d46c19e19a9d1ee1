"""``python -m nugen_async.simulator``: a server to try things on, until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from .app import Simulator
from .chance import Span, Times
from .exchange import Generation
from .faults import Drop, Fault, Status
from .limits import RateLimit
from .world import World


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="python -m nugen_async.simulator",
        description="A Nugen and a SeekrFlow of your own, on loopback.",
    )
    add = made.add_argument
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=8080, help="0 takes a free one (default: %(default)s)")
    add("--speed", type=float, default=60.0, help="jobs run so many times faster (%(default)s)")
    add("--seed", type=int, default=0, help="of durations, metrics and failures (%(default)s)")
    add("--contract", choices=("documented", "plural", "both"), default="both")
    add("--generation", choices=("G1", "G2", "G3", "G4"), help="the form of all answers")
    add(
        "--estimates",
        choices=("right", "rough", "long", "short", "absent", "mixed"),
        default="rough",
    )
    add("--progress", choices=("linear", "square", "root", "zero", "absent"), default="linear")
    add("--alignment-minutes", type=float, default=45.0, help="median, before --speed")
    add("--failures", type=float, default=0.0, help="share of alignments that fail")
    add("--errors", type=float, default=0.0, help="share of requests answered 502 in HTML")
    add("--drops", type=float, default=0.0, help="share of requests that are hung up on")
    add("--rate-limit", type=float, help="requests a second, beyond which 429 is answered")
    add("--key", help="accept only this key (default: any)")
    add("--trusting", action="store_true", help="take unknown ids in requests as existing")
    return made


def world(options: argparse.Namespace) -> World:
    """The world that a command line asks for. Its epoch is now, so that ages come out right."""
    generation: Generation | None = options.generation
    contracts = ("documented", "plural") if options.contract == "both" else (options.contract,)
    made = World(
        seed=options.seed,
        speed=options.speed,
        epoch=datetime.now(UTC),
        contracts=frozenset(contracts),
        generation=generation,
        estimates=options.estimates,
        progress=options.progress,
        times=Times(alignment=Span(options.alignment_minutes * 60, 0.8)),
        failures={"alignment": options.failures},
        keys=None if options.key is None else frozenset({options.key}),
        trusting=options.trusting,
        rate_limit=(
            None
            if options.rate_limit is None
            else RateLimit(rate=options.rate_limit, burst=max(1.0, options.rate_limit))
        ),
    )
    if options.errors:
        made.inject(Fault(name="errors", effect=Status(502), share=options.errors))
    if options.drops:
        made.inject(Fault(name="drops", effect=Drop(), share=options.drops))
    return made


async def serve(options: argparse.Namespace) -> None:
    """Serve until interrupted or terminated."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in ("SIGINT", "SIGTERM"):
        try:
            loop.add_signal_handler(getattr(signal, name), stop.set)
        except NotImplementedError:  # Windows: Ctrl-C still raises KeyboardInterrupt
            break
    chosen = world(options)
    async with Simulator(world=chosen, host=options.host, port=options.port) as simulator:
        key = options.key or "any"
        sys.stdout.write(
            f"Listening on {simulator.url}, jobs {options.speed:g} times as fast. Ctrl-C ends it.\n"
            f"export NUGEN_BASE_URL={simulator.url} NUGEN_API_KEY={key}\n"
            f"export SEEKR_BASE_URL={simulator.url} SEEKR_API_KEY={key}\n"
        )
        sys.stdout.flush()
        await stop.wait()
        sys.stdout.write(f"{len(simulator.log)} requests served.\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 130 after Ctrl-C where signals cannot be caught."""
    options = parser().parse_args(arguments)
    try:
        asyncio.run(serve(options))
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        sys.stderr.write(f"Cannot listen on {options.host}:{options.port}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
