"""What the codec forgives in one value, and how it says so. Pure.

Each reader takes a `Seen` value and returns what the record declares, or raises `Impossible`.
Whatever it had to forgive on the way becomes one sentence in the record's `notes`.
"""

from __future__ import annotations

import re
from datetime import UTC as UTC  # noqa: PLC0414 # the others read times with it too
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NewType

from attrs import define, field

from .wire import Json

NO_ZONE: Final = "no time zone, taken as UTC"
LARGEST: Final = 1.7976931348623157e308
"""The largest finite float: comparisons with it refuse NaN and the infinities."""

_LONGEST_SHOWN = 40
_MOST_REASONS = 20
_NUMBER = re.compile(r"[+-]?(\d{1,300}(\.\d{0,300})?|\.\d{1,300})([eE][+-]?\d{1,3})?", re.ASCII)
_NOTHING = frozenset({"", "none", "null", "nan", "undefined"})
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_LAST_SECOND = 253_402_300_800
"""Unix time of the year 10000: `datetime` ends before it."""

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_GAP = re.compile(r"[\s\-.]+")


ErrorText = NewType("ErrorText", str)
"""Why something failed: text, or the text inside whatever object or list the server put it in."""

_ERROR_KEYS = ("message", "error", "detail", "msg", "reason", "stage")


class Impossible(Exception):  # noqa: N818 # never leaves the codec: a DecodeError or a note comes out
    """The value cannot be what the record declares; one sentence a problem, each with its path."""

    def __init__(self, *problems: str) -> None:
        super().__init__(*problems)
        self.problems = problems


@define
class Seen:
    """One value on its way in: where it stands in the payload, and what was forgiven so far."""

    value: Json
    path: str = "$"
    notes: list[str] = field(factory=list[str])
    about: str = ""
    """The id that the value is known to be about, if it does not say so."""

    def at(self, step: str | int, value: Json) -> Seen:
        """The same reading, one step further in."""
        place = f"{self.path}[{step}]" if isinstance(step, int) else f"{self.path}.{step}"
        return Seen(value, place, self.notes)

    def note(self, sentence: str) -> None:
        """Tell that something was forgiven here."""
        self.notes.append(f"{self.path}: {sentence}")

    def wrong(self, expected: str) -> Impossible:
        """The complaint that the value is not what was *expected*."""
        return Impossible(f"{self.path}: expected {expected}, got {shown(self.value)}")


def shown(value: Json) -> str:
    """*value* in a few words, safe for any size and depth."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str():
            short = value if len(value) <= _LONGEST_SHOWN else value[:_LONGEST_SHOWN] + "\u2026"
            return f"text {ascii(short) if not short.isprintable() else repr(short)}"
        case int():
            return f"number {value}" if value.bit_length() <= 128 else "a huge number"  # noqa: PLR2004
        case float():
            return f"number {value}"
        case list():
            return f"a list of {len(value)}"
        case dict():
            return f"an object of {len(value)}"
        case _:
            return type(value).__name__


@lru_cache(maxsize=4096)
def snake(key: str) -> str:
    """*key* in lower snake case: ``baseModelId``, ``BASE_MODEL_ID``, ``base-model-id`` are one."""
    return _GAP.sub("_", _HUMP.sub("_", key)).lower()


def scalar(seen: Seen) -> Json:
    """The one value of a list, where a scalar is declared; every other value as it is."""
    value = seen.value
    if not isinstance(value, list):
        return value
    while isinstance(value, list):
        if not value:
            raise seen.wrong("a value")
        if len(value) > 1:
            seen.note(f"a list of {len(value)} where one value is declared, the first one taken")
        value = value[0]
    if not any(note.startswith(f"{seen.path}: a list") for note in seen.notes):
        seen.note("a list of one where a value is declared")
    return value


def text(seen: Seen, _: Any = None) -> str:
    """Text; a number becomes its digits, so that integer ids are ids."""
    match value := scalar(seen):
        case str():
            return value
        case bool():
            seen.note("a boolean taken as text")
            return str(value).lower()
        case int() | float() if -LARGEST <= value <= LARGEST:
            seen.note("a number taken as text")
            return _digits(seen, int(value) if value == int(value) else value)
        case _:
            raise seen.wrong("text")


def _digits(seen: Seen, value: float) -> str:
    try:
        return str(value)
    except ValueError:  # more digits than Python prints
        raise seen.wrong("text") from None


def number(seen: Seen, _: Any = None) -> float:
    """A finite number; text that is one is taken, and noted."""
    value = scalar(seen)
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        seen.note("a number sent as text")
        value = float(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            if -LARGEST <= (value := float(value)) <= LARGEST:
                return value
        except OverflowError:
            pass
    raise seen.wrong("a number")


def whole(seen: Seen, _: Any = None) -> int:
    """A whole number."""
    value = scalar(seen)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and (digits := value.strip()).removeprefix("-").isdecimal():
        seen.note("a number sent as text")
        try:
            return int(digits)
        except ValueError:  # more digits than Python reads
            raise seen.wrong("a whole number") from None
    approximate = number(seen)
    if not approximate.is_integer():
        raise seen.wrong("a whole number")
    if isinstance(value, float):
        seen.note("a fraction taken as a whole number")
    return int(approximate)


def truth(seen: Seen, _: Any = None) -> bool:
    """A boolean; its common spellings as text or number are taken, and noted."""
    value = scalar(seen)
    if isinstance(value, bool):
        return value
    if isinstance(value, str | int) and (known := _spelled(value)) is not None:
        seen.note("a boolean sent as something else")
        return known
    raise seen.wrong("true or false")


def _spelled(value: str | int) -> bool | None:
    if isinstance(value, int):
        return {0: False, 1: True}.get(value)
    return _TRUTH.get(value.strip().lower())


def moment(seen: Seen, _: Any = None) -> datetime:
    """An aware UTC time, from each form that the API has been seen to use."""
    value = scalar(seen)
    read = timestamp(value)
    if read is None:
        raise seen.wrong("a time")
    if isinstance(value, str) and not _zoned(value):
        seen.note(NO_ZONE)
    return read


def timestamp(value: Json) -> datetime | None:
    """*value* as an aware UTC time; None where it is not one.

    ISO 8601 with or without a zone (no zone means UTC: inferred), a blank in place of the ``T``,
    Unix seconds as a number or as text. Numbers outside the years 1970 to 9999 are not times.
    """
    try:
        match value:
            case str():
                if _NUMBER.fullmatch(bare := value.strip()) and not _compact(bare):
                    return timestamp(float(bare))
                return aware(datetime.fromisoformat(bare))
            case bool():
                return None
            case int() | float() if 0 <= value < _LAST_SECOND:
                return datetime.fromtimestamp(value, UTC)
            case _:
                return None
    except (ValueError, OverflowError, OSError):
        return None


def aware(read: datetime) -> datetime:
    """*read* in UTC, which a time without a zone is taken to be."""
    if read.tzinfo is UTC:
        return read
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


def _compact(digits: str) -> bool:
    """``20240115`` is a date, not the Unix time of a day in 1970."""
    return len(digits) == 8 and digits.isdecimal() and digits[:2] in {"19", "20"}  # noqa: PLR2004


def _zoned(value: str) -> bool:
    try:
        return datetime.fromisoformat(value.strip()).tzinfo is not None
    except ValueError:
        return True  # Unix time has no zone to miss


def reason(seen: Seen, _: Any = None) -> ErrorText:
    """Why something failed, out of text, an object with a message, or a list of either."""
    found: list[str] = []
    left = [seen.value]
    while left and len(found) < _MOST_REASONS:
        match left.pop(0):
            case str() as said if said.strip():
                found.append(said)
            case list() as several:
                left[:0] = several[:_MOST_REASONS]
            case dict() as told:
                inner = [told[key] for key in _ERROR_KEYS if told.get(key)]
                left[:0] = inner[:1]
                if not inner:
                    found.append(f"({shown(told)})")
    if not found:
        raise seen.wrong("an error text")
    if not isinstance(seen.value, str):
        seen.note(f"{shown(seen.value)} taken as an error text")
    return ErrorText("; ".join(found))


def error_text(told: Json) -> str:
    """As `reason`, without notes; empty where nothing is told."""
    try:
        return reason(Seen(told)) if told else ""
    except Impossible:
        return ""


def mapping(seen: Seen, _: Any = None) -> dict[str, Any]:
    """An open object, kept as it is."""
    value = scalar(seen)
    if isinstance(value, dict):
        return value
    raise seen.wrong("an object")


def anything(seen: Seen, _: Any = None) -> Json:
    """Whatever it is."""
    return seen.value


def means_nothing(value: Json) -> bool:
    """Whether *value* is a spelling of "not known", such as the text ``None``."""
    return value is None or (isinstance(value, str) and value.strip().lower() in _NOTHING)
