"""Inference: completions, chat and embeddings, whole or as server-sent events."""

from __future__ import annotations

from random import Random
from typing import Any

from ..book import Book
from ..checks import (
    Field,
    anything,
    array,
    checked,
    either,
    flag,
    mapping,
    number,
    one_of,
    required,
    text,
)
from ..exchange import Answer, Ask, Refused, Route, is_array

_TOKENS = array(number(0, 10**6, whole=True))
_PROMPT = either(text, array(text), _TOKENS, array(_TOKENS))
_WORDS = ("The", "answer", "is", "in", "the", "documents", "as", "section", "two", "says")
_DIMENSIONS = 8
_MOST_TOKENS = 10**6


def completions(book: Book, ask: Ask) -> Answer:
    """Complete prompts."""
    body = checked(
        ask,
        required("model", text),
        required("prompt", _PROMPT),
        Field("max_tokens", number(1, _MOST_TOKENS, whole=True)),
        Field("temperature", number(0, 2)),
        Field("stream", flag),
    )
    prompt = body["prompt"]
    count = len(_inputs(prompt))
    words = _say(book, body, default=16)
    head = _head(book, ask, body, "text_completion")
    usage = _usage(prompt, len(words) * count)
    if not body.get("stream"):
        choices = [_ended({"text": " ".join(words), "index": index}) for index in range(count)]
        return Answer(data=head | {"choices": choices, "usage": usage, **_confident(book, body)})
    chunks = [
        head | {"choices": [{"text": f" {each}", "index": 0, "finish_reason": None}]}
        for each in words
    ]
    final = head | {"choices": [_ended({"text": "", "index": 0})], "usage": usage}
    return _stream(ask, chunks, final, _confident(book, body))


def chat(book: Book, ask: Ask) -> Answer:
    """Answer a conversation."""
    body = checked(
        ask,
        required("model", text),
        required("messages", array(mapping, at_least=1)),
        Field("max_tokens", number(1, _MOST_TOKENS, whole=True)),
        Field("prompt_truncate_len", number(0, _MOST_TOKENS, whole=True)),
        Field("temperature", number(0, 2)),
        Field("stream", flag),
        Field("tools", array(mapping)),
        Field("tool_choice", anything),
        Field("top_p", number(0, 10**6)),
        Field("top_k", number(0, 10**6)),
        Field("n", number(1, 16, whole=True)),
        Field("reasoning", mapping),
    )
    words = _say(book, body, default=2000)
    head = _head(book, ask, body, "chat.completion")
    usage = _usage(body["messages"], len(words))
    answers = range(int(float(body.get("n") or 1)))
    if not body.get("stream"):
        choices = [
            _ended({"index": index, "message": {"role": "assistant", "content": " ".join(words)}})
            for index in answers
        ]
        return Answer(data=head | {"choices": choices, "usage": usage, **_confident(book, body)})
    head |= {"object": "chat.completion.chunk"}
    chunks = [
        head | {"choices": [{"index": n, "delta": {"content": f"{each} "}, "finish_reason": None}]}
        for each in words
        for n in answers
    ]
    ends = [_ended({"index": index, "delta": {}}) for index in answers]
    final = head | {"choices": ends, "usage": usage}
    return _stream(ask, chunks, final, _confident(book, body))


def _stream(
    ask: Ask,
    chunks: list[dict[str, Any]],
    final: dict[str, Any],
    confident: dict[str, float],
) -> Answer:
    """Events: confidence comes with the last chunk, or between chunks in the fourth form."""
    if ask.generation != "G4":
        return Answer(events=[*chunks, final | confident, "[DONE]"])
    events: list[Any] = []
    for chunk in chunks:
        events.append(chunk)
        if confident:
            events.append({"object": "confidence", **confident})
    return Answer(events=[*events, final, "[DONE]"])


def embeddings(book: Book, ask: Ask) -> Answer:
    """Turn texts into vectors; `dimensions` may be the text "None", as one page shows it."""
    body = checked(
        ask,
        required("input", either(text, array(text), _TOKENS, array(_TOKENS))),
        required("model", text),
        Field("dimensions", either(number(1, 4096, whole=True), one_of("None"))),
    )
    _callable(book, ask, body["model"])
    given = body["input"]
    dimensions = body.get("dimensions")
    size = _DIMENSIONS if dimensions in (None, "None") else int(float(dimensions))
    data = [
        {"object": "embedding", "index": index, "embedding": _vector(book, each, size)}
        for index, each in enumerate(_inputs(given))
    ]
    usage = _usage(given, 0)
    return Answer(
        data={
            "id": book.new_id("embd", ask.now),
            "object": "list",
            "created": int(book.at(ask.now).timestamp()),
            "model": body["model"],
            "data": data,
            "usage": {"total_tokens": usage["total_tokens"]},
        }
    )


def _inputs(given: Any) -> list[Any]:
    """The single inputs: a list of texts or of token lists is many, a list of tokens is one."""
    return given if is_array(given) and given and not isinstance(given[0], int) else [given]


def _vector(book: Book, value: Any, size: int) -> list[float]:
    dice = Random(f"{book.seed}/vector/{value!r}")
    return [round(dice.uniform(-1, 1), 6) for _ in range(size)]


def _callable(book: Book, ask: Ask, id: str) -> None:
    if not book.known_model(id, ask.now):
        raise Refused(404, f"Model not found: {id}")
    model = book.models.get(id)
    if model is None:
        return
    if model.serving(ask.now) != "deployed":
        raise Refused(400, f"Model is not deployed: {id}")
    model.uses += 1
    model.last_used = ask.now


def _head(book: Book, ask: Ask, body: dict[str, Any], kind: str) -> dict[str, Any]:
    _callable(book, ask, body["model"])
    return {
        "id": book.new_id("cmpl", ask.now),
        "object": kind,
        "created": int(book.at(ask.now).timestamp()),
        "model": body["model"],
    }


def _say(book: Book, body: dict[str, Any], *, default: int) -> list[str]:
    dice = Random(f"{book.seed}/say/{body['model']}/{body.get('prompt') or body.get('messages')!r}")
    limit = int(float(body.get("max_tokens") or default))
    return [dice.choice(_WORDS) for _ in range(min(limit, dice.randint(5, 12)))]


def _ended(choice: dict[str, Any]) -> dict[str, Any]:
    return choice | {"finish_reason": "stop"}


def _usage(prompt: Any, completion: int) -> dict[str, int]:
    tokens = max(1, len(str(prompt)) // 4)
    return {
        "prompt_tokens": tokens,
        "completion_tokens": completion,
        "total_tokens": tokens + completion,
    }


def _confident(book: Book, body: dict[str, Any]) -> dict[str, float]:
    model = book.models.get(body["model"])
    if model is None:
        return {}
    skill = book.skill(model.id, model.alignment_id)
    return {"confidence_score": round(100 * (1 - skill.uncertainty), 1)}


_BASE = "/api/v3/inference"
ROUTES = (
    Route("POST", f"{_BASE}/completions", "complete", completions),
    Route("POST", f"{_BASE}/chat/completions", "chat", chat),
    Route("POST", f"{_BASE}/embeddings", "embed", embeddings),
    Route("POST", f"{_BASE}/inference/embeddings", "embed", embeddings, "documented"),
    Route("POST", "/inference/completions", "complete", completions, "documented"),
    Route("POST", "/inference/chat_text", "chat", chat, "documented"),
    Route("POST", "/inference/embeddings", "embed", embeddings, "documented"),
)
