"""Agents: a model with instructions, under a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from attrs import field, frozen

from .._core.codec import seen_as
from .._core.page import Page
from .._core.wire import Effect, Route, Routes
from . import _checks
from ._lists import Listing
from ._nouns import Collection
from ._records import Resource

_BASE = "/api/v3/agents"


@frozen(kw_only=True)
class AgentMetrics:
    """How an agent did so far; None where it was not measured."""

    average_uncertainty: float | None = None
    human_interventions: int | None = None
    average_response_time: float | None = None
    """Seconds."""
    user_satisfaction_score: float | None = None
    raw: Mapping[str, Any] = field(factory=dict[str, Any], eq=False, repr=False)


@frozen(kw_only=True)
class Agent(Resource):
    """One agent."""

    rows: ClassVar = ("agents",)
    wrapped: ClassVar = True

    id: str = field(metadata=seen_as("agent_id"))
    name: str = field(default="", metadata=seen_as("agent_name"))
    description: str = field(default="", metadata=seen_as("agent_description"))
    base_model: str = field(default="", metadata=seen_as("model", "base_model_id"))
    base_model_name: str | None = None
    created_date: datetime | None = field(default=None, metadata=seen_as("created_at"))
    status: str = ""
    """``ACTIVE`` or ``INACTIVE``, in any case."""
    creator: str | None = None
    endpoint: str = ""
    usage_count: int = 0
    performance_metrics: AgentMetrics | None = None
    system_prompt: str | None = field(default=None, metadata=seen_as("instructions"))
    temperature: float | None = field(default=None, metadata=seen_as("uncertainty_threshold"))
    uncertainty_threshold: float | None = None
    max_tokens: int | None = field(default=None, metadata=seen_as("max_token"))
    demonstrations: tuple[Mapping[str, Any], ...] = ()
    last_used: datetime | None = None
    conversation_saving_enabled: bool = False

    @property
    def active(self) -> bool:
        """Whether it answers."""
        return self.status.strip().lower() == "active"


@frozen(kw_only=True)
class AgentTokens:
    """Tokens that one answer took."""

    input_tokens: int | None = field(default=None, metadata=seen_as("prompt_tokens"))
    output_tokens: int | None = field(default=None, metadata=seen_as("completion_tokens"))
    total_tokens: int | None = None


@frozen(kw_only=True)
class AgentAnswer(Resource):
    """What an agent answered."""

    wrapped: ClassVar = True

    response: str
    agent_id: str = ""
    model: str = ""
    usage: AgentTokens | None = None


@frozen(kw_only=True)
class AgentUsage(Resource):
    """Counters over all agents, under the server's names."""

    counters: Mapping[str, Any] = field(metadata=seen_as(wire="data"))


@frozen(eq=False)
class Agents(Collection):
    """``client.agents``."""

    noun: ClassVar = "agents"
    routes: ClassVar[Mapping[str, Routes]] = {
        "create": Routes(Route("POST", f"{_BASE}/create")),
        "list": Routes(Route("GET", _BASE)),
        "get": Routes(Route("GET", f"{_BASE}/{{id}}")),
        "update": Routes(Route("PATCH", f"{_BASE}/{{id}}")),
        "run": Routes(Route("POST", f"{_BASE}/run-agents/{{name}}/run")),
        "usage": Routes(Route("GET", f"{_BASE}/usage")),
    }

    async def create(
        self,
        *,
        agent_name: str,
        agent_description: str,
        model: str,
        max_tokens: int | None = None,
        temperature: float | None = None,
        instructions: str | None = None,
        demonstrations: Sequence[Mapping[str, Any]] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> Agent:
        """Make an agent (create-agent). The server's defaults: `max_tokens` 1000, `temperature` 0.7.

        `extra` holds further fields of the body, as they are: the pages of two generations call the number
        of tokens ``max_token``.

        Raises `InvalidRequestError` before sending; `BadRequestError` for a model that is not available.
        """
        fields = {
            "agent_name": _checks.text("agent_name", agent_name),
            "agent_description": _checks.text("agent_description", agent_description),
            "model": _checks.text("model", model),
            **_settings(max_tokens, temperature, instructions, demonstrations),
        }
        body = _checks.merged(fields, extra or {})
        return await self._send(self._call("create", Agent, json=body, effect=Effect.CREATE))

    def list(self, *, include_inactive: bool | None = None) -> Listing[Agent]:
        """List the agents (list-agents)."""
        query = {"include_inactive": include_inactive}
        call = self._call("list", Page[Agent], query=query)
        return Listing(lambda _offset, _limit: self._send(call))

    async def get(self, agent_id: str) -> Agent:
        """Fetch one agent (get-agent)."""
        return await self._send(self._asking("get", Agent, agent_id))

    async def update(
        self,
        agent_id: str,
        *,
        agent_name: str | None = None,
        agent_description: str | None = None,
        model: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        instructions: str | None = None,
        demonstrations: Sequence[Mapping[str, Any]] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> Agent:
        """Change what is given and leave the rest (update-agent); `extra` as in `create`."""
        fields = {
            "agent_name": _checks.optional_text("agent_name", agent_name),
            "agent_description": _checks.maybe_text("agent_description", agent_description),
            "model": _checks.optional_text("model", model),
            **_settings(max_tokens, temperature, instructions, demonstrations),
        }
        body = _checks.merged(fields, extra or {})
        return await self._send(
            self._call("update", Agent, ids={"id": agent_id}, json=body, effect=Effect.SETTLE)
        )

    async def run(
        self, agent_name: str, message: str, *, session_id: str | None = None
    ) -> AgentAnswer:
        """Have an agent answer a message; `session_id` is sent as ``X-Session-ID`` (run-agent).

        Raises `PaymentRequiredError` without quota, `NotFoundError`.
        """
        call = self._call(
            "run",
            AgentAnswer,
            ids={"name": _checks.text("agent_name", agent_name)},
            json={"message": _checks.text("message", message)},
            headers={"X-Session-ID": session_id} if session_id else None,
            effect=Effect.ONCE,
        )
        return await self._send(call)

    async def usage(self) -> AgentUsage:
        """Fetch the counters over all agents (agents-usage, first generation)."""
        return await self._send(self._call("usage", AgentUsage))


def _settings(
    max_tokens: int | None,
    temperature: float | None,
    instructions: str | None,
    demonstrations: Sequence[Mapping[str, Any]] | None,
) -> dict[str, Any]:
    return {
        "max_tokens": _checks.whole("max_tokens", max_tokens),
        "temperature": _checks.number("temperature", temperature, 0, 2),
        "instructions": instructions,
        "demonstrations": None if demonstrations is None else [dict(d) for d in demonstrations],
    }
