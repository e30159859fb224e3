r"""Winograd's minimal filtering on tiles: 3 taps, m = 2 or 4 results, n = m + 2 products in place of 3 m.

A correlation :math:`y_o = \sum_a g_a d_{o+a}` of n data with 3 taps is a product of polynomials, found by its values
at n points (Toom and Cook; Winograd 1980; Lavin & Gray 2016):

.. math:: y = A^T \bigl[(G g) \odot (B^T d)\bigr].

The points are 0, ±1, ∞ for m = 2, and 0, ±3/4, ±3/2, ∞ for m = 4, in this order. In float32 the latter have half the
error of the usual 0, ±1, ±2, ∞ (root mean square, in two dimensions), and the numbers in A and B are exact.

Each function takes and gives tuples, of lanes or of numbers; ``points`` is the static size n, which says m. Where
the third tap is 0, so is the product at ∞: the first n - 1 products are those of 2 taps, and the last datum counts for
nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba.extending import overload

TAPS = 3
SIZES = (2, 4)
"""What m may be."""
P, Q = 0.75, 1.5
PP, QQ, PPP, QQQ = P**2, Q**2, P**3, Q**3
PPQQ, BOTH = PP * QQ, PP + QQ
AT_0, AT_P, AT_Q = 1 / PPQQ, 1 / (2 * PP * (PP - QQ)), 1 / (2 * QQ * (QQ - PP))


def _data_2(tile, points):
    d0, d1, d2, d3 = tile
    return d2 - d0, d1 + d2, d2 - d1, d3 - d1


def _data_4(tile, points):
    d0, d1, d2, d3, d4, d5 = tile
    even_p, odd_p = d4 - d2 * QQ, (d3 - d1 * QQ) * P
    even_q, odd_q = d4 - d2 * PP, (d3 - d1 * PP) * Q
    zero = d4 + d0 * PPQQ - d2 * BOTH
    infinity = d5 + d1 * PPQQ - d3 * BOTH
    return zero, even_p + odd_p, even_p - odd_p, even_q + odd_q, even_q - odd_q, infinity


def _data_adjoint_2(tile, points):
    v0, v1, v2, v3 = tile
    return -v0, v1 - v2 - v3, v0 + v1 + v2, v3


def _data_adjoint_4(tile, points):
    v0, v1, v2, v3, v4, v5 = tile
    odd_p, odd_q, sum_p, sum_q = (v1 - v2) * P, (v3 - v4) * Q, v1 + v2, v3 + v4
    d1 = v5 * PPQQ - odd_p * QQ - odd_q * PP
    d2 = -(v0 * BOTH) - sum_p * QQ - sum_q * PP
    d3 = odd_p + odd_q - v5 * BOTH
    return v0 * PPQQ, d1, d2, d3, v0 + sum_p + sum_q, v5


def _results_2(tile, points):
    m0, m1, m2, m3 = tile
    return m0 + m1 + m2, m1 - m2 + m3


def _results_4(tile, points):
    m0, m1, m2, m3, m4, m5 = tile
    sum_p, odd_p, sum_q, odd_q = m1 + m2, m1 - m2, m3 + m4, m3 - m4
    return (
        m0 + sum_p + sum_q,
        odd_p * P + odd_q * Q,
        sum_p * PP + sum_q * QQ,
        odd_p * PPP + odd_q * QQQ + m5,
    )


def _results_adjoint_2(tile, points):
    y0, y1 = tile
    return y0, y0 + y1, y0 - y1, y1


def _results_adjoint_4(tile, points):
    y0, y1, y2, y3 = tile
    even_p, odd_p = y0 + y2 * PP, y1 * P + y3 * PPP
    even_q, odd_q = y0 + y2 * QQ, y1 * Q + y3 * QQQ
    return y0, even_p + odd_p, even_p - odd_p, even_q + odd_q, even_q - odd_q, y3


def _taps_2(tile, points):
    g0, g1, g2 = tile
    even, odd = (g0 + g2) * 0.5, g1 * 0.5
    return -g0, even + odd, even - odd, g2


def _taps_4(tile, points):
    g0, g1, g2 = tile
    even_p, odd_p = (g0 + g2 * PP) * AT_P, g1 * (P * AT_P)
    even_q, odd_q = (g0 + g2 * QQ) * AT_Q, g1 * (Q * AT_Q)
    return g0 * AT_0, even_p + odd_p, even_p - odd_p, even_q + odd_q, even_q - odd_q, g2


def _taps_adjoint_2(tile, points):
    u0, u1, u2, u3 = tile
    half = (u1 + u2) * 0.5
    return half - u0, (u1 - u2) * 0.5, half + u3


def _taps_adjoint_4(tile, points):
    u0, u1, u2, u3, u4, u5 = tile
    sum_p, sum_q = (u1 + u2) * AT_P, (u3 + u4) * AT_Q
    odd = (u1 - u2) * (P * AT_P) + (u3 - u4) * (Q * AT_Q)
    return u0 * AT_0 + sum_p + sum_q, odd, sum_p * PP + sum_q * QQ + u5


def _for_each_size(name: str, two: Callable[..., Any], four: Callable[..., Any]) -> Callable[..., Any]:
    """A function for compiled code, with the implementation that belongs to the length of its second argument."""

    def stub(tile, points):
        return (two if len(points) == TAPS + 1 else four)(tile, points)

    @overload(stub)
    def _chosen(tile, points):
        return two if len(points) == TAPS + 1 else four

    stub.__name__ = stub.__qualname__ = name
    return stub


data_points = _for_each_size("data_points", _data_2, _data_4)
"""n values B^T d from n data."""
data_points_adjoint = _for_each_size("data_points_adjoint", _data_adjoint_2, _data_adjoint_4)
"""n data B v from n values."""
results = _for_each_size("results", _results_2, _results_4)
"""m results A^T p from n products."""
results_adjoint = _for_each_size("results_adjoint", _results_adjoint_2, _results_adjoint_4)
"""n products A y from m results."""
tap_points = _for_each_size("tap_points", _taps_2, _taps_4)
"""n values G g from 3 taps."""
tap_points_adjoint = _for_each_size("tap_points_adjoint", _taps_adjoint_2, _taps_adjoint_4)
"""3 taps G^T u from n values."""
