"""Generated code that reads the ordinary row of one record class, and nothing else. Pure.

It takes a row whose keys are all documented and whose values all have the declared type, and answers
None as soon as anything is odd: what is odd is read by `plans.Plan`, which can forgive it.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar, Union, get_args, get_origin

import attrs
from attrs import NOTHING, Factory

from .tolerance import LARGEST, NO_ZONE, UTC, aware

R = TypeVar("R")

Quick = Callable[[dict[str, Any], list[str], Mapping[str, Any], str], R | None]
"""``quick(row, notes, raw, path)`` is the record, or None for a row that is not ordinary."""


class Fieldlike(Protocol):
    """What the generator must know of a field."""

    @property
    def name(self) -> str: ...
    @property
    def wire(self) -> str: ...
    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def paths(self) -> tuple[tuple[str, ...], ...]: ...
    @property
    def type(self) -> Any: ...
    @property
    def reader(self) -> Any: ...
    @property
    def required(self) -> bool: ...
    @property
    def default(self) -> Any: ...


def plain(declared: Any) -> Any:
    """Strip ``NewType`` and ``None`` off *declared*; a union of several stays a union."""
    declared = getattr(declared, "__supertype__", declared)
    if get_origin(declared) in {Union, types.UnionType}:
        some = [arm for arm in get_args(declared) if arm is not types.NoneType]
        return plain(some[0]) if len(some) == 1 else declared
    return declared


def generated(record: type[R], known: Sequence[Fieldlike]) -> Quick[R]:
    """Write and compile the reader of *record*.

    The record is filled through a twin of its class that may be written to, and becomes frozen when
    it is whole: the frozen ``__init__`` takes four times as long (2.1 us of an aligned model's 3.5).
    """
    twin = type(
        record.__name__,
        (record,),
        {"__slots__": (), "__setattr__": object.__setattr__, "__delattr__": object.__delattr__},
    )
    wires = frozenset(one.wire for one in known)
    names: dict[str, Any] = {
        "twin": twin,
        "record": record,
        "new": object.__new__,
        "known": wires.union(*(_also(one, known) for one in known)),
        "parse": datetime.fromisoformat,
        "UTC": UTC,
        "aware": aware,
        "LARGEST": LARGEST,
        "TEXT": {str},
        "NUMBERS": {int, float},
    }
    lines = ["if not known.issuperset(row): return None", "get = row.get", "made = new(twin)"]
    for index, one in enumerate(known):
        lines.append(f"v = get({one.wire!r})")
        lines += [f"if v is None: v = get({name!r})" for name in _also(one, known)]
        lines += _field_lines(one, index, wires, names)
    lines += _own_lines(record, names)
    lines += ["made.__class__ = record", "return made"]
    source = "def quick(row, notes, raw, at):\n" + "".join(f"    {line}\n" for line in lines)
    exec(compile(source, f"<codec of {record.__qualname__}>", "exec"), names)  # noqa: S102 # made of our own field names only
    quick: Quick[R] = names["quick"]
    return quick


def _also(one: Fieldlike, known: Sequence[Fieldlike]) -> list[str]:
    """Other names under which an ordinary row may tell its id, as the answers to creates do."""
    if one.name != "id":
        return []
    others = {name for field in known if field is not one for name in field.names}
    return [name for name in one.names if name != one.wire and name not in others]


def _own_lines(record: type[Any], names: dict[str, Any]) -> list[str]:
    """Lines for what the payload does not fill."""
    lines: list[str] = []
    for a in attrs.fields(record):
        if not a.init:
            names[f"hidden_{a.name}"] = None if a.default is NOTHING else a.default
            lines.append(f"made.{a.name} = hidden_{a.name}")
        elif a.name == "raw":
            lines.append("made.raw = raw")
        elif a.name == "notes":
            lines.append("made.notes = tuple(notes) if notes else ()")
    return lines


def _field_lines(
    one: Fieldlike, index: int, wires: frozenset[str], names: dict[str, Any]
) -> list[str]:
    lines: list[str] = []
    check = [f"    {line}" for line in _check(one, index, names)]
    nothing = _nothing(one, index, wires, names)
    if nothing and check:
        lines += ["if v is None:", *nothing, "else:", *check]
    elif check:
        lines += ["if v is not None:", *check]
    elif nothing:
        lines += ["if v is None:", *nothing]
    return [*lines, f"made.{one.name} = v"]


def _nothing(one: Fieldlike, index: int, wires: frozenset[str], names: dict[str, Any]) -> list[str]:
    """Lines for a missing value; odd where another documented field may stand in for it."""
    if one.required:
        return ["    return None"]
    borrowed = [n for n in one.names if n != one.wire and n in wires]
    borrowed += [path[0] for path in one.paths if path[0] in wires]
    lines = [f"    if get({name!r}) is not None: return None" for name in borrowed]
    if isinstance(one.default, Factory):  # type: ignore[arg-type] # a class at run time
        names[f"default{index}"] = one.default.factory
        lines.append(f"    v = default{index}()")
    elif one.default is not None:
        names[f"default{index}"] = one.default
        lines.append(f"    v = default{index}")
    return lines


def _check(one: Fieldlike, index: int, names: dict[str, Any]) -> list[str]:
    """Lines that turn the raw value ``v`` into the field's, or return None."""
    kind = plain(one.type)
    if kind is str or kind is bool or kind is int:
        return [f"if v.__class__ is not {kind.__name__}: return None"]
    if kind is float:
        return [
            "if v.__class__ is int and -LARGEST <= v <= LARGEST: v = float(v)",
            "elif v.__class__ is not float or not -LARGEST <= v <= LARGEST: return None",
        ]
    if kind is datetime:
        return [
            "if v.__class__ is not str: return None",
            "try: v = parse(v)",
            "except ValueError: return None",
            "if v.tzinfo is None:",
            f"    notes.append(at + '.{one.wire}: {NO_ZONE}')",
            "    v = v.replace(tzinfo=UTC)",
            "elif v.tzinfo is not UTC:",
            "    try: v = aware(v)",
            "    except OverflowError: return None",
        ]
    if kind is Any:
        return []
    origin = get_origin(kind) or kind
    if origin in {dict, Mapping}:
        return ["if v.__class__ is not dict: return None"]
    if origin is tuple:
        return _check_items(one, index, names, plain(get_args(kind)[0]))
    if (part := getattr(one.reader, "quick", None)) is not None:
        names[f"part{index}"] = part
        return [
            "if v.__class__ is not dict: return None",
            f"v = part{index}(v, notes, v, at + '.{one.wire}')",
            "if v is None: return None",
        ]
    return ["return None"]


def _check_items(one: Fieldlike, index: int, names: dict[str, Any], kind: Any) -> list[str]:
    is_list = "if v.__class__ is not list: return None"
    if kind is str:
        return [is_list, "if v and {*map(type, v)} != TEXT: return None", "v = tuple(v)"]
    if kind is float:
        return [
            is_list,
            "if not NUMBERS.issuperset(map(type, v)): return None",
            "try: v = tuple(map(float, v))",
            "except OverflowError: return None",
        ]
    part = getattr(getattr(one.reader, "item", None), "quick", None)
    if part is None:
        return ["return None"]
    names[f"part{index}"] = part
    return [
        is_list,
        "items = []",
        "for x in v:",
        "    if x.__class__ is not dict: return None",
        f"    x = part{index}(x, notes, x, at + '.{one.wire}')",
        "    if x is None: return None",
        "    items.append(x)",
        "v = tuple(items)",
    ]
