"""Parameters of ours as the tensors of PyTorch's modules, and back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np

from coulombfield.arrays import to_numpy
from nets.parameters import Layout, Parameters

from .errors import WeightsError
from .orders import Order

FLOATS = ("float16", "float32", "float64")
NAMED = 3
"""How many names of a kind a message lists."""

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Weight:
    """How one tensor of a PyTorch module comes from a parameter of our layer.

    Parameters
    ----------
    name : str
        The tensor's name in its module.
    ours : str or None
        The parameter's name in its layer; None where our layer has none and the tensor is constant.
    size : tuple of int
        Shape of the parameter.
    axes : tuple of int, optional
        Axis of the parameter that each axis of the tensor is; by default the same.
    orders : tuple of Order or None, optional
        Order of the numbers along each axis of the tensor, None being ours.
    constant : float
        The value of a tensor without a parameter.
    """

    name: str
    ours: str | None
    size: Shape
    axes: tuple[int, ...] = ()
    orders: tuple[Order | None, ...] = ()
    constant: float = 0.0

    @property
    def shape(self) -> Shape:
        """Shape of the tensor."""
        return tuple(self.size[axis] for axis in self._axes)

    def tensor(self, parameter: np.ndarray) -> np.ndarray:
        """Give the parameter's numbers as the tensor, in memory of its own."""
        tensor = parameter.transpose(self._axes)
        for axis, order in enumerate(self.orders):
            if order is not None:
                tensor = np.take(tensor, order.indices, axis)
        return np.array(tensor, order="C")

    def parameter(self, tensor: np.ndarray) -> np.ndarray:
        """Give the tensor's numbers as the parameter: the inverse of :meth:`tensor`."""
        for axis, order in enumerate(self.orders):
            if order is not None:
                tensor = np.take(tensor, np.argsort(order.indices), axis)
        return tensor.transpose(np.argsort(self._axes))

    @property
    def _axes(self) -> tuple[int, ...]:
        return self.axes or tuple(range(len(self.size)))


class Slot(NamedTuple):
    """A weight of a whole network: names as in ``state_dict`` and in our layout."""

    name: str
    ours: str | None
    weight: Weight


class Found(NamedTuple):
    """A tensor as a file's header has it, and how to get at its numbers."""

    name: str
    dtype: str
    shape: Shape
    read: Callable[[], np.ndarray]


def tensors_of(slots: Iterable[Slot], layout: Layout, params: Parameters) -> dict[str, np.ndarray]:
    """All tensors by name, on the host, in the dtype of the parameters.

    Raises
    ------
    ValueError
        If the parameters are those of another network.
    """
    if params.layout.shapes != layout.shapes:
        raise ValueError("params: expected the parameters of this network, got those of another")
    views = layout.views(np.ascontiguousarray(to_numpy(params.vector)))
    tensors = {}
    for name, ours, weight in slots:
        parameter = np.full(weight.size, weight.constant, params.vector.dtype.name) if ours is None else views[ours]
        tensors[name] = weight.tensor(parameter)
    return tensors


def parameters_of(
    label: str,
    slots: Sequence[Slot],
    layout: Layout,
    found: Iterable[Found],
    *,
    ignored: Iterable[str],
    dtype: np.typing.DTypeLike,
    xp: ModuleType,
) -> Parameters:
    """Parameters from the tensors of a file, in memory that nobody has seen unless all of them fit.

    Parameters
    ----------
    label : str
        The file, for messages.
    slots, layout
        What the network expects, and where it goes.
    found : iterable of Found
        What the file has.
    ignored : iterable of str
        Names that may be there and mean nothing.
    dtype : dtype
        float32 or float64.
    xp : module
        The library of the parameters.

    Raises
    ------
    WeightsError
        If a name is missing, unknown or there twice, a shape or dtype is another, a tensor can't be read, is too large
        for the dtype, or isn't the constant that it has to be.
    """
    skipped = set(ignored)
    tensors = sorted((tensor for tensor in found if tensor.name not in skipped), key=lambda tensor: tensor.name)
    expect_tensors(label, {slot.name: slot.weight.shape for slot in slots}, tensors)
    by_name = {tensor.name: tensor for tensor in tensors}
    vector = np.empty(layout.size, dtype)
    views = layout.views(vector)
    for name, ours, weight in slots:
        try:
            numbers = np.asarray(by_name[name].read()).reshape(weight.shape)
        except (ValueError, TypeError) as error:
            raise WeightsError(f"{label}: {name} can't be read: {_line(error)}") from error
        if ours is None:
            if not (numbers == weight.constant).all():
                raise WeightsError(
                    f"{label}: {name}: expected {weight.constant:g} throughout, since the network has no such "
                    f"parameter, got numbers from {numbers.min():g} to {numbers.max():g}"
                )
            continue
        with np.errstate(over="ignore"):
            views[ours][...] = weight.parameter(numbers)
        if np.isinf(views[ours]).sum() > np.isinf(numbers).sum():
            largest = abs(numbers[np.isfinite(numbers)]).max()
            raise WeightsError(f"{label}: {name}: expected numbers that {vector.dtype} can hold, got {largest:g}")
    return Parameters(layout, xp.asarray(vector))


def contents(source: str | Path | bytes) -> tuple[str, bytes]:
    """Name of a file for messages, and its bytes.

    Raises
    ------
    WeightsError
        If there is no such file or it can't be read.
    """
    if isinstance(source, bytes):
        return "file", source
    try:
        return str(source), Path(source).read_bytes()
    except OSError as error:
        raise WeightsError(f"{source}: can't be read: {error.strerror}") from error


def expect_tensors(label: str, expected: Mapping[str, Shape], found: Sequence[Found]) -> None:
    """See that these are the names that are expected, with their shapes, and numbers.

    Parameters
    ----------
    label : str
        The file, for messages.
    expected : mapping from str to tuple of int
        Names and shapes.
    found : sequence of Found
        What the file has.

    Raises
    ------
    WeightsError
        If a name is missing, unknown or there twice, or a shape or dtype is another.
    """
    counts = Counter(tensor.name for tensor in found)
    complaints = {
        "missing": [f"{name} {shape}" for name, shape in expected.items() if name not in counts],
        "not expected": [f"{tensor.name!r} {tensor.shape}" for tensor in found if tensor.name not in expected],
        "there twice": [repr(name) for name, count in counts.items() if count > 1],
        "of another shape": [
            f"{tensor.name} (expected {expected[tensor.name]}, got {tensor.shape})"
            for tensor in found
            if tensor.name in expected and tensor.shape != expected[tensor.name]
        ],
        f"not of {', '.join(FLOATS)}": [
            f"{tensor.name} ({tensor.dtype})"
            for tensor in found
            if tensor.name in expected and tensor.dtype not in FLOATS
        ],
    }
    texts = [f"{kind}: {_listed(these)}" for kind, these in complaints.items() if these]
    if texts:
        raise WeightsError(
            f"{label}: expected the {len(expected)} tensors of this network, got {len(found)}; {'; '.join(texts)}"
        )


def _listed(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - NAMED} more" if len(texts) > NAMED else ""
    return ", ".join(texts[:NAMED]) + more


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
