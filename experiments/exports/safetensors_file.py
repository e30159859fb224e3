"""Weights as a safetensors file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from nets.network import Network
from nets.parameters import Parameters

from .errors import WeightsError, optional
from .modules import plan
from .numbers import native
from .weights import Found, Shape, contents, parameters_of, tensors_of

EXTRA = "experiments"
TYPES = {
    "BF16": "bfloat16",
    "BOOL": "bool",
    "F16": "float16",
    "F32": "float32",
    "F64": "float64",
    "I8": "int8",
    "I16": "int16",
    "I32": "int32",
    "I64": "int64",
    "U8": "uint8",
    "U16": "uint16",
    "U32": "uint32",
    "U64": "uint64",
}
"""Kinds of numbers by the names that a file has for them."""
WIDENED = {"bfloat16": "float32"}
"""What becomes of numbers that NumPy lacks."""


def to_safetensors(
    network: Network, params: Parameters, input_shape: Shape, metadata: Mapping[str, str] | None = None
) -> bytes:
    """Weights in the names and layouts of the PyTorch module that :func:`describe_torch` writes out.

    Parameters
    ----------
    network : Network
        Any whose layers are in the table.
    params : Parameters
        Its weights, float32 or float64, which the file has too.
    input_shape : tuple of int
        Of one sample, channels last: the weights of a linear layer after images depend on it.
    metadata : mapping from str to str, optional
        For the file's header, which also says ``format: pt``.

    Returns
    -------
    bytes
        The file.

    Raises
    ------
    ConversionError
        If a layer isn't in the table, or safetensors isn't installed.
    ValueError
        If the network doesn't take samples of this shape, or the parameters are those of another network.
    """
    save = optional("safetensors.numpy", EXTRA).save
    tensors = tensors_of(plan(network, input_shape).slots(), network.layout, params)
    return save(tensors, {"format": "pt", **(metadata or {})})


def from_safetensors(
    network: Network,
    source: str | Path | bytes,
    input_shape: Shape,
    dtype: np.typing.DTypeLike = np.float32,
    xp: ModuleType = np,
) -> Parameters:
    """Parameters of a network from the ``state_dict`` of its PyTorch module, whoever trained that.

    Parameters
    ----------
    network : Network
        What the weights are for.
    source : path or bytes
        The file or its contents: float16, bfloat16, float32 or float64.
    input_shape : tuple of int
        Of one sample, channels last.
    dtype : dtype
        float32 or float64.
    xp : module
        NumPy or CuPy.

    Raises
    ------
    ConversionError
        If a layer isn't in the table, or safetensors isn't installed.
    WeightsError
        If the file can't be read, is no safetensors file, or holds other tensors than the network has.
    ValueError
        If the network doesn't take samples of this shape.
    TypeError
        If the dtype is another.
    """
    planned = plan(network, input_shape)
    label, data = contents(source)
    return parameters_of(
        label, planned.slots(), network.layout, tensors_in(label, data), ignored=planned.ignored(), dtype=dtype, xp=xp
    )


def tensors_in(label: str, data: bytes) -> Iterator[Found]:
    """What a file holds, by its header.

    Parameters
    ----------
    label : str
        The file, for messages.
    data : bytes
        Its contents.

    Raises
    ------
    ConversionError
        If safetensors isn't installed.
    WeightsError
        If it is no safetensors file.
    """
    package = optional("safetensors", EXTRA)
    try:
        tensors = package.deserialize(data)
    except package.SafetensorError as error:
        raise WeightsError(f"{label}: not a safetensors file, or damaged: {error}") from error
    for name, tensor in tensors:
        dtype = TYPES.get(tensor["dtype"], tensor["dtype"])
        yield Found(name, WIDENED.get(dtype, dtype), tuple(tensor["shape"]), partial(_numbers, tensor, dtype))


def _numbers(tensor: Mapping[str, Any], dtype: str) -> np.ndarray:
    return native(tensor["data"], dtype).reshape(tensor["shape"])
