"""Losses that hold something fixed that the parameters move."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from coulombfield.arrays import Array
from experiments.gans.drifting import Drifting


def drifted(gan: Drifting, move: str, player: str, draws: Mapping[str, Array]) -> Callable[[], float]:
    """The regression of the generator on its samples as they drifted at the start."""
    samples = gan.generate(draws["latent"])
    drift, unit = gan.drift(samples, draws["real"])
    target = samples + drift

    def loss() -> float:
        error = (gan.generate(draws["latent"]) - target) / unit
        return float((error * error).mean())

    return loss
