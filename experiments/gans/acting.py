"""Sums over the charges of a minibatch that is divided over ranks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from coulombfield import Charges, Plummer
from coulombfield.arrays import Array, module_of
from coulombfield.sums import unwatched


def at_own(
    sum_over: Callable[..., Any], charges: Charges, own: slice, kernel: Plummer, *, exclude_self: bool = False
) -> Any:
    """Potential, or potential and field, of all charges at those of them that are this rank's own.

    Parameters
    ----------
    sum_over : callable
        :func:`coulombfield.potential` or :func:`coulombfield.potential_and_field`.
    charges : Charges
        All that act on each other.
    own : slice
        Which of them are this rank's.
    kernel : Plummer
        The kernel.
    exclude_self : bool
        Whether a charge's own term is left out.

    Returns
    -------
    array of shape (own,), or two of shapes (own,) and (own, m)
        What ``sum_over`` gives; on a GPU nothing waits for its numbers, and a loss shows where they are not finite.

    Notes
    -----
    A sum can leave out own terms only where all charges are targets: with some, it is that over a rank's own charges
    and that over the others.
    """
    positions, weights = charges.positions, charges.weights
    if own == slice(0, len(positions)):
        return unwatched(sum_over, positions, charges, kernel, exclude_self=exclude_self)
    if not exclude_self:
        return unwatched(sum_over, positions[own], charges, kernel)
    mine = unwatched(sum_over, positions[own], Charges(positions[own], weights[own]), kernel, exclude_self=True)
    rest = Charges(_without(positions, own), _without(weights, own))
    others = unwatched(sum_over, positions[own], rest, kernel)
    if isinstance(mine, tuple):
        return tuple(one + other for one, other in zip(mine, others, strict=True))
    return mine + others


def _without(array: Array, rows: slice) -> Array:
    return module_of(array).concatenate([array[: rows.start], array[rows.stop :]])
