"""What comes from outside stays what it is: an id a segment, a text a text, a host the one that was meant."""

from __future__ import annotations

import ast
import os
import pickle
import re
import stat
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nugen_async
from nugen_async import APIStatusError, ConfigurationError, InvalidRequestError, Nugen, NugenError
from nugen_async._core.wire import segment
from nugen_async.cli.app import execute
from nugen_async.errors import (
    CreateOutcomeUnknownError,
    DecodeError,
    JobFailedError,
    JobParkedError,
    NotFoundError,
    Problem,
    UnprocessableEntityError,
    WaitTimeoutError,
    printable,
)
from nugen_async.journal import Journal, JournalError
from nugen_async.manifests import ManifestError, load_manifest

from ..chaos.server import FaultServer, healthy

IDS = [
    "../x?y",
    "%2e%2e",
    "..%2f..%2fadmin",
    "a/b",
    "a#b",
    "a b",
    "ü\U0001f600",
    "a\nb\r\nX-Evil: 1",
    "a\x00b",
]
IDS += [
    "*",
    "~",
    "a;b",
    "a\\b",
    "http://evil/",
    "//evil",
    "?",
    "{id}",
    "%",
    "%00",
    "\u202eabc",
    "{0.__class__}",
]
BASE = "/api/v3/alignment-project/"


@pytest.mark.parametrize("given_id", IDS)
async def test_an_id_arrives_as_one_encoded_segment(given_id: str) -> None:
    async with FaultServer(healthy, {"GET": {"id": "x"}}) as server:
        async with Nugen("k", base_url=server.url) as nugen:
            await nugen.alignments.get(given_id)
        (seen,) = server.log
    assert seen.target == BASE + segment(given_id)
    assert re.fullmatch(r"[A-Za-z0-9%._~-]+", seen.target.removeprefix(BASE))


@pytest.mark.parametrize("given_id", ["", " ", "\n", ".", "..", "\ud800"])
async def test_what_cannot_be_a_segment_is_refused(given_id: str) -> None:
    async with FaultServer(healthy) as server, Nugen("k", base_url=server.url) as nugen:
        with pytest.raises(InvalidRequestError):
            await nugen.alignments.get(given_id)
        assert server.log == []


@pytest.mark.parametrize("given_id", [None, True, 1.5, b"al-1", object(), ["al-1"]])
async def test_what_is_no_id_at_all_is_refused(given_id: Any) -> None:
    async with FaultServer(healthy) as server, Nugen("k", base_url=server.url) as nugen:
        with pytest.raises(InvalidRequestError, match="an id is a text, not"):
            await nugen.alignments.get(given_id)
        with pytest.raises(InvalidRequestError, match="an id is a text, not"):
            nugen.alignments.handle(given_id)
        assert server.log == []


async def test_a_number_is_an_id_as_the_first_uploads_answered() -> None:
    async with FaultServer(healthy, {"GET": {"id": "17"}}) as server:
        async with Nugen("k", base_url=server.url) as nugen:
            await nugen.alignments.get(cast("str", 17))
            assert nugen.documents.handle(cast("str", 17)).id == "17"
        (seen,) = server.log
    assert seen.target == f"{BASE}17"


@given(st.text(min_size=1))
def test_any_text_is_one_segment_or_refused(text: str) -> None:
    try:
        quoted = segment(text)
    except InvalidRequestError:
        return
    assert re.fullmatch(r"[A-Za-z0-9%._~-]+", quoted)
    assert quoted not in {".", ".."}


@pytest.mark.parametrize(
    "url",
    [
        "http://api.nugen.in",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "http://0.0.0.0",
        "http://[::2]:80",
        "http://localhost@evil.example",
        "http:///nohost",
        "ftp://127.0.0.1",
        "//127.0.0.1",
        "127.0.0.1:80",
        "",
        " ",
        "https://",
        "https://h/?a=b",
        "https://h/#f",
        "https://h/a\r\nX-Evil: 1",
        "https://h:99999",
    ],
)
def test_a_base_url_that_would_leak_or_make_no_sense_is_refused(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUGEN_BASE_URL", url or " ")
    with pytest.raises(ConfigurationError):
        Nugen("k", base_url=url)


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://127.0.0.1:1", ()),
        ("http://localhost", ()),
        ("http://[::1]:8000", ()),
        ("http://gateway.internal:8080/nugen", ("gateway.internal",)),
        ("HTTP://Gateway.Internal", ("gateway.internal",)),
        ("https://api.nugen.in/", ()),
    ],
)
def test_a_base_url_that_is_safe_or_allowed_by_name_is_taken(
    url: str, allowed: tuple[str, ...]
) -> None:
    assert url.rstrip("/") in repr(Nugen("k", base_url=url, allow_http=allowed))


async def test_the_path_of_a_base_url_is_encoded() -> None:
    async with FaultServer(healthy, {"GET": {"id": "x"}}) as server:
        async with Nugen("k", base_url=f"{server.url}/a b/ü/") as nugen:
            await nugen.alignments.get("x")
        assert server.log[0].target == f"/a%20b/%C3%BC{BASE}x"


NASTY = "\x1b[31mred\x1b[0m\x9b2J\x07\u202egnp.exe\r\x08\x7f\u2028\u200f"
HARMFUL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
)
ERRORS: list[NugenError] = [
    APIStatusError(
        method="GET", url=f"http://h/{NASTY}", status=400, detail=NASTY, request_id=NASTY
    ),
    NotFoundError(method="GET", url="http://h/", status=404, detail={"detail": NASTY}),
    NotFoundError(method="GET", url="http://h/", status=404, detail={NASTY: {NASTY: [NASTY]}}),
    UnprocessableEntityError(status=422, detail=(Problem((NASTY,), NASTY, NASTY),)),
    DecodeError(method="GET", url="u", problems=(NASTY,)),
    CreateOutcomeUnknownError(kind=NASTY, reason=NASTY, look_for=NASTY, candidates=(NASTY,)),
    JobFailedError(job_id=NASTY, status=NASTY, reason=NASTY),
    JobParkedError(job_id=NASTY, status=NASTY, hint=NASTY),
    WaitTimeoutError(job_id=NASTY, status=NASTY),
    InvalidRequestError(NASTY),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_server_text_in_an_error_cannot_drive_a_terminal(error: NugenError) -> None:
    assert not HARMFUL.search(str(error))
    assert not HARMFUL.search(repr(error))


@given(st.text())
def test_printable_is_printable_and_short(text: str) -> None:
    shown = printable(text, 100)
    assert not HARMFUL.search(shown)
    assert len(shown) <= 100


async def test_server_text_in_logs_and_explanations_cannot_drive_a_terminal(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(1)
    bad = {"id": NASTY, "status": NASTY, "name": NASTY, "error": NASTY}
    answers: dict[str, Any] = {"GET": bad, f"GET {BASE}status/{segment(NASTY)}": b"{"}
    async with (
        FaultServer(healthy, answers) as server,
        Nugen("k", base_url=server.url, max_retries=0) as nugen,
    ):
        for job_id in ("al-1", NASTY):
            with pytest.raises(NugenError) as caught:
                await nugen.alignments.handle(job_id).wait_until_ready(5)
            job: Any = await nugen.alignments.get("al-1")
            assert not HARMFUL.search(str(caught.value) + repr(caught.value.job) + repr(job))  # type: ignore[attr-defined] # a JobError
            assert not HARMFUL.search(job.explain())
            assert not HARMFUL.search(job.resume_token())
    assert caplog.records
    assert not any(HARMFUL.search(record.getMessage()) for record in caplog.records)


FIELDS = """
    name model_id base_model error benchmark_name filename uploader type deployment_status
    alignment_project endpoint creator reason message method
"""
ROW = dict.fromkeys(FIELDS.split(), NASTY)
SERVED: dict[str, Any] = {
    "GET /api/v3/models/base": {"models": [{**ROW, "id": NASTY, "parameters": NASTY}]},
    "GET /api/v3/models/aligned": {"models": [{**ROW, "id": NASTY, "status": NASTY}]},
    "GET /api/v3/documents": {"documents": [{**ROW, "id": NASTY, "categories": [NASTY]}]},
    "GET /api/v3/benchmark/list": {"benchmarks": [{**ROW, "id": NASTY, "status": NASTY}]},
    "GET /api/v3/benchmark/b/data": {
        **ROW,
        "id": "b",
        "questions": [{"question": NASTY, "answer": NASTY}],
    },
    "GET /api/v3/evaluations/e/results": {
        **ROW,
        "id": "e",
        "metrics": {NASTY: 1, "accuracy": NASTY},
    },
    "GET /api/v3/alignment-project": {**ROW, "id": "al", "status": "FAILED"},
    "POST /api/v3/inference/chat": {"choices": [{"message": {"content": NASTY}}], "model": NASTY},
    "POST /api/v3/models/deploy-model": {"id": NASTY, "status": NASTY},
}
COMMANDS = [
    ("models",),
    ("models", "--base"),
    ("documents",),
    ("benchmarks",),
    ("benchmarks", "show", "b"),
    ("results", "e"),
    ("status", "al"),
    ("watch", "al"),
    ("chat", "--model", "m", "hello"),
    ("deploy", "m"),
    ("status", f"evaluation/{NASTY}"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: "-".join(command)[:16])
async def test_no_command_lets_server_text_drive_a_terminal(
    command: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with FaultServer(healthy, SERVED) as server:
        monkeypatch.setenv("NUGEN_API_KEY", "k")
        monkeypatch.setenv("NUGEN_BASE_URL", server.url)
        for form in ((), ("--json",), ("--jsonl",), ("--debug",)):
            await execute((*command, *form))
    told = capsys.readouterr()
    assert "red" in told.out + told.err
    for line in (told.out + told.err).splitlines():
        assert not HARMFUL.search(line)


ATTACKS = [
    "- !!python/object/apply:os.system ['touch {trap}']",
    "- !!python/object/new:subprocess.Popen [['touch', '{trap}']]",
    "- name: !!python/name:os.system",
    "- !<tag:yaml.org,2002:python/module:os> ''",
    "a: &a [x, x]\nb: &b [*a, *a]\nworkflows: [*b, *b]",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_manifest_is_data_and_never_run(attack: str, tmp_path: Path) -> None:
    trap, path = tmp_path / "trap", tmp_path / "runs.yaml"
    path.write_text(attack.replace("{trap}", str(trap)))
    with pytest.raises(ManifestError):
        load_manifest(path)
    assert not trap.exists()


async def test_a_journal_that_holds_something_else_is_refused_and_not_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return open, (str(tmp_path / "trap"), "w")

    path = tmp_path / "runs.db"
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(JournalError):
        await Journal.open(path)
    assert not (tmp_path / "trap").exists()


RUNS = {"eval", "exec", "compile", "__import__"}
LOADS = {"pickle", "marshal", "shelve", "dill", "cloudpickle"}


def test_no_module_reads_data_in_a_form_that_can_run() -> None:
    found = set()
    for path in Path(nugen_async.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Import(names=names) if LOADS & {each.name.split(".")[0] for each in names}:
                    found.add((path.name, "import"))
                case ast.ImportFrom(module=str(module)) if module.split(".")[0] in LOADS:
                    found.add((path.name, "import"))
                case ast.Call(func=ast.Name(id=name)) if name in RUNS:
                    found.add((path.name, name))
                case ast.Attribute(
                    attr="load" | "load_all" | "unsafe_load", value=ast.Name("yaml")
                ):
                    found.add((path.name, "yaml"))
                case ast.keyword(arg="shell"):
                    found.add((path.name, "shell"))
    assert found == {("ordinary.py", "exec"), ("ordinary.py", "compile")}, (
        "made of field names only"
    )


def test_hosts_are_allowed_by_the_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUGEN_ALLOW_HTTP", "other, gateway.internal")
    assert "gateway" in repr(Nugen("k", base_url="http://gateway.internal"))
    with pytest.raises(ConfigurationError):
        Nugen("k", base_url="http://gateway.internal.evil.example")


async def test_a_journal_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    journal = await Journal.open(path)
    try:
        modes = {
            name: stat.S_IMODE(os.stat(tmp_path / name).st_mode)  # noqa: PTH116 # a tmpfs
            for name in os.listdir(tmp_path)  # noqa: PTH208 # as above
        }
    finally:
        await journal.aclose()
    assert modes
    assert set(modes.values()) == {0o600}
