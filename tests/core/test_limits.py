"""What limits a wait: a total, and a time without movement."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nugen_async._core.limits import Movement, Stalled, check_timeout, margin


@pytest.mark.parametrize("timeout", [-1, -0.001, math.nan, -math.inf])
def test_a_timeout_is_not_negative(timeout: float) -> None:
    with pytest.raises(ValueError, match="timeout"):
        check_timeout(timeout)


@pytest.mark.parametrize("timeout", [None, 0, 1e9, math.inf])
def test_a_timeout_may_be_none_or_nought(timeout: float | None) -> None:
    check_timeout(timeout)


@given(st.floats(0, 1e6), st.floats(0, 100))
def test_the_last_look_goes_out_in_the_last_tenth(timeout: float, latency: float) -> None:
    assert 0 <= margin(timeout, latency) <= timeout / 10
    if timeout >= 40 * latency and timeout >= 1:
        assert margin(timeout, latency) >= max(4 * latency, 0.05)


def test_a_job_stalls_when_neither_word_nor_progress_moves() -> None:
    movement = Movement(0.0)
    assert movement.observe("PROCESSING", 0.1, 10.0, limit=60.0) is None
    assert movement.observe("PROCESSING", 0.1, 69.0, limit=60.0) is None
    assert movement.observe("PROCESSING", 0.1, 70.0, limit=60.0) == Stalled(10.0)
    assert movement.observe("PROCESSING", 0.2, 71.0, limit=60.0) is None
    assert movement.observe("EVALUATING", 0.2, 130.0, limit=60.0) is None
