"""Inference: completions, chat and embeddings, in one answer or as a stream."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, TypeAlias, TypedDict, TypeVar, Unpack

from attrs import evolve, frozen

from .._core.wire import Call, Effect, Json, Route, Routes
from ..errors import InvalidRequestError
from . import _checks
from ._completions import Completion, CompletionStream, Message, Usage
from ._nouns import Collection
from ._records import Resource

_BASE = "/api/v3/inference"

Prompt: TypeAlias = str | Sequence[str] | Sequence[int] | Sequence[Sequence[int]]
"""A text, several, or the same as tokens."""


_HEADERS = {"session_id": "X-Session-ID", "provider": "X-Provider"}
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


MessageLike: TypeAlias = Message | Mapping[str, Any]
"""A `Message`, or ``{"role": ..., "content": ...}`` with text or parts (some with an `image_url`)."""


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


T = TypeVar("T")


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
