"""Flows of particles that are spread over the ranks of a communicator."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from ..arrays import Array
from ..charges import Charges
from ..flow import Integrator, Outcome, Schedule, Snapshot, State, Stop, System
from ..flow.run import run_over
from ..kernels import RadialKernel
from ..scattered.exact_sums import sum_of, value_of
from ..sums.keeping import Kept
from .agreement import agreed
from .energies import electrostatic_energy, self_energy
from .ranks import Ranks
from .sums import field, potential_and_field

T = TypeVar("T")


def run(
    state: State,
    system: System,
    integrator: Integrator,
    *,
    until: Stop,
    comm: Any = None,
    softening: Schedule | None = None,
    callbacks: Sequence[Callable[[Snapshot], object]] = (),
    every: int = 1,
    energies: bool = False,
    deterministic: bool = False,
) -> Outcome:
    r"""Move the particles of all ranks in the field that they make together.

    Every rank holds some of the particles and moves these. Forces are sums over all ranks, and energies, stopping rules
    and the choice of a step are of all particles, so that all ranks take the same steps.

    Parameters
    ----------
    state : State
        This rank's particles, in groups of the same names on all ranks; a group may be empty here. Charges that are
        left out are 1/N of this rank's N: give them, or as for the paper's kinds ``State.of(..., whole=(N_x, N_y))``.
    system : System
        As for :func:`coulombfield.flow.run`, the same on every rank; without a box.
    comm : mpi4py.MPI.Intracomm, optional
        The communicator; MPI.COMM_WORLD without it.
    integrator, until, softening, callbacks, every, energies
        As for :func:`coulombfield.flow.run`, the same on every rank. What a callback on one rank asks a snapshot for,
        callbacks on all ranks have to ask for; True from any of them ends the run.
    deterministic : bool
        As for :func:`potential`: particles then take the same path, bit for bit, for any number of ranks. With noise,
        which is drawn by a particle's number, and with `Adaptive`, whose norms are sums in that order, they have to be
        in the same order, rank after rank.

    Returns
    -------
    Outcome
        This rank's part of the last state, and why it is the last.

    Raises
    ------
    ModuleNotFoundError, TypeError, ValueError, ArithmeticError
        As for :func:`coulombfield.flow.run` and :func:`potential`, the same on every rank.

    Notes
    -----
    A step's noise is drawn for all particles on every rank, and `Adaptive` has all coordinates on every rank.
    """
    ranks = Ranks(comm)

    def check() -> tuple[bool, dict[str, Any]]:
        if not isinstance(deterministic, bool):
            raise TypeError(f"deterministic: expected True or False, got {deterministic!r}")
        if getattr(system, "box", None) is not None:
            raise ValueError("system: expected one without a box, whose sums are those of one process")
        said = {"integrator": _said_of(integrator), "until": _said_of(until), "every": every, "energies": energies}
        for name in ("coupling", "external", "walls", "exclude_self", "rtol", "method"):
            said[name] = _said_of(getattr(system, name, None))
        groups = getattr(state, "groups", {})
        said["groups"] = [(name, group.fixed) for name, group in groups.items()]
        for name in ("step", "time"):
            said[name] = getattr(state, name, None)
        return True, {**said, "scheduled": softening is not None, "deterministic": deterministic}

    agreed(ranks, check)
    over = _Over(ranks, deterministic)
    return run_over(over, state, system, integrator, until, softening, callbacks, every, energies)


def _said_of(thing: object) -> str:
    """What ranks compare; a function's address differs even where the function is the same."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(thing))


class _Over:
    """Ranks as the processes of a flow."""

    def __init__(self, ranks: Ranks, deterministic: bool):
        self._ranks = ranks
        self._options: dict[str, Any] = {"comm": ranks, "deterministic": deterministic}

    def sums(
        self,
        targets: Array,
        charges: Charges,
        kernel: RadialKernel,
        kept: Kept | None,
        *,
        potential: bool,
        **options: Any,
    ) -> tuple[Any, None]:
        # Each is planned anew: what ranks know of each other's points is surveyed with the sums.
        if potential:
            return potential_and_field(targets, charges, kernel, **self._options, **options), None
        return (None, field(targets, charges, kernel, **self._options, **options)), None

    def energy(self, charges: Charges, kernel: RadialKernel, **options: Any) -> float:
        return electrostatic_energy(charges, kernel, **self._options, **options)

    def self_energy(self, charges: Charges, kernel: RadialKernel) -> float:
        return self_energy(charges, kernel, comm=self._ranks)

    def total(self, terms: np.ndarray) -> float:
        return value_of(self._ranks.total(sum_of(terms)))

    def product(self, left: np.ndarray, right: np.ndarray) -> float:
        return self.total(left * right)

    def largest(self, number: float) -> float:
        return max(self._ranks.told(number))

    def every(self, fact: bool) -> bool:
        return all(self._ranks.told(fact))

    def counts(self, count: int) -> tuple[int, int]:
        counts = self._ranks.told(count)
        return sum(counts[: self._ranks.rank]), sum(counts)

    def gathered(self, rows: np.ndarray) -> np.ndarray:
        return np.concatenate(self._ranks.told(rows))

    def together(self, check: Callable[[], T]) -> T:
        value, trouble = None, None
        try:
            value = check()
        except (TypeError, ValueError, ArithmeticError) as error:
            trouble = error
        for rank, other in enumerate(self._ranks.told(trouble)):
            if other is not None:
                kind = next(each for each in (TypeError, ValueError, ArithmeticError) if isinstance(other, each))
                raise kind(f"rank {rank}: {other}" if self._ranks.size > 1 else str(other))
        return value  # type: ignore[return-value]
