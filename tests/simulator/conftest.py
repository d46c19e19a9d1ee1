"""A caller of worlds without any server."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from attrs import define

from nugen_async.simulator import Form, SimRequest, SimResponse, Upload, World


@define
class Caller:
    """Requests to a world at chosen moments; answers are status and parsed body."""

    world: World
    headers: dict[str, str]
    now: float = 0.0

    def send(self, line: str, body: Any = None, **query: str) -> SimResponse:
        method, path = line.split()
        form, content = None, b""
        if isinstance(body, Form):
            form = body
        elif body is not None:
            content = json.dumps(body).encode()
        return self.world.handle(
            SimRequest(
                method=method,
                path=path,
                query=query,
                headers=self.headers,
                content=content,
                form=form,
            ),
            self.now,
        )

    def __call__(self, line: str, body: Any = None, **query: str) -> tuple[int | None, Any]:
        answer = self.send(line, body, **query)
        return answer.status, parsed(answer)

    def ok(self, line: str, body: Any = None, **query: str) -> Any:
        status, data = self(line, body, **query)
        assert status == 200, (line, status, data)
        return data


def parsed(answer: SimResponse) -> Any:
    raw = answer.body
    if answer.headers.get("Content-Encoding") == "gzip":
        raw = gzip.decompress(raw)
    return json.loads(raw) if raw else None


@pytest.fixture
def nugen():
    """A caller with a Nugen key of a world with these settings."""

    def make(world: World | None = None, **settings: Any) -> Caller:
        return Caller(world or World(**settings), {"authorization": "Bearer key"})

    return make


@pytest.fixture
def seekr():
    """A caller with a SeekrFlow key."""

    def make(world: World | None = None, **settings: Any) -> Caller:
        return Caller(world or World(**settings), {"authorization": "key"})

    return make


@pytest.fixture
def upload():
    """A multipart body with files by name."""

    def make(*names: str, part: str = "files", content: bytes = b"x", **fields: str) -> Form:
        files = [
            Upload(part=part, name=name, size=len(content), sha256="0" * 64, content=content)
            for name in names
        ]
        return Form(fields=list(fields.items()), files=files)

    return make
