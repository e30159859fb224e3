"""The Inception network of 2015-12-05, whose features the FID compares (Szegedy et al. 2016; Heusel et al. 2017).

It is the third version of Inception as TensorFlow's image recognition tutorial had it, trained on 1008 classes. It
differs from the later ones of the same name: means over windows leave out the padding, and the last block takes maxima
where the others take means.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping

from coulombfield.arrays import Array
from nets import inference
from nets.arguments import count_of
from nets.inference import Branches, Convolution, Inference, MaximumPool, Stage, Step, Window, check_parameters
from nets.primitives.geometry import Padding, Pair

FEATURES = 2048
CLASSES = 1008
SIZE = 299
"""Height and width of the images that it was trained on [pixels]."""
SMALLEST = 75
"""Height and width of the smallest images that leave a pixel to the last block [pixels]."""
EPSILON = 1e-3
"""Added to variances."""

MEANS = Window(3, 1, 1)
HALVE = MaximumPool(Window(3, 2))

ROW, COLUMN = (1, 7), (7, 1)
PARTS = 1, 3, 7, 13
"""Images of a part: of the stem, and of the blocks of 35 x 35, 17 x 17 and 8 x 8 pixels."""


def _same(name: str, channels: int, filters: int, kernel: Pair) -> Convolution:
    """A convolution whose results have the size of its images."""
    return Convolution(name, channels, filters, kernel, padding=_about(kernel))


def _about(kernel: Pair) -> Padding:
    (rows, columns) = kernel[0] // 2, kernel[1] // 2
    return (rows, rows), (columns, columns)


def _row_of(name: str, channels: int, *widths_and_kernels: tuple[str, int, Pair]) -> tuple[Convolution, ...]:
    """Convolutions one after the other, of a branch."""
    row = []
    for suffix, filters, kernel in widths_and_kernels:
        row.append(_same(f"{name}{suffix}", channels, filters, kernel))
        channels = filters
    return tuple(row)


def _block_35(name: str, channels: int, pooled: int) -> Branches:
    """5 x 5, and 3 x 3 twice."""
    five = _row_of(f"{name}.branch5x5", channels, ("_1", 48, (1, 1)), ("_2", 64, (5, 5)))
    three = _row_of(f"{name}.branch3x3dbl", channels, ("_1", 64, (1, 1)), ("_2", 96, (3, 3)), ("_3", 96, (3, 3)))
    return Branches((*_ends(name, channels, 64, five, three), (_pooled(name, channels, pooled),)))


def _block_17(name: str, channels: int, narrow: int) -> Branches:
    """7 x 7 as 1 x 7 and 7 x 1, and that twice."""
    seven = _row_of(f"{name}.branch7x7", channels, ("_1", narrow, (1, 1)), ("_2", narrow, ROW), ("_3", 192, COLUMN))
    twice = _row_of(
        f"{name}.branch7x7dbl",
        channels,
        ("_1", narrow, (1, 1)),
        ("_2", narrow, COLUMN),
        ("_3", narrow, ROW),
        ("_4", narrow, COLUMN),
        ("_5", 192, ROW),
    )
    return Branches((*_ends(name, channels, 192, seven, twice), (_pooled(name, channels, 192),)))


def _block_8(name: str, channels: int, *, maxima: bool) -> Branches:
    """1 x 3 beside 3 x 1, of 1 x 1 and of 3 x 3."""

    def forked(prefix: str, first: str, second: str) -> Branches:
        across = _same(f"{name}.{prefix}{first}", 384, 384, (1, 3))
        down = _same(f"{name}.{prefix}{second}", 384, 384, (3, 1))
        return Branches(((across,), (down,)))

    three: tuple[Step, ...] = _row_of(f"{name}.branch3x3", channels, ("_1", 384, (1, 1)))
    three = (*three, forked("branch3x3", "_2a", "_2b"))
    twice: tuple[Step, ...] = _row_of(f"{name}.branch3x3dbl", channels, ("_1", 448, (1, 1)), ("_2", 384, (3, 3)))
    twice = (*twice, forked("branch3x3dbl", "_3a", "_3b"))
    last: tuple[Step, ...] = (_pooled(name, channels, 192),)
    if maxima:
        last = (MaximumPool(MEANS), Convolution(f"{name}.branch_pool", channels, 192))
    return Branches((*_ends(name, channels, 320, three, twice), last))


def _ends(name: str, channels: int, filters: int, *chains: tuple[Step, ...]) -> tuple[tuple[Step, ...], ...]:
    """The branch of one 1 x 1 convolution, and others behind it."""
    return (Convolution(f"{name}.branch1x1", channels, filters),), *chains


def _pooled(name: str, channels: int, filters: int) -> Convolution:
    return Convolution(f"{name}.branch_pool", channels, filters, means=MEANS)


def _to_17(name: str, channels: int) -> Branches:
    """From 35 x 35 pixels to 17 x 17."""
    three = Convolution(f"{name}.branch3x3", channels, 384, (3, 3), 2)
    twice = _row_of(f"{name}.branch3x3dbl", channels, ("_1", 64, (1, 1)), ("_2", 96, (3, 3)))
    return Branches(((three,), (*twice, Convolution(f"{name}.branch3x3dbl_3", 96, 96, (3, 3), 2)), (HALVE,)))


def _to_8(name: str, channels: int) -> Branches:
    """From 17 x 17 pixels to 8 x 8."""
    three = Convolution(f"{name}.branch3x3_1", channels, 192), Convolution(f"{name}.branch3x3_2", 192, 320, (3, 3), 2)
    seven = _row_of(f"{name}.branch7x7x3", channels, ("_1", 192, (1, 1)), ("_2", 192, ROW), ("_3", 192, COLUMN))
    return Branches((three, (*seven, Convolution(f"{name}.branch7x7x3_4", 192, 192, (3, 3), 2)), (HALVE,)))


@functools.cache
def stages() -> tuple[Stage, ...]:
    """The network; its blocks are called ``Mixed_5b`` to ``Mixed_7c``."""
    stem = [
        Convolution("Conv2d_1a_3x3", 3, 32, (3, 3), 2),
        Convolution("Conv2d_2a_3x3", 32, 32, (3, 3)),
        _same("Conv2d_2b_3x3", 32, 64, (3, 3)),
        Convolution("Conv2d_3b_1x1", 64, 80),
        Convolution("Conv2d_4a_3x3", 80, 192, (3, 3)),
    ]
    steps: dict[str, Step] = {step.name: step for step in stem[:3]}
    steps["maxpool_3a"] = HALVE
    steps |= {step.name: step for step in stem[3:]}
    steps["maxpool_5a"] = HALVE
    large: dict[str, Step] = {
        name: _block_35(name, channels, pooled)
        for name, channels, pooled in (("Mixed_5b", 192, 32), ("Mixed_5c", 256, 64), ("Mixed_5d", 288, 64))
    }
    large["Mixed_6a"] = _to_17("Mixed_6a", 288)
    medium: dict[str, Step] = {
        name: _block_17(name, 768, narrow)
        for name, narrow in (("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192))
    }
    medium["Mixed_7a"] = _to_8("Mixed_7a", 768)
    small: dict[str, Step] = {
        "Mixed_7b": _block_8("Mixed_7b", 1280, maxima=False),
        "Mixed_7c": _block_8("Mixed_7c", 2048, maxima=True),
    }
    return tuple(Stage(each, images) for each, images in zip((steps, large, medium, small), PARTS, strict=True))


def convolutions() -> tuple[Convolution, ...]:
    """All 94 of them, in order."""
    return tuple(inference.convolutions([step for stage in stages() for step in stage.steps.values()]))


def shapes() -> dict[str, tuple[int, ...]]:
    """Shapes of all parameters by name.

    Those of :class:`~nets.inference.Convolution` for each of the convolutions, which have the names of the published
    PyTorch file, such as ``Mixed_5b.branch5x5_1``; and ``fc.weight`` (2048, 1008) and ``fc.bias`` (1008,).
    """
    of_convolutions = {name: shape for each in convolutions() for name, shape in each.shapes().items()}
    return of_convolutions | {"fc.weight": (FEATURES, CLASSES), "fc.bias": (CLASSES,)}


class Inception:
    """The network with its parameters, forward only.

    Parameters
    ----------
    parameters : mapping from str to array
        What :func:`shapes` says, all float32 or all float64, NumPy or CuPy.
    size : int
        Height and width of the images [pixels], at least :data:`SMALLEST`; 299 for features that the FID compares.

    Raises
    ------
    ValueError
        If a parameter is missing or has another shape; the message names it. If the size is too small.
    TypeError
        If a parameter is no array of the others' dtype.
    """

    def __init__(self, parameters: Mapping[str, Array], size: int = SIZE):
        size = count_of("size", size)
        if size < SMALLEST:
            raise ValueError(f"size: expected at least {SMALLEST} pixels, got {size}")
        check_parameters(shapes(), parameters)
        self._blocks = Inference(stages(), (size, size, 3), parameters, EPSILON)
        self._weight, self._bias = parameters["fc.weight"], parameters["fc.bias"]

    def __call__(self, images: Array) -> tuple[Array, Array]:
        """Features and logits.

        Parameters
        ----------
        images : array, shape (N, size, size, 3)
            Numbers of about [-1, 1], of the parameters' dtype and library.

        Returns
        -------
        features : array, shape (N, 2048)
            Means of the last block's channels over its pixels, ``pool_3`` of the published graph.
        logits : array, shape (N, 1008)
            Their product with the weights of the classes, and biases.

        Raises
        ------
        ValueError, TypeError
            If the shape or the dtype is another.

        Notes
        -----
        Memory beside the images, in float32: 220 MB for the weights as products need them, 70 MB for each thread and
        2 MB for each image.
        """
        features = self._blocks(images).mean((1, 2))
        return features, features @ self._weight + self._bias

    def blocks(self, images: Array) -> Iterator[tuple[str, Array]]:
        """Names and results of the steps one after the other, the 11 blocks of branches among them."""
        return self._blocks.results(images)
