"""The Inception network with real weights against TensorFlow.js, on photographs.

The weights are those of an Inception v3 whose convolutions are FID's, in order. It was trained without a scale after
each normalization, which is 1 here, and with means in the last block, where the other program is told to take maxima
(:mod:`.tensorflow_js`). The 256 numbers of its next layer are the first of the network's 1008 logits; the weights of
the rest are 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from experiments.features.tensorflow_resizing import bilinear
from nets.architectures import inception
from nets.inference import Branches, Convolution, Step

from ..rows import Difference, relative

OUTPUTS = (*(f"mixed{number}" for number in range(11)), "flatten_1", "dense_1")
"""What Keras calls results of the eleven blocks, features and logits."""
OF_KERAS = {"shift": "beta", "mean": "moving_mean", "variance": "moving_variance"}


def differences(photographs: np.ndarray, tensors: Mapping[str, np.ndarray]) -> Iterator[Difference]:
    """Differences of resized photographs, each block, features and logits, ours in float64 and in float32.

    Parameters
    ----------
    photographs : array of uint8, shape (N, H, W, 3)
    tensors : mapping from str to array of float32
        Weights and outputs, as :func:`.tensorflow_js.ask` says. Both networks take the other program's resized images.
    """
    size = tensors["resized"].shape[1]
    yield Difference("resized", "float32", relative(bilinear(photographs, size), tensors["resized"]))
    double, single = (_outputs(tensors, size, dtype) for dtype in (np.float64, np.float32))
    for (name, exact), rounded, theirs in zip(double.items(), single.values(), OUTPUTS, strict=True):
        yield Difference(name, "float64", relative(exact, tensors[theirs]))
        yield Difference(name, "float32", relative(rounded, tensors[theirs]))


def _outputs(tensors: Mapping[str, np.ndarray], size: int, dtype: type) -> dict[str, np.ndarray]:
    """Ours, in the order of ``OUTPUTS``."""
    network = inception.Inception(parameters_of(tensors, dtype), size)
    x = tensors["resized"].astype(dtype) / dtype(255)
    blocks = {name: found for name, found in network.blocks(x) if name.startswith("Mixed")}
    features, logits = network(x)
    return blocks | {"features": features, "logits": logits[:, : tensors["dense_1"].shape[1]]}


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
    r"""Relative difference of two programs that rounding to float32 explains.

    A sum of K products is off by about :math:`u \sqrt K` of its size, :math:`u = 2^{-24}`, as a walk of K steps of
    either sign. Errors of layers one after the other make one longer walk, so that those of the longest chain of
    convolutions and of the logits amount to :math:`u \sqrt{\sum K}`, on either side.
    """
    steps = [step for stage in inception.stages() for step in stage.steps.values()]
    return 2 * 2.0**-24 * math.sqrt(_products(steps) + inception.FEATURES)


def _products(steps: Iterable[Step]) -> int:
    """Products in the sums of a chain, its branches' longest ones among them."""
    total = 0
    for step in steps:
        if isinstance(step, Convolution):
            total += math.prod(step.kernel) * step.channels
        elif isinstance(step, Branches):
            total += max(map(_products, step.chains))
    return total
