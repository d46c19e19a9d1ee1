"""Short names of jobs, as people type them."""

from __future__ import annotations

import json

import pytest

from nugen_async.cli.refs import token_of
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
