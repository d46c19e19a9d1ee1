"""A response becomes a payload, or the right error."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict

from nugen_async import errors
from nugen_async._core import interpret
from nugen_async._core.wire import Response
from nugen_async.errors import APIStatusError, DecodeError, Problem


def answer(status: int, body: bytes = b"", **headers: str) -> Response:
    told = CIMultiDict({k.replace("_", "-"): v for k, v in headers.items()})
    return Response(status, told, body)


def refused(status: int, body: bytes = b"", **headers: str) -> APIStatusError:
    return interpret.refusal(answer(status, body, **headers), "GET", "/x", wall_now=1000.0)


def test_a_success_is_its_json() -> None:
    assert interpret.payload(answer(200, b'{"a": [1]}')) == {"a": [1]}
    assert interpret.payload(answer(200, b'"model-1"')) == "model-1"
    assert interpret.payload(answer(204)) is None


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.BadRequestError),
        (401, errors.AuthenticationError),
        (402, errors.PaymentRequiredError),
        (403, errors.PermissionDeniedError),
        (404, errors.NotFoundError),
        (409, errors.ConflictError),
        (413, errors.PayloadTooLargeError),
        (418, errors.APIStatusError),
        (422, errors.UnprocessableEntityError),
        (429, errors.RateLimitError),
        (500, errors.ServerError),
        (504, errors.ServerError),
    ],
)
def test_each_status_has_its_class(status: int, kind: type[APIStatusError]) -> None:
    assert type(refused(status)) is kind


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b'{"detail": "No aligned models found"}', "No aligned models found"),
        (b'{"error": "quota"}', "quota"),
        (b'{"message": "no"}', "no"),
        (b'{"detail": {"document_id": "d-1"}}', {"document_id": "d-1"}),
        (b'"plain"', "plain"),
        (
            b'{"detail": [{"loc": ["body", 0], "msg": "m", "type": "t"}]}',
            (Problem(("body", 0), "m", "t"),),
        ),
        (b'{"detail": ["odd", {"loc": "x"}]}', (Problem(msg="odd"), Problem(("x",)))),
        (b"<html>bad gateway</html>", None),
        (b"", None),
        (b'{"detail": null}', {"detail": None}),
        (b"{cut", None),
    ],
)
def test_every_form_of_detail_is_parsed(body: bytes, detail: object) -> None:
    assert refused(400, body).detail == detail


def test_an_error_says_what_happened_where_and_to_whom_to_turn() -> None:
    error = refused(
        422,
        b'{"detail": [{"loc": ["body", "name"], "msg": "field required", "type": "missing"}]}',
        x_request_id="r-7",
    )
    assert str(error) == "GET /x answered 422: body.name: field required (request r-7)"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"upstream: maintenance until 10:00\n", ": upstream: maintenance until 10:00"),
        (b"<html>nginx</html>", ""),
        (b'{"code": ', ""),
        (b"one line\nand another", ""),
        (b"\xff\xfe\x00", ""),
        (b"a" * 400, ""),
    ],
)
def test_a_short_plain_text_is_shown_and_decides_nothing(body: bytes, said: str) -> None:
    error = refused(404, body)
    assert (error.detail, str(error)) == (None, f"GET /x answered 404{said}")
    assert interpret.route_is_missing(error)


def test_what_the_user_typed_is_not_in_the_error() -> None:
    body = b'{"detail": [{"loc": ["a"], "msg": "m", "type": "t", "input": "private", "ctx": {}}]}'
    error = refused(422, body)
    assert "private" not in str(error)
    assert "private" not in repr(error.detail)


@pytest.mark.parametrize(("value", "seconds"), [("7", 7.0), ("soon", None)])
def test_retry_after_is_read(value: str, seconds: float | None) -> None:
    assert refused(429, retry_after=value).retry_after == seconds


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"a": ', b"\xff\xfe", b"NaN", b"[" * 100_000])
def test_an_unreadable_success_is_a_decode_error(body: bytes) -> None:
    response = answer(200, body, content_type="text/html")
    with pytest.raises(DecodeError) as caught:
        interpret.payload(response)
    error = interpret.located(caught.value, response, "GET", "/x")
    assert error.status == 200
    assert "content type text/html" in error.problems


@pytest.mark.parametrize(
    ("status", "body", "missing"),
    [
        (404, b'{"detail": "Not Found"}', True),
        (405, b'{"detail": "Method Not Allowed"}', True),
        (404, b"<html>nginx</html>", True),
        (404, b'{"detail": "Document not found"}', False),
        (404, b'{"detail": "No aligned models found"}', False),
        (400, b'{"detail": "Not Found"}', False),
    ],
)
def test_a_missing_route_is_told_from_a_missing_thing(
    status: int, body: bytes, missing: bool
) -> None:  # a table's column
    assert interpret.route_is_missing(refused(status, body)) is missing
