"""What jobs that ended teach about those that run."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nugen_async._core.past import Durations


def test_durations_learn_what_nine_jobs_of_ten_exceed() -> None:
    rng, durations = random.Random(1), Durations()
    for _ in range(4):
        durations.learn(2700.0)
    assert durations.least == 0
    for _ in range(400):
        durations.learn(2700 * math.exp(rng.gauss(0, 0.5)))
    assert durations.least == pytest.approx(2700 * math.exp(-1.28 * 0.5), rel=0.3)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=30))
def test_durations_bear_any_number(values: list[float]) -> None:
    durations = Durations()
    for value in values:
        durations.learn(value)
    good = [value for value in values if 0 < value < math.inf]
    assert durations.count == len(good)
    assert 0 <= durations.least <= (max(good) * 1.001 if good else 0)
