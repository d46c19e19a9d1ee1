"""The server's log: what tests assert on, since a client's own counts may be wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from re import Pattern
from typing import Any

from attrs import define, field, frozen


@frozen(kw_only=True)
class Entry:
    """One request and what became of it. No header is kept, so no key is either.

    *at* is in seconds of the world; *status* is None where no answer was sent; *created* is the
    id of what the request made, answered or not; *fault* names what was done to it on purpose.
    """

    at: float
    method: str
    path: str
    query: dict[str, str]
    body: Any
    operation: str
    status: int | None
    created: str | None
    bytes_out: int
    connection: int
    fault: str


@define(eq=False)
class Log:
    """Every request, in the order of arrival."""

    entries: list[Entry] = field(factory=list[Entry], repr=False)

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def requests(
        self,
        method: str | None = None,
        path: str | Pattern[str] | None = None,
        *,
        operation: str | None = None,
        status: int | None = None,
        since: float = float("-inf"),
        until: float = float("inf"),
    ) -> list[Entry]:
        """The entries that match all that is given; *until* is exclusive."""
        return [
            entry
            for entry in self.entries
            if (method is None or entry.method == method)
            and (path is None or _matches(entry.path, path))
            and (operation is None or entry.operation == operation)
            and (status is None or entry.status == status)
            and since <= entry.at < until
        ]

    def count(
        self,
        method: str | None = None,
        path: str | Pattern[str] | None = None,
        *,
        operation: str | None = None,
        status: int | None = None,
        since: float = float("-inf"),
        until: float = float("inf"),
    ) -> int:
        """How many entries match."""
        return len(
            self.requests(
                method, path, operation=operation, status=status, since=since, until=until
            )
        )

    def created(self, operation: str | None = None) -> list[str]:
        """The ids of everything made, answered or not."""
        return [
            entry.created
            for entry in self.entries
            if entry.created is not None and operation in (None, entry.operation)
        ]

    def by_operation(self) -> Counter[str]:
        """How many requests each operation got."""
        return Counter(entry.operation for entry in self.entries)

    def by_fault(self) -> Counter[str]:
        """How many requests each fault hit; `rate limit` among them."""
        return Counter(entry.fault for entry in self.entries if entry.fault)

    def peak(self, operation: str | None = None) -> int:
        """The most requests in any one whole second of the world."""
        seconds = Counter(
            int(entry.at) for entry in self.entries if operation in (None, entry.operation)
        )
        return max(seconds.values(), default=0)

    def bytes_out(self) -> int:
        """All bytes of bodies sent, as compressed as they were sent."""
        return sum(entry.bytes_out for entry in self.entries)

    def connections(self) -> int:
        """How many connections the requests came over."""
        return len({entry.connection for entry in self.entries})

    def clear(self) -> None:
        """Forget what was logged so far; the world itself stays as it is."""
        self.entries.clear()


def _matches(path: str, wanted: str | Pattern[str]) -> bool:
    return path == wanted if isinstance(wanted, str) else wanted.search(path) is not None
