"""``evaluate``, ``compare``, ``evaluations`` and ``results``: how well models do on a benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from ..client import Nugen
from ..resources.evaluations import Evaluation, EvaluationResults
from .common import AT_ONCE, DEFAULTS, LOOK, Common, Flag, Names, Patience, Waiting, command
from .exits import Exit
from .follow import newest, started, waited
from .screen import Column, Screen, percent, plain

_LISTED: tuple[Column[Evaluation], ...] = (
    Column("id", lambda e: e.id, fold=True),
    Column("name", lambda e: e.name, rank=3),
    Column("status", lambda e: e.status),
    Column("model", lambda e: e.subject, rank=1, fold=True),
    Column("compared with", lambda e: e.baseline, rank=2, fold=True),
    Column("benchmark", lambda e: e.benchmark_id, rank=5, fold=True),
    Column(
        "accuracy", lambda e: percent(e.metrics.accuracy if e.metrics else None), right=True, rank=4
    ),
    Column("created", lambda e: e.created, rank=1),
)
_OTHER_SIDE = frozenset({"model_id", "winner", "raw"})


@command(
    "nugen-async evaluate --model model-9 --benchmark bench-7 --wait",
    "nugen-async evaluate --model model-9 --benchmark bench-7 --metric tone --json",
)
async def evaluate(
    *,
    model: str,
    benchmark: str,
    metric: Names | None = None,
    waiting: Waiting = AT_ONCE,
    common: Common = DEFAULTS,
) -> int:
    """Measure one model on a benchmark.

    Parameters
    ----------
    model
        The model's ID; of the model, not of the alignment.
    benchmark
        The benchmark's ID; "nugen-async benchmarks" lists them.
    metric
        Custom metrics to measure besides.
    """
    waiting.check()
    async with common.nugen() as nugen:
        job = await nugen.evaluations.create(
            model_id=model, benchmark_id=benchmark, custom_metrics=metric
        )
        if waiting.wait:
            return await _measured(common, nugen, job, waiting.timeout)
        return started(common, job)


@command(
    "nugen-async compare model-9 llama-v3p1-8b-instruct --benchmark bench-7",
    "nugen-async compare model-9 model-10 --benchmark bench-7 --json",
)
async def compare(
    model: str,
    base: str,
    /,
    *,
    benchmark: str,
    metric: Names | None = None,
    no_wait: Flag = False,
    timeout: Patience = None,
    common: Common = DEFAULTS,
) -> int:
    """Measure two models on the same benchmark, side by side.

    Parameters
    ----------
    model
        The model in question.
    base
        What it is compared with: its base model, or any other model.
    benchmark
        The benchmark's ID.
    metric
        Custom metrics to measure besides.
    no_wait
        Return as soon as it is started.
    timeout
        Wait so many seconds at most; the evaluation goes on.
    """
    async with common.nugen() as nugen:
        job = await nugen.evaluations.create(
            model_id=model, baseline=base, benchmark_id=benchmark, custom_metrics=metric
        )
        if no_wait:
            return started(common, job)
        return await _measured(common, nugen, job, timeout, first=model)


@command(
    "nugen-async results ev-12",
    "nugen-async results ev-12 --json | jq .metrics.accuracy",
    group=LOOK,
)
async def results(evaluation_id: str, /, *, common: Common = DEFAULTS) -> int:
    """Show what an evaluation measured.

    Parameters
    ----------
    evaluation_id
        The evaluation's ID.
    """
    async with common.nugen() as nugen:
        show(common.screen, await nugen.evaluations.results(evaluation_id))
    return Exit.OK


@command("nugen-async evaluations", "nugen-async evaluations --json | jq '.[].id'", group=LOOK)
async def evaluations(*, common: Common = DEFAULTS) -> int:
    """List all evaluations of the account, the newest first."""
    async with common.nugen() as nugen:
        found = newest([each async for each in nugen.evaluations.list()])
    common.screen.rows(found, _LISTED, nothing="No evaluations yet: nugen-async evaluate -h")
    return Exit.OK


async def _measured(
    common: Common, nugen: Nugen, job: Evaluation, timeout: float | None, *, first: str = ""
) -> Exit:
    code = await waited(common, [(nugen, [job])], timeout, told=False)
    if code is Exit.OK:
        show(common.screen, await nugen.evaluations.results(job.id), first=first)
    return code


@frozen
class Line:
    """One metric: of the model, of what it is compared with."""

    name: str
    ours: Any
    theirs: Any = None

    @property
    def difference(self) -> str:
        """By how much the model is higher."""
        if not isinstance(self.ours, int | float) or not isinstance(self.theirs, int | float):
            return ""
        return f"{self.ours - self.theirs:+.3g}"


def show(screen: Screen, found: EvaluationResults, *, first: str = "") -> None:
    """What was measured: one line a metric, both sides of a comparison beside each other.

    The model *first* stands on the left, else the one that the server calls the evaluated one.
    """
    ours, theirs = _side(found.eval_model), _side(found.base_model)
    if first and theirs.get("model_id") == first:
        ours, theirs = theirs, ours
    if ours and theirs:
        names = dict.fromkeys(name for name in (*ours, *theirs) if name not in _OTHER_SIDE)
        lines = [Line(_title(name), ours.get(name), theirs.get(name)) for name in names]
        columns: tuple[Column[Line], ...] = (
            Column[Line]("metric", lambda line: line.name),
            Column[Line](str(ours.get("model_id", "model")), lambda line: line.ours, right=True),
            Column[Line](str(theirs.get("model_id", "base")), lambda line: line.theirs, right=True),
            Column[Line]("difference", lambda line: line.difference, right=True),
        )
    else:
        lines = [Line(_title(name), value) for name, value in _metrics(found).items()]
        columns = (
            Column[Line]("metric", lambda line: line.name),
            Column[Line](found.model_id or "model", lambda line: line.ours, right=True),
        )
    if screen.human:
        screen.rows(lines, columns, nothing="The server names no metrics.")
    else:
        screen.show(found)


def _side(told: object) -> Mapping[str, Any]:
    return told if isinstance(told, Mapping) else {}


def _metrics(found: EvaluationResults) -> Mapping[str, Any]:
    if found.metrics is None:
        return {}
    named: dict[str, Any] = {k: v for k, v in plain(found.metrics).items() if v is not None}
    return {**named, **{k: v for k, v in found.metrics.raw.items() if k not in named}}


def _title(name: str) -> str:
    return name.replace("_", " ")
