"""PyTorch's files, both kinds: the zip archive of today and the series of pickles until 2020."""

from __future__ import annotations

import io
import math
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..exports.numbers import native
from .archives import member
from .errors import WeightFileError, reading
from .state_dict import Storage, Tensor, expect, load_pickle

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
BYTES = {"bfloat16": 2, "bool": 1}


def read_archive(path: Path, archive: zipfile.ZipFile) -> dict[str, np.ndarray]:
    """Tensors of the zip archive that ``torch.save`` writes: one pickle, and a member for each storage.

    Raises
    ------
    WeightFileError
        If something is missing or damaged.
    """
    with reading(path, "PyTorch archive"):
        pickles = [name for name in archive.namelist() if name.endswith("data.pkl")]
        if len(pickles) != 1:
            raise ValueError(f"expected one data.pkl, got {len(pickles)}")
        folder, names = pickles[0].removesuffix("data.pkl"), set(archive.namelist())
        content, storages = load_pickle(io.BytesIO(member(archive, pickles[0])))
        order = member(archive, folder + "byteorder") if folder + "byteorder" in names else b"little"
        if order not in (b"little", b"big"):
            raise ValueError(f"its byte order is {order[:20]!r}")

        def read(storage: Storage) -> bytes:
            name = f"{folder}data/{storage.key}"
            if name not in names:
                raise ValueError(f"{name} is missing")
            data, expected = member(archive, name), storage.numbers * _itemsize(storage.dtype)
            if len(data) != expected:
                raise ValueError(f"{name} has {len(data)} bytes, not {expected}")
            return data

        return _tensors(path, content, storages, read, order.decode())


def read_legacy(path: Path, data: bytes) -> dict[str, np.ndarray]:
    """Tensors of the file that ``torch.save`` wrote until 2020.

    Five pickles: a magic number, a version, the system's description, the object, and the storages' keys; then for each
    key the number of its numbers in 8 bytes, and these.

    Raises
    ------
    WeightFileError
        If something is missing or damaged.
    """
    with reading(path, "PyTorch file"):
        file = io.BytesIO(data)
        for name, expected in (("magic number", MAGIC), ("protocol", PROTOCOL)):
            if (found := load_pickle(file)[0]) != expected:
                raise ValueError(f"its {name} is {str(found)[:40]}, not {expected}")
        order = "little" if expect(load_pickle(file)[0], dict).get("little_endian") else "big"
        content, storages = load_pickle(file)
        keys = expect(load_pickle(file)[0], list)
        places: dict[str, tuple[int, int]] = {}
        for key in keys:
            storage = storages.get(expect(key, str))
            if storage is None:
                raise ValueError(f"it lists storage {key[:40]!r}, of which nothing was said")
            head = file.read(8)
            if len(head) < 8:
                raise ValueError(f"it ends before storage {key[:40]!r}")
            (count,) = struct.unpack("<q" if order == "little" else ">q", head)
            if count != storage.numbers:
                raise ValueError(f"storage {key[:40]!r} has {count} numbers, not {storage.numbers}")
            start, size = file.tell(), count * _itemsize(storage.dtype)
            if start + size > len(data):
                raise ValueError(f"it ends {start + size - len(data)} bytes before the end of storage {key[:40]!r}")
            places[key] = start, size
            file.seek(size, io.SEEK_CUR)
        if missing := [key for key in storages if key not in places]:
            raise ValueError(f"storage {missing[0][:40]!r} is missing")
        if file.tell() != len(data):
            raise ValueError(f"{len(data) - file.tell()} bytes follow its end")
        whole = memoryview(data)

        def read(storage: Storage) -> memoryview:
            start, size = places[storage.key]
            return whole[start : start + size]

        return _tensors(path, content, storages, read, order)


def _itemsize(dtype: str) -> int:
    return BYTES[dtype] if dtype in BYTES else np.dtype(dtype).itemsize


def _tensors(
    path: Path,
    content: Any,
    storages: Mapping[str, Storage],
    read: Callable[[Storage], bytes | memoryview],
    order: str,
) -> dict[str, np.ndarray]:
    """Give the tensors by name as views of their storages: nothing is as large as a file says, but as it is."""
    numbers = {key: native(read(storage), storage.dtype, order) for key, storage in storages.items()}
    found = {}
    for name, tensor in _state_dict(path, content).items():
        try:
            found[str(name)] = _view(numbers[tensor.storage.key], tensor)
        except ValueError as error:
            raise ValueError(f"{str(name)[:80]}: {error}") from error
    return found


def _state_dict(path: Path, content: Any) -> dict[Any, Tensor]:
    """The dictionary of tensors, which a training program may have put into another one beside its other state."""
    if isinstance(content, dict):
        candidates = [content, *(inner for inner in content.values() if isinstance(inner, dict))]
        for candidate in candidates:
            tensors = {name: thing for name, thing in candidate.items() if isinstance(thing, Tensor)}
            if tensors:
                return tensors
    raise WeightFileError(f"{path}: a PyTorch file without tensors: expected a state_dict")


def _view(numbers: np.ndarray, tensor: Tensor) -> np.ndarray:
    shape, strides = tensor.shape, tensor.strides
    if len(shape) != len(strides):
        raise ValueError(f"has {len(shape)} axes and {len(strides)} strides")
    if len(shape) > 32:
        raise ValueError(f"has {len(shape)} axes")
    if math.prod(shape) == 0:
        return np.empty(_small(shape), numbers.dtype)
    last = tensor.offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if last >= len(numbers):
        raise ValueError(f"reaches to number {last} of a storage of {len(numbers)}")
    if math.prod(shape) > len(numbers):  # strides of 0
        raise ValueError(f"has {math.prod(shape)} numbers in a storage of {len(numbers)}")
    steps = [numbers.itemsize * stride for stride in strides]
    return np.lib.stride_tricks.as_strided(numbers[tensor.offset :], shape, steps, writeable=False)


def _small(shape: tuple[int, ...]) -> tuple[int, ...]:
    if max(shape) >= 2**31:
        raise ValueError(f"has the shape {shape}")
    return shape
