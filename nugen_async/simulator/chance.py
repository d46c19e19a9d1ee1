"""The dice: how long jobs take, how they show progress, what models are worth. All by seed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from random import Random
from typing import Literal

from attrs import frozen

Kind = Literal[
    "alignment",
    "evaluation",
    "benchmark",
    "document",
    "deployment",
    "undeployment",
    "training_pairs",
    "ingestion",
]
Progress = Literal["linear", "square", "root", "zero", "absent"]
Estimates = Literal["right", "rough", "long", "short", "absent", "mixed"]

_MIXED: tuple[Estimates, ...] = ("right", "rough", "long", "short", "absent")
_MINUTE = 60.0
_REMEMBERED = 2**16
_BETTER = 0.95  # the share of alignments that are worth their money


@frozen
class Span:
    """How long something takes, in seconds: lognormal, or exactly the median when sigma is 0."""

    median: float
    sigma: float = 0.0

    def draw(self, dice: Random) -> float:
        """One duration."""
        return self.median * math.exp(self.sigma * dice.gauss(0.0, 1.0))


@frozen(kw_only=True)
class Times:
    """The durations of every kind of job, and of the queue before an alignment."""

    alignment: Span = Span(45 * _MINUTE, 0.8)
    queue: Span = Span(20.0, 0.8)
    evaluation: Span = Span(12 * _MINUTE, 0.5)
    benchmark: Span = Span(2.5 * _MINUTE, 0.4)
    document: Span = Span(20.0, 0.6)
    deployment: Span = Span(5 * _MINUTE, 0.4)
    undeployment: Span = Span(2 * _MINUTE, 0.3)
    training_pairs: Span = Span(30 * _MINUTE, 0.6)
    ingestion: Span = Span(_MINUTE, 0.5)

    def of(self, kind: Kind) -> Span:
        """The span of one kind of job."""
        span: Span = getattr(self, kind)
        return span


def estimate_factor(mode: Estimates, dice: Random) -> float | None:
    """By how much an estimated duration is off; None when no estimate is given."""
    if mode == "mixed":
        mode = dice.choice(_MIXED)
    factors: Mapping[Estimates, float | None] = {
        "right": 1.0,
        "rough": dice.uniform(0.8, 1.2),
        "long": 3.0,
        "short": 1 / 3,
        "absent": None,
    }
    return factors[mode]


def shown_progress(shape: Progress, fraction: float) -> int | None:
    """The percent a server shows when *fraction* of the time has passed."""
    if shape == "absent":
        return None
    bent = {"linear": fraction, "square": fraction**2, "root": math.sqrt(fraction), "zero": 0.0}
    return int(100 * bent[shape] + 1e-9)


@frozen
class Skill:
    """How well one model does on one benchmark."""

    accuracy: float
    uncertainty: float
    domain_violations: int
    response_time: float


@lru_cache(maxsize=_REMEMBERED)
def base_skill(seed: int, base_model: str, topic: str) -> Skill:
    """What a base model is worth on a topic, the same whenever it is asked."""
    dice = Random(f"{seed}/skill/{base_model}/{topic}")
    return Skill(
        accuracy=round(dice.uniform(0.45, 0.72), 3),
        uncertainty=round(dice.uniform(0.25, 0.45), 3),
        domain_violations=dice.randint(6, 20),
        response_time=round(dice.uniform(0.6, 2.5), 2),
    )


@lru_cache(maxsize=_REMEMBERED)
def aligned_skill(seed: int, base: Skill, alignment_id: str) -> Skill:
    """What alignment makes of a base model: mostly better, now and then a little worse."""
    dice = Random(f"{seed}/gain/{alignment_id}")
    better = dice.random() < _BETTER
    gain = dice.uniform(0.06, 0.30) if better else dice.uniform(-0.05, 0.02)
    return Skill(
        accuracy=round(min(0.985, base.accuracy + gain), 3),
        uncertainty=round(base.uncertainty * dice.uniform(0.3, 0.7), 3),
        domain_violations=dice.randint(0, 5),
        response_time=round(base.response_time * dice.uniform(0.9, 1.1), 2),
    )
