"""Energies of charges and of samples that are spread over the ranks of a communicator."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array
from ..charges import Charges, check_charges, checked_samples, unit_charges
from ..kernels import RadialKernel, check_kernel, value_at_zero
from ..scattered.exact_sums import sum_of, value_of
from .agreement import agreed
from .ranks import Ranks
from .sums import potential


def electrostatic_energy(
    charges: Charges,
    kernel: RadialKernel,
    *,
    comm: Any = None,
    exclude_self: bool = False,
    rtol: float | None = None,
    method: str = "auto",
    deterministic: bool = False,
) -> float:
    r"""Energy of the charges of all ranks in their own potential.

    .. math:: F = \tfrac12 \sum_{i,j} q_i q_j\, k(b_i, b_j) = \tfrac12 \sum_i q_i \Phi(b_i) \qquad \text{(Eq 7)}

    Parameters
    ----------
    charges : Charges
        This rank's charges; there may be none.
    kernel, comm, exclude_self, rtol, method, deterministic
        As for :func:`potential`.

    Returns
    -------
    float
        F, the same on every rank [charge² · kernel].

    Raises
    ------
    ModuleNotFoundError, TypeError, ValueError, ArithmeticError
        As for :func:`potential`.

    Notes
    -----
    Potentials have the arrays' dtype; their weighted sum over all ranks is exact but for one rounding, so that its
    order changes no bit.
    """
    ranks = comm if isinstance(comm, Ranks) else Ranks(comm)
    places = charges.positions if isinstance(charges, Charges) else charges
    values = potential(
        places,
        charges,
        kernel,
        comm=ranks,
        exclude_self=exclude_self,
        rtol=rtol,
        method=method,
        deterministic=deterministic,
    )
    return 0.5 * total(ranks, charges.weights.astype(np.float64) * values)


def self_energy(charges: Charges, kernel: RadialKernel, *, comm: Any = None) -> float:
    r"""Energy of the charges of all ranks, each in its own potential: ½ k(0) Σ_i q_i² [charge² · kernel].

    Parameters and exceptions are those of :func:`electrostatic_energy`; the result is the same on every rank.
    """
    ranks = comm if isinstance(comm, Ranks) else Ranks(comm)

    def check() -> tuple[np.ndarray, dict[str, Any]]:
        check_charges(charges)
        check_kernel(kernel)
        return charges.weights, {"kernel": repr(kernel)}

    weights, _ = agreed(ranks, check)
    return 0.5 * value_at_zero(kernel) * total(ranks, np.square(weights, dtype=np.float64))


def interaction_energy(
    real: Array,
    generated: Array,
    kernel: RadialKernel,
    *,
    comm: Any = None,
    unbiased: bool = False,
    rtol: float | None = None,
    method: str = "auto",
    deterministic: bool = False,
) -> float:
    r"""Estimate the energy of the charge density p_y − p_x from samples of all ranks (Eq 33).

    Parameters
    ----------
    real, generated : numpy.ndarray, shape (N_y, m) and (N_x, m)
        This rank's real data and generated samples [length]; each may be none here, but not on all ranks.
    unbiased : bool
        As for :func:`coulombfield.interaction_energy`.
    kernel, comm, rtol, method, deterministic
        As for :func:`potential`.

    Returns
    -------
    float
        F̂, the same on every rank [charge² · kernel].

    Raises
    ------
    ModuleNotFoundError, TypeError, ValueError, ArithmeticError
        As for :func:`potential`; also where all ranks together have too few points (``unbiased`` needs two of each).
    """
    ranks = comm if isinstance(comm, Ranks) else Ranks(comm)

    def check() -> tuple[tuple[Array, Array], dict[str, Any]]:
        if not isinstance(unbiased, bool):
            raise TypeError(f"unbiased: expected True or False, got {unbiased!r}")
        both = checked_samples(real, generated, least=0)
        return both, {"unbiased": unbiased, "_real": len(both[0]), "_generated": len(both[1])}

    (real, generated), said = agreed(ranks, check)
    counts = [sum(each[name] for each in said) for name in ("_real", "_generated")]
    least = 2 if unbiased else 1
    for name, count in zip(("real", "generated"), counts, strict=True):
        if count < least:
            raise ValueError(f"{name}: expected at least {least} points on all ranks together, got {count}")
    options: dict[str, Any] = {"comm": ranks, "rtol": rtol, "method": method, "deterministic": deterministic}
    of_real, of_generated = (
        2.0
        * electrostatic_energy(unit_charges(points), kernel, exclude_self=unbiased, **options)
        / (count * (count - unbiased))
        for points, count in zip((real, generated), counts, strict=True)
    )
    values = potential(real, unit_charges(generated), kernel, **options)
    between = total(ranks, values.astype(np.float64)) / (counts[0] * counts[1])
    return 0.5 * (of_real + of_generated) - between


def total(ranks: Ranks, terms: np.ndarray) -> float:
    """Sum of the ranks' terms, exact but for one rounding; NaN if one is not finite."""
    if not all(ranks.told(bool(np.isfinite(terms).all()))):
        return float("nan")
    return value_of(ranks.total(sum_of(terms)))
