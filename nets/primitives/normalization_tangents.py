r"""What batch-norm and layer-norm do to tangents of their x, as nets.primitives.normalization_passes does to gradients.

Arrays, statistics and slopes are as there. Beside x and y there are dy, the gradient by y, with ``du = f'(u) dy``, and
a tangent v of x.
"""

from __future__ import annotations

import numpy as np

from coulombfield.arrays import Array, Primitive, jit, module_of
from nets.primitives import normalization_passes as normalization
from nets.primitives.normalization_passes import blocks_of, normal, plain, sloped, writeable
from nets.primitives.shares import share_numbers

SUMS = 5
"""Sums of du, du x_hat, v, v x_hat and du v."""


@Primitive
def tangent_sums(dy: Array, v: Array, y: Array, x: Array, statistics: Array, slope: float) -> Array:
    """Sums over rows of ``du``, ``du x_hat``, ``v``, ``v x_hat`` and ``du v``: shape (5, G, C)."""
    xp = module_of(x)
    du, x_hat = sloped(dy, y, slope).astype(xp.float64), normal(x, statistics)
    sums = [part.sum(axis=1) for part in (du, du * x_hat, v.astype(xp.float64), v.astype(xp.float64) * x_hat, du * v)]
    return xp.stack(sums).astype(x.dtype)


@tangent_sums.version("numpy")
def _tangent_sums(dy, v, y, x, statistics, slope):
    dy, v, x = writeable(dy), writeable(v), writeable(x)
    y = dy if slope == 1 else writeable(y)
    groups, rows, channels = x.shape
    size, blocks = blocks_of(rows, channels)
    parts = np.empty((groups, blocks, SUMS, channels))

    def work(start: int, stop: int) -> None:
        _sum_tangents(dy, v, y, x, statistics[0], slope, size, parts, start, stop)

    share_numbers(work, groups * blocks, x.size)
    result = np.empty((SUMS, groups, channels), x.dtype)
    _join(parts, statistics, result)
    return result


@jit
def _sum_tangents(dy, v, y, x, center, slope, size, parts, start, stop):
    rows, channels = x.shape[1:]
    blocks = parts.shape[1]
    one, slope, zero = x.dtype.type(1), x.dtype.type(slope), x.dtype.type(0)
    for index in range(start, stop):
        g, block = index // blocks, index % blocks
        first = block * size
        origin, sums = center[g], np.zeros((SUMS, channels))
        of_du, of_du_x, of_v, of_v_x, of_du_v = sums[0], sums[1], sums[2], sums[3], sums[4]
        for n in range(first, min(first + size, rows)):
            of_y, of_dy, of_x, tangent = y[g, n], dy[g, n], x[g, n], v[g, n]
            for c in range(channels):
                du = of_dy[c] * (one if slope == one or of_y[c] > zero else slope)
                from_center = of_x[c] - origin[c]
                of_du[c] += du
                of_du_x[c] += du * from_center
                of_v[c] += tangent[c]
                of_v_x[c] += tangent[c] * from_center
                of_du_v[c] += du * tangent[c]
        parts[g, block] = sums


@jit
def _join(parts, statistics, result):
    """Sums of blocks in their order, with x_hat in the place of the distance from the center."""
    groups, blocks, _, channels = parts.shape
    for g in range(groups):
        totals = np.zeros((SUMS, channels))
        for block in range(blocks):
            totals += parts[g, block]
        for c in range(channels):
            remainder, inverse = statistics[1, g, c], statistics[2, g, c]
            result[0, g, c] = totals[0, c]
            result[1, g, c] = (totals[1, c] - totals[0, c] * remainder) * inverse
            result[2, g, c] = totals[2, c]
            result[3, g, c] = (totals[3, c] - totals[2, c] * remainder) * inverse
            result[4, g, c] = totals[4, c]


@tangent_sums.version("cupy")
def _tangent_sums_cupy(dy, v, y, x, statistics, slope):
    of_du = normalization.gradient_sums(dy, y, x, statistics, slope)
    of_v = normalization.gradient_sums(v, v, x, statistics, 1.0)
    of_both = normalization.gradient_sums(dy, y, v, plain(statistics), slope)[1:]
    return module_of(x).concatenate([of_du, of_v, of_both])


@Primitive
def tangent(
    v: Array, dy: Array, y: Array, x: Array, statistics: Array, scale: Array, means: Array, slope: float
) -> tuple[Array, Array]:
    r"""Tangent of y, and gradient by x of its product with dy: in the memory of v and of dy.

    ``means`` (5, G, C) are those over a set of :math:`h = \gamma\,du`, h x_hat, v, v x_hat and h v, called
    :math:`\bar h, a, \bar v, b, \overline{hv}`. With s for the inverse deviation

    .. math:: \dot y = f'(u)\,\gamma s\,(v - \bar v - b\,\hat x), \qquad
              dx = -s^2 \bigl(b h + a v - b \bar h - a \bar v + (\overline{hv} - \bar h\,\bar v - 3 a b)\,\hat x\bigr).
    """
    xp, inverse = module_of(x), statistics[2][:, None]
    mean_h, a, mean_v, b, mean_hv = means[:, :, None]
    x_hat = normal(x, statistics)
    y_dot = sloped((v - mean_v - b * x_hat) * (inverse * scale), y, slope)
    dx = sloped(dy, y, slope) * (b * scale) + a * v - (b * mean_h + a * mean_v)
    dx += (mean_hv - mean_h * mean_v - 3 * a * b) * x_hat
    xp.multiply(dx, -inverse * inverse, out=dy)
    v[...] = y_dot
    return v, dy


@tangent.version("numpy")
def _tangent(v, dy, y, x, statistics, scale, means, slope):
    x = writeable(x)
    y = dy if slope == 1 else writeable(y)
    (center, remainder, inverse), (mean_h, a, mean_v, b, mean_hv) = statistics, means
    factor, square = inverse * scale, inverse * inverse
    bend, curve = factor * b * inverse, -square * inverse * (mean_hv - mean_h * mean_v - 3 * a * b)
    # y_dot = f' (of_v v + offset + of_x (x - center)), and likewise dx, of du too
    of_tangent = np.stack([factor, bend * remainder - factor * mean_v, -bend])
    offset = square * (b * mean_h + a * mean_v) - curve * remainder
    of_gradient = np.stack([-square * a, offset, curve, -square * b * scale])

    def work(start: int, stop: int) -> None:
        _tangent_rows(v, dy, y, x, center, of_tangent, of_gradient, slope, start, stop)

    share_numbers(work, x.shape[0] * x.shape[1], x.size)
    return v, dy


@jit
def _tangent_rows(v, dy, y, x, center, of_tangent, of_gradient, slope, start, stop):
    rows, channels = x.shape[1:]
    one, slope, zero = x.dtype.type(1), x.dtype.type(slope), x.dtype.type(0)
    for index in range(start, stop):
        g, n = index // rows, index % rows
        for c in range(channels):
            factor = one if slope == one or y[g, n, c] > zero else slope
            along, du, from_center = v[g, n, c], dy[g, n, c] * factor, x[g, n, c] - center[g, c]
            u_dot = along * of_tangent[0, g, c] + (of_tangent[1, g, c] + from_center * of_tangent[2, g, c])
            dx = along * of_gradient[0, g, c] + (of_gradient[1, g, c] + from_center * of_gradient[2, g, c])
            v[g, n, c] = u_dot * factor
            dy[g, n, c] = dx + du * of_gradient[3, g, c]
