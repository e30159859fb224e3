"""What a flow needs of all processes that its particles are spread over, so that all take the same steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import numpy as np

from ..arrays import Array, to_numpy
from ..charges import Charges
from ..energy import electrostatic_energy, self_energy
from ..kernels import RadialKernel
from ..sums import kept_sums
from ..sums.keeping import Kept

T = TypeVar("T")


class Processes(Protocol):
    """Sums over the particles of all processes; each has some of them, in an order by the processes' numbers.

    All have to call the same in the same order.
    """

    def sums(
        self,
        targets: Array,
        charges: Charges,
        kernel: RadialKernel,
        kept: Kept | None,
        *,
        potential: bool,
        **options: Any,
    ) -> tuple[Any, Kept | None]:
        """Potential, if wanted, and field of all charges at this process's targets; and what further sums may keep."""

    def energy(self, charges: Charges, kernel: RadialKernel, **options: Any) -> float:
        """Energy of all charges."""

    def self_energy(self, charges: Charges, kernel: RadialKernel) -> float:
        """Energy of all charges, each in its own potential."""

    def total(self, terms: np.ndarray) -> float:
        """Sum of all processes' terms."""

    def product(self, left: np.ndarray, right: np.ndarray) -> float:
        """Scalar product of vectors of all particles."""

    def largest(self, number: float) -> float:
        """The largest of the processes' numbers."""

    def every(self, fact: bool) -> bool:
        """Whether something is so for all."""

    def counts(self, count: int) -> tuple[int, int]:
        """How many the processes before this one have, and how many all have."""

    def gathered(self, rows: np.ndarray) -> np.ndarray:
        """Rows of all processes, shape (all, ...)."""

    def together(self, check: Callable[[], T]) -> T:
        """What a check gives here; raises for all if it does for one."""


class Here:
    """One process has all particles."""

    def sums(
        self,
        targets: Array,
        charges: Charges,
        kernel: RadialKernel,
        kept: Kept | None,
        *,
        potential: bool,
        **options: Any,
    ) -> tuple[Any, Kept | None]:
        """Their sums, by what is kept if it fits."""
        return kept_sums(targets, charges, kernel, kept, potential=potential, **options)

    def energy(self, charges: Charges, kernel: RadialKernel, **options: Any) -> float:
        """Their energy."""
        return electrostatic_energy(charges, kernel, **options)

    def self_energy(self, charges: Charges, kernel: RadialKernel) -> float:
        """Each in its own potential."""
        return self_energy(charges, kernel)

    def total(self, terms: np.ndarray) -> float:
        """Their sum."""
        return float(np.sum(terms))

    def product(self, left: np.ndarray, right: np.ndarray) -> float:
        """Their scalar product."""
        return float(left @ right)

    def largest(self, number: float) -> float:
        """The number itself."""
        return number

    def every(self, fact: bool) -> bool:
        """Whether it is so."""
        return fact

    def counts(self, count: int) -> tuple[int, int]:
        """None, and all."""
        return 0, count

    def gathered(self, rows: np.ndarray) -> np.ndarray:
        """The rows themselves."""
        return rows

    def together(self, check: Callable[[], Any]) -> Any:
        """What it gives."""
        return check()


HERE: Processes = Here()


def weighted(processes: Processes, weights: Array, values: Array) -> float:
    """Σ_i q_i Φ_i in float64."""
    return processes.total(to_numpy(weights).astype(float) * to_numpy(values))
