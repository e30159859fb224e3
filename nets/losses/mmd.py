r"""Maximum mean discrepancy between two minibatches under mixtures of Gaussian kernels, with gradients by both.

Notes
-----
With :math:`\gamma = 1 / (2 \sigma^2)`, :math:`s = \|a - b\|^2` and the kernel

.. math:: k(a, b) = \sum_\sigma e^{-\gamma s}, \qquad
          \nabla_a k = -2\,w(a, b)\,(a - b), \qquad w(a, b) = \sum_\sigma \gamma e^{-\gamma s},

a sample moves the sum over its own kind twice, as a and as b, and that over the other kind once:

.. math:: \frac{\partial}{\partial x_i} \sum_{jl} k(x_j, x_l) = -4 \Bigl(x_i \sum_j w_{ij} - \sum_j w_{ij} x_j\Bigr),
          \qquad
          \frac{\partial}{\partial x_i} \sum_{jl} k(x_j, y_l) = -2 \Bigl(x_i \sum_l w_{il} - \sum_l w_{il} y_l\Bigr).

These are sums over pairs as in :func:`coulombfield.potential`, and made anew here: networks know no field code, value,
dx and dy come from one look at a pair, and a minibatch has at most a few thousand samples, so that whole matrices of
them fit: three at a time of batch x batch numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from coulombfield.arrays import Array, module_of
from nets.arguments import check_floats
from nets.primitives.distances import squared_distances
from nets.primitives.gaussians import gaussians
from nets.primitives.products import new_product


def gaussian_mmd2(
    x: Array, y: Array, widths: Sequence[float], *, unbiased: bool = False, need_dy: bool = True
) -> tuple[Array, Array, Array | None]:
    r"""Squared maximum mean discrepancy (Gretton et al. 2012, Eq 5, or their unbiased Eq 3), and its gradients.

    .. math:: M^2 = \frac{1}{N^2} \sum_{ij} k(x_i, x_j) + \frac{1}{M^2} \sum_{ij} k(y_i, y_j)
                    - \frac{2}{NM} \sum_{ij} k(x_i, y_j)

    Parameters
    ----------
    x : array, shape (N, ...)
        Samples of one kind [length].
    y : array, shape (M, ...)
        Samples of the other kind [length]; library, dtype and shape of a sample are those of x.
    widths : sequence of float
        Standard deviations :math:`\sigma` of the Gaussians, whose sum is the kernel [length].
    unbiased : bool
        Whether pairs of a sample with itself are left out, and N - 1 and M - 1 stand for one N and one M.
    need_dy : bool
        Whether y's gradient is wanted.

    Returns
    -------
    value : 0-d array
        :math:`M^2`, in the dtype of x; the biased one is at least 0 but for rounding.
    dx : array, shape (N, ...)
        Gradient by x [length**-1].
    dy : array, shape (M, ...), or None
        Gradient by y [length**-1].

    Raises
    ------
    ValueError
        If samples differ in shape or dtype, there are too few, or a width is not positive and finite.
    TypeError
        If samples are not float32 or float64.

    Notes
    -----
    What is summed is k less the number of Gaussians, its value at 0, which cancels from the three means; and in
    float64. So samples that are close together beside the widths, as the codes of a network with clipped weights are,
    keep their digits. In more than :data:`~nets.primitives.distances.FEW` numbers a squared distance has an error of
    about eps times the squared distances of both samples from the mean of all.
    """
    _check(x, y, widths, least=2 if unbiased else 1)
    rates = tuple(0.5 / float(width) ** 2 for width in widths)
    count_x, count_y = len(x), len(y)
    a, b = (samples.reshape(len(samples), -1) for samples in (x, y))
    centre = 0.5 * (a.mean(axis=0) + b.mean(axis=0))  # distances stay, and what cancels in them gets small
    a, b = a - centre, b - centre

    # a sample's pair with itself adds 0 and moves nothing, so that leaving it out changes the count alone
    own_x, own_y = (count_x - 1, count_y - 1) if unbiased else (count_x, count_y)
    sum_xx, w = _sums(a, a, rates)
    value = sum_xx / (count_x * own_x)
    dx = _pull(w, a, a) * (-4 / (count_x * own_x))
    sum_yy, w = _sums(b, b, rates)
    value = value + sum_yy / (count_y * own_y)
    dy = _pull(w, b, b) * (-4 / (count_y * own_y)) if need_dy else None
    sum_xy, w = _sums(a, b, rates)
    value = value - sum_xy * (2 / (count_x * count_y))
    dx += _pull(w, a, b) * (4 / (count_x * count_y))
    if dy is not None:
        dy += _pull(w.T, b, a) * (4 / (count_x * count_y))
        dy = dy.reshape(y.shape)
    return value.astype(x.dtype), dx.reshape(x.shape), dy


def gaussian_mmd(
    x: Array, y: Array, widths: Sequence[float], *, need_dy: bool = True
) -> tuple[Array, Array, Array | None]:
    r"""Maximum mean discrepancy: the root of the biased square of :func:`gaussian_mmd2`, and its gradients.

    .. math:: M = \sqrt{M^2}, \qquad \nabla M = \frac{\nabla M^2}{2 M}

    Parameters, results and errors are those of :func:`gaussian_mmd2`. Where M is 0 it has a kink, as
    :math:`|t|` has, and the gradient 0 is taken.
    """
    squared, dx, dy = gaussian_mmd2(x, y, widths, need_dy=need_dy)
    xp = module_of(x)
    value = xp.sqrt(xp.maximum(squared, 0))
    factor = xp.where(value > 0, 0.5 / xp.where(value > 0, value, 1), 0).astype(x.dtype)
    dx *= factor
    if dy is not None:
        dy *= factor
    return value, dx, dy


def _sums(a: Array, b: Array, rates: tuple[float, ...]) -> tuple[Array, Array]:
    """Sum over all pairs of the kernel less its value at 0, and w of each pair, shape (A, B)."""
    less, w = gaussians(squared_distances(a, b), rates)
    return less.sum(dtype=np.float64), w


def _pull(w: Array, a: Array, b: Array) -> Array:
    """Sum over j of w_ij (a_i - b_j), shape of a."""
    pulled = a * w.sum(axis=1)[:, None]
    pulled -= new_product(w, b)
    return pulled


def _check(x: Array, y: Array, widths: Sequence[float], least: int) -> None:
    check_floats("x", x)
    check_floats("y", y)
    if x.ndim < 2 or y.shape[1:] != x.shape[1:] or y.dtype != x.dtype:
        raise ValueError(
            f"y: expected samples like those of x, (N, ...) of one shape and dtype, "
            f"got {y.shape} {y.dtype} beside {x.shape} {x.dtype}"
        )
    for name, count in (("x", len(x)), ("y", len(y))):
        if count < least:
            raise ValueError(f"{name}: expected at least {least} samples, got {count}")
    if not len(widths) or not all(0 < width < math.inf for width in widths):
        raise ValueError(f"widths: expected one or more positive finite numbers, got {tuple(widths)}")
