"""How a player learns: optimizers and schedules, and how they are made from settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Literal

from nets.optimizers import SGD, Adam, RMSprop
from nets.parameters import Parameters
from nets.schedules import Constant, Exponential, Schedule, Step

OPTIMIZERS: dict[str, tuple[Callable[..., Adam | RMSprop | SGD], tuple[str, ...]]] = {
    "adam": (Adam, ("beta1", "beta2", "epsilon")),
    "rmsprop": (RMSprop, ("decay", "epsilon")),
    "sgd": (SGD, ("momentum",)),
}
"""Kinds of optimizer, and the settings of each."""


@dataclass(frozen=True)
class ScheduleConfig:
    """A number that changes with the update; in a preset, a number alone is one that stays.

    Parameters
    ----------
    start : float
        Value at update 0.
    kind : {"exponential", "constant", "step"}
        How it goes on.
    end : float
        ``exponential`` only: value at the last update.
    factor : float
        ``step`` only: what the value is multiplied by at each milestone.
    milestones : tuple of int
        ``step`` only [updates].
    """

    start: float
    kind: Literal["exponential", "constant", "step"] = "exponential"
    end: float = 0.0
    factor: float = 0.1
    milestones: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.start > 0:
            raise ValueError(f"start: expected a positive number, got {self.start}")
        if self.kind == "exponential" and not self.end > 0:
            raise ValueError(f"end: expected a positive number, got {self.end}")
        if self.kind != "exponential" and self.end:
            raise ValueError(f"end: expected with the kind exponential only, got {self.end} with {self.kind}")
        if not 0 < self.factor <= 1:
            raise ValueError(f"factor: expected a number in (0, 1], got {self.factor}")
        if bool(self.milestones) != (self.kind == "step"):
            raise ValueError(f"milestones: expected with the kind step and only there, got {self.milestones}")

    @classmethod
    def of_number(cls, value: float) -> ScheduleConfig:
        """A number that stays as it is."""
        return cls(start=value, kind="constant")

    def over(self, updates: int) -> Schedule:
        """The schedule of a run of this many updates."""
        if self.kind == "exponential":
            return Exponential(self.start, self.end, updates)
        if self.kind == "step":
            return Step(self.start, self.factor, self.milestones)
        return Constant(self.start)


@dataclass(frozen=True)
class OptimizerConfig:
    """Optimizer and weight decay for one player.

    Parameters
    ----------
    rate : ScheduleConfig
        Learning rate.
    kind : {"adam", "rmsprop", "sgd"}
        Which optimizer.
    beta1, beta2 : float
        ``adam`` only: decay of its moments; the authors keep these defaults.
    decay : float
        ``rmsprop`` only: that of its average.
    momentum : float
        ``sgd`` only.
    epsilon : float
        ``adam`` and ``rmsprop`` only: added to the root.
    l2 : float
        Coefficient of half the sum of squared weights, biases left out.
    l2_on : {"weights", "kernels"}
        Whether that sum takes all weights, or only those of convolutions over more than one place, as the authors do.
    """

    rate: ScheduleConfig
    kind: Literal["adam", "rmsprop", "sgd"] = "adam"
    beta1: float = 0.9
    beta2: float = 0.999
    decay: float = 0.99
    momentum: float = 0.0
    epsilon: float = 1e-8
    l2: float = 0.0
    l2_on: Literal["weights", "kernels"] = "weights"

    def __post_init__(self) -> None:
        for field in fields(self):
            kinds = [kind for kind, (_, settings) in OPTIMIZERS.items() if field.name in settings]
            if kinds and self.kind not in kinds and getattr(self, field.name) != field.default:
                raise ValueError(
                    f"{field.name}: expected with the kind {' or '.join(kinds)} only, "
                    f"got {getattr(self, field.name)} with {self.kind}"
                )
        for name in ("beta1", "beta2", "decay", "momentum"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name}: expected a number in [0, 1), got {getattr(self, name)}")
        if not self.epsilon > 0:
            raise ValueError(f"epsilon: expected a positive number, got {self.epsilon}")
        if self.l2 < 0:
            raise ValueError(f"l2: expected a number that is not negative, got {self.l2}")

    def over(self, params: Parameters, updates: int) -> Adam | RMSprop | SGD:
        """The optimizer of these parameters, for a run of this many updates."""
        make, settings = OPTIMIZERS[self.kind]
        return make(params, self.rate.over(updates), **{name: getattr(self, name) for name in settings})
