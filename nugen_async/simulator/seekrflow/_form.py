"""SeekrFlow's status words, times and routes."""

from __future__ import annotations

from collections.abc import Mapping

from ..book import Book
from ..exchange import Handler, Route
from ..records import Job, Phase

_WORDS: Mapping[Phase, str] = {
    "queued": "queued",
    "running": "running",
    "evaluating": "running",
    "ready": "completed",
    "failed": "failed",
    "stopped": "stopped",
}


def word(job: Job, now: float) -> str:
    """The status word; what a caller stopped is cancelled, what the server stopped is stopped."""
    if job.stopped_at is not None and now >= job.stopped_at:
        return "cancelled"
    return _WORDS[job.phase(now)]


def moment(book: Book, at: float) -> str:
    """A zoned time."""
    return book.at(at).isoformat().replace("+00:00", "Z")


def flow(method: str, path: str, operation: str, handler: Handler) -> Route:
    """A route of SeekrFlow, which has one contract."""
    return Route(method, path, operation, handler, "both", "seekrflow")
