"""BEGAN's networks (Berthelot et al. 2017), as Heusel et al. (2017) ran them for the paper's table 1b."""

from __future__ import annotations

from nets.arguments import counts_of
from nets.halvings import halvings
from nets.layers.activations import ELU
from nets.layers.base import Layer
from nets.layers.conv2d import Conv2d
from nets.layers.linear import Linear
from nets.layers.reshape import Flatten, Reshape
from nets.layers.upsample import Upsample
from nets.network import Network, Sequential


def began_generator(
    size: int = 64, latent: int = 64, channels: int = 3, *, width: int = 128, start: int = 8
) -> Network:
    """BEGAN's generator, which has the form of its discriminator's decoder.

    z - 8 x 8 x n - at each size two convolutions 3 x 3 with ELU, and nearest upsampling up to the next - convolution
    3 x 3 to the channels, linear. All hidden images have n channels; there is no norm.

    Parameters
    ----------
    size : int
        Height and width of the images [pixels], ``start`` times 2, 4, ...
    latent : int
        Numbers in z, uniform on [-1, 1]: 64, the peer's default; what it had in the table is not known.
    channels : int
        Of the images.
    width : int
        n: 128, the peer's default, or 64.
    start : int
        Height and width of the smallest images [pixels].

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
    All weights start Glorot uniform.
    """
    size, latent, channels, width, start = counts_of(
        size=size, latent=latent, channels=channels, width=width, start=start
    )
    return Network(Sequential(_decoder(size, latent, channels, width, start)))


def began_discriminator(
    size: int = 64, latent: int = 64, channels: int = 3, *, width: int = 128, start: int = 8
) -> Network:
    """BEGAN's discriminator: an autoencoder, whose error at an image is the image's energy.

    Encoder: convolution 3 x 3 to n channels; at each size two convolutions 3 x 3 with ELU, with n channels more at
    each, and between them one at stride 2, down to 8 x 8; dense to the code. Decoder: as the generator. A convolution
    at stride 2 halves the size rather than pooling, as in the paper of BEGAN and in the code that the table comes
    from.

    Parameters
    ----------
    size : int
        Height and width of the images [pixels], ``start`` times 2, 4, ...
    latent : int
        Numbers in the code.
    channels : int
        Of the images.
    width : int
        n.
    start : int
        Height and width of the smallest images [pixels].

    Returns
    -------
    Network
        Maps (N, size, size, channels) to the same shape.

    Raises
    ------
    ValueError
        If the size does not fit.

    Notes
    -----
    All weights start Glorot uniform.
    """
    size, latent, channels, width, start = counts_of(
        size=size, latent=latent, channels=channels, width=width, start=start
    )
    layers: list[Layer] = [Conv2d(channels, width, 3, activation=ELU())]
    before, sizes = width, halvings(size, start) + 1
    for i in range(sizes):
        now = width * (i + 1)
        layers += [Conv2d(before, now, 3, activation=ELU()), Conv2d(now, now, 3, activation=ELU())]
        if i < sizes - 1:
            layers.append(Conv2d(now, now, 3, 2, activation=ELU()))
        before = now
    layers += [Flatten(), Linear(start * start * before, latent)]
    return Network(Sequential([*layers, *_decoder(size, latent, channels, width, start)]))


def _decoder(size: int, latent: int, channels: int, width: int, start: int) -> list[Layer]:
    layers: list[Layer] = [Linear(latent, start * start * width), Reshape((start, start, width))]
    sizes = halvings(size, start) + 1
    for i in range(sizes):
        layers += [Conv2d(width, width, 3, activation=ELU()), Conv2d(width, width, 3, activation=ELU())]
        if i < sizes - 1:
            layers.append(Upsample(2))
    return [*layers, Conv2d(width, channels, 3)]
