"""Files of weights, byte by byte, as the frameworks write them."""

from __future__ import annotations

import io
import json
import struct
import zipfile

import numpy as np

WEIGHT = np.arange(6, dtype="f4").reshape(2, 3) - 2.5
BIAS = np.array([1, -1, 7], "i8")
TENSORS = {"layer.weight": WEIGHT, "layer.bias": BIAS}
STORAGES = {"float32": "FloatStorage", "int64": "LongStorage"}


def text(value: str) -> bytes:
    """The instructions of a pickle that put a text on top."""
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value: int) -> bytes:
    """A number of up to four bytes."""
    return b"J" + struct.pack("<i", value)


def tuple_of(*parts: bytes) -> bytes:
    return b"(" + b"".join(parts) + b"t"


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def pickle(content: bytes) -> bytes:
    return b"\x80\x02" + content + b"."


def dictionary(items: dict[str, bytes]) -> bytes:
    return b"}(" + b"".join(text(key) + value for key, value in items.items()) + b"u"


def ordered(items: dict[str, bytes]) -> bytes:
    return name("collections", "OrderedDict") + b")R(" + b"".join(text(k) + v for k, v in items.items()) + b"u"


def storage(key: str, kind: str, count: int, *, legacy: bool) -> bytes:
    parts = [text("storage"), name("torch", kind), text(key), text("cpu"), number(count)]
    return tuple_of(*parts, *([b"N"] if legacy else [])) + b"Q"


def tensor(where: bytes, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> bytes:
    axes = [tuple_of(*map(number, sizes)) for sizes in (shape, strides)]
    hooks = name("collections", "OrderedDict") + b")R"
    return name("torch._utils", "_rebuild_tensor_v2") + tuple_of(where, number(offset), *axes, b"\x89", hooks) + b"R"


def state_dict(*, legacy: bool) -> bytes:
    """``TENSORS``, each in a storage of its own."""
    items = {}
    for key, (label, array) in zip("01", TENSORS.items(), strict=True):
        strides = tuple(step // array.itemsize for step in array.strides)
        kind = STORAGES[array.dtype.name]
        items[label] = tensor(storage(key, kind, array.size, legacy=legacy), 0, array.shape, strides)
    return ordered(items)


def legacy_torch(content: bytes | None = None) -> bytes:
    head = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19." + pickle(b"M\xe9\x03")
    system = dictionary({"protocol_version": b"M\xe9\x03", "little_endian": b"\x88", "type_sizes": b"}"})
    keys = pickle(b"](" + text("0") + text("1") + b"e")
    numbers = b"".join(struct.pack("<q", array.size) + array.tobytes() for array in TENSORS.values())
    return head + pickle(system) + pickle(content or state_dict(legacy=True)) + keys + numbers


def zip_of(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for label, data in members.items():
            archive.writestr(label, data)
    return file.getvalue()


def torch_archive(content: bytes | None = None) -> bytes:
    numbers = {f"model/data/{key}": array.tobytes() for key, array in zip("01", TENSORS.values(), strict=True)}
    whole = pickle(content or state_dict(legacy=False))
    return zip_of({"model/data.pkl": whole, "model/byteorder": b"little", **numbers, "model/version": b"3\n"})


def varint(value: int) -> bytes:
    value %= 2**64
    encoded = bytearray()
    while value >= 128:
        encoded.append(value & 127 | 128)
        value >>= 7
    return bytes([*encoded, value])


def field(place: int, value: int | bytes) -> bytes:
    """A field of a protocol buffer: an integer, or bytes."""
    if isinstance(value, int):
        return varint(place << 3) + varint(value)
    return varint(place << 3 | 2) + varint(len(value)) + value


def proto_shape(shape: tuple[int, ...]) -> bytes:
    return field(2, b"".join(field(2, field(1, size)) for size in shape))


def constant(label: str, kind: int, shape: tuple[int, ...], values: bytes) -> bytes:
    """A node of a GraphDef with a tensor, whose values are a field."""
    whole = field(8, field(1, kind) + proto_shape(shape) + values)
    attributes = field(5, field(1, b"dtype") + field(2, field(6, kind))) + field(
        5, field(1, b"value") + field(2, whole)
    )
    return field(1, field(1, label.encode()) + field(2, b"Const") + attributes)


def graph_def() -> bytes:
    placeholder = field(1, field(1, b"input") + field(2, b"Placeholder"))
    weight = constant("layer.weight", 1, WEIGHT.shape, field(4, WEIGHT.tobytes()))
    values = b"".join(map(varint, BIAS.tolist()))
    return placeholder + weight + constant("layer.bias", 9, BIAS.shape, field(10, values)) + field(4, field(1, 22))


def safetensors() -> bytes:
    header, data = {}, b""
    for label, kind in zip(TENSORS, ("F32", "I64"), strict=True):
        array = TENSORS[label]
        header[label] = {"dtype": kind, "shape": array.shape, "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    return struct.pack("<Q", len(encoded)) + encoded + data


def npz() -> bytes:
    file = io.BytesIO()
    np.savez(file, **TENSORS)
    return file.getvalue()


FORMATS = {
    "legacy": legacy_torch,
    "archive": torch_archive,
    "graph": graph_def,
    "safetensors": safetensors,
    "npz": npz,
}
