"""Convolution of images."""

from __future__ import annotations

from nets.layers.convolution import Convolution
from nets.primitives.geometry import Geometry, same_padding


class Conv2d(Convolution):
    r"""Convolution, bias and activation of images x (N, H, W, channels_in).

    .. math:: y_{nijk} = f\Bigl(\sum_{abc} x_{n,\,s_0 i + a - p_0,\,s_1 j + b - p_1,\,c}\;w_{abck} + b_k\Bigr).

    Parameters
    ----------
    channels_in, channels_out : int
        Channels of x and y.
    kernel, stride : int or pair of int
        Rows and columns of a window, and how far windows are from each other [pixels].
    padding : "same" or pair of pairs of int
        Zeros ((above, below), (left, right)) about the image [pixels], or what TensorFlow's SAME makes of its size,
        with which y has ceil(H / stride) rows.
    activation : Activation, optional
        f; by default the identity.
    weight, bias : Initializer, optional
        How w, of shape (kh, kw, channels_in, channels_out), and b, of shape (channels_out,), start: by default Glorot
        uniform and 0. None for the bias means that there is none.

    Raises
    ------
    ValueError
        If a number of channels, a kernel or a stride is not positive, or a padding is negative or no padding.
    """

    def _weight_shape(self) -> tuple[int, ...]:
        return (*self.kernel, self.channels_in, self.channels_out)

    def _windows(self, size: tuple[int, ...]) -> Geometry:
        height, width = size
        padding = self.padding
        if isinstance(padding, str):
            padding = same_padding((height, width), self.kernel, self.stride)
        return Geometry((height, width), self.kernel, self.stride, padding)

    def _output_size(self, geometry: Geometry) -> tuple[int, ...]:
        return geometry.output
