"""The resume token: which job, of which kind, since when. JSON text without a secret. Pure."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from attrs import frozen

from ..errors import InvalidRequestError

_VERSION = 1


@frozen
class Token:
    """What a resume token says."""

    service: str
    kind: str
    id: str
    created: datetime | None = None
    """When the job was created, aware; it sets the pace of the first looks."""

    def __str__(self) -> str:
        created = self.created.isoformat() if self.created else None
        told = {"service": self.service, "kind": self.kind, "id": self.id, "created": created}
        return json.dumps({"v": _VERSION, **told})


def read_token(text: str) -> Token:
    """The token that *text* is; `InvalidRequestError` for anything else."""
    try:
        told = json.loads(text)
        version, job_id, created = told["v"], told["id"], told.get("created")
        token = Token(told["service"], told["kind"], job_id, _instant(created))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise InvalidRequestError("this is not a resume token") from None
    if not isinstance(job_id, str):
        raise InvalidRequestError("this resume token names no job")
    if version != _VERSION:
        raise InvalidRequestError("this resume token was made by a newer version")
    return token


def _instant(text: str | None) -> datetime | None:
    if not text:
        return None
    told = datetime.fromisoformat(text)
    return told if told.tzinfo else told.replace(tzinfo=UTC)
