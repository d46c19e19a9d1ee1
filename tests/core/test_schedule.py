"""One job: when to look next."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterator

import backoff
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nugen_async._core.past import Lognormal, Past
from nugen_async._core.schedule import (
    DEFAULT,
    NO_HINTS,
    Hints,
    Phase,
    Schedule,
    Settled,
    Watch,
    as_schedule,
)
from nugen_async._core.sleep import Reason, Sleep

CALM = Schedule(jitter=0.0)
ANY = st.floats(allow_nan=True, allow_infinity=True)
ANY_HINTS = st.builds(
    Hints,
    progress=st.none() | ANY,
    left=st.none() | ANY,
    queue_position=st.none() | st.integers(0, 100),
)


def watch(age: float = 0.0, now: float = 0.0, schedule: Schedule = CALM) -> Watch:
    return schedule.watch(age=age, now=now, rng=random.Random(1))


def taught(*lasted: float, estimated: float | None = None) -> Past:
    """So long did earlier jobs take."""
    past = Past()
    for each in lasted if len(lasted) > 1 else lasted * Lognormal.ENOUGH:
        past.learn(each, estimated)
    return past


def seconds(move: Sleep | Settled) -> float:
    assert isinstance(move, Sleep)
    return move.seconds


def looks(duration: float, hints: Callable[[float], Hints], seed: int = 1) -> list[float]:
    """The ages at which the default schedule looks, up to the one that finds the end."""
    seen = DEFAULT.watch(age=0.0, now=0.0, rng=random.Random(seed))
    ages = [seen.first(0.0).seconds]
    while ages[-1] < duration:
        ages.append(ages[-1] + seconds(seen.observe(Phase.RUNNING, ages[-1], hints(ages[-1]))))
    return ages


def most_lag(duration: float) -> float:
    """The bound that the module's docstring states, before rounding to whole seconds."""
    return min(max(25.0, duration / 4), 600.0)


@pytest.mark.parametrize("phase", [Phase.READY, Phase.FAILED, Phase.CANCELLED, Phase.PARKED])
def test_an_end_or_a_parked_job_settles(phase: Phase) -> None:
    assert watch().observe(phase, 1.0) == Settled(phase)
    assert phase.ended is (phase is not Phase.PARKED)


def test_an_unknown_word_is_looked_at_again() -> None:
    assert seconds(watch(age=100).observe(Phase.UNKNOWN, 0.0)) == CALM.steady
    assert Phase.UNKNOWN.moving
    assert not Phase.UNKNOWN.ended


def test_first_looks_of_a_batch_are_spread_from_5_to_25_seconds() -> None:
    rng = random.Random(1)
    first = [DEFAULT.watch(age=0.0, now=7.0, rng=rng).first(7.0).seconds for _ in range(1000)]
    assert 5 <= min(first) < 6
    assert 24 < max(first) <= 25
    assert sum(first) / len(first) == pytest.approx(15, abs=0.5)


@pytest.mark.parametrize("age", [26.0, 1e6, None])
def test_a_job_that_is_old_or_of_unknown_age_is_looked_at_at_once(age: float | None) -> None:
    assert CALM.watch(age=age, now=50.0, rng=random.Random(1)).first(50.0).seconds == 0


def test_without_an_estimate_the_interval_grows_from_20_to_60_seconds() -> None:
    ages = [10, 600, 900, 1800, 36000]
    assert [CALM.blind(age) for age in ages] == [20, 20, 30, 60, 60]


def test_a_resumed_wait_goes_on_at_the_pace_of_the_jobs_age() -> None:
    old, resumed = watch(now=0.0), watch(age=1200.0, now=1200.0)
    for now in range(15, 1200, 40):
        old.observe(Phase.RUNNING, float(now))
    assert old.observe(Phase.RUNNING, 1200.0) == resumed.observe(Phase.RUNNING, 1200.0)


def test_an_estimate_is_slept_by_four_fifths_until_it_is_near() -> None:
    assert seconds(watch(age=2700).observe(Phase.RUNNING, 0.0, Hints(left=300))) == 240
    assert seconds(watch(age=2700).observe(Phase.RUNNING, 0.0, Hints(left=40))) == 50
    assert seconds(watch(age=2700).observe(Phase.RUNNING, 0.0, Hints(left=0))) == CALM.floor


def test_an_estimate_is_trusted_no_further_than_the_net() -> None:
    move = watch(age=400).observe(Phase.RUNNING, 0.0, Hints(left=9999))
    assert move == Sleep(100.0, Reason.NET, 9999)
    assert seconds(watch(age=1e6).observe(Phase.RUNNING, 0.0, Hints(left=1e9))) == CALM.longest


def test_progress_is_an_estimate_and_the_smaller_of_two_counts() -> None:
    halfway = Hints(progress=0.9)
    assert seconds(watch(age=2700).observe(Phase.RUNNING, 0.0, halfway)) == pytest.approx(240)
    both = Hints(progress=0.9, left=10_000)
    assert seconds(watch(age=2700).observe(Phase.RUNNING, 0.0, both)) == pytest.approx(240)
    both = Hints(progress=0.9, left=100)
    assert seconds(watch(age=2700).observe(Phase.RUNNING, 0.0, both)) == 80


def test_an_estimate_that_runs_three_times_as_fast_as_the_clock_is_divided_by_three() -> None:
    seen = watch(age=1000)
    seen.observe(Phase.RUNNING, 0.0, Hints(left=3000))
    assert seconds(seen.observe(Phase.RUNNING, 250.0, Hints(left=2250))) == 312.5
    assert seconds(seen.observe(Phase.RUNNING, 800.0, Hints(left=600))) == 160


def test_a_stuck_estimate_soon_counts_as_little_as_none() -> None:
    ages = looks(7200.0, lambda _: Hints(left=1.0))
    blind = looks(7200.0, lambda _: NO_HINTS)
    assert len(ages) <= len(blind) + 15


def test_a_free_look_before_the_expected_end_is_no_miss() -> None:
    seen = watch(age=2700)
    for now in range(10):
        assert seconds(seen.observe(Phase.RUNNING, float(now), Hints(left=40.0 - now))) <= 50
    assert seconds(seen.observe(Phase.RUNNING, 30.0, Hints(left=1.0))) == CALM.floor


def test_a_place_in_the_queue_slows_looks_down() -> None:
    move = watch(age=600).observe(Phase.RUNNING, 0.0, Hints(left=5.0, queue_position=3))
    assert move == Sleep(60.0, Reason.QUEUED)


def test_a_hint_of_the_server_is_a_floor() -> None:
    move = watch(age=600).observe(Phase.RUNNING, 0.0, Hints(left=5.0, floor=77.0))
    assert move == Sleep(77.0, Reason.SERVER, 77.0)
    assert seconds(watch(age=600).observe(Phase.RUNNING, 0.0, Hints(floor=1.0))) == 20


def test_before_earlier_jobs_could_end_looks_are_rare() -> None:
    past = taught(1000.0)
    move = watch(age=400).observe(Phase.RUNNING, 0.0, past=past)
    assert move == Sleep(100.0, Reason.PAST)
    assert seconds(watch(age=990).observe(Phase.RUNNING, 0.0, past=past)) == 33


def test_where_estimates_were_off_the_whole_stretch_of_the_end_is_watched() -> None:
    past = taught(*(1000.0 * factor for factor in (0.8, 0.9, 1.0, 1.1, 1.2)), estimated=1000.0)
    least, most = past.between(2000.0)
    assert (least, most) == (pytest.approx(1540, rel=0.02), pytest.approx(2540, rel=0.02))

    def move(age: float, left: float) -> Sleep:
        told = watch(age=age).observe(Phase.RUNNING, 0.0, Hints(left=left), past)
        assert isinstance(told, Sleep)
        return told

    assert move(1000, 1000).reason is Reason.NET
    assert move(1400, 600) == Sleep(
        pytest.approx(least - 1400), Reason.FAR, pytest.approx(least - 1400)
    )
    inside = move(1600, 400)
    assert (inside.reason, inside.reason.blind) == (Reason.SPREAD, True)
    assert inside.seconds == pytest.approx(math.sqrt(0.4 * (most - least)), rel=1e-6)


def test_an_estimate_that_has_run_out_still_counts_as_it_last_was() -> None:
    past = taught(*(1000.0 * factor for factor in (0.8, 0.9, 1.0, 1.1, 1.2)), estimated=1000.0)
    seen = watch(age=1900)
    seen.observe(Phase.RUNNING, 0.0, Hints(left=100.0), past)
    seen.observe(Phase.RUNNING, 300.0, Hints(left=0.0), past)
    assert seen.estimated == 2000
    late = seen.observe(Phase.RUNNING, 700.0, Hints(left=0.0), past)
    assert late == Sleep(60.0, Reason.SPREAD), "beyond the stretch, as without an estimate"


def test_where_estimates_were_right_they_are_believed() -> None:
    past = taught(1000.0, 1001.0, 999.0, 1000.0, 1000.0, estimated=1000.0)
    plain = watch(age=1700).observe(Phase.RUNNING, 0.0, Hints(left=300))
    assert watch(age=1700).observe(Phase.RUNNING, 0.0, Hints(left=300), past) == plain


def test_failed_looks_are_repeated_ever_more_slowly() -> None:
    seen = watch(age=3600)
    assert [seen.failed(0.0, n).seconds for n in (1, 2, 3, 4, 9, 99)] == [4, 8, 16, 32, 60, 60]
    assert seen.failed(0.0, 1, floor=30.0).seconds == 30


@given(ANY_HINTS, st.floats(0, 1e7), st.lists(st.tuples(ANY, ANY), max_size=9), st.integers(0, 99))
def test_no_hint_makes_a_sleep_too_short_or_too_long(
    hints: Hints, age: float, lasted: list[tuple[float, float]], seed: int
) -> None:
    seen = DEFAULT.watch(age=age, now=5.0, rng=random.Random(seed))
    past = Past()
    for seconds_, estimated in lasted:
        past.learn(seconds_, estimated)
    sleep = seconds(seen.observe(Phase.RUNNING, 5.0, hints, past))
    assert DEFAULT.floor <= sleep <= max(DEFAULT.ceiling(age), 1.05 * DEFAULT.blind(age)) + 1e-6


@settings(max_examples=200, deadline=None)
@given(
    st.floats(1, 50_000),
    st.lists(ANY_HINTS, min_size=1, max_size=20),
    st.integers(0, 99),
)
def test_whatever_the_estimates_say_the_lag_keeps_its_bound(
    duration: float, told: list[Hints], seed: int
) -> None:
    source = itertools.cycle(told)
    ages = looks(duration, lambda _: next(source), seed)
    assert ages[-1] - duration <= most_lag(duration) + 1e-6


@settings(max_examples=200, deadline=None)
@given(st.floats(10, 100_000), st.floats(1 / 3, 3), st.booleans(), st.integers(0, 99))
def test_an_estimate_three_times_wrong_keeps_the_bound_and_costs_no_more_than_none(
    duration: float, factor: float, total: bool, seed: int
) -> None:
    def hints(age: float) -> Hints:
        left = duration * factor - age if total else (duration - age) * factor
        return Hints(left=max(0.0, left))

    ages = looks(duration, hints, seed)
    assert ages[-1] - duration <= most_lag(duration) + 1e-6
    assert len(ages) <= len(looks(duration, lambda _: NO_HINTS, seed)) + 25


@settings(max_examples=100, deadline=None)
@given(st.floats(300, 50_000), st.sampled_from([2.0, 0.5, 1.0]), st.integers(0, 99))
def test_a_lying_progress_bar_keeps_the_lag_small(duration: float, power: float, seed: int) -> None:
    ages = looks(duration, lambda age: Hints(progress=(age / duration) ** power), seed)
    assert ages[-1] - duration <= max(0.05 * duration, 16.0)
    assert len(ages) <= 110


def counted() -> Iterator[float]:
    yield 3.0
    yield 4.0


class Endless:
    """An iterator that is no generator."""

    def __init__(self, *values: float) -> None:
        self._values = iter(values)

    def __iter__(self) -> Endless:
        return self

    def __next__(self) -> float:
        return next(self._values)


def overflowing() -> Iterator[float]:
    yield 7.0
    yield 2.0 ** float("1e9")


@pytest.mark.parametrize(
    ("factory", "sleeps"),
    [
        (lambda: backoff.expo(max_value=8), [1, 2, 4, 8, 8]),
        (backoff.fibo, [1, 1, 2, 3, 5]),
        (lambda: backoff.constant(5), [5, 5, 5, 5, 5]),
        (counted, [3, 4, 4, 4, 4]),
        (lambda: Endless(6, 9), [6, 9, 9, 9, 9]),
        (lambda: Endless(6, -1, math.nan, math.inf, 0), [6, 6, 6, 86_400, 0.1]),
        (overflowing, [7, 7, 7, 7, 7]),
        (lambda: iter(()), [60, 60, 60, 60, 60]),
    ],
)
def test_a_generator_says_when(
    factory: Callable[[], Iterator[float | None]], sleeps: list[float]
) -> None:
    seen = watch(schedule=Schedule.from_generator(factory))
    assert seen.first(0.0) == Sleep(0.0, Reason.OWN)
    assert [seconds(seen.observe(Phase.RUNNING, 0.0)) for _ in sleeps] == sleeps


def test_backoffs_runtime_gets_to_see_what_the_look_said() -> None:
    policy = Schedule.from_generator(lambda: backoff.runtime(value=lambda hints: hints.left / 2))
    seen = watch(schedule=policy)
    assert seconds(seen.observe(Phase.RUNNING, 0.0, Hints(left=30.0))) == 15
    assert seconds(seen.observe(Phase.RUNNING, 9.0, Hints(left=10.0))) == 5


def test_each_watch_has_a_generator_of_its_own() -> None:
    policy = Schedule.from_generator(counted)
    one, two = watch(schedule=policy), watch(schedule=policy)
    assert [seconds(w.observe(Phase.RUNNING, 0.0)) for w in (one, one, two)] == [3, 4, 3]


def test_a_schedule_may_be_none_a_number_a_callable_or_itself() -> None:
    assert as_schedule(None) is DEFAULT
    assert as_schedule(CALM) is CALM
    five = watch(schedule=as_schedule(5))
    assert [seconds(five.observe(Phase.RUNNING, 0.0)) for _ in range(3)] == [5, 5, 5]
    assert seconds(watch(schedule=as_schedule(counted)).observe(Phase.RUNNING, 0.0)) == 3


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf])
def test_an_interval_must_make_sense(value: float) -> None:
    with pytest.raises(ValueError, match="positive and finite"):
        as_schedule(value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Schedule(floor=0),
        lambda: Schedule(trust=1.1),
        lambda: Schedule(jitter=-1),
        lambda: Schedule(cap=math.nan),
    ],
)
def test_a_schedule_must_make_sense(make: Callable[[], Schedule]) -> None:
    with pytest.raises(ValueError, match="positive"):
        make()


def test_a_sleep_says_why_in_one_sentence() -> None:
    move = watch(age=2700).observe(Phase.RUNNING, 0.0, Hints(left=300))
    assert isinstance(move, Sleep)
    assert move.why.startswith("next look in 240.0 s: 300 s seem to be left")
    for reason in Reason:
        assert "{" not in Sleep(1.0, reason, 2.0).why
