"""Every way in which an answer can go wrong, each as a few lines of bytes."""

from __future__ import annotations

import asyncio
import functools
import gzip
import json
import zlib
from collections.abc import Awaitable, Callable

from attrs import frozen

from .server import PIECE, Peer, Play, head

DRIP = 1.5
"""Virtual seconds between two bytes: shorter than a time-out, so that only a deadline ends it."""

CHUNKED = {"Transfer_Encoding": "chunked"}


@frozen
class Fault:
    """What goes wrong, under the name that the table shows."""

    name: str
    play: Play
    warm: bool = False
    """It needs a connection that has served one sound answer."""


FAULTS: list[Fault] = []


def fault(name: str, *, warm: bool = False) -> Callable[[Play], Play]:
    """Add a whole conversation to the table."""

    def add(play: Play) -> Play:
        FAULTS.append(Fault(name, play, warm))
        return play

    return add


def after(name: str) -> Callable[[Callable[[Peer], Awaitable[None]]], Play]:
    """Add what happens once a request was read whole; the connection is closed behind it."""

    def add(then: Callable[[Peer], Awaitable[None]]) -> Play:
        async def play(peer: Peer) -> None:
            await peer.take()
            await then(peer)

        FAULTS.append(Fault(name, play))
        return play

    return add


def body(
    name: str, content: bytes, *, status: str = "200 OK", kind: str = "application/json"
) -> None:
    """Add a whole answer with this body, on a connection that goes on."""

    async def play(peer: Peer) -> None:
        while True:
            await peer.take()
            await peer.answer(content, status=status, kind=kind)

    FAULTS.append(Fault(name, play))


def raw(name: str, content: bytes) -> None:
    """Add these bytes as the whole answer, followed by the end of the connection."""

    @after(name)
    async def _(peer: Peer) -> None:
        await peer.send(content)


# -- connections --------------------------------------------------------------------------------


@fault("reset before anything is read")
async def _(peer: Peer) -> None:
    peer.reset()


@fault("reset in the request's body")
async def _(peer: Peer) -> None:
    await peer.take(body=False)
    peer.reset()


@after("reset after the request's body")
async def _(peer: Peer) -> None:
    peer.reset()


@after("closed after the request's body")
async def _(_peer: Peer) -> None:
    pass


@after("reset in the answer's body")
async def _(peer: Peer) -> None:
    await peer.send(head(length=len(peer.good)), peer.good[: len(peer.good) // 2])
    await asyncio.sleep(0.01)
    peer.reset()


@fault("kept-alive connection closed as the next request comes", warm=True)
async def _(peer: Peer) -> None:
    await peer.take()
    await peer.answer()
    await peer.take()


@fault("nothing is ever read or said")
async def _(peer: Peer) -> None:
    await asyncio.Event().wait()
    await peer.hold()


@after("stall before the answer")
async def _(peer: Peer) -> None:
    await peer.hold()


@after("stall in the headers")
async def _(peer: Peer) -> None:
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Ty")
    await peer.hold()


@after("stall in the answer's body")
async def _(peer: Peer) -> None:
    await peer.send(head(length=len(peer.good)), peer.good[:3])
    await peer.hold()


@after("slow drip of headers")
async def _(peer: Peer) -> None:
    for byte in b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 50:
        await peer.send(bytes([byte]))
        await asyncio.sleep(DRIP)


@after("slow drip of the body")
async def _(peer: Peer) -> None:
    await peer.send(head(length=10_000, kind="text/event-stream"))
    for _ in range(10_000):
        await peer.send(b" ")
        await asyncio.sleep(DRIP)


@after("slow drip of events")
async def _(peer: Peer) -> None:
    await peer.send(head(length=None, kind="text/event-stream"))
    for _ in range(10_000):
        await peer.send(b'data: {"id": "c", "choices": [{"text": "x"}]}\n\n')
        await asyncio.sleep(DRIP)


# -- framing ------------------------------------------------------------------------------------

raw("garbage status line", b"\x00\xff\xfe nonsense\r\n\r\n")
raw("another protocol's banner", b"220 mail.example ESMTP ready\r\n")
raw("status without a number", b"HTTP/1.1 OK fine\r\nContent-Length: 2\r\n\r\n{}")
raw("HTTP/9.9", b"HTTP/9.9 200 OK\r\nContent-Length: 2\r\n\r\n{}")
raw("status 099", b"HTTP/1.1 099 Odd\r\nContent-Length: 2\r\n\r\n{}")
raw("status 999", b"HTTP/1.1 999 Odd\r\nContent-Length: 2\r\n\r\n{}")
raw("status line cut", b"HTTP/1.1 20")
raw("header without a colon", b"HTTP/1.1 200 OK\r\nContent-Length\r\n\r\n{}")
raw("header with a NUL", b"HTTP/1.1 200 OK\r\nX-A: a\x00b\r\nContent-Length: 2\r\n\r\n{}")
raw("bytes that are no text in a header", b"HTTP/1.1 200 \xff\xfe\r\nX-A: \xff\xfe\r\n\r\n{")
raw(
    "two Content-Lengths",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 7\r\n\r\n{}12345",
)
raw("negative Content-Length", b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}")
raw("Content-Length of 10^30", b"HTTP/1.1 200 OK\r\nContent-Length: 1" + b"0" * 30 + b"\r\n\r\n{}")
raw(
    "Content-Length beside chunks",
    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
)
raw("bad chunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n")
raw(
    "chunk of 2^70 bytes",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 18 + b"\r\n{}",
)
raw("chunks without an end", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n")
raw("unknown transfer coding", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: magic\r\n\r\n{}")


@after("truncated body")
async def _(peer: Peer) -> None:
    await peer.send(head(length=len(peer.good) + 50), peer.good)


@after("headers without an end")
async def _(peer: Peer) -> None:
    await peer.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        await peer.send(b"X-Padding: " + b"a" * 500 + b"\r\n")


@after("one header without an end")
async def _(peer: Peer) -> None:
    await peer.send(b"HTTP/1.1 200 OK\r\nX-Padding: ")
    while True:
        await peer.send(b"a" * PIECE)


@after("a second answer behind the first")
async def _(peer: Peer) -> None:
    forged = json.dumps({"id": "forged", "status": "COMPLETED", "model_id": "forged"}).encode()
    await peer.send(head(length=len(peer.good)) + peer.good + head(length=len(forged)) + forged)
    await peer.take()
    await peer.answer()
    await peer.hold()


@after("Connection: close, and kept open")
async def _(peer: Peer) -> None:
    await peer.answer(Connection="close")
    await peer.hold()


# -- 1xx ----------------------------------------------------------------------------------------


@after("100 Continue that nobody asked for")
async def _(peer: Peer) -> None:
    await peer.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
    await peer.answer()
    await peer.hold()


@after("100 Continue and no more")
async def _(peer: Peer) -> None:
    await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    await peer.hold()


@after("100 Continue without an end")
async def _(peer: Peer) -> None:
    while True:
        await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 50)
        await asyncio.sleep(0.05)


@after("101 Switching Protocols")
async def _(peer: Peer) -> None:
    await peer.send(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nxx"
    )
    await peer.hold()


# -- sizes and codings --------------------------------------------------------------------------


@after("endless body")
async def _(peer: Peer) -> None:
    await peer.send(head(length=None))
    while True:
        await peer.send(b" " * PIECE)


@after("endless refusal")
async def _(peer: Peer) -> None:
    await peer.send(head("500 Oops", length=None, kind="text/html"))
    while True:
        await peer.send(b"<br>" * PIECE)


@after("endless line of events")
async def _(peer: Peer) -> None:
    await peer.send(head(length=None, kind="text/event-stream"), b"data: ")
    while True:
        await peer.send(b"a" * PIECE)


@functools.cache
def _bomb() -> bytes:
    return gzip.compress(b" " * (32 * 1024 * 1024))


@after("gzip bomb")
async def _(peer: Peer) -> None:
    bomb = _bomb()
    await peer.send(head(length=len(bomb), Content_Encoding="gzip"), bomb)


@after("bad gzip")
async def _(peer: Peer) -> None:
    await peer.answer(b"this is not gzip", Content_Encoding="gzip")


@after("cut gzip")
async def _(peer: Peer) -> None:
    whole = gzip.compress(peer.good)
    await peer.answer(whole[: len(whole) // 2], Content_Encoding="gzip")


@after("gzip with junk behind")
async def _(peer: Peer) -> None:
    await peer.answer(gzip.compress(peer.good) + b"\x1f\x8bjunk", Content_Encoding="gzip")


@after("deflate that is raw")
async def _(peer: Peer) -> None:
    packer = zlib.compressobj(wbits=-15)
    await peer.answer(packer.compress(peer.good) + packer.flush(), Content_Encoding="deflate")


@after("unknown content coding")
async def _(peer: Peer) -> None:
    await peer.answer(b"\x8b\x01\x80{}\x03", Content_Encoding="x-magic")


# -- contents -----------------------------------------------------------------------------------

body(
    "HTML 502", b"<html><h1>502 Bad Gateway</h1></html>", status="502 Bad Gateway", kind="text/html"
)
body("HTML 200", b"<html>Please sign in</html>", kind="text/html")
body("empty 200", b"")
body("204", b"", status="204 No Content")
body("NaN", b'{"id": "x", "alignment_id": "x", "status": "RUNNING", "progress": NaN}')
body("Infinity", b'[{"id": "x", "progress": -Infinity}]')
body("deep JSON", b"[" * 100_000 + b"]" * 100_000)
body("JSON 900 deep", b'{"id": "x", "extra": ' + b'{"a": ' * 900 + b"1" + b"}" * 901)
body(
    "refusal 400 deep",
    b'{"detail": ' + b'{"a": ' * 400 + b"1" + b"}" * 401,
    status="400 Bad Request",
)
body(
    "refusal 1,020 deep",
    b'{"detail": ' + b'{"a": ' * 1020 + b"1" + b"}" * 1021,
    status="400 Bad Request",
)
body("huge JSON", b'{"id": "x", "junk": "' + b"a" * (4 * 1024 * 1024) + b'"}')
body("a hundred thousand empty rows", b"[" + b"[]," * 100_000 + b"[]]")
body("a number of 5,000 digits", b'{"id": "x", "progress": 1' + b"0" * 5000 + b"}")
body("lone surrogate", rb'{"id": "\ud800", "status": "RUNNING"}')
body("UTF-16", '{"id": "x", "status": "RUNNING"}'.encode("utf-16"))
body("wrong charset", '{"id": "ü", "status": "RUNNING"}'.encode("latin-1"))
body("charset that does not exist", b'{"id": "x"}', kind="application/json; charset=klingon")
body("byte order mark", b'\xef\xbb\xbf{"detail": "no"}', status="422 Unprocessable Entity")
body("JSON null", b"null")
body("JSON number", b"17")
body("JSON text", b'"COMPLETED"')
body(
    "list for object and object for list", b'{"id": ["a", {"b": 1}], "data": [[[]]], "status": {}}'
)
body(
    "wrong type in every field",
    b'{"id": {}, "alignment_id": [], "status": 7, "name": [1], "progress": "soon", "created_date": true,'
    b' "document_ids": {"a": 1}, "performance_metrics": "good", "choices": 3, "data": 5}',
)
body(
    "rows of nonsense", b'{"data": [null, 1, "x", [], {}, {"id": null}, {"id": "x", "status": []}]}'
)
body("a total of 10^12 rows", json.dumps({"data": [{"id": "x"}] * 100, "total": 10**12}).encode())


# -- redirects and refusals ---------------------------------------------------------------------


def redirect(name: str, status: str, target: Callable[[Peer], str | None]) -> None:
    """Add an answer that points elsewhere."""

    async def play(peer: Peer) -> None:
        while True:
            await peer.take()
            where = target(peer)
            await peer.answer(b"", status=status, **({} if where is None else {"Location": where}))

    FAULTS.append(Fault(name, play))


def _there(peer: Peer) -> str:
    assert peer.request is not None
    return f"http://localhost:{peer.server.port}{peer.request.target}"


def _again(peer: Peer) -> str:
    assert peer.request is not None
    return peer.request.target


redirect("redirect to another host", "307 Temporary Redirect", _there)
redirect("redirect to another scheme", "302 Found", lambda _: "file:///etc/passwd")
redirect("redirect to another port", "308 Permanent Redirect", lambda _: "http://127.0.0.1:1/")
redirect("redirect in a circle", "307 Temporary Redirect", _again)
redirect("redirect to nonsense", "302 Found", lambda _: "http://[::1")
redirect("redirect without a target", "301 Moved Permanently", lambda _: None)
redirect("304 Not Modified", "304 Not Modified", lambda _: None)


@fault("redirect on the same host, and a sound answer there")
async def _(peer: Peer) -> None:
    while True:
        await peer.take()
        assert peer.request is not None
        if peer.request.target.endswith("?moved"):
            await peer.answer()
        else:
            where = peer.request.target.partition("?")[0] + "?moved"
            await peer.answer(b"", status="307 Temporary Redirect", Location=where)


def refusal(name: str, status: str, **headers: str) -> None:
    """Add a refusal with these headers."""

    async def play(peer: Peer) -> None:
        while True:
            await peer.take()
            await peer.answer(b'{"detail": "not now"}', status=status, **headers)

    FAULTS.append(Fault(name, play))


refusal("429 for ever", "429 Too Many Requests", Retry_After="1")
refusal("429 for a day", "429 Too Many Requests", Retry_After="86400")
refusal("429 with a Retry-After of nonsense", "429 Too Many Requests", Retry_After="1e999, soon")
refusal("503 until a date that is past", "503 Busy", Retry_After="Thu, 01 Jan 1970 00:00:00 GMT")
refusal("503", "503 Busy")
refusal("401", "401 Unauthorized")
