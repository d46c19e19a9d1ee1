"""Models: the ones to start from, the aligned ones, and putting them into service."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from attrs import field, frozen

from .._core.codec import seen_as
from .._core.page import Page
from .._core.schedule import Phase
from .._core.tolerance import ErrorText
from .._core.wire import Call, Effect, Route, Routes
from ..errors import BadRequestError, NotFoundError, NugenError
from . import _checks
from ._lifecycle import Lifecycle
from ._lists import Listing
from ._metrics import BeforeAndAfter
from ._nouns import Collection, JobCollection
from ._records import Job, Resource

_BASE = "/api/v3/models"
_DEPLOYMENT = f"{_BASE}/{{id}}/deployment"


@frozen(kw_only=True)
class ModelMetrics(BeforeAndAfter):
    """What is known of a model's quality; None where it was not measured."""

    accuracy: float | None = None
    """Share of right answers, 0 to 1."""
    uncertainty: float | None = None
    """0 to 1; lower is surer."""
    domain_violations: int | None = None
    average_response_time: float | None = None
    """Seconds."""


@frozen(kw_only=True)
class BaseModel(Resource):
    """A model to start from."""

    rows: ClassVar = ("models", "base_models")

    id: str = field(metadata=seen_as("model_id"))
    name: str = field(default="", metadata=seen_as("model_name"))
    type: str | None = field(default=None, metadata=seen_as("model_type"))
    parameters: str | None = None
    """Its size, in the server's words."""
    alignment_ready: bool | None = None
    """It may be aligned."""
    available_on_request: bool | None = None
    access_request_status: str | None = None


@frozen(kw_only=True)
class AlignedModel(Resource):
    """A model that an alignment made, with its deployment state."""

    rows: ClassVar = ("domain_aligned_models", "models", "aligned_models")

    id: str = field(metadata=seen_as("model_id"))
    name: str = field(default="", metadata=seen_as("model_name"))
    base_model: str = field(default="", metadata=seen_as("base_model_id"))
    alignment_project: str = field(default="", metadata=seen_as("alignment_name"))
    alignment_id: str | None = None
    created_date: datetime | None = field(default=None, metadata=seen_as("created_at"))
    status: str = field(default="", metadata=seen_as("deployment_status"))
    deployment_status: str | None = None
    endpoint: str = ""
    """Where it answers; empty when it is not deployed."""
    creator: str = ""
    usage_count: int = 0
    last_used: datetime | None = None
    performance_metrics: ModelMetrics = field(factory=ModelMetrics)
    downloadable: bool = False
    evaluation_data: Mapping[str, Any] | None = None
    conversation_saving_enabled: bool = False

    @property
    def serving(self) -> bool:
        """Whether it can be called now. ``READY`` only says that it is trained and could be deployed."""
        return (self.deployment_status or self.status).strip().upper() == "DEPLOYED"


@frozen(kw_only=True)
class _Service(Job):
    """A model on its way into or out of service; its id is the model's."""

    bare: ClassVar = "id"
    fleeting: ClassVar = frozenset(
        {"status", "result", "error", "message", "endpoint_url", "deployment_id", "end_time"}
    )

    id: str = field(metadata=seen_as("id", wire="model_id"))
    status: str = field(default="", metadata=seen_as("deployment_status"))
    result: Mapping[str, Any] | None = None
    deployment_id: str | None = field(default=None, metadata=seen_as("result.deployment_id"))
    endpoint_url: str | None = field(
        default=None, metadata=seen_as("result.endpoint_url", "endpoint", "result.endpoint")
    )
    error: ErrorText | None = field(default=None, metadata=seen_as("result.error"))
    message: str | None = field(default=None, metadata=seen_as("result.message"))
    start_time: datetime | None = field(default=None, metadata=seen_as("started_at"))
    end_time: datetime | None = field(default=None, metadata=seen_as("completed_at"))

    @property
    def model_id(self) -> str:
        """The model that it is about; the same as `id`."""
        return self.id

    @property
    def reason(self) -> str:
        """Why it failed."""
        return self.error or ""

    @property
    def created(self) -> datetime | None:
        """When it was started."""
        return self.start_time

    @property
    def _word(self) -> str:
        return self.status.strip().lower()


S = TypeVar("S", bound=_Service)
T = TypeVar("T", bound=_Service)

_RUNNING = frozenset({"queued", "pending", "processing", "running", "in_progress"})
_ON_THE_WAY = {
    "deployments": _RUNNING | {"deploying"},
    "undeployments": _RUNNING | {"undeploying"},
}
"""Words of a job that will bring the model there, and is not about the other direction."""


@frozen(kw_only=True)
class Deployment(_Service):
    """A model on its way into service; ready means *serving*.

    ``READY`` alone is not: a deployment that failed may be reverted to it. It counts only together with
    an end time or an endpoint, and never together with an error.
    """

    lifecycle: ClassVar = Lifecycle(
        ready=frozenset({"completed", "deployed"}),
        moving=frozenset(
            {"queued", "pending", "processing", "running", "in_progress", "deploying"}
            | {"ready", "evaluating", "evaluated", "undeploying", "undeployed"}  # not serving (yet)
        ),
    )

    @property
    def phase(self) -> Phase:
        """What the status means, with the endpoint and the error beside it."""
        if self._word in {"ready", "undeployed", "completed", "deployed"} and self.error:
            return Phase.FAILED
        if self._word == "ready" and (self.end_time is not None or self.endpoint_url):
            return Phase.READY
        return self.lifecycle.phase(self.status)


@frozen(kw_only=True)
class Undeployment(_Service):
    """A model on its way out of service."""

    lifecycle: ClassVar = Lifecycle(
        ready=frozenset({"completed", "undeployed"}),
        moving=frozenset(
            {"queued", "pending", "processing", "running", "in_progress", "undeploying"}
            | {"ready", "evaluating", "evaluated", "deploying", "deployed"}  # not out yet
        ),
    )

    @property
    def phase(self) -> Phase:
        """What the status means, with the end time and the error beside it."""
        if self._word == "ready" and self.end_time is not None and not self.error:
            return Phase.READY
        if self._word in {"deployed", "completed"} and self.error:
            return Phase.FAILED
        return self.lifecycle.phase(self.status)


@frozen(eq=False)
class Deployments(JobCollection[Deployment]):
    """``client.models.deployments``: what `Models.deploy` started.

    They are looked at one by one: the list of models cannot tell a failed deployment from one that has
    not begun.
    """

    noun: ClassVar = "deployments"
    record: ClassVar = Deployment
    routes: ClassVar[Mapping[str, Routes]] = {
        "start": Routes(Route("POST", f"{_BASE}/deploy-model/{{id}}"), Route("POST", _DEPLOYMENT)),
        "status": Routes(
            Route("GET", f"{_BASE}/deploy-model/{{id}}/status"),
            Route("GET", f"{_DEPLOYMENT}/status"),
        ),
    }

    async def start(
        self, model_id: str, *, early: bool = False, provider: str | None = None
    ) -> Deployment:
        """As `Models.deploy`."""
        call = self._call(
            "start",
            Deployment,
            ids={"id": _checks.text("model_id", model_id)},
            query={"early": True} if early else None,
            headers={"X-Provider": provider} if provider else None,
            effect=Effect.SETTLE,
        )
        try:
            return await self._send(call)
        except BadRequestError as refusal:
            undeployments = Undeployments(self._api, self._pollers)
            return await _already(self, undeployments, model_id, refusal)

    async def get_status(self, model_id: str) -> Deployment:
        """Fetch how the deployment of a model stands (get-deployment-status)."""
        return await self._send(self._look(model_id))

    def _look(self, job_id: str) -> Call[Deployment]:
        return self._asking("status", Deployment, job_id)


@frozen(eq=False)
class Undeployments(JobCollection[Undeployment]):
    """``client.models.undeployments``: what `Models.undeploy` started."""

    noun: ClassVar = "undeployments"
    record: ClassVar = Undeployment
    routes: ClassVar[Mapping[str, Routes]] = {
        "start": Routes(
            Route("DELETE", f"{_BASE}/undeploy-model/{{id}}"), Route("DELETE", _DEPLOYMENT)
        ),
        "status": Routes(
            Route("GET", f"{_BASE}/undeploy-model/{{id}}/status"),
            Route("GET", f"{_DEPLOYMENT}/status"),
        ),
    }

    async def start(self, model_id: str) -> Undeployment:
        """As `Models.undeploy`."""
        ids = {"id": _checks.text("model_id", model_id)}
        call = self._call("start", Undeployment, ids=ids, effect=Effect.SETTLE)
        try:
            return await self._send(call)
        except BadRequestError as refusal:
            deployments = Deployments(self._api, self._pollers)
            return await _already(self, deployments, model_id, refusal)

    async def get_status(self, model_id: str) -> Undeployment:
        """Fetch how the undeployment of a model stands (get-undeploy-status)."""
        return await self._send(self._look(model_id))

    def _look(self, job_id: str) -> Call[Undeployment]:
        return self._asking("status", Undeployment, job_id)


async def _already(
    home: JobCollection[S], other: JobCollection[T], model_id: str, refusal: BadRequestError
) -> S:
    """The job that made the server refuse a second one; raises the refusal if it was for another reason."""
    try:
        mine = await _standing(home, other, model_id)
    except NugenError:
        raise refusal from None
    if mine is None:
        raise refusal
    return mine


async def _standing(home: JobCollection[S], other: JobCollection[T], model_id: str) -> S | None:
    """The job that brought the model where it is, or is bringing it there; None where there is none."""
    try:
        mine = await home._send(home._look(model_id))  # noqa: SLF001 # shared by both collections
    except (BadRequestError, NotFoundError):
        return None
    if mine.phase is Phase.RUNNING and mine.status.strip().lower() in _ON_THE_WAY[home.noun]:
        return mine
    if mine.phase is Phase.READY and not await _superseded(mine, home, other):
        return mine
    return None


async def _superseded(mine: S, home: JobCollection[S], other: JobCollection[T]) -> bool:
    """Whether the model has gone the *other* way since *mine* ended, or is going it now.

    In the documented contract each direction has a status of its own, which keeps telling of its last job; in
    the plural one both have the same, which tells what is.
    """
    call = other._look(mine.id)  # noqa: SLF001 # as above
    if call.path == home._look(mine.id).path:  # noqa: SLF001 # as above
        return False
    try:
        theirs = await other._send(call)  # noqa: SLF001 # as above
    except NotFoundError:
        return False
    if theirs.phase is not Phase.READY:
        return theirs.phase is not Phase.FAILED
    return mine.created is None or theirs.created is None or theirs.created > mine.created


@frozen(eq=False)
class Models(Collection):
    """``client.models``."""

    noun: ClassVar = "models"
    routes: ClassVar[Mapping[str, Routes]] = {
        "base": Routes(Route("GET", f"{_BASE}/base"), only={"limit": "plural"}),
        "aligned": Routes(Route("GET", f"{_BASE}/aligned"), only={"limit": "plural"}),
        "get": Routes(Route("GET", f"{_BASE}/{{id}}")),
    }

    @property
    def deployments(self) -> Deployments:
        """The jobs that bring models into service."""
        return Deployments(self._api, self._pollers)

    @property
    def undeployments(self) -> Undeployments:
        """The jobs that take models out of service."""
        return Undeployments(self._api, self._pollers)

    def inner(self) -> tuple[Collection, ...]:
        """Deployments and undeployments are waited for in their own right."""
        return self.deployments, self.undeployments

    def list_base(self, *, limit: int | None = None) -> Listing[BaseModel]:
        """List the models to start from (third-party), at most *limit* in the plural contract."""
        query = {"limit": _checks.whole("limit", limit)}
        call = self._call("base", Page[BaseModel], query=query)
        return Listing(lambda _offset, _limit: self._send(call))

    def list_aligned(self, *, limit: int | None = None) -> Listing[AlignedModel]:
        """List the account's aligned models, deployed or not (list-aligned-models).

        The API's 404 for "none" is an empty page here. *limit* is for the plural contract.
        """
        query = {"limit": _checks.whole("limit", limit)}
        call = self._call("aligned", Page[AlignedModel], query=query, empty_on_404=True)
        return Listing(lambda _offset, _limit: self._send(call))

    async def get(self, model_id: str) -> AlignedModel:
        """Fetch one aligned model (third-party; the documented contract has only the list)."""
        return await self._send(self._asking("get", AlignedModel, model_id))

    async def deploy(
        self, model_id: str, *, early: bool = False, provider: str | None = None
    ) -> Deployment:
        """Start to bring a model into service; it costs money until `undeploy`.

        A model that is deployed already, or being deployed, is a success. `early` deploys a checkpoint
        while the model trains (plural contract). `provider` is sent as ``X-Provider``
        (redeploy-aligned-model; its path is third-party).

        Raises `ConflictError` while the model trains, `NotFoundError`.
        """
        return await self.deployments.start(model_id, early=early, provider=provider)

    async def get_deployment(self, model_id: str) -> Deployment:
        """Fetch how the deployment of a model stands (get-deployment-status)."""
        return await self.deployments.get_status(model_id)

    async def undeploy(self, model_id: str) -> Undeployment:
        """Start to take a model out of service; one that is out already is a success (undeploy-model)."""
        return await self.undeployments.start(model_id)

    async def get_undeployment(self, model_id: str) -> Undeployment:
        """Fetch how the undeployment of a model stands (get-undeploy-status)."""
        return await self.undeployments.get_status(model_id)


async def deployment_now(models: Models, model_id: str) -> Deployment | None:
    """The deployment by which a model serves or is about to; None where it does not."""
    return await _standing(models.deployments, models.undeployments, model_id)


async def undeployment_now(models: Models, model_id: str) -> Undeployment | None:
    """The undeployment by which a model went out of service or is about to; None where it did not."""
    return await _standing(models.undeployments, models.deployments, model_id)
