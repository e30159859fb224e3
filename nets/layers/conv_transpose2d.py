"""Transposed convolution of images, which makes them larger."""

from __future__ import annotations

from coulombfield.arrays import Array
from nets.layers.convolution import Beside, Convolution
from nets.primitives.convolution_maps import Kernel, correlate
from nets.primitives.geometry import Geometry, same_padding
from nets.workspace import Workspace


class ConvTranspose2d(Convolution):
    r"""Transposed convolution, bias and activation of images x (N, H, W, channels_in).

    .. math:: y_{nrsk} = f\Bigl(\sum_{ijc} x_{nijc}\;w_{r + p_0 - s_0 i,\,s + p_1 - s_1 j,\,k,\,c} + b_k\Bigr)

    where w is 0 outside its windows: the transpose of the :class:`~nets.layers.conv2d.Conv2d` that maps y's size
    to x's.

    Parameters
    ----------
    channels_in, channels_out : int
        Channels of x and y.
    kernel, stride : int or pair of int
        Rows and columns of a window, and how far windows are from each other [pixels of y].
    padding : "same" or pair of pairs of int
        What is cut off of y, ((above, below), (left, right)) [pixels]: y has (H - 1) stride + kernel - padding rows. Or
        what TensorFlow's SAME cuts off, with which y has H stride rows.
    activation : Activation, optional
        f; by default the identity.
    weight, bias : Initializer, optional
        How w, of shape (kh, kw, channels_out, channels_in), and b, of shape (channels_out,), start: by default Glorot
        uniform and 0. None for the bias means that there is none.

    Raises
    ------
    ValueError
        If a number of channels, a kernel or a stride is not positive, or a padding is negative or no padding.
    """

    def _weight_shape(self) -> tuple[int, ...]:
        return (*self.kernel, self.channels_out, self.channels_in)

    def _windows(self, size: tuple[int, ...]) -> Geometry:
        padding = self.padding
        if isinstance(padding, str):
            height, width = (n * step for n, step in zip(size, self.stride, strict=True))
            padding = same_padding((height, width), self.kernel, self.stride)
        else:
            height, width = (
                (n - 1) * step + window - sum(zeros)
                for n, step, window, zeros in zip(size, self.stride, self.kernel, padding, strict=True)
            )
        return Geometry((height, width), self.kernel, self.stride, padding)

    def _output_size(self, geometry: Geometry) -> tuple[int, ...]:
        return geometry.size

    def _multiply(self, kernel: Kernel, x: Array, out: Array, workspace: Workspace | None) -> None:
        kernel.transpose(x, out, workspace)

    def _pull(self, kernel: Kernel, du: Array, out: Array, workspace: Workspace | None) -> None:
        kernel.convolve(du, out, workspace)

    def _correlate(
        self, x: Array, du: Array, geometry: Geometry, out: Array, workspace: Workspace | None, beside: Beside
    ) -> None:
        correlate(du, x, geometry, out, workspace, beside.kernel, transposed=beside.u, convolved=beside.dx)
