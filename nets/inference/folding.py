"""Batch-norm by running statistics as a part of the convolution before it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from coulombfield.arrays import Array


class Normalization(NamedTuple):
    """Batch-norm in a trained network, an affine map of each channel; all arrays are of shape (C,)."""

    scale: Array
    shift: Array
    mean: Array
    variance: Array


def fold(weight: Array, norm: Normalization, epsilon: float) -> tuple[Array, Array]:
    r"""Weight and bias of a convolution that does what a convolution and a batch-norm do.

    .. math:: \gamma\,\frac{w * x - \mu}{\sqrt{\sigma^2 + \varepsilon}} + \beta = a w * x + (\beta - a \mu), \qquad
        a = \frac{\gamma}{\sqrt{\sigma^2 + \varepsilon}}.

    Parameters
    ----------
    weight : array, shape (..., C)
        With the channels of the result last.
    norm : Normalization
        Of these channels.
    epsilon : float
        Added to the variance.

    Returns
    -------
    weight, bias : array of float64, shape (..., C) and (C,)
        So that rounding to the network's dtype is the only one.
    """
    scale, shift, mean, variance = (array.astype(np.float64) for array in norm)
    factor = scale / (variance + epsilon) ** 0.5
    return weight.astype(np.float64) * factor, shift - factor * mean
