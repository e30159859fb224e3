r"""Convolutions of stride 1 to few channels, as transposes: y has fewer columns than x.

At stride 1 a convolution is the transpose of one in the other direction,

.. math:: \sum_{ab} x_{i+a-p,\,j+b-q,\,c}\,w_{abck} = \sum_{a'b'} x_{i-a'+p',\,j-b'+q',\,c}\,w'_{a'b'kc}

with the kernel turned about, :math:`a' = k_h - 1 - a` and :math:`b' = k_w - 1 - b`, and padded by
:math:`p' = k_h - 1 - p` and :math:`q' = k_w - 1 - q`. Its columns are those of y: a tenth of those of x for an image of
three channels made of thirty.
"""

from __future__ import annotations

from coulombfield.arrays import Array, module_of
from nets.primitives import direct
from nets.primitives.geometry import Geometry
from nets.workspace import Workspace, scratch

FEW = 16
"""Channels of y: a product of more columns is fast enough."""


def suits(geometry: Geometry, channels: int, filters: int) -> bool:
    """Whether the convolution has a mirror, and columns of y are so few that it pays."""
    wide = any(max(pair) >= kernel for pair, kernel in zip(geometry.padding, geometry.kernel, strict=True))
    return (
        geometry.stride == (1, 1) and not wide and filters <= FEW and filters < channels and geometry.kernel != (1, 1)
    )


class Mirrored:
    """The mirror's :class:`~nets.primitives.direct.Direct`, with its maps exchanged."""

    def __init__(self, weight: Array, geometry: Geometry):
        turned = module_of(weight).ascontiguousarray(weight[::-1, ::-1].swapaxes(2, 3))
        self._mirror = direct.Direct(turned, mirror(geometry))

    def convolve(self, x: Array, out: Array, workspace: Workspace | None = None) -> Array:
        """See :class:`nets.primitives.convolution_maps.Kernel`."""
        return self._mirror.transpose(x, out, workspace)

    def transpose(self, y: Array, out: Array, workspace: Workspace | None = None) -> Array:
        """See :class:`nets.primitives.convolution_maps.Kernel`."""
        return self._mirror.convolve(y, out, workspace)


def correlate(x: Array, y: Array, geometry: Geometry, out: Array, workspace: Workspace | None = None) -> Array:
    """See :func:`nets.primitives.convolution_maps.correlate`."""
    kernel_rows, kernel_columns, channels, filters = out.shape
    turned = scratch(workspace, "mirrored", (kernel_rows, kernel_columns, filters, channels), x)
    direct.correlate(y, x, mirror(geometry), turned, workspace)
    out[...] = turned[::-1, ::-1].swapaxes(2, 3)
    return out


def mirror(geometry: Geometry) -> Geometry:
    """Geometry of the convolution that maps y's size to x's."""
    rows, columns = (
        (kernel - 1 - before, kernel - 1 - after)
        for kernel, (before, after) in zip(geometry.kernel, geometry.padding, strict=True)
    )
    return Geometry(geometry.output, geometry.kernel, (1, 1), (rows, columns))
