"""Short names of jobs: ``kind/id`` to type and to copy, resume tokens behind them (pure)."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType

from ..errors import InvalidRequestError, printable
from ..resources._records import Job
from ..resources.benchmarks import Benchmark
from ..resources.documents import Document

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
NOTHING: Mapping[str, str] = MappingProxyType({})
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


def titles(jobs: Mapping[str, Job], called: Mapping[str, str] = NOTHING) -> list[str]:
    """*jobs*, by their short names, for people who see them side by side.

    By their own names (or as they are *called* by who made them) where each has another, else by their ids;
    without the kind where all have the same.
    """
    kinds = [ref.partition("/")[0] for ref in jobs]
    names = [printable(called.get(ref) or name_of(job)) for ref, job in jobs.items()]
    alike, told_apart = len(set(kinds)) == 1, Counter(zip(kinds, names, strict=True))
    made: list[str] = []
    for kind, name, (ref, job) in zip(kinds, names, jobs.items(), strict=True):
        if name and told_apart[kind, name] == 1:
            made.append(name if alike else f"{name} ({kind})")
        else:
            made.append(job.id if alike else ref)
    return made


def name_of(job: Job) -> str:
    """What people call *job*; empty where that is not known."""
    match job:
        case Document():
            return job.filename
        case Benchmark():
            return job.benchmark_name
        case _:
            return getattr(job, "name", None) or ""


def _home(kind: str) -> tuple[str, str] | None:
    word = kind.strip().lower().replace("_", "-")
    return _KINDS.get(word) or _KINDS.get(word.removesuffix("s"))
