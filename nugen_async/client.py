"""The composition root: settings in, one attribute per noun out."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import aiohttp

from ._client import Client
from ._core.api import Api
from ._core.settings import Timeout, key_of
from .errors import ConfigurationError


class Nugen(Client):
    """A client of the Nugen Intelligence API, for one event loop.

    The key comes from `api_key` or ``NUGEN_API_KEY``, the base URL from `base_url`, ``NUGEN_BASE_URL``, or is
    ``https://api.nugen.in``. `timeout` bounds one sending, in seconds (a `Timeout` says more); `max_retries`
    is for requests that may be sent again, and a create is sent again only when it surely was not taken.
    `session` is used and never closed. `contract` chooses the routes: ``"documented"``, ``"plural"``, or
    ``"auto"``, which tries the documented route once and remembers. `connections` is the most requests in
    flight. `allow_http` names hosts that may be spoken to without TLS. `rng` spreads pauses; pass a seeded
    one where runs must repeat.

    Raises `ConfigurationError` before any request when the key is missing or a setting makes no sense.
    """

    _key_variable = "NUGEN_API_KEY"
    _url_variable = "NUGEN_BASE_URL"
    _default_url = "https://api.nugen.in"
    _prefix = "/api/v3"

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        timeout: float | Timeout | None = 60.0,
        max_retries: int = 3,
        session: aiohttp.ClientSession | None = None,
        contract: Literal["documented", "plural", "auto"] = "documented",
        headers: Mapping[str, str] | None = None,
        connections: int = 100,
        allow_http: Sequence[str] = (),
        trace_configs: Sequence[aiohttp.TraceConfig] = (),
        middlewares: Sequence[Any] = (),
        rng: random.Random | None = None,
    ) -> None:
        key = key_of(api_key)
        del api_key
        if contract not in {"documented", "plural", "auto"}:
            raise ConfigurationError(
                f'contract is "documented", "plural" or "auto", not {contract!r}'
            )
        super().__init__(
            key,
            base_url=base_url,
            timeout=timeout,
            max_retries=max_retries,
            session=session,
            headers=headers,
            connections=connections,
            allow_http=allow_http,
            trace_configs=trace_configs,
            middlewares=middlewares,
            contract=None if contract == "auto" else contract,
            rng=rng,
        )

    def _authorization(self, key: str) -> str:
        return f"Bearer {key}"

    def _furnish(self, api: Api) -> None:
        from .resources.agents import Agents  # noqa: PLC0415
        from .resources.alignments import Alignments  # noqa: PLC0415
        from .resources.benchmarks import Benchmarks  # noqa: PLC0415
        from .resources.documents import Documents  # noqa: PLC0415
        from .resources.evaluations import Evaluations  # noqa: PLC0415
        from .resources.inference import Inference  # noqa: PLC0415
        from .resources.models import Models  # noqa: PLC0415

        super()._furnish(api)
        pollers = self._pollers
        self.documents = Documents(api, pollers)
        self.benchmarks = Benchmarks(api, pollers)
        self.alignments = Alignments(api, pollers)
        self.models = Models(api, pollers)
        self.evaluations = Evaluations(api, pollers)
        self.inference = Inference(api, pollers)
        self.agents = Agents(api, pollers)


class SeekrFlow(Client):
    """A client of SeekrFlow's alignment jobs, for one event loop.

    The key comes from `api_key` or ``SEEKR_API_KEY`` and is sent bare, as that service wants it; the base URL
    from `base_url`, ``SEEKR_BASE_URL``, or is ``https://flow.seekr.com``; the team from `team_id` or
    ``SEEKR_TEAM_ID`` (without one it is the personal team). The rest is as for `Nugen`.
    """

    _key_variable = "SEEKR_API_KEY"
    _url_variable = "SEEKR_BASE_URL"
    _default_url = "https://flow.seekr.com"
    _prefix = "/v1/flow"

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        team_id: str | None = None,
        timeout: float | Timeout | None = 60.0,
        max_retries: int = 3,
        session: aiohttp.ClientSession | None = None,
        headers: Mapping[str, str] | None = None,
        connections: int = 100,
        allow_http: Sequence[str] = (),
        trace_configs: Sequence[aiohttp.TraceConfig] = (),
        middlewares: Sequence[Any] = (),
        rng: random.Random | None = None,
    ) -> None:
        key = key_of(api_key)
        del api_key
        team = (team_id or os.environ.get("SEEKR_TEAM_ID", "")).strip()
        super().__init__(
            key,
            base_url=base_url,
            timeout=timeout,
            max_retries=max_retries,
            session=session,
            headers={**({"x-team-id": team} if team else {}), **(headers or {})},
            connections=connections,
            allow_http=allow_http,
            trace_configs=trace_configs,
            middlewares=middlewares,
            contract="documented",
            rng=rng,
        )

    def _authorization(self, key: str) -> str:
        return key

    def _furnish(self, api: Api) -> None:
        from .resources.data_jobs import DataJobs  # noqa: PLC0415
        from .resources.ingestion import Ingestion  # noqa: PLC0415
        from .resources.seekr_files import Files  # noqa: PLC0415
        from .resources.training_pairs import TrainingPairs  # noqa: PLC0415

        super()._furnish(api)
        pollers = self._pollers
        self.alignment = TrainingPairs(api, pollers)
        self.data_jobs = DataJobs(api, pollers)
        self.ingestion = Ingestion(api, pollers)
        self.files = Files(api, pollers)
