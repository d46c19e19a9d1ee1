"""What others raise, by our names. Pure."""

from __future__ import annotations

import os

import aiohttp

from ..errors import (
    APIConnectionError,
    APITimeoutError,
    ClientClosedError,
    ConfigurationError,
    InvalidRequestError,
    NugenError,
)

FOREIGN = (aiohttp.ClientError, OSError, ValueError, RuntimeError, EOFError)
"""All that aiohttp, the loop and a caller's file are known to raise."""


def own(error: BaseException | None) -> InvalidRequestError | None:
    """Our own complaint about the request that *error* came of, if it did."""
    while error is not None and not isinstance(error, InvalidRequestError):
        error = error.__cause__ or error.__context__
    return error


def _unreached(error: aiohttp.ClientConnectorError) -> str:
    """What aiohttp says of a connection that could not be made, without its own settings."""
    cause = error.os_error
    number = cause.errno or 0  # negative where it is a resolver's
    why = os.strerror(number) if number > 0 else cause.strerror or str(cause)
    return f"cannot connect to {error.host}:{error.port}: {why}"


def translated(error: Exception, said: str, method: str, url: str) -> NugenError:
    """What *error* is called here; *said* is its text as it may be shown."""
    match error:
        case aiohttp.ConnectionTimeoutError():
            return APITimeoutError(
                method=method, url=url, reason="no connection in time", sent=False
            )
        case aiohttp.ClientConnectorError() if not isinstance(error, aiohttp.ClientSSLError):
            return APIConnectionError(method=method, url=url, reason=_unreached(error), sent=False)
        case aiohttp.ClientConnectorError() | aiohttp.ClientSSLError():
            return APIConnectionError(method=method, url=url, reason=said, sent=False)
        case TimeoutError():
            return APITimeoutError(method=method, url=url, reason="no whole answer in time")
        case RuntimeError() if "closed" in said.lower():
            return ClientClosedError("the session is closed; make a new client")
        case aiohttp.ServerDisconnectedError():
            return APIConnectionError(
                method=method, url=url, reason="the server closed the connection"
            )
        case aiohttp.InvalidURL():
            return ConfigurationError(f"not a URL: {url}")
        case _:
            return APIConnectionError(
                method=method, url=url, reason=f"{type(error).__name__}: {said}"
            )
