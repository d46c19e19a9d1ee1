"""Files on their way out: checked before, streamed, told about, and sent whole a second time."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from nugen_async import Nugen, SeekrFlow, Timeout, Upload
from nugen_async.errors import (
    ConflictError,
    CreateOutcomeUnknownError,
    DecodeError,
    InvalidRequestError,
    JobFailedError,
    WaitTimeoutError,
)
from nugen_async.resources._uploads import (
    CHUNK,
    MEGABYTE,
    Limits,
    UploadProgress,
    guessed_type,
    sources,
)
from nugen_async.simulator import Delay, Fault, Simulator, World

from .canned import canned

TEXT = b"0123456789abcdef" * 40_000  # 640 kB: three chunks
ANY = Limits(MEGABYTE)


async def stream(data: bytes) -> AsyncIterator[bytes]:
    for first in range(0, len(data), 1000):
        yield data[first : first + 1000]


async def body(file: Any, limits: Limits = ANY) -> bytes:
    (source,) = await sources(file, limits)
    return b"".join([chunk async for chunk in source.part("files").open()])


async def test_each_kind_of_file_is_sent_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(TEXT)
    with path.open("rb") as opened:
        kinds = [
            path,
            str(path),
            Upload("a.txt", TEXT),
            Upload("a.txt", opened),
            Upload("a.txt", io.BytesIO(TEXT)),
            Upload("a.txt", stream(TEXT)),
        ]
        async with (
            canned([str(n) for n in range(len(kinds))]) as server,
            Nugen("k", base_url=server.url) as nugen,
        ):
            made = await nugen.documents.upload(kinds)
    assert server.asked[0].form == [("files:a.txt", TEXT)] * len(kinds)
    assert [document.size for document in made] == [len(TEXT)] * 5 + [None]


async def test_a_file_object_is_sent_from_where_it_stands_and_left_open() -> None:
    file = io.BytesIO(b"0123456789")
    file.seek(4)
    (source,) = await sources([Upload("a.txt", file)], ANY)
    part = source.part("files")
    for _ in range(2):
        assert b"".join([chunk async for chunk in part.open()]) == b"456789"
    assert source.size == 6
    assert not file.closed


async def test_a_stream_is_sent_once() -> None:
    (source,) = await sources([Upload("a.txt", stream(b"x"))], ANY)
    part = source.part("files")
    assert [chunk async for chunk in part.open()] == [b"x"]
    with pytest.raises(InvalidRequestError, match="cannot be sent twice"):
        _ = [chunk async for chunk in part.open()]


async def slow(pieces: int, pause: float) -> AsyncIterator[bytes]:
    for _ in range(pieces):
        await asyncio.sleep(pause)
        yield b"line\n"


async def test_a_stream_that_takes_its_time_is_sent_to_its_end() -> None:
    async with Simulator(world=World()) as sim, Nugen("k", base_url=sim.url) as nugen:
        (made,) = await nugen.documents.upload(Upload("a.txt", slow(20, pause=50)))
        assert asyncio.get_running_loop().time() >= 1000
        assert sim.world.documents[made.id].size == 100


@pytest.mark.parametrize(
    ("pause", "timeout", "end"),
    [(70, Timeout(), 60), (50, Timeout(total=120), 120)],
    ids=["a piece that does not come", "the total"],
)
async def test_a_stream_ends_with_its_time(pause: float, timeout: Timeout, end: float) -> None:
    async with (
        Simulator(world=World()) as sim,
        Nugen("k", base_url=sim.url, timeout=timeout) as nugen,
    ):
        start = asyncio.get_running_loop().time()
        with pytest.raises(CreateOutcomeUnknownError):
            await nugen.documents.upload(Upload("a.txt", slow(20, pause)))
        assert asyncio.get_running_loop().time() - start == pytest.approx(end, abs=0.5)


async def test_a_large_stream_has_as_long_for_its_answer_as_a_file_of_its_size() -> None:
    """What was taken off our hands need not have arrived: it may stand in the sockets' buffers."""
    world = World()
    world.inject(Fault(effect=Delay(65), method="POST"))
    async with Simulator(world=world) as sim, Nugen("k", base_url=sim.url) as nugen:
        await nugen.documents.upload(Upload("a.txt", stream(TEXT * 2)))


async def test_progress_is_told_for_each_chunk(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(TEXT)
    told: list[UploadProgress] = []
    async with canned(["1"]) as server, Nugen("k", base_url=server.url) as nugen:
        await nugen.documents.upload(path, on_progress=told.append)
    size = len(TEXT)
    assert told == [
        UploadProgress("a.txt", CHUNK, size),
        UploadProgress("a.txt", 2 * CHUNK, size),
        UploadProgress("a.txt", size, size),
    ]


class Endless(io.RawIOBase):
    """A pipe that never ends."""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return b"x" * size


BAD: list[tuple[Any, str]] = [
    ("no such file.txt", "there is no file"),
    ([], "there is no file to upload"),
    (Upload("a.pdf", b"x"), "of a type that the API refuses"),
    (Upload("a", b"x"), "of a type that the API refuses"),
    (Upload("", b"x"), "is not a file name"),
    (Upload("a\nb.txt", b"x"), "is not a file name"),
    (Upload("a.txt", "text"), "not str"),  # type: ignore[arg-type]
    (Upload("a.txt", io.StringIO("text")), "must be opened in binary mode"),  # type: ignore[arg-type]
    (17, "not int"),
    (b"text", "not bytes"),
    (io.BytesIO(b"text"), "not BytesIO"),
]


@pytest.mark.parametrize(("file", "told"), BAD)
async def test_a_file_that_cannot_be_sent_is_refused_before(file: Any, told: str) -> None:
    async with canned(["1"]) as server, Nugen("k", base_url=server.url) as nugen:
        with pytest.raises(InvalidRequestError, match=told):
            await nugen.documents.upload(file)
    assert not any(asked.form for asked in server.asked)


async def test_the_limit_is_kept_before_and_while_sending(tmp_path: Path) -> None:
    small = Limits(10)
    path = tmp_path / "a.txt"
    path.write_bytes(b"x" * 11)
    for file in (path, Upload("a.txt", b"x" * 11), Upload("a.txt", io.BytesIO(b"x" * 11))):
        with pytest.raises(InvalidRequestError, match="over the limit"):
            await sources([file], small)
    for endless in (stream(b"x" * 11), Endless()):
        with pytest.raises(InvalidRequestError, match="is over"):
            await body(Upload("a.txt", endless), small)
    assert await body(Upload("a.txt", b"x" * 10), small) == b"x" * 10


async def test_reading_a_large_file_leaves_the_loop_free(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(TEXT)
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.ensure_future(count())
    assert await body(path) == TEXT
    counting.cancel()
    assert turns >= 3


def test_a_type_goes_with_the_suffix() -> None:
    assert guessed_type("A.MD") == "text/markdown"
    assert guessed_type("a.unknown") == "application/octet-stream"


async def test_a_document_that_is_there_already_is_adopted_if_it_is_the_same() -> None:
    world = World(seed=1, duplicate_names={"documented"})
    async with Simulator(world=world) as sim, Nugen("k", base_url=sim.url) as nugen:
        (first,) = await nugen.documents.upload(Upload("a.txt", b"same"))
        (again,) = await nugen.documents.upload(Upload("a.txt", b"same"))
        both = await nugen.documents.upload([Upload("b.txt", b"new"), Upload("a.txt", b"same")])
        assert [again.id, both[1].id] == [first.id, first.id]
        assert len(world.documents) == 2
        with pytest.raises(ConflictError):
            await nugen.documents.upload(Upload("a.txt", b"other content"))
        with pytest.raises(ConflictError) as refused:
            await nugen.documents.upload(Upload("a.txt", b"same"), on_duplicate="raise")
        assert refused.value.existing_id == first.id
        ready = await nugen.documents.wait([first, both[0].id], timeout=3600)
        assert [document.id for document in ready] == [first.id, both[0].id]


async def test_waiting_for_documents_raises_what_became_of_the_first_that_failed() -> None:
    async with (
        Simulator(world=World(failures={"document": 1.0})) as sim,
        Nugen("k", base_url=sim.url) as nugen,
    ):
        (one,) = await nugen.documents.upload(Upload("a.txt", b"x"))
        with pytest.raises(WaitTimeoutError):
            await nugen.documents.wait([one], timeout=0)
        with pytest.raises(JobFailedError) as failed:
            await nugen.documents.wait([one, one.id])
        assert failed.value.job_id == one.id
        with pytest.raises(JobFailedError):
            await nugen.documents.wait(one.id)


async def test_a_document_just_uploaded_is_looked_at_as_any_job_just_begun() -> None:
    async with Simulator() as sim, Nugen("k", base_url=sim.url) as nugen:
        (document,) = await nugen.documents.upload(Upload("a.txt", b"x"))
        assert document.began is not None
        await document.wait_until_ready()
        sent, *looks = sim.log
    assert 5 <= looks[0].at - sent.at <= 26


async def test_a_lost_answer_to_an_upload_names_every_file() -> None:
    async with canned(b"", status=502) as server, Nugen("k", base_url=server.url) as nugen:
        with pytest.raises(CreateOutcomeUnknownError) as lost:
            await nugen.documents.upload([Upload("a.txt", b"x"), Upload("b.txt", b"y")])
    assert lost.value.body == {"files": ["a.txt", "b.txt"]}
    assert "Look for those named 'a.txt', 'b.txt' before" in str(lost.value)


async def test_a_start_whose_answer_is_lost_has_no_marks_to_look_for() -> None:
    async with canned(b"", status=502) as server, SeekrFlow("k", base_url=server.url) as seekr:
        with pytest.raises(CreateOutcomeUnknownError) as lost:
            await seekr.data_jobs.start("dj-1")
    assert lost.value.look_for == ""
    assert "whether the data job was created" in str(lost.value)


async def test_an_answer_with_another_number_of_ids_is_an_error() -> None:
    async with canned(["1", "2"]) as server, Nugen("k", base_url=server.url) as nugen:
        with pytest.raises(DecodeError, match="expected 1 ids"):
            await nugen.documents.upload(Upload("a.txt", b"x"))


async def test_questions_come_from_a_file_in_either_form(tmp_path: Path) -> None:
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    one.write_text('[{"question_num": 4, "question": "Why?", "answer": "So."}]')
    other.write_text('{"questions": [{"instruction": "Why?", "response": "So."}]}')
    async with canned({"id": "bm"}) as server, Nugen("k", base_url=server.url) as nugen:
        for path in (one, other):
            await nugen.benchmarks.upload(path, name="n", document_id="d")
    sent = [dict(asked.form)["file:questions.json"] for asked in server.asked]
    assert sent == [
        b'[{"question_num":4,"question":"Why?","answer":"So."}]',
        b'[{"question_num":1,"question":"Why?","answer":"So."}]',
    ]


@pytest.mark.parametrize(
    "questions",
    [
        [],
        ["text"],
        [("only one",)],
        [("", "a")],
        [{"question": "no answer"}],
        "no such file.json",
        [(1, 2)],
    ],
)
async def test_questions_that_are_none_are_refused_before(questions: Any) -> None:
    async with canned({"id": "bm"}) as server, Nugen("k", base_url=server.url) as nugen:
        with pytest.raises(InvalidRequestError):
            await nugen.benchmarks.upload(questions, name="n", document_id="d")
    assert server.asked == []


async def test_a_benchmark_that_is_there_already_is_adopted() -> None:
    world = World(seed=1, duplicate_names={"documented"}, trusting=True)
    async with Simulator(world=world) as sim, Nugen("k", base_url=sim.url) as nugen:
        first = await nugen.benchmarks.upload([("Why?", "So.")], name="n", document_id="d")
        again = await nugen.benchmarks.upload([("Why?", "So.")], name="n", document_id="d")
        assert again.id == first.id


async def test_seekrflow_takes_any_type_of_file() -> None:
    async with canned({"id": "f"}) as server, SeekrFlow("k", base_url=server.url) as seekr:
        await seekr.files.upload(Upload("a.parquet", b"PAR1"), purpose="fine-tune")
    assert server.asked[0].form == [("files:a.parquet", b"PAR1"), ("purpose", "fine-tune")]


async def pieces(*several: Any) -> AsyncIterator[Any]:
    for piece in several:
        yield piece


async def test_the_pieces_of_a_stream_are_bytes() -> None:
    async with canned(["1"]) as server, Nugen("k", base_url=server.url) as nugen:
        with pytest.raises(InvalidRequestError, match=r"a\.txt .* yielded str"):
            await nugen.documents.upload(Upload("a.txt", pieces(b"x", "text")))
        several = (b"a", bytearray(b"b"), memoryview(b"cd")[::2], b"", b"e")
        await nugen.documents.upload(Upload("a.txt", pieces(*several)))
    assert server.asked[-1].form == [("files:a.txt", b"abce")]


async def broken(data: bytes) -> AsyncIterator[bytes]:
    yield data
    raise OSError("the disk is gone")


async def test_a_file_that_breaks_while_sent_is_the_callers_error_and_no_open_question() -> None:
    async with canned(["1"]) as server, Nugen("k", base_url=server.url) as nugen:
        with pytest.raises(InvalidRequestError, match="the disk is gone"):
            await nugen.documents.upload(Upload("a.txt", broken(b"x" * CHUNK)))
    async with canned({"id": "f"}) as server, SeekrFlow("k", base_url=server.url) as seekr:
        with pytest.raises(InvalidRequestError, match="the disk is gone"):
            await seekr.files.upload(Upload("a.txt", broken(b"x")), purpose="other")


async def test_a_failing_callback_does_not_harm_the_upload(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with canned(["1"]) as server, Nugen("k", base_url=server.url) as nugen:
        await nugen.documents.upload(Upload("a.txt", TEXT), on_progress=lambda _: 1 / 0)
    assert server.asked[0].form == [("files:a.txt", TEXT)]
    assert caplog.text.count("on_progress failed") == 1


@pytest.mark.parametrize(
    "name", ["my notes.txt", "größe 100%.md", 'a "b" c.txt', "a\\b.md", "日本.txt"]
)
async def test_a_file_arrives_under_its_own_name(name: str) -> None:
    async with Simulator(world=World()) as sim, Nugen("k", base_url=sim.url) as nugen:
        await nugen.documents.upload(Upload(name, b"text"))
        (document,) = sim.world.documents.values()
    assert document.filename == name
