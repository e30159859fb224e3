r"""Fourier series of a smooth radial kernel, made periodic beyond the longest distance that matters.

Along each axis the coordinate x of a difference a − b is bent: with half a period h = L + margin beyond the longest
difference L and u = (h − |x|)/σ,

.. math:: g(x) = h - \sigma \bigl(u \operatorname{erf} u + e^{-u^2} / \sqrt\pi\bigr), \; g'(x) = \operatorname{erf} u,

is |x| up to the relative error erfc(u) and turns back smoothly at h. The kernel :math:`F(\sum_l g(x_l)^2)` is periodic,
smooth on the lengths of F and σ, and F itself wherever two points can differ. Sampled on the grid of 2K points an axis
it is a sum of the modes :math:`|k_l| \le K`, whose value at distance 0 is F(0) up to rounding.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy  # whose parts load when they are first used

Radial = Callable[[np.ndarray], np.ndarray]
"""F(s) in float64 for a NumPy array of squared distances."""

SHARPNESS = 1.0, 0.7, 0.5  # how fast the bend is, relative to the kernel: tried one after the other
ROUNDING = 1e-16  # of a series' coefficient, relative to the largest value
MOST_MODES = 2**16  # K that is looked for


class Axis(NamedTuple):
    """How the kernel is made periodic along an axis."""

    half_period: float
    """h [length]."""
    bend: float
    """σ [length]."""
    modes: int
    """K: the series has the modes −K … K."""

    @property
    def size(self) -> int:
        """Number of modes."""
        return 2 * self.modes + 1

    @property
    def wave_numbers(self) -> np.ndarray:
        """Their k, shape (2K + 1,) [1/length]."""
        return np.arange(-self.modes, self.modes + 1) * (math.pi / self.half_period)

    def bent_nodes(self) -> np.ndarray:
        """The bent coordinate at the nodes of half a period, shape (K + 1,) [length]."""
        x = np.linspace(0, self.half_period, self.modes + 1)
        u = (self.half_period - x) / self.bend
        return self.half_period - self.bend * (u * scipy.special.erf(u) + np.exp(-u * u) / math.sqrt(math.pi))


def find_axis(extent: float, radial: Radial, length: float, kernel: float, edge: float) -> Axis | None:
    """The fewest modes along an axis with differences up to ``extent``.

    Parameters
    ----------
    extent : float
        L > 0 [length].
    radial, length
        F and the length on which it is smooth: its Fourier transform falls about as exp(−k · length), or faster.
    kernel : float
        Error allowed of the series, relative to max |F|; it oscillates as fast as the fastest modes.
    edge : float
        Relative error allowed of the slope of g at x = L.

    Returns
    -------
    Axis or None
        None if it takes more than ``MOST_MODES``.
    """
    best: Axis | None = None
    turn = float(scipy.special.erfcinv(min(0.1, max(edge, 1e-15))))
    digits = math.log(1 / min(0.1, max(kernel, 1e-15)))
    for sharpness in SHARPNESS:
        # The transform of the bend falls as exp(−(kσ)²/4), that of the kernel as exp(−k · length).
        cutoff = sharpness * digits / length
        bend = 2 * math.sqrt(digits) / cutoff
        half_period = extent + turn * bend
        guess = half_period * digits / (math.pi * length)
        if not guess < MOST_MODES:
            continue
        trial = Axis(half_period, bend, scipy.fft.next_fast_len(2 * math.ceil(guess) + 32))
        values = radial(trial.bent_nodes() ** 2)
        largest = np.max(np.abs(values))
        size = np.abs(scipy.fft.dct(values, 1)) / (2 * trial.modes)
        size[size < ROUNDING * largest] = 0
        # A mode ±k that is cut off is folded back onto one that is kept, hence 4 and not 2.
        tail = 4 * np.cumsum(size[::-1])[::-1]
        modes = max(2, int(np.sum(tail > kernel * largest)))
        if modes < trial.modes and (best is None or modes < best.modes):
            best = trial._replace(modes=modes)
    return best


def coefficients(axes: list[Axis], radial: Radial) -> tuple[np.ndarray, float]:
    """Coefficients of the modes k ≥ 0, shape (K_1 + 1, ..., K_m + 1), of F / max|F|; and max|F|.

    The outermost mode of the grid of samples stands for −K and K both, so each gets half.
    """
    squares = functools.reduce(np.add.outer, [axis.bent_nodes() ** 2 for axis in axes], np.zeros(()))
    values = radial(squares)
    peak = float(np.max(np.abs(values)))
    if not 0 < peak < math.inf:
        return np.zeros_like(values), peak
    series = scipy.fft.dctn(values / peak, 1, overwrite_x=True) if axes else values / peak
    series /= math.prod(2 * axis.modes for axis in axes)
    for number in range(len(axes)):
        series[(slice(None),) * number + (-1,)] /= 2
    return series, peak


def norms(series: np.ndarray, axes: list[Axis]) -> tuple[float, float, float]:
    """Root sums of squares over all modes of the coefficients times 1, |k| and |k|²."""
    squares = np.square(series)
    for number in range(len(axes)):
        squares[(slice(None),) * number + (slice(1, None),)] *= 2
    waves = functools.reduce(np.add.outer, [axis.wave_numbers[axis.modes :] ** 2 for axis in axes])
    sums = []
    for _ in range(3):
        sums.append(math.sqrt(float(np.sum(squares))))
        squares *= waves
    return sums[0], sums[1], sums[2]
