"""Where the windows of a convolution lie: sizes, strides and padding."""

from __future__ import annotations

from dataclasses import dataclass

Pair = tuple[int, int]
Padding = tuple[Pair, Pair]
"""Rows of zeros (above, below) and columns (left, right)."""


@dataclass(frozen=True)
class Geometry:
    """The windows of a two-dimensional convolution over images of one size.

    Output (i, j) is the window of rows ``stride[0] i - padding[0][0] + a`` for a in range(kernel[0]), and likewise of
    columns; what lies outside the image is 0. A transposed convolution has the geometry of the convolution that it
    transposes: it maps images of the size ``output`` to images of the size ``size``.

    Parameters
    ----------
    size : tuple of int
        Height and width of the images [pixels].
    kernel, stride : tuple of int
        Of the windows, along rows and columns [pixels].
    padding : tuple of pairs of int
        Zeros (above, below) and (left, right) [pixels].

    Raises
    ------
    ValueError
        If a size, kernel or stride is not positive, a padding is negative, or no window fits.
    """

    size: Pair
    kernel: Pair
    stride: Pair
    padding: Padding

    def __post_init__(self) -> None:
        for name in ("size", "kernel", "stride"):
            if min(getattr(self, name)) < 1:
                raise ValueError(f"{name}: expected two positive numbers, got {getattr(self, name)}")
        if min(min(pair) for pair in self.padding) < 0:
            raise ValueError(f"padding: expected no negative number, got {self.padding}")
        if min(self.output) < 1:
            raise ValueError(
                f"size: no {self.kernel} window fits into an image of size {self.size} with padding {self.padding}"
            )

    @property
    def output(self) -> Pair:
        """Height and width of the convolution's result [pixels]."""
        rows, columns = (
            (size + sum(padding) - kernel) // stride + 1
            for size, kernel, stride, padding in zip(self.size, self.kernel, self.stride, self.padding, strict=True)
        )
        return rows, columns

    @property
    def corner(self) -> Pair:
        """Padding above and to the left [pixels]."""
        return self.padding[0][0], self.padding[1][0]


def same_padding(size: Pair, kernel: Pair, stride: Pair) -> Padding:
    """TensorFlow's SAME padding, with which the result has ceil(size / stride) rows and columns.

    Of an odd number of zeros the smaller part comes first: 5 x 5 windows at stride 2 have (1, 2) where the size is
    even, and (2, 2) where it is odd.
    """
    rows, columns = (
        _split(max((-(-n // step) - 1) * step + window - n, 0))
        for n, window, step in zip(size, kernel, stride, strict=True)
    )
    return rows, columns


def _split(total: int) -> Pair:
    return total // 2, total - total // 2
