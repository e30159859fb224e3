"""Series of lanes in memory, at equal distances: loads and stores of some of them."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils

from .points import LANE_BYTES, pointer
from .vectors import Lanes, intrinsic


def lanes_at(context, builder, array_type, array, index):
    """Pointer to the lanes that start at this element."""
    kind = ir.VectorType(context.get_value_type(array_type.dtype), lane_count(array_type))
    return builder.bitcast(pointer(context, builder, array_type, array, index), kind.as_pointer())


def lane_count(array_type):
    """Numbers of such an array in a vector of LANE_BYTES."""
    return LANE_BYTES * 8 // array_type.dtype.bitwidth


def _within(builder, k, low, high):
    number = ir.Constant(low.type, k)
    return builder.and_(builder.icmp_signed("<=", low, number), builder.icmp_signed("<", number, high))


def _series(builder, start, step, count):
    """Indices start, start + step, ..."""
    return [builder.add(start, builder.mul(step, ir.Constant(step.type, k))) for k in range(count)]


@intrinsic
def load_series(typing_context, array, start, step, low, high, axes):
    """A tuple of len(axes) lanes, number k from element start + k step of a flat array if low <= k < high, else 0."""
    lanes = Lanes(array.dtype, lane_count(array))
    result = types.UniTuple(lanes, len(axes))

    def generate(context, builder, signature, values):
        data, start, step, low, high, _ = values
        null = context.get_constant_null(lanes)
        nothing = cgutils.alloca_once_value(builder, null)
        elements = []
        for k, index in enumerate(_series(builder, start, step, len(axes))):
            there = lanes_at(context, builder, array, data, index)
            chosen = builder.select(_within(builder, k, low, high), there, nothing)  # no branch: both can be read
            elements.append(builder.load(chosen, align=array.dtype.bitwidth // 8))
        return context.make_tuple(builder, result, elements)

    return result(array, types.intp, types.intp, types.intp, types.intp, axes), generate


def _storing(add):
    """An intrinsic that stores each of a tuple of lanes where it is within, or adds it to what is there."""

    def typed(typing_context, array, start, step, low, high, lanes):
        def generate(context, builder, signature, values):
            data, start, step, low, high, given = values
            align = array.dtype.bitwidth // 8
            for k, index in enumerate(_series(builder, start, step, len(lanes))):
                with builder.if_then(_within(builder, k, low, high)):
                    there = lanes_at(context, builder, array, data, index)
                    value = builder.extract_value(given, k)
                    if add:
                        value = builder.fadd(builder.load(there, align=align), value)
                    builder.store(value, there, align=align)
            return context.get_dummy_value()

        return types.void(array, types.intp, types.intp, types.intp, types.intp, lanes), generate

    return intrinsic(typed)


store_series = _storing(add=False)
"""``store_series(array, start, step, low, high, lanes)``: number k to element start + k step if low <= k < high."""
add_series = _storing(add=True)
"""``add_series(array, start, step, low, high, lanes)``: as :func:`store_series`, added to what is there."""
