"""The form of a layer or network that is to be differentiated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from nets.layers.base import Layer
from nets.network import Network

ALL = ("dx", "dparams", "jvp", "jvp backward")
"""The quantities: gradients by x and by the parameters, the tangent of y, and the gradients of that tangent."""


class Sample(NamedTuple):
    """A layer or a network to differentiate, and what it is to be given.

    Attributes
    ----------
    name : str
        Its row's name.
    make : callable
        Makes it.
    shape : tuple of int
        Shape of x, batch first.
    exact : tuple of str
        The quantities, of :data:`ALL`, along whose directions y, or for the last the tangent of y, is a polynomial of
        degree 2 at most, piece by piece: differences are then exact.
    kinks : bool
        Whether it has activations whose derivatives jump where their output changes its sign.
    covers : tuple of class or function
        What it stands for besides its own class.
    """

    name: str
    make: Callable[[], Layer | Network]
    shape: tuple[int, ...]
    exact: tuple[str, ...] = ()
    kinks: bool = False
    covers: tuple[Any, ...] = ()
