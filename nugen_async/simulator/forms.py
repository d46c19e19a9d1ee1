"""The form of answers in each generation of the contract: status words, times, letter case."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Literal

from .exchange import Generation, is_array, is_object
from .records import Phase, Serving

Task = Literal["deploy", "undeploy"]

_WORDS: Mapping[Generation, Mapping[Phase, str]] = {
    "G1": {
        "queued": "pending",
        "running": "processing",
        "evaluating": "evaluating",
        "ready": "completed",
        "failed": "failed",
        "stopped": "stopped",
    },
    "G2": {
        "queued": "pending",
        "running": "pending",
        "evaluating": "evaluating",
        "ready": "completed",
        "failed": "failed",
        "stopped": "stopped",
    },
    "G3": {
        "queued": "PROCESSING",
        "running": "PROCESSING",
        "evaluating": "EVALUATING",
        "ready": "READY",
        "failed": "FAILED",
        "stopped": "STOPPED",
    },
    "G4": {
        "queued": "QUEUED",
        "running": "PROCESSING",
        "evaluating": "EVALUATING",
        "ready": "READY",
        "failed": "FAILED",
        "stopped": "STOPPED",
    },
}
_FILTERS: Mapping[str, frozenset[Phase]] = {
    "pending": frozenset({"queued", "running"}),
    "queued": frozenset({"queued"}),
    "processing": frozenset({"queued", "running"}),
    "in_progress": frozenset({"queued", "running"}),
    "evaluating": frozenset({"evaluating"}),
    "ready": frozenset({"ready"}),
    "completed": frozenset({"ready"}),
    "failed": frozenset({"failed"}),
    "stopped": frozenset({"stopped"}),
}
_SNAKE_ALWAYS = frozenset({"evaluation_id", "model_id"})
_UNDERSCORE = re.compile(r"_([a-z0-9])")


def word(generation: Generation, phase: Phase) -> str:
    """The status word for a phase of a job."""
    return _WORDS[generation][phase]


def task_word(generation: Generation, verb: Task, phase: Phase) -> str:
    """The status word of a deploy or undeploy task: its own vocabulary up to the third form."""
    done, failed = phase == "ready", phase == "failed"
    if generation == "G4":
        if verb == "deploy":
            return "DEPLOYED" if done else "UNDEPLOYED" if failed else "DEPLOYING"
        return "UNDEPLOYED" if done else "DEPLOYED" if failed else "UNDEPLOYING"
    shown = "COMPLETED" if done else "FAILED" if failed else "PENDING"
    return shown if generation == "G3" else shown.lower()


def filtered_phases(generation: Generation, wanted: str) -> frozenset[Phase]:
    """The phases that a list filter means; a word of another generation matches nothing."""
    if wanted.casefold() == "in_progress":
        return _FILTERS["in_progress"]
    if wanted not in _WORDS[generation].values():
        return frozenset()
    return _FILTERS[wanted.casefold()]


def serving_word(generation: Generation, serving: Serving) -> str:
    """The status word of a model in a list."""
    if generation in ("G1", "G2") and serving == "trained":
        return "UNDEPLOYED"
    return "READY" if serving == "trained" else serving.upper()


@lru_cache(maxsize=1 << 14)
def stamp(generation: Generation, epoch: datetime, seconds: float) -> str:
    """A time as its generation writes it: zoned, without a zone, or that with a space."""
    moment = epoch + timedelta(seconds=seconds)
    if generation in ("G1", "G2"):
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    return moment.replace(tzinfo=None).isoformat(
        sep=" " if generation == "G4" else "T", timespec="microseconds"
    )


def camel(value: Any) -> Any:
    """The first generation's letter case, with the two names that stayed as they were."""
    if is_object(value):
        return {
            key if key in _SNAKE_ALWAYS else _UNDERSCORE.sub(lambda m: m[1].upper(), key): camel(
                inner
            )
            for key, inner in value.items()
        }
    if is_array(value):
        return [camel(inner) for inner in value]
    return value


def cased(generation: Generation, value: Any) -> Any:
    """The value in the letter case of its generation."""
    return camel(value) if generation == "G1" else value
