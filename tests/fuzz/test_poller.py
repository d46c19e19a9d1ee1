"""Whatever callers, jobs and the server do: each wait has one outcome, a true one, and not too early."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Coroutine
from typing import Any

from attrs import define, field
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from nugen_async import (
    Alignment,
    JobFailedError,
    JobUnreachableError,
    Nugen,
    NugenError,
    Phase,
    Timeout,
    WaitTimeoutError,
)
from nugen_async.simulator import (
    Cut,
    Delay,
    Drop,
    Fault,
    Garble,
    Lag,
    NotYet,
    Rows,
    Rule,
    Simulator,
    Span,
    Stall,
    Status,
    Times,
    Word,
    World,
)

from ..clock import VirtualLoop
from .examples import examples

EFFECTS = [
    Status(500),
    Status(503),
    Status(429, retry_after=5),
    Status(404, body={"detail": "no such alignment"}),
    Drop(),
    Drop(reset=True),
    Stall(),
    Delay(3.0),
    Cut(),
    Garble("invalid"),
    Garble("html"),
    Garble("wrong_type"),
    Word("flying"),
    Rows(),
    Rows(extra=(), limit=1),
    Lag(30.0),
    NotYet(20.0),
]
LONG = 3 * 3600.0


@define(eq=False)
class Wait:
    """One caller, what it asked for and what it got."""

    job_ids: tuple[str, ...]
    started: float
    timeout: float | None
    faulty: bool
    task: asyncio.Task[None] | None = None
    ended: float = 0.0
    got: list[Any] = field(factory=list)
    """Jobs and errors, in the order of their coming."""
    cancelled: bool = False
    checked: bool = False


class Waiting(RuleBasedStateMachine):
    """Callers come and go, time passes, jobs end, and the server has its moods."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=VirtualLoop)
        self.loop = self.runner.get_loop()
        self.stack = contextlib.AsyncExitStack()
        self.world = World(seed=3, trusting=True)
        self.jobs: list[Alignment] = []
        self.waits: list[Wait] = []
        self.rules: list[Rule] = []
        self.limited = False
        self.run(self.open())

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    async def open(self) -> None:
        self.sim = await self.stack.enter_async_context(Simulator(world=self.world))
        self.zero = self.loop.time() - self.sim.now
        nugen = Nugen(
            "key",
            base_url=self.sim.url,
            timeout=Timeout(attempt=20.0),
            max_retries=0,
            rng=random.Random(3),  # the same moves must lead to the same state
        )
        self.nugen = await self.stack.enter_async_context(nugen)

    # -- what may happen ------------------------------------------------------------------------

    @rule(
        seconds=st.sampled_from([0.5, 20.0, 300.0, 2700.0]),
        fails=st.booleans(),
        estimates=st.sampled_from(["right", "long", "short", "absent"]),
    )
    def start(self, seconds: float, fails: bool, estimates: Any) -> None:
        self.world.times = Times(alignment=Span(seconds, 0.0), queue=Span(0.0))
        self.world.failures = {"alignment": float(fails)}
        self.world.estimates = estimates
        make = self.nugen.alignments.create
        job = self.run(make(name=f"n{len(self.jobs)}", base_model="b", document_ids=["d"]))
        self.jobs.append(job)

    @precondition(lambda self: self.jobs)
    @rule(
        which=st.integers(0, 50),
        timeout=st.sampled_from([None, None, 0, 0.3, 10.0, 400.0]),
        schedule=st.sampled_from([None, None, 7.0]),
        blank=st.booleans(),
        how=st.sampled_from(["wait", "updates"]),
    )
    def wait(
        self, which: int, timeout: float | None, schedule: float | None, blank: bool, how: str
    ) -> None:
        job = self.jobs[which % len(self.jobs)]
        job = self.nugen.alignments.handle(job.id) if blank else job

        async def wait(into: Wait) -> None:
            into.got.append(await job.wait_until_ready(timeout, schedule=schedule))

        async def updates(into: Wait) -> None:
            last = None
            async for last in job.updates(timeout, schedule=schedule):  # noqa: B007 # the last one counts
                pass
            into.got.append(last)

        self._begin((job.id,), timeout, {"wait": wait, "updates": updates}[how])

    @precondition(lambda self: self.jobs)
    @rule(timeout=st.sampled_from([None, 0, 10.0, 400.0]), blank=st.booleans())
    def wait_for_all(self, timeout: float | None, blank: bool) -> None:
        handle = self.nugen.alignments.handle
        jobs = [handle(job.id) if blank else job for job in self.jobs]

        async def many(into: Wait) -> None:
            async for outcome in self.nugen.wait_many(jobs, timeout=timeout):
                into.got.append(outcome.error() or outcome.job)

        self._begin(tuple(job.id for job in jobs), timeout, many)

    def _begin(self, job_ids: tuple[str, ...], timeout: float | None, act: Any) -> None:
        wait = Wait(job_ids, self.now, timeout, faulty=bool(self.rules) or self.limited)

        async def play() -> None:
            try:
                await act(wait)
            except NugenError as error:
                wait.got.append(error)
            finally:
                wait.ended = self.now

        async def begin() -> None:
            wait.task = asyncio.create_task(play())
            await asyncio.sleep(0)

        self.waits.append(wait)
        self.run(begin())

    @precondition(lambda self: self.alive)
    @rule(which=st.integers(0, 50))
    def cancel(self, which: int) -> None:
        wait = self.alive[which % len(self.alive)]
        assert wait.task is not None
        wait.cancelled = True
        wait.task.cancel()
        self.run(settle())
        assert wait.task.done()

    @rule(seconds=st.sampled_from([0.0, 0.7, 5.0, 31.0, 200.0, 2000.0]))
    def time_passes(self, seconds: float) -> None:
        self.run(settle())
        idle, before = not self.alive, self.sim.log.total
        self.run(asyncio.sleep(seconds))
        if idle:
            assert self.sim.log.total == before, "a request while nobody waits"
        self.check()

    @rule(effect=st.sampled_from(EFFECTS), share=st.sampled_from([0.5, 1.0]))
    def the_server_turns_odd(self, effect: Any, share: float) -> None:
        self.rules.append(self.world.inject(Fault(effect=effect, method="GET", share=share)))
        self.limited |= getattr(effect, "status", 0) == 429  # the pace remembers it
        for wait in self.waits:
            wait.faulty = True

    @precondition(lambda self: self.rules)
    @rule()
    def the_server_recovers(self) -> None:
        self.world.retract()
        self.rules.clear()

    @property
    def now(self) -> float:
        """The time of the world."""
        return self.loop.time() - self.zero

    # -- what must hold -------------------------------------------------------------------------

    @property
    def alive(self) -> list[Wait]:
        return [wait for wait in self.waits if wait.task is not None and not wait.task.done()]

    def check(self) -> None:
        for poller in self.nugen._pollers.values():
            wanted = {job_id for wait in self.alive for job_id in wait.job_ids}
            assert poller.watched <= wanted
        for wait in self.waits:
            if wait.task is not None and wait.task.done() and not wait.checked:
                wait.checked = True
                self.check_one(wait)

    def check_one(self, wait: Wait) -> None:
        assert wait.task is not None
        if wait.cancelled:
            assert wait.task.cancelled() or not wait.task.exception()
        else:
            wait.task.result()
            assert len(wait.got) == len(wait.job_ids)
            assert {self.id_of(each) for each in wait.got} == set(wait.job_ids)
        for each in wait.got:
            self.check_outcome(wait, each)

    @staticmethod
    def id_of(got: Any) -> str:
        return str(got.job_id if isinstance(got, NugenError) else got.id)  # type: ignore[attr-defined] # a JobError

    def check_outcome(self, wait: Wait, got: Any) -> None:
        course = self.world.alignments[self.id_of(got)]
        elapsed = wait.ended - wait.started
        over = course.phase(wait.ended)
        match got:
            case Alignment(phase=Phase.READY):
                assert (over, got.model_id) == ("ready", course.model_id)
            case Alignment(phase=Phase.FAILED) | JobFailedError():
                assert over == "failed"
            case WaitTimeoutError():
                assert wait.timeout is not None
                if wait.timeout:
                    assert abs(elapsed - wait.timeout) < 1e-3
                if wait.timeout and not wait.faulty:
                    assert course.end > wait.started + wait.timeout - 1.0
            case JobUnreachableError():
                assert wait.faulty
            case _:
                raise AssertionError(got)
        if wait.timeout:
            assert elapsed <= wait.timeout + 1e-3

    def teardown(self) -> None:
        try:
            self.world.retract()
            self.run(self.end())
        finally:
            self.run(self.stack.aclose())
            self.runner.close()

    async def end(self) -> None:
        tasks = [wait.task for wait in self.alive if wait.task is not None]
        if tasks:
            _, pending = await asyncio.wait(tasks, timeout=LONG)
            assert not pending, "a wait that nobody ended"
        self.check()
        for poller in self.nugen._pollers.values():
            assert poller.idle
        await self.nugen.aclose()
        await settle()
        mine = asyncio.current_task()
        left = [t for t in asyncio.all_tasks() if t is not mine and "Request" not in repr(t)]
        assert not left


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_waiting() -> None:
    run_state_machine_as_test(Waiting, settings=examples(40, steps=25))
