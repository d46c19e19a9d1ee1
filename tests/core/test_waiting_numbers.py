"""The numbers that waiting must reach, in the model that drives what the poller obeys."""

from __future__ import annotations

from functools import cache

import pytest

from benchmarks._waiting_model import (
    ESTIMATES,
    LONG,
    SHORT,
    Estimate,
    Result,
    alone,
    expo,
    fixed,
    launch,
    ours,
)

SEED = 7


@cache
def loops(durations: tuple[float, float], count: int) -> dict[str, Result]:
    policies = {
        "fixed 5 s": fixed(5),
        "fixed 30 s": fixed(30),
        "expo, full jitter": expo(jitter=True),
        "expo": expo(jitter=False),
    }
    return {
        name: alone(launch(count, durations, SEED), delays, SEED)
        for name, delays in policies.items()
    }


@pytest.mark.parametrize("estimate", ["right", "noisy"])
def test_a_thousand_with_estimates_cost_three_requests_each(estimate: Estimate) -> None:
    result = ours(launch(1000, LONG, SEED), estimate, SEED)
    assert result.requests <= 3
    assert result.megabytes <= 0.35
    assert result.mean <= 4


def test_a_thousand_without_estimates_cost_three_requests_each() -> None:
    result = ours(launch(1000, LONG, SEED), "absent", SEED)
    assert result.requests <= 3
    assert result.megabytes <= 1.0
    assert result.mean <= 5


def test_rough_estimates_do_no_harm() -> None:
    rough, without = (
        ours(launch(300, LONG, SEED), estimate, SEED, together=300)
        for estimate in ("total rough", "absent")
    )
    assert rough.requests <= 1.1 * without.requests
    assert rough.mean <= 1.1 * without.mean


def test_one_job_with_a_good_estimate_costs_half_of_expo() -> None:
    result = ours(launch(200, LONG, SEED), "right", SEED, together=1)
    expo_60 = loops(LONG, 200)["expo"]
    assert result.requests <= expo_60.requests / 2
    assert result.mean <= expo_60.mean


@pytest.mark.parametrize("durations", [LONG, SHORT])
@pytest.mark.parametrize("estimate", ESTIMATES)
@pytest.mark.parametrize("together", [1, 10, 200])
def test_no_job_is_later_than_the_stated_bound_and_no_loop_is_better(
    durations: tuple[float, float], estimate: Estimate, together: int
) -> None:
    result = ours(launch(200, durations, SEED), estimate, SEED, together=together)
    assert result.beyond <= 0
    better = [name for name, loop in loops(durations, 200).items() if result.beaten_by(loop)]
    assert not better


@pytest.mark.parametrize("estimate", ["progress t²", "progress √t"])
def test_a_lying_progress_bar_costs_little_lag_and_few_requests(estimate: Estimate) -> None:
    result = ours(launch(200, LONG, SEED), estimate, SEED, listed=False)
    assert result.relative_p95 <= 0.05
    assert result.requests <= 0.4 * loops(LONG, 200)["fixed 30 s"].requests


@pytest.mark.parametrize("estimate", ["right", "absent"])
def test_a_thousand_launched_at_once_do_not_peak(estimate: Estimate) -> None:
    result = ours(launch(1000, (900.0, 0.5), SEED), estimate, SEED, listed=False)
    assert result.burst <= 2
