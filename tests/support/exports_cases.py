"""Networks to export: every layer and architecture, and layers beside each other where the order of numbers matters."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from nets.layers.activations import ELU, LeakyReLU, ReLU
from nets.layers.base import Layer
from nets.layers.batchnorm import BatchNorm
from nets.layers.conv2d import Conv2d
from nets.layers.conv_transpose2d import ConvTranspose2d
from nets.layers.layernorm import LayerNorm
from nets.layers.linear import Linear
from nets.layers.reshape import Flatten, Reshape
from nets.layers.residual import Residual
from nets.layers.scale import Scale
from nets.layers.softmax import Softmax
from nets.network import Network, Sequential
from nets.parameters import Parameters
from nets.running import frozen
from validation.gradients.layers import LAYERS, NETWORKS
from validation.gradients.normalizations import Frozen
from validation.gradients.samples import Sample

ROUNDINGS = 128
"""Of the largest number: no sum here has more than 400 terms, and roundings add up as their root."""

SPREAD = 0.3  # of the parameters about where they start, so that none is 0 or 1


def _of(*layers: Layer) -> Sequential:
    return Sequential(layers)


def _running() -> Network:
    return Network(_of(Conv2d(2, 3, 3), BatchNorm(3, ReLU(), running=True, momentum=0.9), Flatten(), Linear(48, 2)))


ORDERS = (
    Sample("image from numbers", lambda: _of(Linear(3, 24), Reshape((2, 3, 4)), Conv2d(4, 2, 3)), (4, 3)),
    Sample(
        "image from numbers by way of norms",
        lambda: _of(
            Linear(3, 24, LeakyReLU()),
            BatchNorm(24, ELU(), scale=None),
            LayerNorm(24),
            Scale(2.0),
            Softmax(),
            Reshape((2, 3, 4)),
        ),
        (7, 3),
    ),
    Sample("image from numbers without a bias", lambda: _of(Linear(3, 24, bias=None), Reshape((2, 3, 4))), (4, 3)),
    Sample("image from the input's numbers", lambda: _of(Reshape((2, 3, 4)), Conv2d(4, 2, 3)), (4, 24)),
    Sample("numbers from an image", lambda: _of(Conv2d(4, 3, 3), Flatten(), Linear(18, 5)), (4, 2, 3, 4)),
    Sample(
        "numbers from an image by way of norms",
        lambda: _of(Flatten(), BatchNorm(24, ReLU(), running=False, shift=None), LayerNorm(24), Linear(24, 5)),
        (7, 2, 3, 4),
    ),
    Sample("an image's numbers themselves", lambda: _of(Conv2d(4, 3, 3), Flatten()), (4, 2, 3, 4)),
    Sample("an image's numbers, normalised", lambda: _of(Flatten(), BatchNorm(24, ReLU())), (7, 2, 3, 4)),
    Sample("numbers between images", lambda: _of(Flatten(), ReLU(), Reshape((4, 3, 2))), (4, 2, 3, 4)),
    Sample("image to sequence", lambda: _of(Reshape((6, 4)), BatchNorm(4)), (4, 2, 3, 4)),
    Sample("numbers to numbers", lambda: _of(Linear(3, 24), Flatten(), Reshape((24,)), Reshape((2, 3, 4))), (4, 3)),
    Sample(
        "nested on both sides",
        lambda: _of(_of(Linear(3, 24)), _of(_of(Reshape((2, 3, 4)), ReLU())), _of(Flatten()), _of(Linear(24, 2))),
        (4, 3),
    ),
    Sample(
        "image within a residual block",
        lambda: _of(
            Linear(3, 24),
            Residual(_of(Reshape((2, 3, 4)), Conv2d(4, 4, 3), Flatten()), Linear(24, 24), factor=0.5),
            Reshape((2, 3, 4)),
        ),
        (4, 3),
    ),
    Sample(
        "numbers within a residual block",
        lambda: Residual(_of(Flatten(), Linear(24, 24), Reshape((2, 3, 4))), factor=-1.0),
        (4, 2, 3, 4),
    ),
    Sample(
        "numbers of an image into and out of both branches",
        lambda: _of(Residual(_of(Flatten(), Linear(24, 24)), Flatten()), Linear(24, 4)),
        (4, 2, 3, 4),
    ),
    Sample("an image's numbers into a residual block", lambda: _of(Flatten(), Residual(Linear(24, 24))), (4, 2, 3, 4)),
    Sample("sequences", lambda: _of(Linear(3, 24), Reshape((6, 4)), BatchNorm(4), Flatten(), Linear(24, 1)), (7, 3)),
)
"""Layers between which PyTorch has the numbers of flat samples in another order."""

SETTINGS = (
    Sample("windows smaller than their distance", lambda: ConvTranspose2d(2, 3, (1, 2), (3, 3)), (2, 2, 3, 2)),
    Sample("cut at one end", lambda: ConvTranspose2d(2, 3, 3, 2, ((2, 0), (0, 1))), (2, 3, 3, 2)),
    Sample("batch-norm of numbers alone", lambda: BatchNorm(3, scale=None, shift=None), (6, 3)),
    Sample("batch-norm with a factor", lambda: BatchNorm(3, shift=None), (6, 2, 3)),
    Sample("batch-norm of volumes", lambda: BatchNorm(3), (4, 2, 2, 2, 3)),
    Sample("batch-norm with running statistics", _running, (6, 4, 4, 2)),
    Sample("frozen batch-norm", lambda: frozen(_running()), (6, 4, 4, 2)),
    Sample(
        "frozen batch-norm between numbers and an image",
        lambda: _of(Linear(3, 24), BatchNorm(24, running=True).frozen(), Reshape((2, 3, 4))),
        (6, 3),
    ),
    Sample(
        "frozen batch-norm of numbers alone",
        lambda: BatchNorm(3, scale=None, shift=None, running=True).frozen(),
        (6, 2, 3),
    ),
    Sample(
        "one frozen batch-norm of two",
        lambda: _of(BatchNorm(3, running=True).frozen(), Linear(3, 4), BatchNorm(4, running=True)),
        (6, 3),
    ),
)
"""Settings that take another branch of a translation."""

CASES = tuple(
    sample
    for sample in (*LAYERS, *NETWORKS, *ORDERS, *SETTINGS)
    if not isinstance(sample.make(), Frozen)  # a class of validation's own
)


class Drawn(NamedTuple):
    """A network with parameters, and a batch."""

    network: Network
    params: Parameters
    x: np.ndarray

    def y(self) -> np.ndarray:
        """Output of this package."""
        return self.network.forward(self.params, self.x)[0]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one sample of x."""
        return self.x.shape[1:]

    def parts(self) -> list[np.ndarray]:
        """The batch in the groups that batch-norm treats apart."""
        return np.split(self.x, max(groups_of(self.network.body)))


def draw(sample: Sample, dtype: Any) -> Drawn:
    """Parameters near where they start, all different, and x from N(0, 1)."""
    rng = np.random.default_rng(5)
    made = sample.make()
    network = made if isinstance(made, Network) else Network(made)
    params = network.initialize(rng, dtype)
    params.vector[...] += (SPREAD * rng.standard_normal(network.layout.size)).astype(dtype)
    for name in params:
        if name.endswith("running_variance"):
            params[name][...] = abs(params[name]) + 0.5
    return Drawn(network, params, rng.standard_normal(sample.shape).astype(dtype))


def groups_of(layer: Layer) -> Iterator[int]:
    """Groups of every batch-norm within a layer, and 1."""
    yield getattr(layer, "groups", 1)
    for _, child in layer.named_children():
        yield from groups_of(child)


def channels_second(batch: np.ndarray) -> np.ndarray:
    """A batch with its axes in the other format's order."""
    return np.ascontiguousarray(np.moveaxis(batch, -1, 1))


def channels_last(batch: np.ndarray) -> np.ndarray:
    """A batch with its axes in ours."""
    return np.moveaxis(batch, 1, -1)


def assert_agrees(theirs: np.ndarray, ours: np.ndarray) -> None:
    """Equal within the roundings of sums in another order, and what batch-norm makes of them."""
    assert theirs.shape == ours.shape
    assert theirs.dtype == ours.dtype
    np.testing.assert_allclose(theirs, ours, rtol=0, atol=ROUNDINGS * np.finfo(ours.dtype).eps * abs(ours).max())


generator = Sample(
    "generator",
    lambda: _of(
        Linear(3, 16, ReLU()), Reshape((2, 2, 4)), ConvTranspose2d(4, 2, 5, 2, bias=None), BatchNorm(2, scale=None)
    ),
    (4, 3),
)
"""With every kind of tensor: permuted, transposed, constant."""

small = partial(draw, generator)
