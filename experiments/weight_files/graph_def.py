"""TensorFlow's frozen graphs: the constants of a GraphDef, by the wire format of protocol buffers.

A message is a series of fields, each a key (the field's number times 8 plus its wire type) and a value: an integer of
variable length (0), 8 bytes (1), a length and so many bytes (2), or 4 bytes (5). Of the messages, by the numbers of
their fields: GraphDef {node 1}, NodeDef {name 1, op 2, attr 5}, an entry of attr {key 1, value 2}, AttrValue
{tensor 8}, TensorProto {dtype 1, shape 2, content 4, and values 5, 6, 7, 10, 11, 13, 16, 17}, TensorShapeProto
{dim 2 {size 1}}. A shape may have more numbers than there are values: the last one then stands for the rest.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..exports.numbers import native
from .errors import WeightFileError, reading

VARINT, EIGHT_BYTES, BYTES, FOUR_BYTES = 0, 1, 2, 5
MOST_AXES = 32
FILLED = 2**26
"""Numbers of a tensor whose last values are left out; one of equal numbers takes no memory, whatever its shape."""


class _Kind(NamedTuple):
    """Numbers of a tensor: NumPy's name, the field of its values, and the wire type of one of them."""

    dtype: str
    field: int
    wire: int


KINDS = {
    1: _Kind("float32", 5, FOUR_BYTES),
    2: _Kind("float64", 6, EIGHT_BYTES),
    3: _Kind("int32", 7, VARINT),
    4: _Kind("uint8", 7, VARINT),
    5: _Kind("int16", 7, VARINT),
    6: _Kind("int8", 7, VARINT),
    9: _Kind("int64", 10, VARINT),
    10: _Kind("bool", 11, VARINT),
    14: _Kind("bfloat16", 13, VARINT),
    17: _Kind("uint16", 7, VARINT),
    19: _Kind("float16", 13, VARINT),
    22: _Kind("uint32", 16, VARINT),
    23: _Kind("uint64", 17, VARINT),
}
"""By TensorFlow's number of the kind."""
NO_NUMBERS = {7, 8, 11, 12, 13, 15, 16, 18, 20, 21}
"""Texts, complex and quantised numbers, references to resources: constants that are no weights."""

Field = tuple[int, int, "int | memoryview"]


def read_graph_def(path: Path, data: bytes) -> dict[str, np.ndarray]:
    """Constants of a frozen graph by the names of their nodes.

    Raises
    ------
    WeightFileError
        If the file is damaged, or a graph without constants.
    """
    with reading(path, "GraphDef, or no file of weights"):
        constants: dict[str, np.ndarray] = {}
        nodes = 0
        for number, wire, node in _fields(memoryview(data)):
            if number != 1:
                continue
            nodes += 1
            name, op, tensor = _node(_bytes(wire, node))
            if op != "Const" or tensor is None:
                continue
            if name in constants:
                raise ValueError(f"two constants are called {name[:80]!r}")
            try:
                found = _tensor(tensor)
            except ValueError as error:
                raise ValueError(f"constant {name[:80]!r}: {error}") from error
            if found is not None:
                constants[name] = found
    if not constants:
        raise WeightFileError(f"{path}: a GraphDef of {nodes} nodes without constants: expected a frozen graph")
    return constants


def _fields(message: memoryview) -> Iterator[Field]:
    """Number, wire type and value of each field."""
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        number, wire = key >> 3, key & 7
        if number == 0:
            raise ValueError("a field has the number 0")
        if wire == VARINT:
            value, place = _varint(message, place)
            yield number, wire, value
            continue
        if wire == BYTES:
            size, place = _varint(message, place)
        elif wire in (EIGHT_BYTES, FOUR_BYTES):
            size = 8 if wire == EIGHT_BYTES else 4
        else:
            raise ValueError(f"a field has the wire type {wire}")
        if size > len(message) - place:
            raise ValueError(f"it ends {size - (len(message) - place)} bytes before the end of a field of {size}")
        yield number, wire, message[place : place + size]
        place += size


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    """An integer, seven bits a byte with the lowest first, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(message):
            raise ValueError("it ends within a number")
        byte = message[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value % 2**64, place
    raise ValueError("a number has more than ten bytes")


def _bytes(wire: int, value: int | memoryview) -> memoryview:
    if wire != BYTES or not isinstance(value, memoryview):
        raise ValueError(f"a field has the wire type {wire} where bytes belong")
    return value


def _text(wire: int, value: int | memoryview) -> str:
    return str(_bytes(wire, value), "utf-8")


def _whole(wire: int, value: int | memoryview) -> int:
    """A signed integer."""
    if wire != VARINT or not isinstance(value, int):
        raise ValueError(f"a field has the wire type {wire} where an integer belongs")
    return value - 2**64 if value >= 2**63 else value


def _node(message: memoryview) -> tuple[str, str, memoryview | None]:
    """Name, operation, and the tensor that is its attribute ``value``."""
    name, op, tensor = "", "", None
    for number, wire, value in _fields(message):
        if number == 1:
            name = _text(wire, value)
        elif number == 2:
            op = _text(wire, value)
        elif number == 5:
            key, content = "", None
            for part, kind, inner in _fields(_bytes(wire, value)):
                if part == 1:
                    key = _text(kind, inner)
                elif part == 2:
                    content = _bytes(kind, inner)
            if key == "value" and content is not None:
                for part, kind, inner in _fields(content):
                    if part == 8:
                        tensor = _bytes(kind, inner)
    return name, op, tensor


def _tensor(message: memoryview) -> np.ndarray | None:
    """The numbers of a TensorProto; None if it has none but other things."""
    code, content = 0, None
    shape: tuple[int, ...] = ()
    for number, wire, value in _fields(message):
        if number == 1:
            code = _whole(wire, value)
        elif number == 2:
            shape = _shape(_bytes(wire, value))
        elif number == 4:
            content = _bytes(wire, value)
    if code in NO_NUMBERS:
        return None
    if code not in KINDS:
        raise ValueError(f"has numbers of the unknown kind {code}")
    kind, count = KINDS[code], math.prod(shape)
    if content is not None and len(content):
        numbers = native(content, kind.dtype)
        if len(numbers) != count:
            raise ValueError(f"has {len(numbers)} numbers for the shape {shape}")
        return numbers.reshape(shape)
    values = _values(message, kind)
    if len(values) > count:
        raise ValueError(f"has {len(values)} numbers for the shape {shape}")
    if len(values) == count:
        return values.reshape(shape)
    if len(values) <= 1:  # none stand for zeros
        return np.broadcast_to(values[0] if len(values) else values.dtype.type(0), shape)
    if count > FILLED:
        raise ValueError(f"has {len(values)} numbers for the shape {shape}")
    return np.concatenate([values, np.full(count - len(values), values[-1])]).reshape(shape)


def _shape(message: memoryview) -> tuple[int, ...]:
    shape = []
    for number, wire, value in _fields(message):
        if number == 2:
            size = 0
            for part, kind, inner in _fields(_bytes(wire, value)):
                if part == 1:
                    size = _whole(kind, inner)
            shape.append(size)
        elif number == 3 and _whole(wire, value):
            raise ValueError("has no known shape")
    if len(shape) > MOST_AXES or any(not 0 <= size < 2**40 for size in shape):
        raise ValueError(f"has the shape {str(tuple(shape))[:80]}")
    return tuple(shape)


def _values(message: memoryview, kind: _Kind) -> np.ndarray:
    """Values that are listed one by one, or packed: one after the other in the bytes of a field."""
    packed = bytearray()
    integers = []
    for number, wire, value in _fields(message):
        if number != kind.field:
            continue
        if kind.wire != VARINT:
            if wire not in (BYTES, kind.wire) or not isinstance(value, memoryview):
                raise ValueError(f"has values of the wire type {wire}")
            packed += value
        elif wire == VARINT:
            integers.append(_whole(wire, value))
        else:
            run, place = _bytes(wire, value), 0
            while place < len(run):
                integer, place = _varint(run, place)
                integers.append(_whole(VARINT, integer))
    if kind.wire != VARINT:
        return native(bytes(packed), kind.dtype)
    if kind.field == 13:  # the bits of halves
        return native(np.array([number & 0xFFFF for number in integers], "<u2").tobytes(), kind.dtype)
    return np.array(integers, np.int64).astype(kind.dtype)
