"""Numbers as files have them, and as NumPy has."""

from __future__ import annotations

from typing import Literal

import numpy as np


def native(data: bytes | memoryview, dtype: str, order: str = "little") -> np.ndarray:
    """Numbers of a file as an array, without a copy where NumPy has numbers like them.

    Parameters
    ----------
    data : bytes
        The numbers, one after the other.
    dtype : str
        NumPy's name of what they are, or ``bfloat16``, which becomes float32: the upper half of its bits.
    order : {"little", "big"}
        Of the bytes of a number.

    Raises
    ------
    ValueError
        If the bytes aren't a whole number of numbers.
    """
    mark: Literal["<", ">"] = "<" if order == "little" else ">"
    if dtype == "bfloat16":
        halves = np.frombuffer(data, f"{mark}u2")
        return (halves.astype(np.uint32) << 16).view(np.float32)
    if dtype == "bool":  # any byte may be there, and NumPy's own truth values have two
        return np.frombuffer(data, np.uint8) != 0
    found = np.frombuffer(data, np.dtype(dtype).newbyteorder(mark))
    return found.astype(found.dtype.newbyteorder("="), copy=False)
