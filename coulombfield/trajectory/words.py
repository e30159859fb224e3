"""Systems and integrators in words, which a file keeps, and back: calls of public classes, as ``repr`` has them."""

from __future__ import annotations

import ast
import inspect
import re
from typing import Any, NamedTuple

from .. import flow, kernels, periodic
from ..flow import Integrator, Schedule, System

LONGEST = 5000  # of a text in words: an attribute has room for 64 KiB
LINES = 10
ADDRESS = re.compile(r" at 0x[0-9a-f]+")  # of a function, another one in each process
FROM = re.compile(rb"^from step (\d+): ")
CLASSES: dict[str, Any] = {
    name: getattr(module, name)
    for module in (kernels, flow, periodic)
    for name in module.__all__
    if inspect.isclass(getattr(module, name))
}
NUMBERS = {"inf": float("inf"), "nan": float("nan")}


class Setup(NamedTuple):
    """What a run was made with: arguments of :func:`coulombfield.flow.run`."""

    system: System
    integrator: Integrator
    softening: Schedule | None


def words_of(value: Any) -> bytes:
    """An object in one line of ASCII."""
    return ADDRESS.sub("", " ".join(repr(value).split()))[:LONGEST].encode("ascii", "backslashreplace")


def with_line(before: bytes, words: bytes, step: int | None) -> bytes:
    """Words with those before them: from which step on they hold, None for all; the same if these hold already."""
    lines = before.splitlines()
    if lines and FROM.sub(b"", lines[-1]) == words:
        return before
    line = words if step is None else b"from step %d: %b" % (step, words)
    return b"\n".join([*lines[1 - LINES :], line])


def words_at(text: bytes, step: int) -> str:
    """The line that holds at a step.

    Raises
    ------
    ValueError
        If there is none.
    """
    found = b""
    for line in text.splitlines():
        begins = FROM.match(line)
        if begins is None or int(begins[1]) <= step:
            found = FROM.sub(b"", line)
    if not found:
        raise ValueError(f"expected words of what was used at step {step}, got none")
    return found.decode("ascii", "replace")


def made_of(words: str) -> Any:
    """The object that words say: calls of classes of this package, numbers, texts, and collections of them.

    Raises
    ------
    ValueError
        If they say something else, such as a function of the user's own.
    """
    try:
        return _value(ast.parse(words, mode="eval").body)
    except (SyntaxError, TypeError, ValueError, RecursionError, MemoryError) as error:  # the last of deep nesting
        raise ValueError(f"expected calls of public classes with numbers, got {words:.300}") from error


def _value(node: ast.AST) -> Any:
    match node:
        case ast.Constant():
            return node.value
        case ast.Name(id=name) if name in NUMBERS:
            return NUMBERS[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.Tuple(elts=parts):
            return tuple(map(_value, parts))
        case ast.List(elts=parts):
            return list(map(_value, parts))
        case ast.Dict(keys=keys, values=values):
            return {_value(key): _value(value) for key, value in zip(keys, values, strict=True) if key is not None}
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=keywords) if name in CLASSES:
            named = {str(keyword.arg): _value(keyword.value) for keyword in keywords}
            return CLASSES[name](*map(_value, arguments), **named)
    raise ValueError("neither a call nor a constant")
