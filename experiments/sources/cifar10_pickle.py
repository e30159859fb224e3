"""The pickled batches of CIFAR-10, read without making any object but numbers, text, lists and dictionaries.

Of the names that a pickle may call, these files need few: NumPy's array and type, and in newer copies an encoder of
text. Each stands here for something that only notes its arguments, so that no file has anything run, and none makes an
array of a size that it hasn't the bytes for.
"""

from __future__ import annotations

import io
import pickle
from typing import Any, NoReturn

import numpy as np

from .source import ImageError


class Array:
    """What a pickled array says of itself."""

    state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class Dtype(Array):
    """What a pickled type says of itself."""

    def __init__(self, *arguments: Any):
        self.arguments = arguments


def _reconstruct(*_: Any) -> Array:
    return Array()


def _frombuffer(values: Any, dtype: Any, shape: Any, order: str) -> Array:
    """An array as protocol 5 has it."""
    array = Array()
    array.state = (1, shape, dtype, order == "F", values)
    return array


def _encode(text: str, encoding: str = "latin1") -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"text encoded as {encoding!r}")
    return text.encode("latin1")


ADMITTED = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.numeric", "_frombuffer"): _frombuffer,
    ("numpy._core.numeric", "_frombuffer"): _frombuffer,
    ("numpy", "ndarray"): Array,
    ("numpy", "dtype"): Dtype,
    ("_codecs", "encode"): _encode,
}


class Reader(pickle._Unpickler):  # that in C makes a table as large as a file asks for
    """Reads pickles that name nothing but what is admitted."""

    def find_class(self, module: str, name: str) -> Any:
        """What stands for a name."""
        if (module, name) not in ADMITTED:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which no batch of CIFAR-10 does")
        return ADMITTED[module, name]

    def persistent_load(self, pid: Any) -> NoReturn:
        """Nothing."""
        raise pickle.UnpicklingError("it refers to objects outside of it")


def batch(content: bytes, name: str, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels, shape (rows,), and values, uint8 of shape (rows, columns).

    Raises
    ------
    ImageError
        If the content is no such batch.
    """
    try:
        found = Reader(io.BytesIO(content), encoding="bytes").load()
        found = {_text(key): value for key, value in found.items()}
        data, labels = found["data"], found["labels"]
        _, shape, dtype, fortran, values = data.state
        if _text(dtype.arguments[0]) != "u1" or tuple(shape) != (rows, columns) or len(values) != rows * columns:
            raise ValueError(f"expected {rows} x {columns} bytes, got {shape} of type {_text(dtype.arguments[0])}")
        if len(labels) != rows or not all(type(label) is int and 0 <= label < 10 for label in labels):
            raise ValueError(f"expected {rows} labels from 0 to 9")
        values = values.encode("latin1") if isinstance(values, str) else values
        array = np.frombuffer(values, np.uint8).reshape((columns, rows) if fortran else (rows, columns))
    except MemoryError:
        raise
    except Exception as error:  # a damaged pickle fails in every way
        detail = " ".join(str(error).split())[:200] or type(error).__name__
        raise ImageError(f"{name}: can't be read as a batch of CIFAR-10 ({detail})") from error
    return np.array(labels), array.T if fortran else array


def _text(value: Any) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else value
