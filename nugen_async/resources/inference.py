"""Inference: completions, chat and embeddings, in one answer or as a stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, ClassVar, Generic, Self, TypeAlias, TypedDict, TypeVar, Unpack

from attrs import evolve, field, frozen

from .._core.api import Api
from .._core.codec import loads, seen_as, structure
from .._core.events import ERROR, Event
from .._core.interpret import located, told
from .._core.wire import Call, Effect, Json, Response, Route, Routes
from ..errors import APIStatusError, ClientStateError, DecodeError, InvalidRequestError
from . import _checks
from ._nouns import Collection
from ._records import Resource

_BASE = "/api/v3/inference"

Prompt: TypeAlias = str | Sequence[str] | Sequence[int] | Sequence[Sequence[int]]
"""A text, several, or the same as tokens."""


_HEADERS = {"session_id": "X-Session-ID", "provider": "X-Provider"}
_OF_A_CHUNK = frozenset({"choices", "usage", "confidence_score", "data"})
_SHOWN = 500
_COUNTS = {"max_tokens": 1, "prompt_truncate_len": 0, "top_k": 0, "n": 1, "dimensions": 1}
"""The least of each; no page gives bounds, and some servers take a zero as "no limit"."""


class CompletionOptions(TypedDict, total=False):
    """What may be said beside model and prompt; what is left out is the server's choice."""

    max_tokens: int | None
    """16 unless given."""
    temperature: float | None
    """From 0 to 2; 1 unless given."""
    session_id: str | None
    """Sent as ``X-Session-ID``."""
    extra: Mapping[str, Any] | None
    """Further fields of the body, as they are."""


class ChatOptions(TypedDict, total=False):
    """What may be said beside model and messages; what is left out is the server's choice."""

    max_tokens: int | None
    """2000 unless given."""
    prompt_truncate_len: int | None
    """Tokens; 1500 unless given."""
    temperature: float | None
    """From 0 to 2."""
    tools: Sequence[Mapping[str, Any]] | None
    """Functions that the model may ask for, as objects."""
    tool_choice: str | Mapping[str, Any] | None
    """Which of them it must ask for, as the API words it."""
    top_p: float | None
    """Only the likeliest tokens that together have this share, 0 to 1."""
    top_k: int | None
    """Only so many of the likeliest tokens."""
    n: int | None
    """How many answers; 1 unless given."""
    reasoning: Mapping[str, Any] | None
    """An object of ``effort``, ``max_tokens``, ``exclude``, ``enabled``."""
    session_id: str | None
    """Sent as ``X-Session-ID``."""
    provider: str | None
    """Sent as ``X-Provider``."""
    extra: Mapping[str, Any] | None
    """Further fields of the body, as they are."""


class EmbeddingOptions(TypedDict, total=False):
    """What may be said beside model and input; what is left out is the server's choice."""

    dimensions: int | None
    """Length of each vector; the model's own unless given."""
    provider: str | None
    """Sent as ``X-Provider``."""
    extra: Mapping[str, Any] | None
    """Further fields of the body, as they are."""


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


MessageLike: TypeAlias = Message | Mapping[str, Any]
"""A `Message`, or ``{"role": ..., "content": ...}`` with text or parts (some with an `image_url`)."""


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


@frozen(kw_only=True)
class Embedding:
    """One vector."""

    embedding: tuple[float, ...]
    index: int = 0


@frozen(kw_only=True)
class Embeddings(Resource):
    """The vectors of the inputs, in their order."""

    id: str = ""
    object: str = ""
    created: datetime | None = None
    model: str = ""
    data: tuple[Embedding, ...] = ()
    usage: Usage | None = None


R = TypeVar("R", bound=Completion)
T = TypeVar("T")


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


@frozen(eq=False)
class Inference(Collection):
    """``client.inference``; base models and deployed aligned models answer."""

    noun: ClassVar = "inference"
    routes: ClassVar[Mapping[str, Routes]] = {
        "complete": Routes(Route("POST", f"{_BASE}/completions")),
        "chat": Routes(Route("POST", f"{_BASE}/chat/completions")),
        "embed": Routes(Route("POST", f"{_BASE}/embeddings")),
    }

    async def complete(
        self, *, model: str, prompt: Prompt, **options: Unpack[CompletionOptions]
    ) -> Completion:
        """Go on with a prompt, or with each of several (completions).

        Raises `InvalidRequestError` before sending.
        """
        return await self._send(self._complete(model, prompt, options))

    def stream_complete(
        self, *, model: str, prompt: Prompt, **options: Unpack[CompletionOptions]
    ) -> CompletionStream[Completion]:
        """As `complete`, in chunks as they are made."""
        return CompletionStream(self._api, self._complete(model, prompt, options, stream=True))

    def _complete(
        self, model: str, prompt: Prompt, options: CompletionOptions, *, stream: bool | None = None
    ) -> Call[Completion]:
        return self._ask(
            "complete",
            Completion,
            {"model": model, "prompt": _prompt("prompt", prompt), "stream": stream},
            options,
        )

    async def chat(
        self, *, model: str, messages: Sequence[MessageLike], **options: Unpack[ChatOptions]
    ) -> Completion:
        """Answer a conversation (chat-completions).

        Raises `InvalidRequestError` before sending.
        """
        return await self._send(self._chat(model, messages, options))

    def stream_chat(
        self, *, model: str, messages: Sequence[MessageLike], **options: Unpack[ChatOptions]
    ) -> CompletionStream[Completion]:
        """As `chat`, in chunks as they are made."""
        return CompletionStream(self._api, self._chat(model, messages, options, stream=True))

    def _chat(
        self,
        model: str,
        messages: Sequence[MessageLike],
        options: ChatOptions,
        *,
        stream: bool | None = None,
    ) -> Call[Completion]:
        said = _messages(messages)
        return self._ask(
            "chat", Completion, {"model": model, "messages": said, "stream": stream}, options
        )

    async def embed(
        self, *, model: str, input: Prompt, **options: Unpack[EmbeddingOptions]
    ) -> Embeddings:
        """Turn a text, or each of several, into a vector (embeddings).

        Raises `InvalidRequestError` before sending.
        """
        fields = {"model": model, "input": _prompt("input", input)}
        made = await self._send(self._ask("embed", Embeddings, fields, options))
        data = tuple(sorted(made.data, key=lambda each: each.index))
        return made if data == made.data else evolve(made, data=data).bound_as(made)

    def _ask(
        self,
        op: str,
        returns: type[T],
        fields: Mapping[str, Any],
        options: CompletionOptions | ChatOptions | EmbeddingOptions,
    ) -> Call[T]:
        _checks.text("model", fields["model"])
        left: dict[str, Any] = dict(options)
        if unknown := [name for name in left if name not in _OPTIONS[op]]:
            raise InvalidRequestError(
                f"{op} has no option {', '.join(unknown)}; further fields go into extra={{...}}"
            )
        extra = left.pop("extra", None) or {}
        headers = {name: left.pop(key, None) for key, name in _HEADERS.items()}
        for name, least in _COUNTS.items():
            _checks.whole(name, left.get(name), at_least=least)
        _checks.number("temperature", left.get("temperature"), 0, 2)
        return self._call(
            op,
            returns,
            json=_checks.merged({**fields, **left}, extra),
            headers={name: value for name, value in headers.items() if value},
            effect=Effect.READ if op == "embed" else Effect.ONCE,
        )


_OPTIONS: Mapping[str, frozenset[str]] = {
    "complete": frozenset(CompletionOptions.__annotations__),
    "chat": frozenset(ChatOptions.__annotations__),
    "embed": frozenset(EmbeddingOptions.__annotations__),
}


def _messages(given: Sequence[MessageLike]) -> Json:
    if isinstance(given, str | bytes | Mapping | Message) or not isinstance(given, Iterable):
        told = type(given).__name__
        raise InvalidRequestError(f'messages must be a list of {{"role", "content"}}, not {told}')
    said = [each.to_json() if isinstance(each, Message) else each for each in given]
    if not said:
        raise InvalidRequestError("messages must hold at least one message")
    for index, message in enumerate(said):
        if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
            raise InvalidRequestError(f"messages[{index}] must be an object with a role")
    return [dict(message) for message in said]


def _prompt(name: str, given: Prompt) -> Json:
    if isinstance(given, str):
        return _checks.text(name, given)
    if isinstance(given, bytes | Mapping) or not given:
        raise InvalidRequestError(f"{name} must be text, tokens, or a list of either")
    return [each if isinstance(each, str | int) else list(each) for each in given]
