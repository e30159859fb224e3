"""Convolutions for both formats."""

from __future__ import annotations

from collections.abc import Sequence

from nets.layers.conv1d import Conv1d
from nets.layers.conv2d import Conv2d
from nets.layers.conv_transpose2d import ConvTranspose2d
from nets.layers.convolution import Convolution
from nets.primitives.geometry import Padding, Pair, same_padding

from .translation import Graph, Module, Samples, Translation
from .weights import Shape, Weight


def convolution(layer: Conv1d | Conv2d, x: Samples) -> Translation:
    """Convolution with zeros around, by a module of its own where there are not as many at both ends of an axis."""
    unused = 2 - len(layer.axes)  # a sequence is an image of one row
    kernel, stride = layer.kernel[unused:], layer.stride[unused:]
    zeros = _padding(layer, (1, x.shape[0]) if unused else (x.shape[0], x.shape[1]))[unused:]
    symmetric = all(before == after for before, after in zeros)
    settings = [layer.channels_in, layer.channels_out, _short(kernel)]
    settings += _unless(1, stride=stride) + _unless(0, padding=[pair[0] for pair in zeros] if symmetric else [0])
    modules = () if symmetric else (Module(f"nn.ZeroPad{len(zeros)}d({_torch_order(zeros)})"),)

    def write(graph: Graph, name: str, weights: str) -> str:
        attributes = {"kernel_shape": list(kernel), "strides": list(stride), "pads": _onnx_order(zeros)}
        return graph.node("Conv", name, *_names(layer, weights), **attributes)

    return Translation((*modules, _module(f"nn.Conv{len(zeros)}d", settings, layer)), write)


def transposed_convolution(layer: ConvTranspose2d, x: Samples) -> Translation:
    """Transposed convolution; what is cut off one end of an axis alone, a module with negative padding cuts off.

    Where windows are smaller than their distance, SAME needs pixels after the last one.
    """
    height, width = layer.output_shape(x.shape)[:2]
    firsts = [pair[0] for pair in _padding(layer, (height, width))]
    full = [(n - 1) * step + k for n, step, k in zip(x.shape, layer.stride, layer.kernel, strict=False)]
    lasts = [n - first - size for n, first, size in zip(full, firsts, (height, width), strict=True)]
    more = [max(0, -last) for last in lasts]
    cuts = [(first, max(0, last)) for first, last in zip(firsts, lasts, strict=True)]
    both = [min(pair) for pair in cuts]
    settings = [layer.channels_in, layer.channels_out, _short(layer.kernel)]
    settings += _unless(1, stride=layer.stride) + _unless(0, padding=both, output_padding=more)
    rest = [(both[i] - first, both[i] - last) for i, (first, last) in enumerate(cuts)]
    modules = [_module("nn.ConvTranspose2d", settings, layer)]
    if any(map(any, rest)):
        modules.append(Module(f"nn.ZeroPad2d({_torch_order(rest)})"))

    def write(graph: Graph, name: str, weights: str) -> str:
        attributes = {"kernel_shape": list(layer.kernel), "strides": list(layer.stride), "pads": _onnx_order(cuts)}
        return graph.node("ConvTranspose", name, *_names(layer, weights), output_padding=more, **attributes)

    return Translation(tuple(modules), write)


def _padding(layer: Convolution, size: Pair) -> Padding:
    """Zeros about images of this size."""
    if isinstance(layer.padding, str):
        return same_padding(size, layer.kernel, layer.stride)
    return layer.padding


def _module(name: str, settings: list, layer: Convolution) -> Module:
    """Fans change places with the window; in a transposed convolution, fan-in is the last axis of ours."""
    shapes = layer.shapes()
    window = tuple(range(len(layer.axes)))
    weights = [Weight("weight", "weight", shapes["weight"], (len(window) + 1, len(window), *window))]
    if "bias" in shapes:
        weights.append(Weight("bias", "bias", shapes["bias"]))
    else:
        settings = [*settings, "bias=False"]
    return Module(f"{name}({', '.join(map(str, settings))})", tuple(weights))


def _names(layer: Convolution, weights: str) -> list[str]:
    return [f"{weights}{name}" for name in layer.shapes()]


def _unless(usual: int, **settings: Sequence[int]) -> list[str]:
    return [f"{name}={_short(value)}" for name, value in settings.items() if any(n != usual for n in value)]


def _short(numbers: Sequence[int]) -> str:
    return str(numbers[0]) if len(set(numbers)) == 1 else str(tuple(numbers))


def _torch_order(pairs: Sequence[Pair]) -> Shape:
    """Last axis first, each (before, after)."""
    return tuple(n for pair in reversed(pairs) for n in pair)


def _onnx_order(pairs: Sequence[Pair]) -> list[int]:
    """All that is before, then all that is after."""
    return [pair[0] for pair in pairs] + [pair[1] for pair in pairs]
