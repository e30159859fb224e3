"""ONNX nodes, written one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import optional

EXTRA = "export"


class Nodes:
    """Nodes of one output each, named after the module that they belong to.

    Attributes
    ----------
    prefix : str
        Of the names of the nodes that come next.
    written : list of NodeProto
        In the order of the computation.
    """

    def __init__(self) -> None:
        self._onnx = optional("onnx", EXTRA)
        self.prefix = ""
        self.written: list[Any] = []

    def node(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Write a node, and give the name of its output: the one given, or one of its own."""
        name = f"{self.prefix}{operator}_{len(self.written)}"
        y = output or name
        self.written.append(self._onnx.helper.make_node(operator, inputs, [y], name, **attributes))
        return y

    def scalar(self, number: float) -> str:
        """Write a number."""
        return self._constant(np.float32(number))

    def vector(self, *numbers: float) -> str:
        """Write a vector of numbers."""
        return self._constant(np.array(numbers, np.float32))

    def integers(self, *numbers: int) -> str:
        """Write a vector of integers."""
        return self._constant(np.array(numbers, np.int64))

    def _constant(self, value: Any) -> str:
        return self.node("Constant", value=self._onnx.numpy_helper.from_array(np.asarray(value)))
