"""Errors end in one sentence with what to do, and in the exit code that the help lists."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from nugen_async import SeekrFlow, errors
from nugen_async.batch import BatchStoppedError, WorkflowFailedError
from nugen_async.cli.exits import Exit, advice_for, exit_for, overall, sentence_of
from nugen_async.journal import JournalLockedError
from nugen_async.manifests import ManifestError, Mistake
from nugen_async.simulator import Drop, Fault, Garble, Simulator, Status, World

from .conftest import Run

ALIGN = ("align", "--name", "n", "--base-model", "llama-v3p1-8b-instruct", "--document-id", "d")


def lost(**facts: Any) -> errors.NugenError:
    return errors.CreateOutcomeUnknownError(kind="alignment", **facts)


CODES = [
    (errors.JobFailedError(job_id="a"), Exit.FAILED),
    (errors.JobCancelledError(job_id="a"), Exit.FAILED),
    (errors.JobParkedError(job_id="a"), Exit.PARKED),
    (errors.WaitTimeoutError(job_id="a"), Exit.TIMED_OUT),
    (errors.JobStalledError(job_id="a"), Exit.TIMED_OUT),
    (errors.JobUnreachableError(job_id="a"), Exit.SERVICE),
    (errors.JobUnreachableError(last=errors.NotFoundError(status=404)), Exit.NOT_FOUND),
    (lost(), Exit.UNKNOWN),
    (errors.ConfigurationError("base_url is not a URL"), Exit.USAGE),
    (errors.InvalidRequestError("there is no file"), Exit.USAGE),
    (errors.ClientClosedError("closed"), Exit.SERVICE),
    (errors.BadRequestError(status=400), Exit.USAGE),
    (errors.AuthenticationError(status=401), Exit.DENIED),
    (errors.PaymentRequiredError(status=402), Exit.DENIED),
    (errors.PermissionDeniedError(status=403), Exit.DENIED),
    (errors.NotFoundError(status=404), Exit.NOT_FOUND),
    (errors.ConflictError(status=409), Exit.USAGE),
    (errors.PayloadTooLargeError(status=413), Exit.USAGE),
    (errors.APIStatusError(status=418), Exit.SERVICE),
    (errors.UnprocessableEntityError(status=422), Exit.USAGE),
    (errors.RateLimitError(status=429), Exit.SERVICE),
    (errors.ServerError(status=500), Exit.SERVICE),
    (errors.APIConnectionError(reason="refused"), Exit.SERVICE),
    (errors.APITimeoutError(), Exit.SERVICE),
    (errors.DecodeError(problems=("$.id: missing",)), Exit.SERVICE),
]


@pytest.mark.parametrize(("error", "code"), CODES, ids=lambda value: type(value).__name__)
def test_each_error_has_its_exit_code(error: errors.NugenError, code: Exit) -> None:
    assert exit_for(error) is code
    told = sentence_of(error)
    assert "\n" not in told
    assert told.endswith((".", "!", "?"))


def test_every_error_class_is_in_the_table() -> None:
    kinds = {getattr(errors, name) for name in errors.__all__}
    leaves = {k for k in kinds if isinstance(k, type) and issubclass(k, errors.NugenError)}
    bases = {errors.NugenError, errors.APIError, errors.JobError, errors.ClientStateError}
    assert leaves - bases == {type(error) for error, _ in CODES}


def test_batches_and_manifests_have_theirs() -> None:
    stopped = BatchStoppedError(policy="fail_fast", ready=1, failed=1, left=0)
    failed = WorkflowFailedError(key="k", stage="alignment", kind="JobFailedError", reason="502")
    assert [exit_for(error) for error in (stopped, failed)] == [Exit.FAILED, Exit.FAILED]
    assert exit_for(JournalLockedError(path="runs.db", reason="owned")) is Exit.USAGE
    mistakes = tuple(Mistake(line=n, field="name", message="required") for n in (1, 2))
    wrong = ManifestError(path="runs.csv", mistakes=mistakes)
    assert exit_for(wrong) is Exit.USAGE
    assert len(sentence_of(wrong).splitlines()) == 3


def test_several_ends_make_one_exit_code() -> None:
    assert overall([]) is Exit.OK
    assert overall([Exit.OK, Exit.TIMED_OUT, Exit.TIMED_OUT]) is Exit.TIMED_OUT
    assert overall([Exit.PARKED, Exit.NOT_FOUND]) is Exit.FAILED


def test_what_the_server_says_cannot_steer_the_terminal() -> None:
    error = errors.BadRequestError(status=400, detail="\x1b[2Jno\u202e\x07 \n\x9b31m")
    told = sentence_of(error)
    assert told.isprintable()
    assert "no" in told
    assert advice_for(error) == ""


def test_a_name_keeps_its_small_letters() -> None:
    told = {
        "notes.pdf is of a type that the API refuses": "notes.pdf is of",
        "base_url must begin with https://": "base_url must",
        "there is no file": "There is no file.",
    }
    for text, begins in told.items():
        assert sentence_of(errors.InvalidRequestError(text)).startswith(begins)


async def test_a_file_that_is_not_there_is_named_as_it_was_given(run: Run) -> None:
    ran = await run("report", "runs")
    assert (ran.code, ran.err) == (2, "Error: 'runs': No such file or directory.\n")


@pytest.mark.parametrize(
    "arguments", [("batch", "export", "--debug"), ("--debug", "batch", "status")]
)
async def test_every_command_shows_its_traceback_on_demand(
    arguments: tuple[str, ...], run: Run
) -> None:
    ran = await run(*arguments, "--journal", "nowhere.db")
    assert ran.code == 2
    assert "Traceback" in ran.err
    assert "there is no such file" in ran.err
    assert "Unknown" not in ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("models", "--request-timeout", "-1"),
        ("watch", "al-1", "--timeout", "-1"),
        ("simulator", "--failures", "7"),
        ("simulator", "--speed", "0"),
        ("simulator", "--rate-limit", "0"),
    ],
)
async def test_a_number_out_of_range_is_told_by_its_option(
    arguments: tuple[str, ...], run: Run
) -> None:
    ran = await run(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert arguments[-2] in ran.err


async def test_no_key(run: Run) -> None:
    ran = await run("models")
    assert (ran.code, ran.out) == (3, "")
    assert ran.err.startswith("Error: No API key: set NUGEN_API_KEY")
    assert (await run("watch", "data-job/x")).err.startswith("Error: No API key: set SEEKR_API_KEY")


async def test_a_refused_key(run: Run) -> None:
    async with Simulator(world=World(keys={"another"})) as sim:
        ran = await run("models", on=sim)
    assert ran.code == 3
    assert "Check the API key." in ran.err


async def test_usage_errors_name_the_help(run: Run) -> None:
    for arguments, command in (
        (("align", "--nam", "x"), "nugen-async align"),
        (("documents", "upload"), "nugen-async documents upload"),
        (("no-such-command",), "nugen-async"),
        (("models", "--contract", "seventh"), "nugen-async models"),
        (("watch", "al-1", "--timeout", "soon"), "nugen-async watch"),
    ):
        ran = await run(*arguments)
        assert (ran.code, ran.out) == (2, ""), arguments
        assert ran.err.startswith("Error: ")
        assert f"Help: {command} -h" in " ".join(ran.err.split())


@pytest.mark.parametrize("ref", ["", "x/y", "alignment/", "{}", "{", '{"service": 1}', "/a"])
async def test_what_names_no_job(run: Run, ref: str) -> None:
    async with Simulator() as sim:
        ran = await run("watch", ref, on=sim)
        assert not len(sim.log)
    assert ran.code == 2


async def test_files_that_cannot_be_sent(run: Run, tmp_path: Any) -> None:
    picture = tmp_path / "scan.png"
    picture.write_bytes(b"\x89PNG")
    async with Simulator() as sim:
        missing = await run("documents", "upload", str(tmp_path / "none.txt"), on=sim)
        refused = await run("documents", "upload", str(picture), on=sim)
        assert not len(sim.log)
    assert (missing.code, refused.code) == (2, 2)
    assert "there is no file" in missing.err.lower()
    assert "it takes" in refused.err


async def test_nothing_there(run: Run) -> None:
    async with Simulator() as sim:
        looked = await run("status", "al-9", on=sim)
        watched = await run("watch", "al-9", "--json", on=sim)
    assert (looked.code, looked.out) == (4, "")
    assert "Check the id" in looked.err
    assert watched.code == 4
    assert watched.json[0]["exit"] == 4
    assert watched.json[0]["job"]["phase"] is None, "nothing was seen of it"


async def test_a_server_with_other_routes(run: Run, tmp_path: Path) -> None:
    document = tmp_path / "contract.txt"
    document.write_text("It ends when it ends.")
    async with Simulator(world=World(contracts={"plural"})) as sim:
        ran = await run("documents", "upload", str(document), on=sim)
        found = await run("documents", "upload", str(document), "--contract", "auto", on=sim)
    assert (ran.code, found.code) == (4, 0)
    assert "try --contract auto, and check the base URL" in ran.err
    assert "same account" not in ran.err


async def test_a_port_that_is_in_use(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = await run("simulator", "--port", str(port))
    assert ran.code == 2
    assert ran.err.startswith(f"Error: Port {port} is in use: give another one with --port")


async def test_a_failed_job(run: Run) -> None:
    async with Simulator(world=World(trusting=True, failures={"alignment": 1.0})) as sim:
        ran = await run(*ALIGN, "--wait", on=sim)
    assert ran.code == 1
    assert "502 Bad Gateway" in ran.err
    assert "To watch" not in ran.err


async def test_a_wait_that_takes_too_long(run: Run) -> None:
    async with Simulator(world=World(trusting=True)) as sim:
        ran = await run(*ALIGN, "--wait", "--timeout", "60", on=sim)
        (made,) = sim.world.alignments
    assert ran.code == 6
    assert "PROCESSING" in ran.out
    assert f"To watch it again:\n  nugen-async watch alignment/{made}\n" in ran.err


async def test_a_server_that_fails(run: Run) -> None:
    world = World()
    world.inject(Fault(effect=Status(502)))
    async with Simulator(world=world) as sim:
        ran = await run("models", on=sim)
    assert ran.code == 5
    assert ran.err.endswith("Try again in a few minutes.\n")


async def test_a_server_that_talks_nonsense(run: Run) -> None:
    world = World()
    world.inject(Fault(effect=Garble()))
    async with Simulator(world=world) as sim:
        ran = await run("documents", on=sim)
    assert ran.code == 5
    assert "cannot read the answer" in ran.err.lower()


async def test_no_server(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUGEN_API_KEY", "k")
    ran = await run("models", "--base-url", "http://127.0.0.1:9")
    assert ran.code == 5
    assert "Check the network and --base-url" in ran.err


async def test_a_key_is_not_sent_in_the_clear(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUGEN_API_KEY", "k")
    ran = await run("models", "--base-url", "http://api.nugen.in")
    assert ran.code == 2
    assert "unencrypted" in ran.err


async def test_a_create_whose_answer_was_lost(run: Run) -> None:
    world = World(trusting=True)
    world.inject(Fault(method="POST", effect=Drop(handled=True)))
    async with Simulator(world=world) as sim:
        ran = await run(*ALIGN, on=sim)
        assert sim.log.count(operation="create_alignment") == 1
    assert ran.code == 7
    assert "not known whether the alignment was created" in ran.err


async def test_a_parked_job(run: Run) -> None:
    async with Simulator(world=World(trusting=True)) as sim:
        async with SeekrFlow("k", base_url=sim.url) as seekr:
            job = await seekr.data_jobs.create(name="n", job_type="principle_files")
            await seekr.data_jobs.add_files(job.id, ["f"])
        ran = await run("watch", f"data-job/{job.id}", "--jsonl", on=sim)
    assert ran.code == 8
    assert ran.lines[0]["job"]["phase"] == "parked"


async def test_debug_shows_where(run: Run) -> None:
    ran = await run("models", "--debug")
    assert "Traceback (most recent call last)" in ran.err
    assert "Traceback" not in (await run("models")).err
