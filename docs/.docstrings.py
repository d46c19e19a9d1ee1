"""How docstrings become pages: tables of fields for attrs classes, and links for names in backticks.

A Griffe extension, named in ``zensical.toml``.
"""

# ruff: noqa: INP001 # a file on its own, and hidden so that the site does not publish it

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import griffe

_NAME = re.compile(r"(?<![`\[\w])`([A-Za-z_][\w.]*)`(?![`\]\w])")
_DIRECTIVE = re.compile(r"^::: (\S+)", re.MULTILINE)
_LITERAL = re.compile(r"::$", re.MULTILINE)
_ATTRS = {"frozen", "define", "attrs.frozen", "attrs.define"}
# What the library, or its simulator, needs of itself is public to it and not to its users.
_FIELDS = {
    "lifecycle",
    "fleeting",
    "rows",
    "bare",
    "wrapped",
    "noun",
    "service",
    "record",
    "routes",
}
_FIELDS |= {"page_size", "by_status", "advice", "poller"}
_METHODS = {"succeeded_by", "bound_to", "seen_again", "inner", "refreshed", "waited", "changes"}
_METHODS |= {
    "explained",
    "blind",
    "ceiling",
    "watch",
    "instead",
    "bend",
    "deliver",
    "add",
    "number",
}
_METHODS |= {"new_id", "course", "at", "skill", "known_model", "check_documents", "new_task"}
_OF_BATCHES = ("nugen_async.batch", "nugen_async.launching")
_NOTHING = "\u00a0"


class Docstrings(griffe.Extension):
    """Works on the whole package, once it is loaded."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Rewrite what is written for a terminal into what is written for a page."""
        headings = _headings()
        things = _walk(pkg)
        own = {thing.path: _own(thing) for thing in things if isinstance(thing, griffe.Class)}
        for thing in things:
            if isinstance(thing, griffe.Class):
                _fields(thing, [own[base.path] for base in _unseen(thing, headings)])
            if thing.docstring is not None:
                thing.docstring.value = _linked(thing, headings)


def _walk(thing: griffe.Object) -> list[griffe.Object]:
    found = [thing]
    for member in thing.members.values():
        if not member.is_alias and isinstance(member, griffe.Object):
            found += _walk(member)
    return found


def _directives() -> list[str]:
    """The identifiers of all that the reference pages have a heading for."""
    pages = Path(__file__).parent.glob("reference/*.md")
    return [name for page in pages for name in _DIRECTIVE.findall(page.read_text("utf-8"))]


def _headings() -> dict[str, str]:
    """What the reference pages have a heading for: its short name, where it is unique, and its identifier."""
    told = _directives()
    counts = Counter(name.rpartition(".")[2] for name in told)
    return {short: name for name in told if counts[short := name.rpartition(".")[2]] == 1}


def _meant(thing: griffe.Object, headings: dict[str, str]) -> dict[str, str]:
    """*headings*, and of names that a batch has as well those of `nugen_async`, unless *thing* is there."""
    if thing.path.startswith(_OF_BATCHES):
        return headings
    return headings | {n.rpartition(".")[2]: n for n in _directives() if n.count(".") == 1}


def _linked(thing: griffe.Object, headings: dict[str, str]) -> str:
    headings = _meant(thing, headings)
    text = thing.docstring.value if thing.docstring is not None else ""

    def link(match: re.Match[str]) -> str:
        owner, _, method = match[1].partition(".")
        known = headings.get(owner)
        if known is None or owner in {thing.name, getattr(thing.parent, "name", "")}:
            return match[0]
        return f"[{match[0]}][{known}{'.' if method else ''}{method}]"

    return _LITERAL.sub(":", _NAME.sub(link, text))


def _own(made: griffe.Class) -> dict[str, str]:
    """The fields and properties of a class itself, each as a line for the table."""
    rows: dict[str, str] = {}
    for name, member in made.members.items():
        if not isinstance(member, griffe.Attribute) or name.startswith("_") or name in _FIELDS:
            continue
        told = member.docstring.value if member.docstring is not None else ""
        kind = member.annotation or made.name
        rows[name] = f"    {name} ({kind}): {' '.join(told.split()) or _NOTHING}"
    return rows


def _unseen(made: griffe.Class, headings: dict[str, str]) -> list[griffe.Class]:
    """The bases that no page shows: what they have is told with the class itself."""
    return [base for base in made.mro() if base.name not in headings]


def _fields(made: griffe.Class, inherited: list[dict[str, str]]) -> None:
    """Tell the fields and properties of an attrs class or an enum as a table, not by a heading each."""
    told = {name: row for rows in reversed((_own(made), *inherited)) for name, row in rows.items()}
    for name, member in list(made.members.items()):
        if name in (_METHODS if isinstance(member, griffe.Function) else _FIELDS):
            del made.members[name]
    enum = any(str(base).endswith("Enum") for base in made.bases)
    attrs = any(str(each.value).partition("(")[0] in _ATTRS for each in made.decorators)
    if not (attrs or enum):
        return
    for name, member in list(made.members.items()):
        if isinstance(member, griffe.Attribute) and not name.startswith("_"):
            del made.members[name]
    if told:
        said = made.docstring.value if made.docstring is not None else ""
        text = f"{said}\n\nAttributes:\n" + "\n".join(told.values())
        made.docstring = griffe.Docstring(text, parent=made)
