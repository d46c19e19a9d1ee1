"""Server-sent events out of bytes as they come, in the line forms of the HTML standard. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from ..errors import DecodeError

DONE = "[DONE]"
"""The data that some servers send behind the last event."""

ERROR = "error"
"""The name of the event that some servers send when they fail on the way."""

_MARK = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """One event: its data, and its name where it has one."""

    data: str
    name: str = ""


class Events:
    """One stream's events: feed it bytes in any pieces, in linear time; it gives each event.

    More tolerant than the standard where that loses nothing: an event that the stream's end cuts off
    before its blank line still counts, and so does a body that is one JSON value and no stream. An event
    with no data, which some servers send to keep the connection, says nothing; unless it is an error.

    *clean* is applied to each whole line, before anything is made of it.
    """

    __slots__ = (
        "_begun",
        "_clean",
        "_data",
        "_name",
        "_other",
        "_return",
        "_seen",
        "_unfinished",
        "done",
    )

    def __init__(self, clean: Callable[[bytes], bytes] = bytes) -> None:
        self._clean = clean
        self.done = False
        """`DONE` has come; the rest is of no interest."""
        self._unfinished: list[bytes] = []
        self._return = False
        self._begun = False
        self._seen = False
        self._data: list[str] = []
        self._name = ""
        self._other: list[bytes] = []

    def feed(self, piece: bytes) -> Iterator[Event]:
        """The events that *piece* completes."""
        if self._return and piece.startswith(b"\n"):
            piece = piece[1:]
            self._return = False
        if not piece:
            return
        self._return = piece.endswith(b"\r")
        for line in piece.splitlines(keepends=True):
            if not line.endswith((b"\n", b"\r")):
                self._unfinished.append(line)
                continue
            whole = b"".join((*self._unfinished, line))
            self._unfinished.clear()
            yield from self._line(whole.rstrip(b"\r\n"))
            if self.done:
                return

    def end(self) -> Iterator[Event]:
        """The event that was not finished; a `DecodeError` if this was no stream of events at all."""
        if self.done:
            return
        if self._unfinished:
            yield from self._line(b"".join(self._unfinished))
        yield from self._event()
        other = b"\n".join(self._other)
        if self._seen or not other.strip():
            return
        if not other.lstrip().startswith((b"{", b"[")):
            shown = other[:200].decode("utf-8", "replace")
            raise DecodeError(problems=("$: no stream of events",), body=shown)
        yield Event(other.decode("utf-8", "replace"))

    def _line(self, line: bytes) -> Iterator[Event]:
        line = self._clean(line)
        if not self._begun:
            line, self._begun = line.removeprefix(_MARK), True
        if not line:
            yield from self._event()
            return
        name, _, value = line.partition(b":")
        if name == b"data":
            self._seen = True
            self._data.append(value.removeprefix(b" ").decode("utf-8", "replace"))
        elif name == b"event":
            self._seen = True
            self._name = value.removeprefix(b" ").decode("utf-8", "replace")
        elif name in {b"", b"id", b"retry"}:
            self._seen = True
        elif not self._seen:
            self._other.append(line)

    def _event(self) -> Iterator[Event]:
        event = Event("\n".join(self._data), self._name)
        self._data, self._name = [], ""
        if event.data.strip() == DONE:
            self.done = True
        elif event.data.strip() or event.name == ERROR:
            yield event
