"""WGAN-GP's image networks: residual blocks (Gulrajani et al. 2017, appendix F, "good" in the authors' code)."""

from __future__ import annotations

import itertools

from nets.arguments import counts_of
from nets.halvings import halvings
from nets.initializers import he_uniform
from nets.layers.activations import ReLU, Tanh
from nets.layers.base import Layer
from nets.layers.batchnorm import BatchNorm
from nets.layers.conv2d import Conv2d
from nets.layers.layernorm import LayerNorm
from nets.layers.linear import Linear
from nets.layers.pooling import AveragePool
from nets.layers.reshape import Flatten, Reshape
from nets.layers.residual import Residual
from nets.layers.upsample import Upsample
from nets.network import Network, Sequential

EPSILON = 1e-5


def wgan_gp_generator(size: int = 64, latent: int = 128, channels: int = 3, *, width: int = 64) -> Network:
    """Generator of the paper's strongest peer, which it could not afford itself (section 3.1, table 1b).

    For 64 x 64: z - 4 x 4 x 512 - blocks that double the size, to 8 x 8 x 512, 16 x 16 x 256, 32 x 32 x 128, 64 x 64
    x 64 - batch-norm, ReLU, convolution 3 x 3 to the channels, tanh. A block is the sum of batch-norm, ReLU,
    upsampling, convolution 3 x 3, batch-norm, ReLU, convolution 3 x 3, and of upsampling and a convolution 1 x 1.

    Parameters
    ----------
    size : int
        Height and width of the images [pixels], 4 times 2, 4, 8, ... How the peer's figures on CIFAR-10 were made is
        not known; 32 x 32 here is the network of 64 x 64 without its first block.
    latent : int
        Numbers in z, from N(0, 1).
    channels : int
        Of the images.
    width : int
        Channels of the largest images; each halving of the size doubles them, up to 8 times as many.

    Returns
    -------
    Network
        Maps (N, latent) to (N, size, size, channels).

    Raises
    ------
    ValueError
        If the size does not fit.

    Notes
    -----
    Convolutions 3 x 3 start uniform with twice Glorot's variance, all else Glorot uniform. The shortcut's convolution
    of single pixels stands before the upsampling, with which it commutes, and is a quarter of the work there.
    """
    size, latent, channels, width = counts_of(size=size, latent=latent, channels=channels, width=width)
    widths = _widths(size, width)[::-1]
    layers: list[Layer] = [Linear(latent, 4 * 4 * widths[0]), Reshape((4, 4, widths[0]))]
    for before, after in itertools.pairwise(widths):
        body = Sequential(
            [
                BatchNorm(before, ReLU(), epsilon=EPSILON),
                Upsample(2),
                Conv2d(before, after, 3, weight=he_uniform, bias=None),
                BatchNorm(after, ReLU(), epsilon=EPSILON),
                Conv2d(after, after, 3, weight=he_uniform),
            ]
        )
        layers.append(Residual(body, Sequential([Conv2d(before, after, 1), Upsample(2)])))
    layers += [
        BatchNorm(width, ReLU(), epsilon=EPSILON),
        Conv2d(width, channels, 3, activation=Tanh(), weight=he_uniform),
    ]
    return Network(Sequential(layers))


def wgan_gp_critic(size: int = 64, channels: int = 3, *, width: int = 64) -> Network:
    """Critic of WGAN-GP: the generator's blocks the other way round, with layer-norm (section 3.1, table 1b).

    For 64 x 64: convolution 3 x 3 to 64 channels - blocks that halve the size, to 32 x 32 x 128, 16 x 16 x 256, 8 x 8
    x 512, 4 x 4 x 512 - 1. A block is the sum of layer-norm, ReLU, convolution 3 x 3, layer-norm, ReLU, convolution 3
    x 3, pooling, and of pooling and a convolution 1 x 1. Layer-norm, since the gradient's norm is that of each sample
    by itself.

    Parameters
    ----------
    size : int
        Height and width of the images [pixels], 4 times 2, 4, 8, ...
    channels : int
        Of the images.
    width : int
        Channels of the largest images; each halving of the size doubles them, up to 8 times as many.

    Returns
    -------
    Network
        Maps (N, size, size, channels) to (N, 1).

    Raises
    ------
    ValueError
        If the size does not fit.

    Notes
    -----
    The blocks' convolutions 3 x 3 start uniform with twice Glorot's variance, all else Glorot uniform.
    """
    size, channels, width = counts_of(size=size, channels=channels, width=width)
    widths = _widths(size, width)
    layers: list[Layer] = [Conv2d(channels, width, 3)]
    for before, after in itertools.pairwise(widths):
        body = Sequential(
            [
                LayerNorm(before, ReLU()),
                Conv2d(before, before, 3, weight=he_uniform, bias=None),
                LayerNorm(before, ReLU()),
                Conv2d(before, after, 3, weight=he_uniform),
                AveragePool(2),
            ]
        )
        layers.append(Residual(body, Sequential([AveragePool(2), Conv2d(before, after, 1)])))
    layers += [Flatten(), Linear(4 * 4 * widths[-1], 1)]
    return Network(Sequential(layers))


def _widths(size: int, width: int) -> list[int]:
    """Channels of images of the full size, half of it, and so on down to 4 x 4."""
    return [width * min(2**i, 8) for i in range(halvings(size, 4) + 1)]
