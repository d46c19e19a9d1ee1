"""What a client is told when it is made: where to, with which key, how long. Checked at once."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen
from yarl import URL

from ..errors import ConfigurationError
from .secret import Secret, masked
from .wire import sendable

if TYPE_CHECKING:
    from aiohttp import TraceConfig

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_MEGABYTE = 1024 * 1024


@frozen
class Timeout:
    """Seconds. `attempt` bounds one sending from its first byte to the last byte of the answer.

    It starts when the request gets its turn, not while it queues. `connect` bounds the making of a
    connection, `total` the whole call with its queueing, pauses and retries. None is no bound. An upload
    gets another second for each 64 KiB on top of `attempt`. Where its size is not known before, it gets
    them as the pieces go out, and after each piece at least another `attempt`.
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


def timeout_of(value: float | Timeout | None) -> Timeout:
    """Seconds, a `Timeout`, or None for no bound, as a caller may give them."""
    if isinstance(value, Timeout):
        return value
    if value is None:
        return Timeout(attempt=None)
    made = Timeout(attempt=value)
    return evolve(made, connect=min(10.0, value))


def key_of(key: str | None) -> Secret:
    """*key* as nothing that a dump of the caller's variables shows."""
    if not isinstance(key, str | None):
        raise ConfigurationError(f"api_key must be text, not {type(key).__name__}")
    return Secret((key or "").strip())


def root_of(url: str, prefix: str) -> str:
    """*url* without the *prefix* that every path has, and that some add to it."""
    if not isinstance(url, str):
        raise ConfigurationError(f"base_url must be text, not {type(url).__name__}")
    return url.rstrip("/").removesuffix(prefix)


def headers_of(headers: Mapping[str, str] | None) -> Mapping[str, str]:
    """A caller's *headers*, none of which may carry what no header can."""
    for name, value in (headers or {}).items():
        if not sendable(name) or not sendable(value):
            raise ConfigurationError(f"header {name!r} holds what no header can carry")
    return headers or {}


def retries_of(value: int) -> int:
    """How often a request may be sent again."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ConfigurationError(f"max_retries must be a whole number from 0 on, not {value!r}")
    return value


def listed(variable: str) -> list[str]:
    """What an environment *variable* lists, between commas."""
    return [name.strip() for name in os.environ.get(variable, "").split(",") if name.strip()]
