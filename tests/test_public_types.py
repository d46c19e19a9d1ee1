"""Whoever annotates code that uses this package finds every type of it at the top."""

from __future__ import annotations

import collections.abc
import inspect
import re
import sys
import typing
from collections.abc import Iterator
from typing import Any

import nugen_async
from nugen_async import CompletionStream, Nugen, SeekrFlow
from nugen_async.resources._nouns import Collection

MACHINERY = {
    *("bound_to", "changes", "explained", "inner", "knowing", "poller", "record", "refreshed"),
    *("routes", "stripped", "succeeded_by", "watch", "with_raw"),
}
"""What is public only for the other rooms of the library."""

_QUOTED = re.compile(r'"[^"]*"|\'[^\']*\'')


async def public() -> set[type[Any]]:
    """The exported classes, and those of the clients' attributes."""
    found = {
        value
        for name in nugen_async.__all__
        if inspect.isclass(value := getattr(nugen_async, name))
    }
    for client in (Nugen("k"), SeekrFlow("k")):
        nouns = [noun for noun in vars(client).values() if isinstance(noun, Collection)]
        found |= {type(each) for noun in nouns for each in (noun, *noun.inner())}
    return found


def annotated(kind: type[Any]) -> Iterator[tuple[str, str, str]]:
    """The public annotations of a class and its bases: where, in which module, as text."""
    by_hand = not issubclass(kind, Collection | CompletionStream)
    for base in kind.__mro__:
        if not base.__module__.startswith("nugen_async"):
            continue
        for name, value in inspect.getmembers_static(base):
            hidden = name.startswith("_") and not (name == "__init__" and by_hand and base is kind)
            if hidden or name in MACHINERY or name not in vars(base):
                continue
            of = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
            if inspect.isfunction(of) and of.__module__ == base.__module__:
                yield from (
                    (f"{kind.__name__}.{name}", of.__module__, text)
                    for text in of.__annotations__.values()
                )
        for name, text in vars(base).get("__annotations__", {}).items():
            if not name.startswith("_") and name not in MACHINERY:
                yield f"{kind.__name__}.{name}", base.__module__, text


def ours(name: str, value: object) -> bool:
    """Whether this is a type, or a name for several, that this package defines."""
    if (
        isinstance(value, typing.TypeVar | typing.ParamSpec)
        or value is Any
        or hasattr(typing, name)
    ):
        return False
    if typing.get_args(value):
        return not hasattr(collections.abc, name)
    return inspect.isclass(value) and value.__module__.startswith("nugen_async")


async def test_every_type_of_a_public_signature_is_exported() -> None:
    missing = {
        (name, where)
        for kind in await public()
        for where, module, text in annotated(kind)
        for name in re.findall(r"[A-Za-z_]\w*", _QUOTED.sub("", str(text)))
        if name in vars(sys.modules[module])
        and ours(name, value := vars(sys.modules[module])[name])
        and getattr(nugen_async, name, None) is not value
    }
    assert missing == set()


async def test_the_walk_sees_what_it_should() -> None:
    seen = {(where, text) for kind in await public() for where, _, text in annotated(kind)}
    assert ("Alignment.wait_until_ready", "ScheduleLike") in seen
    assert ("Documents.upload", "OnProgress | None") in seen
    assert ("Evaluation.metrics", "EvaluationMetrics | None") in seen
    assert ours("OnUpdate", nugen_async.OnUpdate)
    assert ours("Job", nugen_async.Job)
    assert not ours("Mapping", typing.Mapping)


async def test_whatever_the_clients_hold_is_exported() -> None:
    assert {kind.__name__ for kind in await public()} <= set(nugen_async.__all__)
