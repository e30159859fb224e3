"""Functions of lanes, and of scalars where that makes sense: one text of an elementary function serves both."""

from __future__ import annotations

import functools

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.core.registry import cpu_target

from .vectors import FUSE, Lanes, call, cast, common, intrinsic, splat, undefined

TABLE_SIZE = 16
"""Numbers of a table that lies in registers."""


@intrinsic
def fused(typing_context, a, b, c):
    """``a * b + c`` rounded once, where the processor can; a scalar goes with every lane."""
    kind = common([a, b, c]) or a

    def generate(context, builder, signature, values):
        values = [
            cast(context, builder, value, given, kind) for value, given in zip(values, signature.args, strict=True)
        ]
        return call(builder, "fmuladd", *values)

    return kind(a, b, c), generate


@intrinsic
def like(typing_context, x, number):
    """A number in the type of ``x``: a literal in a formula for several dtypes."""

    def generate(context, builder, signature, values):
        return cast(context, builder, values[1], number, x)

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
        yield builder.shuffle_vector(value, undefined(value.type), mask)


def _joined(builder, pieces):
    """The vectors one after the other as one; their number is a power of two."""
    while len(pieces) > 1:
        count = 2 * pieces[0].type.count
        mask = ir.Constant(ir.VectorType(ir.IntType(32), count), list(range(count)))
        pieces = [builder.shuffle_vector(*pair, mask) for pair in zip(pieces[::2], pieces[1::2], strict=True)]
    return pieces[0]


@functools.cache
def has_avx512() -> bool:
    """Whether loops are compiled for a processor with AVX-512, which :func:`lookup` needs."""
    return "+avx512f" in cpu_target.target_context.codegen().magic_tuple()[2]


def _estimate(x, *, of_float32):
    """An intrinsic that estimates 1/√x; see the two functions made by it."""

    def generate(context, builder, signature, values):
        value = values[0]
        scalar, count = value.type.element, x.count
        if has_avx512():
            width, suffix = (16, "ps") if scalar == ir.FloatType() else (8, "pd")
            kind, mask = ir.VectorType(scalar, width), ir.IntType(width)
            function = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(kind, [kind, kind, mask]), f"llvm.x86.avx512.rsqrt14.{suffix}.512"
            )
            rest = undefined(kind), ir.Constant(mask, -1)
            return _joined(
                builder, [builder.call(function, [piece, *rest]) for piece in _pieces(builder, value, width)]
            )
        if of_float32:  # LLVM knows the estimates of other processors, and does a step of Newton's iteration itself
            narrow = ir.VectorType(ir.FloatType(), count)
            value = value if value.type == narrow else builder.fptrunc(value, narrow)
        one = splat(builder, ir.Constant(value.type.element, 1.0), count)
        root = call(builder, "sqrt", value)
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


def _spread_out(context, builder, given, numbers, x):
    """Each number of a tuple in the type of ``x``."""
    return [cast(context, builder, builder.extract_value(given, k), numbers.dtype, x) for k in range(len(numbers))]


@intrinsic
def polynomial(typing_context, x, coefficients):
    """Σ_k c_k x^k by Horner's rule, with fused operations where the processor has them."""

    def generate(context, builder, signature, values):
        numbers = _spread_out(context, builder, values[1], coefficients, x)
        total = numbers.pop()
        while numbers:
            total = call(builder, "fmuladd", total, values[0], numbers.pop())
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
def size_bits(typing_context, x):
    """The bits of |x| as an integer, which is the larger the larger |x| is, and largest for a NaN."""
    integer = types.Integer.from_bitwidth(x.bitwidth, signed=True)

    def generate(context, builder, signature, values):
        return builder.bitcast(call(builder, "fabs", values[0]), context.get_value_type(integer))

    return integer(x), generate


@intrinsic
def number_of(typing_context, bits, like):
    """The number of the type of ``like`` that has these bits."""

    def generate(context, builder, signature, values):
        return builder.bitcast(values[0], values[1].type)

    return like(bits, like), generate


@intrinsic
def wide_polynomial(typing_context, x, coefficients):
    """:func:`polynomial` by Estrin's rule: neighbours in pairs, whose operations don't wait for each other."""

    def generate(context, builder, signature, values):
        terms = _spread_out(context, builder, values[1], coefficients, x)
        power = values[0]
        while len(terms) > 1:
            alone = terms[len(terms) & ~1 :]
            pairs = zip(terms[::2], terms[1::2], strict=False)
            terms = [call(builder, "fmuladd", high, power, low) for low, high in pairs] + alone
            power = builder.fmul(power, power)
        return terms[0]

    return x(x, coefficients), generate


@intrinsic
def times_power_of_two(typing_context, x, shifted):
    """The normal number x 2^n, with n the integer that was added to 1.5 · 2^significand."""
    _, significand = _layout(x)

    def generate(context, builder, signature, values):
        integers, whole = _integers(values[0].type)
        x, shifted = (builder.bitcast(value, integers) for value in values)
        return builder.bitcast(builder.add(x, builder.shl(shifted, whole(significand))), values[0].type)

    return x(x, shifted), generate


@intrinsic
def power_of_two(typing_context, n):
    """2^n for an integral n with 2^n normal."""
    bits, significand = _layout(n)

    def generate(context, builder, signature, values):
        integers, whole = _integers(values[0].type)
        # In a number near 1.5 · 2^significand the last bits are those of the integer added to it.
        shifted = builder.fadd(values[0], _constant(values[0].type, 1.5 * 2**significand))
        # With the bias of exponents added, all but these bits leave on the left as they move to the exponent's place.
        exponent = builder.add(builder.bitcast(shifted, integers), whole(2 ** (bits - significand - 2) - 1))
        return builder.bitcast(builder.shl(exponent, whole(significand)), values[0].type)

    return n(n), generate


def _exponent_and_fraction(x, shift):
    """An intrinsic; see the two functions made by it. ``shift`` moves the bits of an integer to the right."""
    bits, significand = _layout(x)
    root = int(np.array(0.5**0.5, f"f{bits // 8}").view(f"i{bits // 8}"))
    magic = int(np.array(1.5 * 2**significand, f"f{bits // 8}").view(f"i{bits // 8}"))

    def generate(context, builder, signature, values):
        kind = values[0].type
        integers, whole = _integers(kind)
        given = builder.bitcast(values[0], integers)
        # Bits of x less those of √½: above the significand they count the powers of 2 from √½ to x.
        k = shift(builder, builder.sub(given, whole(root)), whole(significand))
        m = builder.bitcast(builder.sub(given, builder.shl(k, whole(significand))), kind)
        # An integer added to the bits of 1.5 · 2^significand is one added to that number, and so becomes one in it.
        k = builder.bitcast(builder.add(k, whole(magic)), kind)
        k = builder.fsub(k, _constant(kind, 1.5 * 2**significand))
        return context.make_tuple(builder, signature.return_type, [k, m])

    return types.UniTuple(x, 2)(x), generate


@intrinsic
def exponent_and_fraction(typing_context, x):
    """The integral k and m with x = 2^k m and √½ ≤ m < √2, for a normal x > 0."""
    return _exponent_and_fraction(x, lambda builder, *values: builder.ashr(*values))


@intrinsic
def exponent_and_fraction_from_one(typing_context, x):
    """The same for x ≥ 1, without the shift of signed integers that many processors lack for 64 bits."""
    return _exponent_and_fraction(x, lambda builder, *values: builder.lshr(*values))


@intrinsic
def next_powers(typing_context, y, power):
    """y^d, y^(d+2) and y^(d+4) by products, with d the number of elements of the tuple ``power``."""

    def generate(context, builder, signature, values):
        y = values[0]
        square = builder.fmul(y, y, flags=FUSE)
        result = y if len(power) % 2 else square if len(power) else _constant(y.type, 1.0)
        for _ in range((len(power) - 1) // 2):
            result = builder.fmul(result, square, flags=FUSE)
        results = [result]
        for _ in range(2):
            results.append(builder.fmul(results[-1], square, flags=FUSE))
        return context.make_tuple(builder, signature.return_type, results)

    return types.UniTuple(y, 3)(y, power), generate


@intrinsic
def significand_and_places(typing_context, x):
    """Parts of lanes x ≥ 1: m, j, e and h, with x = 2^e m, j = 16 (m − 1) and h = e / 16, j and h rounded to integers.

    e is such that j is from 0 to 15: m is from 1 − 1/64 to 2 − 1/32, j to the nearest integer and h downwards. They
    are places for :func:`lookup`, which takes them modulo 16.
    """
    bits, significand = _layout(x)
    places = Lanes(types.int64 if bits == 64 else types.int32, x.count)

    def generate(context, builder, signature, values):
        kind = values[0].type
        integers, whole = _integers(kind)
        given = builder.bitcast(values[0], integers)
        one = int(np.array(1.0, f"f{bits // 8}").view(f"i{bits // 8}"))
        # bits of x less those of 1, to the nearest 1/16 of the significand
        shifted = builder.add(given, whole(2 ** (significand - 5) - one))
        powers = builder.and_(shifted, whole(-(2**significand)))
        m = builder.bitcast(builder.sub(given, powers), kind)
        found = [builder.lshr(shifted, whole(significand + by)) for by in (-4, 0, 4)]
        return context.make_tuple(builder, signature.return_type, [m, *found])

    return types.Tuple((x, places, places, places))(x), generate


@intrinsic
def lookup(typing_context, table, places):
    """For each lane the number of the table, a tuple of 16 kept in registers, at its place modulo 16."""
    count, bits = places.count, places.dtype.bitwidth

    def generate(context, builder, signature, values):
        width = 512 // bits
        scalar = context.get_value_type(table.dtype)
        kind = ir.VectorType(scalar, width)
        parts = []
        for start in range(0, TABLE_SIZE, width):
            part = undefined(kind)
            for k in range(width):
                number = builder.extract_value(values[0], start + k)
                part = builder.insert_element(part, number, ir.Constant(ir.IntType(32), k))
            parts.append(part)
        name = "llvm.x86.avx512.vpermi2var.pd.512" if len(parts) == 2 else "llvm.x86.avx512.permvar.sf.512"
        index = ir.VectorType(ir.IntType(bits), width)
        kinds = [kind, index, kind] if len(parts) == 2 else [kind, index]
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, kinds), name)
        pieces = [builder.call(function, [parts[0], piece, *parts[1:]]) for piece in _pieces(builder, values[1], width)]
        return _joined(builder, pieces)

    return Lanes(table.dtype, count)(table, places), generate
