"""The networks of the language model: residual blocks of one-dimensional convolutions (section 3.2)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

from nets.arguments import count_of, counts_of
from nets.initializers import Initializer, glorot_uniform, zeros
from nets.layers.activations import ReLU
from nets.layers.base import Layer
from nets.layers.batchnorm import BatchNorm
from nets.layers.conv1d import Conv1d
from nets.layers.linear import Linear
from nets.layers.placenorm import PlaceNorm
from nets.layers.reshape import Flatten, Reshape
from nets.layers.residual import Residual
from nets.layers.softmax import Softmax
from nets.network import Network, Sequential

Norm = Callable[..., Layer]

FACTOR = 0.3
"""What a block's body is multiplied by before the shortcut is added."""


def language_generator(
    length: int = 32,
    vocabulary: int = 2048,
    latent: int = 128,
    *,
    width: int = 512,
    blocks: int = 5,
    batch_norm: Literal["channels", "places"] | None = "channels",
    weight: Initializer = glorot_uniform,
) -> Network:
    """Generator of lines of characters: a distribution over the vocabulary at each place (section 3.2).

    z - 32 x 512 - five blocks - convolution of single places to the vocabulary - softmax. A block is
    x + 0.3 body(x), with body = ReLU, convolution over 5 places, ReLU, convolution over 5 places.

    Parameters
    ----------
    length : int
        Places of a line [characters].
    vocabulary : int
        Characters: at most 2048 in the paper's data.
    latent : int
        Numbers in z, from N(0, 1): 128 in WGAN-GP; what the paper's run had is not known.
    width : int
        Channels of the blocks.
    blocks : int
        How many.
    batch_norm : {"channels", "places"} or None
        What the batch-norms normalise by itself that follow the dense layer and each convolution of a block, as the
        Coulomb GAN's authors added: each channel, or each place; None leaves them out, as WGAN-GP's generator
        (Gulrajani et al. 2017) has none.
    weight : Initializer
        How convolutions start: Glorot uniform for the Coulomb GAN's authors,
        :func:`~nets.initializers.he_uniform` for WGAN-GP.

    Returns
    -------
    Network
        Maps (N, latent) to (N, length, vocabulary), positive numbers that add up to 1 at each place.

    Notes
    -----
    Batch-norm has a shift and no scale, epsilon 1e-5 in the blocks and 1e-3 after the dense layer, where it normalises
    each of the 32 x 512 numbers. In the blocks the authors' arrays have channels before places, and their batch-norm,
    of the last axis, normalises each place over samples and channels: "places". That seems an oversight, and the
    default is to normalise each channel. Biases of convolutions before a batch-norm of channels are left out: its mean
    takes them away again; before one of places they are not.
    """
    length, vocabulary, latent, width = counts_of(length=length, vocabulary=vocabulary, latent=latent, width=width)
    blocks = count_of("blocks", blocks, least=0)
    layers: list[Layer] = [Linear(latent, length * width)]
    if batch_norm not in ("channels", "places", None):
        raise ValueError(f"batch_norm: expected 'channels', 'places' or None, got {batch_norm!r}")
    if batch_norm:
        layers.append(BatchNorm(length * width, scale=None))
    layers.append(Reshape((length, width)))
    norm = {
        "channels": partial(BatchNorm, width, momentum=0.9),
        "places": partial(PlaceNorm, length, width),
        None: None,
    }[batch_norm]
    layers += [_block(width, weight, norm, biases=batch_norm != "channels") for _ in range(blocks)]
    layers += [Conv1d(width, vocabulary, 1, weight=weight), Softmax()]
    return Network(Sequential(layers))


def language_discriminator(
    length: int = 32,
    vocabulary: int = 2048,
    *,
    width: int = 512,
    blocks: int = 5,
    weight: Initializer = glorot_uniform,
) -> Network:
    """Discriminator of lines of characters: the generator's blocks, without batch-norm (section 3.2).

    Convolution of single places to 512 channels - five blocks - dense to one number. Its input is a distribution at
    each place, or ones and zeros for a line of the data.

    Parameters
    ----------
    length : int
        Places of a line [characters].
    vocabulary : int
        Characters.
    width : int
        Channels of the blocks.
    blocks : int
        How many.
    weight : Initializer
        How convolutions start; see :func:`language_generator`.

    Returns
    -------
    Network
        Maps (N, length, vocabulary) to (N, 1).
    """
    length, vocabulary, width = counts_of(length=length, vocabulary=vocabulary, width=width)
    blocks = count_of("blocks", blocks, least=0)
    layers: list[Layer] = [Conv1d(vocabulary, width, 1, weight=weight)]
    layers += [_block(width, weight) for _ in range(blocks)]
    layers += [Flatten(), Linear(length * width, 1)]
    return Network(Sequential(layers))


def _block(width: int, weight: Initializer, norm: Norm | None = None, *, biases: bool = True) -> Residual:
    convolution = partial(Conv1d, width, width, 5, weight=weight, bias=zeros if biases else None)
    body: list[Layer]
    if norm is None:
        body = [ReLU(), convolution(activation=ReLU()), convolution()]
    else:
        norm = partial(norm, epsilon=1e-5, scale=None)
        body = [ReLU(), convolution(), norm(ReLU()), convolution(), norm()]
    return Residual(Sequential(body), factor=FACTOR)
