"""Steps made ready for images of one size: weights merged and taken to where products need them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from coulombfield.arrays import Array, module_of
from nets.primitives.convolution_maps import constant
from nets.primitives.geometry import Geometry
from nets.primitives.windows import bias_relu, largest, mean_bias_relu
from nets.workspace import Workspace, allocate

from .steps import VALID, Branches, Convolution, MaximumPool, Shape, Step


@dataclass(frozen=True)
class Making:
    """What operations are made of: weights and biases by name, and images of a part."""

    folded: Mapping[str, tuple[Array, Array]]
    images: int


class Operation(Protocol):
    """A step for images of one size."""

    shape: Shape
    """Shape of a result."""

    def apply(self, x: Array, out: Array, target: int, workspace: Workspace) -> None:
        """Write the results of the images x, contiguous, to ``out`` from that channel on."""


def operation_of(step: Step, shape: Shape, making: Making) -> Operation:
    """The operation that a step is for images of this shape."""
    if isinstance(step, Convolution):
        return _Convolved(step, shape, making)
    if isinstance(step, MaximumPool):
        return _Largest(step.window.over(shape[:2]), shape[2])
    return _SideBySide(step, shape, making)


def _chained(steps: Sequence[Step], shape: Shape, making: Making) -> Chained:
    operations: list[Operation] = []
    for step in steps:
        operations.append(operation_of(step, shape, making))
        shape = operations[-1].shape
    return Chained(operations)


class Chained:
    """Operations one after the other; at least one."""

    def __init__(self, operations: Sequence[Operation]):
        *self._first, self._last = operations
        self.shape = self._last.shape

    def apply(self, x: Array, out: Array, target: int, workspace: Workspace) -> None:
        """See :class:`Operation`."""
        for operation in self._first:
            y = allocate(workspace, operation, "y", (len(x), *operation.shape), x)
            operation.apply(x, y, 0, workspace)
            x = y
        self._last.apply(x, out, target, workspace)


class _Convolved:
    """Convolution, bias and ReLU."""

    def __init__(self, step: Convolution, shape: Shape, making: Making):
        weight, self._bias = making.folded[step.name]
        geometry = Geometry(shape[:2], step.kernel, (step.stride, step.stride), step.padding)
        self._kernel = constant(weight, geometry, making.images)
        self.shape = (*geometry.output, step.filters)
        self._epilogue = _Epilogue(step, self.shape, self._bias)

    def apply(self, x: Array, out: Array, target: int, workspace: Workspace) -> None:
        u = out if out.shape[3] == self.shape[2] and self._epilogue.in_place else None
        if u is None:
            u = allocate(workspace, self, "u", (len(x), *self.shape), x)
        self._kernel.convolve(x, u, workspace)
        self._epilogue.apply(u, out, 0, target)


class _Epilogue:
    """What follows the product of a convolution: means where it is of these, bias and ReLU."""

    def __init__(self, step: Convolution, shape: Shape, bias: Array):
        self._bias = bias
        self._means = None if step.means is None else step.means.over(shape[:2])
        self.in_place = self._means is None

    def apply(self, u: Array, out: Array, source: int, target: int) -> None:
        """From some channels of u to some of out."""
        if self._means is None:
            bias_relu(u, self._bias, out, source, target)
        else:
            mean_bias_relu(u, self._bias, out, source, target, self._means)


class _Largest:
    """Maxima over windows."""

    def __init__(self, windows: Geometry, channels: int):
        self._windows = windows
        self.shape = (*windows.output, channels)

    def apply(self, x: Array, out: Array, target: int, workspace: Workspace) -> None:
        largest(x, out, target, self._windows)


class _SideBySide:
    """Branches, of which those that begin with a product of the pixels begin with the same one."""

    def __init__(self, step: Branches, shape: Shape, making: Making):
        heads = [chain[0] for chain in step.chains if isinstance(chain[0], Convolution) and chain[0].pointwise]
        self._width = sum(head.filters for head in heads)
        self._pixels = shape[:2]
        if heads:
            weights = [making.folded[head.name][0] for head in heads]
            weight = module_of(weights[0]).concatenate(weights, axis=3)
            self._kernel = constant(weight, Geometry(shape[:2], (1, 1), (1, 1), VALID), making.images)
        self._branches: list[_Branch] = []
        source = target = 0
        for chain in step.chains:
            head = chain[0]
            if head in heads:
                assert isinstance(head, Convolution)
                of_head = (*shape[:2], head.filters)
                rest = _chained(chain[1:], of_head, making) if chain[1:] else None
                epilogue = _Epilogue(head, of_head, making.folded[head.name][1])
                branch = _Branch(rest, of_head, target, source, epilogue)
                source += head.filters
            else:
                branch = _Branch(_chained(chain, shape, making), shape, target)
            self._branches.append(branch)
            target += branch.shape[2]
        self.shape = (*self._branches[0].shape[:2], target)

    def apply(self, x: Array, out: Array, target: int, workspace: Workspace) -> None:
        u = x
        if self._width:
            u = allocate(workspace, self, "u", (len(x), *self._pixels, self._width), x)
            self._kernel.convolve(x, u, workspace)
        for branch in self._branches:
            mark = workspace.mark()
            branch.apply(x, u, out, target, workspace)
            workspace.release(mark)


@dataclass(frozen=True)
class _Branch:
    """A chain behind its head, which is a part of the product of all heads; or without such a head."""

    rest: Chained | None
    of_head: Shape
    """Shape of what ``rest`` takes."""
    target: int
    """Where its results begin among those of all branches."""
    source: int = 0
    """Where its head begins in the product."""
    epilogue: _Epilogue | None = None

    @property
    def shape(self) -> Shape:
        """Shape of its results."""
        return self.of_head if self.rest is None else self.rest.shape

    def apply(self, x: Array, u: Array, out: Array, target: int, workspace: Workspace) -> None:
        """From the images x and the product u of all heads."""
        target += self.target
        if self.epilogue is not None and self.rest is None:
            self.epilogue.apply(u, out, self.source, target)
            return
        if self.epilogue is not None:
            x = allocate(workspace, self, "x", (len(u), *self.of_head), u)
            self.epilogue.apply(u, x, self.source, 0)
        if self.rest is not None:
            self.rest.apply(x, out, target, workspace)
