"""What models answer: completions and chats, whole or as a stream of chunks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from attrs import field, frozen

from .._core.api import Api
from .._core.codec import loads, seen_as, structure
from .._core.events import ERROR, Event
from .._core.interpret import located, told
from .._core.wire import Call, Json, Response
from ..errors import APIStatusError, ClientStateError, DecodeError
from ._records import Resource

_OF_A_CHUNK = frozenset({"choices", "usage", "confidence_score", "data"})
_SHOWN = 500


@frozen(kw_only=True)
class Usage:
    """Tokens used; None where the server does not count them."""

    prompt_tokens: int | None = field(default=None, metadata=seen_as("input_tokens"))
    completion_tokens: int | None = field(default=None, metadata=seen_as("output_tokens"))
    total_tokens: int | None = None


@frozen(kw_only=True)
class Message:
    """What one side said, or a piece of it."""

    role: str | None = None
    content: str | None = None
    name: str | None = None
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    reasoning_content: str | None = field(default=None, metadata=seen_as("reasoning"))
    raw: Mapping[str, Any] = field(factory=dict[str, Any], eq=False, repr=False)

    def to_json(self) -> dict[str, Any]:
        """The message as a request says it, to go on with a conversation."""
        said = {"role": self.role, "content": self.content, "name": self.name}
        told: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
        if self.tool_calls:
            told["tool_calls"] = [dict(call) for call in self.tool_calls]
        return told


@frozen(kw_only=True)
class Choice:
    """One answer, or the next piece of one."""

    index: int = 0
    text: str | None = None
    """Of a completion."""
    message: Message | None = None
    """Of a chat."""
    delta: Message | None = None
    """Of a streamed chat: what is new."""
    finish_reason: str | None = None


@frozen(kw_only=True)
class Completion(Resource):
    """An answer of a model: whole, or one chunk of a stream."""

    id: str = ""
    object: str = ""
    created: datetime | None = None
    model: str = ""
    choices: tuple[Choice, ...] = ()
    usage: Usage | None = None
    confidence_score: float | None = None
    """Of aligned models: 0 to 100 in the plural contract, without a stated range in the documented one."""

    @property
    def text(self) -> str:
        """The first answer's text, or the piece of it that this chunk brings."""
        if (choice := self._first) is None:
            return ""
        said = choice.message or choice.delta
        return choice.text or (said.content if said is not None else None) or ""

    @property
    def message(self) -> Message:
        """The first answer's message, to go on with the conversation; an empty one where there is none."""
        said = self._first.message if self._first is not None else None
        return said or Message()

    @property
    def finish_reason(self) -> str | None:
        """Why the first answer ended, such as ``stop`` or ``length``; None where that is not told (yet)."""
        return self._first.finish_reason if self._first is not None else None

    @property
    def _first(self) -> Choice | None:
        """The first of several answers, in whatever order they stand; a chunk may be of another one."""
        return next((choice for choice in self.choices if choice.index == 0), None)


R = TypeVar("R", bound=Completion)


class CompletionStream(Generic[R]):
    """The chunks of one answer, as they come; sent once, when the first is asked for.

    ``async for chunk in stream`` is enough. ``async with`` besides closes the connection when the loop is
    left early. `usage` and `confidence_score` are set when the server has told them, mostly at the end;
    `text` is what has come so far. `finish_reason` is why the first answer ended; while it is None at the end
    of the stream, the server has not said that the text is whole.
    """

    def __init__(self, api: Api, call: Call[R]) -> None:
        self._api = api
        self._call = call
        self._chunks: AsyncGenerator[R] | None = None
        self._pieces: list[str] = []
        self.usage: Usage | None = None
        self.confidence_score: float | None = None
        self.finish_reason: str | None = None

    @property
    def _url(self) -> str:
        return self._api.transport.url(self._call.path)

    @property
    def text(self) -> str:
        """The first answer's text so far."""
        return "".join(self._pieces)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._chunks is not None:
            await self._chunks.aclose()

    def __aiter__(self) -> AsyncIterator[R]:
        if self._chunks is not None:
            raise ClientStateError("this stream was read already; ask anew")
        self._chunks = self._read()
        return self._chunks

    async def _read(self) -> AsyncGenerator[R]:
        async with self._api.stream(self._call) as events:
            async for event in events:
                if event.name == ERROR:
                    raise self._failed(event)
                try:
                    payload = loads(event.data.encode())
                    if _tells_failure(payload):
                        raise self._failed(event)
                    chunk = self._chunk(payload)
                except DecodeError as error:
                    answer = Response(200, {}, event.data.encode())
                    raise located(error, answer, self._call.method, self._url) from None
                if chunk is not None:
                    yield chunk

    def _failed(self, event: Event) -> APIStatusError:
        return APIStatusError(
            method=self._call.method,
            url=self._url,
            status=200,
            detail=told(event.data.encode()) or event.data,
            body=event.data[:_SHOWN],
        )

    def _chunk(self, payload: Json) -> R | None:
        """The chunk of one event; None for an event that only tells the confidence."""
        chunk = structure(payload, self._call.returns)
        if chunk.usage is not None:
            self.usage = chunk.usage
        if chunk.confidence_score is not None:
            self.confidence_score = chunk.confidence_score
        if not chunk.choices and chunk.object == "confidence":
            return None
        self._pieces.append(chunk.text)
        self.finish_reason = chunk.finish_reason or self.finish_reason
        return chunk


def _tells_failure(payload: Json) -> bool:
    """Whether an event that is not named so is an error: it says so, or nothing that a chunk would say."""
    if not isinstance(payload, dict):
        return False
    if payload.get("error") or payload.get("object") == "error":
        return True
    return _OF_A_CHUNK.isdisjoint(payload) and bool(payload.get("detail") or payload.get("message"))
