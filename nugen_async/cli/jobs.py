"""``watch`` and ``status``: jobs that run already, by id, by kind and id, or by resume token."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated

from cyclopts import Parameter

from ..errors import NugenError
from ..resources._records import Job
from .common import DEFAULTS, LOOK, Common, Patience, command
from .exits import Exit, overall
from .follow import Client, Result, complain, made_by, waited
from .refs import SEEKR, ref_of, token_of
from .screen import Column, duration, percent

_AT_ONCE = 16
_FEW = 16
"""More jobs than this are not looked at one by one before the waiting, which can do it by lists."""

Jobs = Annotated[list[str], Parameter(negative="", show_default=False)]


@asynccontextmanager
async def resumed(
    common: Common, refs: Sequence[str]
) -> AsyncGenerator[list[tuple[Client, list[Job]]]]:
    """The clients that *refs* need, each with its jobs; no request is made."""
    tokens = [token_of(ref) for ref in refs]
    async with AsyncExitStack() as stack:
        groups: list[tuple[Client, list[Job]]] = []
        for service in dict.fromkeys(service for service, _ in tokens):
            client: Client = await stack.enter_async_context(
                common.seekr() if service == SEEKR else common.nugen()
            )
            jobs = {
                ref_of(job): job for s, t in tokens if s == service for job in [client.resume(t)]
            }
            groups.append((client, list(jobs.values())))
        yield groups


@command(
    "nugen-async watch al-7f3a",
    "nugen-async watch alignment/al-7f3a evaluation/ev-12 --timeout 3600",
    "nugen-async watch data-job/dj-5             # SeekrFlow",
    "nugen-async watch al-7f3a al-81b0 --jsonl   # one line as each ends",
    group=LOOK,
)
async def watch(jobs: Jobs, /, *, timeout: Patience = None, common: Common = DEFAULTS) -> int:
    """Wait for jobs that run already, however they were started.

    Ctrl-C stops the watching, not the jobs. A hundred jobs cost few more requests than one.

    A bare ID is an alignment's; other jobs are written KIND/ID. The kinds are
    evaluation, benchmark, document, deployment and undeployment (with a model's ID),
    and of SeekrFlow training-pairs, data-job and ingestion.

    Parameters
    ----------
    jobs
        An alignment's ID, KIND/ID, or a resume token.
    timeout
        Give up after so many seconds; the jobs go on.
    """
    async with resumed(common, jobs) as groups:
        there: list[tuple[Client, list[Job]]] = []
        gone: list[Result] = []
        for client, asked in groups:
            if len(asked) > _FEW:
                there.append((client, asked))
                continue
            looks = await look_at(asked)
            there.append((client, [look.job for look in looks if not _hopeless(look)]))
            gone += [look for look in looks if _hopeless(look)]
        return await waited(common, there, timeout, known=gone)


def _hopeless(look: Result) -> bool:
    """Whether waiting will not help: no such job, or not for this key. Other troubles may pass."""
    return look.exit in {Exit.NOT_FOUND, Exit.DENIED}


async def look_at(jobs: Sequence[Job]) -> list[Result]:
    """One look at each of *jobs*."""
    slots = asyncio.Semaphore(_AT_ONCE)

    async def look(job: Job) -> Result:
        async with slots:
            try:
                return Result(ref_of(job), await job.refresh(), None)
            except NugenError as error:
                return Result(ref_of(job), job, error)

    return await asyncio.gather(*map(look, jobs))


LOOKS: tuple[Column[Result], ...] = (
    Column("job", lambda look: look.ref, fold=True),
    Column("status", lambda look: look.job.status),
    Column("done", lambda look: percent(look.job.hints().progress), right=True, rank=1),
    Column("left", lambda look: _left(look.job), right=True, rank=2),
    Column("made", lambda look: made_by(look.job), rank=3, fold=True),
    Column("reason", lambda look: look.job.reason, rank=4, fold=True),
)


def _left(job: Job) -> str:
    left = job.hints().left
    return "" if left is None or job.phase.ended else duration(left)


@command(
    "nugen-async status al-7f3a",
    "nugen-async status deployment/model-9 --json",
    group=LOOK,
)
async def status(jobs: Jobs, /, *, common: Common = DEFAULTS) -> int:
    """Show how jobs stand, with one look each.

    Parameters
    ----------
    jobs
        An alignment's ID, KIND/ID, or a resume token, as for "nugen-async watch".
    """
    async with resumed(common, jobs) as groups:
        looks = [look for _, asked in groups for look in await look_at(asked)]
    screen = common.screen
    shown = looks if not screen.human else [look for look in looks if look.error is None]
    screen.rows(shown, LOOKS, as_json=Result.as_json)
    for look in looks:
        complain(screen, look)
    return overall(look.exit for look in looks)
