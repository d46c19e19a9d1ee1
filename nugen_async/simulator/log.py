"""The server's log: what tests assert on, since a client's own counts may be wrong."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping
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
    query: Mapping[str, str]
    body: Any
    operation: str
    status: int | None
    created: str | None
    bytes_out: int
    connection: int
    fault: str


@define(eq=False)
class Log:
    """The requests, in the order of arrival.

    With *keep* only so many of the latest entries stay, for long runs; the counters
    (`total`, `by_operation`, `by_fault`, `peak`, `bytes_out`) go on counting everything.
    """

    keep: int | None = None
    entries: deque[Entry] = field(init=False, repr=False)
    total: int = field(default=0, init=False)
    bytes_out: int = field(default=0, init=False)
    by_operation: Counter[str] = field(factory=Counter[str], init=False, repr=False)
    by_fault: Counter[str] = field(factory=Counter[str], init=False, repr=False)
    _seconds: Counter[int] = field(factory=Counter[int], init=False, repr=False)
    _connections: set[int] = field(factory=set[int], init=False, repr=False)
    _numbered: int = field(default=0, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self.entries = deque(maxlen=self.keep)

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def add(self, entry: Entry) -> None:
        """Write one request down."""
        self.entries.append(entry)
        self.total += 1
        self.bytes_out += entry.bytes_out
        self.by_operation[entry.operation] += 1
        if entry.fault:
            self.by_fault[entry.fault] += 1
        self._seconds[int(entry.at)] += 1
        self._connections.add(entry.connection)

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

    def number(self) -> int:
        """The number of a new connection."""
        self._numbered += 1
        return self._numbered

    @property
    def peak(self) -> int:
        """The most requests in any one whole second of the world."""
        return max(self._seconds.values(), default=0)

    @property
    def connections(self) -> int:
        """How many connections the requests came over."""
        return len(self._connections)

    def clear(self) -> None:
        """Forget what was logged so far; the world itself stays as it is."""
        self.entries.clear()
        self.total = self.bytes_out = 0
        for counter in (self.by_operation, self.by_fault, self._seconds):
            counter.clear()
        self._connections.clear()


def _matches(path: str, wanted: str | Pattern[str]) -> bool:
    return path == wanted if isinstance(wanted, str) else wanted.search(path) is not None
