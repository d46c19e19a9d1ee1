"""Things that go wrong on purpose: which requests are hit, and what happens to them."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from datetime import datetime
from random import Random
from typing import Any, Literal

from attrs import define, evolve, field, frozen

from .exchange import Answer, SimResponse, is_array, is_object
from .limits import retry_after

HTML_502 = "<html><body><h1>502 Bad Gateway</h1><hr>nginx</body></html>"


@frozen(kw_only=True)
class Moment:
    """What a fault may know about the request that it hits."""

    now: float
    wall: datetime
    born: float | None


class Effect:
    """What a fault does. Each hook leaves things as they are unless an effect says otherwise."""

    lag: float = 0.0

    def instead(self, moment: Moment) -> SimResponse | None:  # noqa: ARG002
        """An answer given without handling the request."""
        return None

    def bend(self, answer: Answer, moment: Moment) -> Answer:  # noqa: ARG002
        """Another payload than the one decided."""
        return answer

    def deliver(self, response: SimResponse, moment: Moment) -> SimResponse:  # noqa: ARG002
        """Another way to send the response."""
        return response


@frozen
class Status(Effect):
    """Answer with a status. With *handled* the request takes effect first: an ambiguous create.

    *retry_after* is in seconds; *as_date* writes it as an HTTP date.
    """

    status: int
    body: Any = "html"
    handled: bool = field(default=False, kw_only=True)
    retry_after: float | None = field(default=None, kw_only=True)
    as_date: bool = field(default=False, kw_only=True)

    def instead(self, moment: Moment) -> SimResponse | None:
        """The status, unless the request is handled first."""
        return None if self.handled else self._answer(moment)

    def deliver(self, response: SimResponse, moment: Moment) -> SimResponse:
        """The status, once the request was handled."""
        return self._answer(moment) if self.handled else response

    def _answer(self, moment: Moment) -> SimResponse:
        if self.body == "html":
            kind, text = "text/html", HTML_502.replace("502 Bad Gateway", str(self.status))
        else:
            kind, text = "application/json", json.dumps(self.body)
        headers = {"Content-Type": kind}
        if self.retry_after is not None:
            headers["Retry-After"] = retry_after(self.retry_after, moment.wall, self.as_date)
        return SimResponse(status=self.status, headers=headers, body=text.encode())


@frozen
class Drop(Effect):
    """Hang up without an answer, before or after the request took effect."""

    handled: bool = field(default=False, kw_only=True)
    reset: bool = field(default=False, kw_only=True)

    def instead(self, moment: Moment) -> SimResponse | None:
        """No answer, unless the request is handled first."""
        return None if self.handled else self.deliver(SimResponse(), moment)

    def deliver(self, response: SimResponse, moment: Moment) -> SimResponse:  # noqa: ARG002
        """No answer, and the end of the connection."""
        return SimResponse(status=None, hang_up="reset" if self.reset else "close")


@frozen
class Stall(Effect):
    """Never answer, and keep the connection open."""

    handled: bool = field(default=False, kw_only=True)

    def instead(self, moment: Moment) -> SimResponse | None:  # noqa: ARG002
        """No answer, unless the request is handled first."""
        return None if self.handled else SimResponse(status=None, hang_up="stall")

    def deliver(self, response: SimResponse, moment: Moment) -> SimResponse:  # noqa: ARG002
        """No answer, and no end of the connection."""
        return SimResponse(status=None, hang_up="stall")


@frozen
class Delay(Effect):
    """Answer late, by seconds of the caller's clock."""

    seconds: float

    def deliver(self, response: SimResponse, moment: Moment) -> SimResponse:  # noqa: ARG002
        """The same, later."""
        return evolve(response, delay=response.delay + self.seconds)


@frozen
class Cut(Effect):
    """Hang up in the middle of the body, or of a stream; the request took effect."""

    share: float = 0.5

    def deliver(self, response: SimResponse, moment: Moment) -> SimResponse:  # noqa: ARG002
        """The beginning of it."""
        if response.chunks is None:
            return evolve(response, cut_at=int(len(response.body) * self.share))
        kept = response.chunks[: int(len(response.chunks) * self.share)]
        return evolve(response, chunks=kept, hang_up="close")


@frozen
class Garble(Effect):
    """A body that is not what it should be; the request took effect."""

    how: Literal["invalid", "empty", "wrong_type", "html"] = "invalid"

    def deliver(self, response: SimResponse, moment: Moment) -> SimResponse:  # noqa: ARG002
        """The same status and headers around another body."""
        headers = {k: v for k, v in response.headers.items() if k != "Content-Encoding"}
        body = {
            "invalid": b'{"status": "PROC',
            "empty": b"",
            "wrong_type": b"42",
            "html": HTML_502.encode(),
        }[self.how]
        if self.how == "html":
            headers["Content-Type"] = "text/html"
        return evolve(response, headers=headers, body=body, chunks=None)


@frozen
class Word(Effect):
    """Another status word, at every depth of the payload."""

    word: str = "c"

    def bend(self, answer: Answer, moment: Moment) -> Answer:  # noqa: ARG002
        """The payload with its status words replaced."""
        return evolve(answer, data=self._reword(answer.data))

    def _reword(self, value: Any) -> Any:
        if is_object(value):
            return {
                key: self.word
                if key == "status" and isinstance(inner, str)
                else self._reword(inner)
                for key, inner in value.items()
            }
        return [self._reword(inner) for inner in value] if is_array(value) else value


@frozen
class Rows(Effect):
    """Bad rows at the front of every list of objects, or only the first rows of it."""

    extra: tuple[Any, ...] = (None, "row", {"status": ["READY"]}, {})
    limit: int | None = None

    def bend(self, answer: Answer, moment: Moment) -> Answer:  # noqa: ARG002
        """The payload with other rows in its lists."""
        if not is_object(answer.data):
            return answer
        data = {
            key: [*self.extra, *value][: self.limit] if is_array(value) else value
            for key, value in answer.data.items()
        }
        return evolve(answer, data=data)


@frozen
class Lag(Effect):
    """Lists tell how things were so many seconds ago; what is younger is not in them."""

    lag: float = 0.0


@frozen
class NotYet(Effect):
    """An object answers 404 for its first seconds."""

    seconds: float

    def instead(self, moment: Moment) -> SimResponse | None:
        """404 while the object is young."""
        if moment.born is None or moment.now - moment.born >= self.seconds:
            return None
        return SimResponse(
            status=404,
            headers={"Content-Type": "application/json"},
            body=b'{"detail":"Not found"}',
        )


@frozen(kw_only=True)
class Fault:
    """A rule: requests that match it get its effect.

    *method* and *path* are regular expressions (searched; empty matches all); *nth* picks calls
    that matched, from 1 on; *share* of them is hit by seed; *since* and *until* are seconds of
    the world; *times* is the most it hits.
    """

    effect: Effect
    name: str = ""
    method: str = ""
    path: str = ""
    operation: str = ""
    nth: Collection[int] = ()
    share: float = 1.0
    since: float = float("-inf")
    until: float = float("inf")
    times: int | None = None

    @property
    def title(self) -> str:
        """What the log calls it."""
        return self.name or type(self.effect).__name__.lower()


@define(eq=False)
class Rule:
    """A fault in force, with its own count and dice."""

    fault: Fault
    dice: Random = field(repr=False)
    matched: int = 0
    hits: int = 0

    def hit(self, method: str, path: str, operation: str, now: float) -> bool:
        """Whether this request is hit; each question counts as one call."""
        fault = self.fault
        if not (
            fault.since <= now < fault.until
            and re.search(fault.method, method)
            and re.search(fault.path, path)
            and fault.operation in ("", operation)
        ):
            return False
        self.matched += 1
        if fault.times is not None and self.hits >= fault.times:
            return False
        if fault.nth and self.matched not in fault.nth:
            return False
        if fault.share < 1.0 and self.dice.random() >= fault.share:
            return False
        self.hits += 1
        return True
