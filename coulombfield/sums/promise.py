"""Keeping ``rtol``: a fast sum is measured against the exact one at some targets, and tightened until it holds."""

from __future__ import annotations

import array_api_compat
import numpy as np

from ..arrays import to_numpy
from ..profiles import GradientSize, Magnitude
from ..rng import Streams
from .request import ExactEngine, FastEngine, Request, Result

SAMPLE = 64  # targets: they tell the root mean square of the errors to a tenth or so, and cost little
FIRST_SIZES = 16  # of these targets, whose terms' magnitudes are mostly enough to see that an error is small
MARGIN = 2.0  # how far below rtol a sample's error must stay, for the targets that it missed
ATTEMPTS = 4
SINGLE_PRECISION_RTOL = 1e-4  # from here on float32 sums are exact enough to measure with


def fulfil(request: Request, fast: FastEngine, exact: ExactEngine) -> tuple[Result | None, float]:
    """Sums of a fast engine within ``request.rtol``, and their measured error; None if no attempt reached it."""
    assert request.rtol is not None
    sample = _Sample(request, exact)
    tolerance, error = request.rtol / (2 * MARGIN), np.inf
    for _ in range(ATTEMPTS):
        result = fast.approximate(request, tolerance)
        error = sample.error(result)
        if error * MARGIN <= request.rtol:
            return result, error
        tolerance *= min(0.1, request.rtol / (2 * MARGIN * error)) if np.isfinite(error) else 0.1
    return None, error


class _Sample:
    """Some targets and the exact sums there."""

    def __init__(self, request: Request, exact: ExactEngine):
        xp, device = array_api_compat.array_namespace(request.targets), array_api_compat.device(request.targets)
        total = request.targets.shape[0]
        drawn = Streams(seed=0).stream("targets").choice(total, min(SAMPLE, total), replace=False)
        self._rows = xp.asarray(drawn, device=device)
        positions, weights = request.positions, request.weights
        targets = xp.take(request.targets, self._rows, axis=0)
        if request.exclude_self:  # target i must be charge i, so the sampled charges go first
            rest = np.delete(np.arange(positions.shape[0]), drawn)
            order = xp.asarray(np.concatenate([drawn, rest]), device=device)
            positions, weights = xp.take(positions, order, axis=0), xp.take(weights, order, axis=0)
        if request.rtol is not None and request.rtol < SINGLE_PRECISION_RTOL:
            targets, positions, weights = (xp.astype(x, xp.float64, copy=False) for x in (targets, positions, weights))
        self._request = request._replace(targets=targets, positions=positions, weights=weights)
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
        square = _square(found[finite] - expected[finite])
        # Terms of one sign don't cancel, and then the sums themselves are the scale.
        scale = _square(expected[finite])
        assert self._request.rtol is not None
        # The magnitudes at some of the targets are less than at all of them: if the error is small beside those, it is.
        for count in (min(FIRST_SIZES, len(expected)), len(expected)):
            if square * MARGIN**2 <= scale * self._request.rtol**2:
                break
            rows = finite if finite.ndim == 1 else finite.all(axis=1)
            scale = max(scale, _square(self._magnitudes(name, count)[rows[:count]]))
        return float(np.sqrt(square / scale)) if scale > 0 else 0.0 if square == 0 else np.inf

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


def _square(values: np.ndarray) -> float:
    """Sum of squares."""
    return float(np.sum(np.square(values, dtype=np.float64)))
