"""Calls of a scalar function for each number of a vector."""

from __future__ import annotations

from llvmlite import ir

from .vectors import intrinsic, undefined


@intrinsic
def each_lane(typing_context, function, lanes):
    """A compiled function of a number applied to each lane, with its result in the lanes' type."""
    signature = function.get_call_type(typing_context, (lanes.dtype,), {})

    def generate(context, builder, _, values):
        called = context.get_function(function, signature)
        context.add_linking_libs(getattr(called, "libs", ()))
        kind = context.get_value_type(lanes)
        result = undefined(kind)
        for lane in range(lanes.count):
            index = ir.Constant(ir.IntType(32), lane)
            found = called(builder, [builder.extract_element(values[1], index)])
            found = context.cast(builder, found, signature.return_type, lanes.dtype)
            result = builder.insert_element(result, found, index)
        return result

    return lanes(function, lanes), generate
