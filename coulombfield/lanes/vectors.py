"""The type of a vector of numbers, and the operators that work on it."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numba.extending
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import lower_builtin, models, register_model, type_callable

FUSE = ("contract",)

intrinsic: Callable[..., Any] = numba.extending.intrinsic
"""Without types: compiled code calls an intrinsic function without its first argument, the typing context."""


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


def undefined(kind):
    """A constant of the LLVM type with no particular value."""
    return ir.Constant(kind, ir.Undefined)


def splat(builder, scalar, count):
    """A vector with the scalar in each lane."""
    kind = ir.VectorType(scalar.type, count)
    one = builder.insert_element(undefined(kind), scalar, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, undefined(kind), ir.Constant(ir.VectorType(ir.IntType(32), count), None))


def cast(context, builder, value, given, wanted):
    """A scalar or lanes as the wanted type."""
    if given == wanted:
        return value
    if isinstance(wanted, Lanes):
        return splat(builder, context.cast(builder, value, given, wanted.dtype), wanted.count)
    return context.cast(builder, value, given, wanted)


def common(given):
    """The lanes among the types of the arguments, whose other types are numbers; None if this is not so."""
    lanes = {one for one in given if isinstance(one, Lanes)}
    numbers = all(isinstance(one, (Lanes, types.Number)) for one in given)
    return lanes.pop() if len(lanes) == 1 and numbers else None


def call(builder, name, *values):
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
            return result(common([a])) if common([a]) else None

        def of_two(a, b):
            return result(common([a, b])) if common([a, b]) else None

        return of_one if arity == 1 else of_two

    def lower(context, builder, signature, values):
        lanes = common(signature.args)
        return emit(builder, *[cast(context, builder, *one, lanes) for one in zip(values, signature.args, strict=True)])

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
_define(np.sqrt, lambda builder, a: call(builder, "sqrt", a), 1)
_define(np.abs, lambda builder, a: call(builder, "fabs", a), 1)
# A NaN in the first operand comes through, as from numpy.maximum.
_define(np.maximum, lambda builder, a, b: builder.select(builder.fcmp_ordered("<", a, b), b, a))
