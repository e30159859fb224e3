"""EBGAN's networks for images of 64 x 64 (Zhao et al. 2017, appendix on LSUN and CelebA)."""

from __future__ import annotations

from nets.architectures.mmd_gan import SCALE, WEIGHT, mmd_gan_decoder
from nets.arguments import counts_of
from nets.layers.activations import LeakyReLU, Tanh
from nets.layers.base import Layer
from nets.layers.batchnorm import BatchNorm
from nets.layers.conv2d import Conv2d
from nets.layers.conv_transpose2d import ConvTranspose2d
from nets.layers.reshape import Flatten, Reshape
from nets.network import Network, Sequential

HALVINGS = 3
"""How often the autoencoder halves an image."""


def ebgan_generator(size: int = 64, latent: int = 100, channels: int = 3, *, base: int = 128) -> Network:
    """EBGAN's generator, a DCGAN with 4 x 4 kernels.

    For 64 x 64: z - 4 x 4 x 1024 - 8 x 8 x 512 - 16 x 16 x 256 - 32 x 32 x 128 - 64 x 64 x 3, the deconvolutions of
    :func:`mmd_gan_decoder` with twice its channels.

    Parameters
    ----------
    size : int
        Height and width of the images [pixels], 4 times 2, 4, 8, ...
    latent : int
        Numbers in z.
    channels : int
        Of the images.
    base : int
        Channels of the last hidden images; each smaller size has twice as many.

    Returns
    -------
    Network
        Maps (N, latent) to (N, size, size, channels).

    Raises
    ------
    ValueError
        If the size does not fit.
    """
    return mmd_gan_decoder(size, latent, channels, base=base)


def ebgan_encoder(size: int = 64, code: int = 16384, channels: int = 3, *, base: int = 64) -> Network:
    """Encoder of EBGAN's discriminator.

    For 64 x 64: 32 x 32 x 64 - 16 x 16 x 128 - 8 x 8 x 256, convolutions 4 x 4 at stride 2 with LeakyReLU of slope 0.2
    and, behind the first, batch-norm. The last images are the code.

    Parameters
    ----------
    size : int
        Height and width of the images [pixels], a multiple of 8
    code : int
        Numbers in the code: (size / 8)² for each channel of its images, of which the authors have 256.
    channels : int
        Of the images.
    base : int
        Channels after the first convolution; the second doubles them.

    Returns
    -------
    Network
        Maps (N, size, size, channels) to (N, code).

    Raises
    ------
    ValueError
        If the size or the code does not fit.

    Notes
    -----
    From the paper are the convolutions and their channels. Activations, batch-norm on all layers but the first and the
    output, and weights that start normal with deviation 0.02 are those of DCGAN, by whose guidance the authors say that
    they went.
    """
    size, code, channels, base = counts_of(size=size, code=code, channels=channels, base=base)
    _, width = _code_images(size, code)
    layers: list[Layer] = [
        Conv2d(channels, base, 4, 2, activation=LeakyReLU(0.2), weight=WEIGHT),
        Conv2d(base, 2 * base, 4, 2, weight=WEIGHT, bias=None),
        _norm(2 * base),
        Conv2d(2 * base, width, 4, 2, weight=WEIGHT, bias=None),
        _norm(width),
        Flatten(),
    ]
    return Network(Sequential(layers))


def ebgan_decoder(size: int = 64, code: int = 16384, channels: int = 3, *, base: int = 64) -> Network:
    """Decoder of EBGAN's discriminator: the encoder's way back by deconvolutions 4 x 4, the last one with tanh.

    Parameters are those of :func:`ebgan_encoder`, and so are errors and notes.

    Returns
    -------
    Network
        Maps (N, code) to (N, size, size, channels).
    """
    size, code, channels, base = counts_of(size=size, code=code, channels=channels, base=base)
    side, width = _code_images(size, code)
    layers: list[Layer] = [
        Reshape((side, side, width)),
        ConvTranspose2d(width, 2 * base, 4, 2, weight=WEIGHT, bias=None),
        _norm(2 * base),
        ConvTranspose2d(2 * base, base, 4, 2, weight=WEIGHT, bias=None),
        _norm(base),
        ConvTranspose2d(base, channels, 4, 2, activation=Tanh(), weight=WEIGHT),
    ]
    return Network(Sequential(layers))


def _code_images(size: int, code: int) -> tuple[int, int]:
    """Side and channels of the code's images."""
    side = size >> HALVINGS
    if side < 1 or side << HALVINGS != size:
        raise ValueError(f"size: expected a multiple of {1 << HALVINGS}, got {size}")
    if code % side**2:
        raise ValueError(f"code: expected a multiple of {side**2} numbers for images of {size} x {size}, got {code}")
    return side, code // side**2


def _norm(width: int) -> BatchNorm:
    return BatchNorm(width, LeakyReLU(0.2), epsilon=1e-5, momentum=0.9, scale=SCALE)
