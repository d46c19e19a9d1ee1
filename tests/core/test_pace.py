"""The limiter: a gate that closes, a pacer that opens it again."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import _limit_model as model
from nugen_async._core.pace import LONGEST_PAUSE, Pace, retry_after

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def calm() -> Pace:
    return Pace(rng=random.Random(1))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("30", 30),
        (" 1.5 ", 1.5),
        ("0", 0),
        ("-5", 0),
        ("1e99", LONGEST_PAUSE),
        ("inf", LONGEST_PAUSE),
        ("nan", None),
        ("", None),
        ("soon", None),
        ("٣", None),
        (format_datetime(NOON.replace(minute=2), usegmt=True), 120),
        (format_datetime(NOON.replace(hour=11), usegmt=True), 0),
        ("Thu, 01 Jan 2026 12:00:10 -0000", 10),
        ("Thu, 99 Jan 2026 12:00:10 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_PAUSE),
    ],
)
def test_retry_after_is_seconds_or_a_date_or_nothing(
    value: str | None, seconds: float | None
) -> None:
    assert retry_after(value, NOON.timestamp()) == seconds


@given(st.text(max_size=40))
def test_retry_after_bears_any_text(value: str) -> None:
    seconds = retry_after(value, NOON.timestamp())
    assert seconds is None or 0 <= seconds <= LONGEST_PAUSE


def test_nothing_is_held_back_before_the_first_refusal() -> None:
    pace = calm()
    for _ in range(10_000):
        assert pace.admit(5.0, 2) == 0
        pace.sent(5.0)
    assert pace.rate(5.0) is None


@pytest.mark.parametrize("status", [200, 404, 500, 502])
def test_other_answers_close_nothing(status: int) -> None:
    pace = calm()
    pace.answered(status, 60.0, 5.0)
    assert pace.admit(5.0) == 0


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("priority", [0, 1, 2])
def test_retry_after_closes_the_gate_for_all(status: int, priority: int) -> None:
    pace = calm()
    pace.sent(5.0)
    pace.answered(status, 30.0, 5.0)
    assert 30 <= pace.admit(5.0, priority) <= 31
    assert pace.admit(34.9, priority) > 0


def test_a_503_without_a_hint_is_one_calls_own_trouble() -> None:
    pace = calm()
    pace.answered(503, None, 5.0)
    assert pace.admit(5.0) == 0


def test_a_429_without_a_hint_closes_for_a_second_and_then_for_longer() -> None:
    pace, now, pauses = calm(), 0.0, []
    for _ in range(8):
        pace.sent(now)
        pace.answered(429, None, now)
        pauses.append(math.floor(pace.admit(now)))
        now += pace.admit(now) + 0.001
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 64]


def test_a_hint_that_proves_too_short_is_stretched() -> None:
    pace, now, pauses = calm(), 0.0, []
    for _ in range(5):
        pace.sent(now)
        pace.answered(429, 1.0, now)
        pauses.append(math.floor(pace.admit(now)))
        now += pace.admit(now) + 0.001
    assert pauses == [1, 2, 4, 8, 16]


def test_the_gate_opens_for_one_and_for_the_rest_when_that_is_taken() -> None:
    pace = calm()
    for _ in range(100):
        pace.sent(0.0)
        pace.answered(200, None, 1.0)
    pace.answered(429, 10.0, 1.0)
    now = 1.0 + pace.admit(1.0)
    assert pace.admit(now) == 0
    pace.sent(now)
    assert 0 < pace.admit(now + 1) <= 0.25
    pace.answered(200, None, now + 2)
    assert pace.admit(now + 2) == 0


def test_a_trial_that_never_answers_holds_nobody_for_ever() -> None:
    pace = calm()
    pace.sent(0.0)
    pace.answered(429, 1.0, 0.0)
    now = pace.admit(0.0)
    pace.sent(now)
    assert pace.admit(now + 9.9) > 0
    assert pace.admit(now + 10.1) == 0


def test_refusals_of_what_was_in_flight_cut_the_rate_once() -> None:
    one, many = calm(), calm()
    for pace in (one, many):
        for n in range(100):
            pace.sent(n / 10)
            pace.answered(200, None, n / 10)
    one.answered(429, 5.0, 10.0)
    for _ in range(20):
        many.answered(429, 5.0, 10.0)
    assert one.rate(15.0) == many.rate(15.0)


def test_polls_let_a_waiting_create_pass() -> None:
    pace = calm()
    for n in range(20):
        pace.sent(n / 10)
        pace.answered(200, None, n / 10)
    pace.answered(429, 1.0, 2.0)
    now = 2.0 + pace.admit(2.0)
    pace.sent(now)
    pace.answered(200, None, now)
    create, poll = pace.admit(now, 0), pace.admit(now, 2)
    assert 0 < create < poll
    assert pace.admit(now + create, 0) == 0
    assert pace.admit(now + create, 2) > 0
    assert pace.admit(now + poll, 2) == 0, "nobody more urgent came"


def test_a_rate_grows_slowly_and_is_forgotten_in_an_idle_hour() -> None:
    pace = calm()
    for n in range(600):
        pace.sent(n / 20)
        pace.answered(200, None, n / 20)
    pace.answered(429, 30.0, 30.0)
    start = pace.rate(61.0)
    assert start == pytest.approx(9.5, rel=0.05), "600 in a minute"
    later = pace.rate(61.0 + 3600)
    assert later is not None
    assert start * 4 < later < start * 8


def test_light_traffic_teaches_no_low_limit() -> None:
    """An hour of a request in ten seconds, then a burst that is refused: the burst says more."""
    pace = calm()
    for n in range(360):
        pace.sent(n * 10.0)
        pace.answered(200, None, n * 10.0)
    for _ in range(30):
        pace.sent(3601.0)
        pace.answered(200, None, 3601.0)
    pace.answered(429, 1.0, 3601.0)
    rate = pace.rate(3660.0)
    assert rate is not None
    assert rate > 5


def test_after_one_pause_the_first_few_requests_wait_for_seconds_only() -> None:
    pace = calm()
    pace.sent(0.0)
    pace.answered(503, 60.0, 1.0)
    now = began = 1.0 + pace.admit(1.0)
    for _ in range(10):
        pace.sent(now)
        pace.answered(200, None, now)
        now += pace.admit(now)
    assert now - began < 30


def test_what_is_sent_past_the_gate_opens_nothing() -> None:
    pace = calm()
    pace.answered(429, 30.0, 0.0)
    pace.sent(1.0)
    assert pace.admit(1.0) >= 29


events = st.lists(
    st.tuples(
        st.sampled_from(["sent", "200", "429", "503", "500"]),
        st.floats(0, 30),
        st.none() | st.floats(0, 5000),
        st.integers(0, 2),
    ),
    max_size=60,
)


@settings(max_examples=200)
@given(events)
def test_after_any_history_the_wait_is_finite_and_a_closed_gate_is_kept(
    history: list[tuple[str, float, float | None, int]],
) -> None:
    pace, now, closed = calm(), 0.0, 0.0
    for what, pause, hint, priority in history:
        now += pause
        if what == "sent":
            pace.sent(now)
        else:
            pace.answered(int(what), hint, now)
        if hint is not None and what in {"429", "503"}:
            closed = max(closed, now + min(hint, LONGEST_PAUSE))
        wait = pace.admit(now, priority)
        assert closed - now - 1e-6 <= wait <= 1.2 * LONGEST_PAUSE
        rate = pace.rate(now)
        assert rate is None or (rate > 0 and math.isfinite(rate))


@pytest.mark.parametrize("server", model.SERVERS)
@pytest.mark.parametrize("seed", [11, 12])
def test_at_twice_the_limit_one_request_in_a_hundred_is_refused_and_most_are_served(
    server: str, seed: int
) -> None:
    outcome = model.run(model.SERVERS[server](), seed)
    assert outcome.share_refused <= 0.01
    assert outcome.goodput >= 0.70


@pytest.mark.parametrize("server", model.SERVERS)
def test_without_a_hint_a_limit_is_learned_at_a_few_more_refusals(server: str) -> None:
    outcome = model.run(model.SERVERS[server](), 11, hint=False)
    assert outcome.share_refused <= 0.03
    assert outcome.goodput >= 0.70
