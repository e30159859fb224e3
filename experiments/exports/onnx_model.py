"""A network as an ONNX model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from nets.network import Network
from nets.parameters import Parameters

from .errors import ConversionError, WeightsError, optional
from .modules import Branches, Chain, Leaf, Plan, plan
from .onnx_graph import EXTRA, Nodes
from .weights import Found, Shape, contents, parameters_of, tensors_of

OPSET = 18
"""The first in which all reductions take their axes as an input; runtimes have had it since early 2023."""

GENERATOR = ("z", "samples")
DISCRIMINATOR = ("x", "values")
"""Names of a model's input and output."""

BATCH = "N"
LARGEST = 2**31 - 2**20
"""Bytes of weights in one file: protobuf counts in 31 bits, and the nodes need some."""


def to_onnx(
    network: Network,
    params: Parameters,
    input_shape: Shape,
    *,
    names: tuple[str, str] = GENERATOR,
    channels_last: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> bytes:
    """The network's forward pass for any number of samples, in float32.

    Parameters
    ----------
    network : Network
        Any whose layers are in the table.
    params : Parameters
        Its weights; float64 is rounded, since few runtimes convolve it.
    input_shape : tuple of int
        Of one sample, channels last as everywhere in this package.
    names : pair of str
        Of the input and of the output: :data:`GENERATOR` or :data:`DISCRIMINATOR`, or others.
    channels_last : bool
        Whether the model reads and writes images as this package has them, (N, H, W, C); by default it does as models
        that come from PyTorch: (N, C, H, W). Inside channels are second in any case.
    metadata : mapping from str to str, optional
        For the model's properties.

    Returns
    -------
    bytes
        The file. Its initializers have the names and layouts of :func:`to_safetensors`; constants are nodes.

    Raises
    ------
    ConversionError
        If a layer isn't in the table, onnx isn't installed, or the weights are too large for one file.
    ValueError
        If the network doesn't take samples of this shape, or the parameters are those of another network.

    Notes
    -----
    A batch-norm goes by the mean and variance of the batch that the model is given, as the network does; export a
    frozen network for one whose samples don't depend on each other. What a network with ``running=True`` keeps and
    doesn't use is among the initializers, of which a runtime may say that nobody reads them.
    """
    onnx = optional("onnx", EXTRA)
    planned = plan(network, input_shape)
    if 4 * network.layout.size > LARGEST:
        raise ConversionError(
            f"network: expected at most {LARGEST // 4} numbers for one ONNX file, got {network.layout.size}"
        )
    nodes = Nodes()
    output = _written(nodes, planned, *names, channels_last)
    tensors = tensors_of(planned.slots(), network.layout, params)
    make = onnx.helper
    graph = make.make_graph(
        nodes.written,
        "network",
        [_value(make, names[0], planned.before, channels_last)],
        [_value(make, output, planned.after, channels_last)],
        [onnx.numpy_helper.from_array(tensor.astype(np.float32), name) for name, tensor in tensors.items()],
    )
    opsets = [make.make_opsetid("", OPSET)]
    model = make.make_model(
        graph,
        producer_name="coulombfield",
        opset_imports=opsets,
        ir_version=make.find_min_ir_version_for(opsets),  # the package's own may be newer than a runtime reads
        doc_string=f"Images have channels {'last' if channels_last else 'second'}.",
    )
    make.set_model_props(model, dict(metadata or {}))
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def from_onnx(
    network: Network,
    source: str | Path | bytes,
    input_shape: Shape,
    dtype: np.typing.DTypeLike = np.float32,
    xp: ModuleType = np,
) -> Parameters:
    """Parameters of a network from the initializers of a model that :func:`to_onnx` wrote; its nodes are not looked at.

    Parameters
    ----------
    network : Network
        What the weights are for.
    source : path or bytes
        The file or its contents.
    input_shape : tuple of int
        Of one sample, channels last.
    dtype : dtype
        float32 or float64.
    xp : module
        NumPy or CuPy.

    Raises
    ------
    ConversionError
        If a layer isn't in the table, or onnx isn't installed.
    WeightsError
        If the file can't be read, is no ONNX model, keeps its weights in other files, or holds other tensors than the
        network has.
    ValueError
        If the network doesn't take samples of this shape.
    TypeError
        If the dtype is another.
    """
    planned = plan(network, input_shape)
    label, data = contents(source)
    return parameters_of(
        label, planned.slots(), network.layout, _found(label, data), ignored=planned.ignored(), dtype=dtype, xp=xp
    )


def _written(nodes: Nodes, planned: Plan, x: str, y: str, channels_last: bool) -> str:
    """Write all nodes between two names."""
    inside = x
    if channels_last and len(planned.before) > 1:
        rank = len(planned.before)
        inside = nodes.node("Transpose", x, perm=[0, rank, *range(1, rank)])
    inside = _chain(nodes, planned.root, inside)
    if channels_last and len(planned.after) > 1:
        return nodes.node("Transpose", inside, perm=[0, *range(2, len(planned.after) + 1), 1], output=y)
    return nodes.node("Identity", inside, output=y)


def _chain(nodes: Nodes, chain: Chain, x: str) -> str:
    for child in chain.children:
        if isinstance(child, Leaf):
            nodes.prefix = child.weights
            x = child.translation.onnx(nodes, x, child.weights)
        elif isinstance(child, Branches):
            x = _branches(nodes, child, x)
        else:
            x = _chain(nodes, child, x)
    return x


def _branches(nodes: Nodes, block: Branches, x: str) -> str:
    body = _chain(nodes, block.body, x)
    shortcut = x if block.shortcut is None else _chain(nodes, block.shortcut, x)
    nodes.prefix = f"{block.path}."
    if block.factor != 1:
        body = nodes.node("Mul", body, nodes.scalar(block.factor))
    return nodes.node("Add", shortcut, body)


def _value(make: Any, name: str, shape: Shape, channels_last: bool) -> Any:
    there = shape if channels_last else (shape[-1], *shape[:-1])
    return make.make_tensor_value_info(name, 1, [BATCH, *there])  # 1 is float32


def _found(label: str, data: bytes) -> Iterator[Found]:
    onnx = optional("onnx", EXTRA)
    message = optional("google.protobuf.message", EXTRA)
    try:
        model = onnx.load_model_from_string(data)
    except (message.DecodeError, ValueError) as error:
        raise WeightsError(f"{label}: not an ONNX model, or damaged: {error}") from error
    if not model.opset_import:  # written after the graph: without it, a file that ends there is none the worse
        raise WeightsError(f"{label}: not an ONNX model, or damaged: expected a version of its operators at the end")
    for tensor in model.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            raise WeightsError(
                f"{label}: {tensor.name!r}: expected numbers in the file itself, got a reference to others"
            )
        # what isn't UTF-8, protobuf leaves as bytes
        name = tensor.name if isinstance(tensor.name, str) else tensor.name.decode(errors="backslashreplace")
        dtype = _dtype(onnx, tensor.data_type)
        yield Found(name, dtype, tuple(tensor.dims), partial(onnx.numpy_helper.to_array, tensor))


def _dtype(onnx: Any, data_type: int) -> str:
    """Name as NumPy has it, or as ONNX where that is another."""
    names = {onnx.TensorProto.FLOAT16: "float16", onnx.TensorProto.FLOAT: "float32", onnx.TensorProto.DOUBLE: "float64"}
    return names.get(data_type, f"ONNX type {data_type}")
