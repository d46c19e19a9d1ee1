"""How many requests went out, for whom, and how many jobs each told of: an aiohttp trace."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Generator
from contextvars import ContextVar
from types import SimpleNamespace

import aiohttp
from attrs import define, field

_NOBODY = ""
_LISTS = frozenset({"list", "alignment-project", "documents", "evaluations"})
"""How the paths end that list jobs; all others that the client looks at tell of one."""

_who: ContextVar[str] = ContextVar("who", default=_NOBODY)


@define(eq=False)
class Meter:
    """Counts requests: by the workflow that sent them, or as looks that the client shares among all.

    A client's looks at jobs belong to no caller, so they carry no name.
    """

    own: Counter[str] = field(factory=Counter[str])
    looks: int = 0
    told: int = 0
    """How many jobs all looks told of: one, or as many as the client waits for in that list."""
    waiting: Counter[str] = field(factory=Counter[str])
    """How many jobs of each kind are waited for now, by a word in the path of their list."""

    @property
    def total(self) -> int:
        """All requests."""
        return self.looks + self.own.total()

    def trace(self) -> aiohttp.TraceConfig:
        """What the client is to be made with."""
        config = aiohttp.TraceConfig()
        config.on_request_start.append(self._started)
        return config

    @contextlib.contextmanager
    def of(self, name: str) -> Generator[None]:
        """Count what the block sends for *name*."""
        token = _who.set(name)
        try:
            yield
        finally:
            _who.reset(token)

    async def _started(
        self,
        session: aiohttp.ClientSession,  # noqa: ARG002 - the signature is aiohttp's
        context: SimpleNamespace,  # noqa: ARG002
        params: aiohttp.TraceRequestStartParams,
    ) -> None:
        name = _who.get()
        if name != _NOBODY:
            self.own[name] += 1
            return
        self.looks += 1
        path = params.url.path
        if path.rpartition("/")[2] in _LISTS:
            self.told += sum(count for kind, count in self.waiting.items() if kind in path)
        else:
            self.told += 1
