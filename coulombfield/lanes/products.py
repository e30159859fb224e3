"""Tiles of a matrix product that stay in registers: sums of outer products of some rows and one vector of columns."""

from __future__ import annotations

from llvmlite import binding, ir
from numba import types

from .points import pointer
from .series import lane_count, lanes_at
from .vectors import Lanes, call, intrinsic, splat

TILE_ROWS = 12 if binding.get_host_cpu_features().get("avx512f") else 6
"""Rows of a tile: their sums, LANE_BYTES each, leave registers of a row of columns and of a number free."""


def _rows(builder, start, step, count):
    """Indices start, start + step, ..., each by a product: a chain of sums takes LLVM's loops half as long again."""
    return [builder.add(start, builder.mul(step, ir.Constant(step.type, row))) for row in range(count)]


@intrinsic
def zero_tile(typing_context, array, rows):
    """A tuple of len(rows) lanes of zeros, of the numbers of an array."""
    result = types.UniTuple(Lanes(array.dtype, lane_count(array)), len(rows))

    def generate(context, builder, signature, values):
        return context.get_constant_null(result)

    return result(array, rows), generate


@intrinsic
def add_outer(typing_context, tile, a, a_start, a_step, b, b_start):
    """``tile`` plus a[a_start + r a_step] b[b_start + c] in row r and lane c, of flat contiguous arrays."""

    def generate(context, builder, signature, values):
        given, a_data, a_start, a_step, b_data, b_start = values
        columns = builder.load(lanes_at(context, builder, b, b_data, b_start), align=b.dtype.bitwidth // 8)
        sums = []
        for row, index in enumerate(_rows(builder, a_start, a_step, len(tile))):
            factor = builder.load(pointer(context, builder, a, a_data, index))
            factor = splat(builder, factor, tile.dtype.count)
            sums.append(call(builder, "fmuladd", factor, columns, builder.extract_value(given, row)))
        return context.make_tuple(builder, tile, sums)

    return tile(tile, a, types.intp, types.intp, b, types.intp), generate


@intrinsic
def store_tile(typing_context, array, start, step, tile):
    """Row r of ``tile`` to the elements from start + r step on of a flat contiguous array."""

    def generate(context, builder, signature, values):
        data, start, step, given = values
        for row, index in enumerate(_rows(builder, start, step, len(tile))):
            place = lanes_at(context, builder, array, data, index)
            builder.store(builder.extract_value(given, row), place, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, tile), generate


@intrinsic
def copy_lanes(typing_context, array, start, source, source_start):
    """One vector of elements of a flat contiguous array to another."""

    def generate(context, builder, signature, values):
        data, start, source_data, source_start = values
        align = array.dtype.bitwidth // 8
        lanes = builder.load(lanes_at(context, builder, source, source_data, source_start), align=align)
        builder.store(lanes, lanes_at(context, builder, array, data, start), align=align)
        return context.get_dummy_value()

    return types.void(array, types.intp, source, types.intp), generate
