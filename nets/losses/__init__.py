"""Losses of players by family of GANs; each returns its value and its gradient."""

from __future__ import annotations

from .coulomb import Reduction, generator_potential, potential_regression
from .mmd import gaussian_mmd, gaussian_mmd2

__all__ = ["Reduction", "gaussian_mmd", "gaussian_mmd2", "generator_potential", "potential_regression"]
