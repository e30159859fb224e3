"""The peer: a network of this package as PyTorch computes it, eager, with autograd."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from nets.layers.activations import ELU, Activation, Identity, LeakyReLU, Tanh
from nets.layers.batchnorm import BatchNorm
from nets.layers.conv1d import Conv1d
from nets.layers.conv2d import Conv2d
from nets.layers.conv_transpose2d import ConvTranspose2d
from nets.layers.layernorm import LayerNorm
from nets.layers.linear import Linear
from nets.layers.placenorm import PlaceNorm
from nets.layers.pooling import AveragePool
from nets.layers.reshape import Flatten, Reshape
from nets.layers.residual import Residual
from nets.layers.scale import Scale
from nets.layers.softmax import Softmax
from nets.layers.upsample import Upsample
from nets.network import Network, Sequential
from nets.parameters import Parameters
from nets.primitives.geometry import Padding, same_padding

from .torch_variants import compile_

AXES = {1: (0,), 2: (1, 0), 3: (2, 1, 0), 4: (3, 2, 0, 1)}
"""Order of a parameter's axes in PyTorch: fan-out, fan-in, then those of the window."""


class Twin:
    """A network that starts with the same parameters.

    Parameters
    ----------
    network, params
        What it repeats; the parameters are copied.
    channels_last : bool
        Which of its two memory formats PyTorch uses for images.
    groups : bool
        Whether batch-norm normalises the groups of a batch separately, as the network does; a user of PyTorch gives it
        one group after the other instead.
    device : str
        PyTorch's name of where it computes.
    compiled : bool
        Whether PyTorch compiles it.
    """

    def __init__(
        self,
        network: Network,
        params: Parameters,
        *,
        channels_last: bool = False,
        groups: bool = True,
        device: str = "cpu",
        compiled: bool = False,
    ):
        self._network, self._device = network, device
        self._setting = _Setting(torch.channels_last if channels_last else torch.contiguous_format, groups)
        self._tensors = {name: self._setting.laid_out(from_ours(params[name], True)).to(device) for name in params}
        for tensor in self._tensors.values():
            tensor.requires_grad_()
        self._output = compile_(self._eager) if compiled else self._eager

    def __call__(self, x: Tensor) -> Tensor:
        """Output for a batch with channels second."""
        return self._output(x)

    def _eager(self, x: Tensor) -> Tensor:
        return apply(self._network.body, x, _Weights(self._tensors), self._setting)

    def put(self, x: np.ndarray) -> Tensor:
        """A batch of ours, in this network's memory format."""
        return self._setting.laid_out(from_ours(x)).to(self._device)

    def parameters(self) -> list[Tensor]:
        """All of them, in the order of our layout."""
        return list(self._tensors.values())

    def vector(self, tensors: Sequence[Tensor | None]) -> np.ndarray:
        """One tensor for each parameter as one vector in our layout; None is 0."""
        vector = np.zeros(self._network.layout.size)
        views = self._network.layout.views(vector)
        for name, tensor in zip(self._tensors, tensors, strict=True):
            if tensor is not None:
                views[name][...] = to_ours(tensor, True)
        return vector


def from_ours(array: np.ndarray, parameter: bool = False) -> Tensor:
    """A copy with the axes in PyTorch's order: channels second in a batch, fans first in a parameter."""
    return torch.from_numpy(np.array(array)).permute(_axes(array.ndim, parameter))


def to_ours(tensor: Tensor, parameter: bool = False) -> np.ndarray:
    """The same numbers with the axes in our order."""
    return tensor.detach().permute(tuple(np.argsort(_axes(tensor.ndim, parameter)))).numpy()


def _axes(ndim: int, parameter: bool) -> tuple[int, ...]:
    return AXES[ndim] if parameter else (0, *([ndim - 1] if ndim > 1 else []), *range(1, ndim - 1))


class _Setting(NamedTuple):
    memory_format: torch.memory_format
    groups: bool

    def laid_out(self, tensor: Tensor) -> Tensor:
        return tensor.contiguous(memory_format=self.memory_format) if tensor.ndim == 4 else tensor.contiguous()


class _Weights(NamedTuple):
    """Parameters whose names start with a prefix."""

    tensors: dict[str, Tensor]
    prefix: str = ""

    def __call__(self, name: str) -> Tensor | None:
        return self.tensors.get(self.prefix + name)

    def child(self, name: str) -> _Weights:
        return self._replace(prefix=f"{self.prefix}{name}.")


@functools.singledispatch
def apply(layer: object, x: Tensor, weights: _Weights, setting: _Setting) -> Tensor:
    """Output of a layer of ours.

    Raises
    ------
    TypeError
        If nobody has written here how PyTorch does it.
    """
    raise TypeError(f"layer: no PyTorch for {type(layer).__name__}")


@apply.register
def _(layer: Sequential, x: Tensor, weights: _Weights, setting: _Setting) -> Tensor:
    for i, part in enumerate(layer.layers):
        x = apply(part, x, weights.child(str(i)), setting)
    return x


@apply.register
def _(layer: Identity, x: Tensor, weights: _Weights, setting: _Setting) -> Tensor:
    return x


@apply.register
def _(layer: LeakyReLU, x: Tensor, weights: _Weights, setting: _Setting) -> Tensor:
    return functional.leaky_relu(x, layer.slope) if layer.slope else functional.relu(x)


@apply.register
def _(layer: ELU, x: Tensor, weights: _Weights, setting: _Setting) -> Tensor:
    return functional.elu(x)


@apply.register
def _(layer: Tanh, x: Tensor, weights: _Weights, setting: _Setting) -> Tensor:
    return layer.amplitude * torch.tanh(layer.rate * x) if layer.amplitude != 1 or layer.rate != 1 else torch.tanh(x)


def _activate(activation: Activation, h: Tensor, weights: _Weights, setting: _Setting) -> Tensor:
    """In the memory of h where a user of PyTorch would do so."""
    if isinstance(activation, LeakyReLU):
        return functional.leaky_relu_(h, activation.slope) if activation.slope else functional.relu_(h)
    return apply(activation, h, weights, setting)


@apply.register
def _(layer: Linear, x: Tensor, weights: _Weights, setting: _Setting) -> Tensor:
    return _activate(layer.activation, functional.linear(x, weights("weight"), weights("bias")), weights, setting)


@apply.register
def _(layer: Conv2d, x: Tensor, weights: _Weights, setting: _Setting) -> Tensor:
    (top, bottom), (left, right) = padding_of(layer.padding, tuple(x.shape[2:]), layer.kernel, layer.stride)
    symmetric = top == bottom and left == right
    if not symmetric:
        x = functional.pad(x, (left, right, top, bottom))
    y = functional.conv2d(x, weights("weight"), weights("bias"), layer.stride, (top, left) if symmetric else 0)
    return _activate(layer.activation, y, weights, setting)


@apply.register
def _(layer: ConvTranspose2d, x: Tensor, weights: _Weights, setting: _Setting) -> Tensor:
    same = tuple(n * step for n, step in zip(x.shape[2:], layer.stride, strict=True))
    zeros = padding_of(layer.padding, same, layer.kernel, layer.stride)
    # PyTorch cuts the same number off both ends, and can add at the end only.
    padding = [min(pair) for pair in zeros]
    full = [(n - 1) * step + k for n, step, k in zip(x.shape[2:], layer.stride, layer.kernel, strict=True)]
    size = same if layer.padding == "same" else tuple(n - sum(pair) for n, pair in zip(full, zeros, strict=True))
    begin = [pair[0] - cut for pair, cut in zip(zeros, padding, strict=True)]
    more = [max(0, b + n - (m - 2 * cut)) for b, n, m, cut in zip(begin, size, full, padding, strict=True)]
    y = functional.conv_transpose2d(x, weights("weight"), weights("bias"), layer.stride, padding, more)
    y = y[:, :, begin[0] : begin[0] + size[0], begin[1] : begin[1] + size[1]]
    return _activate(layer.activation, y, weights, setting)


@apply.register
def _(layer: Conv1d, x: Tensor, weights: _Weights, setting: _Setting) -> Tensor:
    weight = weights("weight")
    assert weight is not None
    _, (left, right) = padding_of(layer.padding, (1, x.shape[2]), (1, weight.shape[2]), (1, 1))
    if left != right:
        x, left = functional.pad(x, (left, right)), 0
    y = functional.conv1d(x, weight, weights("bias"), padding=left)
    return _activate(layer.activation, y, weights, setting)


@apply.register
def _(layer: BatchNorm, x: Tensor, weights: _Weights, setting: _Setting) -> Tensor:
    def normalized(part: Tensor) -> Tensor:
        running = (weights("running_mean"), weights("running_variance")) if layer._frozen else (None, None)
        return functional.batch_norm(
            part,
            *(number if number is None else number.detach() for number in running),
            weights("scale"),
            weights("shift"),
            training=not layer._frozen,
            eps=layer.epsilon,
        )

    parts = x.chunk(layer.groups) if setting.groups else [x]
    y = torch.cat([normalized(part) for part in parts]) if len(parts) > 1 else normalized(x)
    return _activate(layer.activation, y, weights, setting)


@apply.register
def _(layer: PlaceNorm, x: Tensor, weights: _Weights, setting: _Setting) -> Tensor:
    parts = x.transpose(1, 2).chunk(layer.groups if setting.groups else 1)
    normalized = [
        functional.batch_norm(part, None, None, weights("scale"), weights("shift"), training=True, eps=layer.epsilon)
        for part in parts
    ]
    y = (torch.cat(normalized) if len(parts) > 1 else normalized[0]).transpose(1, 2)
    return _activate(layer.activation, y, weights, setting)


@apply.register
def _(layer: LayerNorm, x: Tensor, weights: _Weights, setting: _Setting) -> Tensor:
    y = functional.group_norm(x, 1, weights("scale"), weights("shift"), layer.epsilon)  # with a factor for each channel
    return _activate(layer.activation, y, weights, setting)


@apply.register
def _(layer: Reshape, x: Tensor, weights: _Weights, setting: _Setting) -> Tensor:
    y = _channels_last(x).reshape(-1, *layer.shape)
    return setting.laid_out(y.permute(_axes(y.ndim, False)))


@apply.register
def _(layer: Flatten, x: Tensor, weights: _Weights, setting: _Setting) -> Tensor:
    return _channels_last(x).reshape(len(x), -1)


def _channels_last(x: Tensor) -> Tensor:
    return x.permute(0, *range(2, x.ndim), 1) if x.ndim > 2 else x


@apply.register
def _(layer: Upsample, x: Tensor, weights: _Weights, setting: _Setting) -> Tensor:
    return functional.interpolate(x, scale_factor=layer.factor, mode="nearest")


@apply.register
def _(layer: AveragePool, x: Tensor, weights: _Weights, setting: _Setting) -> Tensor:
    return functional.avg_pool2d(x, layer.size)


@apply.register
def _(layer: Residual, x: Tensor, weights: _Weights, setting: _Setting) -> Tensor:
    past = x if layer.shortcut is None else apply(layer.shortcut, x, weights.child("shortcut"), setting)
    return past + layer.factor * apply(layer.body, x, weights.child("body"), setting)


@apply.register
def _(layer: Scale, x: Tensor, weights: _Weights, setting: _Setting) -> Tensor:
    return x * layer.factor


@apply.register
def _(layer: Softmax, x: Tensor, weights: _Weights, setting: _Setting) -> Tensor:
    return functional.softmax(x, dim=1)


def padding_of(padding: str | Padding, size: Sequence[int], kernel: Sequence[int], stride: Sequence[int]) -> Padding:
    """Zeros around the images; "same" depends on their size."""
    if isinstance(padding, str):
        (height, width), (rows, columns), (down, right) = size, kernel, stride
        return same_padding((height, width), (rows, columns), (down, right))
    return padding


def gradients(y: Tensor, dy: Tensor, of: Iterable[Tensor]) -> tuple[Tensor, ...]:
    """Pull ``dy`` back to some tensors that y depends on; the graph stays, for the next call."""
    return torch.autograd.grad(y, list(of), dy, retain_graph=True)


def use_all_processors() -> None:
    """Give PyTorch as many threads as this process may have."""
    torch.set_num_threads(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
