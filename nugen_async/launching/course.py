"""The course of a workflow: what is done so far, and what comes next.

Pure. `next_step` decides from the specification and the record alone, so that one process, a journal after a
crash and a fleet of workers all go on in the same way.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, Self

from attrs import asdict, evolve, field, frozen

from .spec import Stage, Workflow


class Verb(enum.StrEnum):
    """What to do for a stage."""

    LAUNCH = "launch"
    """Nothing was sent yet: write the intent, then send."""
    LOOK = "look"
    """An intent without an answer: look whether it was taken, never send blindly."""
    AWAIT = "await"
    """It is there: wait for its end."""


class Whose(enum.StrEnum):
    """By whom a model was brought into service."""

    OURS = ""
    OTHERS = "others"
    """It was found there."""
    UNSURE = "unsure"
    """It may have been this journal's, by a request of which nobody knows whether it was sent."""


@frozen(kw_only=True)
class Record:
    """What is known of one thing made or asked for: the intent, then the answer, then the end."""

    token: str = ""
    intended: str = ""
    """When it was about to be sent, or begun: UTC, ISO 8601. Written before a request of its own."""
    server_time: str = ""
    """The same by the server's clock; empty where that was not known."""
    ids: tuple[str, ...] = ()
    done: bool = False
    attempt: int = 1
    waited: float = 0.0
    """Seconds spent waiting for its end, over all runs that saw one."""
    ended: str = ""
    """When its end was seen: UTC, ISO 8601."""
    whose: Whose = Whose.OURS
    users: tuple[str, ...] = ()
    """Of a shared deployment: the workflows that need it."""

    @property
    def id(self) -> str:
        """The server's name for it; empty while there is none."""
        return self.ids[0] if self.ids else ""

    @property
    def verb(self) -> Verb:
        """What to do for a thing that is not done."""
        if self.ids:
            return Verb.AWAIT
        return Verb.LOOK if self.intended else Verb.LAUNCH

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            k: v for k, v in asdict(self, recurse=False).items() if v not in ("", (), 0.0, False)
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """The reverse of `to_json`."""
        lists = {name: tuple(told.get(name, ())) for name in ("ids", "users")}
        return cls(**{**told, **lists, "whose": Whose(told.get("whose", ""))})


class End(enum.StrEnum):
    """How a workflow stands. Only READY and FAILED are ends of it."""

    OPEN = "open"
    READY = "ready"
    FAILED = "failed"
    UNKNOWN = "unknown"


@frozen(kw_only=True)
class Failure:
    """Why a stage did not end well."""

    stage: Stage
    kind: str
    """The name of the error's class."""
    message: str
    unknown: bool = False
    """Whether it was created cannot be told."""
    spent: bool = False
    """What was made is of no use any more; another try makes a new one."""
    candidates: tuple[str, ...] = ()
    at: str = ""
    """When: UTC, ISO 8601."""

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        unset = (("at", ""), ("candidates", ()), ("spent", False), ("unknown", False))
        return {k: v for k, v in asdict(self, recurse=False).items() if (k, v) not in unset}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """The reverse of `to_json`."""
        return cls(
            **{
                **told,
                "stage": Stage(told["stage"]),
                "candidates": tuple(told.get("candidates", ())),
            }
        )


@frozen(kw_only=True)
class Scores:
    """What the evaluation measured; None where it did not."""

    base: float | None = None
    aligned: float | None = None
    uncertainty: float | None = None


_NOTHING_YET = Record()


@frozen(kw_only=True)
class Progress:
    """What of one workflow is done so far."""

    records: Mapping[Stage, Record] = field(factory=dict[Stage, Record])
    model_id: str = ""
    endpoint: str = ""
    scores: Scores | None = None
    failures: tuple[Failure, ...] = ()

    def of(self, stage: Stage) -> Record:
        """The record of *stage*; an empty one where nothing was begun."""
        return self.records.get(stage, _NOTHING_YET)

    def noted(self, stage: Stage, record: Record, **facts: Any) -> Self:
        """The same with another record for *stage*, and other facts."""
        return evolve(self, records={**self.records, stage: record}, **facts)

    def failed(self, failure: Failure) -> Self:
        """The same with one more failure."""
        return evolve(self, failures=(*self.failures, failure))

    @property
    def deployed(self) -> bool:
        """Whether this workflow uses a deployment, of its own or not, that it has not given back."""
        refused = any(f.stage is Stage.DEPLOYMENT and f.spent for f in self.failures)
        begun = bool(self.of(Stage.DEPLOYMENT).intended)
        return begun and not refused and not self.of(Stage.UNDEPLOYMENT).done

    @property
    def serving(self) -> bool:
        """Whether this workflow may have left a model deployed, which costs money."""
        if self.of(Stage.DEPLOYMENT).whose is Whose.OTHERS:
            return self.deployed and bool(self.of(Stage.UNDEPLOYMENT).intended)
        return self.deployed or self.in_doubt

    @property
    def in_doubt(self) -> bool:
        """Whether a model was left serving because nobody can tell who deployed it."""
        out = self.of(Stage.UNDEPLOYMENT)
        return self.of(Stage.DEPLOYMENT).whose is Whose.UNSURE and out.done and not out.ids

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        told: dict[str, Any] = {
            "records": {str(stage): record.to_json() for stage, record in self.records.items()}
        }
        if self.model_id:
            told["model_id"] = self.model_id
        if self.endpoint:
            told["endpoint"] = self.endpoint
        if self.scores is not None:
            told["scores"] = asdict(self.scores)
        if self.failures:
            told["failures"] = [failure.to_json() for failure in self.failures]
        return told

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """The reverse of `to_json`."""
        scores = told.get("scores")
        return cls(
            records={Stage(s): Record.from_json(r) for s, r in told.get("records", {}).items()},
            model_id=told.get("model_id", ""),
            endpoint=told.get("endpoint", ""),
            scores=None if scores is None else Scores(**scores),
            failures=tuple(map(Failure.from_json, told.get("failures", ()))),
        )


@frozen
class Step:
    """What to do next."""

    stage: Stage
    verb: Verb


@frozen
class Done:
    """Nothing is left to do."""

    end: End


def next_step(spec: Workflow, progress: Progress) -> Step | Done:
    """What comes next. After a failure only the undeployment still does."""
    broken = {failure.stage for failure in progress.failures}
    for stage in spec.stages:
        record = progress.of(stage)
        if record.done or stage in broken:
            continue
        if broken and not (stage is Stage.UNDEPLOYMENT and _to_undeploy(spec, progress)):
            continue
        verb = record.verb
        if verb is Verb.LOOK and stage not in _CREATES:
            verb = Verb.LAUNCH
        return Step(stage, verb)
    if not progress.failures:
        return Done(End.READY)
    return Done(End.UNKNOWN if any(f.unknown for f in progress.failures) else End.FAILED)


_CREATES = frozenset({Stage.ALIGNMENT, Stage.EVALUATION})
"""Stages of a workflow's own whose second sending would make a second thing."""


def _to_undeploy(spec: Workflow, progress: Progress) -> bool:
    if spec.deploy:
        return progress.deployed
    return bool(progress.model_id or spec.model_id)


def retried(progress: Progress) -> Progress:
    """*progress* made ready for another try: failures forgotten, what was spent is made anew.

    What is there is kept, and what may be there is looked for again.
    """
    records = dict(progress.records)
    for failure in progress.failures:
        if failure.spent:
            attempt = records.get(failure.stage, _NOTHING_YET).attempt
            records[failure.stage] = Record(attempt=attempt + 1)
    evaluated = records.get(Stage.EVALUATION, _NOTHING_YET).done
    if progress.failures and not evaluated and Stage.UNDEPLOYMENT in records:
        del records[Stage.UNDEPLOYMENT]
        records.pop(Stage.DEPLOYMENT, None)
    return evolve(progress, records=records, failures=())
