"""Server-sent events out of bytes as they come, in the line forms of the HTML standard. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..errors import DecodeError

DONE = "[DONE]"
"""The data that some servers send behind the last event."""

_MARK = b"\xef\xbb\xbf"


class Events:
    """One stream's events: feed it bytes in any pieces, in linear time; it gives the `data` of each event.

    More tolerant than the standard where that loses nothing: an event that the stream's end cuts off
    before its blank line still counts, and so does a body that is one JSON value and no stream.

    *clean* is applied to each whole line, before anything is made of it.
    """

    __slots__ = ("_begun", "_clean", "_data", "_other", "_return", "_seen", "_unfinished", "done")

    def __init__(self, clean: Callable[[bytes], bytes] = bytes) -> None:
        self._clean = clean
        self.done = False
        """`DONE` has come; the rest is of no interest."""
        self._unfinished: list[bytes] = []
        self._return = False
        self._begun = False
        self._seen = False
        self._data: list[str] = []
        self._other: list[bytes] = []

    def feed(self, piece: bytes) -> Iterator[str]:
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

    def end(self) -> Iterator[str]:
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
        yield other.decode("utf-8", "replace")

    def _line(self, line: bytes) -> Iterator[str]:
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
        elif name in {b"", b"event", b"id", b"retry"}:
            self._seen = True
        elif not self._seen:
            self._other.append(line)

    def _event(self) -> Iterator[str]:
        if not self._data:
            return
        event, self._data = "\n".join(self._data), []
        if event.strip() == DONE:
            self.done = True
        else:
            yield event
