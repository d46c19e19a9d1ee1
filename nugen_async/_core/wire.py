"""The words of the wire, as values: a call not yet made, its routes in each contract, an answer."""

from __future__ import annotations

import enum
import re
from collections.abc import AsyncIterable, Iterable, Mapping
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import quote

from attrs import evolve, field, frozen

from ..errors import InvalidRequestError

T = TypeVar("T")

Contract = Literal["documented", "plural"]
"""Which set of routes and field names a request uses."""

Json = Any
"""Whatever JSON can say. `Any` stays at this edge."""


class Effect(enum.Enum):
    """What a second sending of the same request would do."""

    READ = "read"
    """Nothing: it may be sent again after any failure."""
    SETTLE = "settle"
    """Nothing more than the first (deploy, undeploy, delete): may be sent again, "already so" is success."""
    CREATE = "create"
    """Something new that costs money: never sent again unless it surely was not taken."""
    ONCE = "once"
    """As CREATE, but nothing stays behind on the server (inference): its failure is just a failure."""


_PLAIN = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9_.~-]*")
"""A segment that needs no quotes and goes nowhere else, as nearly all ids are."""


def identifier(value: object) -> str:
    """*value* as an id: a text, or a whole number, as the first generations have them."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise InvalidRequestError(f"an id is a text, not {type(value).__name__}")
    return value


def segment(value: object) -> str:
    """*value*, an id or a name, as one quoted segment of a path."""
    text = identifier(value)
    if _PLAIN.fullmatch(text):
        return text
    if not text.strip() or text in {".", ".."}:
        raise InvalidRequestError(f"{text!r} is not an id")
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:
        raise InvalidRequestError(f"{text!r} is not an id") from None


def sendable(value: object) -> bool:
    """Whether *value* can be the value of a header."""
    return isinstance(value, str) and value.isprintable()


@frozen
class Route:
    """One method and path template; `rename` maps our argument names to this contract's field names."""

    method: str
    path: str
    rename: Mapping[str, str] = field(factory=dict[str, str])

    def fill(self, ids: Mapping[str, object]) -> str:
        """The path with every ``{name}`` replaced by its quoted id."""
        return self.path.format_map({name: segment(value) for name, value in ids.items()})

    def renamed(self, fields: Mapping[str, Json]) -> dict[str, Json]:
        """*fields* under this contract's names, without those that are None (unset)."""
        names = self.rename
        return {names.get(k, k): v for k, v in fields.items() if v is not None}


@frozen
class Routes:
    """The same operation in both contracts; one without a `plural` route has the same route in both."""

    documented: Route
    plural: Route | None = None
    only: Mapping[str, Contract] = field(factory=dict[str, Contract])
    """Arguments that one of the contracts alone has a field for."""

    def taking(self, given: Iterable[str], contract: Contract | None) -> Contract | None:
        """*contract*, or while that is not known the one that alone has a field for each of *given*.

        Raises `InvalidRequestError` where there is a field for one of them in another contract only.
        """
        for name in given:
            only = self.only.get(name)
            if only is not None and contract not in {None, only}:
                raise InvalidRequestError(
                    f'the {contract} contract has no {name}; a client made with contract="{only}" has'
                )
            contract = only or contract
        return contract

    def under(self, contract: Contract) -> Route:
        """The route that *contract* uses."""
        return self.plural if contract == "plural" and self.plural else self.documented


@frozen
class Part:
    """One part of a multipart form: a plain value, or a stream of bytes with a file name.

    `open` makes the body anew for each sending, so that a retry never sends a spent stream.
    """

    name: str
    value: str | None = None
    filename: str | None = None
    content_type: str | None = None
    open: Any = field(default=None, repr=False)
    """``Callable[[], bytes | AsyncIterable[bytes]]``; None for a plain value."""
    size: int | None = None

    @property
    def measured(self) -> bool:
        """Whether it is known how much there is to send; only an iterable need not be."""
        return self.open is None or self.size is not None


Body = bytes | AsyncIterable[bytes]


@frozen
class Call(Generic[T]):
    """A request not yet made: comparable, printable, and testable without a client."""

    method: str
    path: str
    returns: type[T] = field(repr=False)
    """What the codec makes of the payload."""
    json: Json = None
    query: Mapping[str, str] = field(factory=dict[str, str])
    headers: Mapping[str, str] = field(factory=dict[str, str], repr=False)
    parts: tuple[Part, ...] = ()
    effect: Effect = Effect.READ
    about: str = ""
    """The id that was asked for; an answer that does not repeat it is about this one."""
    noun: str = ""
    """The collection that made the call: the contract is remembered under this name."""
    alternative: Call[T] | None = field(default=None, repr=False)
    """The same call on the plural routes, to be tried when this *route* does not exist."""
    unread: bool = False
    """The payload is wanted as it came, not parsed."""
    empty_on_404: bool = False
    """A 404 that is not the route's means "none", so the payload is an empty list."""

    def at(self, path: str) -> Call[T]:
        """The same call on another path."""
        return evolve(self, path=path)


@frozen(eq=False)
class Response:
    """What came back, untouched: status, headers and the whole body."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    received: float = 0.0
    """``loop.time()`` when the last byte was in."""

    @property
    def request_id(self) -> str | None:
        """The id under which the server's operators find this request, if it sent one."""
        for name in ("x-request-id", "request-id", "x-correlation-id", "cf-ray"):
            if value := self.headers.get(name):
                return value
        return None
