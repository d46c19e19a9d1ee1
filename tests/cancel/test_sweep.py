"""A call may be cancelled at any moment: the caller gets `CancelledError`, and nothing of it stays behind."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field

from nugen_async import (
    Alignment,
    ClientClosedError,
    CreateOutcomeUnknownError,
    Nugen,
    NugenError,
    Upload,
)
from nugen_async.resources._uploads import opened as opened_file
from nugen_async.simulator import Delay, Fault, Simulator, Span, Status, Times, World

from .driver import WHENS, Cut, When, after_turns, cut, settle

CONNECTIONS = 4
QUIET = 2 * 3600.0


@define
class Site:
    sim: Simulator
    nugen: Nugen
    job: Alignment
    others: list[Alignment] = field(factory=list)

    def assert_quiet(self) -> None:
        """Every slot is free, nobody is waited for, and no task is left but the server's."""
        assert [t for t in asyncio.all_tasks() if not _is_the_tests(t)] == []
        gate = self.nugen._api.transport.gate
        assert gate._free == CONNECTIONS
        assert not any(turn for queue in gate._queues for turn in queue if not turn.done())
        for poller in self.nugen._pollers.values():
            assert poller.idle


def _is_the_tests(task: asyncio.Task[Any]) -> bool:
    name: str = getattr(task.get_coro(), "__qualname__", "")
    return task is asyncio.current_task() or name.startswith("RequestHandler.")


def world(**settings: Any) -> World:
    times = Times(alignment=Span(40.0, 0.0), document=Span(5.0, 0.0), queue=Span(0.0))
    return World(**{"seed": 1, "times": times, "trusting": True, **settings})


@asynccontextmanager
async def opened(**settings: Any) -> AsyncGenerator[Site]:
    """One job that runs, and a client; at the end no task is left and no warning waits to be seen."""
    async with Simulator(world=world(**settings)) as sim:
        async with Nugen("test-key", base_url=sim.url, connections=CONNECTIONS) as nugen:
            make = nugen.alignments.create
            job, *others = [
                await make(name=f"n{i}", base_model="b", document_ids=["d"]) for i in range(3)
            ]
            yield Site(sim, nugen, job, others)
        await settle()
        assert [t for t in asyncio.all_tasks() if t is not asyncio.current_task()] == []
    gc.collect()


async def create(site: Site) -> None:
    await site.nugen.alignments.create(name="new", base_model="b", document_ids=["d"])


async def reconcile(site: Site) -> None:
    lost = Fault(effect=Status(500, handled=True), operation="create_alignment", times=1)
    site.sim.world.inject(lost)
    make = site.nugen.alignments.create
    await make(
        name=f"new {site.sim.log.total}",
        base_model="b",
        document_ids=["d"],
        on_unknown="reconcile",
    )


async def deploy(site: Site) -> None:
    aligned = await site.job.wait_until_ready()
    deployment = await site.nugen.models.deploy(aligned.model_id or "")
    await deployment.wait_until_ready()


async def upload(site: Site) -> None:
    await site.nugen.documents.upload(Upload("notes.txt", b"x" * 600_000))


async def wait(site: Site) -> None:
    await site.job.wait_until_ready(3600)


async def look(site: Site) -> None:
    handles = [site.nugen.alignments.handle(job.id) for job in (site.job, site.job, *site.others)]
    async with asyncio.TaskGroup() as group:
        for job in handles:
            group.create_task(job.wait_until_ready(3600))


async def refresh(site: Site) -> None:
    await site.job.refresh()


async def wait_with_a_slow_callback(site: Site) -> None:
    async def slow(_: Alignment) -> None:
        await asyncio.sleep(3)

    await site.job.wait_until_ready(3600, on_update=slow)


async def wait_many(site: Site) -> None:
    async def slow(_: Alignment) -> None:
        await asyncio.sleep(3)

    outcomes = site.nugen.wait_many([site.job, *site.others], timeout=3600, on_update=slow)
    try:
        async for _ in outcomes:
            pass
    finally:
        await outcomes.aclose()


async def updates(site: Site) -> None:
    changes: Any = site.job.updates(3600)
    try:
        async for _ in changes:
            pass
    finally:
        await changes.aclose()


async def stream(site: Site) -> None:
    async with site.nugen.inference.stream_complete(
        model="nugen-flash-instruct", prompt="p", max_tokens=5
    ) as chunks:
        async for _ in chunks:
            pass


async def listing(site: Site) -> None:
    rows: Any = site.nugen.evaluations.list().pages()
    try:
        async for _ in rows:
            pass
    finally:
        await rows.aclose()


USES: list[Callable[[Site], Awaitable[None]]] = [
    create,
    reconcile,
    upload,
    deploy,
    wait,
    look,
    refresh,
    wait_with_a_slow_callback,
    wait_many,
    updates,
    stream,
    listing,
]
MADE = {create, reconcile, upload, deploy}


async def quiet_for_long(site: Site) -> None:
    """Nothing is asked while nobody waits."""
    await settle()
    site.assert_quiet()
    before = site.sim.log.total
    await asyncio.sleep(QUIET)
    assert site.sim.log.total == before


@pytest.mark.parametrize("when", WHENS, ids=lambda when: when.__name__)
@pytest.mark.parametrize("use", USES, ids=lambda use: use.__name__)
async def test_cancelled_at_every_suspension(use: Any, when: When) -> None:
    for at in range(1, 500):
        where = Cut(at)
        async with opened(faults=[Fault(effect=Delay(0.1), share=0.5)]) as site:
            posts = site.sim.log.count("POST")
            task = asyncio.create_task(_coroutine(cut(use(site), where, when)))
            done, _ = await asyncio.wait({task}, timeout=4000)
            assert done
            if where.struck:
                assert task.cancelled() or task.exception() is None
                if when.__name__ != "waking":
                    assert task.cancelled()
            else:
                task.result()
            if use in MADE:
                assert site.sim.log.count("POST") - posts <= 1
            await quiet_for_long(site)
        if not where.struck:
            return
    pytest.fail("it never ended")


async def _coroutine(work: Any) -> Any:
    return await work


@pytest.mark.parametrize("use", USES, ids=lambda use: use.__name__)
async def test_cancelled_in_every_turn(use: Any) -> None:
    async with opened() as site:
        for turns in range(60):
            cutter: asyncio.Task[None]
            task: asyncio.Task[None]
            box: list[asyncio.Task[None]] = []

            async def late(turns: int = turns, box: list[asyncio.Task[None]] = box) -> None:
                await asyncio.sleep(0)
                await after_turns(box[0], turns)

            cutter = asyncio.create_task(late())
            task = asyncio.create_task(use(site))
            box.append(task)
            done, _ = await asyncio.wait({task}, timeout=4000)
            await cutter
            assert done
            assert task.cancelled() or task.exception() is None
            await settle()
            site.assert_quiet()


@pytest.mark.parametrize("when", WHENS, ids=lambda when: when.__name__)
async def test_a_close_that_is_cancelled_has_closed_all_the_same(when: When) -> None:
    for at in range(1, 50):
        where = Cut(at)
        async with opened(faults=[Fault(effect=Delay(1.0), method="GET")]) as site:
            nugen, transport = site.nugen, site.nugen._api.transport
            jobs: list[Any] = [
                nugen.alignments.handle(each.id) for each in (site.job, *site.others)
            ]
            jobs += [nugen.documents.handle("doc-1"), nugen.evaluations.handle("ev-1")]
            waits = [asyncio.create_task(job.wait_until_ready()) for job in jobs]
            await asyncio.sleep(0.5)
            sessions = [transport._sessions._reading, transport._sessions._changing]
            task = asyncio.create_task(_coroutine(cut(nugen.aclose(), where, when)))
            await asyncio.wait({task}, timeout=0.1)
            assert task.done()
            done, left = await asyncio.wait(waits, timeout=0.1)
            assert not left
            assert {type(wait.exception()) for wait in done} == {ClientClosedError}
            assert [session is None or session.closed for session in sessions] == [True, True]
        if not where.struck:
            return
    pytest.fail("it never ended")


@pytest.mark.parametrize("when", WHENS, ids=lambda when: when.__name__)
async def test_a_file_that_is_opened_for_nobody_is_closed(tmp_path: Path, when: When) -> None:
    path = tmp_path / "notes.txt"
    path.touch()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    task = asyncio.create_task(_coroutine(cut(opened_file(path), Cut(1), when)))
    await asyncio.wait({task})
    assert task.cancelled()
    await asyncio.to_thread(bool)  # after the one that opens
    await settle()
    links = await asyncio.to_thread(
        lambda: [os.path.realpath(f"/proc/self/fd/{n}") for n in range(99)]
    )
    assert str(path) not in links


async def test_whoever_queues_when_the_client_closes_is_turned_away() -> None:
    async with opened(faults=[Fault(effect=Delay(100.0), method="GET")]) as site:
        calls = [asyncio.create_task(site.job.refresh()) for _ in range(CONNECTIONS + 3)]
        await asyncio.sleep(0.5)
        await site.nugen.aclose()
        done, left = await asyncio.wait(calls, timeout=1.0)  # a pause between two tries
        assert not left
        assert all(isinstance(call.exception(), NugenError) for call in done)
        queued = [call for call in calls if isinstance(call.exception(), ClientClosedError)]
        assert len(queued) >= 3


async def test_a_create_in_flight_when_the_client_closes_is_not_called_refused() -> None:
    async with opened(faults=[Fault(effect=Delay(5.0), method="POST", nth=[4])]) as site:
        call = asyncio.create_task(_coroutine(create(site)))
        await asyncio.sleep(1)
        await site.nugen.aclose()
        with pytest.raises(CreateOutcomeUnknownError):
            await call


async def test_fifty_looks_that_were_cancelled_unborn_leave_their_places() -> None:
    """More of them than there are looks in flight: a lost place each would end all waiting."""
    async with opened() as site:
        for _ in range(60):
            job = site.nugen.alignments.handle(site.job.id)
            task = asyncio.create_task(job.wait_until_ready())
            await asyncio.sleep(0)
            asyncio.get_running_loop().call_soon(task.cancel)
            await asyncio.wait({task})
        await settle()
        site.assert_quiet()
        assert (await site.nugen.alignments.handle(site.job.id).wait_until_ready(3600)).model_id


async def test_a_callback_that_raises_before_it_is_awaited_is_told_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls = 0

    def moody(_: Alignment) -> Awaitable[None]:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise LookupError("moody")
        return asyncio.sleep(30)

    async with opened() as site:
        assert (await site.job.wait_until_ready(schedule=5, on_update=moody)).model_id
    assert calls > 1
    assert [r.levelname for r in caplog.records if "on_update" in r.message] == ["WARNING"]
