"""In which order PyTorch has the numbers of a flat sample."""

from __future__ import annotations

import math

import numpy as np


def channels_first(shape: tuple[int, ...]) -> np.ndarray:
    """Place, in a flat sample of ours, of each number of one that is flattened with channels first.

    Parameters
    ----------
    shape : tuple of int
        Of the sample before it is flattened, channels last: (H, W, C).

    Returns
    -------
    array of int, shape (H W C,)
        Number i there is number ``order[i]`` here.
    """
    return np.moveaxis(np.arange(math.prod(shape)).reshape(shape), -1, 0).ravel()


class Order:
    """Order of the numbers of flat samples, open until a layer needs a certain one.

    A linear layer can write its output in any order, and read its input in any; an image is flattened in PyTorch's
    order at no cost, and in ours by moving its axes. So what makes a flat sample says which orders it could have, and
    what reads it takes one of these or whichever it will be.

    Parameters
    ----------
    size : int
        Numbers of a sample.
    possible : arrays of int, each of shape (size,)
        The orders it could have: the first unless another is taken. By default any, and ours unless another is taken.
    """

    def __init__(self, size: int, *possible: np.ndarray):
        self.ours = np.arange(size)
        self._possible = possible
        self._taken: np.ndarray | None = None

    @classmethod
    def fixed(cls, size: int) -> Order:
        """Our order and no other."""
        return cls(size, np.arange(size))

    def take(self, order: np.ndarray) -> bool:
        """Take this order, and say whether that was possible: it is not when another is taken already."""
        if self._taken is not None:
            return np.array_equal(self._taken, order)
        if self._possible and not any(np.array_equal(order, other) for other in self._possible):
            return False
        self._taken = order
        return True

    def take_ours(self) -> None:
        """Take our order.

        Raises
        ------
        RuntimeError
            If another is taken already: an order may be asked for by one reader only.
        """
        if not self.take(self.ours):
            raise RuntimeError("order: expected one that nobody has taken yet")

    @property
    def indices(self) -> np.ndarray:
        """The order that was taken, in the end."""
        if self._taken is not None:
            return self._taken
        return self._possible[0] if self._possible else self.ours

    def equals(self, order: np.ndarray) -> bool:
        """Whether it is, in the end, this one."""
        return np.array_equal(self.indices, order)
