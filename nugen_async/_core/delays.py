"""A caller's own pauses: any iterator of seconds, kept from harming anybody (pure)."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator

from attrs import define, field

DelayFactory = Callable[[], Iterator[float | None]]
"""Makes a new iterator of sleeps, in seconds, for each watch."""


@define(eq=False)
class Delays:
    """A passed-in iterator of sleeps, and how it is kept from harming anybody."""

    _source: Generator[float | None, object] | Iterator[float | None]
    _last: float
    """Until the iterator has said something."""
    _primed: float | None = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._primed = self._step(None) or None  # backoff yields None first, its fork 0

    def draw(self, hints: object) -> float:
        """The next delay; the last one again when there is none, or none that makes sense.

        A generator is sent the *hints* of the look before it.
        """
        delay, self._primed = self._primed, None
        if delay is None:
            delay = self._step(hints)
        if delay is not None and delay >= 0:
            self._last = float(delay)
        return self._last

    def _step(self, hints: object) -> float | None:
        source = self._source
        try:
            return source.send(hints) if isinstance(source, Generator) else next(source)
        except (StopIteration, OverflowError):
            return None
