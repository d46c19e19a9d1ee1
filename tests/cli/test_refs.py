"""Short names of jobs, as people type them."""

from __future__ import annotations

import json

import pytest

from nugen_async import Alignment, Document
from nugen_async.cli.refs import titles, token_of
from nugen_async.errors import InvalidRequestError


@pytest.mark.parametrize(
    ("ref", "kind", "job_id"),
    [
        ("al-1", "alignments", "al-1"),
        ("evaluation/ev-7", "evaluations", "ev-7"),
        ("evaluation:ev-7", "evaluations", "ev-7"),
        ("Training_Pairs:tp-1", "alignment", "tp-1"),
        ("document/urn:doc:1", "documents", "urn:doc:1"),
        ("urn:al-1", "alignments", "urn:al-1"),
    ],
)
def test_a_kind_and_an_id_are_told_apart(ref: str, kind: str, job_id: str) -> None:
    told = json.loads(token_of(ref)[1])
    assert (told["kind"], told["id"]) == (kind, job_id)


@pytest.mark.parametrize("ref", ["evaluation:", "x:y/z", "x/y", ""])
def test_neither_is_guessed(ref: str) -> None:
    with pytest.raises(InvalidRequestError, match="names no job"):
        token_of(ref)


def test_jobs_are_called_by_name_where_that_tells_them_apart() -> None:
    first, same = Alignment(id="al-1", name="legal"), Alignment(id="al-2", name="legal")
    other, bare = Alignment(id="al-3", name="tax\x1b"), Alignment(id="al-4")
    document = Document(id="doc-1", filename="contract.txt")
    alike = {f"alignment/{job.id}": job for job in (first, same, other, bare)}
    assert titles(alike) == ["al-1", "al-2", "tax\ufffd", "al-4"]
    mixed = {"alignment/al-1": first, "document/doc-1": document, "alignment/al-4": bare}
    assert titles(mixed) == ["legal (alignment)", "contract.txt (document)", "alignment/al-4"]
