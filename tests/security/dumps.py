"""All that may be shown of an error or said in a log, by the most talkative of tools."""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import pickle
import reprlib
import traceback
from collections.abc import AsyncGenerator, Iterator, Mapping

from rich.console import Console
from rich.traceback import Traceback

_DEEP = 3
_SHORT = 15
"""Characters that `rich` leaves of a text: less than a key, and more than its first word."""


@contextlib.asynccontextmanager
async def chatty() -> AsyncGenerator[io.StringIO]:
    """Every logger of every library, at every level, with the loop's debug mode on."""
    told = io.StringIO()
    handler = logging.StreamHandler(told)
    root = logging.getLogger()
    names = ("", "nugen_async", "aiohttp", "aiohttp.client", "aiohttp.internal", "asyncio")
    before = {name: logging.getLogger(name).level for name in names}
    loop = asyncio.get_running_loop()
    root.addHandler(handler)
    for name in names:
        logging.getLogger(name).setLevel(1)
    loop.set_debug(True)
    loop.slow_callback_duration = 0.0
    try:
        yield told
    finally:
        loop.set_debug(False)
        loop.slow_callback_duration = 0.1
        root.removeHandler(handler)
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def chain(error: BaseException) -> Iterator[BaseException]:
    """*error* and all that hang on it, the suppressed ones too."""
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        one = left.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        left += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            left += one.exceptions


def dumped(error: BaseException, *, pretty: bool = False) -> str:
    """All that crash reporters would send: text, attributes, and each frame's variables."""
    parts: list[str] = []
    for one in chain(error):
        parts += [str(one), repr(one), repr(vars(one)), repr(one.args)]
        parts += [formatted(one), *_variables(one)]
        with contextlib.suppress(Exception):
            parts.append(repr(pickle.dumps(one)))
    if pretty:
        parts += [_pretty(error, longest) for longest in (None, _SHORT)]
    return "\n".join(parts)


def formatted(error: BaseException) -> str:
    """What the standard library shows of *error*, with each frame's variables."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "".join(told.format())


def _pretty(error: BaseException, longest: int | None) -> str:
    shown = io.StringIO()
    rich = Traceback.from_exception(
        type(error), error, error.__traceback__, show_locals=True, locals_max_string=longest
    )
    Console(file=shown, width=200).print(rich)
    return shown.getvalue()


def _variables(error: BaseException) -> Iterator[str]:
    """Each frame's variables, and one level of what is inside them, but for the test's own frames."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if "/tests/" in frame.f_code.co_filename:
            continue
        ours = "/nugen_async/" in frame.f_code.co_filename
        for value in frame.f_locals.values():
            yield repr(value)
            yield reprlib.repr(value)
            with contextlib.suppress(TypeError):
                yield repr(vars(value))
            if ours:
                yield from texts(value)


def texts(value: object, deep: int = _DEEP) -> Iterator[str]:
    """The texts in *value* as they are, whatever their own `repr` says: so some reporters take them."""
    match value:
        case str():
            yield "".join(value)
        case bytes():
            yield value.decode("latin-1")
        case Mapping() if deep:
            for pair in value.items():
                yield from texts(pair, deep - 1)
        case list() | tuple() | set() if deep:
            for each in value:
                yield from texts(each, deep - 1)
        case _:
            return
