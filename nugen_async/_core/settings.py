"""What a client is told when it is made: where to, with which key, how long. Checked at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import field, frozen
from yarl import URL

from ..errors import ConfigurationError
from .secret import Secret, masked

if TYPE_CHECKING:
    from aiohttp import TraceConfig

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_MEGABYTE = 1024 * 1024


@frozen
class Timeout:
    """Seconds. `attempt` bounds one sending from its first byte to the last byte of the answer.

    It starts when the request gets its turn, not while it queues. `connect` bounds the making of a
    connection, `total` the whole call with its queueing, pauses and retries. None is no bound. An upload
    gets another second for each 64 KiB on top of `attempt`.
    """

    attempt: float | None = 60.0
    connect: float | None = 10.0
    total: float | None = None

    def __attrs_post_init__(self) -> None:
        for name in ("attempt", "connect", "total"):
            seconds = getattr(self, name)
            if seconds is None:
                continue
            if not isinstance(seconds, int | float) or not 0 < seconds < math.inf:
                raise ConfigurationError(f"timeout: {name} must be more than 0 s, not {seconds!r}")


@frozen(kw_only=True)
class Settings:
    """What a transport needs to know; the key is inside and never shown."""

    base_url: str
    authorization: Secret = field(repr=False)
    headers: Mapping[str, str] = field(factory=dict[str, str], converter=masked, repr=False)
    connections: int = 100
    keepalive: float = 75.0
    create_keepalive: float = 2.0
    largest_body: int = 256 * _MEGABYTE
    allow_http: Sequence[str] = ()
    trace_configs: Sequence[TraceConfig] = ()
    middlewares: Sequence[Any] = ()

    def __attrs_post_init__(self) -> None:
        check_base_url(self.base_url, self.allow_http)
        if self.connections < 1:
            raise ConfigurationError(f"connections must be at least 1, not {self.connections}")


def check_base_url(base_url: str, allow_http: Sequence[str] = ()) -> None:
    """Refuse a base URL that is none, carries a password, or would send the key in the clear."""
    if not base_url.isprintable():
        raise ConfigurationError("base_url holds control characters")
    try:
        url = URL(base_url)
        host = url.host
    except ValueError as error:
        raise ConfigurationError(f"base_url is not a URL: {error}") from None
    if url.scheme not in {"http", "https"} or not host:
        raise ConfigurationError("base_url must begin with https:// and name a host")
    if url.user or url.password or url.query_string or url.fragment:
        raise ConfigurationError("base_url must not hold a user, a password, a query or a fragment")
    if url.scheme == "http" and host not in _LOOPBACK and host not in allow_http:
        raise ConfigurationError(
            f"base_url {url.origin()} would send the API key unencrypted;"
            f" use https, or allow this host by name: allow_http=[{host!r}] or NUGEN_ALLOW_HTTP={host}"
        )
