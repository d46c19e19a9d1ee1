"""How one record class is read: its names on the wire, and generated code for the ordinary row. Pure.

A row is read in up to three ways, each tried only when the one before saw something odd:

1. `Plan.quick`, generated for the class: every key is documented, every value of the declared type;
2. the same code, after `Plan._arrange` brought the keys under their documented names;
3. field by field through the codec's readers, which forgive what can be forgiven.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Generic, TypeVar, Union, get_args, get_origin

import attrs
from attrs import NOTHING, Attribute, Factory, frozen

from .tolerance import (
    LARGEST,
    NO_ZONE,
    UTC,
    Impossible,
    Seen,
    aware,
    means_nothing,
    shown,
    snake,
)
from .wire import Json

R = TypeVar("R")
Reader = Callable[[Seen, Any], Any]
Readers = Callable[[Any], Reader]

_INNER, _BORROWED, _CAMEL = 100.0, 200.0, 0.5
"""How much later a name counts: inside ``data``, as another field's own name, in another case."""

_LONGEST_KEY = 64
_WRAPPER = "data"
_OWN = frozenset({"raw", "notes"})


def seen_as(
    *names: str, wire: str | None = None, required: bool = False, absent: Json = None
) -> dict[str, Any]:
    """Metadata for a record's field: under which other *names* the field has been seen.

    A dotted name is a path (``result.error``, ``models.0.model_id``). *wire* is the documented name
    where the field is called otherwise here. *required* demands the field of the server although the
    record has a default for it; *absent* is what the contract says a missing one means.
    """
    return {"seen_as": names, "wire": wire, "required": required, "absent": absent}


@frozen
class Field:
    """One field: its documented name on the wire, the others in order of trust, its type."""

    name: str
    init: str
    wire: str
    names: tuple[str, ...]
    paths: tuple[tuple[str, ...], ...]
    type: Any
    reader: Reader
    required: bool
    default: Any

    @classmethod
    def of(cls, attribute: Attribute[Any], readers: Readers) -> Field:
        """Read off an attrs field and its metadata."""
        told = attribute.metadata
        others: tuple[str, ...] = told.get("seen_as", ())
        wire = told.get("wire") or attribute.name
        default = attribute.default
        absent = told.get("absent")
        return cls(
            name=attribute.name,
            init=attribute.alias or attribute.name,
            wire=wire,
            names=tuple(
                dict.fromkeys((wire, attribute.name, *(n for n in others if "." not in n)))
            ),
            paths=tuple(tuple(n.split(".")) for n in others if "." in n),
            type=attribute.type,
            reader=readers(attribute.type),
            required=bool(told.get("required")) or default is NOTHING,
            default=default if absent is None else absent,
        )

    def absent(self) -> Any:
        """What the record holds when the server says nothing."""
        return self.default.factory() if isinstance(self.default, Factory) else self.default  # type: ignore[arg-type]


class Plan(Generic[R]):
    """All that the codec knows about one record class."""

    def __init__(self, record: type[R], readers: Readers) -> None:
        attrs.resolve_types(record)  # type: ignore[type-var]
        ours = [a for a in attrs.fields(record) if a.init]  # type: ignore[arg-type]
        self.record = record
        self.kind = record.__name__.lower()
        self.bare: str | None = getattr(record, "bare", None)
        self.rows: tuple[str, ...] = getattr(record, "rows", ())
        self.fields = tuple(Field.of(a, readers) for a in ours if a.name not in _OWN)
        self._named = {f.name: f for f in self.fields}
        self.wires = frozenset(f.wire for f in self.fields)
        self._own = frozenset(a.name for a in ours if a.name in _OWN)
        self._claims = self._claimed()
        self._wrapper_expected: bool = getattr(record, "wrapped", False)
        self._unwrap = _WRAPPER not in self._claims
        self.quick: Callable[[dict[str, Any], list[str], Mapping[str, Any], str], R | None] = (
            _generated(self)
        )

    def __call__(self, seen: Seen, _: Any = None) -> R:
        """Read one record; raises `Impossible` with every problem found."""
        row = self._object(seen)
        raw = seen.value if isinstance(seen.value, dict) else {_WRAPPER: seen.value}
        notes, mark = seen.notes, len(seen.notes)
        if (made := self.quick(row, notes, raw, seen.path)) is not None:
            return made
        del notes[mark:]
        arranged = self._arrange(row, seen)
        mark = len(notes)
        if (made := self.quick(arranged, notes, raw, seen.path)) is not None:
            return made
        del notes[mark:]
        return self._careful(arranged, seen, raw)

    def values(self, row: Json, name: str) -> Iterator[Json]:
        """What *row* says for the field *name*, unread, best first; nothing is structured."""
        wanted = self._named.get(name)
        if wanted is None:
            return
        if not isinstance(row, dict):
            if self.bare == name and row is not None:
                yield row
            return
        for key in wanted.names:
            if (value := row.get(key)) is not None:
                yield value
        if not self.wires.issuperset(row):
            value = self._arrange(row, Seen(row)).get(wanted.wire)
            if value is not None:
                yield value

    def _object(self, seen: Seen) -> dict[str, Any]:
        value = seen.value
        if isinstance(value, dict):
            return value
        inner = value
        while isinstance(inner, list) and len(inner) == 1:
            inner = inner[0]
        if isinstance(inner, dict):
            seen.note("a list of one where an object is declared")
            return inner
        if self.bare is None or value is None:
            raise seen.wrong("an object")
        return {self._named[self.bare].wire: value}

    def _claimed(self) -> dict[str, tuple[tuple[Field, float], ...]]:
        claims: dict[str, list[tuple[Field, float]]] = {}
        for one in self.fields:
            for place, name in enumerate(one.names):
                borrowed = _BORROWED if name != one.wire and name in self.wires else 0.0
                claims.setdefault(name, []).append((one, place + borrowed))
        return {name: tuple(who) for name, who in claims.items()}

    def _arrange(self, row: dict[str, Any], seen: Seen) -> dict[str, Any]:
        """*row* under the documented names; other names, and a wrapper, are noted."""
        best: dict[str, tuple[Any, float]] = {}
        renamed: dict[str, str] = {}
        self._take(row, 0.0, best, renamed, seen)
        inner = row.get(_WRAPPER) if self._unwrap else None
        if isinstance(inner, list) and len(inner) == 1:
            inner = inner[0]
        if isinstance(inner, dict):
            if not self._wrapper_expected:
                seen.note(f"fields read from '{_WRAPPER}'")
            self._take(inner, _INNER, best, renamed, seen)
        elif inner is not None and self.bare is not None:
            self._take({self.bare: inner}, _INNER, best, renamed, seen)
        for one in self.fields:
            if one.wire not in best or best[one.wire][0] is None:
                for path in one.paths:
                    if (value := _walk(row, path)) is not None:
                        best[one.wire] = value, 0.0
                        break
        if told := [f"{wire} from {key!r}" for wire, key in renamed.items()]:
            seen.note(f"read under another name: {', '.join(told)}")
        return {wire: value for wire, (value, _) in best.items()}

    def _take(
        self,
        row: dict[str, Any],
        late: float,
        best: dict[str, tuple[Any, float]],
        renamed: dict[str, str],
        seen: Seen,
    ) -> None:
        for key, value in row.items():
            if len(key) > _LONGEST_KEY:
                continue
            claims, rank = self._claims.get(key), late
            if claims is None:
                claims, rank = self._claims.get(snake(key), ()), late + _CAMEL
            for one, place in claims:
                held, held_rank = best.get(one.wire, (None, float("inf")))
                if held is not None and (value is None or held_rank <= rank + place):
                    if late and value is not None:
                        _contradiction(seen, one.wire, held, value)
                    continue
                best[one.wire] = value, rank + place
                renamed.pop(one.wire, None)
                if key != one.wire and value is not None and one.name != "id":
                    renamed[one.wire] = key

    def _careful(self, arranged: dict[str, Any], seen: Seen, raw: Mapping[str, Any]) -> R:
        values: dict[str, Any] = {}
        problems: list[str] = []
        for one in self.fields:
            value = arranged.get(one.wire)
            if value is None:
                if one.required:
                    problems.append(f"{seen.path}.{one.wire}: required, but missing")
                else:
                    values[one.init] = one.absent()
                continue
            here = seen.at(one.wire, value)
            try:
                values[one.init] = one.reader(here, one.type)
            except Impossible as wrong:
                if one.required:
                    problems.extend(wrong.problems)
                    continue
                values[one.init] = one.absent()
                if means_nothing(value):
                    here.note(f"{shown(value)} taken as not known")
                else:
                    seen.notes.extend(f"{problem}; left out" for problem in wrong.problems)
        if problems:
            raise Impossible(*problems)
        if "raw" in self._own:
            values["raw"] = raw
        if "notes" in self._own:
            values["notes"] = tuple(seen.notes)
        return self.record(**values)


def _contradiction(seen: Seen, name: str, outer: Json, inner: Json) -> None:
    simple = str | int | float
    if isinstance(outer, simple) and isinstance(inner, simple) and outer != inner:
        seen.at(name, outer).note(f"the outer value kept, '{_WRAPPER}' says {shown(inner)}")


def _walk(value: Json, path: tuple[str, ...]) -> Json:
    for step in path:
        if isinstance(value, list):
            value = value[int(step) if step.isdecimal() else 0] if value else None
            if step.isdecimal():
                continue
        if not isinstance(value, dict):
            return None
        found = value.get(step)
        if found is None:
            same = (v for k, v in value.items() if len(k) <= _LONGEST_KEY and snake(k) == step)
            found = next(same, None)
        value = found
    return value


def plain(declared: Any) -> Any:
    """*declared* without ``NewType`` and without ``None``; a union of several stays a union."""
    declared = getattr(declared, "__supertype__", declared)
    if get_origin(declared) in {Union, types.UnionType}:
        some = [arm for arm in get_args(declared) if arm is not types.NoneType]
        return plain(some[0]) if len(some) == 1 else declared
    return declared


def _generated(plan: Plan[R]) -> Callable[..., R | None]:
    """Code for the ordinary row of this class; it returns None as soon as anything is odd.

    The record is filled through a twin of its class that may be written to, and becomes frozen when it is
    whole: the frozen ``__init__`` takes four times as long (1.7 of 2.3 us for an aligned model).
    """
    record = plan.record
    twin = type(
        record.__name__,
        (record,),
        {"__slots__": (), "__setattr__": object.__setattr__, "__delattr__": object.__delattr__},
    )
    names: dict[str, Any] = {
        "twin": twin,
        "record": record,
        "new": object.__new__,
        "known": plan.wires,
        "datetime": datetime,
        "parse": datetime.fromisoformat,
        "UTC": UTC,
        "aware": aware,
        "LARGEST": LARGEST,
        "TEXT": {str},
        "NUMBERS": {int, float},
    }
    lines = ["if not known.issuperset(row): return None", "get = row.get", "made = new(twin)"]
    for index, one in enumerate(plan.fields):
        lines += _field_lines(plan, one, index, names)
    for a in attrs.fields(record):  # type: ignore[arg-type]
        if not a.init:
            names[f"hidden_{a.name}"] = None if a.default is NOTHING else a.default
            lines.append(f"made.{a.name} = hidden_{a.name}")
    if "raw" in plan._own:  # noqa: SLF001 # one unit in two functions
        lines.append("made.raw = raw")
    if "notes" in plan._own:  # noqa: SLF001
        lines.append("made.notes = tuple(notes) if notes else ()")
    lines += ["made.__class__ = record", "return made"]
    source = "def quick(row, notes, raw, at):\n" + "".join(f"    {line}\n" for line in lines)
    exec(compile(source, f"<codec of {record.__qualname__}>", "exec"), names)  # noqa: S102 # built from our own field names only
    quick: Callable[..., R | None] = names["quick"]
    return quick


def _field_lines(plan: Plan[Any], one: Field, index: int, names: dict[str, Any]) -> list[str]:
    lines = [f"v = get({one.wire!r})"]
    check = [f"    {line}" for line in _check(one, index, names)]
    borrowed = [n for n in one.names if n != one.wire and n in plan.wires]
    borrowed += [path[0] for path in one.paths if path[0] in plan.wires]
    if one.required:
        nothing = ["    return None"]
    else:
        nothing = [f"    if get({name!r}) is not None: return None" for name in borrowed]
        if isinstance(one.default, Factory):  # type: ignore[arg-type]
            names[f"default{index}"] = one.default.factory
            nothing.append(f"    v = default{index}()")
        elif one.default is not None:
            names[f"default{index}"] = one.default
            nothing.append(f"    v = default{index}")
    if nothing and check:
        lines += ["if v is None:", *nothing, "else:", *check]
    elif check:
        lines += ["if v is not None:", *check]
    elif nothing:
        lines += ["if v is None:", *nothing]
    return [*lines, f"made.{one.name} = v"]


def _check(one: Field, index: int, names: dict[str, Any]) -> list[str]:
    kind = plain(one.type)
    if kind is str or kind is bool or kind is int:
        return [f"if v.__class__ is not {kind.__name__}: return None"]
    if kind is float:
        return [
            "if v.__class__ is int: v = float(v) if -LARGEST <= v <= LARGEST else None",
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
    if isinstance(one.reader, Plan):
        names[f"part{index}"] = one.reader.quick
        return [
            "if v.__class__ is not dict: return None",
            f"v = part{index}(v, notes, v, at + '.{one.wire}')",
            "if v is None: return None",
        ]
    return ["return None"]


def _check_items(one: Field, index: int, names: dict[str, Any], kind: Any) -> list[str]:
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
    part = getattr(one.reader, "item", None)
    if not isinstance(part, Plan):
        return ["return None"]
    names[f"part{index}"] = part.quick
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
