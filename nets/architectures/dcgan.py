"""DCGAN's networks (Radford et al. 2016): as in its figure, in its code, and in the Coulomb GAN's."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Literal

from nets.arguments import count_of, counts_of
from nets.halvings import halvings
from nets.initializers import Initializer, glorot_uniform, normal, truncated_normal, variance_scaling
from nets.layers.activations import Activation, LeakyReLU, ReLU, ScaledTanh, Tanh
from nets.layers.base import Layer
from nets.layers.batchnorm import BatchNorm
from nets.layers.conv2d import Conv2d
from nets.layers.conv_transpose2d import ConvTranspose2d
from nets.layers.linear import Linear
from nets.layers.reshape import Flatten, Reshape
from nets.network import Network, Sequential

Variant = Literal["code", "figure", "coulomb"]

VALID = ((0, 0), (0, 0))
DEVIATION = 0.02
WIDTHS: dict[Variant, int] = {"code": 512, "figure": 1024, "coulomb": 512}


def dcgan_generator(
    size: int = 64, latent: int = 100, channels: int = 3, *, width: int | None = None, variant: Variant = "code"
) -> Network:
    """DCGAN's generator, one of the paper's peers (table 1b).

    ``code``, by which Heusel et al. (2017) found the peer's figures: z - 4 x 4 x 512 - 8 x 8 x 256 - 16 x 16 x 128 -
    32 x 32 x 64 - 64 x 64 x 3, deconvolutions 5 x 5 at stride 2, batch-norm and ReLU after all but the last, the
    dense layer too; tanh. ``figure`` has twice the channels, 1024 to 128, as the figure in the DCGAN paper.
    ``coulomb``, option ``dcgan`` of the Coulomb GAN's authors, has the channels of ``code``, kernels 4 x 4, a
    deconvolution of z in place of the dense layer, and ends in the scaled tanh.

    Parameters
    ----------
    size : int
        Height and width of the images [pixels], 16 times 1, 2, 4, ...: ``coulomb`` starts from 4 x 4, the others have
        four deconvolutions, from size / 16.
    latent : int
        Numbers in z: 100, uniform on [-1, 1], in ``code``.
    channels : int
        Of the images.
    width : int, optional
        Channels of the first image, by default those of the variant; each deconvolution halves them.
    variant : str
        ``code``, ``figure`` or ``coulomb``.

    Returns
    -------
    Network
        Maps (N, latent) to (N, size, size, channels).

    Raises
    ------
    ValueError
        If the variant is unknown, or size or width do not fit.

    Notes
    -----
    Weights of ``code`` and ``figure`` start normal with deviation 0.02; the figure does not show kernels, and has those
    of ``code``. ``coulomb`` starts as :func:`~nets.architectures.coulomb_generator` does. Biases of deconvolutions
    before a batch-norm are left out: its mean takes them away again.
    """
    size, latent, channels = counts_of(size=size, latent=latent, channels=channels)
    _check(size, variant)
    width, norm = count_of("width", WIDTHS[variant] if width is None else width), _batch_norm(variant)
    output: Activation
    hidden_weight: Initializer
    last_weight: Initializer
    if variant == "coulomb":
        start, kernel, output = 4, 4, ScaledTanh()
        hidden_weight, last_weight = variance_scaling(2.0), glorot_uniform
        first = ConvTranspose2d(latent, width, kernel, padding=VALID, weight=hidden_weight, bias=None)
        layers: list[Layer] = [Reshape((1, 1, latent)), first, norm(width, ReLU())]
    else:
        start, kernel, output = size // 16, 5, Tanh()
        hidden_weight = last_weight = normal(DEVIATION)
        dense = Linear(latent, start * start * width, weight=hidden_weight)
        layers = [dense, Reshape((start, start, width)), norm(width, ReLU())]
    hidden = halvings(size, start) - 1
    if width % 2**hidden:
        raise ValueError(f"width: expected a multiple of {2**hidden} for images of size {size}, got {width}")
    for _ in range(hidden):
        deconvolution = ConvTranspose2d(width, width // 2, kernel, 2, weight=hidden_weight, bias=None)
        width //= 2
        layers += [deconvolution, norm(width, ReLU())]
    layers.append(ConvTranspose2d(width, channels, kernel, 2, activation=output, weight=last_weight))
    return Network(Sequential(layers))


def dcgan_discriminator(
    size: int = 64, channels: int = 3, *, base: int = 64, variant: Variant = "code", groups: int = 1
) -> Network:
    """DCGAN's discriminator, one of the paper's peers (table 1b).

    ``code`` and ``figure``, which shows the generator alone: four convolutions 5 x 5 at stride 2 with LeakyReLU of
    slope 0.2, 64 x 64 to 32 x 32 x 64 - 16 x 16 x 128 - 8 x 8 x 256 - 4 x 4 x 512 - 1, batch-norm in all but the
    first. ``coulomb``, option ``dcgan`` of the Coulomb GAN's authors: kernels 4 x 4 down to 4 x 4 images, batch-norm
    in the first too, and a convolution that covers the whole image in place of the dense layer.

    Parameters
    ----------
    size : int
        Height and width of the images [pixels], 16 times 1, 2, 4, ...
    channels : int
        Of the images.
    base : int
        Channels after the first convolution; each other doubles them.
    variant : str
        ``code``, ``figure`` or ``coulomb``.
    groups : int
        Parts of a batch that batch-norm treats apart.

    Returns
    -------
    Network
        Maps (N, size, size, channels) to (N, 1), the logit.

    Raises
    ------
    ValueError
        If the variant is unknown or the size does not fit.

    Notes
    -----
    Weights of ``code`` start normal with deviation 0.02, those of its convolutions cut at 0.04; ``coulomb`` starts
    Glorot uniform. Biases before a batch-norm are left out: its mean takes them away again.
    """
    size, channels, base, groups = counts_of(size=size, channels=channels, base=base, groups=groups)
    _check(size, variant)
    norm, authors = _batch_norm(variant), variant == "coulomb"
    kernel, weight = (4, glorot_uniform) if authors else (5, truncated_normal(DEVIATION))
    layers: list[Layer] = []
    for i in range(halvings(size, 4) if authors else 4):
        width = base << i
        if i == 0 and not authors:
            layers.append(Conv2d(channels, width, kernel, 2, activation=LeakyReLU(0.2), weight=weight))
        else:
            convolution = Conv2d(channels, width, kernel, 2, weight=weight, bias=None)
            layers += [convolution, norm(width, LeakyReLU(0.2), groups=groups)]
        channels = width
    if authors:
        layers += [Conv2d(channels, 1, kernel, padding=VALID), Flatten()]
    else:
        layers += [Flatten(), Linear((size // 16) ** 2 * channels, 1, weight=normal(DEVIATION))]
    return Network(Sequential(layers))


def _check(size: int, variant: str) -> None:
    if variant not in WIDTHS:
        raise ValueError(f"variant: expected {', '.join(WIDTHS)}, got {variant!r}")
    if size != 16:
        halvings(size, 16)


def _batch_norm(variant: Variant) -> Callable[..., BatchNorm]:
    if variant == "coulomb":
        return BatchNorm
    return functools.partial(BatchNorm, epsilon=1e-5, momentum=0.9)
