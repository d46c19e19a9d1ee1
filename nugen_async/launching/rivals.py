"""Creates whose ids are not recorded yet: what a list shows may be theirs, and not that of who looks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from attrs import Factory, define

from .._core.reconcile import Sighting, Wanted, fitting


@define(eq=False)
class _Open:
    """One create from its intent on, until its id is recorded or it surely was not taken."""

    kind: str
    wanted: Wanted
    answered: asyncio.Event = Factory(asyncio.Event)
    """Its answer is in, or lost."""


class Rivals:
    """The open creates of one runner."""

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}

    def sent(self, key: str, kind: str, wanted: Wanted) -> None:
        """The create *key* goes out."""
        self._open[key] = _Open(kind, wanted)

    def unanswered(self, key: str) -> None:
        """The answer of *key* is lost, unless what became of it is recorded."""
        if (known := self._open.get(key)) is not None:
            known.answered.set()

    def lost(self, key: str, kind: str, wanted: Wanted) -> None:
        """The create *key* went out in another run, or in this one, and its answer is not known."""
        self._open.setdefault(key, _Open(kind, wanted))
        self.unanswered(key)

    def settled(self, key: str) -> None:
        """What became of *key* is recorded."""
        self.unanswered(key)
        self._open.pop(key, None)

    async def answers(self, key: str, kind: str, seen: Iterable[Sighting]) -> None:
        """Wait until none of the others that are under way now can still say that one of these is its own."""
        for each in self._others(key, kind, seen):
            await each.answered.wait()

    def dispute(self, key: str, kind: str, seen: Iterable[Sighting]) -> bool:
        """Whether one of these may as well be what another create than *key* made, whose answer is lost."""
        return any(each.answered.is_set() for each in self._others(key, kind, seen))

    def _others(self, key: str, kind: str, seen: Iterable[Sighting]) -> list[_Open]:
        shown = tuple(seen)
        return [
            each
            for other, each in self._open.items()
            if other != key
            and each.kind == kind
            and any(fitting(each.wanted, (one,)) for one in shown)
        ]
