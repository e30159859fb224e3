"""Convolutions: strides, kernels of each kind, paddings, odd sizes, few channels, and activations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nets.layers.activations import ELU, LeakyReLU, ReLU, ScaledTanh, Tanh
from nets.layers.conv1d import Conv1d
from nets.layers.conv2d import Conv2d
from nets.layers.conv_transpose2d import ConvTranspose2d
from nets.layers.convolution import Convolution
from nets.layers.pooling import AveragePool
from nets.layers.resampled import PooledConv2d, UpsampledConv2d, _Resampled
from nets.layers.upsample import Upsample
from nets.network import Sequential

from .samples import ALL, Sample


def _linear(name: str, make: Callable[[], Any], shape: tuple[int, ...]) -> Sample:
    return Sample(name, make, shape, exact=ALL, covers=(Convolution,))


def _piecewise(name: str, make: Callable[[], Any], shape: tuple[int, ...]) -> Sample:
    return Sample(name, make, shape, exact=ALL, kinks=True)


def _together(name: str, make: Callable[[], Any], shape: tuple[int, ...]) -> Sample:
    covers = (PooledConv2d, UpsampledConv2d, _Resampled)
    return Sample(name, lambda: Sequential(make()), shape, exact=ALL, covers=covers)


CONVOLUTIONS = (
    _linear("Conv2d 5 x 5", lambda: Conv2d(3, 4, 5, 2), (2, 6, 7, 3)),
    _linear("Conv2d 5 x 5 of even size", lambda: Conv2d(1, 2, 5, 2), (2, 4, 4, 1)),
    _linear("Conv2d 3 x 3", lambda: Conv2d(3, 2, 3), (2, 3, 5, 3)),
    _linear("Conv2d 1 x 1", lambda: Conv2d(3, 2, 1), (2, 3, 2, 3)),
    _linear("Conv2d 1 x 1 at stride 2", lambda: Conv2d(2, 3, 1, 2), (2, 3, 4, 2)),
    _linear("Conv2d 4 x 4 padded", lambda: Conv2d(3, 2, 4, 2, ((1, 1), (1, 1))), (2, 4, 6, 3)),
    _linear(
        "Conv2d 2 x 3 uneven",
        lambda: Conv2d(2, 3, (2, 3), (1, 2), ((1, 0), (0, 2))),
        (2, 3, 4, 2),
    ),
    _linear("Conv2d without bias", lambda: Conv2d(2, 3, 3, bias=None), (2, 3, 3, 2)),
    _piecewise("Conv2d LeakyReLU", lambda: Conv2d(3, 2, 3, 2, activation=LeakyReLU()), (2, 4, 3, 3)),
    Sample("Conv2d ELU", lambda: Conv2d(2, 3, 3, activation=ELU()), (2, 3, 3, 2), kinks=True),
    Sample("Conv2d Tanh without bias", lambda: Conv2d(2, 3, 3, activation=Tanh(), bias=None), (2, 3, 3, 2)),
    _linear("ConvTranspose2d 5 x 5", lambda: ConvTranspose2d(4, 3, 5, 2), (2, 2, 3, 4)),
    _linear("ConvTranspose2d 3 x 3", lambda: ConvTranspose2d(2, 1, 3), (2, 3, 2, 2)),
    _linear("ConvTranspose2d 4 x 4 padded", lambda: ConvTranspose2d(2, 3, 4, 2, ((1, 1), (1, 1))), (2, 2, 3, 2)),
    _linear(
        "ConvTranspose2d 2 x 3 uneven",
        lambda: ConvTranspose2d(2, 3, (2, 3), (3, 1), ((1, 0), (0, 2))),
        (2, 2, 3, 2),
    ),
    _linear("ConvTranspose2d without bias", lambda: ConvTranspose2d(2, 3, 3, 2, bias=None), (2, 2, 2, 2)),
    _piecewise("ConvTranspose2d ReLU", lambda: ConvTranspose2d(3, 2, 3, 2, activation=ReLU()), (2, 2, 2, 3)),
    Sample("ConvTranspose2d ScaledTanh", lambda: ConvTranspose2d(3, 1, 5, 2, activation=ScaledTanh()), (2, 2, 2, 3)),
    # enough channels and pixels for the filtering of tiles
    _linear("Conv2d 3 x 3 by tiles", lambda: Conv2d(16, 16, 3), (2, 15, 16, 16)),
    _linear("Conv2d 5 x 5 by tiles", lambda: Conv2d(16, 16, 5, 2), (2, 23, 24, 16)),
    _linear("ConvTranspose2d 5 x 5 by tiles", lambda: ConvTranspose2d(16, 16, 5, 2), (2, 12, 12, 16)),
    _together("Conv2d and pooling", lambda: [Conv2d(3, 2, 3), AveragePool()], (2, 4, 6, 3)),
    _together("Conv2d and pooling by tiles", lambda: [Conv2d(16, 16, 3), AveragePool()], (2, 32, 32, 16)),
    _together("upsampling and Conv2d", lambda: [Upsample(), Conv2d(3, 2, 3)], (2, 2, 3, 3)),
    _together("upsampling and Conv2d by tiles", lambda: [Upsample(), Conv2d(16, 16, 3)], (2, 16, 16, 16)),
    _linear("Conv1d", lambda: Conv1d(3, 2, 5), (2, 7, 3)),
    _linear("Conv1d by lines", lambda: Conv1d(32, 32, 5), (2, 40, 32)),  # enough of both for the filtering of lines
    _linear("Conv1d padded", lambda: Conv1d(1, 2, 3, (0, 1), bias=None), (2, 5, 1)),
    Sample("Conv1d Tanh", lambda: Conv1d(3, 2, 5, activation=Tanh()), (2, 6, 3)),
)
"""Each layer with settings that take another branch of its code."""
