"""Elementary functions that LLVM can vectorise inside a Numba loop.

Numba calls the C library once per element for exp and its kin, at ten times the cost of the arithmetic around
them. What is here is branch-free arithmetic instead, so that the loop around it is vectorised.

Numba's cache on disk sees an edit of the file that holds a loop, not one of this file: after an edit here, touch
the files that call it, or empty the cache.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types
from numba.extending import intrinsic, overload

LOG2_E = 1.4426950408889634
LN2_HIGH = 0.693359375  # ln 2 in two parts: the first has so few bits that its product with an integer is exact
LN2_LOW = -2.1219444005469057e-4
ROUND = 12582912.0  # 1.5 * 2**23: a float32 near it has unit spacing, so adding it rounds to the nearest integer
ROUND_BITS = 0x4B400000
SMALLEST = -87.0  # expm1 is -1 to the last bit long before; below it 2**k would leave the normal range


@intrinsic
def _bits_of(typing_context, value):
    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], context.get_value_type(types.int32))

    return types.int32(types.float32), generate


@intrinsic
def _from_bits(typing_context, bits):
    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], context.get_value_type(types.float32))

    return types.float32(types.int32), generate


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
        shifted = x * np.float32(LOG2_E) + np.float32(ROUND)
        k = shifted - np.float32(ROUND)
        r = (x - k * np.float32(LN2_HIGH)) - k * np.float32(LN2_LOW)
        power = _from_bits((_bits_of(shifted) - np.int32(ROUND_BITS) + np.int32(127)) << np.int32(23))
        tail = np.float32(1 / 720) + r * np.float32(1 / 5040)
        tail = np.float32(1 / 120) + r * tail
        tail = np.float32(1 / 24) + r * tail
        tail = np.float32(1 / 6) + r * tail
        tail = np.float32(1 / 2) + r * tail
        return power * (r + r * r * tail) + (power - np.float32(1))

    return expm1_float32 if x == types.float32 else expm1_float64
