r"""Derivatives of potential and field by everything that they depend on, forward (jvp) and backward (vjp).

With d = a_i − b_j, f and its derivatives at s = ‖d‖², and H(d) = 4 f″ d dᵀ + 2 f′ I, the Hessian of the kernel,

.. math:: d\Phi_i = \sum_j \delta q_j f + 2 q_j f' d \cdot (\delta a_i - \delta b_j), \qquad
    dE_i = -\sum_j 2\,\delta q_j f' d + q_j H (\delta a_i - \delta b_j).

H is even in d and symmetric, so that the transpose of each is again a sum over charges, with the roles of targets and
charges exchanged; no function here holds more than O((T + S) m) numbers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import array_api_compat

from .arrays import Array, backend, floating, namespace
from .charges import Charges, check_charges, check_points
from .kernels import RadialKernel
from .sums import derivative, field, potential
from .sums.request import Tangent


class Gradient(NamedTuple):
    """∂L/∂ each argument of a potential or a field."""

    targets: Array
    """Shape (T, m)."""
    positions: Array
    """Shape (S, m)."""
    weights: Array
    """Shape (S,)."""


def potential_jvp(
    targets: Array,
    charges: Charges,
    kernel: RadialKernel,
    *,
    d_targets: Array | None = None,
    d_positions: Array | None = None,
    d_weights: Array | None = None,
    exclude_self: bool = False,
    method: str = "auto",
) -> Array:
    r"""Change of the potential as targets, charges and their weights move (Jacobian-vector product).

    .. math:: d\Phi_i = \sum_j \delta q_j k(a_i, b_j) + q_j \nabla_a k(a_i, b_j) \cdot (\delta a_i - \delta b_j)

    Parameters
    ----------
    targets, charges, kernel, exclude_self
        As for :func:`potential`.
    d_targets : array, shape (T, m), optional
        δa [length]; none means that the targets stay.
    d_positions : array, shape (S, m), optional
        δb [length].
    d_weights : array, shape (S,), optional
        δq [charge].
    method : str
        'auto', or an exact engine by name.

    Returns
    -------
    array, shape (T,)
        dΦ [charge · kernel].

    Raises
    ------
    TypeError, ValueError
        As for :func:`potential`; also if a direction's library, dtype or shape is not that of its argument.
    """
    tangent = _tangent(targets, charges, d_targets, d_positions, d_weights)
    found = derivative(targets, charges, kernel, tangent, potential=True, exclude_self=exclude_self, method=method)
    return found.potential


def field_jvp(
    targets: Array,
    charges: Charges,
    kernel: RadialKernel,
    *,
    d_targets: Array | None = None,
    d_positions: Array | None = None,
    d_weights: Array | None = None,
    exclude_self: bool = False,
    method: str = "auto",
) -> Array:
    r"""Change of the field as targets, charges and their weights move (Jacobian-vector product).

    .. math:: dE_i = -\sum_j \delta q_j \nabla_a k(a_i, b_j) + q_j \nabla_a^2 k(a_i, b_j)\,(\delta a_i - \delta b_j)

    Parameters and exceptions are those of :func:`potential_jvp`.

    Returns
    -------
    array, shape (T, m)
        dE [charge · kernel / length].
    """
    tangent = _tangent(targets, charges, d_targets, d_positions, d_weights)
    found = derivative(targets, charges, kernel, tangent, field=True, exclude_self=exclude_self, method=method)
    return found.field


def potential_vjp(
    targets: Array,
    charges: Charges,
    kernel: RadialKernel,
    cotangent: Array,
    *,
    exclude_self: bool = False,
    rtol: float | None = None,
    method: str = "auto",
) -> Gradient:
    r"""Pull ``cotangent`` = ∂L/∂Φ back to targets, positions and weights: the transpose of :func:`potential_jvp`.

    .. math:: \frac{\partial L}{\partial a_i} = -c_i E(a_i), \qquad
        \frac{\partial L}{\partial b_j} = -q_j E_c(b_j), \qquad \frac{\partial L}{\partial q_j} = \Phi_c(b_j)

    with the potential Φ_c and the field E_c of charges c_i at the targets.

    Parameters
    ----------
    targets, charges, kernel, exclude_self, rtol, method
        As for :func:`potential`; every engine serves.
    cotangent : array, shape (T,)
        c = ∂L/∂Φ; library, dtype and device of the targets.

    Returns
    -------
    Gradient
        ∂L/∂ targets, positions and weights.

    Raises
    ------
    TypeError, ValueError
        As for :func:`potential`; also if the cotangent does not fit the targets.
    """
    targets = _checked(targets, charges)
    cotangent = _checked_like("cotangent", cotangent, "targets", targets, (targets.shape[0],))
    options: dict[str, Any] = {"exclude_self": exclude_self, "rtol": rtol, "method": method}
    places, swapped = charges.positions, Charges(targets, cotangent)
    return Gradient(
        targets=-cotangent[:, None] * field(targets, charges, kernel, **options),
        positions=-charges.weights[:, None] * field(places, swapped, kernel, **options),
        weights=potential(places, swapped, kernel, **options),
    )


def field_vjp(
    targets: Array,
    charges: Charges,
    kernel: RadialKernel,
    cotangent: Array,
    *,
    exclude_self: bool = False,
    method: str = "auto",
) -> Gradient:
    r"""Pull ``cotangent`` = ∂L/∂E back to targets, positions and weights: the transpose of :func:`field_jvp`.

    .. math:: \frac{\partial L}{\partial a_i} = -\sum_j q_j H_{ij} c_i, \qquad
        \frac{\partial L}{\partial b_j} = q_j \sum_i H_{ij} c_i, \qquad
        \frac{\partial L}{\partial q_j} = -\sum_i c_i \cdot \nabla_a k(a_i, b_j)

    Parameters
    ----------
    targets, charges, kernel, exclude_self, method
        As for :func:`potential_jvp`.
    cotangent : array, shape (T, m)
        c = ∂L/∂E; library, dtype and device of the targets.

    Returns
    -------
    Gradient
        ∂L/∂ targets, positions and weights.

    Raises
    ------
    TypeError, ValueError
        As for :func:`potential`; also if the cotangent does not fit the targets.
    """
    targets = _checked(targets, charges)
    cotangent = _checked_like("cotangent", cotangent, "targets", targets, tuple(targets.shape))
    xp, device = namespace(targets), array_api_compat.device(targets)
    options: dict[str, Any] = {"exclude_self": exclude_self, "method": method}
    unit = xp.ones((targets.shape[0],), dtype=targets.dtype, device=device)
    # Seen from the charges, the targets are unit charges that move by c: their field at b_j changes by Σ_i H c_i, and
    # their potential by −Σ_i ∇k(b_j − a_i) · c_i, which is Σ_i ∇k(a_i − b_j) · c_i.
    seen = derivative(
        charges.positions,
        Charges(targets, unit),
        kernel,
        Tangent(positions=cotangent),
        potential=True,
        field=True,
        **options,
    )
    return Gradient(
        targets=field_jvp(targets, charges, kernel, d_targets=cotangent, **options),
        positions=charges.weights[:, None] * seen.field,
        weights=-seen.potential,
    )


def _tangent(
    targets: Array, charges: Charges, d_targets: Array | None, d_positions: Array | None, d_weights: Array | None
) -> Tangent:
    targets = _checked(targets, charges)
    positions, weights = charges.positions, charges.weights
    if d_targets is not None:
        d_targets = _checked_like("d_targets", d_targets, "targets", targets, tuple(targets.shape))
    if d_positions is not None:
        d_positions = _checked_like("d_positions", d_positions, "positions", positions, tuple(positions.shape))
    if d_weights is not None:
        d_weights = _checked_like("d_weights", d_weights, "weights", weights, tuple(weights.shape))
    return Tangent(d_targets, d_positions, d_weights)


def _checked(targets: Array, charges: Charges) -> Array:
    """The targets; raises unless the arguments are points and charges of one library: what others are compared with."""
    check_charges(charges)
    _, targets = floating(positions=charges.positions, targets=targets)
    backend(positions=charges.positions, targets=targets)
    check_points("targets", targets)
    return targets


def _checked_like(name: str, array: Array, like_name: str, like: Array, shape: tuple[int, ...]) -> Array:
    """The array; raises unless it has the library, device and dtype of another and the shape given."""
    _, array = floating(**{like_name: like, name: array})
    backend(**{like_name: like, name: array})
    if tuple(array.shape) != shape:
        raise ValueError(f"{name}: expected shape {shape} like {like_name}, got {tuple(array.shape)}")
    if array.dtype != like.dtype:
        raise TypeError(f"{name}: expected dtype {like.dtype} like {like_name}, got {array.dtype}")
    return array
