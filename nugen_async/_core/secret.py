"""Keys, and texts without them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_SHORTEST = 12
"""What is shorter is no secret, and may be a word of any text."""


class Secret:
    """A text that no dump of variables shows; it is no `str`, since some reporters take those as they are."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the header that carries it; to be kept in no variable."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return "'***'"

    def __reduce_ex__(self, _: object) -> Any:
        raise TypeError("an API key is neither pickled nor copied")


class Masked(str):
    """The value of a header: text to aiohttp, which wants no less, hidden by every `repr`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    def __getitem__(self, key: Any) -> Masked:
        return Masked(super().__getitem__(key))  # what shortens long texts shows a slice

    def __reduce_ex__(self, _: object) -> Any:
        raise TypeError("the value of a header is neither pickled nor copied")


def masked(headers: Mapping[str, str]) -> dict[str, str]:
    """*headers* with values that no dump of variables shows: a gateway's key may be among them."""
    return {name: Masked(value) for name, value in headers.items()}


def eraser(authorization: Secret) -> Callable[[bytes], bytes]:
    """What takes the key of *authorization* out of what a server says.

    It is a closure, since no dump of variables looks into those.
    """
    key = authorization.reveal().rpartition(" ")[2]
    if len(key) < _SHORTEST:
        return lambda said: said
    plain, escaped = key.encode(), key.replace("/", "\\/").encode()
    if plain == escaped:
        return lambda said: said.replace(plain, b"***")
    return lambda said: said.replace(plain, b"***").replace(escaped, b"***")
