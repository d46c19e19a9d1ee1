"""The aiohttp sessions of one client, and how long their idle connections are kept."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import aiohttp
from multidict import CIMultiDict

from ..errors import ClientStateError
from .settings import Settings
from .wire import Effect


class Sessions:
    """The session *given* by the caller, or two of our own, each made when it is first needed.

    A create never goes out on a connection that was idle for long: servers hang up idle connections first,
    and a create on a dying connection ends as "unknown". And aiohttp, which sends a PUT or DELETE again by
    itself where a kept connection breaks, is told not to: whoever counts the sendings must know of each.
    """

    def __init__(
        self, settings: Settings, headers: Mapping[str, str], given: aiohttp.ClientSession | None
    ) -> None:
        self._settings = settings
        self._given = given
        self._changing: aiohttp.ClientSession | None = given
        self._reading: aiohttp.ClientSession | None = given
        # A session of our own sends them by itself; to merge them anew takes 2 us a request.
        self._by_themselves: CIMultiDict[str] = CIMultiDict(headers if given is None else {})
        self.headers: CIMultiDict[str] = CIMultiDict({} if given is None else headers)
        """What each request must bring along."""

    def check(self, loop: asyncio.AbstractEventLoop) -> None:
        """Raise `ClientStateError` if the session that was given belongs to another loop."""
        if self._given is not None and getattr(self._given, "_loop", loop) is not loop:
            raise ClientStateError("the session passed in belongs to another event loop")

    def of(self, effect: Effect) -> aiohttp.ClientSession:
        """The session for a request of this *effect*."""
        if effect is Effect.CREATE or effect is Effect.SETTLE:
            if self._changing is None:
                made = self._changing = self._made(self._settings.create_keepalive)
                made._retry_connection = False  # noqa: SLF001 # there is no public switch
            return self._changing
        if self._reading is None:
            self._reading = self._made(self._settings.keepalive)
        return self._reading

    async def close(self) -> None:
        """Close what was opened here; a session that was given stays open."""
        mine = [
            s for s in (self._reading, self._changing) if s is not None and s is not self._given
        ]
        self._reading = self._changing = None
        for session in mine:
            await session.close()

    def _made(self, keepalive: float) -> aiohttp.ClientSession:
        settings = self._settings
        return aiohttp.ClientSession(
            headers=self._by_themselves,
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=keepalive, ttl_dns_cache=300),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            trace_configs=list(settings.trace_configs),
            middlewares=tuple(settings.middlewares),
        )
