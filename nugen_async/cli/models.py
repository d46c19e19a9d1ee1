"""``models``, ``deploy`` and ``undeploy``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from rich.text import Text

from ..errors import NugenError, printable
from ..resources._records import Job
from ..resources.models import AlignedModel, BaseModel
from .common import AT_ONCE, DEFAULTS, LOOK, Common, Flag, Names, Waiting, command
from .exits import Exit, exit_for, overall, sentence_of
from .follow import started_or_ended
from .screen import Column, percent

J = TypeVar("J", bound=Job)

_ALIGNED: tuple[Column[AlignedModel], ...] = (
    Column("id", lambda m: m.id, fold=True),
    Column("name", lambda m: m.name or m.alignment_project, rank=1),
    Column("base model", lambda m: m.base_model, rank=2),
    Column("state", lambda m: m.deployment_status or m.status),
    Column("before", lambda m: percent(m.performance_metrics.accuracy_before), right=True, rank=3),
    Column("accuracy", lambda m: percent(_accuracy(m)), right=True),
    Column("calls", lambda m: m.usage_count, right=True, rank=5),
    Column("created", lambda m: m.created_date, rank=4),
)
_BASE: tuple[Column[BaseModel], ...] = (
    Column("id", lambda m: m.id, fold=True),
    Column("name", lambda m: m.name, rank=3),
    Column("size", lambda m: m.parameters, rank=1),
    Column("type", lambda m: m.type, rank=2),
    Column("can be aligned", lambda m: m.alignment_ready),
)


def _accuracy(model: AlignedModel) -> float | None:
    metrics = model.performance_metrics
    return metrics.accuracy_after if metrics.accuracy_after is not None else metrics.accuracy


@command(
    "nugen-async models",
    "nugen-async models --base",
    "nugen-async models --json | jq '.[].id'",
    group=LOOK,
)
async def models(*, base: Flag = False, common: Common = DEFAULTS) -> int:
    """List the account's aligned models, or those to start from.

    Parameters
    ----------
    base
        List the base models instead.
    """
    screen = common.screen
    async with common.nugen() as nugen:
        if base:
            screen.rows(
                await nugen.models.list_base(), _BASE, nothing="The server lists no base models."
            )
        else:
            found = await nugen.models.list_aligned()
            screen.rows(found, _ALIGNED, nothing="No aligned models yet: nugen-async align -h")
    return Exit.OK


@command("nugen-async deploy model-9 --wait", "nugen-async deploy model-9 model-10")
async def deploy(
    model_ids: Names,
    /,
    *,
    early: Flag = False,
    waiting: Waiting = AT_ONCE,
    common: Common = DEFAULTS,
) -> int:
    """Bring models into service; each costs money until undeployed.

    Parameters
    ----------
    model_ids
        The models' IDs; of the model, not of the alignment.
    early
        Deploy a checkpoint while the model still trains (--contract plural).
    """
    waiting.check()
    async with common.nugen() as nugen:
        jobs, refusals = await _each(
            common, model_ids, lambda model_id: nugen.models.deploy(model_id, early=early)
        )
        return overall((await started_or_ended(common, waiting, nugen, *jobs), *refusals))


@command("nugen-async undeploy model-9", "nugen-async undeploy model-9 model-10 --wait")
async def undeploy(
    model_ids: Names,
    /,
    *,
    waiting: Waiting = AT_ONCE,
    common: Common = DEFAULTS,
) -> int:
    """Take models out of service, so that they cost nothing.

    Parameters
    ----------
    model_ids
        The models' IDs.
    """
    waiting.check()
    async with common.nugen() as nugen:
        jobs, refusals = await _each(common, model_ids, nugen.models.undeploy)
        return overall((await started_or_ended(common, waiting, nugen, *jobs), *refusals))


async def _each(
    common: Common, model_ids: list[str], begin: Callable[[str], Awaitable[J]]
) -> tuple[list[J], list[Exit]]:
    """The jobs that could be begun, and the exit codes of the refusals, which are told at once.

    One refusal hides no other job: what is in service costs money.
    """
    answers = await asyncio.gather(*map(begin, model_ids), return_exceptions=True)
    jobs: list[J] = []
    refusals: list[Exit] = []
    for model_id, answer in zip(model_ids, answers, strict=True):
        if isinstance(answer, NugenError):
            common.screen.warn(Text(f"{printable(model_id)}: {sentence_of(answer)}"))
            refusals.append(exit_for(answer))
        elif isinstance(answer, BaseException):
            raise answer
        else:
            jobs.append(answer)
    return jobs, refusals
