"""A Plummer sphere of stars, which stays as it is: equilibrium over twenty dynamical times."""

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
from coulombfield.starts import plummer_sphere

from ..figures.style import Figure
from ..metrics.metric import Column
from ..runs.loop import LoopConfig
from .bodies import check_numbers
from .gravity import COMMON, Gravity
from .moving import tied_to_length as tied_to_length
from .study import KNOWN_AS as KNOWN_AS

ENERGY = -0.25  # in N-body units
HALF_MASS = 3 * math.pi / 16 / math.sqrt(2 ** (2 / 3) - 1)
SHOWN = 2.5  # half the edge of the animation [length]


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
        Of the leapfrog [time].
    softening : float
        ε of the stars' gravity [length].
    seed : int
        Of the stars.
    dtype : str
        'float32' or 'float64'.
    """

    training: LoopConfig
    bodies: int = 2000
    step: float = 0.02
    softening: float = 0.02
    seed: int = 0
    dtype: Literal["float32", "float64"] = "float64"

    def __post_init__(self) -> None:
        if self.bodies < 2:
            raise ValueError(f"bodies: expected at least 2, got {self.bodies}")
        check_numbers(self, "step", "softening")


def build(config: Config, device: Device, streams: Streams) -> PlummerSphere:
    """The experiment at its start."""
    return PlummerSphere(config, device, streams)


class PlummerSphere(Gravity):
    """Stars in equilibrium, beside what is known of Plummer's model in N-body units.

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
        **COMMON,
        "mean_virial_ratio": Column("2K/|W|, mean over all steps so far."),
    }
    headline = ("energy_error", "mean_virial_ratio")

    def __init__(self, config: Config, device: Device, streams: Streams):
        stars = plummer_sphere(config.bodies, streams.stream("data"), dtype=config.dtype)
        super().__init__(config, stars, Verlet(config.step), device)

    def evaluate(self, step: int | None = None) -> Mapping[str, float]:
        """Mechanics as of now, and the mean virial ratio."""
        return {**super().evaluate(step), "mean_virial_ratio": float(np.mean(self._columns()[2]))}

    def reference(self) -> Mapping[str, float]:
        """Of the model, for many stars and no softening."""
        ratios = {"virial_ratio": 1.0, "mean_virial_ratio": 1.0}
        return {"energy": ENERGY, "energy_error": 0.0, "half_mass_radius": HALF_MASS, **ratios}

    def figures(self, folder: Path) -> list[Figure]:
        """Radii, virial ratio and energy over time, and the stars."""
        mechanics = self._draw_mechanics(folder / "mechanics.png", self.reference())
        return [mechanics, self._animate(folder / "stars.gif", SHOWN)]
