"""Many workflows at once: specifications in, outcomes out, and nothing lost when the process dies.

A batch is a table, a row a workflow. The row is on the disk before anything is sent and after each step, so
that the same call, run again, goes on where it stopped.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from collections import Counter, deque
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable
from contextlib import aclosing
from types import TracebackType
from typing import Literal, Self

from ._core.waiters import ScheduleLike
from .client import Nugen
from .errors import (
    ClientStateError,
    ConfigurationError,
    CreateOutcomeUnknownError,
    InvalidRequestError,
    JobStalledError,
    WaitTimeoutError,
)
from .journal import Journal
from .launching.course import End
from .launching.ledger import Store
from .launching.making import FAIL
from .launching.outcomes import (
    BatchStoppedError,
    Failed,
    Open,
    Outcome,
    Policy,
    Ready,
    Status,
    TimedOut,
    Unknown,
    WorkflowFailedError,
    ended,
    outcome,
    outcome_of,
    status_of,
    stop_if_hopeless,
)
from .launching.results import WorkflowResult, result_of
from .launching.runner import Runner, Terms
from .launching.spec import Workflow, keys_of
from .launching.stages import OnStep
from .report import from_journal, html

__all__ = [
    "Ask",
    "Batch",
    "BatchStoppedError",
    "Failed",
    "Open",
    "Outcome",
    "Policy",
    "Ready",
    "Status",
    "TimedOut",
    "Unknown",
    "WorkflowFailedError",
]

Ask = Callable[[CreateOutcomeUnknownError], Awaitable[str] | str]
"""Answers ``"create"`` (it is not there: make it), ``"fail"``, or the id of the one to adopt."""

OnUnknown = Literal["fail", "create"] | Ask

_CREATES = 8
"""How often a create that surely was not taken goes out again: a batch meets more rate limits than a call."""


class Batch:
    """Workflows with a journal. Made by `Batch.open`, used as ``async with``."""

    def __init__(
        self,
        target: str | os.PathLike[str],
        nugen: Nugen,
        *,
        on_unknown: OnUnknown = "fail",
        settle: float = 60.0,
    ) -> None:
        if on_unknown not in ("fail", "create") and not callable(on_unknown):
            raise InvalidRequestError(
                f'on_unknown is "fail", "create" or a function, not {on_unknown!r}'
            )
        self._target = target
        self._nugen = nugen.with_options(max_retries=_CREATES)
        self._on_unknown = on_unknown
        self._settle = settle
        self._opened: Store | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    def open(
        cls,
        target: str | os.PathLike[str],
        nugen: Nugen,
        *,
        on_unknown: OnUnknown = "fail",
        settle: float = 60.0,
    ) -> Self:
        """A batch on the journal *target*: a file, or ``postgresql://...`` (extra ``procrastinate``).

        *on_unknown* is for creates of which no look can tell whether they were taken: ``"fail"`` reports
        them as `Unknown`, ``"create"`` takes them as not taken (and may pay twice), a function is asked.
        *settle* is how many seconds the server's lists may take to show something new.

        Entering it raises `JournalLockedError` when another process owns the file, `JournalError` when it
        is torn, foreign or of a newer version.
        """
        return cls(target, nugen, on_unknown=on_unknown, settle=settle)

    async def __aenter__(self) -> Self:
        self._opened = await open_store(self._target)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self._stop(self._tasks)
        finally:
            if self._opened is not None:
                await self._opened.aclose()

    @property
    def _store(self) -> Store:
        if self._opened is None:
            raise ClientStateError("the batch is not open: use it as `async with Batch.open(...)`")
        return self._opened

    async def run(
        self,
        specs: Iterable[Workflow] | AsyncIterable[Workflow] | None = None,
        *,
        at_once: int = 64,
        timeout: float | None = None,
        policy: Policy = "all",
        on_step: OnStep | None = None,
        schedule: ScheduleLike = None,
    ) -> AsyncGenerator[Outcome]:
        """Run workflows, *at_once* at a time; yield one outcome each, as they end.

        Without *specs* it is all that the journal holds. What ended before is yielded as it ended, what was
        under way goes on, what has no row gets one. *timeout* is in seconds for one workflow, *on_step* is
        called with a `Moment` at each step, *schedule* is as in `Job.wait_until_ready`. Leaving the loop
        early leaves everything as it is, and another run goes on; each workflow is in the hands of one run.

        Raises `InvalidRequestError` before anything is sent, for files that cannot be sent, keys that come
        twice or stood for another workflow; `BatchStoppedError` when the policy ended the run.
        """
        if not isinstance(at_once, int) or at_once < 1:
            raise InvalidRequestError(
                f"at_once must be a whole number of at least 1, not {at_once!r}"
            )
        if policy not in ("all", "fail_fast") and not _is_share(policy):
            raise InvalidRequestError(
                f'policy is "all", "fail_fast" or a share from 0 to 1, not {policy!r}'
            )
        if timeout is not None and (not isinstance(timeout, int | float) or not timeout >= 0):
            raise InvalidRequestError(f"a timeout is None or not negative, not {timeout!r}")
        terms = Terms(
            on_step=on_step,
            timeout=timeout,
            schedule=schedule,
            settle=self._settle,
            decide=self._decide(),
        )
        async with Runner(self._nugen, self._store, terms) as runner:
            keys = await self._admit(specs, runner)
            async with aclosing(self._outcomes(runner, keys, at_once, policy)) as outcomes:
                async for outcome in outcomes:
                    yield outcome

    async def results(
        self,
        specs: Iterable[Workflow] | AsyncIterable[Workflow] | None = None,
        *,
        at_once: int = 64,
        timeout: float | None = None,
    ) -> list[WorkflowResult]:
        """Run workflows; returns the results of all when all went well.

        Raises an `ExceptionGroup` with the error of each that did not.
        """
        outcomes = [each async for each in self.run(specs, at_once=at_once, timeout=timeout)]
        errors = [error for each in outcomes if (error := each.error()) is not None]
        if errors:
            raise ExceptionGroup(
                f"{len(errors)} of {len(outcomes)} workflows did not end well", errors
            )
        return [each.result for each in outcomes]

    async def status(self) -> Status:
        """How many workflows stand how; sends nothing."""
        return status_of(await self._store.rows())

    async def outcomes(self) -> list[Outcome]:
        """How every workflow stands, `Open` where it has not ended; sends nothing."""
        return [outcome_of(row, before=True) for row in await self._store.rows()]

    async def report(self, *, title: str = "Alignments") -> str:
        """One self-contained HTML page: what improved, when what ran, what failed and why; sends nothing."""
        return html([from_journal(row) for row in await self._store.rows()], title=title)

    async def retry_failed(self) -> int:
        """Make what failed or is unknown ready for another try; returns how many. `run` goes on with them.

        What is there is kept: only what failed on the server is made anew, and what is unknown is looked
        for again.
        """
        return len(await self._store.reopen())

    # -- inside -----------------------------------------------------------------------------------

    def _decide(self) -> Callable[[CreateOutcomeUnknownError], Awaitable[str]]:
        policy = self._on_unknown

        async def decide(error: CreateOutcomeUnknownError) -> str:
            if isinstance(policy, str):
                return policy
            answer = policy(error)
            said = await answer if inspect.isawaitable(answer) else answer
            return said or FAIL

        return decide

    async def _admit(
        self, specs: Iterable[Workflow] | AsyncIterable[Workflow] | None, runner: Runner
    ) -> list[tuple[str, End]]:
        """The keys to run, and how each stands; rows are written for those that have none."""
        known = await self._store.keys()
        if specs is None:
            return known
        wanted, ends = await _collected(specs), dict(known)
        named = zip(keys_of(wanted), wanted, strict=True)
        await runner.check(spec for key, spec in named if key not in ends)
        keys = await self._store.admit(wanted)
        ends = dict(await self._store.keys())
        return [(key, ends[key]) for key in keys]

    async def _outcomes(
        self, runner: Runner, keys: list[tuple[str, End]], at_once: int, policy: Policy
    ) -> AsyncGenerator[Outcome]:
        left = deque(key for key, end in keys if not ended(end))
        over = deque(key for key, end in keys if ended(end))
        news: asyncio.Queue[Outcome | BaseException] = asyncio.Queue()

        async def work() -> None:
            try:
                while left:
                    news.put_nowait(await self._one(runner, left.popleft()))
            except asyncio.CancelledError as error:
                mine = asyncio.current_task()
                if mine is None or mine.cancelling():
                    raise
                told = RuntimeError("a workflow was cancelled from within, perhaps by a callback")
                told.__cause__ = error
                news.put_nowait(told)
            except Exception as error:  # noqa: BLE001 # whoever reads the outcomes gets it
                news.put_nowait(error)

        tally: Counter[type[Outcome]] = Counter()
        earlier = 0
        tasks = {asyncio.create_task(work()) for _ in range(min(at_once, len(left)))}
        self._tasks |= tasks
        try:
            for _ in keys:
                if over:
                    row = await self._store.row(over.popleft())
                    told: Outcome | BaseException = outcome_of(row, before=True)
                else:
                    told = await news.get()
                if not isinstance(told, Outcome):
                    raise told
                tally[type(told)] += 1
                earlier += told.before and isinstance(told, Failed | Unknown)
                yield told
                stop_if_hopeless(policy, tally, len(keys), earlier)
        finally:
            await self._stop(tasks)

    async def _one(self, runner: Runner, key: str) -> Outcome:
        async with self._store.claim(f"workflow:{key}"):
            row = await self._store.row(key)
            if ended(row.end):
                return outcome_of(row, before=True)
            try:
                course = await runner.resume(key, row.spec, row.progress)
            except (WaitTimeoutError, JobStalledError) as error:
                result = result_of(key, row.spec, (await self._store.row(key)).progress)
                return TimedOut(key=key, result=result, exception=error)
            return outcome(row, course)

    async def _stop(self, tasks: set[asyncio.Task[None]]) -> None:
        stopped = list(tasks)
        self._tasks -= tasks
        for task in stopped:
            task.cancel()
        await asyncio.gather(*stopped, return_exceptions=True)


def _is_share(policy: object) -> bool:
    return isinstance(policy, float | int) and 0 <= policy <= 1


async def _collected(specs: Iterable[Workflow] | AsyncIterable[Workflow]) -> list[Workflow]:
    if isinstance(specs, AsyncIterable):
        found = [spec async for spec in specs]
    elif isinstance(specs, Iterable):
        found = list(specs)
    else:
        raise InvalidRequestError(f"workflows are needed, not one {type(specs).__name__}")
    for spec in found:
        if not isinstance(spec, Workflow):
            raise InvalidRequestError(
                f"a Workflow is needed, not {type(spec).__name__}: Workflow(**row) makes one"
            )
    return found


async def open_store(target: str | os.PathLike[str], *, watch: bool = False) -> Store:
    """The journal at *target*; with *watch* only to look at."""
    text = os.fspath(target)
    if not text.startswith(("postgresql://", "postgres://")):
        return await Journal.open(target, watch=watch)
    try:
        from .launching.postgres import PostgresJournal  # noqa: PLC0415 # an extra
    except ImportError as error:
        raise ConfigurationError(
            f"a journal in PostgreSQL needs more: pip install 'nugen-async[procrastinate]' ({error})"
        ) from error
    return await PostgresJournal.open(text)
