r"""Elementary functions as branch-free arithmetic, which LLVM can vectorise inside a Numba loop.

Numba calls the C library once per element for exp and its kin, at ten times the cost of the arithmetic around
them. The functions here take float32, float64 and :class:`coulombfield.lanes.Lanes` of them, and keep the type.
``expm1`` is the C library's in float64.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types
from numba.extending import overload

from .lanes import (
    exponent_and_fraction,
    exponent_and_fraction_from_one,
    fused,
    like,
    polynomial,
    power_of_two,
    select,
    times_power_of_two,
    wide_polynomial,
)

LOG2_E = 1.4426950408889634
LN2 = 0.6931471805599453
SMALLEST = -40.0  # expm1 is -1 to the last bit long before; far below it numbers on the way are subnormal, and slow

# By the number of bits of a dtype:
ROUND = {32: 1.5 * 2**23, 64: 1.5 * 2**52}  # numbers near it have unit spacing: adding it rounds to the nearest integer
# ln 2 in two parts: the first has so few bits that its product with an integer is exact.
LN2_PARTS = {32: (0.693359375, -2.1219444005469057e-04), 64: (0.6931471806019545, -4.2009150726810846e-11)}
LARGEST_POWER = {32: 252.0, 64: 2044.0}  # of two; beyond, the result is 0 or inf, and half of it is still normal
# Taylor coefficients of (exp(r) − 1 − r) / r² for |r| ≤ ln(2) / 2, to an eighth of a unit of rounding.
EXP_TAIL = {bits: tuple(1 / math.factorial(n) for n in range(2, last)) for bits, last in ((32, 8), (64, 14))}
# Taylor coefficients of log((1 + z) / (1 − z)) / z − 2 by z² for |z| ≤ (√2 − 1)², to an eighth of a unit of rounding.
LOG_TAIL = {bits: tuple(2 / (2 * n + 1) for n in range(1, last)) for bits, last in ((32, 6), (64, 12))}
# Coefficients by z² of log2((1 + z) / (1 − z)) / z for |z| ≤ (√2 − 1) / (√2 + 1), and by g of (2^g − 1) / g for
# |g| ≤ 0.501, from interpolation at Chebyshev's nodes: to 1/16 of a unit of rounding of the result.
LOG2_SERIES = {
    32: (2.8853900798033365, 0.96179883880211, 0.5767151860190234, 0.43171769745887384),
    64: (
        2.8853900817779268, 0.9617966939259898, 0.5770780163455203, 0.4121985858409005,
        0.32059853491395984, 0.262334352504183, 0.2209130842311768, 0.2136589569431927,
    ),
}  # fmt: skip
EXP2_SERIES = {
    32: (
        0.693147188116349, 0.24022650761348438, 0.05550356682386405, 0.009618082183394121, 0.0013391093247266345,
        0.0001545336197353356,
    ),
    64: (
        0.6931471805599453, 0.240226506959101, 0.0555041086648216, 0.009618129107606541, 0.001333355814641675,
        0.00015403530442319546, 1.5252733830147138e-05, 1.3215442232969344e-06, 1.0178062256646543e-07,
        7.072656799362923e-09, 4.4549983631048684e-10,
    ),
}  # fmt: skip
SUBNORMAL = {32: (2.0**-126, 24.0), 64: (2.0**-1022, 53.0)}  # smallest normal number, and the bits to lift others by


def _bits(x):
    """Number of bits of the numbers of a Numba type."""
    return getattr(x, "dtype", x).bitwidth


def literal(number, x):
    """A number in a formula that arrays and compiled loops share, where it takes the type of ``x``."""
    return number


@overload(literal)
def _literal(number, x):
    return lambda number, x: like(x, number)


def exp(x):
    """``exp(x)`` inside a Numba loop, within 1.1 units in the last place."""
    return math.exp(x)


@overload(exp)
def _exp(x):
    bits = _bits(x)
    shift, (high, low) = ROUND[bits], LN2_PARTS[bits]

    def compiled(x):
        n = _limited(fused(x, like(x, LOG2_E), like(x, shift)) - like(x, shift), bits)
        r = fused(-n, like(x, low), fused(-n, like(x, high), x))
        return _scaled_exp(r, n)

    return compiled


def log(x):
    """``log(x)`` inside a Numba loop, within 1.6 units in the last place."""
    return math.log(x)


@overload(log)
def _log(x):
    high, low = LN2_PARTS[_bits(x)]

    def compiled(x):
        k, head, tail = _log_parts(x)
        y = fused(k, like(x, high), head) + fused(k, like(x, low), tail)
        y = select(x < like(x, np.inf), y, x)
        return select(like(x, 0.0) < x, y, select(x < like(x, 0.0), like(x, np.nan), x - like(x, np.inf)))

    return compiled


def power(x, y):
    """``x**y`` inside a Numba loop for x ≥ 0 and one finite y ≠ 0.

    Within 1.5 units in the last place for |y| ≤ 4 on processors with fused operations, and about |y| units on others.
    """
    return x**y


@overload(power)
def _power(x, y):
    bits = _bits(x)
    shift = ROUND[bits]

    def compiled(x, y):
        k, head, tail = _log_parts(x)
        y = like(x, y)
        product = y * head
        n = _limited((fused(y, k, product * like(x, LOG2_E)) + like(x, shift)) - like(x, shift), bits)
        # Sums here may cancel to a tenth, so that what a product loses in rounding is put back.
        r = fused(fused(y, k, -n), like(x, LN2), product) + fused(y, tail, fused(y, head, -product))
        z = _scaled_exp(r, n)
        return select(x < like(x, np.inf), z, select(like(x, 0.0) < y, x, like(x, 1.0) / x))

    return compiled


def power_from_one(x, y):
    """``x**y`` inside a Numba loop for finite x ≥ 1 and one y with a normal result; exactly 1 for 1.

    Within 1.5 + |y| units in the last place on processors with fused operations, and about 2 |y| more on others: like x
    itself, log(x) is rounded once. That and the narrower range make it several times as fast as :func:`power`.
    """
    return x**y


@overload(power_from_one)
def _power_from_one(x, y):
    bits = _bits(x)
    shift, logarithm, exponential = ROUND[bits], LOG2_SERIES[bits], EXP2_SERIES[bits]

    def compiled(x, y):
        r"""With x = 2**k m and z = (m - 1) / (m + 1): log2(m) by its series, and x**y = 2**n 2**g with |g| <= 1/2."""
        k, m = exponent_and_fraction_from_one(x)
        z = (m - like(x, 1.0)) / (m + like(x, 1.0))
        log2_m = z * wide_polynomial(z * z, logarithm)
        y = like(x, y)
        shifted = fused(y, k, y * log2_m) + like(x, shift)
        g = fused(y, log2_m, fused(y, k, like(x, shift) - shifted))
        return times_power_of_two(fused(g, wide_polynomial(g, exponential), like(x, 1.0)), shifted)

    return compiled


def _limited(n, bits):
    """An integral n, no further from 0 than powers of two are of use; NaN comes through."""


@overload(_limited)
def _limited_overload(n, bits):
    limit = LARGEST_POWER[_bits(n)]

    def compiled(n, bits):
        n = select(like(n, limit) < n, like(n, limit), n)
        return select(n < like(n, -limit), like(n, -limit), n)

    return compiled


def _scaled_exp(r, n):
    """``exp(r) 2**n``, rounded once more where it is subnormal; |r| beyond 1 counts as 1."""


@overload(_scaled_exp)
def _scaled_exp_overload(r, n):
    tail, shift = EXP_TAIL[_bits(r)], ROUND[_bits(r)]

    def compiled(r, n):
        r = select(like(r, 1.0) < r, like(r, 1.0), r)
        r = select(r < like(r, -1.0), like(r, -1.0), r)
        half = (n * like(n, 0.5) + like(n, shift)) - like(n, shift)
        value = like(r, 1.0) + fused(r * r, polynomial(r, tail), r)
        return (value * power_of_two(half)) * power_of_two(n - half)

    return compiled


def _log_parts(x):
    """Parts k, head and tail of log(x) = k log(2) + head + tail; k is very negative for x = 0."""


@overload(_log_parts)
def _log_parts_overload(x):
    tail, (smallest, lift) = LOG_TAIL[_bits(x)], SUBNORMAL[_bits(x)]
    factor = 2.0**lift

    def compiled(x):
        r"""With x = 2**k m, f = m - 1, z = f / (2 + f) and R from the series: log(m) = f - f²/2 + z (f²/2 + R z²)."""
        subnormal = x < like(x, smallest)
        k, m = exponent_and_fraction(select(subnormal, x * like(x, factor), x))
        k = select(subnormal, k - like(x, lift), k)
        k = select(like(x, 0.0) < x, k, like(x, -1e5))
        f = m - like(x, 1.0)
        z = f / (m + like(x, 1.0))
        zz = z * z
        half = f * like(x, 0.5)
        head = fused(-half, f, f)
        return k, head, fused(z, fused(half, f, zz * polynomial(zz, tail)), fused(-half, f, f - head))

    return compiled


def expm1(x):
    """``exp(x) - 1`` for x <= 0 inside a Numba loop: vectorised in float32, the C library's in float64."""
    return math.expm1(x)


@overload(expm1)
def _expm1(x):
    def expm1_float64(x):
        return math.expm1(x)

    def expm1_float32(x):
        r"""With x = k ln 2 + r: exp(x) - 1 = 2**k (exp(r) - 1) + (2**k - 1), and a polynomial on |r| <= ln(2)/2."""
        x = np.float32(SMALLEST) if x < np.float32(SMALLEST) else x
        k = (x * np.float32(LOG2_E) + np.float32(shift)) - np.float32(shift)
        r = (x - k * np.float32(high)) - k * np.float32(low)
        two_to_k = power_of_two(k)
        return two_to_k * (r + r * r * polynomial(r, tail)) + (two_to_k - np.float32(1))

    shift, (high, low), tail = ROUND[32], LN2_PARTS[32], EXP_TAIL[32]
    return expm1_float32 if x == types.float32 else expm1_float64
