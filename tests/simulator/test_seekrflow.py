"""The SeekrFlow side of the world."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from nugen_async.simulator import Span, Times

Make = Callable[..., Any]
FLOW = "/v1/flow"
EXACT = Times(training_pairs=Span(900), ingestion=Span(60))
NEW = {"instructions": "teach", "files": ["f"]}


def test_a_job_runs_tells_its_way_and_leaves_files(seekr: Make) -> None:
    call = seekr(times=EXACT, trusting=True, estimates="right")
    answer = call.send(f"POST {FLOW}/alignment/generate", NEW)
    assert answer.headers["Deprecation"] == "true"
    job = call.ok(f"GET {FLOW}/alignment")["data"][0]
    assert job["id"].startswith("al-")
    seen = []
    for call.now in (0, 450, 899, 900):
        row = call.ok(f"GET {FLOW}/alignment/{job['id']}")
        seen.append((row["status"], row["step_progress"], row["progress"], row["eta_minutes"]))
    assert seen == [
        ("running", "1/3", 0.0, 15),
        ("running", "2/3", 50.0, 8),
        ("running", "3/3", 99.0, 0),
        ("completed", None, 100.0, None),
    ]
    assert datetime.fromisoformat(row["completed_at"]).tzinfo is not None
    outputs = call.ok(f"GET {FLOW}/alignment/{job['id']}/outputs")
    assert [each["purpose"] for each in outputs] == ["fine-tune", "other"]
    content = call.send(f"GET {FLOW}/files/{outputs[0]['id']}/content")
    assert len(content.body) == outputs[0]["bytes"]


def test_a_job_can_be_cancelled_once_and_deleted(seekr: Make) -> None:
    call = seekr(times=EXACT, trusting=True)
    job = call.ok(f"POST {FLOW}/alignment/generate", NEW)["id"]
    call.now = 10
    assert call.ok(f"POST {FLOW}/alignment/{job}/cancel")["status"] == "cancelled"
    assert call(f"POST {FLOW}/alignment/{job}/cancel")[0] == 400
    call.now = 5000
    assert call.ok(f"GET {FLOW}/alignment/{job}")["status"] == "cancelled"
    assert call.ok(f"GET {FLOW}/alignment/{job}/outputs") == []
    assert call(f"DELETE {FLOW}/alignment/{job}") == (204, None)
    assert call(f"GET {FLOW}/alignment/{job}")[0] == 404


def test_a_wrong_request_is_echoed(seekr: Make) -> None:
    status, body = seekr()(f"POST {FLOW}/alignment/generate", NEW | {"type": "other"})
    assert status == 422
    assert (body["detail"][0]["loc"], body["detail"][0]["input"]) == (["body", "type"], "other")


def test_a_data_job_parks_twice_and_then_mirrors_its_alignment(seekr: Make, upload: Make) -> None:
    call = seekr(times=EXACT)
    new = {"name": "d", "job_type": "principle_files", "instructions": "teach"}
    job = call.ok(f"POST {FLOW}/data-jobs", new)["id"]
    here = f"{FLOW}/data-jobs/{job}"

    def status() -> str:
        told: str = call.ok(f"GET {here}")["status"]
        return told

    assert status() == "needs_review"
    assert call(f"POST {here}/start")[0] == 400
    file = call.ok(f"PUT {FLOW}/files", upload("a.md", purpose="alignment"))["id"]
    call.ok(f"POST {here}/add-files", {"file_ids": [file]})
    assert status() == "file_processing"
    call.now = 60
    assert status() == "ready_to_start"
    call.now = 10**6
    assert status() == "ready_to_start"
    call.ok(f"POST {here}/start")
    assert status() == "running"
    assert call(f"POST {here}/add-files", {"file_ids": [file]})[0] == 400
    call.now += 900
    detail = call.ok(f"GET {here}")
    assert (detail["status"], detail["alignment_job"]["status"]) == ("completed", "completed")
    events = [each["event_type"] for each in detail["timeline"]]
    assert events == ["created", "files_added", "started"]
    assert [(each["file_id"], each["name"]) for each in detail["files"]] == [(file, "a.md")]
    assert call(f"POST {here}/cancel")[0] == 400

    assert call(f"POST {here}/clone")[0] == 422
    clone = call.ok(f"POST {here}/clone", {"name": None})
    assert (clone["status"], clone["name"]) == ("ready_to_start", "d (copy)")
    named = call.ok(f"POST {here}/clone", {"name": "copy"})
    assert (named["name"], named["origin_data_job_id"]) == ("copy", job)
    call(f"DELETE {FLOW}/data-jobs/{named['id']}")
    call.ok(f"PATCH {FLOW}/data-jobs/{clone['id']}", {"name": "e"})
    call.ok(f"POST {FLOW}/data-jobs/{clone['id']}/remove-files", {"file_ids": [file]})
    assert call.ok(f"POST {FLOW}/data-jobs/{clone['id']}/cancel")["status"] == "cancelled"
    listed = call.ok(f"GET {FLOW}/data-jobs", sort_by="name", sort_order="desc", limit="1")
    assert [row["name"] for row in listed["data"]] == ["e"]
    assert call(f"DELETE {here}") == (204, None)


def test_a_file_that_cannot_be_read_parks_the_data_job(seekr: Make) -> None:
    call = seekr(times=EXACT, trusting=True, failures={"ingestion": 1.0})
    new = {"name": "d", "job_type": "context_grounded_files"}
    job = call.ok(f"POST {FLOW}/data-jobs", new)["id"]
    call.ok(f"POST {FLOW}/data-jobs/{job}/add-files", {"file_ids": ["f"]})
    call.now = 100
    detail = call.ok(f"GET {FLOW}/data-jobs/{job}")
    assert detail["status"] == "needs_review"
    (record,) = detail["ingestion_jobs"][0]["records"]
    assert (record["alignment_file_id"], record["status"]) == ("f", "failed")
    assert record["error_message"]
    assert detail["files"][0]["suggested_fix"] == record["suggested_fix"]
    call.ok(f"POST {FLOW}/data-jobs/{job}/remove-files", {"file_ids": ["f"]})
    call.ok(f"POST {FLOW}/data-jobs/{job}/cancel")


def test_files_and_ingestion(seekr: Make, upload: Make) -> None:
    call = seekr(times=EXACT)
    made = call.ok(f"PUT {FLOW}/bulk_files", upload("a.md", "b.md", purpose="alignment"))
    first, second = (each["id"] for each in made)
    assert call(f"PUT {FLOW}/files", upload("a.md"))[0] == 422
    assert call(f"PUT {FLOW}/files/{first}/rename", {"filename": "z.md"})[0] == 422
    call.ok(f"PUT {FLOW}/files/{first}/rename", {"new_filename": "z.md"})
    listed = call.ok(f"GET {FLOW}/files", sort_by="filename", sort_order="desc")["data"]
    assert [each["filename"] for each in listed] == ["z.md", "b.md"]
    ingestion = call.ok(f"POST {FLOW}/ingestion", {"files": [first, second]})
    call.now = 60
    done = call.ok(f"GET {FLOW}/ingestion/{ingestion['id']}")
    assert (ingestion["status"], done["status"]) == ("running", "completed")
    assert call.ok(f"GET {FLOW}/ingestion")["data"] == [done]
    assert call.ok(f"DELETE {FLOW}/files/{first}")["deleted"] is True
    assert call(f"GET {FLOW}/files/{first}")[0] == 404


@pytest.mark.parametrize(
    ("body", "valid"),
    [
        ({"purpose": "alignment", "suffix": ".md", "size": 1}, True),
        ({"purpose": "context_data", "suffix": "md", "size": 1}, False),
        ({"purpose": "alignment", "suffix": "exe", "size": 5 * 1024**3}, False),
    ],
)
def test_metadata_is_validated(seekr: Make, body: Any, *, valid: bool) -> None:
    told = seekr().ok(f"POST {FLOW}/files/validate_metadata", body)
    assert told["is_valid"] == valid == (not told["errors"])


def test_a_system_prompt_is_written(seekr: Make) -> None:
    told = seekr().ok(f"POST {FLOW}/data-jobs/gen_system_prompt", {"instructions": "teach"})
    assert "teach" in told["system_prompt"]
