"""Potential, field and Laplacian of point charges: validate, choose an engine, delegate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..arrays import Array, backend
from ..charges import Charges, check_like, check_points
from ..kernels import RadialKernel
from ..profiles import Laplacian, numbers_of
from . import direct, simd

_SMALLEST = float(np.finfo(np.float32).tiny)
_LARGEST = float(np.finfo(np.float32).max)


class Engine(NamedTuple):
    """One way to sum over charges; both sums take (targets, positions, weights, profile, exclude_self)."""

    refusal: Callable[[Array], str]
    """Why the engine can't serve such targets; an empty string if it can."""
    potential: Callable[..., Array]
    field: Callable[..., Array]


ENGINES = {
    "simd": Engine(simd.refusal, simd.potential, simd.field),
    "direct": Engine(lambda targets: "", direct.potential, direct.field),
}
"""Engines by name, the preferred one first; the last serves everything."""


def potential(
    targets: Array, charges: Charges, kernel: RadialKernel, *, exclude_self: bool = False, method: str = "auto"
) -> Array:
    r"""Potential of point charges at the targets.

    .. math:: \hat\Phi(a_i) = \sum_j q_j\, k(a_i, b_j) \qquad \text{(Eq 8)}

    Parameters
    ----------
    targets : array, shape (T, m)
        Places a [length] to evaluate at; library, dtype and device of the charges. T may be 0.
    charges : Charges
        Sources b with their charges q.
    kernel : RadialKernel
        The kernel k.
    exclude_self : bool
        Target i is charge i, and their own term i = j is left out; there must then be as many targets as charges. Other
        pairs count, even where they coincide.
    method : str
        'auto', or an engine by name: 'direct' (any library) or 'simd' (NumPy, m ≤ 8).

    Returns
    -------
    array, shape (T,)
        Φ̂ [charge · kernel], of the library, dtype and device of the targets.

    Raises
    ------
    TypeError
        If an argument is of a wrong type, library or dtype.
    ValueError
        If a shape, a device, the method or the range of the kernel's parameters does not fit.

    Notes
    -----
    A NaN in a position reaches every result that depends on it. Memory is O((T + S) m) and a tile: see the engine. In
    float32 the error is a few units of rounding of Σ|q k|.
    """
    engine = _choose(targets, charges, kernel, exclude_self, method)
    return engine.potential(targets, charges.positions, charges.weights, kernel.profile, exclude_self)


def field(
    targets: Array, charges: Charges, kernel: RadialKernel, *, exclude_self: bool = False, method: str = "auto"
) -> Array:
    r"""Electric field of point charges at the targets.

    .. math:: \hat E(a_i) = -\nabla\hat\Phi(a_i) = -\sum_j q_j\, \nabla_a k(a_i, b_j) \qquad \text{(Eq 34)}

    Parameters, exceptions and notes are those of :func:`potential`.

    Returns
    -------
    array, shape (T, m)
        Ê [charge · kernel / length], of the library, dtype and device of the targets.
    """
    engine = _choose(targets, charges, kernel, exclude_self, method)
    return engine.field(targets, charges.positions, charges.weights, kernel.profile, exclude_self)


def laplacian(
    targets: Array, charges: Charges, kernel: RadialKernel, *, exclude_self: bool = False, method: str = "auto"
) -> Array:
    r"""Laplacian of the potential of point charges at the targets, which is minus the divergence of their field.

    .. math:: \nabla^2\hat\Phi(a_i) = \sum_j q_j\, \nabla_a^2 k(a_i, b_j) = -\nabla\cdot\hat E(a_i)
        \qquad \text{(Eq 14)}

    Parameters, exceptions and notes are those of :func:`potential`.

    Returns
    -------
    array, shape (T,)
        ∇²Φ̂ [charge · kernel / length²], of the library, dtype and device of the targets.
    """
    engine = _choose(targets, charges, kernel, exclude_self, method)
    profile = Laplacian.of(kernel.profile, targets.shape[1])
    return engine.potential(targets, charges.positions, charges.weights, profile, exclude_self)


def _choose(targets: Array, charges: Charges, kernel: RadialKernel, exclude_self: bool, method: str) -> Engine:
    _validate(targets, charges, kernel, exclude_self)
    if method == "auto":
        return next(engine for engine in ENGINES.values() if not engine.refusal(targets))
    if method not in ENGINES:
        raise ValueError(f"method: expected auto or one of {', '.join(ENGINES)}, got {method!r}")
    if reason := ENGINES[method].refusal(targets):
        raise ValueError(f"method: {method} can't serve these arrays: {reason}")
    return ENGINES[method]


def _validate(targets: Any, charges: Any, kernel: Any, exclude_self: Any) -> None:
    if not isinstance(charges, Charges):
        raise TypeError(f"charges: expected Charges(positions, weights), got {type(charges).__name__}")
    if not isinstance(kernel, RadialKernel):
        raise TypeError(f"kernel: expected a RadialKernel such as Plummer(), got {type(kernel).__name__}")
    if not isinstance(exclude_self, bool):
        raise TypeError(f"exclude_self: expected True or False, got {exclude_self!r}")
    positions = charges.positions
    xp = backend(positions=positions, targets=targets)
    check_points("targets", targets)
    check_like("targets", targets, "the charges", positions)
    count = positions.shape[0]
    if exclude_self and targets.shape[0] != count:
        raise ValueError(f"targets: expected as many as charges ({count}) with exclude_self, got {targets.shape[0]}")
    if targets.dtype == xp.float32:
        for number in numbers_of(kernel.profile):
            if number != 0 and not _SMALLEST <= abs(number) <= _LARGEST:
                raise ValueError(f"kernel: {kernel} holds a power of its parameters that leaves the range of float32")
