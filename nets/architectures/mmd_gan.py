"""MMD-GAN's networks (Li et al. 2017): a DCGAN with 4 x 4 kernels, whose discriminator is an autoencoder."""

from __future__ import annotations

from nets.arguments import counts_of
from nets.halvings import halvings
from nets.initializers import normal
from nets.layers.activations import LeakyReLU, ReLU, Tanh
from nets.layers.base import Layer
from nets.layers.batchnorm import BatchNorm
from nets.layers.conv2d import Conv2d
from nets.layers.conv_transpose2d import ConvTranspose2d
from nets.layers.reshape import Flatten, Reshape
from nets.network import Network, Sequential

START = 4
"""Height and width of the smallest images, which the first and last kernel cover [pixels]."""

VALID = ((0, 0), (0, 0))
WEIGHT = normal(0.02)
SCALE = normal(0.02, mean=1.0)


def mmd_gan_generator(size: int = 64, latent: int = 64, channels: int = 3, *, base: int = 64) -> Network:
    """MMD-GAN's generator, a peer in table 1b: the same network as :func:`mmd_gan_decoder`, of z from N(0, 1)."""
    return mmd_gan_decoder(size, latent, channels, base=base)


def mmd_gan_decoder(size: int = 64, latent: int = 64, channels: int = 3, *, base: int = 64, groups: int = 1) -> Network:
    """Decoder of MMD-GAN's discriminator.

    For 64 x 64: code - 4 x 4 x 512 - 8 x 8 x 256 - 16 x 16 x 128 - 32 x 32 x 64 - 64 x 64 x 3, deconvolutions 4 x 4
    at stride 2 (the first of the code, at stride 1) with batch-norm and ReLU, the last with tanh; no biases. 32 x 32
    starts from 4 x 4 x 256.

    Parameters
    ----------
    size : int
        Height and width of the images [pixels], 4 times 2, 4, 8, ...
    latent : int
        Numbers in z or the code: 64 for CelebA, 128 for LSUN and CIFAR-10, 10 for MNIST.
    channels : int
        Of the images.
    base : int
        Channels of the last hidden images; each smaller size has twice as many.
    groups : int
        Parts of a batch that batch-norm treats apart.

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
    Weights start normal with deviation 0.02, batch-norm's scale with that deviation about 1.
    """
    size, latent, channels, base, groups = counts_of(
        size=size, latent=latent, channels=channels, base=base, groups=groups
    )
    hidden = halvings(size, START) - 1
    width = base << hidden
    layers: list[Layer] = [
        Reshape((1, 1, latent)),
        ConvTranspose2d(latent, width, START, padding=VALID, weight=WEIGHT, bias=None),
        BatchNorm(width, ReLU(), epsilon=1e-5, momentum=0.9, scale=SCALE, groups=groups),
    ]
    for _ in range(hidden):
        deconvolution = ConvTranspose2d(width, width // 2, 4, 2, weight=WEIGHT, bias=None)
        width //= 2
        layers += [
            deconvolution,
            BatchNorm(width, ReLU(), epsilon=1e-5, momentum=0.9, scale=SCALE, groups=groups),
        ]
    layers.append(ConvTranspose2d(width, channels, 4, 2, activation=Tanh(), weight=WEIGHT, bias=None))
    return Network(Sequential(layers))


def mmd_gan_encoder(size: int = 64, latent: int = 64, channels: int = 3, *, base: int = 64, groups: int = 1) -> Network:
    """Encoder of MMD-GAN's discriminator, whose code the kernel is applied to.

    For 64 x 64: 32 x 32 x 64 - 16 x 16 x 128 - 8 x 8 x 256 - 4 x 4 x 512 - code, convolutions 4 x 4 at stride 2 (the
    last at stride 1, of the whole image) with LeakyReLU of slope 0.2 and, between the first and last, batch-norm; no
    biases.

    Parameters
    ----------
    size : int
        Height and width of the images [pixels], 4 times 2, 4, 8, ...
    latent : int
        Numbers in the code.
    channels : int
        Of the images.
    base : int
        Channels after the first convolution; each other doubles them.
    groups : int
        Parts of a batch that batch-norm treats apart.

    Returns
    -------
    Network
        Maps (N, size, size, channels) to (N, latent).

    Raises
    ------
    ValueError
        If the size does not fit.

    Notes
    -----
    Weights start as those of the decoder. In training, the encoder's parameters are clamped to [-0.01, 0.01].
    """
    size, latent, channels, base, groups = counts_of(
        size=size, latent=latent, channels=channels, base=base, groups=groups
    )
    layers: list[Layer] = [Conv2d(channels, base, 4, 2, activation=LeakyReLU(0.2), weight=WEIGHT, bias=None)]
    width = base
    for _ in range(halvings(size, START) - 1):
        layers += [
            Conv2d(width, 2 * width, 4, 2, weight=WEIGHT, bias=None),
            BatchNorm(2 * width, LeakyReLU(0.2), epsilon=1e-5, momentum=0.9, scale=SCALE, groups=groups),
        ]
        width *= 2
    layers += [Conv2d(width, latent, START, padding=VALID, weight=WEIGHT, bias=None), Flatten()]
    return Network(Sequential(layers))
