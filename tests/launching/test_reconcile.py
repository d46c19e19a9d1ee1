"""Which thing in a list is the one that was asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from nugen_async._core.reconcile import (
    SKEW,
    Sighting,
    Wanted,
    carries,
    judge,
    marked,
    new_token,
    pauses,
    sighted,
    token_of,
)
from nugen_async.resources.documents import Document

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def test_a_token_is_the_same_for_the_same_and_differs_for_others() -> None:
    assert token_of("a", "b", 1) == token_of("a", "b", 1)
    assert len({token_of("a", n) for n in range(10_000)}) == 10_000
    assert token_of("ab", "c") != token_of("a", "bc")
    assert carries(marked("name", token := new_token()).upper(), token)


@pytest.mark.parametrize("token", [None, "", "short"])
def test_what_is_too_short_is_no_token(token: str | None) -> None:
    assert not carries(f"name {token}", token)


def test_a_token_decides_alone() -> None:
    wanted = Wanted(token="abcdefgh", name="x-abcdefgh", base_model="m", since=NOON)
    odd = Sighting(id="1", name="X_abcdefgh", base_model="other", created=NOON - timedelta(days=9))
    equal = Sighting(id="2", name="x", base_model="m", created=NOON)
    nameless = Sighting(id="3")

    assert judge(wanted, [odd, equal, nameless]) == ("1",)


def test_without_a_token_all_that_is_told_must_agree() -> None:
    wanted = Wanted(name="x", base_model="m", documents=frozenset("ab"), since=NOON)
    fits = Sighting(id="1", name="x", base_model="m", documents=frozenset("ba"), created=NOON)
    terse = Sighting(id="2", name="x", base_model="m")
    early = Sighting(id="3", name="x", base_model="m", created=NOON - SKEW - timedelta(seconds=1))
    skewed = Sighting(id="4", name="x", created=NOON - SKEW)
    others = [
        Sighting(id="5", name="y", base_model="m"),
        Sighting(id="6", name="x", base_model="n"),
        Sighting(id="7", name="x", base_model="m", documents=frozenset("a")),
    ]

    assert judge(wanted, [terse, fits, early, skewed, *others]) == ("4", "1", "2")


def test_of_those_that_are_alike_the_newest_is_taken_that_has_not_failed() -> None:
    wanted = Wanted(token="abcdefgh", alike=True)
    rows = [
        Sighting(id=str(n), name="x-abcdefgh", created=NOON + timedelta(days=n), failed=n > 2)
        for n in (2, 1, 4, 3)
    ]

    assert judge(wanted, rows) == ("2",)
    assert judge(wanted, [row for row in rows if row.failed]) == ("4",)
    assert judge(wanted, []) == ()


def test_models_fit_when_all_that_are_told_are_ours() -> None:
    wanted = Wanted(models=frozenset({"base", "ours"}), benchmark_id="b")
    rows = [
        Sighting(id="both", models=frozenset({"ours", "base"}), benchmark_id="b"),
        Sighting(id="one", models=frozenset({"ours"}), benchmark_id="b"),
        Sighting(id="other", models=frozenset({"base", "theirs"}), benchmark_id="b"),
        Sighting(id="elsewhere", models=frozenset({"ours"}), benchmark_id="c"),
    ]

    assert judge(wanted, rows) == ("both", "one")


def test_a_file_name_is_known_again_as_forms_write_it() -> None:
    """Found by the kill test: a document named ``my notes.txt`` was uploaded a second time."""
    row = Document(id="1", filename="my%20notes.txt", size=3)

    assert judge(Wanted(name="my notes.txt", size=3), [sighted(row)]) == ("1",)


@pytest.mark.parametrize("settle", [0.0, 0.1, 1.0, 60.0])
def test_pauses_add_up_to_the_time_a_list_is_given(settle: float) -> None:
    steps = list(pauses(settle))

    assert sum(steps) == pytest.approx(settle)
    assert len(steps) < 10
