"""The route table of both vendors, and the framework's own answers to what is not in it."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from urllib.parse import unquote

from .exchange import Answer, Route
from .nugen import agents, alignments, benchmarks, documents, evaluations, inference, models
from .seekrflow import data_jobs, files, training_pairs

ROUTES: tuple[Route, ...] = (
    *documents.ROUTES,
    *benchmarks.ROUTES,
    *alignments.ROUTES,
    *models.ROUTES,
    *evaluations.ROUTES,
    *inference.ROUTES,
    *agents.ROUTES,
    *training_pairs.ROUTES,
    *data_jobs.ROUTES,
    *files.ROUTES,
)
_DISTINCT = 3  # the segment after /api/v3 or /v1/flow: literal in every route

Params = Mapping[str, str]


def find(method: str, path: str, contracts: AbstractSet[str]) -> tuple[Route | Answer, Params]:
    """The route and the path's parameters, or a 404, 405 or redirect as FastAPI gives them."""
    if len(path) > 1 and path.endswith("/") and _match(path[:-1], contracts):
        return Answer(raw=b"", status=307, headers={"Location": path[:-1]}), {}
    matched = _match(path, contracts)
    for route, params in matched:
        if route.method == method:
            return route, params
    if matched:
        allowed = ", ".join(sorted({route.method for route, _ in matched}))
        wrong = {"detail": "Method Not Allowed"}
        return Answer(data=wrong, status=405, headers={"Allow": allowed}), {}
    return Answer(data={"detail": "Not Found"}, status=404), {}


def _match(path: str, contracts: AbstractSet[str]) -> list[tuple[Route, Params]]:
    """The routes of a path; a literal path keeps the ones with parameters from matching."""
    literal = [(route, _NO_PARAMS) for route in _LITERAL.get(path, ()) if _on(route, contracts)]
    if literal:
        return literal
    segments = path.split("/")
    return [
        (route, params)
        for route, template in _TEMPLATES.get(_key(segments), ())
        if _on(route, contracts) and (params := _bound(template, segments)) is not None
    ]


def _on(route: Route, contracts: AbstractSet[str]) -> bool:
    return route.contract == "both" or route.contract in contracts


def _key(segments: list[str]) -> tuple[int, str]:
    return len(segments), segments[_DISTINCT] if len(segments) > _DISTINCT else ""


def _bound(template: list[str], segments: list[str]) -> Params | None:
    params: dict[str, str] = {}
    for wanted, given in zip(template, segments, strict=True):
        if wanted.startswith("{"):
            if not given:
                return None
            params[wanted[1:-1]] = unquote(given)
        elif wanted != given:
            return None
    return params


_NO_PARAMS: Params = {}
_LITERAL: dict[str, list[Route]] = {}
_TEMPLATES: dict[tuple[int, str], list[tuple[Route, list[str]]]] = {}
for _route in ROUTES:
    if "{" in _route.path:
        _segments = _route.path.split("/")
        _TEMPLATES.setdefault(_key(_segments), []).append((_route, _segments))
    else:
        _LITERAL.setdefault(_route.path, []).append(_route)
