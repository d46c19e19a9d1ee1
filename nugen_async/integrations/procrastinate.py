"""Workflows on any number of machines: a journal in PostgreSQL, and jobs that say "resume workflow K".

``pip install 'nugen-async[procrastinate]'``. A job holds nothing but a key; what it does is what a batch in
one process does. A worker that dies leaves its workflows to the others, which find in the journal what was
sent.

::

    async with Fleet.open("postgresql://...", creates_per_second=5) as fleet:
        await fleet.submit(workflows)                # anywhere
    async with Fleet.open("postgresql://...") as fleet, Nugen() as nugen:
        await fleet.work(nugen)                      # on each machine, until it is stopped
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import procrastinate
from attrs import frozen
from procrastinate import exceptions as procrastinate_errors
from procrastinate.jobs import Job

from .._core.logs import log
from .._core.waiters import ScheduleLike
from ..client import Nugen
from ..errors import ClientStateError
from ..launching.opening import JournalError
from ..launching.outcomes import Outcome, Status, ended, outcome_of, status_of
from ..launching.postgres import PostgresJournal
from ..launching.runner import Runner, Terms
from ..launching.spec import Workflow

QUEUE = "nugen"
TASK = "nugen_async.resume"
_CREATES = 8
_MOST_TRIES = 10
"""Of a job that fails by a mistake of ours; a lost database or a stopped worker is tried for ever."""


class _Again(procrastinate.BaseRetryStrategy):
    """When a job that did not end its workflow runs again."""

    def get_retry_decision(
        self, *, exception: BaseException, job: Job
    ) -> procrastinate.RetryDecision | None:
        if isinstance(exception, asyncio.CancelledError | procrastinate_errors.JobAborted):
            return procrastinate.RetryDecision(retry_in={"seconds": 0})
        passing = isinstance(exception, JournalError | ClientStateError)
        if not passing and job.attempts >= _MOST_TRIES:
            return None
        return procrastinate.RetryDecision(retry_in={"seconds": min(60, 2**job.attempts)})


@frozen(kw_only=True)
class _Bench:
    """What a worker's jobs work with; made anew when the database was away."""

    journal: PostgresJournal
    runner: Runner


class Fleet:
    """Workflows in a database, and the jobs that run them. Made by `Fleet.open`, used as ``async with``."""

    def __init__(self, database: str, *, creates_per_second: float | None = None) -> None:
        self._database = database
        self._pace = creates_per_second
        self._journal: PostgresJournal | None = None
        self._bench: _Bench | None = None
        self._making = asyncio.Lock()
        self._terms = Terms()
        self._nugen: Nugen | None = None
        self.app = procrastinate.App(
            connector=procrastinate.PsycopgConnector(conninfo=database, min_size=1, max_size=4)
        )
        """The procrastinate application, for its own commands and tasks of yours."""
        self._task = self.app.task(name=TASK, queue=QUEUE, retry=_Again())(self._resume)

    @classmethod
    def open(cls, database: str, *, creates_per_second: float | None = None) -> Self:
        """A fleet on *database* (``postgresql://...``); its tables are made when it is entered.

        *creates_per_second* is for all workers together and kept in the database; None leaves it as it is.
        """
        return cls(database, creates_per_second=creates_per_second)

    async def __aenter__(self) -> Self:
        self._journal = await PostgresJournal.open(self._database)
        try:
            if self._pace is not None:
                await self._journal.set_pace(self._pace)
            await self.app.open_async()
            async with self._journal.claim("procrastinate schema"):
                if not await self._has_schema():
                    await self.app.schema_manager.apply_schema_async()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._close()

    async def submit(self, specs: Iterable[Workflow]) -> Sequence[str]:
        """Write a row and a job for each workflow; returns the keys. The same again changes nothing.

        Files are read by the worker that comes to them: give paths that every machine has.
        Raises `InvalidRequestError` for keys that come twice or stand for another workflow.
        """
        keys = await self._opened.admit(list(specs))
        ends = dict(await self._opened.keys())
        await self._defer(key for key in keys if not ended(ends[key]))
        return keys

    async def retry_failed(self) -> int:
        """Give what failed or is unknown another try; returns how many."""
        keys = await self._opened.reopen()
        await self._defer(keys)
        return len(keys)

    async def status(self) -> Status:
        """How many workflows stand how."""
        return status_of(await self._opened.rows())

    async def outcomes(self) -> list[Outcome]:
        """How every workflow that has ended did end."""
        rows = await self._opened.rows()
        return [outcome_of(row, before=True) for row in rows if ended(row.end)]

    async def work(
        self,
        nugen: Nugen,
        *,
        at_once: int = 100,
        wait: bool = True,
        settle: float = 60.0,
        schedule: ScheduleLike = None,
        heartbeat: float = 10.0,
        rescue_after: float = 30.0,
        handle_signals: bool = True,
    ) -> None:
        """Run workflows, *at_once* at a time, until it is stopped.

        SIGINT, SIGTERM or cancelling stop it at once: what it had under way goes on at the server, and on
        another worker. Without *wait* it ends when it has ended all that there is to take. Every *heartbeat*
        seconds it shows that it lives, and *rescue_after* seconds without a sign of it the others take its
        workflows. *settle* and *schedule* are as in `Batch`.
        """
        self._nugen = nugen.with_options(max_retries=_CREATES)
        self._terms = Terms(settle=settle, schedule=schedule)
        rescue = asyncio.create_task(self._rescue(heartbeat, rescue_after))
        try:
            await self.app.run_worker_async(
                queues=[QUEUE],
                concurrency=at_once,
                wait=wait,
                fetch_job_polling_interval=1.0,
                shutdown_graceful_timeout=0.0 if wait else math.inf,
                update_heartbeat_interval=heartbeat,
                stalled_worker_timeout=rescue_after,
                install_signal_handlers=handle_signals,
                delete_jobs="successful",
            )
        finally:
            rescue.cancel()
            await asyncio.gather(rescue, return_exceptions=True)
            await self._put_away()

    # -- inside -----------------------------------------------------------------------------------

    @property
    def _opened(self) -> PostgresJournal:
        if self._journal is None:
            raise ClientStateError("the fleet is not open: use it as `async with Fleet.open(...)`")
        return self._journal

    async def _close(self) -> None:
        await self.app.close_async()
        if self._journal is not None:
            await self._journal.aclose()
            self._journal = None

    async def _has_schema(self) -> bool:
        rows = await self.app.connector.execute_query_all_async(
            "SELECT to_regclass('procrastinate_jobs') IS NOT NULL AS there"
        )
        return any(row["there"] for row in rows)

    async def _defer(self, keys: Iterable[str]) -> None:
        for key in keys:
            lock = f"{self._opened.series}:{key}"
            with contextlib.suppress(procrastinate_errors.AlreadyEnqueued):
                await self._task.configure(lock=lock, queueing_lock=lock).defer_async(key=key)

    async def _resume(self, key: str) -> None:
        """The task: go on with one workflow until it ends, unless it has ended."""
        bench = await self._current()
        async with bench.journal.claim(f"workflow:{key}"):
            row = await bench.journal.row(key)
            if not ended(row.end):
                await bench.runner.resume(key, row.spec, row.progress)

    async def _current(self) -> _Bench:
        """A runner whose journal has its connection."""
        async with self._making:
            if self._bench is None or self._bench.journal.broken:
                await self._put_away()
                if self._nugen is None:
                    raise ClientStateError("this fleet is not at work")
                journal = await PostgresJournal.open(self._database)
                self._bench = _Bench(
                    journal=journal, runner=Runner(self._nugen, journal, self._terms)
                )
            return self._bench

    async def _put_away(self) -> None:
        if self._bench is not None:
            bench, self._bench = self._bench, None
            await bench.runner.aclose()
            await bench.journal.aclose()

    async def _rescue(self, every: float, after: float) -> None:
        """Put jobs whose worker has died back into the queue, again and again."""
        while True:
            try:
                stalled = await self.app.job_manager.get_stalled_jobs(
                    queue=QUEUE, seconds_since_heartbeat=after
                )
                for job in stalled:
                    log.warning("%s: its worker has died; another takes it over", job.task_kwargs)
                    await self.app.job_manager.retry_job(job, retry_at=datetime.now(UTC))
            except procrastinate_errors.ConnectorException as error:
                log.info("no rescue: %s", error)  # the database is away, or another was faster
            await asyncio.sleep(every)
