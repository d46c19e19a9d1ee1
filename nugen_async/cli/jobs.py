"""``watch`` and ``status``: jobs that run already, by id, by kind and id, or by resume token."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated

from attrs import frozen
from cyclopts import Parameter
from rich.text import Text

from ..errors import NugenError
from ..resources._base import Job
from .common import DEFAULTS, Common, Patience, command
from .exits import Exit, exit_for, overall, sentence_of
from .follow import Client, job_json, made_by, waited
from .refs import SEEKR, ref_of, token_of
from .screen import Column, duration, percent

_AT_ONCE = 16

Refs = Annotated[list[str], Parameter(negative="", show_default=False)]


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
)
async def watch(refs: Refs, /, *, timeout: Patience = None, common: Common = DEFAULTS) -> int:
    """Wait for jobs that run already, however they were started.

    The jobs share their requests: a hundred cost little more than one. Ctrl-C stops the watching,
    not the jobs.

    Parameters
    ----------
    refs
        An alignment's ID, KIND/ID, or a resume token. Kinds: alignment, evaluation, benchmark,
        document, deployment, undeployment; SeekrFlow: training-pairs, data-job, ingestion.
    timeout
        Give up after so many seconds; the jobs go on.
    """
    async with resumed(common, refs) as groups:
        return await waited(common, groups, timeout)


@frozen
class Look:
    """One job as it is now, or why that cannot be told."""

    ref: str
    job: Job
    error: NugenError | None

    def as_json(self) -> dict[str, object]:
        """For scripts."""
        return {
            "ref": self.ref,
            "exit": Exit.OK if self.error is None else exit_for(self.error),
            "error": None if self.error is None else str(self.error),
            "job": job_json(self.job),
        }


LOOKS: tuple[Column[Look], ...] = (
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
)
async def status(refs: Refs, /, *, common: Common = DEFAULTS) -> int:
    """Show how jobs stand, with one look each.

    Parameters
    ----------
    refs
        As for "nugen-async watch".
    """
    slots = asyncio.Semaphore(_AT_ONCE)

    async def look(job: Job) -> Look:
        async with slots:
            try:
                return Look(ref_of(job), await job.refresh(), None)
            except NugenError as error:
                return Look(ref_of(job), job, error)

    async with resumed(common, refs) as groups:
        looks = await asyncio.gather(*(look(job) for _, jobs in groups for job in jobs))
    screen = common.screen
    shown = looks if not screen.human else [look for look in looks if look.error is None]
    screen.rows(shown, LOOKS, as_json=Look.as_json)
    for each in looks:
        if each.error is not None:
            screen.warn(Text(f"{each.ref}: {sentence_of(each.error)}"))
    return overall(Exit.OK if each.error is None else exit_for(each.error) for each in looks)
