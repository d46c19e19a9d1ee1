"""Questions that are brought along: their numbers, and the files that hold them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nugen_async import Nugen
from nugen_async.resources.benchmarks import Question, read_questions

from .canned import canned


def numbered(*numbers: int | None) -> list[Question]:
    return [Question(question=f"q{n}", answer="a", question_num=n) for n in numbers]


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ((0, 1, 2), [0, 1, 2]),
        ((7, 3), [7, 3]),
        ((None, None), [1, 2]),
        ((2, None), [1, 2]),
        ((4, 4), [1, 2]),
    ],
)
async def test_every_question_has_a_number_of_its_own(given: Any, sent: list[int]) -> None:
    async with canned({"id": "b"}) as server, Nugen("k", base_url=server.url) as nugen:
        await nugen.benchmarks.upload(numbered(*given), name="n", document_id="d")
    held = json.loads(dict(server.asked[0].form)["file:questions.json"])
    assert [row["question_num"] for row in held] == sent


def test_a_file_may_hold_samples(tmp_path: Path) -> None:
    file = tmp_path / "samples.json"
    file.write_text('{"samples": [{"sample_num": 1, "instruction": "Why?", "response": "So."}]}')
    assert read_questions(file) == [Question(question="Why?", answer="So.", question_num=1)]
