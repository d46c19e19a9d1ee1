"""``demo``: the whole flow, several alignments at once, on a simulated server or a real one."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from attrs import evolve, frozen
from cyclopts import Parameter
from cyclopts.types import PositiveFloat, PositiveInt

from .._core.schedule import Schedule
from ..client import Nugen
from ..errors import InvalidRequestError
from ..simulator import Simulator, Span, Times, World
from ..workflows import Workflow
from .board import Board
from .common import DEFAULTS, TRY, Common, command
from .follow import tell_how_to_go_on
from .meter import Meter
from .screen import Screen, plural
from .show import Show, sum_up

_SPEED = 360.0
_TIMES = Times(alignment=Span(45 * 60, 0.35))
_QUESTIONS = 20
_TOPICS = (
    "contracts",
    "claims",
    "invoices",
    "patents",
    "permits",
    "recipes",
    "tickets",
    "warranties",
)


@command(
    "nugen-async demo                  # simulated: no key, no network, about 20 s",
    "nugen-async demo --jobs 200 --json",
    "nugen-async demo -n 2 --base-url https://api.nugen.in  # real: it costs money",
    group=TRY,
)
async def demo(
    *,
    jobs: Annotated[PositiveInt, Parameter(name=["--jobs", "-n"])] = 8,
    base_model: str | None = None,
    speed: PositiveFloat = _SPEED,
    seed: int = 7,
    common: Common = DEFAULTS,
) -> int:
    """Run the whole flow for several alignments at once.

    Documents, a benchmark, alignment, deployment, evaluation against the base model, undeployment.

    Without --base-url it starts its own server on loopback, where an hour takes ten seconds.

    Parameters
    ----------
    jobs
        How many alignments.
    base_model
        The model to start from; without it, those that the server offers, in turn.
    speed
        How many times faster the simulated jobs run.
    seed
        Of the simulated durations and metrics.
    """
    screen, meter = common.screen, Meter()
    async with _service(common, meter, speed, seed) as service:
        models = [base_model] if base_model else await _base_models(service.nugen)
        with tempfile.TemporaryDirectory() as folder:
            specs = _specs(jobs, models, Path(folder))
            screen.say(service.opening(len(specs)))
            show = Show(service.nugen, service.schedule, Board(screen), meter)
            try:
                async with show.board.shown():
                    ended = await show.run(specs)
            except asyncio.CancelledError:
                service.farewell(screen, show.open.values())
                raise
    return sum_up(screen, ended, meter)


@frozen
class Service:
    """Where the demo runs: our own server, or one that was named."""

    nugen: Nugen
    url: str
    speed: float
    """How many times faster its jobs run; 1 for a real one."""
    simulated: bool

    @property
    def schedule(self) -> Schedule:
        """The library's default patience, in the time of this server."""
        usual = Schedule()
        return evolve(
            usual,
            first=usual.first / self.speed,
            floor=usual.floor / self.speed,
            steady=usual.steady / self.speed,
            cap=usual.cap / self.speed,
            longest=usual.longest / self.speed,
        )

    def opening(self, count: int) -> str:
        """What is about to happen."""
        many = f"{plural(count, 'alignment')} at once"
        if not self.simulated:
            return f"{many} on {self.url}"
        return f"{many} on a simulated server at {self.url}, {self.speed:g} times as fast as life"

    def farewell(self, screen: Screen, refs: Iterable[str]) -> None:
        """What is left behind after Ctrl-C."""
        if self.simulated:
            screen.warn("The simulated server is gone, and its jobs with it.")
        elif left := list(refs):
            tell_how_to_go_on(screen, left, self.url)


@asynccontextmanager
async def _service(
    common: Common, meter: Meter, speed: float, seed: int
) -> AsyncGenerator[Service]:
    if common.base_url is not None:
        async with common.nugen(meter.trace()) as nugen:
            yield Service(nugen, common.base_url, 1.0, simulated=False)
        return
    world = World(seed=seed, speed=speed, epoch=datetime.now(UTC), times=_TIMES)
    async with (
        Simulator(world=world) as simulator,
        Nugen(
            "demo", base_url=simulator.url, contract=common.contract, trace_configs=[meter.trace()]
        ) as nugen,
    ):
        yield Service(nugen, simulator.url, speed, simulated=True)


async def _base_models(nugen: Nugen) -> list[str]:
    found = [
        model.id for model in await nugen.models.list_base() if model.alignment_ready is not False
    ]
    if not found:
        raise InvalidRequestError("the server names no model to start from: give --base-model")
    return found


def _specs(count: int, models: Sequence[str], folder: Path) -> list[Workflow]:
    """So many workflows, each with a document of its own."""
    specs: list[Workflow] = []
    for number in range(count):
        turn, topic = divmod(number, len(_TOPICS))
        name = f"{_TOPICS[topic]}-{turn + 1}" if count > len(_TOPICS) else _TOPICS[topic]
        document = folder / f"{name}.txt"
        document.write_text(f"All that there is to know about {name}.\n", encoding="utf-8")
        specs.append(
            Workflow(
                name=name,
                documents=(str(document),),
                base_model=models[number % len(models)],
                num_questions=_QUESTIONS,
                deploy=True,
                evaluate="compare",
            )
        )
    return specs
