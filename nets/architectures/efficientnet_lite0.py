"""EfficientNet-Lite0 (Tan and Le 2019, in TensorFlow's version for small devices), forwards only."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numba
import numpy as np

from coulombfield.threads import lone_products, share
from nets.inference.depthwise import Depthwise
from nets.inference.folding import Normalization, fold
from nets.inference.pointwise import Pointwise
from nets.primitives.bounded import bias_bounded
from nets.primitives.convolution_maps import prepare
from nets.primitives.geometry import Geometry, same_padding

SIZE = 224
"""Height and width of the images that it was trained with [pixels]."""
FEATURES, CLASSES = 1280, 1000
EPSILON = 1e-3
CEILING = 6.0
STEM = 32


class Stage(NamedTuple):
    """Blocks alike; the stride is the first one's."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)

TASK, TASKS = 8, 8
"""Most images that one thread takes at a time, and tasks that are wanted of a batch, for threads to share."""
TOGETHER = 2**18
"""Numbers between the two 1 x 1 convolutions of a block, from which on images go through it one by one: 1 MB, which
stays in a processor's cache, and rows enough for a matrix product."""


class Convolved(NamedTuple):
    """Weights of a convolution and of the batch-norm after it."""

    weight: np.ndarray
    """Weights, of shape (kh, kw, C, K), or (kh, kw, C) of a depthwise one."""
    norm: Normalization


def weight_shapes() -> dict[str, tuple[int, ...]]:
    """Names of all convolutions, in their order, and the shapes of their weights.

    ``stem``, ``blocks.I.expand`` (not in the first block), ``blocks.I.depthwise``, ``blocks.I.project`` and ``head``.
    """
    shapes: dict[str, tuple[int, ...]] = {"stem": (3, 3, 3, STEM)}
    for i, (_, stage, channels) in enumerate(_blocks()):
        wide = channels * stage.expansion
        if stage.expansion > 1:
            shapes[f"blocks.{i}.expand"] = (1, 1, channels, wide)
        shapes[f"blocks.{i}.depthwise"] = (stage.kernel, stage.kernel, wide)
        shapes[f"blocks.{i}.project"] = (1, 1, wide, stage.channels)
    return shapes | {"head": (1, 1, STAGES[-1].channels, FEATURES)}


def _blocks() -> Iterator[tuple[int, Stage, int]]:
    """Stride, stage and channels before each block."""
    channels = STEM
    for stage in STAGES:
        for repeat in range(stage.repeats):
            yield (1 if repeat else stage.stride), stage, channels
            channels = stage.channels


class EfficientNetLite0:
    r"""Features and logits of images.

    A convolution 3 x 3 at stride 2 to 32 channels; blocks of a convolution 1 x 1 that has ``expansion`` times as many
    channels, a depthwise one, and one 1 x 1 without activation, to whose result the block's input is added where that
    has the same shape; a convolution 1 x 1 to 1280 channels, whose means over all pixels are the features; and a linear
    map. Batch-norm after each convolution; ReLU6; TensorFlow's SAME padding.

    Parameters
    ----------
    convolutions : mapping from str to Convolved
        Those of :func:`weight_shapes`.
    classifier : pair of arrays, shape (1280, 1000) and (1000,)
        Weight and bias of the linear map.
    dtype : dtype
        float32 or float64.

    Raises
    ------
    ValueError
        If a convolution is missing or an array has another shape.

    Notes
    -----
    On the host only. Memory is that of the images and 12 MB (float32) a thread. The bits of a result don't depend on
    the number of threads.
    """

    def __init__(
        self,
        convolutions: Mapping[str, Convolved],
        classifier: tuple[np.ndarray, np.ndarray],
        dtype: np.typing.DTypeLike = np.float32,
    ):
        _check(convolutions, classifier)
        self.dtype = np.dtype(dtype)

        def folded(name: str) -> tuple[np.ndarray, np.ndarray]:
            weight, bias = fold(*convolutions[name], EPSILON)
            return weight.astype(self.dtype), bias.astype(self.dtype)

        def pointwise(name: str, ceiling: float | None) -> Pointwise:
            weight, bias = folded(name)
            return Pointwise(weight[0, 0], bias, ceiling)

        self._stem = folded("stem")
        self._layers = [
            _Block(
                pointwise(f"blocks.{i}.expand", CEILING) if stage.expansion > 1 else None,
                Depthwise(*folded(f"blocks.{i}.depthwise"), stride, CEILING),
                pointwise(f"blocks.{i}.project", None),
            )
            for i, (stride, stage, _) in enumerate(_blocks())
        ]
        self._head = pointwise("head", CEILING)
        self._classifier = tuple(np.ascontiguousarray(array, self.dtype) for array in classifier)

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features (N, 1280) and logits (N, 1000).

        Parameters
        ----------
        x : array, shape (N, H, W, 3)
            Images (v - 127) / 128 for values v from 0 to 255, of the network's dtype; 224 x 224 in training.

        Raises
        ------
        ValueError
            If x is of another shape or dtype.
        """
        if x.ndim != 4 or x.shape[3] != 3 or min(x.shape[1:3]) < 1 or x.dtype != self.dtype:
            raise ValueError(f"x: expected (N, H, W, 3) of {self.dtype}, got {x.shape} of {x.dtype}")
        features = np.empty((len(x), FEATURES), self.dtype)
        task = max(1, min(TASK, len(x) // TASKS))
        parts = [slice(i, min(i + task, len(x))) for i in range(0, len(x), task)]
        height, width = x.shape[1:3]
        stem = Geometry((height, width), (3, 3), (2, 2), same_padding((height, width), (3, 3), (2, 2)))
        free = [_Memory(self.dtype) for _ in range(min(numba.get_num_threads(), len(parts)))]

        def work(start: int, stop: int) -> None:
            memory = free.pop()
            for part in parts[start:stop]:
                self._pass(x[part], stem, features[part], memory)
            free.append(memory)

        with lone_products():
            share(work, len(parts))
        weight, bias = self._classifier
        return features, features @ weight + bias

    def _pass(self, x: np.ndarray, stem: Geometry, features: np.ndarray, memory: _Memory) -> None:
        """Features of a few images, in one thread."""
        weight, bias = self._stem
        h = memory.take("even", (len(x), *stem.output, STEM))
        kernel = prepare(weight, stem, 1)
        for image in range(len(x)):
            kernel.convolve(x[image : image + 1], h[image : image + 1])
            bias_bounded(h[image : image + 1], bias, CEILING)
        for i, block in enumerate(self._layers):
            h = block.forward(h, memory, "even" if i % 2 else "odd")
        last = memory.take("wide", (*h.shape[:3], FEATURES))
        self._head.forward(h, last)
        np.mean(last, axis=(1, 2), out=features)


class _Memory:
    """Arrays that the blocks of one thread use in turns."""

    def __init__(self, dtype: np.dtype):
        self._dtype = dtype
        self._kept: dict[str, np.ndarray] = {}

    def take(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """Contiguous array of this shape, in memory that others under this name had."""
        size = math.prod(shape)
        kept = self._kept.get(name)
        if kept is None or kept.size < size:
            kept = self._kept[name] = np.empty(size, self._dtype)
        return kept[:size].reshape(shape)


class _Block(NamedTuple):
    """1 x 1 convolution, depthwise convolution and 1 x 1 convolution."""

    expand: Pointwise | None
    depthwise: Depthwise
    project: Pointwise

    def forward(self, x: np.ndarray, memory: _Memory, name: str) -> np.ndarray:
        """The result, in the memory of this name."""
        n, height, width, _ = x.shape
        step = self.depthwise.stride[0]
        size, wide = (-(-height // step), -(-width // step)), len(self.depthwise.bias)
        y = memory.take(name, (n, *size, len(self.project.bias)))
        group = max(1, TOGETHER // (height * width * wide))
        for start in range(0, n, group):
            part = slice(start, start + group)
            h = x[part]
            if self.expand is not None:
                h = self.expand.forward(h, memory.take("wide", (*h.shape[:3], wide)))
            h = self.depthwise.forward(h, memory.take("filtered", (len(h), *size, wide)))
            self.project.forward(h, y[part])
            if y.shape == x.shape:
                y[part] += x[part]
        return y


def _check(convolutions: Mapping[str, Convolved], classifier: tuple[np.ndarray, np.ndarray]) -> None:
    for name, shape in weight_shapes().items():
        if name not in convolutions:
            raise ValueError(f"convolutions: {name} is missing")
        weight, norm = convolutions[name]
        if weight.shape != shape:
            raise ValueError(f"convolutions: {name}: expected weights of shape {shape}, got {weight.shape}")
        for part, array in norm._asdict().items():
            if array.shape != shape[-1:]:
                raise ValueError(f"convolutions: {name}: expected a {part} of shape {shape[-1:]}, got {array.shape}")
    for part, array, shape in zip(("weight", "bias"), classifier, ((FEATURES, CLASSES), (CLASSES,)), strict=True):
        if array.shape != shape:
            raise ValueError(f"classifier: expected a {part} of shape {shape}, got {array.shape}")
