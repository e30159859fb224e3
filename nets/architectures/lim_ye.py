"""The fully connected networks that Lim & Ye (2017) ran on the 25 Gaussians, to whose figure the paper adds its own."""

from __future__ import annotations

from nets.arguments import counts_of
from nets.initializers import normal
from nets.layers.activations import ReLU
from nets.layers.base import Layer
from nets.layers.batchnorm import BatchNorm
from nets.layers.linear import Linear
from nets.network import Network, Sequential

DEVIATION = 0.01
"""Standard deviation of the weights at the start, and of batch-norm's scale about 1."""


def lim_ye_generator(
    latent: int = 4, outputs: int = 2, *, width: int = 128, hidden: int = 3, deviation: float = DEVIATION
) -> Network:
    """Generator of Lim & Ye's toy data: hidden layers without bias, each with batch-norm and ReLU, and a linear one.

    Parameters
    ----------
    latent : int
        Numbers in z, from N(0, 1).
    outputs : int
        Coordinates of a sample.
    width, hidden : int
        Units of a hidden layer, and how many such layers there are.
    deviation : float
        Standard deviation of the weights at the start. Batch-norm takes it out of the hidden layers.

    Returns
    -------
    Network
        Maps (N, latent) to (N, outputs).

    Raises
    ------
    ValueError
        If a width is not positive, or there is no hidden layer.

    Notes
    -----
    From the authors' program (lim0606/pytorch-geometric-gan, ``models/toy4.py`` and ``main.py``): the numbers that its
    ``normal_`` takes are deviations, biases start at 0, and batch-norm has PyTorch's epsilon, 1e-5. The last layer's
    weights start as small as all others: all samples start near the origin.
    """
    latent, outputs, width, hidden = counts_of(latent=latent, outputs=outputs, width=width, hidden=hidden)
    weight = normal(deviation)
    layers: list[Layer] = []
    for i in range(hidden):
        layers.append(Linear(width if i else latent, width, weight=weight, bias=None))
        layers.append(BatchNorm(width, ReLU(), epsilon=1e-5, momentum=0.9, scale=normal(DEVIATION, mean=1.0)))
    return Network(Sequential([*layers, Linear(width, outputs, weight=weight)]))


def lim_ye_discriminator(
    inputs: int = 2, outputs: int = 1, *, width: int = 128, hidden: int = 3, deviation: float = DEVIATION
) -> Network:
    """Discriminator of Lim & Ye's toy data: hidden layers with ReLU, and a linear one; no batch-norm.

    Parameters
    ----------
    inputs : int
        Coordinates of a sample.
    outputs : int
        Numbers for each sample; the authors have one.
    width, hidden : int
        Units of a hidden layer, and how many such layers there are.
    deviation : float
        Standard deviation of the weights at the start; biases start at 0.

    Returns
    -------
    Network
        Maps (N, inputs) to (N, outputs).

    Raises
    ------
    ValueError
        If a width is not positive, or there is no hidden layer.
    """
    inputs, outputs, width, hidden = counts_of(inputs=inputs, outputs=outputs, width=width, hidden=hidden)
    return Network(Sequential(_dense(inputs, outputs, width, hidden, deviation)))


def lim_ye_autoencoder(
    inputs: int = 2, code: int = 2, *, width: int = 128, hidden: int = 3, deviation: float = DEVIATION
) -> Network:
    """Autoencoder of the discriminator's layers, there and back by way of a linear code.

    Lim & Ye ran none: it is for those GANs whose discriminator is an autoencoder.

    Parameters
    ----------
    inputs : int
        Coordinates of a sample.
    code : int
        Numbers of its code.
    width, hidden : int
        Units of a hidden layer, and how many such layers there are on either side of the code.
    deviation : float
        Standard deviation of the weights at the start; biases start at 0.

    Returns
    -------
    Network
        Maps (N, inputs) to (N, inputs).

    Raises
    ------
    ValueError
        If a width is not positive, or there is no hidden layer.
    """
    inputs, code, width, hidden = counts_of(inputs=inputs, code=code, width=width, hidden=hidden)
    encoder = _dense(inputs, code, width, hidden, deviation)
    return Network(Sequential([*encoder, *_dense(code, inputs, width, hidden, deviation)]))


def _dense(inputs: int, outputs: int, width: int, hidden: int, deviation: float) -> list[Layer]:
    weight = normal(deviation)
    layers: list[Layer] = [Linear(width if i else inputs, width, ReLU(), weight=weight) for i in range(hidden)]
    return [*layers, Linear(width, outputs, weight=weight)]
