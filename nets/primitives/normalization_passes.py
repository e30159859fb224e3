r"""What batch-norm and layer-norm do to whole images: sums for each channel, and maps by its channel's coefficients.

Arrays are (G, R, C): G groups of R rows, and C channels. ``statistics`` (3, G, C) are the center, the small remainder
and the inverse deviation of each channel in each group,

.. math:: \hat x = \bigl((x - \mathrm{center}) - \mathrm{remainder}\bigr)\,\mathrm{inverse},

where center plus remainder is the mean: one number of the arrays' dtype does not tell it well enough where the mean is
large and the deviation small. The activation is :math:`f(u) = u` for positive u and ``slope u`` elsewhere, whose
derivative at u is found from y = f(u); with slope 1 it is the identity, and y is not read.

Sums are taken over blocks of rows whose size follows from C alone, in float64, and added in the order of the blocks:
they do not depend on the number of threads. Numbers of a block are counted from its first row, so that a large mean
does not cancel. A NaN stays one. The compiled versions take contiguous arrays and check no bounds: the layers compare
shapes.
"""

from __future__ import annotations

import numpy as np

from coulombfield.arrays import Array, Primitive, jit, module_of
from nets.primitives.cuda import THREADS, launch
from nets.primitives.shares import share_numbers

BLOCK = 2**16
"""Numbers in a block of rows on the CPU, 0.1 ms of work, where that does not make it shorter than FEWEST rows."""
FEWEST = 64
TOGETHER = 4  # rows added up before they go to the sums in memory
LANES = 32  # channels side by side in a block of CUDA threads, which read 128 bytes of a row
ROWS_A_THREAD = 64


@Primitive
def moments(x: Array) -> Array:
    """Mean and biased variance of each channel in each group: center, remainder, variance, shape (3, G, C)."""
    xp = module_of(x)
    origin = x[:, 0].astype(xp.float64)
    from_origin = x - origin[:, None]
    mean = from_origin.mean(axis=1)
    center = (origin + mean).astype(x.dtype)
    variance = xp.square(from_origin - mean[:, None]).mean(axis=1)
    return xp.stack([center, (origin - center + mean).astype(x.dtype), variance.astype(x.dtype)])


@moments.version("numpy")
def _moments(x: np.ndarray) -> np.ndarray:
    x = writeable(x)
    groups, rows, channels = x.shape
    size, blocks = blocks_of(rows, channels)
    parts = np.empty((groups, blocks, 2, channels))

    def work(start: int, stop: int) -> None:
        _moments_of_blocks(x, size, parts, start, stop)

    share_numbers(work, groups * blocks, x.size)
    result = np.empty((3, groups, channels), x.dtype)
    _join_moments(x, parts, size, result)
    return result


@jit
def _moments_of_blocks(x, size, parts, start, stop):
    rows, channels = x.shape[1:]
    blocks = parts.shape[1]
    for index in range(start, stop):
        g, block = index // blocks, index % blocks
        first = block * size
        count = min(size, rows - first)
        part = x[g, first : first + count]
        # d = x - pivot, of the block's first row: a large mean cancels before squares are taken
        pivot, sums, squares = part[0], np.zeros(channels), np.zeros(channels)
        whole = count - count % TOGETHER
        for n in range(0, whole, TOGETHER):
            row0, row1, row2, row3 = part[n], part[n + 1], part[n + 2], part[n + 3]
            for c in range(channels):
                origin = np.float64(pivot[c])
                d0, d1, d2, d3 = row0[c] - origin, row1[c] - origin, row2[c] - origin, row3[c] - origin
                sums[c] += (d0 + d1) + (d2 + d3)
                squares[c] += (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3)
        for n in range(whole, count):
            row = part[n]
            for c in range(channels):
                d = row[c] - np.float64(pivot[c])
                sums[c] += d
                squares[c] += d * d
        for c in range(channels):
            # mean from the group's first row, and the sum of (x - mean)^2 = sum of d^2 - (sum of d)^2 / count
            parts[g, block, 0, c] = (np.float64(pivot[c]) - x[g, 0, c]) + sums[c] / count
            parts[g, block, 1, c] = squares[c] - sums[c] * sums[c] / count


@jit
def _join_moments(x, parts, size, result):
    """Means, and sums of squares about them, of one block after the other to those of all (Chan et al. 1979).

    Means are counted from the group's first row: so they have digits to spare for the remainder.
    """
    groups, blocks, _, channels = parts.shape
    rows = x.shape[1]
    for g in range(groups):
        mean, squares = parts[g, 0, 0].copy(), parts[g, 0, 1].copy()
        for block in range(1, blocks):
            before = size * block
            count = min(size, rows - before)
            share = count / (before + count)
            for c in range(channels):
                step = parts[g, block, 0, c] - mean[c]
                mean[c] += share * step
                squares[c] += parts[g, block, 1, c] + share * before * (step * step)
        for c in range(channels):
            origin = np.float64(x[g, 0, c])
            result[0, g, c] = origin + mean[c]
            result[1, g, c] = (origin - result[0, g, c]) + mean[c]
            result[2, g, c] = squares[c] / rows


@moments.version("cupy")
def _moments_cupy(x: Array) -> Array:
    xp, (groups, rows, channels) = module_of(x), x.shape
    lanes, size, blocks = _tiling(rows, channels)
    parts = xp.empty((groups, blocks, 2, channels))
    result = xp.empty((3, groups, channels), x.dtype)
    tiles = -(-channels // lanes)
    launch(x, TEXT, "add_moments", groups * blocks * tiles, (x, rows, channels, lanes, size, blocks, parts))
    threads = -(-groups * channels // THREADS)
    launch(x, TEXT, "join_moments", threads, (x, parts, groups, rows, channels, size, blocks, result))
    return result


@Primitive
def normalize(y: Array, x: Array, statistics: Array, scale: Array, shift: Array, slope: float) -> Array:
    """``f(scale x_hat + shift)``, with scale and shift of shape (C,), in the memory of y."""
    xp = module_of(x)
    u = normal(x, statistics)
    u *= scale
    u += shift
    return xp.multiply(u, xp.where(u > 0, u.dtype.type(1), u.dtype.type(slope)), out=y)


@normalize.version("numpy")
def _normalize(y, x, statistics, scale, shift, slope):
    x = writeable(x)
    factor = statistics[2] * scale
    offset = shift - statistics[1] * factor

    def work(start: int, stop: int) -> None:
        _normalize_rows(y, x, statistics[0], factor, offset, slope, start, stop)

    share_numbers(work, x.shape[0] * x.shape[1], x.size)
    return y


@jit
def _normalize_rows(y, x, center, factor, offset, slope, start, stop):
    rows, channels = x.shape[1:]
    slope, zero = x.dtype.type(slope), x.dtype.type(0)
    for index in range(start, stop):
        g, n = index // rows, index % rows
        for c in range(channels):
            u = (x[g, n, c] - center[g, c]) * factor[g, c] + offset[g, c]
            y[g, n, c] = u if u > zero else slope * u


@normalize.version("cupy")
def _normalize_cupy(y, x, statistics, scale, shift, slope):
    _launch_tiles(x, "normalize", (x, statistics, scale, shift, float(slope)), (y,))
    return y


@Primitive
def gradient_sums(dy: Array, y: Array, x: Array, statistics: Array, slope: float) -> Array:
    """Sums over rows of ``du`` and ``du x_hat``, where ``du = f'(u) dy``: shape (2, G, C)."""
    xp = module_of(x)
    du = sloped(dy, y, slope).astype(xp.float64)
    return xp.stack([du.sum(axis=1), (du * normal(x, statistics)).sum(axis=1)]).astype(x.dtype)


@gradient_sums.version("numpy")
def _gradient_sums(dy, y, x, statistics, slope):
    dy, x = writeable(dy), writeable(x)
    y = dy if slope == 1 else writeable(y)
    groups, rows, channels = x.shape
    size, blocks = blocks_of(rows, channels)
    parts = np.empty((groups, blocks, 2, channels))

    def work(start: int, stop: int) -> None:
        _sum_gradients(dy, y, x, statistics[0], slope, size, parts, start, stop)

    share_numbers(work, groups * blocks, x.size)
    result = np.empty((2, groups, channels), x.dtype)
    _join_sums(parts, statistics, result)
    return result


@jit
def _sum_gradients(dy, y, x, center, slope, size, parts, start, stop):
    rows, channels = x.shape[1:]
    blocks = parts.shape[1]
    one, slope, zero = x.dtype.type(1), x.dtype.type(slope), x.dtype.type(0)
    for index in range(start, stop):
        g, block = index // blocks, index % blocks
        first = block * size
        end = min(first + size, rows)
        # x - center for x_hat: remainder and inverse, the same for all rows, come where blocks are joined
        origin, sums, products = center[g], np.zeros(channels), np.zeros(channels)
        whole = end - (end - first) % 2
        # two rows at a time, for half the traffic of the sums
        for n in range(first, whole, 2):
            dy0, dy1, y0, y1, x0, x1 = dy[g, n], dy[g, n + 1], y[g, n], y[g, n + 1], x[g, n], x[g, n + 1]
            if slope == one:
                for c in range(channels):
                    sums[c] += dy0[c] + dy1[c]
                    products[c] += dy0[c] * (x0[c] - origin[c]) + dy1[c] * (x1[c] - origin[c])
            else:
                for c in range(channels):
                    du0 = dy0[c] * (one if y0[c] > zero else slope)
                    du1 = dy1[c] * (one if y1[c] > zero else slope)
                    sums[c] += du0 + du1
                    products[c] += du0 * (x0[c] - origin[c]) + du1 * (x1[c] - origin[c])
        for n in range(whole, end):
            for c in range(channels):
                du = dy[g, n, c] * (one if slope == one or y[g, n, c] > zero else slope)
                sums[c] += du
                products[c] += du * (x[g, n, c] - origin[c])
        parts[g, block, 0] = sums
        parts[g, block, 1] = products


@jit
def _join_sums(parts, statistics, result):
    groups, blocks, _, channels = parts.shape
    for g in range(groups):
        totals = np.zeros((2, channels))
        for block in range(blocks):
            totals += parts[g, block]
        for c in range(channels):
            result[0, g, c] = totals[0, c]
            # sum of du x_hat = (sum of du (x - center) - remainder sum of du) inverse
            result[1, g, c] = (totals[1, c] - totals[0, c] * statistics[1, g, c]) * statistics[2, g, c]


@gradient_sums.version("cupy")
def _gradient_sums_cupy(dy, y, x, statistics, slope):
    xp, (groups, rows, channels) = module_of(x), x.shape
    lanes, size, blocks = _tiling(rows, channels)
    parts = xp.empty((groups, blocks, 2, channels))
    result = xp.empty((2, groups, channels), x.dtype)
    shape = (rows, channels, lanes, size, blocks)
    tiles = -(-channels // lanes)
    launch(
        x, TEXT, "add_gradients", groups * blocks * tiles, (dy, y, x, statistics, float(slope), groups, *shape, parts)
    )
    threads = -(-groups * channels // THREADS)
    launch(x, TEXT, "join_sums", threads, (parts, groups, channels, blocks, result))
    return result


@Primitive
def gradient(dy: Array, y: Array, x: Array, statistics: Array, scale: Array, means: Array, slope: float) -> Array:
    """``inverse (scale du - means[0] - means[1] x_hat)`` with ``means`` (2, G, C), in the memory of dy."""
    xp = module_of(x)
    dx = sloped(dy, y, slope) * scale
    dx -= means[0][:, None]
    dx -= normal(x, statistics) * means[1][:, None]
    return xp.multiply(dx, statistics[2][:, None], out=dy)


@gradient.version("numpy")
def _gradient(dy, y, x, statistics, scale, means, slope):
    x = writeable(x)
    y = dy if slope == 1 else writeable(y)
    center, remainder, inverse = statistics
    factor, bend = inverse * scale, inverse * inverse * means[1]
    offset = inverse * means[0] - bend * remainder

    def work(start: int, stop: int) -> None:
        _gradient_rows(dy, y, x, center, factor, offset, bend, slope, start, stop)

    share_numbers(work, x.shape[0] * x.shape[1], x.size)
    return dy


@jit
def _gradient_rows(dy, y, x, center, factor, offset, bend, slope, start, stop):
    rows, channels = x.shape[1:]
    one, slope, zero = x.dtype.type(1), x.dtype.type(slope), x.dtype.type(0)
    for index in range(start, stop):
        g, n = index // rows, index % rows
        if slope == one:
            for c in range(channels):
                dy[g, n, c] = dy[g, n, c] * factor[g, c] - (offset[g, c] + (x[g, n, c] - center[g, c]) * bend[g, c])
        else:
            for c in range(channels):
                du = dy[g, n, c] * (one if y[g, n, c] > zero else slope)
                dy[g, n, c] = du * factor[g, c] - (offset[g, c] + (x[g, n, c] - center[g, c]) * bend[g, c])


@gradient.version("cupy")
def _gradient_cupy(dy, y, x, statistics, scale, means, slope):
    _launch_tiles(x, "gradient", (y, x, statistics, scale, means, float(slope)), (dy,))
    return dy


TEXT = "normalization.cu"


def writeable(array: np.ndarray) -> np.ndarray:
    """The array, or a copy of a read-only one: Numba would compile once more for it."""
    return array if array.flags.writeable else array.copy()


def plain(statistics: Array) -> Array:
    """Statistics of numbers that are normal as they are."""
    plain = module_of(statistics).zeros_like(statistics)
    plain[2] = 1
    return plain


def normal(x: Array, statistics: Array) -> Array:
    """x_hat."""
    center, remainder, inverse = statistics[:, :, None]
    return (x - center - remainder) * inverse


def sloped(dy: Array, y: Array, slope: float) -> Array:
    """``f'(u) dy``."""
    if slope == 1:
        return dy
    return dy * module_of(dy).where(y > 0, dy.dtype.type(1), dy.dtype.type(slope))


def blocks_of(rows: int, channels: int) -> tuple[int, int]:
    """Rows of a block, and number of blocks, on the CPU."""
    size = max(FEWEST, BLOCK // channels)
    return size, -(-rows // size)


def _tiling(rows: int, channels: int) -> tuple[int, int, int]:
    """Channels side by side, rows of a block of threads, and number of such blocks, on a GPU."""
    lanes = min(LANES, 2 ** (channels - 1).bit_length())
    size = ROWS_A_THREAD * (THREADS // lanes)
    return lanes, size, -(-rows // size)


def _launch_tiles(x: Array, name: str, inputs: tuple, outputs: tuple) -> None:
    groups, rows, channels = x.shape
    lanes, size, blocks = _tiling(rows, channels)
    tiles = -(-channels // lanes)
    launch(x, TEXT, name, groups * blocks * tiles, (*inputs, groups, rows, channels, lanes, size, blocks, *outputs))
