"""The workflows of a demo: shown while they run, then in a table, then in a sentence."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from attrs import define, field, frozen
from rich.text import Text

from .._core.schedule import Schedule
from ..client import Nugen
from ..errors import NugenError
from ..workflows import Moment, Stage, Workflow, WorkflowResult, run_workflow
from .board import Board
from .exits import Exit, exit_for, overall, sentence_of
from .meter import Meter
from .screen import Column, Screen, percent, plural, points

_LISTED = {
    Stage.DOCUMENTS: "document",
    Stage.BENCHMARK: "benchmark",
    Stage.ALIGNMENT: "alignment",
    Stage.EVALUATION: "evaluation",
}
"""The stages whose jobs can be looked at through a list, and the word in its path."""


_OVER = frozenset({"ends", "fails"})


@frozen
class Ended:
    """One workflow of the demo at its end."""

    name: str
    base_model: str
    result: WorkflowResult | None
    error: NugenError | None
    seconds: float
    requests: int
    spans: tuple[tuple[str, str, str | None], ...] = ()
    """Each stage with its beginning and end, by the clock on the wall (ISO 8601)."""

    @property
    def waited(self) -> float:
        """Seconds spent waiting for jobs, over all stages."""
        return sum(self.result.waited.values()) if self.result is not None else self.seconds

    def as_json(self) -> dict[str, object]:
        """For scripts, and for ``nugen-async report``."""
        result = self.result
        return {
            "key": self.name,
            "name": self.name,
            "state": "ready" if self.error is None else "failed",
            "reason": "" if self.error is None else str(self.error),
            "metrics": {}
            if result is None
            else {"accuracy": [result.base_accuracy, result.aligned_accuracy]},
            "spans": self.spans,
            "base_model": self.base_model,
            "exit": Exit.OK if self.error is None else exit_for(self.error),
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

    nugen: Nugen
    schedule: Schedule
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
        spans: dict[str, tuple[str, str | None]] = {}
        result, error = None, None

        def heard(moment: Moment) -> None:
            number = stages.index(moment.stage) + 1
            self.board.tell(
                spec.name,
                moment.status,
                step=f"{number}/{len(stages)}",
                stage=str(moment.stage),
                progress=moment.progress,
                left=moment.left,
            )
            self._note(spec.name, moment)
            now = datetime.now(UTC).isoformat()
            start, _ = spans.setdefault(moment.stage, (now, None))
            if moment.what in _OVER:
                spans[moment.stage] = (start, now)

        with self.meter.of(spec.name):
            try:
                result = await run_workflow(self.nugen, spec, on_step=heard, schedule=self.schedule)
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
            spans=tuple((stage, *when) for stage, when in spans.items()),
        )

    def _note(self, name: str, moment: Moment) -> None:
        """Keep count of who waits for what, and of what would go on without us."""
        if moment.stage is Stage.ALIGNMENT and moment.id:
            self.open[name] = f"alignment/{moment.id}"
        over = moment.what in _OVER
        if over:
            self.open.pop(name, None)
        if moment.stage in _LISTED and (over or moment.what in {"begins", "goes on"}):
            self.meter.waiting[_LISTED[moment.stage]] += -1 if over else 1


def _gain(ended: Ended) -> Text:
    found = ended.result.difference if ended.result is not None else None
    if found is None:
        return Text("failed" if ended.error is not None else "-", style="red")
    return Text(points(found), style="green" if found > 0 else "yellow")


_COLUMNS: tuple[Column[Ended], ...] = (
    Column("alignment", lambda e: e.name, rank=4),
    Column("model", lambda e: e.result.model_id if e.result else e.name, fold=True),
    Column("base model", lambda e: e.base_model, rank=5),
    Column("base", lambda e: percent(e.result.base_accuracy) if e.result else "", right=True),
    Column("aligned", lambda e: percent(e.result.aligned_accuracy) if e.result else "", right=True),
    Column("gain", _gain, right=True),
    Column("waited", lambda e: f"{e.waited:.1f} s", right=True, rank=2),
    Column("requests", lambda e: e.requests, right=True, rank=3),
)


def sum_up(screen: Screen, ended: Sequence[Ended], meter: Meter) -> Exit:
    """The table, one sentence about what it showed, and what to do next."""
    if screen.human:
        screen.say("")
    screen.rows(ended, _COLUMNS, as_json=Ended.as_json)
    for each in ended:
        if each.error is not None:
            screen.warn(Text.assemble((f"{each.name}: ", "red"), sentence_of(each.error)))
    if screen.human and not screen.quiet:
        screen.say("")
        screen.say(_lesson(ended, meter))
        screen.say(_NEXT)
        screen.command("nugen-async align --name NAME --base-model MODEL --document FILE --wait")
    return overall(Exit.OK if each.error is None else exit_for(each.error) for each in ended)


def _lesson(ended: Sequence[Ended], meter: Meter) -> Text:
    better = sum(1 for each in ended if each.result and (each.result.difference or 0) > 0)
    return Text(
        f"{plural(len(ended), 'workflow')}, {better} of them better than their base model, took"
        f" {plural(meter.total, 'request')}: {meter.own.total():,} of their own, and"
        f" {plural(meter.looks, 'look')} at jobs, which one by one would have been {meter.told:,}:"
        " a look at a list serves all who wait."
    )


_NEXT = "\nNext, with files of yours and a key in NUGEN_API_KEY:"
