"""A vector of numbers as a value inside a Numba function: arithmetic on it compiles to the processor's vectors.

Numba leaves vectors to LLVM's loop vectoriser, which stops at 256 bits on many processors that have 512 and keeps
partial sums in memory. A value of type :class:`Lanes` is an LLVM vector from the start: it stays in registers, in the
widest that there are, and a vector longer than a register takes several of them.

Formulas see no difference: ``+ - * / <``, ``numpy.sqrt`` and their kin work lane by lane, and a scalar goes with
every lane. A product and a sum may be contracted to a fused one, which rounds less.
"""

from .calls import each_lane
from .functions import (
    TABLE_SIZE,
    exponent_and_fraction,
    exponent_and_fraction_from_one,
    fused,
    has_avx512,
    like,
    lookup,
    next_powers,
    number_of,
    polynomial,
    power_of_two,
    reciprocal_root_estimate,
    select,
    significand_and_places,
    size_bits,
    times_power_of_two,
    wide_polynomial,
    wide_reciprocal_root_estimate,
)
from .points import (
    LANE_BYTES,
    add_each,
    add_to_rows,
    compiled_once,
    dot,
    lanes_of,
    load_rows,
    multiply_each,
    row_of,
    subtract_each,
    zero_lane,
    zeros,
)
from .products import TILE_ROWS, add_outer, copy_lanes, store_tile, zero_tile
from .series import add_series, load_series, store_series
from .static import ONE, static_size
from .vectors import Lanes, intrinsic

__all__ = [
    "LANE_BYTES",
    "ONE",
    "TABLE_SIZE",
    "TILE_ROWS",
    "Lanes",
    "add_each",
    "add_outer",
    "add_series",
    "add_to_rows",
    "compiled_once",
    "copy_lanes",
    "dot",
    "each_lane",
    "exponent_and_fraction",
    "exponent_and_fraction_from_one",
    "fused",
    "has_avx512",
    "intrinsic",
    "lanes_of",
    "like",
    "load_rows",
    "load_series",
    "lookup",
    "multiply_each",
    "next_powers",
    "number_of",
    "polynomial",
    "power_of_two",
    "reciprocal_root_estimate",
    "row_of",
    "select",
    "significand_and_places",
    "size_bits",
    "static_size",
    "store_series",
    "store_tile",
    "subtract_each",
    "times_power_of_two",
    "wide_polynomial",
    "wide_reciprocal_root_estimate",
    "zero_lane",
    "zero_tile",
    "zeros",
]
