r"""Charged sheets along a line that repeats: exact sums, by sorting.

With a uniform background the kernel −\|x\|/2, summed over its images, is a parabola between them whose mean is 0,

.. math:: \sum_{k \ne 0} \frac{e^{i k x}}{L k^2} = \frac{L}{2} B_2\Bigl(\frac{|x|}{L}\Bigr)
    = -\frac{|x|}{2} + \frac{x^2}{2L} + \frac{L}{12}, \qquad |x| \le L,

so that sums over charges need their moments, and those of the charges on the left of each target: prefix sums over the
sorted charges (J. Dawson, Physics of Fluids 5, 1962, has followed sheets in this way).
"""

from __future__ import annotations

import numpy as np

from ..sums.fourier.periodic import constant
from ..sums.request import Request, Result


def sheet_sums(request: Request, rise: float, side: float) -> Result:
    """Sums of the kernel ``rise · r``, of points that lie within one period; in float64 inside.

    Parameters
    ----------
    request : Request
        Its points have shape (N, 1). A charge's own term is 0, and is none of its images' terms.
    rise : float
        −1/2 for sheets [kernel / length].
    side : float
        Period L [length].
    """
    # About the middle of the box, so that moments are small.
    targets = request.targets[:, 0].astype(np.float64) - side / 2
    places = request.positions[:, 0].astype(np.float64) - side / 2
    order = np.argsort(places, kind="stable")
    # In the targets' own order, searches and what follows would run all over memory.
    rows = order if request.targets is request.positions else np.argsort(targets, kind="stable")
    targets, places, weights = targets[rows], places[order], request.weights[order].astype(np.float64)
    charges, moments = (np.concatenate([[0.0], np.cumsum(x)]) for x in (weights, weights * places))
    total, moment = charges[-1], moments[-1]
    left, right = (np.searchsorted(places, targets, way) for way in ("left", "right"))
    result = constant(request.targets, 0.0, 0.0, request.potential, request.field)
    if request.potential:
        square = float(np.sum(weights * places**2))  # whose bits no number of threads changes
        distances = targets * (2 * charges[left] - total) - (2 * moments[left] - moment)
        squares = targets * targets * total - 2 * targets * moment + square
        result.potential[rows] = rise * (distances - squares / side - total * side / 6)
    if request.field:
        sides = charges[left] + charges[right] - total  # less the charges that are at the target
        result.field[rows, 0] = -rise * (sides - 2 * (targets * total - moment) / side)
    return result
