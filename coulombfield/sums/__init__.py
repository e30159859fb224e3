"""Potential, field and Laplacian of point charges: validate, choose an engine, delegate."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from ..arguments import finite_number
from ..arrays import Array, backend, floating, library, to_numpy
from ..charges import Charges, check_charges, check_like, check_points
from ..kernels import RadialKernel, check_derivatives, check_kernel
from ..profiles import Laplacian
from . import keeping, selection
from .keeping import Kept
from .request import Request, Result, Tangent, check_explained
from .selection import Explanation, differentiate, evaluate
from .unit_of_length import in_double, in_old_unit, is_single, like, overflown, rescaled

__all__ = ["Explanation", "explain", "field", "laplacian", "potential", "potential_and_field"]

A = TypeVar("A")
"""The type of the targets' arrays, which is that of the results."""
R = TypeVar("R")


def potential(
    targets: A,
    charges: Charges,
    kernel: RadialKernel,
    *,
    exclude_self: bool = False,
    rtol: float | None = None,
    method: str = "auto",
) -> A:
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
    rtol : float, optional
        Error that is allowed: root mean square over the targets, relative to that of :math:`\sum_j |q_j k(a_i, b_j)|`
        (for a field, of :math:`\sum_j |q_j| \|\nabla k\|`). It is measured at sampled targets before a result is given
        out. Without it the sums are as exact as the arrays' dtype, and only exact engines are used.
    method : str
        'auto', the fastest; or an engine by name. Exact: 'simd' (NumPy, m ≤ 8), 'gram' (NumPy and CuPy, many
        dimensions), 'cuda' (CuPy, m ≤ 8), 'direct' (any library). To ``rtol``, for m ≤ 3: 'nufft' (ε not far below the
        extent of the points), 'split' (small ε), both with NumPy and CuPy, 'tree' (NumPy, m ≤ 2, clusters too).

    Returns
    -------
    array, shape (T,)
        Φ̂ [charge · kernel], of the library, dtype and device of the targets. :func:`explain` also says which engine
        gave it and why.

    Raises
    ------
    TypeError
        If an argument is of a wrong type, library or dtype.
    ValueError
        If a shape, a device, the method or the range of the kernel's parameters does not fit, or ``rtol`` is less than
        16 units of rounding.
    ArithmeticError
        If a fast engine that was asked for by name can't reach ``rtol``; 'auto' falls back to an exact one.

    Warns
    -----
    RuntimeWarning
        If the kernel is infinite at distance 0, as :class:`coulombfield.Coulomb` is, and the targets are the charges'
        own places without ``exclude_self``.

    Notes
    -----
    A NaN in a position reaches every result that depends on it. Memory is O((T + S) m) and a tile: see the engine. In
    float32 the error is a few units of rounding of Σ|q k|; where float32 can't hold the terms, such as a field's of
    exponent 3 among points that are 1e7 ε apart, they are summed in float64, which takes a few times as long.
    """
    request = checked_request(targets, charges, kernel, exclude_self, rtol, potential=True)
    return _evaluate(request, method)[0].potential


def field(
    targets: A,
    charges: Charges,
    kernel: RadialKernel,
    *,
    exclude_self: bool = False,
    rtol: float | None = None,
    method: str = "auto",
) -> A:
    r"""Electric field of point charges at the targets.

    .. math:: \hat E(a_i) = -\nabla\hat\Phi(a_i) = -\sum_j q_j\, \nabla_a k(a_i, b_j) \qquad \text{(Eq 34)}

    Parameters, exceptions and notes are those of :func:`potential`.

    Returns
    -------
    array, shape (T, m)
        Ê [charge · kernel / length], of the library, dtype and device of the targets.
    """
    request = checked_request(targets, charges, kernel, exclude_self, rtol, field=True)
    return _evaluate(request, method)[0].field


def potential_and_field(
    targets: A,
    charges: Charges,
    kernel: RadialKernel,
    *,
    exclude_self: bool = False,
    rtol: float | None = None,
    method: str = "auto",
) -> tuple[A, A]:
    r"""Potential and electric field together, for little more than the cost of the field alone.

    Parameters, exceptions and notes are those of :func:`potential`.

    Returns
    -------
    potential : array, shape (T,)
        As from :func:`potential`.
    field : array, shape (T, m)
        As from :func:`field`.
    """
    request = checked_request(targets, charges, kernel, exclude_self, rtol, potential=True, field=True)
    result, _ = _evaluate(request, method)
    return result.potential, result.field


def laplacian(
    targets: A,
    charges: Charges,
    kernel: RadialKernel,
    *,
    exclude_self: bool = False,
    rtol: float | None = None,
    method: str = "auto",
) -> A:
    r"""Laplacian of the potential of point charges at the targets, which is minus the divergence of their field.

    .. math:: \nabla^2\hat\Phi(a_i) = \sum_j q_j\, \nabla_a^2 k(a_i, b_j) = -\nabla\cdot\hat E(a_i)
        \qquad \text{(Eq 14)}

    Parameters, exceptions and notes are those of :func:`potential`.

    Returns
    -------
    array, shape (T,)
        ∇²Φ̂ [charge · kernel / length²], of the library, dtype and device of the targets.
    """
    request = checked_request(targets, charges, kernel, exclude_self, rtol, potential=True)
    return _evaluate(_laplacian_of(request), method)[0].potential


def explain(
    function: Callable[..., R],
    targets: Any,
    charges: Charges,
    kernel: RadialKernel,
    *,
    exclude_self: bool = False,
    rtol: float | None = None,
    method: str = "auto",
) -> tuple[R, Explanation]:
    """Call a function of this module, and say which engine gave its result and why.

    Parameters
    ----------
    function : callable
        :func:`potential`, :func:`field`, :func:`potential_and_field` or :func:`laplacian`. The other parameters and
        the exceptions are its own.

    Returns
    -------
    result : array or pair of arrays
        What the function returns.
    explanation : Explanation
        The engine, the error that was measured, and what other engines said.

    Raises
    ------
    TypeError
        If it is another function.
    """
    check_explained(function, potential, field, potential_and_field, laplacian)
    wanted = {"potential": function is not field, "field": function in (field, potential_and_field)}
    request = checked_request(targets, charges, kernel, exclude_self, rtol, **wanted)
    result, explanation = _evaluate(_laplacian_of(request) if function is laplacian else request, method, explain=True)
    assert explanation is not None
    return result.asked_for, explanation


def unwatched(
    function: Callable[..., R], targets: Any, charges: Charges, kernel: RadialKernel, *, exclude_self: bool = False
) -> R:
    """Call a function of this module for a loop on a GPU that goes on while its arrays are computed.

    Nothing looks at a number of CuPy arrays, for which the host would have to wait. So the unit of length goes by the
    kernel alone, and a float32 sum stays what it is: far terms that float32 can't hold are 0 or NaN, which the loop has
    to notice by what it makes of them. On other libraries it is the function itself.

    Parameters
    ----------
    function : callable
        :func:`potential`, :func:`field` or :func:`potential_and_field`; the other parameters are its own.
    """
    if library(type(charges.positions)) != "cupy":
        return function(targets, charges, kernel, exclude_self=exclude_self)
    check_explained(function, potential, field, potential_and_field)
    wanted = {"potential": function is not field, "field": function is not potential}
    request = checked_request(targets, charges, kernel, exclude_self, None, **wanted)
    scaled, factor = rescaled(request, int(request.field), reach=0.0)
    return in_old_unit(evaluate(scaled, "auto", explain=False)[0], request, factor).asked_for


def energy(
    charges: Charges,
    kernel: RadialKernel,
    *,
    exclude_self: bool = False,
    rtol: float | None = None,
    method: str = "auto",
) -> float:
    """½ Σ_i q_i Φ(b_i); for :mod:`coulombfield.energy`."""
    check_charges(charges)
    request = checked_request(charges.positions, charges, kernel, exclude_self, rtol, potential=True)
    value = selection.energy(rescaled(request)[0], method)
    if is_single(request) and not math.isfinite(value) and request.finite:
        return selection.energy(in_double(request), method)
    return value


def derivative(
    targets: Array,
    charges: Charges,
    kernel: RadialKernel,
    tangent: Tangent,
    *,
    potential: bool = False,
    field: bool = False,
    exclude_self: bool = False,
    method: str = "auto",
) -> Result:
    """Derivatives along a tangent, in the arguments of :func:`potential`; for :mod:`coulombfield.derivatives`."""
    request = checked_request(targets, charges, kernel, exclude_self, None, potential=potential, field=field)
    check_derivatives(request.profile, 1 + field)
    scaled, factor = rescaled(request, 1 + field)
    result = in_old_unit(differentiate(scaled, tangent.moved(factor, scaled), method), request, factor)
    if overflown(result, request):
        double = in_double(request)
        result = like(differentiate(double, tangent.moved(1.0, double), method), request)
    return result


def kept_sums(
    targets: Array,
    charges: Charges,
    kernel: RadialKernel,
    kept: Kept | None,
    *,
    potential: bool = False,
    exclude_self: bool = False,
    rtol: float | None = None,
    method: str = "auto",
) -> tuple[Result, Kept | None]:
    """Field, and potential if wanted, by what is kept from the last time (:mod:`.keeping`), and what to keep."""
    request = checked_request(targets, charges, kernel, exclude_self, rtol, potential=potential, field=True)
    scaled, factor = rescaled(request, 1)
    result, kept = keeping.kept_sums(scaled, method, factor, kept)
    return _given_out(result, request, scaled, factor), kept


def _laplacian_of(request: Request) -> Request:
    check_derivatives(request.profile, 2)
    return request._replace(profile=Laplacian.of(request.profile, request.targets.shape[1]))


def _evaluate(request: Request, method: str, explain: bool = False) -> tuple[Result, Explanation | None]:
    scaled, factor = rescaled(request, 2 if isinstance(request.profile, Laplacian) else int(request.field))
    result, explanation = evaluate(scaled, method, explain=explain)
    return _given_out(result, request, scaled, factor), explanation


def _given_out(result: Result, request: Request, scaled: Request, factor: float) -> Result:
    """The result of the scaled request as that of the request."""
    if scaled is not request:
        result = in_old_unit(result, request, factor)
    return _without_overflow(result, request) if overflown(result, request) else result


def _without_overflow(result: Result, request: Request) -> Result:
    """The result with what is not finite summed once more, in float64."""
    double = in_double(request)._replace(rtol=None)
    if library(type(request.targets)) not in ("numpy", "cupy"):  # others may not let arrays be written into
        return like(evaluate(double, "auto")[0], request)
    xp = backend(targets=request.targets)
    wrong = xp.zeros(request.targets.shape[0], dtype=xp.bool)
    for values in result:
        if values is not None:
            wrong |= xp.any(xp.reshape(~xp.isfinite(values), (values.shape[0], -1)), axis=1)
    rows = np.flatnonzero(to_numpy(wrong))
    for values, again in zip(result, like(evaluate(double.at(rows), "auto")[0], request), strict=True):
        if values is not None:
            values[xp.asarray(rows)] = again
    return result


def checked_request(
    targets: Any,
    charges: Any,
    kernel: Any,
    exclude_self: Any,
    rtol: Any,
    *,
    potential: bool = False,
    field: bool = False,
) -> Request:
    """The request that these arguments make, once they are checked; for what else sums over charges."""
    check_charges(charges)
    check_kernel(kernel)
    if not isinstance(exclude_self, bool):
        raise TypeError(f"exclude_self: expected True or False, got {exclude_self!r}")
    positions = charges.positions
    if type(targets) is not type(positions) or targets.dtype != positions.dtype:
        _, targets = floating(positions=positions, targets=targets)
    xp = backend(positions=positions, targets=targets)
    if not (targets.ndim == 2 and targets.shape[1] == positions.shape[1] and targets.dtype == positions.dtype):
        check_points("targets", targets)  # else they are points since the positions are
        check_like("targets", targets, "the charges", positions)
    count = positions.shape[0]
    if exclude_self and targets.shape[0] != count:
        raise ValueError(f"targets: expected as many as charges ({count}) with exclude_self, got {targets.shape[0]}")
    if rtol is not None:
        rtol = finite_number("rtol", rtol)
        least = 16 * float(xp.finfo(targets.dtype).eps)
        if not least <= rtol < 1:
            raise ValueError(f"rtol: expected a number from {least:.1e} ({targets.dtype}) to 1, got {rtol:g}")
    profile = kernel.profile
    if targets is positions and count and not exclude_self and any(p.shift == 0 for p in profile.power_parts()):
        warnings.warn(
            f"exclude_self: {kernel} is infinite between a charge and itself, and so are sums at charges' own places",
            RuntimeWarning,
            stacklevel=3,
        )
    return Request(targets, positions, charges.weights, profile, exclude_self, potential, field, rtol)
