"""A world without a network: an aiohttp connector that leads every host to it."""

from __future__ import annotations

import socket
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from aiohttp import BaseConnector, ClientSession

from .app import Service
from .world import World

if TYPE_CHECKING:
    from aiohttp import ClientRequest, ClientTimeout
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.tracing import Trace


class InProcessConnector(BaseConnector):
    """Connections are socket pairs: no port, no name look-up, no TLS, and any host will do.

    The requests are real ones, bytes on a socket, so that time-outs, resets and keep-alive behave
    as over TCP. Closing the connector (the session does it) closes the server's side, too.
    """

    def __init__(self, world: World, *, limit: int = 0, keep_alive: float = 75.0) -> None:
        super().__init__(limit=limit, keepalive_timeout=keep_alive)
        self.service = Service(world, keep_alive)

    async def _create_connection(
        self,
        req: ClientRequest,  # noqa: ARG002 - the host does not matter
        traces: list[Trace],  # noqa: ARG002
        timeout: ClientTimeout,  # noqa: ARG002
    ) -> ResponseHandler:
        ours, theirs = socket.socketpair()
        await self._loop.connect_accepted_socket(self.service.server, theirs)
        _, protocol = await self._loop.create_connection(self._factory, sock=ours)
        return protocol

    def close(self, *, abort_ssl: bool = False) -> Awaitable[None]:
        """Close both sides; await the result."""
        return self._close_both(super().close(abort_ssl=abort_ssl))

    async def _close_both(self, ours: Awaitable[None]) -> None:
        self.service.let_go()
        await ours
        await self.service.aclose()


def simulated_session(world: World | None = None, **options: Any) -> ClientSession:
    """A session in which every URL leads to *world*; *options* go to `aiohttp.ClientSession`.

    To be called inside the running loop, like any session, and closed by whoever made it.
    """
    connector = InProcessConnector(world if world is not None else World())
    return ClientSession(connector=connector, **options)
