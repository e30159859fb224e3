"""Energies of charges and of samples, their unbiased estimate, and their gradients."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .arrays import Array, to_numpy
from .charges import (
    Charges,
    check_charges,
    checked_samples,
    generated_charges,
    real_charges,
    unit_charges,
)
from .kernels import RadialKernel, check_kernel
from .sums import energy, field, potential, potential_and_field


class EnergyGradient(NamedTuple):
    """Derivatives of :func:`electrostatic_energy`."""

    positions: Array
    """∂F/∂b_i = q_i ∇Φ(b_i) = −q_i E(b_i), shape (S, m) [charge² · kernel / length]."""
    weights: Array
    """∂F/∂q_i = Φ(b_i), shape (S,) [charge · kernel]."""


def electrostatic_energy(
    charges: Charges,
    kernel: RadialKernel,
    *,
    exclude_self: bool = False,
    rtol: float | None = None,
    method: str = "auto",
) -> float:
    r"""Energy of charges in their own potential.

    .. math:: F = \tfrac12 \sum_{i,j} q_i q_j\, k(b_i, b_j) = \tfrac12 \sum_i q_i \Phi(b_i) \qquad \text{(Eq 7)}

    Parameters
    ----------
    charges : Charges
        Charges q at positions b.
    kernel : RadialKernel
        The kernel k.
    exclude_self : bool
        Leave out the terms i = j, that is :func:`self_energy`.
    rtol : float, optional
        As for :func:`potential`; the energy's error relative to ½ Σ_ij \|q_i q_j k\| is of that order.
    method : str
        As for :func:`potential`.

    Returns
    -------
    float
        F [charge² · kernel].

    Raises
    ------
    TypeError, ValueError
        As for :func:`potential`.

    Notes
    -----
    Potentials have the arrays' dtype; their weighted sum is taken in float64. 'simd' sums each pair once.
    """
    return energy(charges, kernel, exclude_self=exclude_self, rtol=rtol, method=method)


def self_energy(charges: Charges, kernel: RadialKernel) -> float:
    r"""Energy of each charge in its own potential, ½ k(0) Σ_i q_i² [charge² · kernel].

    It does not depend on the positions: :func:`electrostatic_energy` less this is the energy of the pairs.
    """
    check_charges(charges)
    check_kernel(kernel)
    at_zero = float(kernel.value(np.zeros(1))[0])
    return 0.5 * at_zero * float(np.sum(np.square(to_numpy(charges.weights), dtype=float)))


def electrostatic_energy_gradient(
    charges: Charges,
    kernel: RadialKernel,
    *,
    exclude_self: bool = False,
    rtol: float | None = None,
    method: str = "auto",
) -> EnergyGradient:
    r"""Gradient of :func:`electrostatic_energy` with respect to positions and weights, in one pass.

    .. math:: \nabla_{b_i} F = -q_i E(b_i), \qquad \frac{\partial F}{\partial q_i} = \Phi(b_i)

    Parameters and exceptions are those of :func:`electrostatic_energy`.

    Returns
    -------
    EnergyGradient
        Both gradients, of the library, dtype and device of the charges.
    """
    check_charges(charges)
    values, fields = potential_and_field(
        charges.positions, charges, kernel, exclude_self=exclude_self, rtol=rtol, method=method
    )
    return EnergyGradient(-charges.weights[:, None] * fields, values)


def softening_gradient(
    charges: Charges,
    kernel: RadialKernel,
    *,
    exclude_self: bool = False,
    rtol: float | None = None,
    method: str = "auto",
) -> float:
    r"""Derivative of :func:`electrostatic_energy` by the kernel's softening [charge² · kernel / length].

    .. math:: \frac{\partial F}{\partial\varepsilon} = \tfrac12 \sum_{i,j} q_i q_j
        \frac{\partial k}{\partial\varepsilon}(b_i, b_j), \qquad
        \frac{\partial k}{\partial\varepsilon} = -d\,\varepsilon\,(r^2 + \varepsilon^2)^{-d/2 - 1}

    Parameters and exceptions are those of :func:`electrostatic_energy`, and

    Raises
    ------
    TypeError
        If the kernel has no softening, or several.
    """
    check_kernel(kernel)
    options: dict[str, Any] = {"exclude_self": exclude_self, "rtol": rtol, "method": method}
    return electrostatic_energy(charges, kernel.softening_derivative(), **options)


def interaction_energy(
    real: Array,
    generated: Array,
    kernel: RadialKernel,
    *,
    unbiased: bool = False,
    rtol: float | None = None,
    method: str = "auto",
) -> float:
    r"""Estimate the energy of the charge density p_y − p_x from samples of both.

    .. math:: \hat F = \frac12 \Bigl( \frac{1}{N_y^2} \sum_{i,j} k(y_i, y_j) - \frac{2}{N_y N_x} \sum_{i,j} k(y_i, x_j)
        + \frac{1}{N_x^2} \sum_{i,j} k(x_i, x_j) \Bigr) \qquad \text{(Eq 33)}

    Parameters
    ----------
    real : array, shape (N_y, m)
        Real data y [length], N_y ≥ 1.
    generated : array, shape (N_x, m)
        Generated samples x [length], N_x ≥ 1; same library, dtype and device as ``real``.
    kernel : RadialKernel
        The kernel k.
    unbiased : bool
        Leave out the terms i = j and divide by N (N − 1): the U-statistic, whose mean over samples is F itself. Eq 33
        as printed keeps them, which adds [(k(y, y) − E k_yy)/N_y + (k(x, x) − E k_xx)/N_x] / 2 on average.
    rtol : float, optional
        As for :func:`potential`, for each of the three means.
    method : str
        As for :func:`potential`.

    Returns
    -------
    float
        F̂ [charge² · kernel]; never negative for a positive definite kernel, but for rounding, unless ``unbiased``.

    Raises
    ------
    TypeError
        If an argument is of a wrong type, library or dtype.
    ValueError
        If there are too few points (``unbiased`` needs two of each), or a shape, a device or the method does not fit.

    Notes
    -----
    Memory is O((N_x + N_y) m). Half of :math:`\mathrm{MMD}^2`. Each point's potential is computed in the arrays' dtype;
    means and differences of them are taken in float64 on the host.
    """
    real, generated = _validated(real, generated, unbiased)
    of_real, of_generated = (
        2.0
        * electrostatic_energy(unit_charges(points), kernel, exclude_self=unbiased, rtol=rtol, method=method)
        / (points.shape[0] * (points.shape[0] - unbiased))
        for points in (real, generated)
    )
    between = potential(real, unit_charges(generated), kernel, rtol=rtol, method=method)
    between = float(np.mean(to_numpy(between), dtype=np.float64)) / generated.shape[0]
    return 0.5 * (of_real + of_generated) - between


def energy_gradient(
    real: Array,
    generated: Array,
    kernel: RadialKernel,
    *,
    with_respect_to: str = "generated",
    unbiased: bool = False,
    rtol: float | None = None,
    method: str = "auto",
) -> Array:
    r"""Gradient of :func:`interaction_energy` with respect to every sample of one side.

    .. math:: \nabla_{x_i} \hat F = \tfrac{1}{N_x} \hat E(x_i), \qquad
        \nabla_{y_i} \hat F = -\tfrac{1}{N_y} \hat E(y_i) \qquad \text{(Eq 33, 34)}

    Both are :math:`q_i \nabla\hat\Phi(a_i)`. Parameters and exceptions are those of :func:`interaction_energy`, and

    Parameters
    ----------
    with_respect_to : str
        Whose positions vary: 'generated' or 'real'.

    Returns
    -------
    array, shape of the side that varies
        The gradient [charge² · kernel / length], of the library, dtype and device of the arguments.

    Raises
    ------
    ValueError
        If ``with_respect_to`` is neither of the two.

    Notes
    -----
    Memory is O((N_x + N_y) m). Descending this gradient moves a generated sample along +∇Φ̂ = −Ê.
    """
    real, generated = _validated(real, generated, unbiased)
    if with_respect_to not in ("generated", "real"):
        raise ValueError(f"with_respect_to: expected generated or real, got {with_respect_to!r}")
    own, others = generated_charges(generated), real_charges(real)
    if with_respect_to == "real":
        own, others = others, own
    points, count = own.positions, own.positions.shape[0]
    field_of_own = field(points, own, kernel, exclude_self=unbiased, rtol=rtol, method=method)
    if unbiased:
        field_of_own = field_of_own * (count / (count - 1))
    total = field_of_own + field(points, others, kernel, rtol=rtol, method=method)
    return -own.weights[:, None] * total


def _validated(real: Array, generated: Array, unbiased: bool) -> tuple[Array, Array]:
    if not isinstance(unbiased, bool):
        raise TypeError(f"unbiased: expected True or False, got {unbiased!r}")
    return checked_samples(real, generated, least=2 if unbiased else 1)
