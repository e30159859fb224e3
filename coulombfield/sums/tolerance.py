r"""Keeping ``rtol``: a fast sum is measured against the exact one at some targets, and tightened until it holds.

Errors are as large as the sums that they are errors of, or spread evenly. Where few targets lie near the charges and
many far away, the few make both the root mean square of the errors and what it is relative to, and a uniform sample
misses them. So the sample is drawn in part uniformly and in part where errors may be large (:mod:`.sampled_targets`),
and each sampled target i counts :math:`w_i = 1/(n p_i)` times, p_i being its share of n draws:

.. math:: \sum_i |\delta_i|^2 \approx \sum_{\text{sampled}} w_i |\delta_i|^2 .
"""

from __future__ import annotations

from collections.abc import Callable

import array_api_compat
import numpy as np

from ..arrays import namespace, to_numpy
from ..profiles import GradientSize, Magnitude
from .request import ExactEngine, FastEngine, OutOfReachError, Plan, Request, Result
from .sampled_targets import SAMPLE, draw

__all__ = ["SAMPLE", "Measure", "first_tolerance", "holds", "measured_error", "tightened", "within_tolerance"]

FIRST_SIZES = 12  # of these targets, whose terms' magnitudes are mostly enough to see that an error is small
MARGIN = 2.0  # how far below rtol a sample's error must stay, for the targets that it missed
ATTEMPTS = 4
SINGLE_PRECISION_RTOL = 1e-4  # from here on float32 sums are exact enough to measure with


def within_tolerance(
    request: Request,
    fast: FastEngine,
    exact: ExactEngine,
    plan_for: Callable[[float], Plan | None] = lambda tolerance: None,
) -> tuple[Result, float]:
    """Sums of a fast engine within ``request.rtol``, and their measured error.

    ``plan_for`` gives a plan for a tolerance, if one is known.

    Raises
    ------
    OutOfReachError
        If no attempt reached it.
    """
    assert request.rtol is not None
    return tightened(
        request.rtol,
        lambda tolerance: fast.approximate(request, tolerance, plan_for(tolerance)),
        lambda result: measured_error(request, exact, result),
    )


def first_tolerance(rtol: float) -> float:
    """What a fast engine is asked for first."""
    return rtol / (2 * MARGIN)


def holds(error: float, rtol: float) -> bool:
    """Whether an error that was measured is small enough."""
    return error * MARGIN <= rtol


def measured_error(request: Request, exact: ExactEngine, result: Result) -> float:
    """Relative error of sums at sampled targets, by an exact engine: the larger of the potential's and the field's."""
    return _Sample(request, exact, result).error(result)


def tightened(
    rtol: float, approximate: Callable[[float], Result], error_of: Callable[[Result], float]
) -> tuple[Result, float]:
    """The sums by ``approximate(tolerance)`` whose error, as ``error_of`` measures it, keeps ``rtol``; and that error.

    Raises
    ------
    OutOfReachError
        If no attempt reached it.
    """
    tolerance, best = first_tolerance(rtol), np.inf
    for _ in range(ATTEMPTS):
        try:
            result = approximate(tolerance)
        except OutOfReachError as reason:
            if best < np.inf:
                break
            raise OutOfReachError(f"{reason} for rtol={rtol:g}") from None
        error = error_of(result)
        if holds(error, rtol):
            return result, error
        best = min(best, error)
        tolerance *= min(0.1, rtol / (2 * MARGIN * error)) if np.isfinite(error) else 0.1
    if best == np.inf:
        raise OutOfReachError(f"gives numbers that are not finite, not rtol={rtol:g}")
    raise OutOfReachError(f"reaches an error of {best:.1e} only, not rtol={rtol:g}")


class Measure:
    """Exact sums at sampled targets, which others are measured against.

    Parameters
    ----------
    rtol : float
        The error that is allowed.
    counts : array, shape (n,)
        How many targets each sampled one stands for.
    reference : Result
        The exact sums there, on the host.
    magnitudes : callable
        ``magnitudes(name, count)`` gives the sums of the terms' magnitudes at the first ``count`` of the targets, on
        the host, for the result of that name.
    """

    def __init__(
        self, rtol: float, counts: np.ndarray, reference: Result, magnitudes: Callable[[str, int], np.ndarray]
    ):
        self._rtol, self._counts, self._reference = rtol, counts, reference
        self._magnitudes_at = magnitudes
        self._sizes: dict[tuple[str, int], np.ndarray] = {}

    def error(self, found: Result) -> float:
        """Relative error of sums at the sampled targets: the larger of the potential's and the field's."""
        return max(
            self._relative(name, values, expected)
            for name, values, expected in zip(Result._fields, found, self._reference, strict=True)
            if expected is not None
        )

    def _relative(self, name: str, found: np.ndarray, expected: np.ndarray) -> float:
        # What is not finite in the data makes sums NaN, which is right where the exact sum is NaN too.
        finite = np.isfinite(expected)
        if not np.array_equal(found[~finite], expected[~finite], equal_nan=True):
            return np.inf
        if not np.isfinite(found[finite]).all():
            return np.inf
        expected = np.where(finite, expected, 0.0)
        square = float(np.sum(self._squares(np.where(finite, found - expected, 0.0))))
        # Terms of one sign don't cancel, and then the sums themselves are the scale.
        scale = self._scale(expected)
        # The magnitudes at some of the targets are less than at all of them: if the error is small beside those, it is.
        for count in (min(FIRST_SIZES, len(expected)), len(expected)):
            if square * MARGIN**2 <= scale * self._rtol**2:
                break
            sizes = self._magnitudes(name, count)
            scale = max(scale, self._scale(np.where(np.isfinite(sizes), sizes, 0.0)))
        return float(np.sqrt(square / scale)) if scale > 0 else 0.0 if square == 0 else np.inf

    def _squares(self, values: np.ndarray) -> np.ndarray:
        """What each of the first targets adds to a sum of squares over all targets, shape (count,)."""
        rows = np.reshape(values.astype(np.float64), (len(values), -1))
        return self._counts[: len(rows)] * np.sum(np.square(rows), axis=1)

    def _scale(self, values: np.ndarray) -> float:
        """Sum of squares over all targets, rather less than more: nothing that hangs on a single lucky draw."""
        squares = self._squares(values)
        lucky = squares[self._counts[: len(squares)] > 1]
        return float(np.sum(squares) - np.max(lucky, initial=0.0))

    def _magnitudes(self, name: str, count: int) -> np.ndarray:
        """Sums of the terms' magnitudes at the first sampled targets, for the potential or the field."""
        if (name, count) not in self._sizes:
            self._sizes[name, count] = self._magnitudes_at(name, count)
        return self._sizes[name, count]


def sizes_of(request: Request, name: str) -> Request:
    """Sums of the magnitudes of a request's terms: those of its potential or, by the name of that result, its field."""
    xp, profile = namespace(request.targets), request.profile
    return request._replace(
        weights=xp.abs(request.weights),
        profile=Magnitude(profile) if name == "potential" else GradientSize(profile),
        potential=True,
        field=False,
    )


class _Sample:
    """Some of a request's targets, and the exact sums there."""

    def __init__(self, request: Request, exact: ExactEngine, result: Result):
        xp, device = namespace(request.targets), array_api_compat.device(request.targets)
        drawn, counts = draw(request, result)
        self._rows = xp.asarray(drawn, device=device)
        some = request.at(drawn)
        if request.rtol is not None and request.rtol < SINGLE_PRECISION_RTOL:
            some = some.in_double()

        def magnitudes(name: str, count: int) -> np.ndarray:
            sizes = sizes_of(some._replace(targets=some.targets[:count, :]), name)
            return to_numpy(exact.evaluate(sizes).potential)

        reference = Result(*(x if x is None else to_numpy(x) for x in exact.evaluate(some)))
        self._measure = Measure(request.rtol or 0.0, counts, reference, magnitudes)

    def error(self, result: Result) -> float:
        """Relative error at the sampled targets: the larger of the potential's and the field's."""
        xp = namespace(self._rows)
        return self._measure.error(
            Result(*(x if x is None else to_numpy(xp.take(x, self._rows, axis=0)) for x in result))
        )
