"""The rows of a list, read one at a time from its text. Pure.

In one piece, a list of 10,000 rows takes four times the room of its text (with orjson fifteen times), and to
read it holds the loop for 40 ms.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from attrs import define, field

from ..errors import DecodeError
from .codec import FAST, loads, retold, rows_of
from .wire import Json

_BOM = b"\xef\xbb\xbf"
_SHORT = 1024 * 1024
"""Bytes that orjson reads in a few milliseconds, five times as fast as row by row."""
_CUT = 64 * 1024
"""Characters read before the text is cut behind them; at least a quarter of it, so that a long one is copied
three times and no more."""


@define
class Rows:
    """The rows of the list *body*, to be iterated over once.

    A `DecodeError` comes at the place where the text turns out to be no list of rows; the rows before it
    have been given out by then.
    """

    _body: bytes
    _record: type[Any]
    total: int | None = field(default=None, init=False)
    """How many there are in all, if the list says so; known at the end."""
    _text: str = field(default="", init=False)
    """What is left to read, from `_at` on."""
    _at: int = field(default=0, init=False)

    def __iter__(self) -> Iterator[tuple[Json, bytes]]:
        """Each row, and its text."""
        try:
            if FAST and len(self._body) <= _SHORT:
                yield from self._whole(loads(self._body))
                return
            self._text = self._body.removeprefix(_BOM).decode()
            self._body = b""  # not kept beside its text
            match self._next():
                case "[":
                    yield from self._array()
                case "{":
                    yield from self._object()
                case _:
                    yield from self._whole(loads(self._text.encode()))
                    return
            if more := self._next():
                raise self._wrong(f"{more} follows the end")
        except RecursionError:
            raise DecodeError(problems=("$: nested too deeply",)) from None
        except ValueError as error:
            raise DecodeError(problems=(f"$: not JSON: {error}",)) from None

    def _object(self) -> Iterator[tuple[Json, bytes]]:
        """An object that holds the rows."""
        keys: tuple[str, ...] = getattr(self._record, "rows", ())
        others: dict[str, Json] = {}
        found = False
        for _ in self._items("}"):
            key = self._value()
            if not isinstance(key, str) or self._next() != ":":
                raise self._wrong("no key")
            self._at += 1
            if key in keys and not found and self._next() == "[":
                found = True
                yield from self._array()
            else:
                others[key] = self._value()
        if found:
            self._count(others)
        else:
            yield from self._whole(others)

    def _array(self) -> Iterator[tuple[Json, bytes]]:
        """The items of an array."""
        for _ in self._items("]"):
            if self._at > max(_CUT, len(self._text) // 4):
                self._text, self._at = self._text[self._at :], 0
            start = self._at
            row = self._value()
            told = self._text[start : self._at]
            if "\\u" in told:
                json.dumps(row, ensure_ascii=False).encode()  # a lone surrogate is no text
            yield row, told.encode()

    def _whole(self, payload: Json) -> Iterator[tuple[Json, bytes]]:
        """Rows that were read in one piece."""
        self._count(payload)
        for row in rows_of(payload, self._record):
            yield row, _text(row)

    def _count(self, around: Json) -> None:
        total = around.get("total") if isinstance(around, dict) else None
        self.total = total if isinstance(total, int) else None

    def _items(self, end: str) -> Iterator[None]:
        """Stand before each item in turn, and behind the bracket *end* after the last one."""
        self._at += 1
        mark = "," if self._next() != end else end
        while mark != end:
            yield
            mark = self._next()
            if mark not in {",", end}:
                raise self._wrong(f"neither , nor {end}")
            self._at += mark == ","
        self._at += 1

    def _next(self) -> str:
        """The next character that is no blank; empty at the end."""
        found = _blanks(self._text, self._at)
        if found is not None:
            self._at = found.end()
        return self._text[self._at : self._at + 1]

    def _value(self) -> Any:
        self._next()
        try:
            value, self._at = _scan(self._text, self._at)
        except StopIteration:
            raise self._wrong("no value") from None
        return value

    def _wrong(self, what: str) -> ValueError:
        return ValueError(f"{what}, {len(self._text) - self._at} characters before the end")


def _text(row: Json) -> bytes:
    try:
        return retold(row)
    except (TypeError, ValueError, RecursionError):  # nested more deeply than orjson writes
        return json.dumps(row).encode()


def _no_constant(name: str) -> Json:
    raise ValueError(f"{name} is not a JSON value")


_scan = json.JSONDecoder(parse_constant=_no_constant).scan_once  # type: ignore[attr-defined] # the typeshed lacks it
_blanks = re.compile(r"[ \t\n\r]+").match
