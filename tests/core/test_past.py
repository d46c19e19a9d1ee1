"""What jobs that ended teach about those that run."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nugen_async._core.past import Past


def test_durations_learn_what_nine_jobs_of_ten_exceed() -> None:
    rng, past = random.Random(1), Past()
    for _ in range(4):
        past.learn(2700.0, None)
    assert past.least == 0
    for _ in range(400):
        past.learn(2700 * math.exp(rng.gauss(0, 0.5)), None)
    assert past.least == pytest.approx(2700 * math.exp(-1.28 * 0.5), rel=0.3)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=30))
def test_durations_bear_any_number(values: list[float]) -> None:
    past = Past()
    for value in values:
        past.learn(value, value)
    good = [value for value in values if 0 < value < math.inf]
    assert past.durations.count == len(good)
    assert 0 <= past.least <= (max(*good, 1e-6) * 1.001 if good else 0)
    assert past.between(600.0) == (600.0, 600.0)


def test_errors_of_20_percent_are_covered() -> None:
    rng, past = random.Random(1), Past()
    for _ in range(400):
        past.learn(2700.0, 2700.0 * rng.uniform(0.8, 1.2))
    least, most = past.between(1000.0)
    assert 1000 / 1.25 < least < 1000 / 1.15
    assert 1000 / 0.88 < most < 1000 / 0.75


def test_nonsense_makes_nothing_overflow() -> None:
    past = Past()
    for seconds, estimated in [(1e300, 1e-5), (1e-300, 1e300), (1.0, 1e-300), (1e300, 1.0), (1, 1)]:
        past.learn(seconds, estimated)
    least, most = past.between(1e7)
    assert 0 <= least <= most < float("inf")
