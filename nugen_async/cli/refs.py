"""Short names of jobs: ``kind/id`` to type and to copy, resume tokens behind them (pure)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from ..errors import InvalidRequestError
from ..resources._records import Job

SEEKR = "seekrflow"

_KINDS: dict[str, tuple[str, str]] = {
    "alignment": ("nugen", "alignments"),
    "evaluation": ("nugen", "evaluations"),
    "benchmark": ("nugen", "benchmarks"),
    "document": ("nugen", "documents"),
    "deployment": ("nugen", "deployments"),
    "undeployment": ("nugen", "undeployments"),
    "training-pairs": (SEEKR, "alignment"),
    "data-job": (SEEKR, "data_jobs"),
    "ingestion": (SEEKR, "ingestion"),
}
"""The word of each kind of job, and where it belongs: its service, and the noun in its tokens."""

_WORDS = {home: word for word, home in _KINDS.items()}
_DEFAULT = "alignment"
_SPLIT = re.compile(r"([^/:]*)([/:])(.*)", re.DOTALL)


def kinds() -> str:
    """The words that may stand before the slash."""
    return ", ".join(_KINDS)


def token_of(ref: str) -> tuple[str, str]:
    """The service and the resume token that an id, a ``kind/id`` or a token stands for.

    ``kind:id`` says the same as ``kind/id``; a colon after no kind belongs to an id. Raises
    `InvalidRequestError` for anything else.
    """
    text = ref.strip()
    if text.startswith("{"):
        try:
            return str(json.loads(text)["service"]), text
        except (ValueError, KeyError, TypeError):
            raise InvalidRequestError(f"this is not a resume token: {ref}") from None
    found = _SPLIT.fullmatch(text)
    kind, separator, job_id = found.groups() if found else (_DEFAULT, "/", text)
    home = _home(kind)
    if home is None and separator == ":" and "/" not in job_id:
        home, job_id = _KINDS[_DEFAULT], text
    if home is None or not job_id:
        raise InvalidRequestError(
            f"{ref!r} names no job: give an alignment's ID, KIND/ID or a resume token;"
            f" kinds are {kinds()}"
        )
    service, noun = home
    return service, json.dumps({"v": 1, "service": service, "kind": noun, "id": job_id})


def ref_of(job: Job) -> str:
    """The short name of a job."""
    told = json.loads(job.resume_token())
    word = _WORDS.get((told["service"], told["kind"]), told["kind"])
    return f"{word}/{told['id']}"


def titles(refs: Iterable[str]) -> list[str]:
    """*refs* for people who see them side by side: without the kind where all have the same."""
    parts = [ref.partition("/") for ref in refs]
    alike = len({kind for kind, _, _ in parts}) == 1
    return [job_id if alike else f"{kind}/{job_id}" for kind, _, job_id in parts]


def _home(kind: str) -> tuple[str, str] | None:
    word = kind.strip().lower().replace("_", "-")
    return _KINDS.get(word) or _KINDS.get(word.removesuffix("s"))
