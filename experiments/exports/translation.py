"""The form in which a layer is given for both formats."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from .orders import Order
from .weights import Shape, Weight


class Samples(NamedTuple):
    """What a layer reads or writes.

    Attributes
    ----------
    shape : tuple of int
        Of one sample in this package, channels last.
    order : Order or None
        Where samples are flat, the order of their numbers in the other format.
    """

    shape: Shape
    order: Order | None

    def in_our_order(self) -> Samples:
        """The same, for a reader that can't do with another order."""
        if self.order is not None:
            self.order.take_ours()
        return self


class Graph(Protocol):
    """ONNX nodes that are being written, each as the name of its output."""

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Write a node of one output."""

    def scalar(self, number: float) -> str:
        """Write a number."""

    def vector(self, *numbers: float) -> str:
        """Write a vector of numbers."""

    def integers(self, *numbers: int) -> str:
        """Write a vector of integers."""


class Module(NamedTuple):
    """One PyTorch module.

    Attributes
    ----------
    text : str or callable
        Python that makes it; callable where it depends on an order that is still open.
    weights : tuple of Weight
        Its tensors, all in one module of a layer.
    ignored : tuple of str
        Names of tensors that its ``state_dict`` may have, and that mean nothing here.
    training : bool or None
        The mode in which it does what our layer does; None where it does so in both.
    remark : str
        What else its user has to know.
    """

    text: str | Callable[[], str]
    weights: tuple[Weight, ...] = ()
    ignored: tuple[str, ...] = ()
    training: bool | None = None
    remark: str = ""


class Translation(NamedTuple):
    """A layer in both formats.

    Attributes
    ----------
    modules : tuple of Module
        In PyTorch: one after the other.
    onnx : callable
        Given a graph, the name of x and the prefix of the names of the weights: writes the nodes, gives the name of y.
    order : Order or None
        Of the numbers of y, where it is flat.
    """

    modules: tuple[Module, ...]
    onnx: Callable[[Graph, str, str], str]
    order: Order | None = None
