"""``chat``: one question to a model, answered as it is written."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

from cyclopts import Parameter
from rich.text import Text

from ..errors import InvalidRequestError, printable
from .common import DEFAULTS, Common, command
from .exits import Exit

_WHOLE = sys.maxsize

Words = Annotated[list[str], Parameter(negative="", show_default=False)]


@command(
    'nugen-async chat --model model-9 "Which clause limits liability?"',
    "nugen-async chat --model model-9 --system 'Answer in one word.' < question.txt",
    'nugen-async chat --model model-9 "Summarise it." --json | jq -r .text',
)
async def chat(
    text: Words | None = None,
    /,
    *,
    model: str,
    system: str | None = None,
    max_tokens: int | None = None,
    temperature: float | None = None,
    common: Common = DEFAULTS,
) -> int:
    """Ask a base model, or a deployed one, a question.

    Without TEXT the question is read from standard input.

    Parameters
    ----------
    text
        What to ask.
    model
        The model's ID.
    system
        How the model should behave.
    max_tokens
        The longest answer, in tokens.
    temperature
        0 for the same answer each time, up to 2.
    """
    screen = common.screen
    question = " ".join(text or ()) or await _from_stdin()
    messages = [{"role": "user", "content": question}]
    if system:
        messages.insert(0, {"role": "system", "content": system})
    async with common.nugen() as nugen:
        stream = nugen.inference.stream_chat(
            model=model, messages=messages, max_tokens=max_tokens, temperature=temperature
        )
        async with stream:
            async for chunk in stream:
                if screen.human:
                    screen.write(printable(chunk.text, _WHOLE))
    if screen.human:
        screen.write("\n")
    else:
        screen.show(
            {
                "model": model,
                "text": stream.text,
                "confidence_score": stream.confidence_score,
                "usage": stream.usage,
            }
        )
    told = [] if stream.confidence_score is None else [f"confidence {stream.confidence_score:g}"]
    if stream.usage is not None and stream.usage.total_tokens is not None:
        told.append(f"{stream.usage.total_tokens:,} tokens")
    if told:
        screen.say(Text(", ".join(told), style="dim"))
    return Exit.OK


async def _from_stdin() -> str:
    if sys.stdin.isatty():
        raise InvalidRequestError("there is nothing to ask: give a text, or pipe one in")
    text: str = (await asyncio.to_thread(sys.stdin.read)).strip()
    if not text:
        raise InvalidRequestError("there is nothing to ask: standard input was empty")
    return text
