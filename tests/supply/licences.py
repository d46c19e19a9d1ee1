"""Whose code comes along when this package is installed, and by which licence.

``python -m tests.supply.licences`` checks what is installed beside the interpreter against the list below,
and with ``--write`` writes the page of the documentation. Licences are read from the packages' own metadata.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

from attrs import frozen

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "licences.md"
PACKAGE = "nugen-async"
EXTRAS = ("cli", "fast", "yaml", "otel", "procrastinate", "examples")
"""What users install; the extras for developers bring nothing to them."""

ALLOWED = frozenset(
    {"0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "MPL-2.0"}
    | {"PSF-2.0", "Public Domain", "TCL", "Unlicense"}
)
ALLOWED_FOR: Mapping[str, frozenset[str]] = {
    name: frozenset({"LGPL-3.0-only"}) for name in ("psycopg", "psycopg-binary", "psycopg-pool")
}
"""Used as it is published, as a library, by who asks for the extra `procrastinate`."""

_SPELLINGS = (
    (r"MIT\b|The MIT License", "MIT"),
    (r"Apache", "Apache-2.0"),
    (r"Mozilla Public License 2|MPL-?2", "MPL-2.0"),
    (r"(The )?3-Clause BSD|BSD[- ]3", "BSD-3-Clause"),
    (r"BSD[- ]2", "BSD-2-Clause"),
    (r"BSD", "BSD"),
    (r"Python Software Foundation|PSF", "PSF-2.0"),
    (r"ISC", "ISC"),
    (r"(The )?Unlicense", "Unlicense"),
    (r"Public Domain", "Public Domain"),
)
_OPERATORS = frozenset({"AND", "OR"})
_NEEDED = re.compile(r"([A-Za-z0-9._-]+)\s*(?:\[([^\]]*)\])?")
_FOR_EXTRA = re.compile(r"extra\s*==\s*[\"']([^\"']+)[\"']")

Metadata = Callable[[str], Any]
"""Finds the metadata of an installed package; `PackageNotFoundError` where there is none."""


@frozen
class Dependency:
    """One package that comes along."""

    name: str
    licences: tuple[str, ...]
    wanted_by: str
    """"the core", or the extras that bring it."""

    @property
    def allowed(self) -> bool:
        """Whether every licence that is named is on the list: also where there is a choice."""
        welcome = ALLOWED | ALLOWED_FOR.get(self.name, frozenset())
        return bool(self.licences) and welcome.issuperset(self.licences)


def licences_of(told: Any) -> tuple[str, ...]:
    """The licences that a package's metadata names, by their SPDX identifiers where they have one."""
    if expression := told.get("License-Expression"):
        words = re.findall(r"[A-Za-z0-9.+-]+", expression)
        return tuple(dict.fromkeys(word for word in words if word not in _OPERATORS))
    marks = [mark for mark in told.get_all("Classifier") or () if mark.startswith("License ::")]
    named = [mark.rpartition(" :: ")[2] for mark in marks] or [told.get("License") or ""]
    return tuple(dict.fromkeys(_spdx(name) for name in named if name.strip()))


def _spdx(name: str) -> str:
    first = name.strip().splitlines()[0]
    return next((spdx for form, spdx in _SPELLINGS if re.match(form, first, re.IGNORECASE)), first)


def canonical(name: str) -> str:
    """The name as indexes write it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def needs(told: Any, extras: Iterable[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The packages that one with *extras* requires, each with the extras it is wanted with."""
    for line in told.get_all("Requires-Dist") or ():
        requirement, _, marker = line.partition(";")
        wanted = _FOR_EXTRA.findall(marker)
        if wanted and not set(wanted) & set(extras):
            continue
        match = _NEEDED.match(requirement)
        assert match is not None, line
        yield (
            canonical(match[1]),
            tuple(each.strip() for each in (match[2] or "").split(",") if each),
        )


def closure(name: str, extras: tuple[str, ...], find: Metadata = metadata) -> dict[str, Any]:
    """The metadata of all that *name* brings along; what a marker left out is not installed, nor here."""
    found: dict[str, Any] = {}
    seen: set[tuple[str, tuple[str, ...]]] = set()
    left = [(name, extras)]
    while left:
        each = left.pop()
        if each in seen:
            continue
        seen.add(each)
        try:
            told = find(each[0])
        except PackageNotFoundError:
            continue
        found[each[0]] = told
        left += needs(told, each[1])
    del found[name]
    return found


def dependencies(find: Metadata = metadata) -> list[Dependency]:
    """All that comes along with the core and with each extra."""
    core = closure(PACKAGE, (), find)
    wanted: dict[str, list[str]] = {name: [] for name in core}
    told = dict(core)
    for extra in EXTRAS:
        more = closure(PACKAGE, (extra,), find)
        told |= more
        for name in more.keys() - core.keys():
            wanted.setdefault(name, []).append(f"`{extra}`")
    return [
        Dependency(name, licences_of(told[name]), ", ".join(by) or "the core")
        for name, by in sorted(wanted.items())
    ]


def page(found: Iterable[Dependency]) -> str:
    """The page of the documentation."""
    rows = "\n".join(
        f"| {each.name} | {', '.join(each.licences)} | {each.wanted_by} |" for each in found
    )
    return f"""# Dependencies and licences

The package itself is under the Apache License 2.0. These come along when it is installed on Linux, with the
licences that their own metadata names. `.ci/run` fails when one is not on the list of those allowed, which
`tests/supply/licences.py` holds; this page is written by `python -m tests.supply.licences --write`.

| package | licence | wanted by |
| --- | --- | --- |
{rows}

The LGPL of psycopg concerns who changes psycopg itself; it comes only with the extra `procrastinate`.
"""


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def main(arguments: list[str]) -> int:
    found = dependencies()
    refused = [each for each in found if not each.allowed]
    for each in refused:
        named = ", ".join(each.licences) or "none named"
        say(f"LICENCE NOT ALLOWED: {each.name} ({each.wanted_by}): {named}")
    if "--write" in arguments:
        PAGE.write_text(page(found), encoding="utf-8")
    say(f"{len(found)} dependencies, {len(refused)} of them under a licence that is not allowed")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
