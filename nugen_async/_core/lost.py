"""A create whose answer was lost: what was asked for, and by what it can be looked for. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from ..errors import CreateOutcomeUnknownError, NugenError
from .wire import Call, Json

_NAMES = ("name", "agent_name", "alignment_name", "benchmark_name", "evaluation_name")
_OF_FILES = ("names", "files")
"""Parts of a form that say what is uploaded; elsewhere "files" are ids of other things."""


def create(
    call: Call[Any], error: NugenError, started: datetime, ended: datetime
) -> CreateOutcomeUnknownError:
    """What is known of *call*, which failed with *error* between *started* and *ended*."""
    body = _told(call)
    return CreateOutcomeUnknownError(
        method=call.method,
        url=getattr(error, "url", ""),
        kind=call.noun.rstrip("s").replace("_", " "),
        body=body,
        token=body.get("workflow_id"),
        started=started.isoformat(),
        ended=ended.isoformat(),
        look_for=_marks(body, (*_NAMES, *_OF_FILES) if call.parts else _NAMES),
        reason=str(error),
    )


def _told(call: Call[Any]) -> dict[str, Json]:
    """What a create asked for; of the files in a form only their names."""
    if call.json is not None:
        return dict(call.json)
    fields: dict[str, list[str]] = {}
    for part in call.parts:
        fields.setdefault(part.name, []).append(part.value or part.filename or "")
    return {name: told if len(told) > 1 else told[0] for name, told in fields.items()}


def _marks(body: Mapping[str, Json], names: Iterable[str]) -> str:
    """By what the thing made of *body* is known, its *names* first; empty where it has no marks."""
    named = next((body[key] for key in names if body.get(key)), None)
    if isinstance(named, list):
        return f"those named {', '.join(map(repr, named))}"
    if named is not None:
        return f"one named {named!r}"
    return f"one like {json.dumps(body, default=str)}" if body else ""
