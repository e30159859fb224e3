"""A vector of numbers as a value inside a Numba function: arithmetic on it compiles to the processor's vectors.

Numba leaves vectors to LLVM's loop vectoriser, which stops at 256 bits on many processors that have 512 and keeps
partial sums in memory. A value of type :class:`Lanes` is an LLVM vector from the start: it stays in registers, in the
widest that there are, and a vector longer than a register takes several of them.

Formulas see no difference: ``+ - * / <``, ``numpy.sqrt`` and their kin work lane by lane, and a scalar goes with
every lane. A product and a sum may be contracted to a fused one, which rounds less. The functions below also take plain
scalars where that makes sense, so that one text of an elementary function serves both.
"""

# Numba calls an intrinsic without its first argument, the context.
# mypy: disable-error-code="call-arg, var-annotated"

from __future__ import annotations

import operator

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable

LANE_BYTES = 64
"""Bytes of the vectors that :func:`load_rows` makes: two registers of 512 bits, so that two sums hide each other's
latency."""

FUSE = ("contract",)


class Lanes(types.Type):
    """Type of a vector of ``count`` numbers of a scalar type."""

    def __init__(self, dtype: types.Type, count: int):
        self.dtype, self.count = dtype, count
        super().__init__(name=f"lanes({dtype} x {count})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager, lanes):
        scalar = manager.lookup(lanes.dtype).get_value_type()
        super().__init__(manager, lanes, ir.VectorType(scalar, lanes.count))


def _undefined(kind):
    return ir.Constant(kind, ir.Undefined)


def _splat(builder, scalar, count):
    """A vector with the scalar in each lane."""
    kind = ir.VectorType(scalar.type, count)
    one = builder.insert_element(_undefined(kind), scalar, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, _undefined(kind), ir.Constant(ir.VectorType(ir.IntType(32), count), None))


def _cast(context, builder, value, given, wanted):
    """A scalar or lanes as the wanted type."""
    if given == wanted:
        return value
    if isinstance(wanted, Lanes):
        return _splat(builder, context.cast(builder, value, given, wanted.dtype), wanted.count)
    return context.cast(builder, value, given, wanted)


def _common(given):
    """The lanes among the types of the arguments, whose other types are numbers; None if this is not so."""
    lanes = {one for one in given if isinstance(one, Lanes)}
    numbers = all(isinstance(one, (Lanes, types.Number)) for one in given)
    return lanes.pop() if len(lanes) == 1 and numbers else None


def _call(builder, name, *values):
    """Call LLVM's intrinsic function of that name, whose arguments and result are all of one type."""
    kind = values[0].type
    scalar = getattr(kind, "element", kind)
    count = f"v{kind.count}" if isinstance(kind, ir.VectorType) else ""
    full = f"llvm.{name}.{count}{'f32' if scalar == ir.FloatType() else 'f64'}"
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * len(values)), full)
    return builder.call(function, values, fastmath=FUSE)


def _define(function, emit, arity=2, result=lambda lanes: lanes):
    """Let an operator or a function of NumPy work on lanes; ``emit(builder, *values)`` writes the instruction."""

    @type_callable(function)
    def _type_of(context):
        def of_one(a):
            return result(_common([a])) if _common([a]) else None

        def of_two(a, b):
            return result(_common([a, b])) if _common([a, b]) else None

        return of_one if arity == 1 else of_two

    def lower(context, builder, signature, values):
        lanes = _common(signature.args)
        return emit(
            builder, *[_cast(context, builder, *one, lanes) for one in zip(values, signature.args, strict=True)]
        )

    for kinds in [(Lanes,)] if arity == 1 else [(Lanes, Lanes), (Lanes, types.Number), (types.Number, Lanes)]:
        lower_builtin(function, *kinds)(lower)


def _bits_type(lanes):
    return Lanes(types.boolean, lanes.count)


_define(operator.add, lambda builder, a, b: builder.fadd(a, b, flags=FUSE))
_define(operator.sub, lambda builder, a, b: builder.fsub(a, b, flags=FUSE))
_define(operator.mul, lambda builder, a, b: builder.fmul(a, b, flags=FUSE))
_define(operator.truediv, lambda builder, a, b: builder.fdiv(a, b, flags=FUSE))
_define(operator.neg, lambda builder, a: builder.fneg(a), 1)
_define(operator.lt, lambda builder, a, b: builder.fcmp_ordered("<", a, b), 2, _bits_type)
_define(np.sqrt, lambda builder, a: _call(builder, "sqrt", a), 1)
_define(np.abs, lambda builder, a: _call(builder, "fabs", a), 1)
# A NaN in the first operand comes through, as from numpy.maximum.
_define(np.maximum, lambda builder, a, b: builder.select(builder.fcmp_ordered("<", a, b), b, a))


@intrinsic
def fused(typing_context, a, b, c):
    """``a * b + c`` rounded once, where the processor can; a scalar goes with every lane."""
    kind = _common([a, b, c]) or a

    def generate(context, builder, signature, values):
        values = [
            _cast(context, builder, value, given, kind) for value, given in zip(values, signature.args, strict=True)
        ]
        return _call(builder, "fmuladd", *values)

    return kind(a, b, c), generate


@intrinsic
def like(typing_context, x, number):
    """A number in the type of ``x``: a literal in a formula for several dtypes."""

    def generate(context, builder, signature, values):
        return _cast(context, builder, values[1], number, x)

    return x(x, number), generate


@intrinsic
def select(typing_context, condition, a, b):
    """``a`` where the condition holds and ``b`` elsewhere, both computed; ``a`` and ``b`` are of one type."""
    if a != b:
        raise TypingError(f"select: expected two values of one type, got {a} and {b}")

    def generate(context, builder, signature, values):
        return builder.select(*values)

    return a(condition, a, b), generate


def _pieces(builder, value, count):
    """The vector cut into vectors of ``count`` lanes."""
    for start in range(0, value.type.count, count):
        mask = ir.Constant(ir.VectorType(ir.IntType(32), count), list(range(start, start + count)))
        yield builder.shuffle_vector(value, _undefined(value.type), mask)


def _joined(builder, pieces):
    """The vectors one after the other as one; their number is a power of two."""
    while len(pieces) > 1:
        count = 2 * pieces[0].type.count
        mask = ir.Constant(ir.VectorType(ir.IntType(32), count), list(range(count)))
        pieces = [builder.shuffle_vector(*pair, mask) for pair in zip(pieces[::2], pieces[1::2], strict=True)]
    return pieces[0]


def _estimate(x, *, of_float32):
    """An intrinsic that estimates 1/√x; see the two functions made by it."""

    def generate(context, builder, signature, values):
        value = values[0]
        scalar, count = value.type.element, x.count
        if "+avx512f" in context.codegen().magic_tuple()[2]:
            width, suffix = (16, "ps") if scalar == ir.FloatType() else (8, "pd")
            kind, mask = ir.VectorType(scalar, width), ir.IntType(width)
            function = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(kind, [kind, kind, mask]), f"llvm.x86.avx512.rsqrt14.{suffix}.512"
            )
            rest = _undefined(kind), ir.Constant(mask, -1)
            return _joined(
                builder, [builder.call(function, [piece, *rest]) for piece in _pieces(builder, value, width)]
            )
        if of_float32:  # LLVM knows the estimates of other processors, and does a step of Newton's iteration itself
            narrow = ir.VectorType(ir.FloatType(), count)
            value = value if value.type == narrow else builder.fptrunc(value, narrow)
        one = _splat(builder, ir.Constant(value.type.element, 1.0), count)
        root = _call(builder, "sqrt", value)
        estimate = builder.fdiv(one, root, flags=("arcp",) if of_float32 else ())
        wide = ir.VectorType(scalar, count)
        return estimate if estimate.type == wide else builder.fpext(estimate, wide)

    return x(x), generate


@intrinsic
def reciprocal_root_estimate(typing_context, x):
    """1/√x to a relative error of 2^−14 or less, for lanes x from 2^−100 to 2^100."""
    return _estimate(x, of_float32=True)


@intrinsic
def wide_reciprocal_root_estimate(typing_context, x):
    """The same for all x ≥ 0; inf for 0."""
    return _estimate(x, of_float32=False)


@intrinsic
def polynomial(typing_context, x, coefficients):
    """Σ_k c_k x^k by Horner's rule, with fused operations where the processor has them."""

    def generate(context, builder, signature, values):
        numbers = [
            _cast(context, builder, builder.extract_value(values[1], k), coefficients.dtype, x)
            for k in range(len(coefficients))
        ]
        total = numbers.pop()
        while numbers:
            total = _call(builder, "fmuladd", total, values[0], numbers.pop())
        return total

    return x(x, coefficients), generate


def _layout(x):
    """Bits of the numbers of type x and of their significand."""
    bits = getattr(x, "dtype", x).bitwidth
    return bits, {32: 23, 64: 52}[bits]


def _integers(kind):
    """The type of integers with as many bits as the floating-point numbers of the type, and how to write a constant."""
    scalar = ir.IntType(32 if getattr(kind, "element", kind) == ir.FloatType() else 64)
    if not isinstance(kind, ir.VectorType):
        return scalar, lambda number: ir.Constant(scalar, number)
    vector = ir.VectorType(scalar, kind.count)
    return vector, lambda number: ir.Constant(vector, [number] * kind.count)


def _constant(kind, number):
    return ir.Constant(kind, [number] * kind.count if isinstance(kind, ir.VectorType) else number)


@intrinsic
def power_of_two(typing_context, n):
    """2^n for an integral n with 2^n normal."""
    bits, significand = _layout(n)

    def generate(context, builder, signature, values):
        integers, whole = _integers(values[0].type)
        # In a number near 1.5 · 2^significand the last bits are those of the integer added to it.
        shifted = builder.fadd(values[0], _constant(values[0].type, 1.5 * 2**significand))
        exponent = builder.add(builder.bitcast(shifted, integers), whole(2 ** (bits - significand - 2) - 1))
        return builder.bitcast(builder.shl(exponent, whole(significand)), values[0].type)

    return n(n), generate


@intrinsic
def exponent_and_fraction(typing_context, x):
    """The integral k and m with x = 2^k m and √½ ≤ m < √2, for a normal x > 0."""
    bits, significand = _layout(x)
    root = int(np.array(0.5**0.5, f"f{bits // 8}").view(f"i{bits // 8}"))
    magic = int(np.array(1.5 * 2**significand, f"f{bits // 8}").view(f"i{bits // 8}"))

    def generate(context, builder, signature, values):
        kind = values[0].type
        integers, whole = _integers(kind)
        given = builder.bitcast(values[0], integers)
        k = builder.ashr(builder.sub(given, whole(root)), whole(significand))
        m = builder.bitcast(builder.sub(given, builder.shl(k, whole(significand))), kind)
        k = builder.bitcast(builder.add(k, whole(magic)), kind)
        k = builder.fsub(k, _constant(kind, 1.5 * 2**significand))
        return context.make_tuple(builder, signature.return_type, [k, m])

    return types.UniTuple(x, 2)(x), generate


@intrinsic
def next_powers(typing_context, y, power):
    """y^d, y^(d+2) and y^(d+4) by products, with d ≥ 1 the number of elements of the tuple ``power``."""

    def generate(context, builder, signature, values):
        y = values[0]
        square = builder.fmul(y, y, flags=FUSE)
        result = y if len(power) % 2 else square
        for _ in range((len(power) - 1) // 2):
            result = builder.fmul(result, square, flags=FUSE)
        results = [result]
        for _ in range(2):
            results.append(builder.fmul(results[-1], square, flags=FUSE))
        return context.make_tuple(builder, signature.return_type, results)

    return types.UniTuple(y, 3)(y, power), generate


def _pointer(context, builder, array_type, array, index):
    """Pointer to the element of a C-contiguous array with that index, counted through all its axes."""
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [index])


def _vector_pointer(context, builder, array_type, array, row, count):
    kind = context.get_value_type(array_type.dtype)
    start = ir.Constant(ir.IntType(64), row * count)
    return builder.bitcast(
        _pointer(context, builder, array_type, array, start), ir.VectorType(kind, count).as_pointer()
    )


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
            pointer = _vector_pointer(context, builder, array, values[0], row, value.type.count)
            wide = pointer.type.pointee
            if value.type != wide:
                value = builder.fpext(value, wide)
            total = builder.fadd(builder.load(pointer, align=8), value)
            builder.store(total, pointer, align=8)
        return context.get_dummy_value()

    return types.void(array, lanes), generate


@intrinsic
def row_of(typing_context, array, index, axes):
    """Row ``index`` of a C-contiguous array (S, len(axes)) as a tuple of scalars."""
    result = types.UniTuple(array.dtype, len(axes))

    def generate(context, builder, signature, values):
        start = builder.mul(values[1], ir.Constant(values[1].type, len(axes)))
        scalars = [
            builder.load(
                _pointer(context, builder, array, values[0], builder.add(start, ir.Constant(start.type, axis)))
            )
            for axis in range(len(axes))
        ]
        return context.make_tuple(builder, result, scalars)

    return result(array, index, axes), generate


def _elementwise(emit):
    """An intrinsic that works on each element of a tuple and, as a tuple or one for all, of the other operand."""

    def typed(typing_context, a, b):
        of_a, of_b = (x.dtype if isinstance(x, types.UniTuple) else x for x in (a, b))
        count = next(len(x) for x in (a, b) if isinstance(x, types.UniTuple))
        kind = _common([of_a, of_b])
        result = types.UniTuple(kind, count)

        def generate(context, builder, signature, values):
            def element(k, of, value, given):
                value = builder.extract_value(value, k) if isinstance(given, types.UniTuple) else value
                return _cast(context, builder, value, of, kind)

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
    """A tuple of as many zeros as ``axes`` has elements, each like the lanes of the tuple ``tile``."""
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
        there = builder.icmp_signed("==", numbers, _splat(builder, index, kind.count))
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
