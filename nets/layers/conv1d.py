"""Convolution of sequences."""

from __future__ import annotations

from coulombfield.arrays import Array
from nets.initializers import Initializer, glorot_uniform, zeros
from nets.layers.activations import Activation
from nets.layers.convolution import Convolution
from nets.primitives.geometry import Geometry, Pair, same_padding


class Conv1d(Convolution):
    r"""Convolution, bias and activation of sequences x (N, L, channels_in).

    .. math:: y_{njk} = f\Bigl(\sum_{bc} x_{n,\,j + b - p,\,c}\;w_{bck} + b_k\Bigr).

    Parameters
    ----------
    channels_in, channels_out : int
        Channels of x and y.
    kernel : int
        Places of a window.
    padding : "same" or pair of int
        Zeros (before, after) the sequence, or as many as keep its length: TensorFlow's SAME.
    activation : Activation, optional
        f; by default the identity.
    weight, bias : Initializer, optional
        How w, of shape (kernel, channels_in, channels_out), and b, of shape (channels_out,), start: by default Glorot
        uniform and 0. None for the bias means that there is none.

    Raises
    ------
    ValueError
        If a number of channels or the kernel is not positive, or a padding is negative or no padding.

    Notes
    -----
    A sequence is an image of one row.
    """

    axes = ("L",)

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int,
        padding: str | Pair = "same",
        activation: Activation | None = None,
        *,
        weight: Initializer = glorot_uniform,
        bias: Initializer | None = zeros,
    ):
        rows_too = padding if isinstance(padding, str) else ((0, 0), padding)
        super().__init__(channels_in, channels_out, (1, kernel), 1, rows_too, activation, weight=weight, bias=bias)

    def _images(self, array: Array) -> Array:
        return array[:, None]

    def _weight_shape(self) -> tuple[int, ...]:
        return (self.kernel[1], self.channels_in, self.channels_out)

    def _windows(self, size: tuple[int, ...]) -> Geometry:
        (length,) = size
        padding = self.padding
        if isinstance(padding, str):
            padding = same_padding((1, length), self.kernel, self.stride)
        return Geometry((1, length), self.kernel, self.stride, padding)

    def _output_size(self, geometry: Geometry) -> tuple[int, ...]:
        return geometry.output[1:]
