"""Faults: which requests they hit, and what becomes of the answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from nugen_async.simulator import (
    Cut,
    Delay,
    Drop,
    Fault,
    Garble,
    Lag,
    Log,
    NotYet,
    RateLimit,
    Rows,
    Span,
    Stall,
    Status,
    Times,
    Word,
    World,
)

Make = Callable[..., Any]
V3 = "/api/v3"
BASE = f"GET {V3}/models/base"
CREATE = f"POST {V3}/alignment-project/create"
NEW = {"name": "n", "base_model": "b", "document_ids": ["d"]}
DOWN = Status(503, {"detail": "down"})


def statuses(call: Any, count: int, line: str = BASE) -> list[int]:
    return [call(line)[0] for _ in range(count)]


def test_a_rule_picks_calls_by_number_time_path_and_share(nugen: Make) -> None:
    call = nugen()
    with call.world.broken(Fault(effect=DOWN, nth={2, 3}, path="/models/")) as rule:
        call(f"GET {V3}/documents")
        assert statuses(call, 4) == [200, 503, 503, 200]
        assert (rule.matched, rule.hits) == (4, 2)
    with call.world.broken(Fault(effect=DOWN, since=10, until=20)):
        seen = []
        for call.now in (9.9, 10, 19.9, 20):
            seen += statuses(call, 1)
        assert seen == [200, 503, 503, 200]
    with call.world.broken(Fault(effect=DOWN, times=2)):
        assert statuses(call, 3) == [503, 503, 200]
    with call.world.broken(Fault(effect=DOWN, operation="list_documents", method="^GET$")):
        assert statuses(call, 1) == [200]
        assert statuses(call, 1, f"GET {V3}/documents/list") == [503]
    with call.world.broken(Fault(effect=DOWN, share=0.2)):
        assert statuses(call, 1000).count(503) == pytest.approx(200, abs=40)


def test_the_share_is_the_same_in_every_run(nugen: Make) -> None:
    def run(seed: int) -> list[int]:
        return statuses(nugen(seed=seed, faults=[Fault(effect=DOWN, share=0.5)]), 50)

    assert run(1) == run(1) != run(2)


def test_faults_add_up(nugen: Make) -> None:
    call = nugen(faults=[Fault(effect=Delay(3)), Fault(effect=Delay(4)), Fault(effect=Garble())])
    answer = call.send(BASE)
    assert (answer.delay, answer.body) == (7, b'{"status": "PROC')
    assert [entry.fault for entry in call.world.log] == ["delay+delay+garble"]


def test_faults_can_be_taken_back(nugen: Make) -> None:
    call = nugen(faults=[Fault(effect=DOWN)])
    rule = call.world.inject(Fault(effect=Status(500), path="base"))
    assert statuses(call, 1) == [503]
    call.world.retract(rule)
    assert statuses(call, 1) == [503]
    call.world.retract()
    assert statuses(call, 1) == [200]


def test_a_status_after_handling_hides_a_create_that_took_effect(nugen: Make) -> None:
    call = nugen(trusting=True)
    call.world.inject(Fault(effect=Status(502, handled=True), nth={1}))
    call.world.inject(Fault(effect=Status(502), nth={2}))
    assert [call.send(CREATE, NEW).status for _ in range(3)] == [502, 502, 200]
    assert len(call.world.alignments) == 2
    assert [entry.created is not None for entry in call.world.log] == [True, False, True]
    assert [entry.fault for entry in call.world.log] == ["status", "status", ""]
    assert call.world.log.created("create_alignment") == list(call.world.alignments)


@pytest.mark.parametrize(
    ("effect", "header"),
    [
        (Status(503, retry_after=2.2), "3"),
        (Status(503, retry_after=2.2, as_date=True), "Tue, 10 Mar 2026 10:00:13 GMT"),
    ],
)
def test_retry_after_is_rounded_up(nugen: Make, effect: Status, header: str) -> None:
    call = nugen(faults=[Fault(effect=effect)])
    call.now = 10.5
    assert call.send(BASE).headers["Retry-After"] == header


@pytest.mark.parametrize(
    ("effect", "status", "body"),
    [
        (Garble("invalid"), 200, b'{"status": "PROC'),
        (Garble("empty"), 200, b""),
        (Garble("wrong_type"), 200, b"42"),
        (Status(500, {"detail": "x"}), 500, b'{"detail": "x"}'),
        (Drop(), None, b""),
        (Stall(), None, b""),
    ],
)
def test_bodies_can_be_anything(nugen: Make, effect: Any, status: int | None, body: bytes) -> None:
    answer = nugen(faults=[Fault(effect=effect)]).send(BASE)
    assert (answer.status, answer.body) == (status, body)


def test_a_cut_body_promises_more_than_it_sends(nugen: Make) -> None:
    answer = nugen(faults=[Fault(effect=Cut(0.5))]).send(BASE)
    assert answer.cut_at == len(answer.body) // 2


def test_garbling_takes_the_compression_off(nugen: Make) -> None:
    call = nugen(trusting=True)
    call.headers["accept-encoding"] = "gzip"
    for _ in range(10):
        call(CREATE, NEW)
    assert call.send(f"GET {V3}/alignment-project").headers["Content-Encoding"] == "gzip"
    with call.world.broken(Fault(effect=Garble())):
        answer = call.send(f"GET {V3}/alignment-project")
    assert "Content-Encoding" not in answer.headers


def test_a_word_nobody_knows(nugen: Make) -> None:
    call = nugen(trusting=True, generation="G2")
    made = call.ok(CREATE, NEW)["id"]
    with call.world.broken(Fault(effect=Word("c"))):
        told = call.ok(f"GET {V3}/alignment-project/status/{made}")
    assert (told["status"], told["data"]["status"]) == ("c", "c")


def test_lists_can_lag_be_short_and_hold_bad_rows(nugen: Make) -> None:
    call = nugen(trusting=True, times=Times(alignment=Span(100), queue=Span(0)))
    for call.now in range(12):
        call.ok(CREATE, NEW)
    listing = f"GET {V3}/alignment-project"

    def rows() -> list[Any]:
        told: list[Any] = call.ok(listing)["alignment_projects"]
        return told

    call.now = 105
    with call.world.broken(Fault(effect=Lag(100), path="alignment-project$")):
        assert [row["status"] for row in rows()] == ["PROCESSING"] * 6
    assert [row["status"] for row in rows()] == ["READY"] * 6 + ["PROCESSING"] * 6
    with call.world.broken(Fault(effect=Rows(extra=(), limit=10))):
        assert len(rows()) == 10
    with call.world.broken(Fault(effect=Rows())):
        assert rows()[:4] == [None, "row", {"status": ["READY"]}, {}]
        assert len(rows()) == 16


def test_a_young_object_can_be_unknown_for_a_while(nugen: Make) -> None:
    call = nugen(trusting=True, faults=[Fault(effect=NotYet(5))])
    call.now = 50
    made = call.ok(CREATE, NEW)["alignment_id"]
    path = f"GET {V3}/alignment-project/status/{made}"
    seen = []
    for call.now in (50, 54.9, 55, 60):
        seen += statuses(call, 1, path)
    assert seen == [404, 404, 200, 200]
    assert call.world.log.by_fault == {"notyet": 2}


def test_the_rate_limit_is_a_bucket(nugen: Make) -> None:
    call = nugen(rate_limit=RateLimit(rate=2, burst=3))
    assert statuses(call, 5) == [200, 200, 200, 429, 429]
    refused = call.send(BASE)
    assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
    call.now = 0.5
    assert statuses(call, 2) == [200, 429]
    call.now = 100
    assert statuses(call, 4) == [200, 200, 200, 429]
    limit = call.world.rate_limit
    assert (limit.served, limit.excess) == (7, 5)


def test_a_short_log_goes_on_counting(nugen: Make) -> None:
    call = nugen(world=World(log=Log(keep=3)))
    for call.now in (0, 0.5, 1, 2, 2, 2):
        call(BASE)
    log = call.world.log
    assert (len(log), log.total, log.peak) == (3, 6, 3)
    assert log.by_operation == {"list_base_models": 6}
    assert log.bytes_out == 6 * len(call.send(BASE).body)
    log.clear()
    assert (len(log), log.total, log.peak, log.bytes_out) == (0, 0, 0, 0)


def test_the_log_is_asked_by_any_part_of_a_request(nugen: Make) -> None:
    call = nugen(trusting=True)
    call.ok(CREATE, NEW)
    call.now = 5
    call(f"GET {V3}/evaluations", limit="100")
    log = call.world.log
    assert log.count("POST", f"{V3}/alignment-project/create") == 1
    assert log.count(operation="create_alignment", until=5) == 1
    assert log.count(since=5) == log.count(path=f"{V3}/evaluations") == 1
    [entry] = log.requests(since=5)
    assert (entry.query, entry.body, entry.status) == ({"limit": "100"}, None, 200)
    assert json.loads(json.dumps(log.entries[0].body)) == NEW
