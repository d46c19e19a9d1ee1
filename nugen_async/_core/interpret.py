"""A response becomes a payload, or the right error. Pure: status, headers and bytes are all it knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import APIStatusError, DecodeError, Detail, Problem
from .codec import loads
from .pace import retry_after
from .wire import Json, Response

_SHOWN = 500
_EMPTY = (204, 205)
_PLAIN_NOT_FOUND = {"not found", "method not allowed"}


def payload(response: Response) -> Json:
    """The JSON value of a successful answer, None for an empty 204; raises `DecodeError` for none."""
    return None if response.status in _EMPTY else loads(response.body)


def refusal(response: Response, method: str, url: str, wall_now: float) -> APIStatusError:
    """The typed error for an answer that is not a success."""
    return APIStatusError.kind_for(response.status)(
        method=method,
        url=url,
        status=response.status,
        detail=told(response.body) or _elsewhere(response),
        request_id=response.request_id,
        retry_after=retry_after(response.headers.get("retry-after"), wall_now),
        body=_shown(response.body),
    )


def located(error: DecodeError, response: Response, method: str, url: str) -> DecodeError:
    """The same complaint, with the request and the answer that it is about."""
    kind = response.headers.get("content-type", "")
    hint = (f"content type {kind}",) if kind and "json" not in kind else ()
    return DecodeError(
        method=method,
        url=url,
        problems=error.problems + hint,
        status=response.status,
        request_id=response.request_id,
        body=_shown(response.body),
    )


def route_is_missing(error: APIStatusError) -> bool:
    """Whether a 404 or 405 speaks of the *route* and not of the thing asked for.

    Inferred from FastAPI, which the error bodies point to: an unknown route answers exactly
    ``{"detail": "Not Found"}``, a thing that is missing is named in a sentence.
    """
    if error.status == 405:  # noqa: PLR2004 # Method Not Allowed
        return True
    if error.status != 404:  # noqa: PLR2004 # Not Found
        return False
    said = error.detail
    return said is None or (isinstance(said, str) and said.strip().lower() in _PLAIN_NOT_FOUND)


def _shown(body: bytes) -> str:
    return body[:_SHOWN].decode("utf-8", "replace")


def _elsewhere(response: Response) -> str | None:
    """That a redirect was not followed: the key goes to no other host, and no POST becomes a GET."""
    place = response.headers.get("location")
    if not place or not 300 <= response.status < 400:  # noqa: PLR2004 # HTTP's redirects
        return None
    return f"it points to {place}, which is not followed"


def told(body: bytes) -> Detail:
    """What an error body says, whatever form it has; None for HTML, an empty or an unreadable one."""
    try:
        said = loads(body)
        if isinstance(said, dict):
            found = (said[key] for key in ("detail", "error", "message") if said.get(key))
            said = next(found, said) or None
        return _parsed(said)
    except (DecodeError, RecursionError):
        return None


def _parsed(said: Any) -> Detail:
    match said:
        case str():
            return said
        case list():
            return tuple(_problem(row) for row in said)
        case dict():
            return said
        case _:
            return None if said is None else str(said)


def _problem(row: Any) -> Problem:
    """One row of a 422. What the user typed (`input`, `ctx`) is left out: it may be private."""
    if not isinstance(row, Mapping):
        return Problem(msg=str(row))
    loc = row.get("loc")
    parts = loc if isinstance(loc, list) else [] if loc is None else [loc]
    return Problem(
        loc=tuple(part if isinstance(part, int) else str(part) for part in parts),
        msg=str(row.get("msg", "")),
        type=str(row.get("type", "")),
    )
