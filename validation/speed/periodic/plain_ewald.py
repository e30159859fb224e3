r"""Ewald's sum of 1/r as the textbooks have it: erfc(αr)/r over pairs within a range, a sum over waves of all charges.

.. math:: \Phi(x_i) = \sum_{r_{ij} < r_c} q_j \frac{\operatorname{erfc}(\alpha r_{ij})}{r_{ij}}
    + \frac{4 \pi}{V} \sum_{0 < k < k_c} \frac{e^{-k^2 / 4 \alpha^2}}{k^2} e^{i k x_i} \sum_j q_j e^{-i k x_j}
    - \frac{2 \alpha}{\sqrt\pi} q_i - \frac{\pi}{\alpha^2 V} \sum_j q_j

Pairs are found by cells of the range's size and waves made by recurrence, both in parallel loops; with α so that both
parts take the same time, the whole is of the order N^(3/2). D. Frenkel and B. Smit, Understanding Molecular Simulation,
section 12.1.
"""

from __future__ import annotations

import math

import numba
import numpy as np

DIGITS_A_PAIR = 15.0  # how many charge-wave products take as long as one pair with its erfc, as measured


def potential(positions: np.ndarray, weights: np.ndarray, side: float, digits: float) -> np.ndarray:
    """Potential at the charges of a neutral cube, each one's own term left out.

    Parameters
    ----------
    positions : array, shape (N, 3)
        In [0, L).
    weights : array, shape (N,)
        Charges.
    side : float
        L.
    digits : float
        Natural logarithm of one over the error: α r_c and k_c / 2α are its root.
    """
    cutoff = math.sqrt(digits)
    count = len(positions)
    # Pairs N² (4π/3) (r_c/L)³ against products 2 · N (4π/3) (k_c L/2π)³ / 2, k_c = 2 digits / r_c.
    reach = side * (DIGITS_A_PAIR**-1 * (digits / math.pi) ** 3 / count) ** (1 / 6)
    reach = min(reach, 0.49 * side)
    alpha = cutoff / reach
    waves = math.ceil(2 * alpha * cutoff * side / (2 * math.pi))
    cells = max(1, int(side / reach))
    number = np.minimum((positions * (cells / side)).astype(np.int64), cells - 1)
    flat = (number[:, 0] * cells + number[:, 1]) * cells + number[:, 2]
    order = np.argsort(flat, kind="stable")
    starts = np.searchsorted(flat[order], np.arange(cells**3 + 1))
    sorted_positions, sorted_weights = positions[order], weights[order]
    found = np.empty(count)
    _near(sorted_positions, sorted_weights, flat[order], starts, cells, side, reach, alpha, found)
    _far(sorted_positions, sorted_weights, side, alpha, waves, numba.get_num_threads(), found)
    found -= 2 * alpha / math.sqrt(math.pi) * sorted_weights
    result = np.empty(count)
    result[order] = found
    return result


@numba.njit(parallel=True, cache=True, fastmath=True)
def _near(positions, weights, cell_of, starts, cells, side, reach, alpha, out):
    span = 1 if cells >= 3 else 0
    for i in numba.prange(len(positions)):
        cell = cell_of[i]
        z, y, x = cell % cells, (cell // cells) % cells, cell // (cells * cells)
        total = 0.0
        for dx in range(-span, span + 1):
            for dy in range(-span, span + 1):
                for dz in range(-span, span + 1):
                    other = (((x + dx) % cells) * cells + (y + dy) % cells) * cells + (z + dz) % cells
                    begin, end = (starts[other], starts[other + 1]) if span else (0, len(positions))
                    for j in range(begin, end):
                        s = 0.0
                        for axis in range(3):
                            d = positions[i, axis] - positions[j, axis]
                            d -= side * np.rint(d / side)
                            s += d * d
                        if 0.0 < s < reach * reach:
                            r = math.sqrt(s)
                            total += weights[j] * math.erfc(alpha * r) / r
        out[i] = total


@numba.njit(parallel=True, cache=True, fastmath=True)
def _far(positions, weights, side, alpha, waves, blocks, out):
    count, size = len(positions), 2 * waves + 1
    step = 2 * math.pi / side
    tables = np.empty((3, size, count), np.complex128)
    for i in numba.prange(count):
        for axis in range(3):
            base = complex(math.cos(step * positions[i, axis]), math.sin(step * positions[i, axis]))
            tables[axis, waves, i] = 1.0
            for n in range(1, waves + 1):
                value = tables[axis, waves + n - 1, i] * base
                tables[axis, waves + n, i] = value
                tables[axis, waves - n, i] = value.conjugate()
    parts = np.zeros((blocks, count))
    for block in numba.prange(blocks):
        for nx in range(block, waves + 1, blocks):  # half of the waves: the others are their conjugates
            for ny in range(-waves, waves + 1):
                for nz in range(-waves, waves + 1):
                    square = nx * nx + ny * ny + nz * nz
                    if square == 0 or square > waves * waves:
                        continue
                    rho = 0j
                    for j in range(count):
                        wave = tables[0, waves + nx, j] * tables[1, waves + ny, j] * tables[2, waves + nz, j]
                        rho += weights[j] * wave.conjugate()
                    k2 = square * step * step
                    factor = (2.0 if nx else 1.0) * 4 * math.pi / side**3 * math.exp(-k2 / (4 * alpha * alpha)) / k2
                    for i in range(count):
                        wave = tables[0, waves + nx, i] * tables[1, waves + ny, i] * tables[2, waves + nz, i]
                        parts[block, i] += factor * (wave.real * rho.real - wave.imag * rho.imag)
    for i in numba.prange(count):
        for block in range(blocks):
            out[i] += parts[block, i]
