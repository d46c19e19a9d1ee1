"""Looks that fail."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nugen_async._core.trouble import Abandon, Ask, Budget, Route, Trouble

ALL = (Route.STATUS, Route.DETAIL, Route.LIST)
BUDGET = Budget(failures=3, seconds=100.0, grace=30.0, patience=2)


def test_failures_go_round_the_routes() -> None:
    trouble = Trouble()
    budget = Budget()
    asked = [trouble.failed(float(n), ALL, budget) for n in range(7)]
    routes = [step.route for step in asked if isinstance(step, Ask)]
    names = [Route.STATUS, Route.DETAIL, Route.DETAIL, Route.LIST, Route.LIST]
    assert routes == [*names, Route.STATUS, Route.STATUS]


def test_a_wait_gives_up_only_when_count_and_seconds_are_used_up() -> None:
    quick, slow = Trouble(), Trouble()
    assert all(isinstance(quick.failed(n / 10, ALL, BUDGET), Ask) for n in range(50))
    assert isinstance(slow.failed(0.0, ALL, BUDGET), Ask)
    assert isinstance(slow.failed(500.0, ALL, BUDGET), Ask)
    assert slow.failed(501.0, ALL, BUDGET) == Abandon(3, 501.0, missing=False)


def test_the_grace_for_a_missing_job_starts_at_the_first_404() -> None:
    trouble = Trouble()
    assert isinstance(trouble.failed(0.0, ALL, BUDGET), Ask)
    assert isinstance(trouble.failed(50.0, ALL, BUDGET, missing=True), Ask)
    assert isinstance(trouble.failed(79.0, ALL, BUDGET, missing=True), Ask)
    assert isinstance(trouble.failed(85.0, ALL, BUDGET), Ask), "no 404, so not known to be missing"
    assert trouble.failed(90.0, ALL, BUDGET, missing=True) == Abandon(5, 90.0, missing=True)


@given(st.lists(st.tuples(st.floats(0, 50), st.booleans()), min_size=1, max_size=40))
def test_trouble_ends_no_later_than_its_budget(steps: list[tuple[float, bool]]) -> None:
    trouble, now = Trouble(), 0.0
    for number, (pause, missing) in enumerate(steps):
        now += pause if number else 0.0
        verdict = trouble.failed(now, ALL, BUDGET, missing=missing)
        if isinstance(verdict, Abandon):
            assert verdict.failures == number + 1
            assert missing or (verdict.failures >= 3 and verdict.seconds >= 100)
            return
        assert number + 1 < 3 or now < 100
