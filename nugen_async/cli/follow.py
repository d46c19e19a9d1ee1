"""Waiting for jobs in front of a person: news to the board, ends as values, a way back after Ctrl-C."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from attrs import frozen
from rich.text import Text

from .._core.outcome import Outcome, Ready
from .._core.schedule import Phase
from ..client import Nugen, SeekrFlow
from ..errors import NugenError, printable
from ..resources._records import Job
from ..resources.alignments import Alignment
from ..resources.models import Deployment
from .board import Board, End
from .common import Common, Waiting
from .exits import Exit, exit_for, overall, sentence_of
from .refs import NOTHING, ref_of, titles
from .screen import Column, Screen, plain, plural

Client = Nugen | SeekrFlow
J = TypeVar("J", bound=Job)

_LONG_AGO = datetime.min.replace(tzinfo=UTC)

_ENDS: dict[Exit, End] = {
    Exit.OK: "ok",
    Exit.PARKED: "parked",
    Exit.TIMED_OUT: "open",
    Exit.SERVICE: "open",
}


@frozen
class Result:
    """How one look or one wait ended, ready to be shown."""

    ref: str
    job: Job
    error: NugenError | None
    seconds: float = 0.0
    """How long it was waited for."""

    @property
    def exit(self) -> Exit:
        """The exit code that it alone would have."""
        return Exit.OK if self.error is None else exit_for(self.error)

    @property
    def goes_on(self) -> bool:
        """Whether the job did not end, as far as we know."""
        return self.exit in {Exit.TIMED_OUT, Exit.SERVICE, Exit.PARKED}

    def as_json(self) -> dict[str, Any]:
        """For scripts; `resume_token` goes into ``nugen-async watch``."""
        return {
            "ref": self.ref,
            "exit": self.exit,
            "error": None if self.error is None else str(self.error),
            "seconds": round(self.seconds, 3),
            "resume_token": self.job.resume_token(),
            "job": job_json(self.job),
        }


def job_json(job: Job) -> dict[str, Any]:
    """A snapshot for scripts, with what its status means: nothing where no status was seen."""
    phase = job.phase.value if job.status else None
    return {**plain(job), "phase": phase, "reason": job.reason}


def watch_command(refs: Iterable[str], base_url: str | None = None) -> str:
    """The command line that goes on waiting."""
    words = ["nugen-async", "watch", *refs]
    if base_url:
        words += ["--base-url", base_url]
    return shlex.join(printable(word) for word in words)


async def follow(
    screen: Screen,
    groups: Sequence[tuple[Client, Sequence[Job]]],
    *,
    timeout: float | None = None,
    base_url: str | None = None,
    on_result: Callable[[Result], None] | None = None,
    way_back: bool = True,
    called: Mapping[str, str] = NOTHING,
) -> dict[str, Result]:
    """Wait for jobs of one or several clients; returns how each ended, in the order of their ends.

    The keys are the names that the jobs have now: a document may end under another id. Interrupted, it says
    which jobs go on and how to watch them again, unless the caller knows a better *way_back*. *called* are
    names that the jobs do not say themselves.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    board = Board(screen)
    asked = {ref_of(job): (client, job) for client, jobs in groups for job in jobs}
    pending = dict.fromkeys(asked)
    results: dict[str, Result] = {}

    def changed(ref: str, job: Job) -> None:
        hints = job.hints()
        board.tell(ref, job.status, progress=hints.progress, left=hints.left)

    async def watch(client: Client, ref: str, job: Job) -> None:
        waits = client.wait_many((job,), timeout=timeout, on_update=partial(changed, ref))
        async for outcome in waits:
            del pending[ref]
            result = results[ref] = _result(outcome, loop.time() - began)
            end = _ENDS.get(result.exit, "bad")
            note = outcome.job.reason if result.error is not None else ""
            board.finish(ref, end, outcome.job.status, note)
            if on_result is not None:
                on_result(result)

    try:
        async with board.shown():
            names = titles({ref: job for ref, (_, job) in asked.items()}, called)
            for (ref, (_, job)), title in zip(asked.items(), names, strict=True):
                board.add(ref, title, "" if title in (ref, job.id) else ref)
                if job.status:
                    changed(ref, job)
            await asyncio.gather(*(watch(client, ref, job) for ref, (client, job) in asked.items()))
    except asyncio.CancelledError:
        if pending and way_back:
            tell_how_to_go_on(screen, pending, base_url)
        raise
    return results


def _result(outcome: Outcome[Job], seconds: float) -> Result:
    error = None if isinstance(outcome, Ready) else outcome.error()
    return Result(ref_of(outcome.job), outcome.job, error, seconds)


def tell_how_to_go_on(screen: Screen, refs: Iterable[str], base_url: str | None) -> None:
    """Say that jobs go on without us, and the command that waits for them again."""
    refs = list(refs)
    goes = "goes" if len(refs) == 1 else "go"
    it = "it" if len(refs) == 1 else "them"
    screen.warn(f"{plural(len(refs), 'job')} {goes} on at the server. To watch {it} again:")
    screen.command(watch_command(refs, base_url))


def newest(jobs: Iterable[J]) -> list[J]:
    """*jobs*, the latest first; those of which no time is told stand last."""
    return sorted(jobs, key=lambda job: job.created or _LONG_AGO, reverse=True)


STARTED: tuple[Column[Job], ...] = (
    Column("job", ref_of, fold=True),
    Column("status", lambda job: job.status),
)
RESULTS: tuple[Column[Result], ...] = (
    Column("job", lambda r: r.ref, fold=True),
    Column("status", lambda r: Text(printable(r.job.status or "-"), style=_style(r))),
    Column("took", lambda r: f"{r.seconds:.0f} s", right=True, rank=1),
    Column("made", lambda r: made_by(r.job), rank=2, fold=True),
    Column("reason", lambda r: r.job.reason, rank=3, fold=True),
)


def _style(result: Result) -> str:
    if result.error is None:
        return "green"
    return "yellow" if result.goes_on else "red"


def made_by(job: Job) -> str:
    """What came out of a job that ended well, where that has a name: a model, an endpoint."""
    if job.phase is not Phase.READY:
        return ""
    match job:
        case Alignment():
            return job.model_id or ""
        case Deployment():
            return job.endpoint_url or ""
        case _:
            return ""


def complain(screen: Screen, result: Result) -> None:
    """What went wrong with one job, and what to do; nothing for a good one."""
    if result.error is not None:
        style = "yellow" if result.goes_on else "red"
        screen.warn(Text.assemble((f"{printable(result.ref)}: ", style), sentence_of(result.error)))


async def waited(
    common: Common,
    groups: Sequence[tuple[Client, Sequence[Job]]],
    timeout: float | None,
    *,
    told: bool = True,
    known: Sequence[Result] = (),
    called: Mapping[str, str] = NOTHING,
) -> Exit:
    """Wait for jobs and show how they ended; returns the exit code for all of them.

    With *told* False only bad ends are shown, since something else will tell the good one. *known* are
    ends that need no waiting; *called* as for `follow`.
    """
    screen = common.screen

    def ended(result: Result) -> None:
        if common.jsonl and (told or result.error is not None):
            screen.show(result.as_json())

    for result in known:
        ended(result)
    ends = await follow(
        screen,
        groups,
        timeout=timeout,
        base_url=common.base_url,
        on_result=ended,
        called=called,
    )
    results = [*known, *ends.values()]
    shown = [result for result in results if told or result.error is not None]
    if not common.jsonl and shown:
        screen.rows(shown, RESULTS, as_json=Result.as_json)
    for result in results:
        complain(screen, result)
    if left := [result.ref for result in results if result.goes_on]:
        tell_how_to_go_on(screen, left, common.base_url)
    return overall(result.exit for result in results)


async def started_or_ended(common: Common, waiting: Waiting, client: Client, *jobs: Job) -> Exit:
    """Wait for *jobs* if that is wanted, else tell that they run; returns the exit code."""
    if waiting.wait and jobs:
        return await waited(common, [(client, jobs)], waiting.timeout)
    return started(common, *jobs)


def started(common: Common, *jobs: Job) -> Exit:
    """Tell that *jobs* run, and how to wait for them."""
    screen = common.screen
    if len(jobs) == 1 and screen.form != "jsonl":
        screen.show(job_json(jobs[0]), Text(printable(jobs[0].id)))
    else:
        screen.rows(jobs, STARTED, as_json=job_json)
    if jobs and not screen.quiet:
        screen.say("Started. To wait for the end:")
        screen.command(watch_command(map(ref_of, jobs), common.base_url))
    return Exit.OK
