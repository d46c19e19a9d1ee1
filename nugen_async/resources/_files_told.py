"""What SeekrFlow says became of single files, in a line for people. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_NAMES = ("filename", "name", "file_id", "alignment_file_id")
_TEXTS = ("error_message", "suggested_fix")


def told(records: Iterable[Mapping[str, Any]]) -> str:
    """Each file that something is wrong with: what, and how to mend it; each said once."""
    said: dict[str, dict[str, None]] = {}
    for record in records:
        if record.get("deleted"):
            continue
        name = next(_texts(record, _NAMES), "a file")
        for text in _texts(record, _TEXTS):
            said.setdefault(name, {})[text] = None
    return "; ".join(f"{name}: {_sentence(*texts)}" for name, texts in said.items())


def rows(value: object) -> list[Mapping[str, Any]]:
    """The objects of a list inside an open object; none where it is no list."""
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []


def _texts(record: Mapping[str, Any], keys: tuple[str, ...]) -> Iterator[str]:
    for key in keys:
        value = record.get(key)
        if isinstance(value, str) and value.strip():
            yield value.strip()


def _sentence(first: str, *more: str) -> str:
    return f"{first} ({', '.join(more)})" if more else first
