"""A ball of stars at rest that falls together, within the time of a free fall."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from coulombfield.arrays import Device
from coulombfield.flow import Verlet
from coulombfield.rng import Streams
from coulombfield.starts import uniform_ball

from ..figures.style import Figure
from ..metrics.metric import Column
from ..runs.loop import LoopConfig
from .bodies import check_numbers
from .gravity import COMMON, PARTS, Gravity
from .moving import tied_to_length as tied_to_length
from .study import KNOWN_AS as KNOWN_AS

SHOWN = 2.0  # half the edge of the animation, in radii of the ball
START = -0.6  # energy of a ball of mass and radius 1, without softening


@dataclass(frozen=True)
class Config:
    """Everything that decides a run, but for the device.

    Parameters
    ----------
    training : LoopConfig
        Of which an update is a step.
    bodies : int
        Number of stars.
    step : float
        Longest step of the leapfrog [time].
    accuracy : float
        η of the steps, which follow accelerations and softening.
    softening : float
        ε of the stars' gravity, in radii of the ball [length].
    seed : int
        Of the stars.
    dtype : str
        'float32' or 'float64'.
    """

    training: LoopConfig
    bodies: int = 2000
    step: float = 0.01
    accuracy: float = 0.2
    softening: float = 0.02
    seed: int = 0
    dtype: Literal["float32", "float64"] = "float64"

    def __post_init__(self) -> None:
        if self.bodies < 2:
            raise ValueError(f"bodies: expected at least 2, got {self.bodies}")
        check_numbers(self, "step", "accuracy", "softening")


def build(config: Config, device: Device, streams: Streams) -> ColdCollapse:
    """The experiment at its start."""
    return ColdCollapse(config, device, streams)


class ColdCollapse(Gravity):
    r"""Stars that start at rest, uniformly in a ball of mass and radius 1.

    Shells of a pressureless ball meet in the middle after :math:`t = \pi \sqrt{R^3 / 8 G M} = 1.1107`. A ball of N
    stars is not even, and bounces at a radius that goes as :math:`N^{-1/3}` (S. J. Aarseth, D. N. C. Lin,
    J. C. B. Papaloizou, Astrophysical Journal 324, 1988). Stars that gain energy in it escape, so that 2K/\|W\| of all
    stays above 1.

    Parameters
    ----------
    config : Config
        What to run.
    device : Device
        Where.
    streams : Streams
        ``data`` is used.
    """

    metrics: Mapping[str, Column] = {
        **{name: column for name, column in COMMON.items() if name != "virial_ratio"},
        "time_of_collapse": Column("When the half-mass radius was least, so far.", "time", axis=""),
        "least_radius": Column("That least half-mass radius.", "length", axis=""),
    }
    headline = ("energy_error", "half_mass_radius")

    def __init__(self, config: Config, device: Device, streams: Streams):
        stars = uniform_ball(config.bodies, streams.stream("data"), dtype=config.dtype)
        super().__init__(config, stars, Verlet(config.step, accuracy=config.accuracy), device)

    def evaluate(self, step: int | None = None) -> Mapping[str, float]:
        """Mechanics as of now, and the collapse."""
        time, _, _, radii = self._columns()
        half = radii[:, PARTS.index(0.5)]
        least = int(np.argmin(half))
        mechanics = {name: value for name, value in super().evaluate(step).items() if name in self.metrics}
        return {**mechanics, "time_of_collapse": float(time[least]), "least_radius": float(half[least])}

    def reference(self) -> Mapping[str, float]:
        """Free fall of a ball of dust, which does not bounce; energy and half-mass radius are those at the start."""
        return {
            "energy": START,
            "energy_error": 0.0,
            "half_mass_radius": 2 ** (-1 / 3),
            "time_of_collapse": math.pi / math.sqrt(8),
            "least_radius": 0.0,
        }

    def figures(self, folder: Path) -> list[Figure]:
        """Radii, virial ratio and energy over time, and the stars."""
        mechanics = self._draw_mechanics(folder / "mechanics.png", {})
        return [mechanics, self._animate(folder / "stars.gif", SHOWN)]
