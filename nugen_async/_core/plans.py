"""How one record class is read: its names on the wire, and what is done about odd rows. Pure.

A row is read in up to three ways, each tried only when the one before saw something odd:

1. `Plan.quick`, generated for the class: every key documented, every value of its declared type;
2. the same code, after `Plan._arrange` brought the keys under their documented names;
3. field by field through the codec's readers, which forgive what can be forgiven.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from operator import itemgetter
from typing import Any, Generic, TypeVar

import attrs
from attrs import NOTHING, Attribute, Factory, frozen

from .ordinary import Quick, generated, plain
from .tolerance import Impossible, Seen, means_nothing, shown, snake
from .wire import Json

R = TypeVar("R")
Reader = Callable[[Seen, Any], Any]
Readers = Callable[[Any], Reader]

_INNER, _BORROWED, _CAMEL = 100.0, 200.0, 0.5
"""How much later a name counts: inside ``data``, as another field's own name, in another case."""

_LONGEST_KEY = 64
_MOST_SHAPES = 64
_LARGEST_SHAPE = 100
"""So many sets of keys are remembered, of so many keys: a server that makes keys up costs no memory."""

_WRAPPER = "data"
_EXACT = (str, int, bool)
_OWN = frozenset({"raw", "notes"})


def seen_as(
    *names: str, wire: str | None = None, required: bool = False, absent: Json = None
) -> dict[str, Any]:
    """Metadata for a record's field: under which other *names* the field has been seen.

    A dotted name is a path (``result.error``, ``models.0.model_id``). *wire* is the documented name
    where the field is called otherwise here. *required* demands the field of the server although
    the record has a default for it; *absent* is what the contract says a missing one means.
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
    exact: Any
    """The class of values that need no reader."""

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
            exact=kind if (kind := plain(attribute.type)) in _EXACT else None,
        )

    def read(self, value: Json, seen: Seen) -> Any:
        """What *value* becomes; the default with a note where an optional field cannot be read."""
        if value is None:
            if self.required:
                raise Impossible(f"{seen.path}.{self.wire}: required, but missing")
            return self._absent()
        here = seen.at(self.wire, value)
        try:
            return self.reader(here, self.type)
        except Impossible as wrong:
            if self.required:
                raise
            if means_nothing(value):
                here.note(f"{shown(value)} taken as not known")
            else:
                seen.notes.extend(f"{problem}; left out" for problem in wrong.problems)
            return self._absent()

    def _absent(self) -> Any:
        """What the record holds when the server says nothing."""
        default = self.default
        return default.factory() if isinstance(default, Factory) else default  # type: ignore[arg-type] # a class at run time


Recipe = tuple[tuple[Field, tuple[tuple[bool, str], ...]], ...]
"""For rows of one set of keys: each field, and the keys it may stand under (True: inside the wrapper)."""


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
        self.id = self._named["id"].wire if "id" in self._named else ""
        self._own = frozenset(a.name for a in ours if a.name in _OWN)
        self._needed = {a.name for a in ours if a.default is NOTHING}
        self._claims = self._claimed()
        self._wrapper_expected: bool = getattr(record, "wrapped", False)
        self._unwrap = _WRAPPER not in self._claims
        self._with_paths = tuple(f for f in self.fields if f.paths)
        self._recipes: dict[tuple[tuple[str, ...], tuple[str, ...]], Recipe] = {}
        self.quick: Quick[R] = generated(record, self.fields)

    def __call__(self, seen: Seen, _: Any = None) -> R:
        """Read one record; raises `Impossible` with every problem found."""
        row = self._object(seen)
        raw = seen.value if isinstance(seen.value, dict) else {_WRAPPER: seen.value}
        notes, mark = seen.notes, len(seen.notes)
        if (made := self.quick(row, notes, raw, seen.path)) is not None:
            return made
        del notes[mark:]
        arranged = self._arrange(row, seen)
        if seen.about and (named := self._named.get("id")) and not arranged.get(named.wire):
            arranged[named.wire] = seen.about
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

    def handle(self, known: str, payload: Json, notes: tuple[str, ...]) -> R | None:
        """The record of nothing but its id; None where it needs more than that."""
        if self._needed != {"id"} or self._own != _OWN:
            return None
        raw = payload if isinstance(payload, dict) else {_WRAPPER: payload}
        values: dict[str, Any] = {"id": known, "raw": raw, "notes": notes}
        return self.record(**values)

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
        inner = self._inner(row, seen)
        arranged: dict[str, Any] = {}
        renamed: list[str] = []
        for one, candidates in self._recipe(row, inner):
            late, key = candidates[0]
            value = inner[key] if late else row[key]
            if value is None:
                late, key, value = _first_held(candidates, row, inner)
            arranged[one.wire] = value
            if key != one.wire and one.name != "id" and value is not None:
                renamed.append(f"{one.wire} from {key!r}")
            if inner and not late:
                said = [inner[other] for late, other in candidates if late]
                _contradict(seen, one.wire, value, said)
        if renamed:
            seen.note(f"read under another name: {', '.join(renamed)}")
        self._fetch(arranged, row, inner)
        return arranged

    def _fetch(self, arranged: dict[str, Any], row: dict[str, Any], inner: dict[str, Any]) -> None:
        """Bring what no key holds from further inside."""
        if not any(isinstance(v, dict | list) for v in (*row.values(), *inner.values())):
            return
        for one in self._with_paths:
            if arranged.get(one.wire) is None:
                walks = (_walk(place, path) for path in one.paths for place in (row, inner))
                arranged[one.wire] = next((v for v in walks if v is not None), None)

    def _inner(self, row: dict[str, Any], seen: Seen) -> dict[str, Any]:
        """What stands in the wrapper, if the row has one."""
        inner = row.get(_WRAPPER) if self._unwrap else None
        if isinstance(inner, list) and len(inner) == 1:
            inner = inner[0]
        if isinstance(inner, dict):
            if not self._wrapper_expected:
                seen.note(f"fields read from '{_WRAPPER}'")
            return inner
        return {} if inner is None or self.bare is None else {self.bare: inner}

    def _recipe(self, row: dict[str, Any], inner: dict[str, Any]) -> Recipe:
        """Where each field of rows with these keys may stand, the most trusted place first."""
        shape = (tuple(row), tuple(inner))
        known = self._recipes.get(shape)
        if known is not None:
            return known
        found: dict[str, list[tuple[float, bool, str]]] = {}
        for late, place in ((False, row), (True, inner)):
            for key in place:
                claims = self._claims.get(key)
                rank = _INNER if late else 0.0
                if claims is None and len(key) <= _LONGEST_KEY:
                    claims, rank = self._claims.get(snake(key)), rank + _CAMEL
                for one, trust in claims or ():
                    found.setdefault(one.name, []).append((rank + trust, late, key))
        recipe = tuple(
            (self._named[name], tuple((late, key) for _, late, key in sorted(places, key=_rank)))
            for name, places in found.items()
        )
        if len(self._recipes) < _MOST_SHAPES and len(row) + len(inner) <= _LARGEST_SHAPE:
            self._recipes[shape] = recipe
        return recipe

    def _careful(self, arranged: dict[str, Any], seen: Seen, raw: Mapping[str, Any]) -> R:
        values: dict[str, Any] = {}
        problems: list[str] = []
        for one in self.fields:
            value = arranged.get(one.wire)
            if value.__class__ is one.exact:
                values[one.init] = value
                continue
            try:
                values[one.init] = one.read(value, seen)
            except Impossible as wrong:
                problems.extend(wrong.problems)
        if problems:
            raise Impossible(*problems)
        if "raw" in self._own:
            values["raw"] = raw
        if "notes" in self._own:
            values["notes"] = tuple(seen.notes)
        return self.record(**values)


_rank = itemgetter(0)


def _first_held(
    candidates: tuple[tuple[bool, str], ...], row: dict[str, Any], inner: dict[str, Any]
) -> tuple[bool, str, Json]:
    """The first of *candidates* that holds something; the very first where none does."""
    for late, key in candidates:
        if (value := inner[key] if late else row[key]) is not None:
            return late, key, value
    return *candidates[0], None


def _contradict(seen: Seen, name: str, outer: Json, said: list[Json]) -> None:
    """Tell where the wrapper holds another value than the outside, which wins."""
    simple = str | int | float
    for inner in said:
        if isinstance(outer, simple) and isinstance(inner, simple) and outer != inner:
            seen.at(name, outer).note(f"the outer value kept, '{_WRAPPER}' says {shown(inner)}")


def _walk(value: Json, path: tuple[str, ...]) -> Json:
    for step in path:
        if step.isdecimal():
            listed = isinstance(value, list) and int(step) < len(value)
            value = value[int(step)] if listed else None
            continue
        while isinstance(value, list):
            value = value[0] if value else None
        if not isinstance(value, dict):
            return None
        found = value.get(step)
        if found is None:
            same = (v for k, v in value.items() if len(k) <= _LONGEST_KEY and snake(k) == step)
            found = next(same, None)
        value = found
    return value
