"""Validation of requests, with the errors that the OpenAPI documents describe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from attrs import frozen

from .exchange import Ask, Refused, is_array, is_object

Place = tuple[str | int, ...]
Problem = tuple[Place, str, str]
Check = Callable[[Any], Iterator[Problem]]

_MISSING = ("Field required", "missing")


@frozen
class Field:
    """One key of a JSON body."""

    name: str
    check: Check
    required: bool = False
    nullable: bool = True


def required(name: str, check: Check) -> Field:
    """A key that must be there and must not be null."""
    return Field(name, check, required=True, nullable=False)


def text(value: Any) -> Iterator[Problem]:
    """A string."""
    if not isinstance(value, str):
        yield (), "Input should be a valid string", "string_type"


def flag(value: Any) -> Iterator[Problem]:
    """A boolean."""
    if not isinstance(value, bool):
        yield (), "Input should be a valid boolean", "bool_type"


def mapping(value: Any) -> Iterator[Problem]:
    """An object."""
    if not isinstance(value, dict):
        yield (), "Input should be a valid dictionary", "dict_type"


def anything(_value: Any) -> Iterator[Problem]:
    """Any JSON at all."""
    yield from ()


def one_of(*words: str) -> Check:
    """One of some words."""

    def check(value: Any) -> Iterator[Problem]:
        if value not in words or not isinstance(value, str):
            yield (), f"Input should be {', '.join(map(repr, words))}", "enum"

    return check


def array(check: Check, *, at_least: int = 0) -> Check:
    """A list whose items all pass."""

    def check_items(value: Any) -> Iterator[Problem]:
        if not is_array(value):
            yield (), "Input should be a valid list", "list_type"
            return
        if len(value) < at_least:
            yield (), f"List should have at least {at_least} item(s)", "too_short"
        for index, item in enumerate(value):
            for place, msg, kind in check(item):
                yield (index, *place), msg, kind

    return check_items


def either(*checks: Check) -> Check:
    """Whatever passes one of the checks; else the complaints of the first."""

    def check(value: Any) -> Iterator[Problem]:
        if all(any(True for _ in each(value)) for each in checks):
            yield from checks[0](value)

    return check


def number(low: float, high: float, *, whole: bool = False) -> Check:
    """A number within bounds; text that spells one counts, as the live server takes it."""

    def check(value: Any) -> Iterator[Problem]:
        read = _read_number(value)
        if read is None or (whole and read != int(read)):
            kind = "integer" if whole else "number"
            yield (), f"Input should be a valid {kind}", f"{kind}_type"
        elif not low <= read <= high:
            yield (), f"Input should be between {low} and {high}", "out_of_range"

    return check


def _read_number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        read = float(value)
    except (ValueError, OverflowError):
        return None
    return read if abs(read) < 1e15 else None  # noqa: PLR2004 - beyond any count; NaN fails too


def checked(ask: Ask, *fields: Field) -> dict[str, Any]:
    """The body, if every field passes; else a 422 with each problem at its place."""
    if ask.broken is not None:
        raise invalid(ask, [(("body", 0), ask.broken, "json_invalid")])
    body = ask.body
    if not is_object(body):
        msg, kind = (
            _MISSING
            if body is None and not ask.request.content
            else ("Input should be a valid dictionary or object", "model_attributes_type")
        )
        raise invalid(ask, [(("body",), msg, kind)])
    problems: list[Problem] = []
    for field in fields:
        value = body.get(field.name)
        place = ("body", field.name)
        if field.name not in body:
            if field.required:
                problems.append((place, *_MISSING))
        elif value is not None or not field.nullable:
            problems += [(place + inner, msg, kind) for inner, msg, kind in field.check(value)]
    if problems:
        raise invalid(ask, problems)
    return body


def query_number(ask: Ask, name: str, default: int, low: int, high: int) -> int:
    """A whole number of the query."""
    value = ask.request.query.get(name)
    if value is None:
        return default
    problems = list(number(low, high, whole=True)(value))
    if problems:
        raise invalid(ask, [(("query", name), msg, kind) for _, msg, kind in problems])
    return int(float(value))


def form_text(ask: Ask, name: str, *aliases: str, needed: bool = True) -> str:
    """A text field of a multipart body, under any of its names."""
    if ask.request.form is not None:
        for key in (name, *aliases):
            for value in ask.request.form.texts(key):
                return value
    if needed:
        raise invalid(ask, [(("body", name), *_MISSING)])
    return ""


def invalid(ask: Ask, problems: list[Problem]) -> Refused:
    """The 422 of the two vendors; SeekrFlow's also echoes what it was given."""
    echo = ask.request.path.startswith("/v1/flow")
    detail: list[dict[str, Any]] = []
    for place, msg, kind in problems:
        entry: dict[str, Any] = {"loc": list(place), "msg": msg, "type": kind}
        if echo:
            entry["input"] = _at(ask.body, place[1:])
        detail.append(entry)
    return Refused(422, detail)


def missing(ask: Ask, *place: str | int) -> Refused:
    """The 422 for something that had to be there."""
    return invalid(ask, [(place, *_MISSING)])


def _at(value: Any, place: Place) -> Any:
    for step in place:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return value
    return value
