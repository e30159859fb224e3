"""Whether every layer and network agrees with PyTorch in float64: values, first and second derivatives, the update."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nets import architectures
from nets.layers.activations import ELU
from nets.layers.base import Layer
from nets.network import Network
from nets.penalties import gradient_penalty
from validation.gradients.convolutions import CONVOLUTIONS
from validation.gradients.layers import LAYERS, NETWORKS
from validation.gradients.normalizations import Frozen

from ..gans.torch_agreement import of_gan
from ..rows import Difference, relative
from ..torch_twins import Twin, from_ours, to_ours
from .cases import LATENT, passes_of_layers
from .update import coulomb_gan

SPREAD = 0.3  # of the parameters about where they start, so that none is 0 or 1
SIZE, BASE = 64, 128
MANY = 32  # samples: convolutions of many images go another way than those of a few


class Compared(NamedTuple):
    """A layer or network as it is used, and the shape of one sample of x."""

    make: Callable[[], Network]
    shape: tuple[int, ...]
    batch: int = 2


FULL: Mapping[str, Compared] = {
    "coulomb_generator 64": Compared(architectures.coulomb_generator, (LATENT,)),
    "coulomb_generator 32": Compared(lambda: architectures.coulomb_generator(32), (LATENT,)),
    "coulomb_discriminator 64": Compared(architectures.coulomb_discriminator, (64, 64, 3)),
    "coulomb_discriminator 32": Compared(lambda: architectures.coulomb_discriminator(32), (32, 32, 3)),
    "dcgan_generator": Compared(architectures.dcgan_generator, (100,)),
    "dcgan_discriminator": Compared(architectures.dcgan_discriminator, (64, 64, 3)),
    "wgan_gp_generator": Compared(architectures.wgan_gp_generator, (128,)),
    "wgan_gp_critic": Compared(architectures.wgan_gp_critic, (64, 64, 3)),
    "began_generator": Compared(architectures.began_generator, (64,)),
    "began_discriminator": Compared(architectures.began_discriminator, (64, 64, 3)),
    "mmd_gan_encoder": Compared(architectures.mmd_gan_encoder, (64, 64, 3)),
    "mmd_gan_decoder": Compared(architectures.mmd_gan_decoder, (64,)),
    "language_generator": Compared(architectures.language_generator, (128,)),
    "language_discriminator": Compared(architectures.language_discriminator, (32, 2048)),
}
"""Networks in full size."""

CRITICS: Mapping[str, Compared] = {
    "mlp": Compared(lambda: architectures.mlp((2, 64, 64, 1), ELU), (2,), 64),
    "wgan_gp_critic": FULL["wgan_gp_critic"],
    "language_discriminator": FULL["language_discriminator"],
}
"""Networks of one number, whose gradient by x is penalized."""


def differences() -> Iterator[Difference]:
    """Differences of the layers and architectures of ``python -m validation gradients``, and of full-size ones."""
    for sample in (*LAYERS, *NETWORKS):
        yield from _derivatives(sample.name, sample.make(), sample.shape)
        yield from _second_derivatives(sample.name, sample.make(), sample.shape)
    for sample in CONVOLUTIONS:
        yield from _derivatives(f"{sample.name}, N = {MANY}", sample.make(), (MANY, *sample.shape[1:]))
    for player in ("discriminator", "generator"):
        cases = passes_of_layers(player, SIZE, BASE, MANY // 2)
        for name, passes in itertools.groupby(cases, key=lambda case: case.name):
            case = next(passes)
            yield from _derivatives(f"{name}, N = {case.batch}", case.network, (case.batch, *case.shape))
    for name, compared in FULL.items():
        yield from _derivatives(f"{name}, full size", compared.make(), (compared.batch, *compared.shape))
    for name, compared in CRITICS.items():
        yield _penalty(name, compared.make(), (compared.batch, *compared.shape))
    for size in (SIZE, SIZE // 2):
        yield from of_gan(
            f"update {size}, full size", functools.partial(coulomb_gan, size, BASE, batch=2, dtype="float64")
        )


class _Drawn:
    """A network with parameters, x and dy, and the same in PyTorch."""

    def __init__(self, made: Layer | Network, shape: tuple[int, ...]):
        self.rng = np.random.default_rng(0)
        layer = made.layer if isinstance(made, Frozen) else made
        self.network = layer if isinstance(layer, Network) else Network(layer)
        self.params = self.network.initialize(self.rng, np.float64)
        vector = self.params.vector
        if vector.size:
            vector[...] += SPREAD * vector.std() * self.normal(vector.shape)
        self.x = self.normal(shape)
        self.twin = Twin(self.network, self.params)
        self.peer_x = self.twin.put(self.x).requires_grad_()
        self.peer_y = self.twin(self.peer_x)

    def normal(self, shape: tuple[int, ...]) -> np.ndarray:
        return self.rng.standard_normal(shape)

    def pulled_back(self, y: Tensor, dy: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Gradients by x and by the parameters in our layouts; 0 by what y does not depend on."""
        of = [self.peer_x, *self.twin.parameters()]
        if not y.requires_grad:
            return np.zeros(self.x.shape), self.twin.vector([None] * (len(of) - 1))
        dx, *dparams = torch.autograd.grad(y, of, dy, retain_graph=True, allow_unused=True)
        return np.zeros(self.x.shape) if dx is None else to_ours(dx), self.twin.vector(dparams)


def _derivatives(name: str, made: Layer | Network, shape: tuple[int, ...]) -> Iterator[Difference]:
    drawn = _Drawn(made, shape)
    y, cache = drawn.network.forward(drawn.params, drawn.x)
    yield Difference(name, "forward", relative(y, to_ours(drawn.peer_y)))
    dy = drawn.normal(y.shape)
    dx, gradient = drawn.network.backward(drawn.params, cache, dy)
    peer_dx, peer_vector = drawn.pulled_back(drawn.peer_y, from_ours(dy))
    yield Difference(name, "dx", relative(dx, peer_dx))
    if gradient.vector.size:
        yield Difference(name, "dparams", relative(gradient.vector, peer_vector))


def _second_derivatives(name: str, made: Layer | Network, shape: tuple[int, ...]) -> Iterator[Difference]:
    """Gradients of <dy_dot, J x_dot>, which PyTorch has as <J^T dy_dot, x_dot>."""
    drawn = _Drawn(made, shape)
    y, cache = drawn.network.forward(drawn.params, drawn.x)
    x_dot, dy_dot = drawn.normal(shape), drawn.normal(y.shape)
    dx, dx_dot, gradient = drawn.network.jvp_backward(drawn.params, cache, x_dot, dy_dot)
    (back,) = torch.autograd.grad(drawn.peer_y, drawn.peer_x, from_ours(dy_dot), create_graph=True)
    peer_dx, peer_vector = drawn.pulled_back(back, from_ours(x_dot))
    size = abs(to_ours(back)).max()  # where y is linear, the derivatives are 0
    yield Difference(name, "dx of jvp", relative(np.zeros(shape) if dx is None else dx, peer_dx, size))
    yield Difference(name, "dx_dot", relative(dx_dot, to_ours(back)))
    if gradient.vector.size:
        yield Difference(name, "dparams of jvp", relative(gradient.vector, peer_vector, size))


def _penalty(name: str, network: Network, shape: tuple[int, ...]) -> Difference:
    """Gradient of the mean squared difference between the norm of dD/dx and 1."""
    drawn = _Drawn(network, shape)
    _, gradient = gradient_penalty(network, drawn.params, drawn.x, target=1.0, weight=1.0)
    (slope,) = torch.autograd.grad(drawn.peer_y.sum(), drawn.peer_x, create_graph=True)
    penalty = (slope.flatten(1).norm(dim=1) - 1).square().mean()
    _, peer_vector = drawn.pulled_back(penalty, torch.ones_like(penalty))
    return Difference(f"gradient penalty of {name}", "dparams", relative(gradient.vector, peer_vector))
