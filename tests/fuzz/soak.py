"""A long life in virtual time: jobs by the thousand, mixed faults, callers who leave and come back."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import sys
import time
from collections import Counter

from attrs import define, field, frozen

from nugen_async import (
    Alignment,
    CreateOutcomeUnknownError,
    JobFailedError,
    JobUnreachableError,
    Nugen,
    Phase,
)
from nugen_async.simulator import (
    Cut,
    Delay,
    Drop,
    Fault,
    Garble,
    Simulator,
    Span,
    Status,
    Times,
    World,
)
from nugen_async.simulator.chance import aligned_skill, base_skill

AT_ONCE = 200
WARM = 300
"""Jobs before the count of what is left begins: caches are filled then."""
FAULTS = [
    Fault(name="500, handled", effect=Status(500, handled=True), share=0.03),
    Fault(name="502", effect=Status(502), share=0.02),
    Fault(name="reset, handled", effect=Drop(handled=True, reset=True), share=0.02),
    Fault(name="HTML", effect=Garble("html"), share=0.01),
    Fault(name="cut", effect=Cut(), share=0.01),
    Fault(name="429", effect=Status(429, retry_after=1), share=0.002),
    Fault(name="slow", effect=Delay(0.5), share=0.1),
]


@frozen(kw_only=True)
class Mark:
    """How far it is."""

    cpu: float
    """Seconds, of the client and the server together."""
    requests: int
    rows: int
    """What the server's list holds by now."""


@define
class Soak:
    """One client's life on one server."""

    nugen: Nugen
    world: World
    dice: random.Random = field(factory=lambda: random.Random(7))
    gate: asyncio.Semaphore = field(factory=lambda: asyncio.Semaphore(AT_ONCE))
    ends: dict[str, str] = field(factory=dict)
    tally: Counter[str] = field(factory=Counter)
    marks: list[Mark] = field(factory=list)

    async def run(self, count: int) -> None:
        """So many jobs, each to its end or to where nobody knows of it; a mark after each tenth."""
        self.ends, self.tally, self.marks = {}, Counter(), []
        self._mark()
        async with asyncio.TaskGroup() as group:
            for number in range(count):
                task = group.create_task(self._one(number))
                task.add_done_callback(lambda _: self._over(count))

    def _over(self, count: int) -> None:
        self.tally["over"] += 1
        if self.tally["over"] % max(1, count // 10) == 0:
            self._mark()

    def _mark(self) -> None:
        rows, requests = len(self.world.alignments), self.world.log.total
        self.marks.append(Mark(cpu=time.process_time(), requests=requests, rows=rows))

    async def _one(self, number: int) -> None:
        async with self.gate:
            try:
                async with asyncio.timeout(self._whim(0.3, 1)):
                    job = await self.nugen.alignments.create(
                        name=f"n{number}", base_model="b", document_ids=["d"]
                    )
            except CreateOutcomeUnknownError:
                self.tally["unknown"] += 1
                return
            except TimeoutError:
                self.tally["cut off"] += 1
                return
            try:
                ready = await self._waited(job)
            except JobFailedError as error:
                self.ends[error.job_id] = "failed"
            else:
                assert ready.phase is Phase.READY
                self.ends[ready.id] = "ready"

    async def _waited(self, job: Alignment) -> Alignment:
        """Wait for it one way or another; now and then give up and come back, as callers do."""
        while True:
            try:
                async with asyncio.timeout(self._whim(0.3, 3000)):
                    if self.dice.random() < 0.7:
                        return await job.wait_until_ready()
                    *_, last = [each async for each in job.updates()]
                    if last.phase is Phase.FAILED:
                        raise JobFailedError(job=last, job_id=last.id, status=last.status)
                    return last
            except TimeoutError:
                self.tally["left"] += 1
                job = self.nugen.alignments.handle(job.id)
            except JobUnreachableError:
                self.tally["unreachable"] += 1

    def _whim(self, share: float, longest: float) -> float | None:
        return self.dice.uniform(0, longest) if self.dice.random() < share else None

    def agree(self, now: float) -> None:
        """The server's book and what the callers got are the same."""
        jobs = self.world.alignments
        assert all(jobs[job_id].phase(now) == end for job_id, end in self.ends.items())
        assert max(Counter(job.name for job in jobs.values()).values()) == 1
        nowhere = self.tally["unknown"] + self.tally["cut off"]
        assert len(self.ends) <= len(jobs) <= len(self.ends) + nowhere

    async def forget(self) -> int:
        """Empty the server's book and ours, let connections end; so many blocks of memory are left."""
        await asyncio.sleep(3600)
        world = self.world
        for told in (world.alignments, world.models, world.born, world.last_rows, self.ends):
            told.clear()
        for remembered in (
            base_skill.cache_clear,
            aligned_skill.cache_clear,
            self.nugen.alignments._asked.clear,
        ):
            remembered()
        self.world.log.clear()
        gc.collect()
        return sys.getallocatedblocks()


@frozen(kw_only=True)
class Life:
    """What came of it."""

    tally: Counter[str]
    marks: list[Mark]
    virtual: float
    """Seconds of the world."""
    faults: Counter[str]
    blocks: int
    """Blocks of memory that are left for good, beyond those after the first few jobs."""
    sockets: int
    tasks: int
    """Left when the client and the server are closed."""


async def live(count: int, *, warm: int = WARM) -> Life:
    """Warm up, run *count* jobs, see that both sides agree, and count what is left."""
    times = Times(alignment=Span(1800.0, 0.8), queue=Span(20.0, 0.8))
    world = World(seed=5, times=times, trusting=True, faults=FAULTS, failures={"alignment": 0.05})
    before = _sockets()
    async with (
        Simulator(world=world) as sim,
        Nugen("k", base_url=sim.url, max_retries=8, rng=random.Random(3)) as nugen,
    ):
        soak = Soak(nugen, world)
        await soak.run(warm)
        blocks = await soak.forget()
        began = sim.now
        await soak.run(count)
        virtual = sim.now - began
        soak.agree(sim.now)
        tally, marks, faults = soak.tally.copy(), soak.marks, world.log.by_fault.copy()
        tally.update(soak.ends.values())
        (poller,) = nugen._pollers.values()
        assert poller.idle
        assert nugen._api.transport.gate._free == 100
        left = await soak.forget() - blocks
    await asyncio.sleep(0)
    gc.collect()
    return Life(
        tally=tally,
        marks=marks,
        virtual=virtual,
        faults=faults,
        blocks=left,
        sockets=_sockets() - before,
        tasks=len(asyncio.all_tasks()) - 1,
    )


def _sockets() -> int:
    """How many this process has open."""
    names = [os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")]  # noqa: PTH208 # names
    return sum("socket:" in name for name in names)
