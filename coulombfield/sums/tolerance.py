r"""Keeping ``rtol``: a fast sum is measured against the exact one at some targets, and tightened until it holds.

Errors are as large as the sums that they are errors of, or spread evenly. Where few targets lie near the charges and
many far away, the few make both the root mean square of the errors and what it is relative to, and a uniform sample
misses them. So the sample is drawn in part uniformly and in part where errors may be large (:mod:`.sampled_targets`),
and each sampled target i counts :math:`w_i = 1/(n p_i)` times, p_i being its share of n draws:

.. math:: \sum_i |\delta_i|^2 \approx \sum_{\text{sampled}} w_i |\delta_i|^2 .
"""

from __future__ import annotations

import array_api_compat
import numpy as np

from ..arrays import to_numpy
from ..profiles import GradientSize, Magnitude
from .request import ExactEngine, FastEngine, OutOfReachError, Request, Result
from .sampled_targets import SAMPLE, draw

__all__ = ["SAMPLE", "within_tolerance"]

FIRST_SIZES = 12  # of these targets, whose terms' magnitudes are mostly enough to see that an error is small
MARGIN = 2.0  # how far below rtol a sample's error must stay, for the targets that it missed
ATTEMPTS = 4
SINGLE_PRECISION_RTOL = 1e-4  # from here on float32 sums are exact enough to measure with


def within_tolerance(request: Request, fast: FastEngine, exact: ExactEngine) -> tuple[Result, float]:
    """Sums of a fast engine within ``request.rtol``, and their measured error.

    Raises
    ------
    OutOfReachError
        If no attempt reached it.
    """
    assert request.rtol is not None
    tolerance, best = request.rtol / (2 * MARGIN), np.inf
    for _ in range(ATTEMPTS):
        try:
            result = fast.approximate(request, tolerance)
        except OutOfReachError as reason:
            if best < np.inf:
                break
            raise OutOfReachError(f"{reason} for rtol={request.rtol:g}") from None
        error = _Sample(request, exact, result).error(result)
        if error * MARGIN <= request.rtol:
            return result, error
        best = min(best, error)
        tolerance *= min(0.1, request.rtol / (2 * MARGIN * error)) if np.isfinite(error) else 0.1
    if best == np.inf:
        raise OutOfReachError(f"gives numbers that are not finite, not rtol={request.rtol:g}")
    raise OutOfReachError(f"reaches an error of {best:.1e} only, not rtol={request.rtol:g}")


class _Sample:
    """Some targets and the exact sums there."""

    def __init__(self, request: Request, exact: ExactEngine, result: Result):
        xp, device = array_api_compat.array_namespace(request.targets), array_api_compat.device(request.targets)
        drawn, self._counts = draw(request, result)
        self._rows = xp.asarray(drawn, device=device)
        self._request = request.at(drawn)
        if request.rtol is not None and request.rtol < SINGLE_PRECISION_RTOL:
            self._request = self._request.in_double()
        self._exact = exact
        self._reference = exact.evaluate(self._request)
        self._sizes: dict[tuple[str, int], np.ndarray] = {}

    def error(self, result: Result) -> float:
        """Relative error at the sampled targets: the larger of the potential's and the field's."""
        xp = array_api_compat.array_namespace(self._rows)
        return max(
            self._relative(name, to_numpy(xp.take(found, self._rows, axis=0)), to_numpy(expected))
            for name, found, expected in zip(Result._fields, result, self._reference, strict=True)
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
        assert self._request.rtol is not None
        # The magnitudes at some of the targets are less than at all of them: if the error is small beside those, it is.
        for count in (min(FIRST_SIZES, len(expected)), len(expected)):
            if square * MARGIN**2 <= scale * self._request.rtol**2:
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
            xp, profile = array_api_compat.array_namespace(self._rows), self._request.profile
            request = self._request._replace(
                targets=self._request.targets[:count, :],
                weights=xp.abs(self._request.weights),
                profile=Magnitude(profile) if name == "potential" else GradientSize(profile, 2.0),
                potential=True,
                field=False,
            )
            self._sizes[name, count] = to_numpy(self._exact.evaluate(request).potential)
        return self._sizes[name, count]
