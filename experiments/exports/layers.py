"""Every layer that can be exported: its PyTorch modules, the layout of its weights, and its ONNX nodes.

An entry of :data:`TRANSLATIONS` is a function of the layer and of what it reads. An activation that is part of a layer
isn't its business: it follows as a layer of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nets.layers.activations import ELU, Identity, LeakyReLU, ReLU, ScaledTanh, Tanh
from nets.layers.batchnorm import BatchNorm
from nets.layers.conv1d import Conv1d
from nets.layers.conv2d import Conv2d
from nets.layers.conv_transpose2d import ConvTranspose2d
from nets.layers.layernorm import LayerNorm
from nets.layers.linear import Linear
from nets.layers.placenorm import PlaceNorm
from nets.layers.pooling import AveragePool
from nets.layers.reshape import Flatten, Reshape
from nets.layers.scale import Scale
from nets.layers.softmax import Softmax
from nets.layers.upsample import Upsample

from .convolutions import convolution, transposed_convolution
from .normalizations import batch_norm, layer_norm, place_norm
from .orders import Order, channels_first
from .translation import Graph, Module, Samples, Translation
from .weights import Weight


def _pointwise(text: str, operator: str, **attributes: Any) -> Callable[[Any, Samples], Translation]:
    """Entry of a layer without settings that treats each number by itself, or all numbers of a place alike."""
    return lambda layer, x: _same(text, lambda graph, name: graph.node(operator, name, **attributes), x)


def _same(text: str, write: Callable[[Graph, str], str], x: Samples) -> Translation:
    return Translation((Module(text),), lambda graph, name, weights: write(graph, name), x.order)


def _leaky_relu(layer: LeakyReLU, x: Samples) -> Translation:
    slope = layer.slope
    return _same(f"nn.LeakyReLU({slope!r})", lambda graph, name: graph.node("LeakyRelu", name, alpha=slope), x)


def _scale(layer: Scale, x: Samples) -> Translation:
    return _same(f"Scale({layer.factor!r})", lambda graph, name: _times(graph, name, layer.factor), x)


def _scaled_tanh(layer: ScaledTanh, x: Samples) -> Translation:
    def write(graph: Graph, name: str, weights: str) -> str:
        return _times(graph, graph.node("Tanh", _times(graph, name, layer.rate)), layer.amplitude)

    modules = Module(f"Scale({layer.rate!r})"), Module("nn.Tanh()"), Module(f"Scale({layer.amplitude!r})")
    return Translation(modules, write, x.order)


def _times(graph: Graph, name: str, factor: float) -> str:
    return graph.node("Mul", name, graph.scalar(factor))


def _linear(layer: Linear, x: Samples) -> Translation:
    """Rows of our weight are columns there: W in ``x W`` against ``x W^T``."""

    def write(graph: Graph, name: str, weights: str) -> str:
        return graph.node("Gemm", name, *(f"{weights}{key}" for key in shapes), transB=1)

    order = Order(layer.fan_out)
    shapes = layer.shapes()
    weights = [Weight("weight", "weight", shapes["weight"], (1, 0), (order, x.order))]
    if "bias" in shapes:
        weights.append(Weight("bias", "bias", shapes["bias"], orders=(order,)))
    without = "" if "bias" in shapes else ", bias=False"
    return Translation((Module(f"nn.Linear({layer.fan_in}, {layer.fan_out}{without})", tuple(weights)),), write, order)


def _reshape(layer: Reshape, x: Samples) -> Translation:
    shape = layer.output_shape(x.shape)
    if len(shape) == len(x.shape) == 1:
        return _same("nn.Identity()", lambda graph, name: name, x)
    there = shape[-1], *shape[:-1]
    if x.order is not None and x.order.take(channels_first(shape)):
        return Translation(
            (Module(f"nn.Unflatten(1, {there})"),),
            lambda graph, name, weights: graph.node("Reshape", name, graph.integers(0, *there)),
        )
    x.in_our_order()
    if len(shape) > 1:
        return Translation(
            (Module(f"Reshape{shape}"),),
            lambda graph, name, weights: _in_our_order(graph, name, x.shape, shape),
        )
    plain = channels_first(x.shape)
    order = Order(shape[0], plain, channels_first(shape))

    def write(graph: Graph, name: str, weights: str) -> str:
        if order.equals(plain):
            return graph.node("Reshape", name, graph.integers(0, -1))
        return _in_our_order(graph, name, x.shape, shape)

    text = Module(lambda: "nn.Flatten()" if order.equals(plain) else f"Reshape({shape[0]})")
    return Translation((text,), write, order)


def _in_our_order(graph: Graph, name: str, before: tuple[int, ...], after: tuple[int, ...]) -> str:
    """Reshape with channels last, between two transpositions."""
    if len(before) > 1:
        name = graph.node("Transpose", name, perm=[0, *range(2, len(before) + 1), 1])
    name = graph.node("Reshape", name, graph.integers(0, *after))
    return name if len(after) == 1 else graph.node("Transpose", name, perm=[0, len(after), *range(1, len(after))])


def _upsample(layer: Upsample, x: Samples) -> Translation:
    factor = layer.factor

    def write(graph: Graph, name: str, weights: str) -> str:
        scales = graph.vector(1, 1, factor, factor)
        settings = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return graph.node("Resize", name, "", scales, **settings)

    return Translation((Module(f"nn.Upsample(scale_factor={factor})"),), write)


def _average_pool(layer: AveragePool, x: Samples) -> Translation:
    window = [layer.size, layer.size]
    return _same(
        f"nn.AvgPool2d({layer.size})",
        lambda graph, name: graph.node("AveragePool", name, kernel_shape=window, strides=window),
        x,
    )


TRANSLATIONS: Mapping[type, Callable[[Any, Samples], Translation]] = {
    AveragePool: _average_pool,
    BatchNorm: batch_norm,
    Conv1d: convolution,
    Conv2d: convolution,
    ConvTranspose2d: transposed_convolution,
    ELU: _pointwise("nn.ELU()", "Elu"),
    Flatten: _reshape,
    Identity: _pointwise("nn.Identity()", "Identity"),
    LayerNorm: layer_norm,
    LeakyReLU: _leaky_relu,
    Linear: _linear,
    PlaceNorm: place_norm,
    ReLU: _pointwise("nn.ReLU()", "Relu"),
    Reshape: _reshape,
    Scale: _scale,
    ScaledTanh: _scaled_tanh,
    Softmax: _pointwise("nn.Softmax(dim=1)", "Softmax", axis=1),
    Tanh: _pointwise("nn.Tanh()", "Tanh"),
    Upsample: _upsample,
}
"""By the class itself, not by a base: what a subclass does differently, its base's entry can't know."""
