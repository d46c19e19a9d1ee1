"""After a create whose answer was lost: find what it made among the things on the server.

Pure. A token in the name decides for certain. Without one only what fits in every field that both sides
tell is a candidate, and exactly one candidate is adopted. Whatever is not told counts as fitting, so that a
doubt never ends in a second create.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import unquote

from attrs import frozen

from .schedule import Phase

OnUnknown = Literal["raise", "reconcile"] | None
"""What one create does when its answer was lost; None: reconcile if the match is exact, else raise."""

TOKEN_LENGTH = 10
_SHORTEST_TOKEN = 6
SKEW = timedelta(minutes=15)
"""How far creation times may be off, after the clocks were compared by the `Date` header.

Wide, because a candidate too many is a question, and one too few a second bill.
"""


def token_of(*parts: object) -> str:
    """A token that is always the same for the same *parts*: letters and digits, 50 bits."""
    whole = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return base64.b32encode(whole)[:TOKEN_LENGTH].decode().lower()


def new_token() -> str:
    """A token that nobody used before."""
    return token_of(secrets.token_hex(16))


def marked(name: str, token: str) -> str:
    """*name* with the token as its suffix."""
    return f"{name}-{token}"


def carries(name: str, token: str | None) -> bool:
    """Whether *token* is long enough to be one, and stands in *name*."""
    return (
        bool(token)
        and len(token or "") >= _SHORTEST_TOKEN
        and (token or "").casefold() in name.casefold()
    )


@frozen(kw_only=True)
class Wanted:
    """What a create asked for, as far as a list can tell it. None and empty mean: not compared."""

    token: str | None = None
    """The token, where it stands in the name that was sent."""
    name: str | None = None
    base_model: str | None = None
    documents: frozenset[str] = frozenset()
    models: frozenset[str] = frozenset()
    benchmark_id: str | None = None
    size: int | None = None
    since: datetime | None = None
    """When the request went out, by the server's clock; None where that is not known."""
    alike: bool = False
    """Any that fits is as good as another, because the token stands for its whole content."""

    @property
    def exact(self) -> bool:
        """Whether a match is certain."""
        return self.token is not None


@frozen(kw_only=True)
class Sighting:
    """One thing in a list, as far as it is told."""

    id: str
    name: str | None = None
    base_model: str | None = None
    documents: frozenset[str] = frozenset()
    models: frozenset[str] = frozenset()
    benchmark_id: str | None = None
    size: int | None = None
    created: datetime | None = None
    failed: bool = False


def judge(wanted: Wanted, seen: Iterable[Sighting]) -> tuple[str, ...]:
    """The ids of those *seen* that may be what was *wanted*, oldest first.

    Where they are all alike it is one: the newest that has not failed, else the newest.
    """
    fits = fitting(wanted, seen)
    fits.sort(key=lambda s: (s.created is None, s.created.timestamp() if s.created else 0.0))
    if wanted.alike:
        fits = ([s for s in fits if not s.failed] or fits)[-1:]
    return tuple(dict.fromkeys(s.id for s in fits))


def fitting(wanted: Wanted, seen: Iterable[Sighting]) -> list[Sighting]:
    """Those *seen* that may be what was *wanted*."""
    return [s for s in seen if s.id and _fits(wanted, s)]


def _fits(wanted: Wanted, seen: Sighting) -> bool:
    if wanted.token is not None:
        return seen.name is not None and carries(seen.name, wanted.token)
    return all(_agreements(wanted, seen))


def _agreements(wanted: Wanted, seen: Sighting) -> Iterator[bool]:
    for name in ("name", "base_model", "documents", "benchmark_id", "size"):
        ours, theirs = getattr(wanted, name), getattr(seen, name)
        yield not ours or not theirs or ours == theirs
    yield not wanted.models or seen.models <= wanted.models
    if wanted.since is not None and seen.created is not None:
        yield seen.created >= wanted.since - SKEW


def sighted(row: Any) -> Sighting:
    """What a snapshot of any noun tells of itself.

    Servers keep the names of files as forms send them, and forms may write a blank as ``%20``.
    """
    name = next(
        (n for n in ("name", "benchmark_name", "evaluation_name", "filename") if hasattr(row, n)),
        "",
    )
    models = (getattr(row, n, None) for n in ("model_id", "model_id_2", "baseline_model_id"))
    size = next((n for n in ("num_questions", "size") if hasattr(row, n)), "")
    return Sighting(
        id=row.id,
        name=unquote(getattr(row, name, None) or "") or None,
        base_model=getattr(row, "base_model", None) or None,
        documents=frozenset(getattr(row, "documents", ())),
        models=frozenset(filter(None, models)),
        benchmark_id=getattr(row, "benchmark_id", None) or None,
        size=getattr(row, size, None),
        created=row.created,
        failed=row.phase in {Phase.FAILED, Phase.CANCELLED},
    )


def pauses(settle: float) -> Iterator[float]:
    """Seconds between looks, growing, that together give a list *settle* seconds to catch up."""
    left, step = settle, min(0.5, settle / 4) if settle > 0 else 0.0
    while left > 0:
        pause = min(step, left)
        yield pause
        left -= pause
        step *= 2
