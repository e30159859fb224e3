"""A network that only infers, with its parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from coulombfield.arrays import Array, module_of
from coulombfield.threads import lone_products, share
from nets.arguments import check_floats
from nets.workspace import Workspace, empty

from .folding import Normalization, fold
from .operations import Chained, Making, Operation, operation_of
from .steps import Convolution, Shape, Stage, convolutions


class Inference:
    """A network with its parameters, ready for images of one size.

    Parameters
    ----------
    stages : sequence of Stage
        The network.
    shape : tuple of int
        Of an image: height, width [pixels] and channels.
    parameters : mapping from str to array
        Those that :class:`Convolution` names, all float32 or all float64, of one library; others may be among them.
    epsilon : float
        Added to variances.

    Raises
    ------
    ValueError
        If a parameter is missing or has another shape; the message names the first, and says how many are missing.
    TypeError
        If one is no array of float32 or float64, or of another dtype than the others.
    """

    def __init__(self, stages: Sequence[Stage], shape: Shape, parameters: Mapping[str, Array], epsilon: float):
        every = [each for stage in stages for each in convolutions(tuple(stage.steps.values()))]
        check_parameters({name: size for each in every for name, size in each.shapes().items()}, parameters)
        self.shape = shape
        self._dtype = parameters[f"{every[0].name}.weight"].dtype
        folded = {each.name: _fold(each, parameters, epsilon) for each in every}
        self._stages: list[tuple[dict[str, Operation], int]] = []
        for stage in stages:
            operations: dict[str, Operation] = {}
            for name, step in stage.steps.items():
                operations[name] = operation_of(step, shape, Making(folded, stage.images))
                shape = operations[name].shape
            self._stages.append((operations, stage.images))
        self._free: list[Workspace] = []

    def __call__(self, images: Array) -> Array:
        """Result of the last step.

        Parameters
        ----------
        images : array, shape (N, *shape)
            Of the parameters' dtype and library.

        Returns
        -------
        array, shape (N, H, W, C)

        Raises
        ------
        ValueError, TypeError
            If the shape or the dtype is another.
        """
        x = self._checked(images)
        for operations, part in self._stages:
            x = self._run(Chained(list(operations.values())), x, part)
        return x

    def results(self, images: Array) -> Iterator[tuple[str, Array]]:
        """Name and result of each step; the arguments are those of a call."""
        x = self._checked(images)
        for operations, part in self._stages:
            for name, operation in operations.items():
                x = self._run(operation, x, part)
                yield name, x

    def _checked(self, images: Array) -> Array:
        check_floats("images", images)
        if images.dtype != self._dtype:
            raise TypeError(f"images: expected {self._dtype}, which the parameters have, got {images.dtype}")
        if images.shape[1:] != self.shape:
            raise ValueError(f"images: expected shape (N, {', '.join(map(str, self.shape))}), got {images.shape}")
        return module_of(images).ascontiguousarray(images)

    def _run(self, operation: Operation, x: Array, images: int) -> Array:
        out = empty((len(x), *operation.shape), x)

        def work(start: int, stop: int) -> None:
            workspace = self._free.pop() if self._free else Workspace()
            for part in range(start, stop):
                some = slice(part * images, (part + 1) * images)
                operation.apply(x[some], out[some], 0, workspace)
                workspace.release(0)
            self._free.append(workspace)

        parts = -(-len(x) // images)
        if isinstance(x, np.ndarray):
            with lone_products():
                share(work, parts)
        else:
            work(0, parts)
        return out


def check_parameters(shapes: Mapping[str, tuple[int, ...]], parameters: Mapping[str, Array]) -> None:
    """Raise ValueError or TypeError unless all parameters are there, in these shapes and one dtype."""
    missing = [name for name in shapes if name not in parameters]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ValueError(f"parameters: expected {len(shapes)}, without {missing[0]}{more}")
    dtype = None
    for name, shape in shapes.items():
        check_floats(name, parameters[name])
        if parameters[name].shape != shape:
            raise ValueError(f"{name}: expected shape {shape}, got {parameters[name].shape}")
        dtype = dtype or parameters[name].dtype
        if parameters[name].dtype != dtype:
            raise TypeError(f"{name}: expected {dtype}, which the first parameter has, got {parameters[name].dtype}")


def _fold(step: Convolution, parameters: Mapping[str, Array], epsilon: float) -> tuple[Array, Array]:
    """Weights and bias with the batch normalization in them, computed in float64."""
    weight, *norm = (parameters[name] for name in step.shapes())
    folded, bias = fold(weight, Normalization(*norm), epsilon)
    return folded.astype(weight.dtype), bias.astype(weight.dtype)
