"""Points as tuples of lanes, a coordinate each: loads and stores, and arithmetic on each element."""

from __future__ import annotations

from llvmlite import ir
from numba import types

from .vectors import FUSE, Lanes, cast, common, intrinsic, splat

LANE_BYTES = 64
"""Bytes of the vectors that :func:`load_rows` makes: one register of 512 bits, or two of 256."""


def pointer(context, builder, array_type, array, index):
    """Pointer to the element of a C-contiguous array with that index, counted through all its axes."""
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [index])


def _vector_pointer(context, builder, array_type, array, row, count):
    kind = context.get_value_type(array_type.dtype)
    start = ir.Constant(ir.IntType(64), row * count)
    return builder.bitcast(pointer(context, builder, array_type, array, start), ir.VectorType(kind, count).as_pointer())


@intrinsic
def lanes_of(typing_context, array):
    """How many of an array's numbers fill such a vector, as a constant for LLVM, unlike what ``itemsize`` gives."""

    def generate(context, builder, signature, values):
        return context.get_constant(types.intp, LANE_BYTES * 8 // array.dtype.bitwidth)

    return types.intp(array), generate


@intrinsic
def load_rows(typing_context, array, axes):
    """A tuple of lanes, one for each row of a C-contiguous array (len(axes), LANE_BYTES / itemsize)."""
    count = LANE_BYTES * 8 // array.dtype.bitwidth

    def generate(context, builder, signature, values):
        rows = [
            builder.load(
                _vector_pointer(context, builder, array, values[0], row, count), align=array.dtype.bitwidth // 8
            )
            for row in range(len(axes))
        ]
        return context.make_tuple(builder, signature.return_type, rows)

    return types.UniTuple(Lanes(array.dtype, count), len(axes))(array, axes), generate


@intrinsic
def add_to_rows(typing_context, array, lanes):
    """Add each of a tuple of lanes to its row of a C-contiguous float64 array (len(lanes), count)."""

    def generate(context, builder, signature, values):
        for row in range(len(lanes)):
            value = builder.extract_value(values[1], row)
            place = _vector_pointer(context, builder, array, values[0], row, value.type.count)
            wide = place.type.pointee
            if value.type != wide:
                value = builder.fpext(value, wide)
            total = builder.fadd(builder.load(place, align=8), value)
            builder.store(total, place, align=8)
        return context.get_dummy_value()

    return types.void(array, lanes), generate


@intrinsic
def row_of(typing_context, array, index, axes):
    """Row ``index`` of a C-contiguous array (S, len(axes)) as a tuple of scalars."""
    result = types.UniTuple(array.dtype, len(axes))

    def generate(context, builder, signature, values):
        start = builder.mul(values[1], ir.Constant(values[1].type, len(axes)))
        scalars = [
            builder.load(pointer(context, builder, array, values[0], builder.add(start, ir.Constant(start.type, axis))))
            for axis in range(len(axes))
        ]
        return context.make_tuple(builder, result, scalars)

    return result(array, index, axes), generate


def _elementwise(emit):
    """An intrinsic that works on each element of a tuple and, as a tuple or one for all, of the other operand."""

    def typed(typing_context, a, b):
        of_a, of_b = (x.dtype if isinstance(x, types.UniTuple) else x for x in (a, b))
        count = next(len(x) for x in (a, b) if isinstance(x, types.UniTuple))
        kind = common([of_a, of_b])
        result = types.UniTuple(kind, count)

        def generate(context, builder, signature, values):
            def element(k, of, value, given):
                value = builder.extract_value(value, k) if isinstance(given, types.UniTuple) else value
                return cast(context, builder, value, of, kind)

            elements = [
                emit(builder, element(k, of_a, values[0], a), element(k, of_b, values[1], b)) for k in range(count)
            ]
            return context.make_tuple(builder, result, elements)

        return result(a, b), generate

    return intrinsic(typed)


add_each = _elementwise(lambda builder, a, b: builder.fadd(a, b, flags=FUSE))
subtract_each = _elementwise(lambda builder, a, b: builder.fsub(a, b, flags=FUSE))
multiply_each = _elementwise(lambda builder, a, b: builder.fmul(a, b, flags=FUSE))


@intrinsic
def dot(typing_context, a, b):
    """Σ a_k b_k of two tuples of lanes."""

    def generate(context, builder, signature, values):
        total = None
        for k in range(len(a)):
            product = builder.fmul(*(builder.extract_value(value, k) for value in values), flags=FUSE)
            total = product if total is None else builder.fadd(total, product, flags=FUSE)
        return total

    return a.dtype(a, b), generate


@intrinsic
def zeros(typing_context, tile, axes):
    """A tuple of zeros, as many as the static size ``axes``, each like the lanes of the tuple ``tile``."""
    result = types.UniTuple(tile.dtype, len(axes))

    def generate(context, builder, signature, values):
        return context.get_constant_null(result)

    return result(tile, axes), generate


@intrinsic
def zero_lane(typing_context, lanes, lane):
    """A tuple of lanes with zeros in the one lane, if there is one of that number."""
    kind = lanes.dtype

    def generate(context, builder, signature, values):
        index = builder.trunc(values[1], ir.IntType(32)) if values[1].type.width > 32 else values[1]
        numbers = ir.Constant(ir.VectorType(ir.IntType(32), kind.count), list(range(kind.count)))
        there = builder.icmp_signed("==", numbers, splat(builder, index, kind.count))
        null = context.get_constant_null(kind)
        elements = [
            # Selecting, unlike multiplying by 0, also leaves out a term that is not finite.
            builder.select(there, null, builder.extract_value(values[0], k))
            for k in range(len(lanes))
        ]
        return context.make_tuple(builder, lanes, elements)

    return lanes(lanes, lane), generate


@intrinsic
def compiled_once(typing_context):
    """Keep the function that calls this from being inlined: its machine code is then the same for every caller."""

    def generate(context, builder, signature, values):
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), generate
