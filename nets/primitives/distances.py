"""Squared distances between two sets of points, as whole matrices."""

from __future__ import annotations

from coulombfield.arrays import Array, module_of
from nets.primitives.products import new_product

FEW = 8
"""Numbers in a sample up to which distances are sums of squared differences; above, they come from a matrix product."""


def squared_distances(a: Array, b: Array) -> Array:
    """Squared distance of every pair of points (A, m) and (B, m), shape (A, B) [length**2].

    Above :data:`FEW` numbers in a point, its error is about eps times the squared lengths of both points. It is 0 where
    ``a is b`` and the pair is a point with itself.
    """
    if a.shape[1] <= FEW:
        s = (a[:, :1] - b[:, 0]) ** 2
        for axis in range(1, a.shape[1]):
            s += (a[:, axis : axis + 1] - b[:, axis]) ** 2
        return s
    s = new_product(a, b.T)
    s *= -2
    s += (a * a).sum(axis=1)[:, None]
    s += (b * b).sum(axis=1)
    module_of(s).maximum(s, 0, out=s)
    if a is b:
        s.reshape(-1)[:: len(a) + 1] = 0
    return s
