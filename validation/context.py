"""Where, how thoroughly and with which random numbers checks run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from coulombfield.arrays import Array, Device, to_numpy
from coulombfield.rng import Streams


@dataclass(frozen=True)
class Context:
    """Where and how thoroughly a check runs.

    Attributes
    ----------
    device : Device
        Where the package computes; oracles compute on the host.
    quick : bool
        A minute for all checks together: fewer cases, and conclusions as firm.
    seed : int
        Seed of every random number.
    """

    device: Device = field(default_factory=lambda: Device(np, "cpu"))
    quick: bool = False
    seed: int = 0

    def put(self, array: np.ndarray) -> Array:
        """Copy of a host array on the device."""
        return self.device.put(np.ascontiguousarray(array))

    def host(self, array: Array) -> np.ndarray:
        """Copy of an array on the host."""
        return to_numpy(array)

    def rng(self, name: str) -> np.random.Generator:
        """Random numbers of one check, the same in every run; a new generator each time."""
        return Streams(self.seed).stream(name)

    def pick(self, thorough: Any, quick: Any) -> Any:
        """One of two settings."""
        return quick if self.quick else thorough
