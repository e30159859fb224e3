"""What is timed of the convolutional networks: passes of single layers, of both players, and whole updates."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from coulombfield.arrays import Array, Device
from nets.architectures import coulomb_discriminator, coulomb_generator
from nets.layers.base import Layer
from nets.layers.batchnorm import BatchNorm
from nets.layers.conv2d import Conv2d
from nets.layers.conv_transpose2d import ConvTranspose2d
from nets.layers.linear import Linear
from nets.network import Network, Sequential
from nets.parameters import Parameters
from nets.primitives.columns import im2col
from nets.primitives.geometry import Geometry, same_padding
from nets.workspace import Workspace

from ..timing import CPU

FORWARD, DX, DPARAMS, BACKWARD = "forward", "dx", "dparams", "dx + dparams"
LATENT = 32
KERNEL, STRIDE = (5, 5), (2, 2)
REFRESHED = 16  # calls of a backward pass that halves its own dy, say, before it is given the first dy again


class Pass(NamedTuple):
    """A forward or backward pass of one network or layer, by itself."""

    name: str
    network: Network
    shape: tuple[int, ...]
    """Shape of one sample of x."""
    batch: int
    quantity: str

    @property
    def operations(self) -> int:
        """Floating-point operations as the textbook's direct convolution has them; other ways may need fewer."""
        return self.batch * operations(self.network.body, self.shape, self.quantity)

    def ours(self, device: Device = CPU) -> Callable[[], object]:
        """The pass, ready to be called."""
        network, workspace = self.network, Workspace()
        params, x = self.params(device), device.put(self.x())
        y, cache = network.forward(params, x, workspace)
        if self.quantity == FORWARD:
            return lambda: network.forward(params, x, workspace)
        dy, into = device.put(self.dy(y.shape)), network.zeros_like(params) if self.quantity != DX else None
        owned, calls = dy.copy(), 0

        def backward() -> Array | None:
            nonlocal calls
            if calls % REFRESHED == 0:  # a backward pass may put its dx where its dy was
                owned[...] = dy
            calls += 1
            return network.body.backward(
                params, cache.layers, owned, into=into, need_dx=self.quantity != DPARAMS, workspace=workspace
            )

        return backward

    def params(self, device: Device = CPU) -> Parameters:
        """Parameters as training starts."""
        return self.network.initialize(np.random.default_rng(0), np.float32, device.xp)

    def x(self) -> np.ndarray:
        """A batch."""
        return np.random.default_rng(1).standard_normal((self.batch, *self.shape), np.float32)

    def dy(self, shape: tuple[int, ...]) -> np.ndarray:
        """What is pulled back."""
        return np.random.default_rng(2).standard_normal(shape, np.float32)


class Columns(NamedTuple):
    """The windows of a convolution as rows of a matrix, by themselves."""

    name: str
    shape: tuple[int, int, int]
    """Shape of one image."""
    batch: int
    quantity: str = "im2col"
    operations: int = 0

    @property
    def moved(self) -> int:
        """Bytes that are read and written, each once."""
        return 4 * self.batch * (math.prod(self.shape) + math.prod(self._columns()))

    def ours(self, device: Device = CPU) -> Callable[[], object]:
        """The copy, ready to be made."""
        out = device.xp.empty((self.batch, *self._columns()), np.float32)
        x, (above, left) = device.put(self.x()), (pair[0] for pair in self._geometry().padding)
        return lambda: im2col(x, out, STRIDE, (above, left))

    def _geometry(self) -> Geometry:
        height, width, _ = self.shape
        return Geometry((height, width), KERNEL, STRIDE, same_padding((height, width), KERNEL, STRIDE))

    def _columns(self) -> tuple[int, ...]:
        """Shape of the columns of one image."""
        return *self._geometry().output, *KERNEL, self.shape[2]

    def x(self) -> np.ndarray:
        """A batch."""
        return np.random.default_rng(1).standard_normal((self.batch, *self.shape), np.float32)


def operations(layer: Layer, shape: tuple[int, ...], quantity: str = FORWARD) -> int:
    """Floating-point operations of the products of a pass, for one sample.

    The gradient by the input and that by the weights take as many as the forward pass each. In a sequence nobody needs
    the dx of the first layer with weights, except where x is asked for.
    """
    forward = layer.operations(shape)
    if quantity in (FORWARD, DX):
        return forward
    if quantity == DPARAMS:
        return 2 * forward - first_operations(layer, shape)
    return 2 * forward


def first_operations(layer: Layer, shape: tuple[int, ...]) -> int:
    """Operations of the first layer of a sequence that has weights."""
    if not isinstance(layer, Sequential):
        return layer.operations(shape)
    for part in layer.layers:
        if part.shapes():
            return first_operations(part, shape)
        shape = part.output_shape(shape)
    return 0


def update_operations(size: int, base: int) -> int:
    """Operations of one update of both players, for one sample of either kind.

    The generator's pass goes forward and back; the discriminator's does so on generated and on real samples, and the
    generator's gradient goes back through it once more.
    """
    generator, discriminator = players(size, base)
    g, d = generator.body, discriminator.body
    z, x = (LATENT,), (size, size, 3)
    both = sum(operations(d, x, quantity) for quantity in (FORWARD, DPARAMS))
    return operations(g, z) + operations(g, z, DPARAMS) + 2 * both + operations(d, x, DX)


def players(size: int, base: int, groups: int = 1) -> tuple[Network, Network]:
    """Generator and discriminator of the paper for images of this size."""
    generator = coulomb_generator(size, LATENT, width=8 * base)
    return generator, coulomb_discriminator(size, base=base, groups=groups)


def columns(size: int, base: int, batch: int) -> Iterator[Columns]:
    """Columns of the discriminator's second convolution."""
    shape = size // 2, size // 2, base
    yield Columns(f"5x5 windows of {_by(shape)}", shape, batch)


def passes_of_layers(player: str, size: int, base: int, batch: int) -> Iterator[Pass]:
    """Every convolution, batch-norm with its activation, and dense layer of a player."""
    network, shape = _player(player, size, base)
    assert isinstance(network.body, Sequential)
    for layer in network.body.layers:
        after = layer.output_shape(shape)
        quantities: tuple[str, ...] = ()
        if isinstance(layer, Conv2d | ConvTranspose2d):
            quantities = FORWARD, DX, DPARAMS
        elif isinstance(layer, BatchNorm | Linear):
            quantities = FORWARD, BACKWARD
        for quantity in quantities:
            name = f"{player[0].upper()} {type(layer).__name__} {_by(shape)} → {_by(after)}"
            yield Pass(name, Network(layer), shape, batch, quantity)
        shape = after


def passes_of_player(player: str, size: int, base: int, batch: int) -> Iterator[Pass]:
    """The passes of a whole player that an update needs."""
    network, shape = _player(player, size, base)
    for quantity in (FORWARD, DPARAMS) if player == "generator" else (FORWARD, DX, DPARAMS):
        yield Pass(f"{player} {size}", network, shape, batch, quantity)


def _player(player: str, size: int, base: int) -> tuple[Network, tuple[int, ...]]:
    generator, discriminator = players(size, base)
    return (generator, (LATENT,)) if player == "generator" else (discriminator, (size, size, 3))


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
