r"""Derivatives of the Plummer kernel as differences of the kernel itself, to 50 digits, with no formula of the paper.

At distance r along one axis the Laplacian is a second difference along that axis and m − 1 equal ones across it,

.. math:: h^2 \nabla^2 k = k(r + h) + k(r - h) - 2 k(r) + 2 (m - 1) \left(k(\sqrt{r^2 + h^2}) - k(r)\right) + O(h^4),

in Cartesian coordinates, so that nothing rests on Eq 13 either.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import mpmath

DIGITS = 150  # a step of 1e-28 costs 28 digits with each order of the derivative, three at most
STEP = mpmath.mpf(10) ** -28  # in lengths of the kernel: its square, the error of a difference, is 1e-56
AGREES = 1e-45  # of 50 digits some are left to (d h)² where d is a few thousand

Function = Callable[[int, Any, Any, Any], Any]
"""From dimension m, exponent d, softening ε and distance r to a number."""


@functools.cache
def laplacian(m: int, d: Any, softening: Any, r: Any) -> mpmath.mpf:
    """∇²k by second differences of k along all axes."""
    with mpmath.workdps(DIGITS):
        d, softening, r = mpmath.mpf(d), mpmath.mpf(softening), mpmath.mpf(r)
        square, h = softening**2, _step(softening, r)

        def k(squared_distance: mpmath.mpf) -> mpmath.mpf:
            return (squared_distance + square) ** (-d / 2)

        along = k((r + h) ** 2) + k((r - h) ** 2) - 2 * k(r**2)
        across = 2 * (k(r**2 + h**2) - k(r**2))
        return (along + (m - 1) * across) / h**2


def by_distance(m: int, d: Any, softening: Any, r: Any) -> mpmath.mpf:
    """∂∇²k/∂r by first differences of :func:`laplacian`."""
    with mpmath.workdps(DIGITS):
        h = _step(softening, r)
        return (laplacian(m, d, softening, r + h) - laplacian(m, d, softening, r - h)) / (2 * h)


def by_softening(m: int, d: Any, softening: Any, r: Any) -> mpmath.mpf:
    """∂∇²k/∂ε by first differences of :func:`laplacian`."""
    with mpmath.workdps(DIGITS):
        h = _step(softening, r)
        return (laplacian(m, d, softening + h, r) - laplacian(m, d, softening - h, r)) / (2 * h)


def unit(m: int, d: Any, softening: Any, r: Any, order: int = 0) -> Any:
    """Size of ∇²k, or of its first derivatives, before terms of opposite signs cancel; for floats and mpmath."""
    square = softening**2 + r**2
    return d * (m * square + (d + 2) * r**2) * (d + 4) ** order * square ** (-(4 + d + order) / 2)


def worst_difference(
    oracle: Function, formula: Function, cases: Iterable[tuple[int, float, float, float]], order: int = 0
) -> float:
    """Largest difference between an oracle and a formula over cases (m, d, ε, r), in :func:`unit`."""
    worst = 0.0
    with mpmath.workdps(DIGITS):
        for m, *numbers in cases:
            d, softening, r = (mpmath.mpf(number) for number in numbers)
            difference = oracle(m, d, softening, r) - formula(m, d, softening, r)
            worst = max(worst, float(abs(difference) / unit(m, d, softening, r, order)))
    return worst


def _step(softening: Any, r: Any) -> mpmath.mpf:
    return STEP * mpmath.sqrt(mpmath.mpf(softening) ** 2 + mpmath.mpf(r) ** 2)
