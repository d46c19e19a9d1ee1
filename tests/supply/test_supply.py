"""What is published, and what comes along with it: decided by values, checked on what is installed."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tomllib
from email.message import Message
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest

from . import archives, audit, licences

ROOT = Path(__file__).parents[2]


def told(**fields: str | list[str]) -> Any:
    message = Message()
    for name, values in fields.items():
        for value in [values] if isinstance(values, str) else values:
            message[name.replace("_", "-")] = value
    return message


@pytest.mark.parametrize(
    ("metadata", "named", "allowed"),
    [
        (told(License_Expression="MIT"), ("MIT",), True),
        (told(License_Expression="MPL-2.0 AND (Apache-2.0 OR MIT)"), ("MPL-2.0",), True),
        (told(License_Expression="MIT OR GPL-3.0-only"), ("MIT", "GPL-3.0-only"), False),
        (told(License_Expression="MIT", License="GPL"), ("MIT",), True),
        (told(Classifier=["License :: OSI Approved :: BSD License"]), ("BSD",), True),
        (
            told(Classifier=["Topic :: Games", "License :: OSI Approved :: MIT License"]),
            ("MIT",),
            True,
        ),
        (told(License="Apache License 2.0"), ("Apache-2.0",), True),
        (told(License="The MIT License (MIT)\n\nCopyright (c) GPL"), ("MIT",), True),
        (told(License="BSD 3-Clause"), ("BSD-3-Clause",), True),
        (told(License="GNU GPL v3"), ("GNU GPL v3",), False),
        (told(License_Expression="LGPL-3.0-only"), ("LGPL-3.0-only",), False),
        (told(License="MITIGATED"), ("MITIGATED",), False),
        (told(), (), False),
    ],
)
def test_licences_are_read_from_metadata_and_held_against_the_list(
    metadata: Any, named: tuple[str, ...], allowed: bool
) -> None:
    found = licences.licences_of(metadata)
    assert found[: len(named)] == named
    assert licences.Dependency("x", found, "the core").allowed is allowed


def test_the_lgpl_is_for_one_family_of_packages() -> None:
    assert licences.Dependency("psycopg", ("LGPL-3.0-only",), "`procrastinate`").allowed
    assert not licences.Dependency("psycopg", ("GPL-3.0-only",), "`procrastinate`").allowed


def test_all_that_comes_along_is_found_with_who_wants_it() -> None:
    installed = {
        "nugen-async": told(
            Requires_Dist=[
                "Core_Thing>=1",
                "rich>=13; extra == 'cli'",
                "pg[fast] ; extra == 'fast'",
            ]
        ),
        "core-thing": told(Requires_Dist=["deep (>2)", "not-here; sys_platform == 'win32'"]),
        "deep": told(Requires_Dist=["core.thing"]),
        "rich": told(Requires_Dist=["deep", "unasked; extra == 'docs'"]),
        "unasked": told(),
        "pg": told(Requires_Dist=["pg-fast; extra == 'fast'", "rich"]),
        "pg-fast": told(),
    }

    def find(name: str) -> Any:
        if name not in installed:
            raise PackageNotFoundError(name)
        return installed[name]

    found = {each.name: each.wanted_by for each in licences.dependencies(find)}
    core = {"core-thing": "the core", "deep": "the core"}
    assert found == core | {"rich": "`cli`, `fast`", "pg": "`fast`", "pg-fast": "`fast`"}


def test_all_that_is_installed_here_is_allowed_and_on_the_page() -> None:
    page = licences.PAGE.read_text(encoding="utf-8")
    assert [each for each in licences.dependencies() if not each.allowed] == []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    lines = [*project["dependencies"], *(each for name in licences.EXTRAS for each in extras[name])]
    names = {licences.canonical(line.split(">")[0].split("[")[0]) for line in lines}
    assert sorted(name for name in names if f"\n| {name} |" not in page) == []


FLAW = {"id": "PYSEC-1", "fix_versions": ["2"]}


@pytest.mark.parametrize(
    ("rows", "code", "first"),
    [
        (None, 0, "NOT AUDITED: the service"),
        ([], 0, "NOT AUDITED: the service"),
        (
            [
                {"name": "a", "skip_reason": "?"},
                {"name": "nugen-async", "version": "0", "vulns": []},
            ],
            0,
            "NOT",
        ),
        ([{"name": "a", "version": "1", "vulns": []}], 0, "1 packages audited"),
        (
            [{"name": "a", "version": "1", "vulns": [FLAW]}],
            1,
            "VULNERABLE: a 1: PYSEC-1, fixed in 2",
        ),
        (
            [{"name": "a", "version": "1", "vulns": []}, {"name": "b", "skip_reason": "?"}],
            0,
            "NOT AUDITED: b",
        ),
    ],
)
def test_what_was_not_audited_is_told(rows: Any, code: int, first: str) -> None:
    status, lines = audit.verdict(None if rows is None else {"dependencies": rows})
    assert (status, lines[0].startswith(first)) == (code, True)


def test_what_strays_into_an_archive_is_seen() -> None:
    good = {"nugen_async/__init__.py": 1, "nugen_async/_core/api.py": 1, "nugen_async/py.typed": 0}
    about = {"PKG-INFO": 1, "pyproject.toml": 1, "tests/web/test_sse.py": 1, "docs/style.css": 1}
    info = {f"nugen_async-0.1.0.dist-info/{name}": 1 for name in ("METADATA", "licenses/LICENSE")}
    sdist, wheel = good | about, good | info
    assert archives.complaints(sdist, wheel, set(good)) == []
    for name in (
        "nugen_async/.env",
        "tests/runs.db",
        "nugen_async/x.pyc",
        "site/a.html",
        "notes.txt",
    ):
        assert len(archives.complaints(sdist | {name: 1}, wheel, set(good))) == 1 + name.startswith(
            "nug"
        )
    assert len(archives.complaints(sdist, wheel | {"tests/__init__.py": 1}, set(good))) == 1
    assert len(archives.complaints(sdist, good | info, {*good, "nugen_async/new.py"})) == 1
    assert len(archives.complaints(sdist, wheel | {"nugen_async/old.py": 1}, set(good))) == 1
    assert len(archives.complaints(sdist | {"docs/big.png": 2**21}, wheel, set(good))) == 1


@pytest.mark.looptime(False)
def test_the_sdist_and_the_wheel_made_of_it_hold_what_they_should(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="THE ARCHIVES ARE NOT TESTED: pip install hatchling")
    sdist = built("sdist", ROOT, tmp_path / "dist")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    wheel = built("wheel", tmp_path / sdist.name.removesuffix(".tar.gz"), tmp_path / "dist")
    inside = archives.in_sdist(sdist), archives.in_wheel(wheel)
    assert archives.complaints(*inside, archives.source(ROOT)) == []


def built(kind: str, root: Path, into: Path) -> Path:
    code = f"import hatchling.build, sys; print(hatchling.build.build_{kind}(sys.argv[1]))"
    command = [sys.executable, "-c", code, str(into)]
    ran = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    return into / ran.stdout.split()[-1]
