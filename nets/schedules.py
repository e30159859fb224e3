"""Numbers that change with the update: learning rates, softening lengths. Each is a function of the step count."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol


class Schedule(Protocol):
    """Value at an update, counted from 0."""

    def __call__(self, step: int) -> float:
        """Value at this update."""


@dataclass(frozen=True)
class Constant:
    """The same value at each update."""

    value: float

    def __call__(self, step: int) -> float:
        """Value at this update."""
        return self.value


@dataclass(frozen=True)
class Exponential:
    r"""Exponential decay from ``start`` at update 0 to ``end`` at update ``steps``, and ``end`` from then on.

    .. math:: v(t) = v_0 (v_1 / v_0)^{t / T}
    """

    start: float
    end: float
    steps: int

    def __post_init__(self) -> None:
        for name in ("start", "end", "steps"):
            _check_positive(name, getattr(self, name))

    def __call__(self, step: int) -> float:
        """Value at this update."""
        if step >= self.steps:
            return self.end
        return self.start * math.exp(math.log(self.end / self.start) * (step / self.steps))


@dataclass(frozen=True)
class Step:
    """``start`` times ``factor`` to the number of ``milestones`` that have been reached.

    The paper's "divided by 10 when the loss no longer fell" is factor 0.1 with the milestones chosen by hand.
    """

    start: float
    factor: float
    milestones: tuple[int, ...]

    def __post_init__(self) -> None:
        for name in ("start", "factor"):
            _check_positive(name, getattr(self, name))

    def __call__(self, step: int) -> float:
        """Value at this update."""
        return self.start * self.factor ** sum(step >= milestone for milestone in self.milestones)


@dataclass(frozen=True)
class Scaled:
    """Another schedule times ``factor``."""

    schedule: Schedule
    factor: float

    def __call__(self, step: int) -> float:
        """Value at this update."""
        return self.factor * self.schedule(step)


def _check_positive(name: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise ValueError(f"{name}: expected a positive finite number, got {value}")
