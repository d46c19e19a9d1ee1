"""What a caller of `wait_until_ready` gets."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import pickle
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import backoff
import pytest

from nugen_async import (
    Alignment,
    Cancelled,
    ClientClosedError,
    Evaluation,
    Failed,
    InvalidRequestError,
    JobCancelledError,
    JobFailedError,
    JobStalledError,
    JobUnreachableError,
    NotFoundError,
    Nugen,
    Phase,
    Ready,
    Schedule,
    TimedOut,
    WaitTimeoutError,
)
from nugen_async.simulator import Delay, Fault, NotYet, Rows, Stall, Status, Word

from .conftest import DETAIL, LOOK, Open


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_wait_brings_a_new_snapshot_and_leaves_the_old_one(site: Open) -> None:
    async with site(minutes=45) as s:
        before = await s.start()
        after = await before.wait_until_ready()
    assert (before.phase, after.phase) == (Phase.RUNNING, Phase.READY)
    assert before.id == after.id
    assert after.model_id
    assert after.performance_metrics is not None


async def test_a_job_that_has_ended_costs_no_request(site: Open) -> None:
    async with site(minutes=1) as s:
        ready = await (await s.start()).wait_until_ready()
        before = s.looks
        assert await ready.wait_until_ready() is ready
        assert s.looks == before


async def test_the_lag_is_small_and_the_looks_are_few(site: Open) -> None:
    async with site(minutes=45) as s:
        alignment = await s.start()
        started = now()
        await alignment.wait_until_ready()
        assert now() - started - 45 * 60 <= 60
        assert s.looks <= 40


async def test_a_failure_raises_with_the_job_and_its_reason(site: Open) -> None:
    async with site(minutes=5, failures={"alignment": 1.0}) as s:
        alignment = await s.start()
        with pytest.raises(JobFailedError) as caught:
            await alignment.wait_until_ready()
        failed = await alignment.wait_until_ready(raise_on_failure=False)
    error = caught.value
    assert error.job.phase is Phase.FAILED
    assert "502 Bad Gateway" in error.reason
    assert "502 Bad Gateway" in str(error)
    assert failed.phase is Phase.FAILED
    again = pickle.loads(pickle.dumps(error))
    assert (again.job, again.reason, again.resume_token) == (
        error.job,
        error.reason,
        error.resume_token,
    )


async def test_a_stopped_job_is_cancelled_and_a_kind_of_failure(site: Open) -> None:
    async with site(minutes=5, stopped=1.0) as s:
        alignment = await s.start()
        with pytest.raises(JobCancelledError):
            await alignment.wait_until_ready()
        assert issubclass(JobCancelledError, JobFailedError)


@pytest.mark.parametrize("timeout", [0.3, 1.0, 7.0, 100.0, 1234.5])
async def test_a_timeout_is_kept_to_the_turn_and_says_how_to_go_on(
    site: Open, timeout: float
) -> None:
    async with site(minutes=45) as s:
        alignment = await s.start()
        started = now()
        with pytest.raises(WaitTimeoutError) as caught:
            await alignment.wait_until_ready(timeout)
        assert now() - started == pytest.approx(timeout, abs=1e-6)
        assert isinstance(caught.value, TimeoutError)
        assert caught.value.job.phase is Phase.RUNNING
        token = pickle.loads(pickle.dumps(caught.value)).resume_token
        assert (await s.nugen.resume(token).wait_until_ready()).phase is Phase.READY


async def test_the_last_look_finds_a_job_that_ended_since_the_one_before(site: Open) -> None:
    async with site(minutes=10) as s:
        alignment = await s.start()
        ready = await alignment.wait_until_ready(10 * 60 + 1, schedule=3600)
    assert ready.phase is Phase.READY


@pytest.mark.parametrize("timeout", [0.5, 30.0, 400.0])
async def test_a_stalled_server_does_not_move_the_deadline(site: Open, timeout: float) -> None:
    async with site(minutes=45) as s:
        alignment = await s.start()
        s.sim.world.inject(Fault(effect=Stall(), method="GET"))
        started = now()
        with pytest.raises(WaitTimeoutError):
            await alignment.wait_until_ready(timeout)
        assert now() - started == pytest.approx(timeout, abs=1e-6)


async def test_a_timeout_tells_what_the_last_look_met(site: Open) -> None:
    async with site(minutes=45) as s:
        with pytest.raises(
            WaitTimeoutError, match=r"was not seen in 30 s .*answered 404"
        ) as caught:
            await s.nugen.alignments.handle("nobodys").wait_until_ready(30)
        assert isinstance(caught.value.last, NotFoundError)
        assert caught.value.__cause__ is caught.value.last
        assert isinstance(pickle.loads(pickle.dumps(caught.value)).last, NotFoundError)

        alignment = await s.start()
        with pytest.raises(WaitTimeoutError, match="still 'PROCESSING' after 30 s; it goes on"):
            await alignment.wait_until_ready(30)


async def test_timeout_0_is_one_look(site: Open) -> None:
    async with site(minutes=10) as s:
        alignment = await s.start()
        with pytest.raises(WaitTimeoutError):
            await alignment.wait_until_ready(0)
        assert s.requests("alignment_status") == 1
        await asyncio.sleep(601)
        assert (await alignment.wait_until_ready(0)).phase is Phase.READY


@pytest.mark.parametrize(
    "terms",
    [
        {"timeout": -1},
        {"timeout": float("nan")},
        {"timeout": "5"},
        {"timeout": timedelta(hours=1)},
        {"stalled_after": 0},
        {"stalled_after": "5"},
        {"schedule": "often"},
        {"schedule": -1},
    ],
)
async def test_a_limit_that_makes_no_sense_is_refused_before_any_request(
    site: Open, terms: dict[str, Any]
) -> None:
    async with site() as s:
        alignment = await s.start()
        (name,) = terms
        with pytest.raises(InvalidRequestError, match=name.removesuffix("_after")):
            await alignment.wait_until_ready(**terms)
        assert s.looks == 0


async def test_a_handle_needs_no_request_of_its_own(site: Open) -> None:
    async with site(minutes=10) as s:
        alignment = await s.start()
        handle = s.nugen.alignments.handle(alignment.id)
        assert s.looks == 0
        assert (await handle.wait_until_ready()).id == alignment.id


async def test_a_token_is_json_without_a_secret_and_knows_the_age(site: Open) -> None:
    async with site(minutes=45) as s:
        alignment = await s.start()
        told = json.loads(alignment.resume_token())
    assert told == {
        "v": 1,
        "service": "nugen",
        "kind": "alignments",
        "id": alignment.id,
        "created": "2026-03-10T10:00:00+00:00",
    }


@pytest.mark.parametrize(
    "token",
    ["", "x", "[]", "{}", "null", '{"v":1,"service":"seekrflow","kind":"alignment","id":"a"}',
     '{"v":2,"service":"nugen","kind":"alignments","id":"a"}',
     '{"v":1,"service":"nugen","kind":"alignments","id":"a","created":"soon"}'],
)  # fmt: skip
async def test_what_is_no_token_is_refused(site: Open, token: str) -> None:
    async with site() as s:
        with pytest.raises(InvalidRequestError):
            s.nugen.resume(token)


async def test_a_token_of_another_kind_than_wanted_is_refused(site: Open) -> None:
    async with site() as s:
        token = s.nugen.evaluations.handle("e").resume_token()
        assert s.nugen.resume(token, Evaluation).id == "e"
        with pytest.raises(InvalidRequestError, match="evaluations"):
            s.nugen.resume(token, Alignment)


async def test_updates_yield_each_change_and_end_with_the_end(site: Open) -> None:
    async with site(minutes=10) as s:
        alignment = await s.start()
        seen = [snapshot async for snapshot in alignment.updates()]
    assert [x.phase for x in seen[:-1]] == [Phase.RUNNING] * (len(seen) - 1)
    assert seen[-1].phase is Phase.READY
    progress = [x.progress for x in seen]
    assert progress == sorted(set(progress))


async def test_updates_of_a_failed_job_end_without_raising(site: Open) -> None:
    async with site(minutes=10, failures={"alignment": 1.0}) as s:
        seen = [x async for x in (await s.start()).updates()]
    assert seen[-1].phase is Phase.FAILED


async def test_leaving_updates_early_ends_the_polling(site: Open) -> None:
    async with site(minutes=10) as s:
        alignment = await s.start()
        updates = alignment.updates()
        await anext(updates)
        await updates.aclose()
        before = s.looks
        await asyncio.sleep(3600)
        assert s.looks == before


async def test_on_update_sees_each_change_in_the_callers_context(site: Open) -> None:
    seen: list[Any] = []
    async with site(minutes=10) as s:
        await (await s.start()).wait_until_ready(on_update=seen.append)
    assert [x.progress for x in seen] == sorted({x.progress for x in seen})
    assert seen[-1].phase is Phase.READY


async def test_a_raising_callback_is_logged_once_and_harms_nobody(
    site: Open, caplog: pytest.LogCaptureFixture
) -> None:
    def bad(_: object) -> None:
        raise ZeroDivisionError

    async with site(minutes=10) as s:
        assert (await (await s.start()).wait_until_ready(on_update=bad)).phase is Phase.READY
    assert [r.message for r in caplog.records if "on_update" in r.message] == [
        "on_update raised; the wait goes on: ZeroDivisionError()"
    ]


async def test_a_slow_callback_neither_delays_the_looks_nor_holds_the_end(site: Open) -> None:
    calls: list[float] = []

    async def slow(_: object) -> None:
        calls.append(now())
        await asyncio.sleep(10_000)

    async with site(minutes=10) as s:
        alignment = await s.start()
        started = now()
        await alignment.wait_until_ready(on_update=slow)
        assert now() - started <= 600 + 30 + 5
        assert len(calls) == 1


async def test_cancelling_one_wait_touches_no_other(site: Open) -> None:
    async with site(minutes=10) as s:
        alignment = await s.start()
        waits = [asyncio.create_task(alignment.wait_until_ready()) for _ in range(3)]
        await asyncio.sleep(100)
        waits[1].cancel()
        results = await asyncio.gather(*waits, return_exceptions=True)
    assert [type(r).__name__ for r in results] == ["Alignment", "CancelledError", "Alignment"]


async def test_waiters_on_one_job_share_its_looks(site: Open) -> None:
    async with site(minutes=10) as s:
        alignment = await s.start()
        await alignment.wait_until_ready()
        alone = s.looks
    async with site(minutes=10) as s:
        alignment = await s.start()
        await asyncio.gather(*(alignment.wait_until_ready() for _ in range(100)))
        assert s.looks <= alone + 2


async def test_closing_the_client_ends_the_waits_with_a_clear_error(site: Open) -> None:
    async with site(minutes=10) as s:
        alignment = await s.start()
        wait = asyncio.create_task(alignment.wait_until_ready())
        await asyncio.sleep(50)
        await s.nugen.aclose()
        with pytest.raises(ClientClosedError, match="they go on"):
            await wait
        with pytest.raises(ClientClosedError):
            await alignment.wait_until_ready()


async def test_an_unknown_word_is_shown_told_once_and_never_the_end(
    site: Open, caplog: pytest.LogCaptureFixture
) -> None:
    async with site(minutes=10) as s:
        alignment = await s.start()
        s.sim.world.inject(Fault(effect=Word("SHUFFLING"), path=LOOK, until=400))
        words = [x.status async for x in alignment.updates()]
    assert "SHUFFLING" in words
    assert words[-1] == "READY"
    assert len([r for r in caplog.records if "SHUFFLING" in r.message]) == 1


async def test_a_job_that_stands_still_is_told_when_asked_to(site: Open) -> None:
    async with site(minutes=600, progress="zero", estimates="absent") as s:
        alignment = await s.start()
        with pytest.raises(JobStalledError) as caught:
            await alignment.wait_until_ready(stalled_after=900)
        assert 900 <= caught.value.still <= 900 + 61
        moving = s.nugen.with_options(max_retries=0).alignments.handle(alignment.id)
        assert moving.id == alignment.id


async def test_trouble_with_the_status_route_is_gone_around(site: Open) -> None:
    async with site(minutes=10) as s:
        alignment = await s.start()
        s.sim.world.inject(Fault(effect=Status(500), path=LOOK))
        assert (await alignment.wait_until_ready()).phase is Phase.READY


async def test_trouble_with_status_and_detail_falls_back_to_the_list(site: Open) -> None:
    async with site(minutes=10) as s:
        alignment = await s.start()
        s.sim.world.inject(Fault(effect=Status(502), path=LOOK))
        s.sim.world.inject(Fault(effect=Status(502), path=DETAIL))
        assert (await alignment.wait_until_ready()).phase is Phase.READY


async def test_a_server_that_stays_down_ends_the_wait_within_the_budget(site: Open) -> None:
    async with site(minutes=600) as s:
        alignment = await s.start()
        s.sim.world.inject(Fault(effect=Status(500), method="GET"))
        started = now()
        with pytest.raises(JobUnreachableError) as caught:
            await alignment.wait_until_ready()
        assert 900 <= now() - started <= 2000
        assert caught.value.failures >= 20
        assert "500" in str(caught.value)
        assert caught.value.resume_token


async def test_a_key_that_is_refused_ends_the_wait_at_once(site: Open) -> None:
    async with site(minutes=600) as s:
        alignment = await s.start()
        s.sim.world.inject(Fault(effect=Status(401, {"detail": "expired"}), method="GET"))
        with pytest.raises(JobUnreachableError, match="expired"):
            await alignment.wait_until_ready()
        assert s.looks == 1


async def test_a_404_just_after_create_is_given_a_grace(site: Open) -> None:
    async with site(minutes=10) as s:
        s.sim.world.inject(Fault(effect=NotYet(45), method="GET"))
        alignment = await s.start()
        assert (await alignment.wait_until_ready()).phase is Phase.READY


async def test_a_404_that_stays_is_reported_after_the_grace(site: Open) -> None:
    async with site(minutes=10) as s:
        started = now()
        with pytest.raises(JobUnreachableError, match="404") as caught:
            await s.nugen.alignments.handle("alignment-nobody").wait_until_ready()
        assert isinstance(caught.value.last, NotFoundError)
        assert str(caught.value).startswith("the server knows no alignment alignment-nobody ")
        assert 60 <= now() - started <= 150


async def test_any_backoff_generator_sets_the_pace(site: Open) -> None:
    async with site(minutes=10) as s:
        alignment = await s.start()
        await alignment.wait_until_ready(schedule=lambda: backoff.constant(100))
        times = [round(e.at) for e in s.sim.log.requests(operation="alignment_status")]
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert set(gaps) <= {100, 101}


async def test_a_number_is_a_fixed_interval(site: Open) -> None:
    async with site(minutes=10) as s:
        alignment = await s.start()
        await alignment.wait_until_ready(schedule=60)
        assert s.looks <= 13


async def test_retry_after_on_a_look_is_a_floor(site: Open) -> None:
    async with site(minutes=10) as s:
        alignment = await s.start()
        refuse = Status(429, {"detail": "slow"}, retry_after=120)
        s.sim.world.inject(Fault(effect=refuse, path=LOOK, times=1))
        await alignment.wait_until_ready()
        times = [e.at for e in s.sim.log.requests(operation="alignment_status")]
    assert times[1] - times[0] >= 120


async def test_explain_says_why_the_next_look_is_when_it_is(site: Open) -> None:
    async with site(minutes=10) as s:
        alignment = await s.start()
        assert "nobody waits" in alignment.explain()
        wait = asyncio.create_task(alignment.wait_until_ready(schedule=Schedule()))
        await asyncio.sleep(100)
        assert "next look in" in alignment.explain()
        await wait


async def test_an_empty_id_is_refused(site: Open) -> None:
    async with site() as s:
        with pytest.raises(InvalidRequestError):
            s.nugen.alignments.handle(" ")


async def test_a_wait_logs_nothing_by_default(
    site: Open, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with site(minutes=10) as s:
        await (await s.start()).wait_until_ready()
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


async def test_a_last_look_does_not_wait_for_one_that_stalls(site: Open) -> None:
    async with site(minutes=0.1) as s:
        job = s.nugen.alignments.handle((await s.start()).id)
        s.sim.world.inject(Fault(effect=Stall(), path=LOOK, times=1))
        patient = asyncio.create_task(job.wait_until_ready())
        await asyncio.sleep(1)
        assert (await job.wait_until_ready(20)).phase is Phase.READY
        assert (await patient).phase is Phase.READY
        assert s.requests("alignment_status") == 2


async def test_a_look_that_fails_late_does_not_touch_a_later_wait(site: Open) -> None:
    async with site(minutes=5) as s:
        job, other = await s.start(), await s.start()
        s.sim.world.inject(Fault(effect=Stall(), path=f"{LOOK}{job.id}", times=1))
        neighbour = asyncio.create_task(other.wait_until_ready())
        with pytest.raises(WaitTimeoutError):
            await s.nugen.alignments.handle(job.id).wait_until_ready(20)
        job = await job.wait_until_ready(timeout=600)
        await neighbour
        assert s.sim.now - s.sim.world.alignments[job.id].end < 30


async def test_a_slow_look_holds_up_no_other_job(site: Open) -> None:
    async with site(minutes=10) as s:
        slow, quick = await s.start_many(2)
        s.sim.world.inject(Fault(effect=Delay(50), path=LOOK + slow.id))
        started = now()
        await quick.wait_until_ready()
        assert now() - started <= 620


async def test_bad_rows_in_a_list_touch_no_other_job(site: Open) -> None:
    async with site(minutes=10) as s:
        jobs = await s.start_many(40)
        s.sim.world.inject(Fault(effect=Rows(), path=r"alignment-project$"))
        outcomes = [o async for o in s.nugen.wait_many(jobs)]
        assert s.requests("list_alignments") > 0
    assert {type(o) for o in outcomes} == {Ready}


async def test_many_outcomes_come_in_the_order_of_their_ends(site: Open) -> None:
    async with site(minutes=10, sigma=0.8, failures={"alignment": 0.2}, stopped=0.1) as s:
        jobs = await s.start_many(60)
        ended: list[float] = []
        kinds = set()
        async for outcome in s.nugen.wait_many(jobs, timeout=1200):
            ended.append(now())
            kinds.add(type(outcome))
            assert outcome.job.id in {j.id for j in jobs}
    assert ended == sorted(ended)
    assert len(ended) == 60
    assert kinds == {Ready, Failed, Cancelled, TimedOut}


async def test_leaving_a_wait_for_many_early_frees_everything(site: Open) -> None:
    async with site(minutes=10, sigma=0.8) as s:
        jobs = await s.start_many(20)
        async for outcome in s.nugen.wait_many(jobs):
            assert isinstance(outcome, Ready)
            break
        await asyncio.sleep(1)
        before = s.looks
        await asyncio.sleep(7200)
        assert s.looks == before


async def test_waiting_for_many_of_nothing_is_nothing(site: Open) -> None:
    async with site() as s:
        assert [o async for o in s.nugen.wait_many([])] == []


async def test_a_client_is_one_attribute_away_from_its_siblings(site: Open) -> None:
    async with site(minutes=10) as s:
        sibling: Nugen = s.nugen.with_options(max_retries=0)
        alignment = await s.start()
        first = asyncio.create_task(alignment.wait_until_ready())
        second = asyncio.create_task(sibling.alignments.handle(alignment.id).wait_until_ready())
        await asyncio.gather(first, second)
        assert s.looks <= 20


async def test_a_schedule_that_raises_is_replaced_and_harms_no_other(
    site: Open, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> Iterator[float]:
        yield 20
        raise ZeroDivisionError

    async with site(minutes=10) as s:
        one, other = await s.start_many(2)
        ready = await asyncio.gather(
            one.wait_until_ready(schedule=broken), other.wait_until_ready()
        )
    assert {x.phase for x in ready} == {Phase.READY}
    assert [r.message for r in caplog.records if "schedule" in r.message] == [
        "a schedule raised; the default takes its place: ZeroDivisionError()"
    ]


async def test_a_schedule_that_cannot_be_made_leaves_nothing_behind(site: Open) -> None:
    made = 0

    def third_fails() -> Iterator[float]:
        nonlocal made
        made += 1
        return iter((20.0 / (made % 3),))

    async with site(minutes=10) as s:
        jobs = await s.start_many(3)
        with pytest.raises(ZeroDivisionError):
            await anext(s.nugen.wait_many(jobs, schedule=third_fails))
        made = 2
        with pytest.raises(ZeroDivisionError):
            await jobs[0].wait_until_ready(schedule=third_fails)
        assert s.nugen.alignments.poller.idle
        await asyncio.sleep(3600)
        assert s.looks == 0


async def test_a_list_that_fails_is_left_alone_for_a_while(site: Open) -> None:
    async with site(minutes=30, sigma=0.2, progress="absent", estimates="absent") as s:
        jobs = await s.start_many(60)
        s.sim.world.inject(Fault(effect=Status(500), operation="list_alignments"))
        outcomes = [o async for o in s.nugen.wait_many(jobs)]
        lists = [e.at for e in s.sim.log.requests(operation="list_alignments")]
    assert {type(o) for o in outcomes} == {Ready}
    first, *later = (b - a for a, b in itertools.pairwise(lists))
    assert 4 <= first < 10
    assert min(later) >= 30
