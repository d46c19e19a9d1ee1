"""One tree of plain data: what happened, what still holds, what to do next.

Everything that this package raises on purpose is a `NugenError`. An error holds values only, no client and
no socket, so that it pickles, prints safely and goes into a journal as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from attrs import Factory, define, field, fields, frozen

_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_SENTENCE = re.compile(r"\s*[^\s<{\[\ufffd][^\n<\ufffd]{0,200}\s*")
"""One line of plain text: neither HTML nor JSON, nor anything that is no text."""
_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])")
_LONGEST = 500


def printable(text: object, longest: int = _LONGEST) -> str:
    """*text* without control or bidi characters, at most *longest* characters: safe for a terminal."""
    shown = _CONTROL.sub("\ufffd", str(text))
    return shown if len(shown) <= longest else shown[: longest - 1] + "\u2026"


def _revive(kind: type[NugenError], state: dict[str, Any]) -> NugenError:
    return kind(**state)


@define(kw_only=True, slots=False, repr=False)
class NugenError(Exception):
    """The root of everything that this package raises on purpose."""

    def __attrs_post_init__(self) -> None:
        Exception.__init__(self, str(self))

    def _state(self) -> dict[str, Any]:
        return {a.alias: getattr(self, a.name) for a in fields(type(self)) if a.init}

    def __reduce__(self) -> tuple[Any, ...]:
        notes = getattr(self, "__notes__", None)
        return _revive, (type(self), self._state()), notes and {"__notes__": notes}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"


@define(slots=False, repr=False)
class _PlainError(NugenError):
    """An error whose whole content is one sentence."""

    message: str = field(kw_only=False)

    def __str__(self) -> str:
        return printable(self.message)


class ConfigurationError(_PlainError, ValueError):
    """A setting is missing or makes no sense; nothing was sent."""


class InvalidRequestError(_PlainError, ValueError):
    """The call cannot succeed as it stands (a bad argument, file or manifest); nothing was sent."""


class ClientStateError(_PlainError, RuntimeError):
    """The client is closed, belongs to another event loop or process; nothing was sent."""


class ClientClosedError(ClientStateError):
    """The client was closed before or during the call. Remote jobs go on."""


@frozen
class Problem:
    """One complaint of the server about one field (a row of a 422 body)."""

    loc: tuple[str | int, ...] = ()
    msg: str = ""
    type: str = ""

    def __str__(self) -> str:
        where = ".".join(str(part) for part in self.loc)
        return f"{where}: {self.msg}" if where else self.msg


Detail = str | tuple[Problem, ...] | Mapping[str, Any] | None


@define(kw_only=True, slots=False, repr=False)
class APIError(NugenError):
    """A request did not bring a usable answer."""

    method: str = ""
    url: str = ""

    @property
    def _request(self) -> str:
        return printable(f"{self.method} {self.url}".strip())


@define(kw_only=True, slots=False, repr=False)
class APIStatusError(APIError):
    """The server refused: its HTTP status, and what it said about it.

    `detail` is text, a tuple of `Problem`, an object, or None when the body held none of these.
    `retry_after` is in seconds. `body` is the start of the answer as text, for a look by a person.
    """

    status: int = 0
    detail: Detail = None
    request_id: str | None = None
    retry_after: float | None = None
    body: str = ""

    by_status: ClassVar[dict[int, type[APIStatusError]]] = {}
    advice: ClassVar[str] = ""

    @classmethod
    def kind_for(cls, status: int) -> type[APIStatusError]:
        """The class that stands for *status*."""
        return cls.by_status.get(status, ServerError if status >= 500 else APIStatusError)  # noqa: PLR2004 # HTTP's own number

    @property
    def told(self) -> str:
        """`detail` as one line of text; where there is none, a short body that is plain text."""
        match self.detail:
            case None:
                return self.body.strip() if _SENTENCE.fullmatch(self.body) else ""
            case str():
                return self.detail
            case tuple():
                return "; ".join(str(problem) for problem in self.detail)
            case _:
                for key in ("message", "msg", "error", "detail"):
                    if isinstance(said := self.detail.get(key), str):
                        return said
                try:
                    return str(dict(self.detail))
                except RecursionError:
                    return "(nested too deeply to show)"

    def __str__(self) -> str:
        parts = [f"{self._request} answered {self.status}"]
        if self.told:
            parts.append(f": {printable(self.told)}")
        if self.request_id:
            parts.append(f" (request {printable(self.request_id)})")
        if self.advice:
            parts.append(f". {self.advice}")
        return "".join(parts)


class BadRequestError(APIStatusError):
    """400: the server understood the request and will not do it."""


class AuthenticationError(APIStatusError):
    """401: the key is missing, wrong or expired."""

    advice = "Check the API key."


class PaymentRequiredError(APIStatusError):
    """402: the account's quota is used up."""


class PermissionDeniedError(APIStatusError):
    """403: the key is good but may not do this."""


class NotFoundError(APIStatusError):
    """404: no such thing, or it belongs to somebody else."""


class ConflictError(APIStatusError):
    """409: it exists already, or is in the wrong state."""

    @property
    def existing_id(self) -> str | None:
        """The id of what exists already, where the server names it."""
        return self.id_of("benchmark") or self.id_of("document")

    def id_of(self, kind: str) -> str | None:
        """The id of the *kind* of thing (``document``, ``benchmark``) that is there, where it is named."""
        told = self.detail if isinstance(self.detail, Mapping) else {}
        for value in (told.get(f"{kind}_id"), told.get("id")):
            if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
                return str(value)
        return None


class PayloadTooLargeError(APIStatusError):
    """413: the upload is over the server's limit."""


class UnprocessableEntityError(APIStatusError):
    """422: a field is missing or of the wrong form; `detail` names each."""


class RateLimitError(APIStatusError):
    """429: too many requests, and the retries allowed are used up."""

    advice = "Ask less often, or allow more retries."


class ServerError(APIStatusError):
    """5xx: the server failed, and the retries allowed are used up."""


APIStatusError.by_status.update(
    {
        400: BadRequestError,
        401: AuthenticationError,
        402: PaymentRequiredError,
        403: PermissionDeniedError,
        404: NotFoundError,
        409: ConflictError,
        413: PayloadTooLargeError,
        422: UnprocessableEntityError,
        429: RateLimitError,
    }
)


@define(kw_only=True, slots=False, repr=False)
class APIConnectionError(APIError):
    """No whole answer came. `sent` tells whether the request may have reached the server."""

    reason: str = ""
    sent: bool = True

    def __str__(self) -> str:
        return f"{self._request}: {printable(self.reason) or 'the connection failed'}"


class APITimeoutError(APIConnectionError, TimeoutError):
    """No whole answer came in time."""


@define(kw_only=True, slots=False, repr=False)
class DecodeError(APIError):
    """The answer is not what the contract says; `problems` names each field by its path."""

    problems: tuple[str, ...] = ()
    status: int | None = None
    request_id: str | None = None
    body: str = ""

    def __str__(self) -> str:
        where = f"{self._request}: " if self._request else ""
        return where + "cannot read the answer: " + printable("; ".join(self.problems))


@define(kw_only=True, slots=False, repr=False)
class CreateOutcomeUnknownError(APIError):
    """A create was sent and its answer lost: the job may exist, and cost money, or not.

    Nothing was posted twice. `body` is the request as sent, `token` the client's mark in it (None when it
    carries none), `started` and `ended` are UTC timestamps (ISO 8601) around the attempt, `look_for` says
    what to look for. Look before you create again.
    """

    kind: str = ""
    body: Any = None
    token: str | None = None
    started: str = ""
    ended: str = ""
    look_for: str = ""
    reason: str = ""
    candidates: tuple[str, ...] = ()

    def __str__(self) -> str:
        text = f"{self._request}: it is not known whether the {printable(self.kind) or 'job'} was created"
        if self.reason:
            text += f" ({printable(self.reason)})"
        if self.candidates:
            text += f"; it may be one of {', '.join(map(printable, self.candidates))}"
        if self.look_for:
            text += f". Look for {printable(self.look_for)} before you create it again"
        return text + "."


@define(kw_only=True, slots=False, repr=False)
class JobError(NugenError):
    """A wait ended without a ready job. `job` is the last snapshot, `resume_token` goes on from here."""

    job: Any = None
    job_id: str = ""
    status: str = ""
    resume_token: str = ""

    @property
    def _name(self) -> str:
        kind = _WORDS.sub(" ", type(self.job).__name__).lower() if self.job else "job"
        return printable(f"{kind} {self.job_id}")


@define(kw_only=True, slots=False, repr=False)
class JobFailedError(JobError):
    """The job ended, and not well; waiting again will not help."""

    reason: str = ""

    def __str__(self) -> str:
        text = f"{self._name} ended as {printable(self.status)!r}"
        return f"{text}: {printable(self.reason)}" if self.reason else text


class JobCancelledError(JobFailedError):
    """The job was stopped on the server's side before it could end."""


@define(kw_only=True, slots=False, repr=False)
class JobParkedError(JobError):
    """The job waits for a person or a call of yours; no amount of polling moves it."""

    hint: str = ""

    def __str__(self) -> str:
        text = f"{self._name} is parked as {printable(self.status)!r} and waits for you"
        return f"{text}: {printable(self.hint)}" if self.hint else text


@define(kw_only=True, slots=False, repr=False)
class JobStalledError(JobError):
    """Neither status nor progress moved for `still` seconds. The job may go on; resume to wait longer."""

    still: float = 0.0

    def __str__(self) -> str:
        return (
            f"{self._name} has stood still as {printable(self.status)!r} for {self.still:.0f} s;"
            " it may yet go on: resume with the token of this error"
        )


@define(kw_only=True, slots=False, repr=False)
class WaitTimeoutError(JobError, TimeoutError):
    """We gave up on the job, but it is still running and can be waited on again."""

    waited: float = 0.0
    last: NugenError | None = Factory(lambda: None)
    """Why the last look brought nothing, where it did not."""

    def __str__(self) -> str:
        failed = "" if self.last is None else f" (the last look failed: {self.last})"
        if not self.status:
            return f"{self._name} was not seen in {self.waited:.0f} s{failed}; wait again, or check its id"
        return (
            f"{self._name} still {printable(self.status)!r} after {self.waited:.0f} s{failed};"
            " it goes on: wait again, or resume with the token of this error"
        )


@define(kw_only=True, slots=False, repr=False)
class JobUnreachableError(JobError):
    """The job's state could not be learned: `failures` looks in a row failed. The job may well go on."""

    failures: int = 0
    last: NugenError | None = Factory(lambda: None)

    def __str__(self) -> str:
        if isinstance(self.last, NotFoundError):
            return (
                f"the server knows no {self._name} ({self.failures} looks in a row failed,"
                f" the last: {self.last}); it may have been deleted: check the id, and that the key"
                " belongs to the same account"
            )
        return (
            f"the state of {self._name} cannot be learned ({self.failures} looks failed in a row,"
            f" the last: {self.last}); the job may go on: resume with the token of this error"
        )


__all__ = [
    "APIConnectionError",
    "APIError",
    "APIStatusError",
    "APITimeoutError",
    "AuthenticationError",
    "BadRequestError",
    "ClientClosedError",
    "ClientStateError",
    "ConfigurationError",
    "ConflictError",
    "CreateOutcomeUnknownError",
    "DecodeError",
    "Detail",
    "InvalidRequestError",
    "JobCancelledError",
    "JobError",
    "JobFailedError",
    "JobParkedError",
    "JobStalledError",
    "JobUnreachableError",
    "NotFoundError",
    "NugenError",
    "PayloadTooLargeError",
    "PaymentRequiredError",
    "PermissionDeniedError",
    "Problem",
    "RateLimitError",
    "ServerError",
    "UnprocessableEntityError",
    "WaitTimeoutError",
    "printable",
]
