"""``demo``: the whole flow, several alignments at once, on a simulated server or a real one."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from attrs import define, evolve, field, frozen
from cyclopts import Parameter
from cyclopts.types import PositiveFloat, PositiveInt
from rich.text import Text

from .._core.schedule import Schedule
from ..client import Nugen
from ..errors import InvalidRequestError, NugenError
from ..simulator import Simulator, Span, Times, World
from ..workflows import Moment, Stage, Workflow, WorkflowResult, run_workflow
from .board import Board
from .common import DEFAULTS, Common, command
from .exits import Exit, exit_for, overall, sentence_of
from .follow import tell_how_to_go_on
from .meter import Meter
from .screen import Column, Screen, percent, plural

_SPEED = 360.0
_TIMES = Times(alignment=Span(45 * 60, 0.35))
_FIXED = 30.0
"""Seconds between looks at one job, of the usual hand-written loop that the demo compares itself with."""
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


@frozen
class Ended:
    """One workflow of the demo at its end."""

    name: str
    base_model: str
    result: WorkflowResult | None
    error: NugenError | None
    seconds: float
    requests: int

    def as_json(self) -> dict[str, object]:
        """For scripts."""
        result = self.result
        return {
            "name": self.name,
            "base_model": self.base_model,
            "exit": Exit.OK if self.error is None else exit_for(self.error),
            "error": None if self.error is None else str(self.error),
            "model_id": "" if result is None else result.model_id,
            "base_accuracy": None if result is None else result.base_accuracy,
            "aligned_accuracy": None if result is None else result.aligned_accuracy,
            "difference": None if result is None else result.difference,
            "waited": {} if result is None else result.waited,
            "seconds": round(self.seconds, 3),
            "requests": self.requests,
        }


@define(eq=False)
class Show:
    """The workflows of one demo, while they run."""

    service: Service
    board: Board
    meter: Meter
    open: dict[str, str] = field(factory=dict[str, str])
    """What goes on at the server if we stop now: a job for each workflow."""

    async def run(self, specs: Sequence[Workflow]) -> list[Ended]:
        """Run all of them at once; one that fails stops no other."""
        for spec in specs:
            self.board.add(spec.name, spec.name)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._one(spec)) for spec in specs]
        return [task.result() for task in tasks]

    async def _one(self, spec: Workflow) -> Ended:
        loop = asyncio.get_running_loop()
        began, stages = loop.time(), spec.stages
        result, error = None, None

        def heard(moment: Moment) -> None:
            number = stages.index(moment.stage) + 1
            self.board.tell(
                spec.name,
                moment.status,
                stage=f"{number}/{len(stages)} {moment.stage}",
                progress=moment.progress,
                left=moment.left,
            )
            if moment.stage is Stage.ALIGNMENT and moment.id:
                self.open[spec.name] = f"alignment/{moment.id}"
            if moment.what == "ends":
                self.open.pop(spec.name, None)

        with self.meter.of(spec.name):
            try:
                result = await run_workflow(
                    self.service.nugen, spec, on_step=heard, schedule=self.service.schedule
                )
            except NugenError as refused:
                error = refused
        if error is None:
            self.board.finish(spec.name, "ok", "done")
        else:
            self.board.finish(spec.name, "bad", "failed", str(error))
        return Ended(
            name=spec.name,
            base_model=spec.base_model or "",
            result=result,
            error=error,
            seconds=loop.time() - began,
            requests=self.meter.own[spec.name],
        )


@command(
    "nugen-async demo                      # simulated: no key, no network, about 20 s",
    "nugen-async demo --jobs 200 --json",
    "nugen-async demo --base-url https://api.nugen.in --jobs 2   # real: it costs money",
)
async def demo(
    *,
    jobs: Annotated[PositiveInt, Parameter(name=["--jobs", "-n"])] = 8,
    base_model: str | None = None,
    speed: PositiveFloat = _SPEED,
    seed: int = 7,
    common: Common = DEFAULTS,
) -> int:
    """Run the whole flow for several alignments at once, and show what improved.

    Documents, a benchmark, alignment, deployment, evaluation against the base model, undeployment.
    Without --base-url it starts its own server on loopback, whose jobs take three quarters of an hour in
    about ten seconds.

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
            show = Show(service, Board(screen), meter)
            try:
                async with show.board.shown():
                    ended = await show.run(specs)
            except asyncio.CancelledError:
                service.farewell(screen, show.open.values())
                raise
    return _summed_up(screen, ended, meter, service.speed)


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


def _difference(ended: Ended) -> Text:
    found = ended.result.difference if ended.result is not None else None
    if found is None:
        return Text("failed" if ended.error is not None else "-", style="red")
    return Text(percent(found, signed=True), style="green" if found > 0 else "yellow")


_COLUMNS: tuple[Column[Ended], ...] = (
    Column("alignment", lambda e: e.name),
    Column("base model", lambda e: e.base_model, least=96),
    Column("model", lambda e: "" if e.result is None else e.result.model_id, least=72),
    Column("base", lambda e: percent(e.result.base_accuracy) if e.result else "", right=True),
    Column("aligned", lambda e: percent(e.result.aligned_accuracy) if e.result else "", right=True),
    Column("difference", _difference, right=True),
    Column(
        "waited",
        lambda e: f"{sum(e.result.waited.values()):.1f} s" if e.result else "",
        right=True,
        least=62,
    ),
    Column("requests", lambda e: e.requests, right=True, least=50),
)


def _summed_up(screen: Screen, ended: Sequence[Ended], meter: Meter, speed: float) -> Exit:
    """The table, one sentence about what it showed, and what to do next."""
    screen.rows(ended, _COLUMNS, as_json=Ended.as_json)
    for each in ended:
        if each.error is not None:
            screen.warn(Text.assemble((f"{each.name}: ", "red"), sentence_of(each.error)))
    if screen.human:
        screen.say(_lesson(ended, meter, speed))
        screen.say(_NEXT)
    return overall(Exit.OK if each.error is None else exit_for(each.error) for each in ended)


def _lesson(ended: Sequence[Ended], meter: Meter, speed: float) -> str:
    better = sum(1 for each in ended if each.result and (each.result.difference or 0) > 0)
    waited = sum(sum(each.result.waited.values()) for each in ended if each.result) * speed
    return (
        f"{plural(len(ended), 'workflow')}, {better} better than their base model, took"
        f" {plural(meter.total, 'request')}: {meter.own.total():,} of their own and"
        f" {plural(meter.looks, 'look')} at jobs, shared by all who waited;"
        f" a look at each job every {_FIXED:.0f} s would have been {waited / _FIXED:,.0f}."
    )


_NEXT = """Next, with your own files and a key in NUGEN_API_KEY:
  nugen-async align --name NAME --base-model MODEL --document FILE --wait
"""
