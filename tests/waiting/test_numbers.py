"""What many waits cost together, counted on the server."""

from __future__ import annotations

import asyncio
import statistics
from collections import Counter

import pytest

from nugen_async import Alignment, Ready, WaitTimeoutError
from nugen_async.simulator import Delay, Fault, Lag, RateLimit, Simulator, Status

from ..clock import VirtualLoop
from .conftest import DETAIL, LOOK, Open, Site, opened


async def ended(s: Site, count: int) -> dict[str, float]:
    """Launch *count* alignments at once, wait for all of them; the lag of each in seconds."""
    jobs = await s.start_many(count)
    lags: dict[str, float] = {}
    async for outcome in s.nugen.wait_many(jobs):
        assert isinstance(outcome, Ready)
        lags[outcome.job.id] = s.sim.now - s.sim.world.alignments[outcome.job.id].end
    return lags


def by_second(sim: Simulator) -> Counter[int]:
    return Counter(int(e.at) for e in sim.log if e.method == "GET")


@pytest.mark.parametrize("count", [1, 10, 100])
async def test_a_round_never_takes_more_than_the_cheaper_way_and_the_ends(
    site: Open, count: int
) -> None:
    async with site(minutes=30, sigma=0.3, estimates="right", progress="absent") as s:
        await ended(s, count)
        ends = Counter(int(s.sim.world.alignments[i].end) for i in s.sim.world.alignments)
        for second, requests in by_second(s.sim).items():
            finished = sum(ends[t] for t in range(second - 120, second + 1))
            assert requests <= count + finished
            listed = len(
                s.sim.log.requests(operation="list_alignments", since=second, until=second + 1)
            )
            assert listed <= 1


async def test_good_estimates_keep_requests_and_lag_small(site: Open) -> None:
    async with site(minutes=45, sigma=0.8, estimates="right", progress="absent") as s:
        lags = await ended(s, 300)
        looks = s.looks / 300
        size = s.sim.log.bytes_out / 300
    assert looks <= 3
    assert statistics.mean(lags.values()) <= 4
    assert size <= 0.35e6


async def test_estimates_that_are_steadily_off_still_shorten_the_lag(site: Open) -> None:
    cost: dict[str, tuple[float, float]] = {}
    for estimates in ("rough", "absent"):
        async with site(minutes=20, sigma=0.5, estimates=estimates, progress="absent") as s:
            lags = await ended(s, 100)
            cost[estimates] = s.looks / 100, statistics.mean(lags.values())
    assert cost["rough"][0] <= 1.15 * cost["absent"][0]
    assert cost["rough"][1] <= 0.75 * cost["absent"][1]


async def test_one_job_costs_half_of_expo_at_a_smaller_lag(site: Open) -> None:
    async with site(minutes=45, estimates="right", progress="absent") as s:
        ours = await ended(s, 1)
        looks = s.looks
    # expo capped at 60 s needs 2,700 / 60 and the six steps up to it.
    assert looks <= (2700 / 60 + 6) / 2
    assert max(ours.values()) <= 30


def test_one_cancelled_waiter_changes_no_request_of_the_others() -> None:
    async def requests(*, cancelled: bool) -> list[tuple[float, str]]:
        async with opened(minutes=30, sigma=0.3, estimates="right", progress="absent") as s:
            jobs = [await s.start(f"n{number}") for number in range(100)]
            waits = [asyncio.create_task(job.wait_until_ready()) for job in jobs]
            twin = asyncio.create_task(jobs[7].wait_until_ready())
            await asyncio.sleep(600)
            if cancelled:
                twin.cancel()
            await asyncio.gather(*waits, twin, return_exceptions=True)
            return [(entry.at, entry.path) for entry in s.sim.log]

    def run(*, cancelled: bool) -> list[tuple[float, str]]:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            return runner.run(requests(cancelled=cancelled))

    assert run(cancelled=True) == run(cancelled=False)


async def test_a_batch_launched_at_once_does_not_peak(site: Open) -> None:
    async with site(minutes=45, sigma=0.8, estimates="right", progress="absent") as s:
        await ended(s, 100)
        first_minute = [n for t, n in by_second(s.sim).items() if t < 60]
    assert max(first_minute) <= 2 * max(1, statistics.mean(first_minute))


@pytest.mark.usefixtures("aiohttp_in_virtual_time")
@pytest.mark.parametrize("interval", [30, 60])
async def test_looks_far_apart_reuse_their_connection(site: Open, interval: int) -> None:
    async with site(minutes=240) as s:
        alignment = await s.start()
        await alignment.wait_until_ready(schedule=interval)
        looks = s.sim.log.requests(operation="alignment_status")
        assert len(looks) > 200
        assert len({e.connection for e in looks}) <= 1 + 0.01 * len(looks)


@pytest.mark.usefixtures("aiohttp_in_virtual_time")
async def test_creates_never_go_out_on_a_connection_that_was_idle_for_long(site: Open) -> None:
    async with site() as s:
        for _ in range(5):
            await s.start()
            await asyncio.sleep(3)
        creates = s.sim.log.requests(operation="create_alignment")
        assert len({e.connection for e in creates}) == 5
        for _ in range(5):
            await s.start()
            await asyncio.sleep(1)
        creates = s.sim.log.requests(operation="create_alignment")[5:]
        assert len({e.connection for e in creates}) == 1


async def test_a_list_that_lags_loses_no_job(site: Open) -> None:
    async with site(minutes=10, sigma=0.3, faults=[Fault(effect=Lag(120), path="project$")]) as s:
        lags = await ended(s, 60)
    assert len(lags) == 60


async def test_a_limited_server_is_not_polled_to_death(site: Open) -> None:
    limit = RateLimit(rate=5, burst=5)
    async with site(minutes=10, sigma=0.3) as s:
        jobs = await s.start_many(100)
        s.sim.world.rate_limit = limit
        outcomes = [o async for o in s.nugen.wait_many(jobs)]
    assert {type(o) for o in outcomes} == {Ready}
    assert limit.excess <= 0.05 * (limit.served + limit.excess)


def lists(s: Site) -> int:
    return s.requests("list_alignments")


async def trickle(
    s: Site, size: int, pause: float, *, slow: float
) -> list[asyncio.Task[Alignment]]:
    """Begin to wait for 300 jobs by their ids, so many at once, while a list takes *slow* seconds."""
    jobs = await s.start_many(300)
    s.sim.world.inject(Fault(effect=Delay(slow), operation="list_alignments"))
    s.sim.log.clear()
    waits: list[asyncio.Task[Alignment]] = []
    for start in range(0, 300, size):
        handles = [s.nugen.alignments.handle(job.id) for job in jobs[start : start + size]]
        waits += [asyncio.create_task(each.wait_until_ready()) for each in handles]
        await asyncio.sleep(pause)
    await asyncio.sleep(1.5)
    return waits


async def test_waits_that_begin_one_after_the_other_share_their_first_lists(site: Open) -> None:
    async with site(minutes=60, progress="absent") as s:
        waits = await trickle(s, 20, 0.01, slow=0.5)
        assert (lists(s), s.looks - lists(s)) == (2, 0)
        await asyncio.gather(*waits)


@pytest.mark.parametrize("seconds", [0.0, 0.02])
async def test_a_trickle_of_waits_costs_one_list_a_second(site: Open, seconds: float) -> None:
    async with site(minutes=60, progress="absent") as s:
        waits = await trickle(s, 10, 0.1, slow=seconds)
        assert lists(s) <= 6
        assert s.looks - lists(s) <= 10
        await asyncio.gather(*waits)


async def test_a_last_look_does_not_wait_for_a_list_under_way(site: Open) -> None:
    async with site(minutes=60, progress="absent") as s:
        jobs = await s.start_many(30)
        handles = [s.nugen.alignments.handle(job.id) for job in jobs]
        s.sim.world.inject(Fault(effect=Delay(50), operation="list_alignments"))
        patient = [asyncio.create_task(each.wait_until_ready()) for each in handles[:15]]
        await asyncio.sleep(1)
        started = asyncio.get_running_loop().time()
        waits = [each.wait_until_ready(5, raise_on_failure=False) for each in handles[15:]]
        ends = await asyncio.gather(*waits, return_exceptions=True)
        assert asyncio.get_running_loop().time() - started == pytest.approx(5)
        assert {type(end) for end in ends} == {WaitTimeoutError}
        assert s.requests("alignment_status") == 15
        await asyncio.gather(*patient)


async def test_jobs_that_only_the_list_can_tell_of_share_it(site: Open) -> None:
    async with site(minutes=30, estimates="right", progress="absent") as s:
        jobs = await s.start_many(200)
        s.sim.world.inject(Fault(effect=Status(502), path=LOOK))
        s.sim.world.inject(Fault(effect=Status(502), path=DETAIL))
        ends = [outcome async for outcome in s.nugen.wait_many(jobs)]
        end = s.sim.world.alignments[jobs[0].id].end
        after = s.sim.log.requests(operation="list_alignments", since=end)
    assert {type(end) for end in ends} == {Ready}
    assert len(after) <= 20


async def test_one_refused_list_is_no_reason_to_ask_for_each_job(site: Open) -> None:
    for status in (429, 500):
        async with site(minutes=600, progress="absent") as s:
            jobs = await s.start_many(200)
            fault = Fault(effect=Status(status), operation="list_alignments", times=1)
            s.sim.world.inject(fault)
            handles = [s.nugen.alignments.handle(job.id) for job in jobs]
            waits = [asyncio.create_task(handle.wait_until_ready()) for handle in handles]
            await asyncio.sleep(10)
            assert (lists(s), s.looks - lists(s)) == (2, 0)
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)


async def test_many_who_wait_for_a_while_for_one_job_share_their_last_looks(site: Open) -> None:
    async with site(minutes=60, progress="absent") as s:
        job = await s.start()
        s.sim.log.clear()

        async def poll(after: float) -> None:
            await asyncio.sleep(after)
            with pytest.raises(WaitTimeoutError):
                await job.wait_until_ready(25)

        await asyncio.gather(*(poll(number / 20) for number in range(500)))
        assert s.looks <= 50


@pytest.mark.parametrize("seconds", [0.2, 1.0, 3.0])
async def test_last_looks_through_a_slow_list_are_in_before_the_deadline(
    site: Open, seconds: float
) -> None:
    async with site(minutes=9, estimates="absent", progress="absent") as s:
        s.sim.world.inject(Fault(effect=Delay(seconds), operation="list_alignments"))
        jobs = await s.start_many(200)
        end = max(job.end for job in s.sim.world.alignments.values())
        timeout = end + 20 - s.sim.now
        ends = [outcome async for outcome in s.nugen.wait_many(jobs, timeout=timeout)]
    assert {type(end) for end in ends} == {Ready}
