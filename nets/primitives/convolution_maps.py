r"""Convolutions, their transposes and their gradients, as matrix products.

A convolution of x (N, H, W, C) with weights w (kh, kw, C, K) is

.. math:: y_{nijk} = \sum_{abc} x_{n,\,s_0 i + a - p_0,\,s_1 j + b - p_1,\,c}\; w_{abck}.

It is linear in each of its arguments, so that three maps serve every pass of every layer: x to y, its transpose y to x,
and :func:`correlate`, the transpose of w to y. A transposed convolution runs the first two in exchanged roles.

How each is computed depends on the shapes: by filtering tiles (:mod:`nets.primitives.winograd`), or lines over five
places (:mod:`nets.primitives.trained_lines`), or as products with columns (:mod:`nets.primitives.direct`); where few
channels result, with the mirror's (:mod:`nets.primitives.mirrored`).
With weights that never change, long and narrow kernels filter lines (:mod:`nets.primitives.lines`).
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from coulombfield.arrays import Array
from nets.primitives import direct, lines, mirrored, trained_lines, winograd
from nets.primitives.direct import Direct
from nets.primitives.geometry import Geometry
from nets.workspace import Workspace


class Kernel(Protocol):
    """Weights made ready for one geometry."""

    def convolve(self, x: Array, out: Array, workspace: Workspace | None = None) -> Array:
        """Write the convolution of ``x`` (N, H, W, C) to ``out`` (N, rows, columns, K), which is contiguous."""

    def transpose(self, y: Array, out: Array, workspace: Workspace | None = None) -> Array:
        """Write the transpose, of ``y`` (N, rows, columns, K), to ``out`` (N, H, W, C), which is contiguous."""


class Constant(Protocol):
    """Weights that never change made ready for one geometry, for several threads at a time."""

    def convolve(self, x: Array, out: Array, workspace: Workspace | None = None) -> Array:
        """See :class:`Kernel`; each thread has a workspace of its own."""


def prepare(weight: Array, geometry: Geometry, images: int) -> Kernel:
    """Make ``weight`` (kh, kw, C, K) ready for batches of about this many images, until it changes."""
    return _prepared(weight, geometry, images, constant=False)


def constant(weight: Array, geometry: Geometry, images: int) -> Constant:
    """Make a ``weight`` that never changes ready for convolutions of about this many images.

    What passes need is made now and stays, beside any workspace.
    """
    square = min(geometry.kernel) == 3  # for which tiles in both directions need still fewer products
    channels, filters = weight.shape[2:]
    if isinstance(weight, np.ndarray) and not square and lines.suits(geometry, channels, filters, weight.dtype):
        return lines.Lines(weight, geometry)
    return _prepared(weight, geometry, images, constant=True)


def _prepared(weight: Array, geometry: Geometry, images: int, *, constant: bool) -> Kernel:
    channels, filters = weight.shape[2:]
    if isinstance(weight, np.ndarray):
        plan = winograd.plan(geometry, channels, filters, images, weight.dtype)
        if plan is not None:
            return winograd.Winograd(plan, weight, constant=constant)
        line = trained_lines.plan(geometry, channels, filters, images, weight.dtype)
        if line is not None:
            return trained_lines.TrainedLines(line, weight)
    if mirrored.suits(geometry, channels, filters):
        return mirrored.Mirrored(weight, geometry)
    return Direct(weight, geometry)


def correlate(
    x: Array,
    y: Array,
    geometry: Geometry,
    out: Array,
    workspace: Workspace | None = None,
    kernel: Kernel | None = None,
    *,
    transposed: Array | None = None,
    convolved: Array | None = None,
) -> Array:
    r"""Write :math:`\sum_{nij} x_{n,\,s_0 i + a - p_0,\,s_1 j + b - p_1,\,c}\,y_{nijk}` to ``out`` (kh, kw, C, K).

    With ``y`` the gradient by a convolution's result it is the gradient by the weights; of a transposed convolution,
    with ``x`` the gradient by the result. ``out`` is contiguous.

    With a kernel of this geometry, its transpose of ``y`` is written to ``transposed`` and its convolution of ``x`` to
    ``convolved``, where they are given: side by side this may be less work.
    """
    channels, filters = out.shape[2:]
    plan = line = None
    if isinstance(x, np.ndarray):
        plan = winograd.plan(geometry, channels, filters, len(x), x.dtype)
        line = trained_lines.plan(geometry, channels, filters, len(x), x.dtype)
    # one look at x and y at the points serves up to three products
    if plan is not None and isinstance(kernel, winograd.Winograd) and kernel.at_hand(plan, len(x)):
        return kernel.correlate(x, y, out, workspace, transposed=transposed, convolved=convolved)
    if line is not None and isinstance(kernel, trained_lines.TrainedLines):
        return kernel.correlate(x, y, out, workspace, transposed=transposed, convolved=convolved)
    if plan is not None:
        winograd.correlate(plan, x, y, out, workspace)
    elif line is not None:
        trained_lines.correlate(line, x, y, out, workspace)
    else:
        chosen = mirrored if mirrored.suits(geometry, channels, filters) else direct
        chosen.correlate(x, y, geometry, out, workspace)
    if kernel is not None and transposed is not None:
        kernel.transpose(y, transposed, workspace)
    if kernel is not None and convolved is not None:
        kernel.convolve(x, convolved, workspace)
    return out
