"""Many jobs: who is due, and which requests a round takes."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nugen_async._core.rounds import (
    LEAST_SHARED,
    Agenda,
    Crowd,
    Items,
    ListFacts,
    Pages,
    Wheel,
    plan,
    slot,
)
from nugen_async._core.schedule import DEFAULT, Phase
from nugen_async._core.sleep import Reason, Sleep


def unpaged(rows: int) -> ListFacts:
    return ListFacts().seen_page(rows, rows * 600)


@pytest.mark.parametrize(
    ("due", "watched", "listing", "way"),
    [
        (1, 1, unpaged(1), Items()),
        (3, 3, unpaged(5000), Items()),
        (300, 300, unpaged(320), Pages(1)),
        (1000, 1000, None, Items()),
        (10, 10, ListFacts(), Pages(1)),
        (2, 1000, unpaged(1000), Items()),
        (6, 1000, unpaged(1000), Pages(1)),
        (3, 3, ListFacts(limit=100).seen_page(100, 60_000, total=300), Items()),
        (40, 40, ListFacts(limit=100).seen_page(100, 60_000, total=300), Pages(3)),
        (0, 1000, unpaged(1000), Items()),
        (5, 5, unpaged(0), Pages(1)),
    ],
)
def test_a_round_takes_the_cheaper_way(
    due: int, watched: int, listing: ListFacts | None, way: Items | Pages
) -> None:
    assert plan(due, watched, listing) == way


@given(
    st.integers(0, 3000),
    st.integers(1, 3000),
    st.none() | st.integers(1, 100),
    st.none() | st.integers(0, 100_000),
    st.floats(0, 5000),
)
def test_a_round_never_takes_more_requests_than_jobs_are_due(
    due: int, watched: int, limit: int | None, rows: int | None, row_bytes: float
) -> None:
    way = plan(min(due, watched), watched, ListFacts(limit, rows, row_bytes))
    if isinstance(way, Pages):
        assert 1 <= way.pages <= min(due, watched)


def test_a_page_teaches_size_and_number_of_rows() -> None:
    facts = ListFacts(limit=100)
    assert facts.pages(250) == 3
    facts = facts.seen_page(100, 50_000)
    assert (facts.rows, facts.row_bytes) == (100, 500)
    facts = facts.seen_page(40, 20_000, offset=100)
    assert (facts.rows, facts.pages(250)) == (140, 2)
    assert facts.seen_page(100, 50_000).rows == 140, "a full first page says nothing of the last"
    assert facts.seen_page(100, 50_000, total=777).pages(1) == 8
    assert facts.seen_page(0, 20).row_bytes == 500


@given(
    st.floats(0, 1e6),
    st.floats(0, 86_400),
    st.sampled_from(list(Reason)),
    st.booleans(),
)
def test_a_look_is_at_most_a_second_late_and_early_only_if_it_may_be(
    now: float, seconds: float, reason: Reason, shared: bool
) -> None:
    sleep = Sleep(seconds, reason)
    at = slot(now, sleep, shared=shared)
    assert at <= now + seconds + 1
    if shared and reason.elastic and seconds >= 32:
        assert at > now + seconds - min(seconds, 256)
        assert at >= now
    else:
        assert at >= now + seconds


def test_far_looks_fall_together_on_a_coarse_grid() -> None:
    rng = random.Random(1)
    far = [slot(rng.uniform(0, 500), Sleep(300.0, Reason.FAR), shared=True) for _ in range(99)]
    assert {at % 256 for at in far} == {0}


operations = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 9), st.integers(0, 40)),
        st.tuples(st.just("discard"), st.integers(0, 9), st.just(0)),
        st.tuples(st.just("pop"), st.just(0), st.integers(0, 40)),
    ),
    max_size=60,
)


@settings(max_examples=200)
@given(operations)
def test_the_wheel_does_what_a_sorted_list_would_do(steps: list[tuple[str, int, int]]) -> None:
    wheel, model, now = Wheel[int](), dict[int, int](), 0
    taken: set[int] = set()
    for what, key, at in steps:
        if what == "add":
            wheel.add(key, at)
            model[key] = at
            taken.discard(key)
        elif what == "discard":
            wheel.discard(key)
            model.pop(key, None)
            taken.discard(key)
        else:
            now = max(now, at)
            due = wheel.pop_due(now)
            expected = [key for key, second in model.items() if second <= now]
            assert sorted(due) == sorted(expected)
            assert [model[key] for key in due] == sorted(model[key] for key in due)
            for gone in due:
                del model[gone]
            taken.update(due)
        assert len(wheel) == len(model) + len(taken)
        assert wheel.next_due == min(model.values(), default=None)
        assert all((key in wheel) is (key in model or key in taken) for key in range(10))


def test_a_crowd_of_equals_is_looked_at_in_the_best_shared_interval() -> None:
    crowd = Crowd()
    for _ in range(100):
        crowd.enter(1000.0, 60.0, new=True)
    assert crowd.due(price=4.0) == pytest.approx(1000 + 60 * math.sqrt(4 / 100))
    assert crowd.ripe(crowd.due(4.0), 100) == pytest.approx(4.0)
    assert crowd.due(price=1e-9) == 1000 + LEAST_SHARED


@given(
    st.lists(st.floats(6, 60), min_size=1, max_size=50),
    st.floats(1, 100),
)
def test_the_shared_interval_is_as_good_as_any_other(intervals: list[float], price: float) -> None:
    crowd = Crowd()
    for seconds in intervals:
        crowd.enter(0.0, seconds, new=True)
    hazard = sum(seconds**-2 for seconds in intervals)

    def cost(interval: float) -> float:
        return price / interval + hazard * interval

    best = crowd.due(price)
    if best > LEAST_SHARED:
        assert cost(best) <= min(cost(best * 0.9), cost(best * 1.1))


def test_a_crowd_forgets_who_leaves() -> None:
    crowd = Crowd()
    crowd.enter(5.0, 20.0, new=True)
    crowd.leave()
    assert crowd.due(1.0) == math.inf


def test_jobs_without_an_estimate_share_one_list() -> None:
    agenda = Agenda[int](ListFacts())
    for job in range(100):
        agenda.put(job, 0.0, Sleep(60.0, Reason.AGE))
    wake = agenda.next_wake()
    assert wake is not None
    assert 6 <= wake < 10
    turn = agenda.take(wake)
    assert (turn.due, turn.way) == ([], Pages(1))
    assert agenda.next_wake() == pytest.approx(2 * wake, abs=1)


def test_a_few_jobs_on_a_long_list_are_asked_for_one_by_one() -> None:
    """Twenty jobs without an estimate come due at once, among 5,000 rows that nobody waits for."""
    agenda = Agenda[int](unpaged(5000))
    for job in range(20):
        agenda.put(job, 0.0, Sleep(60.0, Reason.AGE))
    assert agenda.next_wake() == 60
    assert agenda.take(60.0).way == Items()


def test_no_list_is_asked_for_while_it_is_shunned() -> None:
    agenda = Agenda[int](ListFacts(), list_after=1000.0)
    for job in range(100):
        agenda.put(job, 0.0, Sleep(60.0, Reason.AGE))
    assert agenda.next_wake() == 60
    turn = agenda.take(60.0)
    assert (len(turn.due), turn.way) == (100, Items())


def test_a_dropped_job_is_never_named_again() -> None:
    agenda = Agenda[str](ListFacts())
    agenda.put("a", 0.0, Sleep(5.0))
    agenda.put("b", 0.0, Sleep(5.0))
    agenda.drop("a")
    agenda.drop("never there")
    assert agenda.take(5.0).due == ["b"]
    agenda.drop("b")
    assert len(agenda) == 0
    assert agenda.next_wake() is None


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 40),
    st.none() | st.integers(1, 20),
    st.booleans(),
    st.integers(0, 9999),
)
def test_every_job_is_looked_at_in_time_and_no_round_costs_more_than_one_by_one(
    count: int, limit: int | None, listed: bool, seed: int
) -> None:
    """Jobs with all kinds of sleeps, added and dropped at random, over half an hour."""
    rng = random.Random(seed)
    agenda = Agenda[int](ListFacts(limit) if listed else None)
    latest = dict.fromkeys(range(count), 0.0)
    reasons = [Reason.AGE, Reason.FAR, Reason.NEAR, Reason.SERVER, Reason.OWN]

    def put(job: int, now: float) -> None:
        sleep = Sleep(rng.uniform(0, 120), rng.choice(reasons))
        latest[job] = now + sleep.seconds + 1
        agenda.put(job, now, sleep)

    for job in latest:
        put(job, 0.0)
    now = 0.0
    while latest and now < 1800:
        wake = agenda.next_wake()
        assert wake is not None
        now = max(wake, now)
        assert now <= min(latest.values())
        turn = agenda.take(now)
        if isinstance(turn.way, Pages):
            assert turn.way.pages < len(latest)
            seen = list(latest)
        else:
            seen = turn.due
            assert seen, "a wake without a look"
        for job in seen:
            if rng.random() < 0.02:
                agenda.drop(job)
                del latest[job]
            else:
                put(job, now)
        assert len(agenda) == len(latest)


def test_ten_thousand_looks_are_decided_in_a_few_microseconds_each() -> None:
    """Counted in calls, not in time: one bucket for one second, however many jobs."""
    wheel = Wheel[int]()
    for job in range(10_000):
        wheel.add(job, 60)
    assert wheel.next_due == 60
    assert wheel.pop_due(60.9) == list(range(10_000))
    assert wheel.next_due is None


def test_a_watch_and_an_agenda_follow_a_job_to_its_end() -> None:
    agenda = Agenda[str]()
    watch = DEFAULT.watch(age=0.0, now=100.0, rng=random.Random(1))
    agenda.put("job", 100.0, watch.first(100.0))
    ages = []
    while (now := agenda.next_wake()) is not None:
        assert agenda.take(now).due == ["job"]
        ages.append(now - 100)
        move = watch.observe(Phase.READY if ages[-1] > 120 else Phase.RUNNING, now)
        if isinstance(move, Sleep):
            agenda.put("job", now, move)
        else:
            agenda.drop("job")
    assert 5 <= ages[0] <= 26
    assert 120 < ages[-1] <= 142


@pytest.mark.parametrize(
    ("rows", "new", "offset", "total", "goes_on"),
    [
        (100, 100, 0, None, True),
        (99, 99, 100, None, False),
        (0, 0, 100, None, False),
        (100, 100, 0, 100, False),
        (100, 100, 0, 101, True),
        (50, 50, 0, 101, True),
        (100, 100, 0, 10, True),
        (99, 99, 100, 10, False),
        (100, 0, 100, None, False),
        (100, 0, 100, 10_000, False),
    ],
)
def test_a_list_goes_on_until_a_short_page_its_total_or_nothing_new(
    rows: int, new: int, offset: int, total: int | None, *, goes_on: bool
) -> None:
    listing = ListFacts(limit=100)
    assert listing.goes_on(rows, new, offset=offset, total=total) is goes_on
    assert not ListFacts().goes_on(rows, new, offset=offset, total=total)
