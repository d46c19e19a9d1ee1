"""One exchange with the pretend server: what comes in, what is decided, what goes out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeGuard, TypeVar

from attrs import field, frozen

try:
    import orjson
except ImportError:  # the extra `fast` is not installed
    orjson = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from .book import Book

T = TypeVar("T")

Generation = Literal["G1", "G2", "G3", "G4"]
Contract = Literal["documented", "plural", "both"]
Vendor = Literal["nugen", "seekrflow"]


def is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    """Whether a JSON value is an object."""
    return isinstance(value, dict)


def is_array(value: Any) -> TypeGuard[list[Any]]:
    """Whether a JSON value is an array."""
    return isinstance(value, list)


def as_json(value: Any) -> bytes:
    """*value* as JSON; what UTF-8 or orjson cannot say is written with escapes."""
    try:
        if orjson is not None:
            return orjson.dumps(value)
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    except (TypeError, ValueError):
        return json.dumps(value, separators=(",", ":")).encode()


@frozen(kw_only=True)
class Upload:
    """One file of a multipart request; its content is kept only where the server must read it."""

    part: str
    name: str
    size: int
    sha256: str
    content_type: str = "application/octet-stream"
    content: bytes | None = field(default=None, repr=False)


@frozen(kw_only=True)
class Form:
    """A multipart body."""

    fields: Sequence[tuple[str, str]] = ()
    files: Sequence[Upload] = ()

    def texts(self, name: str) -> list[str]:
        """Every value of a text field."""
        return [value for key, value in self.fields if key == name]

    def uploads(self, name: str) -> list[Upload]:
        """Every file of a part."""
        return [upload for upload in self.files if upload.part == name]

    def summary(self) -> dict[str, Any]:
        """What the log keeps of it: text fields, and each file's name, size and digest."""
        kept: dict[str, Any] = {}
        for key, value in self.fields:
            kept.setdefault(key, []).append(value)
        for upload in self.files:
            told = {"name": upload.name, "size": upload.size, "sha256": upload.sha256}
            kept.setdefault(upload.part, []).append(told)
        return kept


@frozen(kw_only=True)
class SimRequest:
    """A request as it arrived. Header names are in lower case."""

    method: str
    path: str
    query: Mapping[str, str] = {}
    headers: Mapping[str, str] = field(factory=dict[str, str], repr=False)
    content: bytes = field(default=b"", repr=False)
    form: Form | None = None
    connection: int = 0


@frozen(kw_only=True)
class SimResponse:
    """What goes on the wire, and how: seconds are those of the caller's clock."""

    status: int | None = 200
    headers: Mapping[str, str] = {}
    body: bytes = field(default=b"", repr=False)
    chunks: Sequence[bytes] | None = None
    pause: float = 0.0
    delay: float = 0.0
    hang_up: Literal["", "close", "reset", "stall"] = ""
    cut_at: int | None = None


@frozen(kw_only=True)
class Answer:
    """What a handler decided, before it becomes bytes."""

    data: Any = None
    status: int = 200
    headers: Mapping[str, str] = {}
    created: str | None = None
    raw: bytes | None = None
    events: Sequence[Any] | None = None


class Refused(Exception):  # noqa: N818 - an answer, raised from deep inside a handler
    """The request ends here, with this answer."""

    def __init__(self, status: int, detail: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, detail)
        self.answer = Answer(data={"detail": detail}, status=status, headers=headers or {})


def found(things: Mapping[str, T], id: str, noun: str) -> T:
    """The thing of this *id*; refused where there is none."""
    if id not in things:
        raise Refused(404, f"{noun} not found: {id}")
    return things[id]


@frozen(kw_only=True)
class Ask:
    """A routed request with all that a handler may look at."""

    request: SimRequest
    now: float
    seen: float
    generation: Generation
    plural: bool
    params: Mapping[str, str] = {}
    body: Any = None
    broken: str | None = None

    @property
    def id(self) -> str:
        """The id in the path."""
        return self.params["id"]


Handler = Callable[["Book", Ask], Answer]


@frozen
class Route:
    """One row of the server's route table. The operation's name is the same in every contract."""

    method: str
    path: str
    operation: str
    handler: Handler
    contract: Contract = "both"
    vendor: Vendor = "nugen"
