r"""Potential, field and energy of charges in a box that repeats: sums over all images.

.. math:: \Phi(a) = \sum_j q_j \sum_n k(a, b_j + n L),

n running over the integers for each periodic axis. The sum over images converges for exponents d > p, p being the
number of periodic axes. For d ≤ p it is the limit of the sum over whole cells in which a uniform background neutralises
the charges, without a dipole at the surface ("tin-foil"), as Ewald's sum is understood: the mean of Φ over a box that
is periodic along all axes is then 0. In a box that is periodic along some of its axes only, the charges should be
neutral: Φ is defined up to a constant times their sum.

P. P. Ewald, Annalen der Physik 369 (1921) 253; S. W. de Leeuw, J. W. Perram and E. R. Smith, Proc. R. Soc. A 373 (1980)
27. The short part is that of :mod:`coulombfield.sums.ewald`, the coefficients those of :mod:`.lattice`.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from ..arguments import finite_number
from ..arrays import Array, library, namespace
from ..charges import Charges, check_charges
from ..kernels import RadialKernel, check_kernel
from ..kernels.inverse_power import InversePower
from ..profiles import Added, Power
from ..sums import checked_request
from ..sums.ewald import neighbour_cells
from ..sums.fourier.periodic import Series, constant
from ..sums.pairs import simd
from ..sums.request import OutOfReachError, Request, Result
from ..sums.sampled_targets import draw
from ..sums.tolerance import Measure, tightened
from .box import Box
from .images import with_images
from .line import sheet_sums
from .planning import Plan, planned, scene_of

RTOL = 1e-6
FINER = 0.03  # of the tolerance of sums: that of those that they are measured against
SMALLEST_TOLERANCE = 1e-14
LEAST, MOST = 1e-146, 1e146  # of a kernel in size: squares of it and of its slope go into the error's measure
LENGTH = 20  # the shortest side is taken between 2^-20 and 2^20, so that powers and squares of sums have room
MOST_SIDES = 1e4  # how often the shortest side may go into the extent of the points: planning takes seconds at that
MOST_SHELLS = 8  # of images that are summed by pairs, for kernels that are no inverse powers


def potential(
    targets: Array,
    charges: Charges,
    kernel: RadialKernel,
    box: Box,
    *,
    exclude_self: bool = False,
    rtol: float | None = None,
) -> np.ndarray:
    r"""Potential of charges and of all their images.

    Parameters
    ----------
    targets : array, shape (T, m)
        Places a [length], NumPy; they and the charges may lie anywhere, and count as if moved into the box.
    charges : Charges
        Sources b with their charges q.
    kernel : RadialKernel
        An inverse power, softened or, with ``exclude_self`` and d < m in a box that is periodic along all axes, bare;
        a sum of such kernels; a kernel that is negligible some periods away, such as a Gaussian; or along a line
        :class:`coulombfield.Sheets`, whose sums are exact.
    box : Box
        What repeats, m ≤ 3.
    exclude_self : bool
        Target i is charge i, and its own term is left out; those of its images are not.
    rtol : float, optional
        Error that is allowed: root mean square over the targets, relative to that of :math:`\sum_j |q_j k|` with each
        charge at its nearest image, or if it is at the target itself at one a period away (for a field
        :math:`\sum_j |q_j| \|\nabla k\|`). It is measured at sampled targets before a result is given out, against
        sums with another split at a smaller tolerance. 1e-6 if none is given; 16 units of rounding in float32, 1.9e-6.

    Returns
    -------
    array, shape (T,)
        Φ [charge · kernel], of the targets' dtype.

    Raises
    ------
    TypeError
        If an argument is of a wrong type or no NumPy array.
    ValueError
        If a shape doesn't fit, the box can't serve the kernel, or ``rtol`` is less than 16 units of rounding.
    ModuleNotFoundError
        Without finufft, which is in the extra ``fast``.
    ArithmeticError
        If ``rtol`` can't be reached.
    """
    return _evaluate(targets, charges, kernel, box, exclude_self, rtol, potential=True).potential


def field(
    targets: Array,
    charges: Charges,
    kernel: RadialKernel,
    box: Box,
    *,
    exclude_self: bool = False,
    rtol: float | None = None,
) -> np.ndarray:
    """Electric field E = −∇Φ of charges and of all their images, shape (T, m) [charge · kernel / length].

    Parameters and exceptions are those of :func:`potential`.
    """
    return _evaluate(targets, charges, kernel, box, exclude_self, rtol, field=True).field


def potential_and_field(
    targets: Array,
    charges: Charges,
    kernel: RadialKernel,
    box: Box,
    *,
    exclude_self: bool = False,
    rtol: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Both together, for little more than the cost of the field; as :func:`potential` and :func:`field` return them."""
    result = _evaluate(targets, charges, kernel, box, exclude_self, rtol, potential=True, field=True)
    return result.potential, result.field


def energy(
    charges: Charges, kernel: RadialKernel, box: Box, *, exclude_self: bool = True, rtol: float | None = None
) -> float:
    r"""Energy of one box, :math:`F = \tfrac12 \sum_i q_i \Phi(b_i)` [charge² · kernel].

    Parameters and exceptions are those of :func:`potential`; each charge's own term, :math:`q_i^2 k(0)`, is left out
    unless ``exclude_self`` is False.
    """
    check_charges(charges)
    found = potential(charges.positions, charges, kernel, box, exclude_self=exclude_self, rtol=rtol)
    return 0.5 * float(found.astype(np.float64) @ charges.weights.astype(np.float64))


def virial(charges: Charges, kernel: RadialKernel, box: Box, *, rtol: float | None = None) -> float:
    r"""Virial of one box [charge² · kernel]: minus the derivative of its energy F by the logarithm of a scale.

    .. math:: W = -\frac{\partial F(\lambda b, \lambda L)}{\partial \lambda} \Big|_{\lambda = 1}
        = \tfrac12 \sum_{i, j, n} q_i q_j\, (-2 s f'(s)), \qquad s = \|b_i - b_j - n L\|^2

    For like charges that repel it is positive. The pressure is (2K + W) / (m V), K being the kinetic energy (R.
    Clausius 1870). Parameters and exceptions are those of :func:`energy`; the box has to be periodic along all axes.
    """
    _check(charges, kernel, box)
    if not all(box.periodic):
        raise ValueError("box: expected one that is periodic along all axes, where there is a volume")
    if kernel.profile.rise() is not None and box.dimension == 1:
        return -energy(charges, kernel, box, rtol=rtol)
    terms = kernel.profile.inverse_powers()
    if not terms:
        raise ValueError(f"kernel: expected inverse powers and their sums, got {kernel}")
    request = _request(charges.positions, charges, kernel, box, True, rtol, potential=True)
    parts = [(_pull(term), term.exponent <= box.dimension) for term in terms]
    found = _added(request, parts, box).potential
    return 0.5 * float(found.astype(np.float64) @ charges.weights.astype(np.float64))


def pressure(
    charges: Charges, kernel: RadialKernel, box: Box, *, kinetic_energy: float = 0.0, rtol: float | None = None
) -> float:
    """Pressure (2K + W) / (m V) of one box [charge² · kernel / length^m], from its :func:`virial` W and K."""
    kinetic = finite_number("kinetic_energy", kinetic_energy, "non-negative")
    found = virial(charges, kernel, box, rtol=rtol)
    return (2 * kinetic + found) / (box.dimension * box.volume)


def _evaluate(
    targets: Any,
    charges: Any,
    kernel: Any,
    box: Any,
    exclude_self: Any,
    rtol: Any,
    *,
    potential: bool = False,
    field: bool = False,
) -> Result:
    request = _request(targets, charges, kernel, box, exclude_self, rtol, potential=potential, field=field)
    rise = kernel.profile.rise()
    if rise is not None and box.dimension == 1:
        return sheet_sums(request, rise, float(box.sides[0]))
    terms = request.profile.inverse_powers()
    if not terms:
        return _by_images(request, kernel, box)
    return _added(request, _parts(terms, box), box)


def _request(
    targets: Any,
    charges: Any,
    kernel: Any,
    box: Any,
    exclude_self: Any,
    rtol: Any,
    *,
    potential: bool = False,
    field: bool = False,
) -> Request:
    """The request that these arguments make, its points moved into the box; its images are to be summed to ``rtol``."""
    _check(charges, kernel, box)
    rtol = _usual_rtol(charges.positions) if rtol is None else finite_number("rtol", rtol)
    _check_bare(kernel, box, exclude_self)
    return request_in_box(targets, charges, kernel, box, exclude_self, rtol, potential=potential, field=field)


def _usual_rtol(positions: Array) -> float:
    """The error allowed where none is given."""
    return max(RTOL, 16 * float(namespace(positions).finfo(positions.dtype).eps))


def request_in_box(
    targets: Any,
    charges: Any,
    kernel: Any,
    box: Any,
    exclude_self: Any,
    rtol: float | None,
    *,
    potential: bool = False,
    field: bool = False,
) -> Request:
    """The request that these arguments make, once they are checked, its points moved into the box."""
    _check(charges, kernel, box)
    request = checked_request(targets, charges, kernel, exclude_self, rtol, potential=potential, field=field)
    if library(type(request.positions)) != "numpy":
        given = type(request.positions)
        raise TypeError(f"positions: expected a NumPy array, which periodic sums take alone, got {given}")
    for name in ("positions", "targets", "weights"):
        if not np.isfinite(getattr(request, name)).all():
            raise ValueError(f"{name}: expected finite numbers, since a sum over images reaches every target")
    inside = box.wrapped(request.positions)
    same = request.targets is request.positions
    return request._replace(positions=inside, targets=inside if same else box.wrapped(request.targets))


def _check(charges: Any, kernel: Any, box: Any) -> None:
    check_charges(charges)
    check_kernel(kernel)
    _check_box(box, charges.positions.shape[1])


def _check_box(box: Any, dimension: int) -> None:
    if not isinstance(box, Box):
        raise TypeError(f"box: expected a Box, got {type(box).__name__}")
    if box.dimension != dimension:
        raise ValueError(f"box: expected {dimension} axes like the points, got {box.dimension}")


def _check_bare(kernel: RadialKernel, box: Box, exclude_self: Any) -> None:
    """Raise if the kernel has a bare inverse power that the box can't serve."""
    bare = [term for term in kernel.profile.inverse_powers() or () if not term.shift]
    if not bare:
        return
    if exclude_self is False:
        raise ValueError(f"exclude_self: expected True with {kernel}, which is infinite at distance 0")
    if not all(box.periodic):
        raise ValueError(f"kernel: expected one with a softening where an axis is not periodic, got {kernel}")
    if any(term.exponent >= box.dimension for term in bare):
        raise ValueError(
            f"kernel: expected an exponent below {box.dimension} without a softening, which Plummer has, got {kernel}"
        )


def _parts(terms: list[Power], box: Box) -> list[tuple[Any, bool]]:
    """Profiles of the terms that a background neutralises, and of those that it doesn't; and which they are."""
    parts = []
    for background in (True, False):
        some = [term for term in terms if background == (all(box.periodic) and term.exponent <= box.dimension)]
        if some:
            profiles: list[Any] = [_profile(term) for term in some]
            parts.append((functools.reduce(Added, profiles), background))
    return parts


def _profile(term: Power) -> InversePower:
    return InversePower.with_exponent(term.exponent, numerator=term.numerator, shift=term.shift, peak=term.factor)


def _pull(term: Power) -> Any:
    """−2 s f′(s) = d f − d ε² f / (s + ε²) of an inverse power."""
    d = term.exponent
    first = _profile(term._replace(factor=d * term.factor))
    if not term.shift:
        return first
    second = term._replace(factor=-d * term.shift / term.numerator * term.factor, exponent=d + 2)
    return Added(first, _profile(second))


def _added(request: Request, parts: list[tuple[Any, bool]], box: Box) -> Result:
    """The sums of several kernels, each with or without a background."""
    total = constant(request.targets, 0.0, 0.0, request.potential, request.field)
    if not (request.targets.shape[0] and np.any(request.weights)):
        return total
    exponent = math.frexp(float(np.min(box.sides)))[1]
    factor = 1.0 if abs(exponent) <= LENGTH else 2.0**-exponent
    if factor != 1.0:
        box = Box([None if side is None else side * factor for side in box.lengths], box.periodic)
        positions, same = request.positions * factor, request.targets is request.positions
        request = request._replace(positions=positions, targets=positions if same else request.targets * factor)
    for profile, background in parts:
        some = request._replace(profile=profile if factor == 1.0 else profile.stretched(factor))
        _check_range(some.profile, box)
        found = _within_tolerance(some, box, background)
        for whole, part in zip(total, found, strict=True):
            if whole is not None:
                whole += part
    if total.field is not None and factor != 1.0:
        total.field[...] *= factor
    return total


def _check_range(profile: Any, box: Box) -> None:
    """Of each term by itself, since a kernel may be 0 where terms cancel."""
    period = float(np.min(box.sides)) ** 2
    for factor, numerator, shift, d in profile.inverse_powers():
        for s in [0.0, period] if shift else [period]:
            size = abs(factor) * (numerator / (s + shift)) ** (d / 2)
            if factor and not LEAST <= size <= MOST:
                raise ValueError(
                    f"kernel: expected values from {LEAST:g} to {MOST:g} at distance 0 and a period away, got {size:g};"
                    " take another unit of length"
                )


def _within_tolerance(request: Request, box: Box, background: bool) -> Result:
    rtol = request.rtol
    assert rtol is not None
    scene = scene_of(request, box, background)
    if (extent := float(np.max(scene.extents))) > MOST_SIDES * float(np.min(box.sides)):
        raise ValueError(
            f"box: expected periods of at least {1 / MOST_SIDES:g} of its longest side and of what the points span, "
            f"got {float(np.min(box.sides)):g} and {extent:g}"
        )

    def error_of(result: Result) -> float:
        rows, counts = draw(request, result)
        sampled = request.at(rows).in_double()
        finer = max(FINER * rtol, SMALLEST_TOLERANCE)
        few = scene._replace(targets=len(rows))
        plan = planned(few, finer)
        reference = _sums(sampled, box, plan)
        measure = Measure(rtol, counts, reference, functools.partial(_magnitudes, sampled, box))
        return measure.error(Result(*[None if values is None else values[rows] for values in result]))

    try:
        return tightened(rtol, lambda tolerance: _sums(request, box, planned(scene, tolerance)), error_of)[0]
    except OutOfReachError as reason:
        raise ArithmeticError(f"rtol: the sum over images {reason}") from None


def _sums(request: Request, box: Box, plan: Plan) -> Result:
    """Both parts by a plan."""
    targets, positions, weights, wanted = request.targets, request.positions, request.weights, request[5:7]
    images = with_images(positions, weights, box, plan.reach)
    near = neighbour_cells.short_sums(targets, *images, plan.split, plan.grid, request.exclude_self, *wanted)
    far = constant(targets, 0.0, 0.0, *wanted)
    series = Series(plan.kernel, plan.layout, plan.budget, float(np.max(np.abs(weights))), *wanted)
    own = weights[: targets.shape[0]] if request.exclude_self else None
    series.write(targets, series.waves(series.modes_of(positions, weights)), own, far)
    for whole, part in zip(far, near, strict=True):
        if whole is not None:
            whole[...] = part + whole
    return far


def _magnitudes(request: Request, box: Box, name: str, count: int) -> np.ndarray:
    """Sums of the magnitudes of the terms of nearest images, at the first targets.

    A charge at the target itself counts as its image a period away: an ion of a crystal may have no other.
    """
    sizes = np.empty(count)
    period = float(np.min(box.sides)) ** 2
    for row in range(count):
        difference = box.nearest(request.targets[row] - request.positions)
        s = np.einsum("nm,nm->n", difference, difference)
        s[s == 0] = period
        if request.exclude_self:
            s[row] = period
        weights = np.abs(request.weights)
        if name == "potential":
            sizes[row] = weights @ np.abs(request.profile.value(np, s))
        else:
            sizes[row] = weights @ np.abs(2 * request.profile.slope(np, s) * np.sqrt(s))
    return sizes


def _by_images(request: Request, kernel: RadialKernel, box: Box) -> Result:
    """Sums over all pairs with the images near enough to matter, for kernels that fall fast."""
    reach = _range(request, kernel, box)
    places, weights = with_images(request.positions, request.weights, box, reach)
    return simd.evaluate(request._replace(positions=places, weights=weights, rtol=None))


def _range(request: Request, kernel: RadialKernel, box: Box) -> float:
    """Distance beyond which all images together add less than rtol."""
    assert request.rtol is not None
    tolerance = 0.1 * request.rtol
    scale = float(kernel.value(np.zeros(1))[0])
    reaches = np.linspace(0.5, MOST_SHELLS, 16 * MOST_SHELLS) * float(np.min(box.sides))
    # Charges of density n in a shell add n f r^(m−1): taken as one charge a box, beyond the largest value.
    shells = (reaches / float(np.min(box.sides))) ** request.targets.shape[1]
    sizes = [np.abs(kernel.value(reaches**2))]
    if request.field:
        sizes.append(np.abs(kernel.slope(reaches**2)) * reaches)
    enough = np.all([shells * size <= tolerance * abs(scale) for size in sizes], axis=0)
    if not (np.isfinite(scale) and scale and enough.any()):
        raise ValueError(
            f"kernel: expected inverse powers, one that is negligible {MOST_SHELLS} periods away, or along a line "
            f"Sheets, got {kernel}"
        )
    return float(reaches[np.argmax(enough)])
