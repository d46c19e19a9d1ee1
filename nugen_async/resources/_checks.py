"""What can be known to be wrong before anything is sent."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import InvalidRequestError


def text(name: str, value: object) -> str:
    """*value*, which must be text that is not blank."""
    if not isinstance(value, str):
        raise InvalidRequestError(f"{name} must be text, not {type(value).__name__}")
    if not value.strip():
        raise InvalidRequestError(f"{name} must not be empty")
    return value


def optional_text(name: str, value: object) -> str | None:
    """*value*, which must be None or text that is not blank."""
    return None if value is None else text(name, value)


def maybe_text(name: str, value: object) -> str | None:
    """*value*, which must be None or text; a blank one empties the field."""
    if not isinstance(value, str | None):
        raise InvalidRequestError(f"{name} must be text, not {type(value).__name__}")
    return value


def texts(name: str, values: object, *, at_least: int = 1) -> list[str]:
    """*values* as a list of texts that are not blank; one text alone is a mistake, not a list."""
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise InvalidRequestError(f"{name} must be a list of texts, not {type(values).__name__}")
    found = [text(f"{name}[{index}]", value) for index, value in enumerate(values)]
    if len(found) < at_least:
        raise InvalidRequestError(f"{name} must hold at least {at_least}")
    return found


def whole(name: str, value: object, *, at_least: int = 1, at_most: int | None = None) -> int | None:
    """*value*, which must be None or a whole number within the limits."""
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidRequestError(f"{name} must be a whole number, not {type(value).__name__}")
    if value < at_least or (at_most is not None and value > at_most):
        upper = "" if at_most is None else f" and at most {at_most}"
        raise InvalidRequestError(f"{name} must be at least {at_least}{upper}, not {value}")
    return value


def number(name: str, value: object, low: float, high: float) -> float | None:
    """*value*, which must be None or a number from *low* to *high*."""
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise InvalidRequestError(f"{name} must be a number, not {type(value).__name__}")
    if math.isnan(value) or not low <= value <= high:
        raise InvalidRequestError(f"{name} must be from {low:g} to {high:g}, not {value}")
    return value


def choice(name: str, value: str, allowed: Sequence[str]) -> str:
    """*value*, which must be one of *allowed*."""
    if value not in allowed:
        raise InvalidRequestError(f"{name} must be one of {', '.join(allowed)}, not {value!r}")
    return value


def merged(fields: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """*fields* with the *extra* ones of the caller, which may not replace them."""
    if taken := [name for name in extra if fields.get(name) is not None]:
        raise InvalidRequestError(f"{', '.join(taken)} given twice")
    return {**fields, **extra}
