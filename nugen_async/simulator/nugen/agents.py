"""Agents: a model with instructions, called by name or by id."""

from __future__ import annotations

from typing import Any

from ..book import Book
from ..checks import Field, array, checked, mapping, number, required, text
from ..exchange import Answer, Ask, Refused, Route
from ..forms import cased, stamp
from ..records import Agent

_MOST_TOKENS = 10**6
_COMMON = (
    Field("max_tokens", number(1, _MOST_TOKENS, whole=True)),
    Field("max_token", number(1, _MOST_TOKENS, whole=True)),
    Field("temperature", number(0, 2)),
    Field("instructions", text),
    Field("demonstrations", array(mapping)),
)


def create(book: Book, ask: Ask) -> Answer:
    """Make an agent of a base model or of a deployed one."""
    body = checked(
        ask,
        required("agent_name", text),
        required("agent_description", text),
        required("model", text),
        *_COMMON,
    )
    _check_model(book, ask, body["model"])
    tokens = body.get("max_tokens") or body.get("max_token") or 1000
    made = book.new_id("agent", ask.now)
    agent = Agent(
        id=made,
        name=body["agent_name"],
        description=body["agent_description"],
        model=body["model"],
        created=ask.now,
        max_tokens=int(float(tokens)),
        temperature=float(body.get("temperature") or 0.7),
        instructions=body.get("instructions"),
    )
    book.agents[made] = agent
    return Answer(data={"data": _row(book, ask, agent)}, created=made)


def _check_model(book: Book, ask: Ask, id: str) -> None:
    model = book.models.get(id)
    if not book.known_model(id, ask.now) or (
        model is not None and model.serving(ask.now) != "deployed"
    ):
        raise Refused(400, f"Model is not available: {id}")


def agents(book: Book, ask: Ask) -> Answer:
    """Every agent; none here ever becomes inactive."""
    rows = [_row(book, ask, each) for each in book.agents.values() if each.created <= ask.seen]
    return Answer(data={"agents": rows})


def get(book: Book, ask: Ask) -> Answer:
    """One agent."""
    return Answer(data={"data": _row(book, ask, _find(book, ask.id))})


def update(book: Book, ask: Ask) -> Answer:
    """Change what is given and leave the rest."""
    agent = _find(book, ask.id)
    body = checked(
        ask,
        Field("agent_name", text),
        Field("agent_description", text),
        Field("model", text),
        *_COMMON,
    )
    if body.get("model") is not None:
        _check_model(book, ask, body["model"])
        agent.model = body["model"]
    agent.name = body.get("agent_name") or agent.name
    agent.description = body.get("agent_description") or agent.description
    agent.instructions = body.get("instructions") or agent.instructions
    agent.temperature = float(body.get("temperature") or agent.temperature)
    tokens = body.get("max_tokens") or body.get("max_token") or agent.max_tokens
    agent.max_tokens = int(float(tokens))
    return Answer(data={"data": _row(book, ask, agent)})


def run(book: Book, ask: Ask) -> Answer:
    """Let an agent answer a message."""
    body = checked(ask, required("message", text))
    agent = _find(book, ask.id)
    agent.uses += 1
    agent.last_used = ask.now
    reply = f"{agent.name} has read {len(body['message'])} characters."
    counts = (len(body["message"]) // 4 + 1, len(reply) // 4 + 1)
    usage = {"input_tokens": counts[0], "output_tokens": counts[1], "total_tokens": sum(counts)}
    told = {"agent_id": agent.id, "model": agent.model, "response": reply, "usage": usage}
    return Answer(data=cased(ask.generation, told))


def usage(book: Book, ask: Ask) -> Answer:  # noqa: ARG001
    """Counters over all agents, in camel case as the page shows them."""
    used = sum(agent.uses for agent in book.agents.values())
    return Answer(data={"data": {"totalAgents": len(book.agents), "totalRequests": used}})


def _row(book: Book, ask: Ask, agent: Agent) -> dict[str, Any]:
    base = book.base_model(agent.model)
    third = ask.generation in ("G3", "G4")
    told: dict[str, Any] = {
        "id": agent.id,
        "name": agent.name,
        "description": agent.description,
        "base_model": agent.model,
        "base_model_name": base.name if base is not None else agent.model,
        "created_date": stamp(ask.generation, book.epoch, agent.created),
        "status": "ACTIVE" if third else "active",
        "creator": book.creator,
        "endpoint": f"https://api.nugen.in/api/v3/agents/run-agents/{agent.name}/run",
        "usage_count": agent.uses,
        "performance_metrics": {"average_uncertainty": 0.15, "average_response_time": 1.2},
        "system_prompt": agent.instructions,
        "max_tokens" if third else "max_token": agent.max_tokens,
        "temperature" if third else "uncertainty_threshold": agent.temperature,
        "last_used": (
            None if agent.last_used is None else stamp(ask.generation, book.epoch, agent.last_used)
        ),
        "conversation_saving_enabled": False,
    }
    row: dict[str, Any] = cased(ask.generation, told)
    return row


def _find(book: Book, name_or_id: str) -> Agent:
    agent = book.agents.get(name_or_id)
    if agent is None:
        agent = next((each for each in book.agents.values() if each.name == name_or_id), None)
    if agent is None:
        raise Refused(404, f"Agent not found: {name_or_id}")
    return agent


_BASE = "/api/v3/agents"
ROUTES = (
    Route("POST", f"{_BASE}/create", "create_agent", create),
    Route("GET", _BASE, "list_agents", agents),
    Route("GET", f"{_BASE}/usage", "agent_usage", usage),
    Route("GET", f"{_BASE}/{{id}}", "get_agent", get),
    Route("PATCH", f"{_BASE}/{{id}}", "update_agent", update),
    Route("POST", f"{_BASE}/run-agents/{{id}}/run", "run_agent", run),
    Route("POST", f"{_BASE}/{{id}}/run", "run_agent", run, "documented"),
)
