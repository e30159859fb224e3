r"""Fourier coefficients of the smooth part of inverse powers, summed over the images of a periodic box.

Along the p periodic axes the sum over images is a Fourier series whose coefficients are Fourier transforms. That of a
whole inverse power, at a distance z from its charge along the m − p other axes and with :math:`a^2 = \varepsilon^2 +
z^2`, is

.. math:: M(k, z) = \int_{\mathbb R^p} (x^2 + a^2)^{-d/2} e^{-i k x}\, dx
    = \frac{2 \pi^{p/2}}{\Gamma(d/2)} \Bigl(\frac{k}{2a}\Bigr)^{(d-p)/2} K_{(d-p)/2}(a k),

and that of the short part, which ends at a range, is an integral over a ball. Their difference belongs to the smooth
part, and falls as :math:`e^{-\beta}` towards the wave number β / R at which it is cut off.

At k = 0 the integral converges for d > p only. For d ≤ p a uniform background takes the charge of a box that is
periodic along all of its axes, and the coefficient of the whole kernel is 0. In a box with other axes nothing can; the
potential is then that of the planes or lines of mean charge, up to a constant times the total charge:

.. math:: M(0, z) = \pi^{p/2} \frac{\Gamma((d-p)/2)}{\Gamma(d/2)} a^{p-d}, \quad d \ne p, \qquad
    M(0, z) = -\frac{\pi^{p/2}}{\Gamma(d/2)} \ln a^2, \quad d = p.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import scipy  # whose parts load when they are first used

from ..profiles import Power
from ..sums.ewald.splitting import Split

NODES = 24  # of Gauss and Legendre, in each panel of a ball's radius
MOST_PANELS = 52  # each half as long as the last: to the rounding of the longest
SPARE = 24.0  # nodes beyond two for each wave that a panel holds


def coefficients(
    split: Split, waves: list[np.ndarray], sides: np.ndarray, heights: np.ndarray, *, background: bool
) -> np.ndarray:
    """Coefficients of the modes k ≥ 0 along the periodic axes, at heights along the others.

    Parameters
    ----------
    split : Split
        The kernel, its short part's range and its smooth part.
    waves : list of p arrays, shape (K_l + 1,)
        Wave numbers k ≥ 0 of each periodic axis, the first 0 [1 / length].
    sides : array, shape (p,)
        Their periods [length].
    heights : array of any shape H
        Distances z ≥ 0 along the other axes [length].
    background : bool
        Whether a uniform background takes the mean charge, so that the whole kernel has no mode k = 0.

    Returns
    -------
    array, shape (K_1 + 1, …, K_p + 1, *H)
        [kernel].
    """
    squares = functools.reduce(np.add.outer, [wave**2 for wave in waves])
    # Wave numbers of one length have one coefficient; in a cube most have many sisters.
    lengths, rows = np.unique(np.sqrt(squares), return_inverse=True)
    found = np.empty((len(lengths), heights.size))
    for column, height in enumerate(heights.ravel()):
        found[:, column] = _smooth(split, lengths, float(height), len(waves), background)
    volume = math.prod(float(side) for side in sides)
    return found[rows.reshape(squares.shape)].reshape(*squares.shape, *heights.shape) / volume


def _smooth(split: Split, lengths: np.ndarray, height: float, p: int, background: bool) -> np.ndarray:
    """Fourier transform of the smooth part at wave numbers k ≥ 0, at one height."""
    terms = split.profile.inverse_powers()
    assert terms, "refused before"
    whole = sum(_whole(term, lengths, height, p, background) for term in terms)
    return whole - _short(split, terms, lengths, height, p)


def _whole(term: Power, lengths: np.ndarray, height: float, p: int, background: bool) -> np.ndarray:
    """M(k, z) of an inverse power."""
    d, a = term.exponent, math.hypot(math.sqrt(term.shift), height)
    order = (d - p) / 2
    scale = term.factor * term.numerator ** (d / 2) * math.pi ** (p / 2) / math.gamma(d / 2)
    values = np.empty_like(lengths)
    zero = lengths == 0
    k = lengths[~zero]
    if a == 0.0:  # a bare inverse power at its own height: the limit for d < p
        values[~zero] = math.gamma(-order) * (k / 2) ** (2 * order)
    else:
        values[~zero] = 2 * (k / (2 * a)) ** order * scipy.special.kv(order, a * k)
    if background:
        values[zero] = 0.0
    elif order == 0:
        values[zero] = -2 * math.log(a)
    else:
        values[zero] = math.gamma(order) * a ** (-2 * order)
    return scale * values


def _short(split: Split, terms: list[Power], lengths: np.ndarray, height: float, p: int) -> np.ndarray:
    """Fourier transform of the short part, over the ball of the range's radius."""
    square = split.cutoff - height * height
    if square <= 0:
        return np.zeros_like(lengths)
    radius = math.sqrt(square)
    x, weights = _nodes(radius, min(math.hypot(math.sqrt(term.shift), height) for term in terms), float(lengths[-1]))
    s = x * x + height * height
    values = split.profile.value(np, s) - np.polynomial.polynomial.polyval(2 / split.cutoff * s - 1, split.coefficients)
    phases = np.multiply.outer(lengths, x)
    match p:
        case 1:
            kernel, measure = np.cos(phases), 2.0 * np.ones_like(x)
        case 2:
            kernel, measure = scipy.special.j0(phases), 2 * math.pi * x
        case _:
            kernel, measure = np.sinc(phases / math.pi), 4 * math.pi * x * x
    return kernel @ (values * measure * weights)


def _nodes(radius: float, scale: float, wave: float) -> tuple[np.ndarray, np.ndarray]:
    """Gauss–Legendre nodes and weights on panels that halve towards 0, down to where the kernel is smooth."""
    count = min(MOST_PANELS, max(1, math.ceil(math.log2(radius / scale)) + 2)) if scale > 0 else MOST_PANELS
    ends = radius * 2.0 ** -np.arange(count, dtype=float)
    nodes, weights = _legendre(NODES + math.ceil(wave * radius / SPARE) * NODES)
    starts = np.append(ends[1:], 0.0)
    half = (ends - starts) / 2
    x = (ends + starts)[:, None] / 2 + half[:, None] * nodes
    return x.ravel(), (half[:, None] * weights).ravel()


@functools.lru_cache(maxsize=16)
def _legendre(count: int) -> tuple[Any, Any]:
    return np.polynomial.legendre.leggauss(count)
