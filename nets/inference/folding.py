"""Batch-norm by running statistics as a part of the convolution before it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Normalization(NamedTuple):
    """Batch-norm in a trained network, an affine map of each channel; all arrays are of shape (C,)."""

    scale: np.ndarray
    shift: np.ndarray
    mean: np.ndarray
    variance: np.ndarray


def fold(weight: np.ndarray, norm: Normalization, epsilon: float) -> tuple[np.ndarray, np.ndarray]:
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
    scale, shift, mean, variance = (np.asarray(array, np.float64) for array in norm)
    factor = scale / np.sqrt(variance + epsilon)
    return weight * factor, shift - factor * mean
