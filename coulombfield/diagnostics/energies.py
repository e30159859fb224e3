"""The energy of two samples by its parts, and the sizes of forces."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..arrays import Array, backend, floating, to_numpy
from ..charges import check_points, checked_samples, unit_charges
from ..energy import electrostatic_energy
from ..kernels import RadialKernel, check_kernel, value_at_zero
from ..sums import potential


class EnergyParts(NamedTuple):
    """The energy of Eq 33 by who acts on whom [charge² · kernel]; the first three add up to ``total``."""

    real: float
    """½ Σ_ij k(y_i, y_j) / N_y², real data with real data, self-interaction included."""
    generated: float
    """½ Σ_ij k(x_i, x_j) / N_x², the same for the generated samples."""
    cross: float
    """−Σ_ij k(y_i, x_j) / (N_y N_x), real data with generated samples."""
    total: float
    """F̂ as :func:`coulombfield.interaction_energy` gives it."""
    unbiased: float
    """The estimate without the terms i = j; NaN where a side has one point only."""


class ForceNorms(NamedTuple):
    """Sizes of forces or other vectors, one a particle, in the unit of the vectors; all 0 if there are none."""

    mean: float
    rms: float
    largest: float


def energy_parts(
    real: Array, generated: Array, kernel: RadialKernel, *, rtol: float | None = None, method: str = "auto"
) -> EnergyParts:
    r"""Energy of two samples and what it consists of.

    .. math:: \hat F = \tfrac12 \overline{k(y, y')} + \tfrac12 \overline{k(x, x')} - \overline{k(y, x)}
        \qquad \text{(Eq 33)}

    Parameters
    ----------
    real : array, shape (N_y, m)
        Real data y [length], N_y ≥ 1.
    generated : array, shape (N_x, m)
        Generated samples x [length], N_x ≥ 1; same library, dtype and device as ``real``.
    kernel : RadialKernel
        The kernel k.
    rtol, method
        As for :func:`coulombfield.potential`, for each of the three sums.

    Returns
    -------
    EnergyParts
        Floats [charge² · kernel].

    Raises
    ------
    TypeError, ValueError
        As for :func:`coulombfield.interaction_energy`.

    Notes
    -----
    Three sums over pairs give both estimates. With a bare :class:`coulombfield.Coulomb` kernel self-interaction is
    infinite, and so is the total; the unbiased estimate is finite unless two points coincide.
    """
    real, generated = checked_samples(real, generated)
    check_kernel(kernel)
    at_zero = value_at_zero(kernel)
    own, pairs_only = [], []
    for points in (real, generated):
        count = points.shape[0]
        pairs = 2.0 * electrostatic_energy(unit_charges(points), kernel, exclude_self=True, rtol=rtol, method=method)
        own.append(0.5 * (pairs / count + at_zero) / count)
        pairs_only.append(0.5 * pairs / (count * (count - 1)) if count > 1 else math.nan)
    between = potential(real, unit_charges(generated), kernel, rtol=rtol, method=method)
    cross = -float(np.mean(to_numpy(between), dtype=float)) / generated.shape[0]
    return EnergyParts(own[0], own[1], cross, sum(own) + cross, sum(pairs_only) + cross)


def force_norms(vectors: Array) -> ForceNorms:
    """Mean, root mean square and largest length of vectors of shape (count, m), taken in float64 on the host.

    Raises
    ------
    TypeError, ValueError
        If ``vectors`` is no array of that shape in float32 or float64.
    """
    (vectors,) = floating(vectors=vectors)
    backend(vectors=vectors)
    check_points("vectors", vectors)
    norms = np.linalg.norm(to_numpy(vectors).astype(float, copy=False), axis=1)
    if not norms.size:
        return ForceNorms(0.0, 0.0, 0.0)
    return ForceNorms(float(norms.mean()), float(np.sqrt(np.mean(norms * norms))), float(norms.max()))
