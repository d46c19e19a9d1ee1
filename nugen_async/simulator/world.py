"""The pretend server, pure: a request and a time go in, a response comes out.

Nugen answers below ``/api/v3`` (and ``/inference``, the oldest paths), SeekrFlow below
``/v1/flow``. Nothing here sleeps, reads a clock or opens a socket: jobs move because *now* does.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from email.utils import format_datetime
from random import Random
from types import MappingProxyType
from typing import Any

from attrs import define, evolve, field

from .book import Book
from .exchange import Answer, Ask, Refused, Route, SimRequest, SimResponse, as_json
from .faults import Fault, Moment, Rule
from .limits import RateLimit
from .log import Entry, Log
from .routing import find

_NO_QUERY: Mapping[str, str] = MappingProxyType({})
_JSON = {"Content-Type": "application/json"}
_WORTH_COMPRESSING = 1024
_BEARER = "bearer "


@define(kw_only=True, eq=False)
class World(Book):
    """A server of one's own. Settings are those of `Book`; *faults* and *rate_limit* hurt it.

    The same seed and the same requests at the same times give the same answers.
    """

    faults: list[Fault] = field(factory=list[Fault], alias="faults")
    rate_limit: RateLimit | None = None
    gzip_level: int = 1
    log: Log = field(factory=Log, repr=False)
    _rules: list[Rule] = field(factory=list[Rule], init=False, repr=False)
    _injected: int = field(default=0, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        for fault in self.faults:
            self.inject(fault)

    def inject(self, fault: Fault) -> Rule:
        """Put a fault in force; the rule counts what it matched and hit."""
        self._injected += 1
        rule = Rule(fault, Random(f"{self.seed}/fault/{self._injected}"))
        self._rules.append(rule)
        return rule

    def retract(self, rule: Rule | None = None) -> None:
        """Take one fault back, or all of them."""
        if rule is None:
            self._rules = []
        else:
            self._rules = [each for each in self._rules if each is not rule]

    @contextmanager
    def broken(self, fault: Fault) -> Generator[Rule]:
        """A fault for the length of a block."""
        rule = self.inject(fault)
        try:
            yield rule
        finally:
            self.retract(rule)

    def handle(self, request: SimRequest, now: float) -> SimResponse:
        """Answer one request at a moment, in seconds since the world began."""
        target, params = find(request.method, request.path, self.contracts)
        route = target if isinstance(target, Route) else None
        operation = route.operation if route is not None else ""
        hits = [
            rule.fault
            for rule in self._rules
            if rule.hit(request.method, request.path, operation, now)
        ]
        ask = self._ask(request, now, route, params, hits)
        moment = Moment(now=now, wall=self.at(now), born=self._born(params))
        response, created, struck = self._decided(ask, target, hits, moment)
        self.log.add(
            Entry(
                at=now,
                method=request.method,
                path=request.path,
                query=dict(request.query) if request.query else _NO_QUERY,
                body=request.form.summary() if request.form is not None else ask.body,
                operation=operation,
                status=response.status,
                created=created,
                bytes_out=_size(response),
                connection=request.connection,
                fault=struck,
            )
        )
        return response

    def _decided(
        self, ask: Ask, target: Route | Answer, hits: list[Fault], moment: Moment
    ) -> tuple[SimResponse, str | None, str]:
        """The response, the id of what was made, and what was done to the request on purpose."""
        if self.rate_limit is not None:
            refused = self.rate_limit.refuse(ask.now, moment.wall)
            if refused is not None:
                return self._dated(refused, ask.now), None, "rate limit"
        for fault in hits:
            instead = fault.effect.instead(moment)
            if instead is not None:
                return self._dated(instead, ask.now), None, fault.title
        answer = self._answered(ask, target) if isinstance(target, Route) else target
        created, struck = answer.created, list[str]()
        for fault in hits:
            bent = fault.effect.bend(answer, moment)
            if bent is not answer or fault.effect.lag:
                struck.append(fault.title)
            answer = bent
        response = self._dated(self._encoded(ask.request, answer), ask.now)
        for fault in hits:
            delivered = fault.effect.deliver(response, moment)
            if delivered is not response:
                struck.append(fault.title)
            response = delivered
        return response, created, "+".join(struck)

    def _answered(self, ask: Ask, route: Route) -> Answer:
        try:
            self._authorize(ask, route)
            return route.handler(self, ask)
        except Refused as refusal:
            return refusal.answer

    def _ask(
        self,
        request: SimRequest,
        now: float,
        route: Route | None,
        params: Mapping[str, str],
        hits: list[Fault],
    ) -> Ask:
        contract = "both" if route is None else route.contract
        plural = contract == "plural" or (contract == "both" and self.contracts == {"plural"})
        body, broken = _parsed(request)
        return Ask(
            request=request,
            now=now,
            seen=now - max((fault.effect.lag for fault in hits), default=0.0),
            generation=self.generation or ("G4" if plural else "G3"),
            plural=plural,
            params=params,
            body=body,
            broken=broken,
        )

    def _authorize(self, ask: Ask, route: Route) -> None:
        given = ask.request.headers.get("authorization", "").strip()
        bearer = given.casefold().startswith(_BEARER)
        key = given[len(_BEARER) :].strip() if bearer else given
        known = bool(key) and (self.keys is None or key in self.keys)
        if known and bearer == (route.vendor == "nugen"):
            return
        if not given and self.missing_key_status == 422:  # noqa: PLR2004 - the documented form
            place = {"loc": ["header", "Authorization"], "msg": "field required"}
            raise Refused(422, [place | {"type": "value_error.missing"}])
        detail = "Invalid API key" if given else "Not authenticated"
        raise Refused(401, detail, {"WWW-Authenticate": "Bearer"})

    def _born(self, params: Mapping[str, str]) -> float | None:
        named = params.get("id")
        return None if named is None else self.born.get(self.tasks.get(named, named))

    def _encoded(self, request: SimRequest, answer: Answer) -> SimResponse:
        if answer.events is not None:
            chunks = tuple(
                b"data: %b\n\n" % (each.encode() if isinstance(each, str) else as_json(each))
                for each in answer.events
            )
            headers = {"Content-Type": "text/event-stream", **answer.headers}
            return SimResponse(
                status=answer.status, headers=headers, chunks=chunks, pause=self.chat_pause
            )
        if answer.status == 204:  # noqa: PLR2004 - no content, so no type either
            return SimResponse(status=204, headers=answer.headers)
        raw = answer.raw
        body = as_json(answer.data) if raw is None else raw
        response = SimResponse(status=answer.status, headers={**_JSON, **answer.headers}, body=body)
        if len(body) < _WORTH_COMPRESSING or "gzip" not in request.headers.get(
            "accept-encoding", ""
        ):
            return response
        headers = {**response.headers, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
        small = gzip.compress(body, compresslevel=self.gzip_level, mtime=0)
        return evolve(response, headers=headers, body=small)

    def _dated(self, response: SimResponse, now: float) -> SimResponse:
        date = format_datetime(self.at(now).replace(microsecond=0), usegmt=True)
        number = f"req-{self.log.total + 1:07d}"
        stamped = {**response.headers, "Date": date, "X-Request-ID": number, "CF-Ray": number}
        return evolve(response, headers=stamped)


def _parsed(request: SimRequest) -> tuple[Any, str | None]:
    """The JSON body, or why there is none."""
    if not request.content:
        return None, None
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip()
    if kind != "application/json" and not kind.endswith("+json"):
        return None, None
    try:
        return json.loads(request.content, parse_constant=_no_constant), None
    except (ValueError, RecursionError):
        return None, "JSON decode error"


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _size(response: SimResponse) -> int:
    if response.status is None:
        return 0
    if response.chunks is not None:
        return sum(map(len, response.chunks))
    return len(response.body) if response.cut_at is None else response.cut_at
