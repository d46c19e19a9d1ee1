"""What a failure means, and whether the request goes out again."""

from __future__ import annotations

import random

import pytest

from nugen_async._core.retry import Fate, Retry, fate
from nugen_async._core.wire import Effect
from nugen_async.errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    ClientClosedError,
    DecodeError,
    NugenError,
)


def status(code: int, retry_after: float | None = None) -> APIStatusError:
    return APIStatusError.kind_for(code)(status=code, retry_after=retry_after)


TABLE = [
    (APIConnectionError(sent=False), Fate.NOT_DELIVERED),
    (APITimeoutError(sent=False), Fate.NOT_DELIVERED),
    (status(429), Fate.NOT_STARTED),
    (status(503, retry_after=3), Fate.NOT_STARTED),
    *((status(code), Fate.REFUSED) for code in (400, 401, 402, 403, 404, 405, 409, 413, 422, 307)),
    *((status(code), Fate.REFUSED) for code in (407, 412, 417, 421, 423, 426, 428, 451, 302)),
    *((status(code), Fate.UNKNOWN) for code in (408, 425)),
    (APIConnectionError(sent=True), Fate.UNKNOWN),
    (APITimeoutError(sent=True), Fate.UNKNOWN),
    *((status(code), Fate.UNKNOWN) for code in (500, 502, 503, 504)),
    (DecodeError(problems=("$: not JSON",)), Fate.UNKNOWN),
    (ClientClosedError("closed"), Fate.REFUSED),
]


@pytest.mark.parametrize(("error", "expected"), TABLE, ids=lambda v: str(v)[:40])
def test_each_failure_has_one_fate(error: NugenError, expected: Fate) -> None:
    assert fate(error) is expected


@pytest.mark.parametrize(("error", "what"), TABLE, ids=lambda v: str(v)[:40])
def test_a_create_is_sent_again_only_when_it_was_surely_not_taken(
    error: NugenError, what: Fate
) -> None:
    again = Retry().pause(error, Effect.CREATE, tries=1) is not None
    assert again == (what in {Fate.NOT_DELIVERED, Fate.NOT_STARTED})


@pytest.mark.parametrize(("error", "what"), TABLE, ids=lambda v: str(v)[:40])
def test_a_read_is_sent_again_unless_it_was_refused(error: NugenError, what: Fate) -> None:
    again = Retry().pause(error, Effect.READ, tries=1) is not None
    assert again == (what is not Fate.REFUSED)


@pytest.mark.parametrize("code", [303, 406, 418, 424, 499])
def test_what_may_have_been_done_all_the_same_is_not_called_refused(code: int) -> None:
    assert fate(status(code)) is Fate.UNKNOWN
    assert Retry().pause(status(code), Effect.READ, tries=1) is None


def test_pauses_double_up_to_the_cap_and_end_at_the_limit() -> None:
    retry = Retry(limit=6, first=0.5, cap=4, spread=0)
    pauses = [retry.pause(APIConnectionError(), Effect.READ, n) for n in range(1, 8)]
    assert pauses == [0.5, 1, 2, 4, 4, 4, None]


def test_retry_after_is_a_floor_and_jitter_only_adds() -> None:
    retry = Retry(rng=random.Random(1))
    pauses = [retry.pause(status(429, retry_after=9), Effect.CREATE, 1) for _ in range(100)]
    assert all(p is not None and 9 <= p <= 9 * 1.25 for p in pauses)
    assert len(set(pauses)) > 50


def test_a_retry_after_beyond_reason_ends_the_retries() -> None:
    assert Retry().pause(status(429, retry_after=3600), Effect.READ, 1) is None


def test_no_retries_means_none() -> None:
    assert Retry(limit=0).pause(status(429), Effect.READ, 1) is None
