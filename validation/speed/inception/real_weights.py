"""The Inception network with real weights against TensorFlow.js, on photographs.

The weights are those of an Inception v3 whose convolutions are FID's, in order. It was trained without a scale after
each normalization, which is 1 here, and with means in the last block, where the other program is told to take maxima
(:mod:`.tensorflow_js`). The 256 numbers of its next layer are the first of the network's 1008 logits; the weights of
the rest are 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np

from experiments.features.tensorflow_resizing import bilinear
from nets.architectures import inception
from nets.inference import Branches, Convolution, Step

from ..rows import Difference, relative

OF_KERAS = {"shift": "beta", "mean": "moving_mean", "variance": "moving_variance"}


def differences(photographs: np.ndarray, tensors: Mapping[str, np.ndarray], dtype: type) -> list[Difference]:
    """Differences of resized photographs, each block, features and logits, with ours computed in this dtype.

    Parameters
    ----------
    photographs : array of uint8, shape (N, H, W, 3)
    tensors : mapping from str to array of float32
        Weights and outputs, as :func:`.tensorflow_js.ask` says. Both networks take the other program's resized images.
    dtype : type
        float32 or float64.
    """
    size = tensors["resized"].shape[1]
    network = inception.Inception(parameters_of(tensors, dtype), size)
    x = tensors["resized"].astype(dtype) / dtype(255)
    blocks = [(name, found) for name, found in network.blocks(x) if name.startswith("Mixed")]
    features, logits = network(x)
    ours = [
        ("resized", "resized", bilinear(photographs, size)),
        *((name, f"mixed{number}", found) for number, (name, found) in enumerate(blocks)),
        ("features", "flatten_1", features),
        ("logits", "dense_1", logits[:, : tensors["dense_1"].shape[1]]),
    ]
    quantity = f"{np.dtype(dtype).name}, real weights"
    return [Difference(name, quantity, relative(found, tensors[theirs])) for name, theirs, found in ours]


def parameters_of(tensors: Mapping[str, np.ndarray], dtype: type) -> dict[str, np.ndarray]:
    """Parameters of :func:`nets.architectures.inception.shapes` from those that Keras numbers from 1 on."""
    found: dict[str, np.ndarray] = {}
    for number, each in enumerate(inception.convolutions(), start=1):
        found[f"{each.name}.weight"] = tensors[f"conv2d_{number}/kernel"]
        found[f"{each.name}.scale"] = np.ones(each.filters)
        for ours, theirs in OF_KERAS.items():
            found[f"{each.name}.{ours}"] = tensors[f"batch_normalization_{number}/{theirs}"]
    weight, bias = tensors["dense_1/kernel"], tensors["dense_1/bias"]
    rest = inception.CLASSES - len(bias)
    found["fc.weight"], found["fc.bias"] = np.pad(weight, ((0, 0), (0, rest))), np.pad(bias, (0, rest))
    return {name: array.astype(dtype) for name, array in found.items()}


def rounding() -> float:
    r"""Relative difference that rounding to float32 explains.

    A sum of K products is off by about :math:`u \sqrt K` of its size, :math:`u = 2^{-24}`, as a walk of K steps of
    either sign. Errors of layers one after the other make one longer walk, so that those of the longest chain of
    convolutions and of the logits amount to :math:`u \sqrt{\sum K}`.
    """
    steps = [step for stage in inception.stages() for step in stage.steps.values()]
    return float(2.0**-24 * math.sqrt(_products(steps) + inception.FEATURES))


def _products(steps: Iterable[Step]) -> int:
    """Products in the sums of a chain, its branches' longest ones among them."""
    total = 0
    for step in steps:
        if isinstance(step, Convolution):
            total += math.prod(step.kernel) * step.channels
        elif isinstance(step, Branches):
            total += max(map(_products, step.chains))
    return total
