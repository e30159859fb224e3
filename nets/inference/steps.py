"""What networks are described by that only infer: steps, which say nothing of the size of the images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from nets.primitives.geometry import Geometry, Padding, Pair

VALID: Padding = (0, 0), (0, 0)
Shape = tuple[int, int, int]
"""Height, width and channels of an image."""


@dataclass(frozen=True)
class Convolution:
    """Convolution, batch normalization and ReLU.

    Parameters
    ----------
    name : str
        Of its parameters: ``NAME.weight`` (kh, kw, channels, filters) and ``NAME.scale``, ``NAME.shift``, ``NAME.mean``
        and ``NAME.variance`` (filters,).
    channels, filters : int
        Of its images and of its results.
    kernel : pair of int
        Rows and columns of a window [pixels].
    stride : int
        Distance of windows [pixels].
    padding : pair of pairs of int
        Zeros about the images [pixels].
    means : Window, optional
        Windows whose means the convolution, 1 x 1 then, is of; by default, of the pixels themselves.
    """

    name: str
    channels: int
    filters: int
    kernel: Pair = (1, 1)
    stride: int = 1
    padding: Padding = VALID
    means: Window | None = None

    @property
    def pointwise(self) -> bool:
        """Whether it is a product of each pixel with a matrix."""
        return self.kernel == (1, 1) and self.stride == 1 and self.padding == VALID

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of its parameters."""
        shapes: dict[str, tuple[int, ...]] = {f"{self.name}.weight": (*self.kernel, self.channels, self.filters)}
        return shapes | {f"{self.name}.{each}": (self.filters,) for each in ("scale", "shift", "mean", "variance")}


@dataclass(frozen=True)
class Window:
    """Square windows: ``size``, ``stride`` and zeros on each side [pixels]."""

    size: int
    stride: int = 1
    padding: int = 0

    def over(self, size: Pair) -> Geometry:
        """The windows of images of this size."""
        zeros = self.padding, self.padding
        return Geometry(size, (self.size, self.size), (self.stride, self.stride), (zeros, zeros))


@dataclass(frozen=True)
class MaximumPool:
    """Maximum of each channel over windows."""

    window: Window


@dataclass(frozen=True)
class Branches:
    """Chains of steps that take the same images, with their results side by side along the channels."""

    chains: tuple[Chain, ...]


Step = Convolution | MaximumPool | Branches
Chain = tuple[Step, ...]


@dataclass(frozen=True)
class Stage:
    """Steps with names, of which each takes what the last one gives, and how many images are computed at a time.

    Parameters
    ----------
    steps : mapping from str to Step
        In their order.
    images : int
        Of a part: of small ones many, that products have enough rows; of large ones few, that they stay in the cache.
    """

    steps: Mapping[str, Step]
    images: int


def convolutions(steps: Sequence[Step]) -> Iterator[Convolution]:
    """All convolutions of some steps and their branches, in order."""
    for step in steps:
        if isinstance(step, Convolution):
            yield step
        elif isinstance(step, Branches):
            for chain in step.chains:
                yield from convolutions(chain)
