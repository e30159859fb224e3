"""The Coulomb GAN's own image networks: its authors' ``my`` and ``my-big``."""

from __future__ import annotations

from nets.arguments import count_of, counts_of
from nets.halvings import halvings
from nets.initializers import variance_scaling
from nets.layers.activations import LeakyReLU, ReLU, ScaledTanh, Tanh
from nets.layers.base import Layer
from nets.layers.batchnorm import BatchNorm
from nets.layers.conv2d import Conv2d
from nets.layers.conv_transpose2d import ConvTranspose2d
from nets.layers.linear import Linear
from nets.layers.reshape import Flatten, Reshape
from nets.network import Network, Sequential


def coulomb_generator(
    size: int = 64, latent: int = 32, channels: int = 3, *, width: int = 1024, scaled_tanh: bool = True
) -> Network:
    """Generator of the paper's images: z to a small image, then deconvolutions 5 x 5 at stride 2 (section 3.1).

    For 64 x 64: z (32) - 4 x 4 x 1024 - 8 x 8 x 512 - 16 x 16 x 256 - 32 x 32 x 128 - 64 x 64 x 3, which is the
    figure in the DCGAN paper (Radford et al. 2016) with other kernels. For 32 x 32: z - 4 x 4 x 1024 - 8 x 8 x 512 -
    16 x 16 x 256 - 32 x 32 x 3. ReLU everywhere, batch-norm in all but the first and last layer.

    Parameters
    ----------
    size : int
        Height and width of the images [pixels], a power of 2 from 4 on. Images below 16 x 16 start from size / 4, so
        that there is always a hidden deconvolution.
    latent : int
        Numbers in z, from N(0, 1): 32 for CelebA and LSUN, 16 for CIFAR-10 in the paper; the authors' README has 16
        for LSUN.
    channels : int
        Of the images.
    width : int
        Channels of the first image; each deconvolution halves them.
    scaled_tanh : bool
        End in 1.7159 tanh(2 u / 3), as the authors' ``my`` does, so that the data's -1 and 1 are not its limits; or in
        tanh, their ``my-tanh``.

    Returns
    -------
    Network
        Maps (N, latent) to (N, size, size, channels).

    Raises
    ------
    ValueError
        If the size is not a power of 2, or the width cannot be halved so often.

    Notes
    -----
    Hidden deconvolutions start from a truncated normal of variance 2 / (mean of the fans), the first and last layer
    Glorot uniform. A bias before a batch-norm, which the authors have, is left out: its mean takes it away again.
    """
    size, latent, channels, width = counts_of(size=size, latent=latent, channels=channels, width=width)
    start = min(4, max(size // 4, 1))
    hidden = halvings(size, start) - 1
    if width % 2**hidden:
        raise ValueError(f"width: expected a multiple of {2**hidden} for images of size {size}, got {width}")
    layers: list[Layer] = [Linear(latent, start * start * width, ReLU()), Reshape((start, start, width))]
    for _ in range(hidden):
        deconvolution = ConvTranspose2d(width, width // 2, 5, 2, weight=variance_scaling(2.0), bias=None)
        width //= 2
        layers += [deconvolution, BatchNorm(width, ReLU())]
    layers.append(ConvTranspose2d(width, channels, 5, 2, activation=ScaledTanh() if scaled_tanh else Tanh()))
    return Network(Sequential(layers))


def coulomb_discriminator(
    size: int = 64, channels: int = 3, *, base: int = 128, depth: int | None = None, groups: int = 1
) -> Network:
    """Discriminator of the paper's images: convolutions 5 x 5 at stride 2, then one number (section 3.1).

    For 64 x 64: 32 x 32 x 128 - 16 x 16 x 256 - 8 x 8 x 512 - 4 x 4 x 1024 - 1; each convolution is followed by
    batch-norm, the first too, and LeakyReLU of slope 0.2. The output is linear: it learns a potential.

    Parameters
    ----------
    size : int
        Height and width of the images [pixels], a power of 2 from 4 on.
    channels : int
        Of the images.
    base : int
        Channels after the first convolution; each other doubles them. 128 is the authors' ``my-big``, twice what
        DCGAN has and what the paper used; 64 is their ``my``, 256 their ``my-big2``.
    depth : int, optional
        Number of convolutions. By default 4, or fewer for images below 32 x 32, which end as 2 x 2. The authors' code
        takes it from the batch: log2(batch / 8), which is 4 for their 128, whatever the size; 32 x 32 then ends as 2
        x 2.
    groups : int
        Parts of a batch that batch-norm treats apart: 2 for generated samples followed by real ones, which the
        authors pass one after the other.

    Returns
    -------
    Network
        Maps (N, size, size, channels) to (N, 1).

    Raises
    ------
    ValueError
        If the size is not a power of 2, or there is no convolution.

    Notes
    -----
    Weights start Glorot uniform, TensorFlow's default. A bias before a batch-norm, which the authors have, is left out:
    its mean takes it away again.
    """
    size, channels, base, groups = counts_of(size=size, channels=channels, base=base, groups=groups)
    depth = min(4, halvings(size, 2)) if depth is None else count_of("depth", depth)
    layers: list[Layer] = []
    for i in range(depth):
        width = base << i
        layers += [Conv2d(channels, width, 5, 2, bias=None), BatchNorm(width, LeakyReLU(0.2), groups=groups)]
        channels, size = width, -(-size // 2)
    layers += [Flatten(), Linear(size * size * channels, 1)]
    return Network(Sequential(layers))
