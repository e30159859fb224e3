r"""Sums over pairs at the nearest image: kernels of short range in a box that repeats (minimum-image convention).

.. math:: \Phi(a) = \sum_{j:\, \|a - b_j\|_L < r_c} q_j\, k(\|a - b_j\|_L), \qquad
    \|d\|_L = \min_n \|d - n L\|

With a cutoff of no more than half a period along each periodic axis, no charge has a second image within it, so that
these are all pairs nearer than r_c, and none twice. M. P. Allen and D. J. Tildesley, Computer Simulation of Liquids,
section 1.6.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import finite_number
from ..arrays import Array
from ..charges import Charges, check_charges
from ..kernels import RadialKernel
from ..sums.ewald import neighbour_cells
from ..sums.ewald.splitting import Split
from ..sums.fourier.periodic import box_of, constant
from ..sums.request import Request, Result
from .box import Box
from .images import with_images
from .sums import request_in_box

NO_SMOOTH_PART = np.zeros(2)


def minimum_image_potential(
    targets: Array,
    charges: Charges,
    kernel: RadialKernel,
    box: Box,
    *,
    cutoff: float | None = None,
    exclude_self: bool = False,
) -> np.ndarray:
    r"""Potential of charges, each at its image that is nearest to the target.

    Parameters
    ----------
    targets : array, shape (T, m)
        Places a [length], NumPy; they and the charges may lie anywhere, and count as if moved into the box.
    charges : Charges
        Sources b with their charges q.
    kernel : RadialKernel
        Any that Numba compiles.
    box : Box
        What repeats, m ≤ 3.
    cutoff : float, optional
        r_c > 0 [length], at most half of the shortest period: pairs at this distance or farther add nothing, without a
        shift or smoothing of the kernel. Half of the shortest period if none is given, for kernels that are negligible
        there.
    exclude_self : bool
        Target i is charge i, and its own term is left out.

    Returns
    -------
    array, shape (T,)
        Φ [charge · kernel], of the targets' dtype.

    Raises
    ------
    TypeError
        If an argument is of a wrong type or no NumPy array.
    ValueError
        If a shape doesn't fit, a number isn't finite, a period is shorter than twice the cutoff, or there is none and
        the kernel isn't negligible half a period away: less, in size, than a unit of rounding of its value at 0.

    Notes
    -----
    As exact as the arrays' dtype. Time goes with the number of pairs within about twice the cutoff, T · S at most;
    memory with the number of points and of their images within the cutoff.
    """
    return _sums(targets, charges, kernel, box, cutoff, exclude_self, potential=True).potential


def minimum_image_field(
    targets: Array,
    charges: Charges,
    kernel: RadialKernel,
    box: Box,
    *,
    cutoff: float | None = None,
    exclude_self: bool = False,
) -> np.ndarray:
    """Electric field E = −∇Φ of charges at their nearest images, shape (T, m) [charge · kernel / length].

    It is that of the terms within the cutoff; what a kernel that is cut jumps by there has no field. Parameters and
    exceptions are those of :func:`minimum_image_potential`.
    """
    return _sums(targets, charges, kernel, box, cutoff, exclude_self, field=True).field


def minimum_image_potential_and_field(
    targets: Array,
    charges: Charges,
    kernel: RadialKernel,
    box: Box,
    *,
    cutoff: float | None = None,
    exclude_self: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Both together; as :func:`minimum_image_potential` and :func:`minimum_image_field` return them."""
    result = _sums(targets, charges, kernel, box, cutoff, exclude_self, potential=True, field=True)
    return result.potential, result.field


def minimum_image_energy(
    charges: Charges, kernel: RadialKernel, box: Box, *, cutoff: float | None = None, exclude_self: bool = True
) -> float:
    r"""Energy of pairs at their nearest images, :math:`F = \tfrac12 \sum_i q_i \Phi(b_i)` [charge² · kernel].

    Parameters and exceptions are those of :func:`minimum_image_potential`; each charge's own term is left out unless
    ``exclude_self`` is False.
    """
    check_charges(charges)
    positions = charges.positions
    found = minimum_image_potential(positions, charges, kernel, box, cutoff=cutoff, exclude_self=exclude_self)
    return 0.5 * float(found.astype(np.float64) @ charges.weights.astype(np.float64))


def _sums(
    targets: Any,
    charges: Any,
    kernel: Any,
    box: Any,
    cutoff: Any,
    exclude_self: Any,
    *,
    potential: bool = False,
    field: bool = False,
) -> Result:
    request = request_in_box(targets, charges, kernel, box, exclude_self, None, potential=potential, field=field)
    reach = _range(request, kernel, box, cutoff)
    if reason := request.profile.uncompiled(request.targets.dtype):
        raise ValueError(f"kernel: expected one that Numba compiles, got {kernel}: {reason}")
    found = constant(request.targets, 0.0, 0.0, potential, field)
    if not (request.targets.shape[0] and np.any(request.weights)):
        return found
    places, weights = with_images(request.positions, request.weights, box, reach)
    centre, extents = box_of(request.targets, places)
    low, high = centre - extents / 2, centre + extents / 2
    # All of the kernel is the short part, and the smooth part that comes off it is 0.
    parts = Split(request.profile, reach * reach, NO_SMOOTH_PART)
    grid = neighbour_cells.Grid.over(low, high, reach, max(request.targets.shape[0], places.shape[0]))
    near = neighbour_cells.short_sums(
        request.targets, places, weights, parts, grid, request.exclude_self, potential, field
    )
    for whole, part in zip(found, near, strict=True):
        if whole is not None:
            whole[...] = part
    return found


def _range(request: Request, kernel: RadialKernel, box: Box, cutoff: Any) -> float:
    """The cutoff, once the box has room for it."""
    shortest = float(np.min(box.sides))
    if cutoff is not None:
        reach = finite_number("cutoff", cutoff, "positive")
        if 2 * reach > shortest:
            raise ValueError(f"box: expected periods of at least twice the cutoff, {2 * reach:g}, got {shortest:g}")
        return reach
    reach = shortest / 2
    profile = request.profile
    with np.errstate(all="ignore"):
        there, at_zero = (float(abs(profile.value(np, np.array([s]))[0])) for s in (reach * reach, 0.0))
    if not (np.isfinite(at_zero) and there <= np.finfo(request.targets.dtype).eps * at_zero):
        raise ValueError(
            f"cutoff: expected a length with {kernel}, which is not negligible half a period, {reach:g}, away: "
            f"{there:g} there, {at_zero:g} at 0"
        )
    return reach
