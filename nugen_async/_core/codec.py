"""The one converter between payloads and records, and every quirk it forgives. Pure.

Read `converter` as the list it is: which reader takes which declared type. The readers forgive
(`tolerance`), a record's fields and their names are read off its class (`plans`), and what was
forgiven is told in ``record.notes``. Only two things come out: a value of the declared type, or a
`DecodeError`.
"""

from __future__ import annotations

import json
import math
import types
from collections.abc import Generator, Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, Union, cast, get_args, get_origin

import attrs

from ..errors import DecodeError, InvalidRequestError
from . import tolerance
from .ordinary import Quick, plain
from .page import Page
from .plans import Plan, Reader, seen_as
from .tolerance import ErrorText, Impossible, Seen, timestamp
from .wire import Json

if TYPE_CHECKING:
    from cattrs import Converter

try:
    import orjson
except ImportError:  # the extra `fast` is not installed
    orjson = None  # type: ignore[assignment]

__all__ = [
    "FAST",
    "dumps",
    "handle",
    "loads",
    "retold",
    "row_id",
    "rows_of",
    "seen_as",
    "steps",
    "structure",
    "timestamp",
]

T = TypeVar("T")

FAST = orjson is not None
"""Whether texts are read and written by orjson."""

SLICE = 64
"""Rows read between two pauses: about 0.3 ms of ordinary rows, 4 ms of the oddest."""

_MANY_NOTES = 20
_ROWS = ("data", "items", "results")
_PLACE = {"total": None, "limit": None, "offset": None}.keys()
_TOO_DEEP = "$: nested too deeply"


def loads(body: bytes) -> Json:
    """The JSON value in *body*; a `DecodeError` for anything that RFC 8259 does not allow."""
    body = body.removeprefix(b"\xef\xbb\xbf")
    try:
        if orjson is not None:
            return orjson.loads(body)
        value = _decode(body.decode())
        if b"\\u" in body:
            json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate is no text
    except RecursionError:
        raise DecodeError(problems=(_TOO_DEEP,)) from None
    except ValueError as error:
        told = "the body is empty" if not body.strip() else f"not JSON: {error}"
        raise DecodeError(problems=(f"$: {told}",)) from None
    return value


def _no_constant(name: str) -> Json:
    raise ValueError(f"{name} is not a JSON value")


_decode = json.JSONDecoder(parse_constant=_no_constant).decode
"""Made once: `json.loads` makes a decoder each time, which takes as long as a small body."""


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
"""Made once, too."""


def dumps(value: Json) -> bytes:
    """*value* as JSON in UTF-8; an `InvalidRequestError` when JSON cannot say it."""
    try:
        data = retold(value)
        if orjson is not None and b"null" in data:
            _check_finite(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequestError(f"the request cannot be sent as JSON: {error}") from None
    return data


def retold(value: Json) -> bytes:
    """*value*, which was read from JSON, as JSON again; raises what the encoder in use raises."""
    return orjson.dumps(value) if orjson is not None else _encode(value).encode()


def _check_finite(value: Json) -> None:
    """Raise for a number in *value* that is infinite or none at all; orjson makes a null of it."""
    left: list[Json] = [value]
    while left:
        match left.pop():
            case float() as number if not math.isfinite(number):
                raise ValueError(f"{number} is no JSON value")
            case dict() as told:
                left += told.values()
            case list() | tuple() as several:
                left += several
            case _:
                pass


def structure(payload: Json, into: type[T], about: str = "") -> T:
    """*payload* as *into*: a record, a ``Page[Record]``, ``NoneType`` (anything), or plain JSON.

    *about* is the id that was asked for: a record whose answer does not repeat it gets it from here.
    """
    if payload.__class__ is dict and (quick := _quick.get(into)) is not None:
        made = quick(payload, [], payload, "$")
        if made is not None:
            return cast("T", made)
    try:
        return cast("T", converter().get_structure_hook(into)(Seen(payload, about=about), into))
    except Impossible as wrong:
        raise DecodeError(problems=wrong.problems) from None
    except RecursionError:
        raise DecodeError(problems=(_TOO_DEEP,)) from None


def steps(
    payload: Json, into: type[T], about: str = "", *, rows: int = SLICE
) -> Generator[None, None, T]:
    """`structure` in slices: yields after every *rows* rows of a page, and returns the whole.

    For a caller that must not hold the event loop: it drives the generator and pauses at each step.
    """
    if get_origin(into) is not Page:
        return structure(payload, into, about)
    try:
        return cast("T", (yield from _page(Seen(payload), get_args(into)[0], rows)))
    except Impossible as wrong:
        raise DecodeError(problems=wrong.problems) from None
    except RecursionError:
        raise DecodeError(problems=(_TOO_DEEP,)) from None


def row_id(row: Json, into: type[Any]) -> str | None:
    """The id of a row that is to become *into*, without reading the rest; None when it has none."""
    plan = _plan(into)
    if row.__class__ is dict and (usual := row.get(plan.id)).__class__ is str:
        return usual
    for value in plan.values(row, "id"):
        try:
            return tolerance.text(Seen(value))
        except Impossible:
            continue
    return None


def handle(payload: Json, into: type[T], about: str, problems: tuple[str, ...]) -> T | None:
    """The record of nothing but its id and the *problems*, for an answer that cannot be read.

    None where neither *payload* nor *about* tells the id, or the record needs more than that.
    """
    plan = converter().get_structure_hook(into)
    if not isinstance(plan, Plan):
        return None
    known = row_id(payload, into) or about
    return cast("T | None", plan.handle(known, payload, problems)) if known else None


def rows_of(payload: Json, into: type[Any]) -> list[Json]:
    """The unread rows of a list of *into*; a `DecodeError` when *payload* is no list."""
    try:
        return _rows(Seen(payload), _plan(into))[1]
    except Impossible as wrong:
        raise DecodeError(problems=wrong.problems) from None


def _plan(record: type[T]) -> Plan[T]:
    return cast("Plan[T]", converter().get_structure_hook(record))


def _optional(declared: Any) -> Reader:
    """A union: the arm of exactly the value's type, else the first arm that can take it."""
    arms = [arm for arm in get_args(declared) if arm is not types.NoneType]
    if len(arms) == 1:
        return converter().get_structure_hook(arms[0])
    readers = [(arm, converter().get_structure_hook(arm)) for arm in arms]

    def read(seen: Seen, _: Any) -> Any:
        for arm, reader in readers:
            if isinstance(arm, type) and type(seen.value) is arm:
                return reader(seen, arm)
        for arm, reader in readers:
            try:
                return reader(seen, arm)
            except Impossible:
                continue
        raise seen.wrong(" or ".join(getattr(arm, "__name__", str(arm)) for arm in arms))

    return read


class _Items:
    """Reads ``tuple[X, ...]``: one by one, without the items that cannot be read."""

    def __init__(self, declared: Any) -> None:
        kind = get_args(declared)[0]
        self.kind = kind
        self.item: Reader = converter().get_structure_hook(kind)
        self._flat = get_origin(plain(kind)) is not tuple

    def __call__(self, seen: Seen, _: Any = None) -> tuple[Any, ...]:
        value = seen.value
        while self._flat and isinstance(value, list) and value and isinstance(value[0], list):
            seen.note(
                f"a list of {len(value)} lists where one list is declared, the first one taken"
            )
            value = value[0]
        if not isinstance(value, list):
            seen.note("one value where a list is declared")
            value = [value]
        return tuple(self._each(seen, value))

    def _each(self, seen: Seen, values: list[Json]) -> Iterator[Any]:
        for index, value in enumerate(values):
            try:
                yield self.item(seen.at(index, value), self.kind)
            except Impossible as wrong:
                seen.notes.extend(f"{problem}; left out" for problem in wrong.problems)


def _page(seen: Seen, record: type[T], rows: int) -> Generator[None, None, Page[T]]:
    """A list under any of the record's keys, or a bare one; a row that cannot be read is not in."""
    plan = _plan(record)
    key, values, around = _rows(seen, plan)
    items: list[T] = []
    problems: list[str] = []
    for first in range(0, len(values), rows):
        if first:
            yield
        _read_rows(plan, values[first : first + rows], items, problems, first=first, key=key)
    return _bound(seen, items, problems, around)


def _read_rows(
    plan: Plan[T],
    values: list[Json],
    items: list[T],
    problems: list[str],
    *,
    first: int = 0,
    key: str = "",
) -> None:
    quick = plan.quick
    for index, value in enumerate(values, first):
        made = quick(value, [], value, "$") if value.__class__ is dict else None
        if made is None:
            try:
                made = plan(Seen(value))
            except Impossible as wrong:
                place = f"$.{key}[{index}]" if key else f"$[{index}]"
                problems.extend(f"{place}{problem[1:]}; row left out" for problem in wrong.problems)
                continue
        items.append(made)


def _bound(seen: Seen, items: list[T], problems: list[str], around: dict[str, Json]) -> Page[T]:
    if len(problems) > _MANY_NOTES:
        problems[_MANY_NOTES:] = [f"$: {len(problems) - _MANY_NOTES} more rows or fields left out"]
    total = limit = offset = None
    if not _PLACE.isdisjoint(around):
        total, limit, offset = (_count(seen, around, name) for name in _PLACE)
    raw = seen.value if isinstance(seen.value, dict) else {"data": seen.value}
    return Page(tuple(items), total, limit, offset, (*seen.notes, *problems), raw)


def _rows(seen: Seen, plan: Plan[Any]) -> tuple[str, list[Json], dict[str, Json]]:
    """The key of the rows, the rows, and the object that they and the totals stand in."""
    value = seen.value
    if isinstance(value, list):
        return "", value, {}
    if not isinstance(value, dict):
        raise seen.wrong("a list of rows")
    for key in plan.rows:
        if isinstance(found := value.get(key), list):
            return key, found, value
    around = dict(value)
    if isinstance(inner := value.get("data"), dict):
        around = {**inner, **{k: v for k, v in value.items() if k != "data"}}
    names = {tolerance.snake(k): k for k in reversed(around) if len(k) <= 64}  # noqa: PLR2004
    for key in (*plan.rows, *_ROWS):
        if key in names:
            found = around[names[key]]
            if found is None:
                seen.note(f"{key} is null, taken as an empty list")
                return key, [], around
            if isinstance(found, list):
                return key, found, around
            seen.note(f"{key} is one value where a list is declared")
            return key, [found], around
    raise Impossible(f"$: no list of rows under any of {', '.join((*plan.rows, *_ROWS))}")


def _count(seen: Seen, around: dict[str, Json], name: str) -> int | None:
    if (value := around.get(name)) is None:
        return None
    try:
        return tolerance.whole(seen.at(name, value))
    except Impossible as wrong:
        seen.notes.extend(f"{problem}; left out" for problem in wrong.problems)
        return None


def _whole_page(declared: Any) -> Reader:
    plan = _plan(get_args(declared)[0])
    _quick[declared] = _ordinary_page(plan)

    def read(seen: Seen, _: Any) -> Page[Any]:
        key, values, around = _rows(seen, plan)
        items: list[Any] = []
        problems: list[str] = []
        _read_rows(plan, values, items, problems, key=key)
        return _bound(seen, items, problems, around)

    return read


def _ordinary_page(plan: Plan[T]) -> Quick[Page[T]]:
    """Reads a short page of nothing but ordinary rows, and answers None for any other."""

    def quick(body: dict[str, Any], _notes: list[str], raw: Any, at: str) -> Page[T] | None:
        if len(body) != 1:
            return None
        ((key, value),) = body.items()
        if key not in plan.rows or not isinstance(value, list):
            return None
        rows: list[Json] = value
        if len(rows) > SLICE:
            return None
        items: list[T] = []
        for row in rows:
            made = plan.quick(row, [], row, at) if row.__class__ is dict else None
            if made is None:
                return None
            items.append(made)
        return Page(tuple(items), raw=raw)

    return quick


def _is_page(declared: Any) -> bool:
    return get_origin(declared) is Page


def _is_tuple(declared: Any) -> bool:
    return get_origin(declared) is tuple


def _is_union(declared: Any) -> bool:
    return get_origin(declared) in {Union, types.UnionType}


def _is_map(declared: Any) -> bool:
    return (get_origin(declared) or declared) in {dict, Mapping}


@cache
def converter() -> Converter:
    """The converter, made when the first record is read: importing cattrs takes a while."""
    from cattrs import Converter  # noqa: PLC0415

    told = Converter()
    told.register_structure_hook_factory(attrs.has, _record)
    told.register_structure_hook_factory(_is_page, _whole_page)
    told.register_structure_hook_factory(_is_tuple, _Items)
    told.register_structure_hook_factory(_is_union, _optional)
    told.register_structure_hook_func(_is_map, tolerance.mapping)
    told.register_structure_hook_func(lambda t: t in (Any, object, list), tolerance.anything)
    told.register_structure_hook_func(lambda t: t is ErrorText, tolerance.reason)
    told.register_structure_hook(datetime, tolerance.moment)
    told.register_structure_hook(str, tolerance.text)
    told.register_structure_hook(bool, tolerance.truth)
    told.register_structure_hook(int, tolerance.whole)
    told.register_structure_hook(float, tolerance.number)
    told.register_structure_hook(types.NoneType, lambda _seen, _type: None)
    return told


def _record(record: type[Any]) -> Plan[Any]:
    plan = Plan(record, converter().get_structure_hook)
    _quick[record] = plan.quick
    return plan


_quick: dict[Any, Quick[Any]] = {}
"""The generated readers of what has been asked for so far."""
