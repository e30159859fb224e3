"""All parameters of a network in one flat vector, with named views into it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from coulombfield.arrays import Array
from nets.arguments import check_floats


class Layout:
    """Where each named parameter lies in a flat vector.

    Parameters
    ----------
    shapes : mapping from str to tuple of int
        Shape of every parameter, in the order in which they are laid out; names are dotted paths ``0.weight``.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]):
        self.shapes = dict(shapes)
        self.slices: dict[str, slice] = {}
        start = 0
        for name, shape in self.shapes.items():
            self.slices[name] = slice(start, start + math.prod(shape))
            start += math.prod(shape)
        self.size = start

    def views(self, vector: Array) -> dict[str, Array]:
        """Views into ``vector``, by name: writing to one writes to the vector.

        Raises
        ------
        ValueError
            If the vector is not a contiguous one of shape (size,), since a view would then be a copy.
        """
        if vector.shape != (self.size,):
            raise ValueError(f"vector: expected shape ({self.size},), got {vector.shape}")
        if not vector.flags.c_contiguous:
            raise ValueError("vector: expected contiguous memory, got a strided view")
        return {name: vector[self.slices[name]].reshape(shape) for name, shape in self.shapes.items()}


class Parameters(Mapping[str, Array]):
    """A flat vector together with its named views; a gradient has the same form.

    Parameters
    ----------
    layout : Layout
        Names and shapes.
    vector : array, shape (layout.size,)
        The memory, NumPy or CuPy, float32 or float64; it is kept, not copied.

    Raises
    ------
    ValueError
        If the vector has another shape, or is not contiguous.
    TypeError
        If it has another dtype, or is no array or more than its numbers, such as a masked one.
    """

    def __init__(self, layout: Layout, vector: Array):
        check_floats("vector", vector)
        self.layout = layout
        self.vector = vector
        self._views = layout.views(vector)
        self._children: dict[str, Parameters] = {}

    def __getitem__(self, name: str) -> Array:
        return self._views[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._views)

    def __len__(self) -> int:
        return len(self._views)

    def child(self, prefix: str) -> Parameters:
        """The parameters whose names start with ``prefix.``, under the rest of their names, in the same memory.

        Raises
        ------
        ValueError
            If they do not lie next to each other.
        """
        if prefix not in self._children:
            names = [name for name in self.layout.shapes if name.startswith(prefix + ".")]
            layout = Layout({name.removeprefix(prefix + "."): self.layout.shapes[name] for name in names})
            start = self.layout.slices[names[0]].start if names else 0
            if names and self.layout.slices[names[-1]].stop != start + layout.size:
                raise ValueError(f"prefix: the parameters of {prefix!r} do not lie next to each other")
            self._children[prefix] = Parameters(layout, self.vector[start : start + layout.size])
        return self._children[prefix]
