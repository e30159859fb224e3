"""Fields that no particle makes: a trap, a uniform field, or a user's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import array_api_compat
import numpy as np

from ..arguments import entries, finite_number
from ..arrays import Array, namespace
from .parameters import store_number

ActsOn = Literal["charge", "mass", "particle"]
ACTS_ON = ("charge", "mass", "particle")
Profile = Callable[[Array, float], Array]


class External(Protocol):
    r"""An external field: a function of place and time with its energy.

    A particle that it acts on has the energy :math:`c\,\phi(x, t)` in it and the force :math:`-c\,\nabla\phi(x, t)`,
    where c is its charge, its mass or 1. The coupling of the system does not multiply it.
    """

    @property
    def acts_on(self) -> ActsOn:
        """What c is: 'charge', 'mass' or 'particle'."""

    @property
    def groups(self) -> Sequence[str] | None:
        """Names of the groups that it acts on; None for all that move."""

    def potential(self, positions: Array, time: float) -> Array:
        """φ at positions of shape (N, m), shape (N,) [energy / c]."""

    def field(self, positions: Array, time: float) -> Array:
        """−∇φ, shape (N, m) [energy / (c · length)]."""


@dataclass(frozen=True)
class HarmonicTrap:
    r"""A spring from each particle to a place.

    .. math:: \phi(x) = \tfrac12 \sum_k s_k (x_k - c_k)^2

    Parameters
    ----------
    stiffness : float or sequence of float
        s, one for all axes or one for each [energy / (c · length²)]; negative ones push away.
    centre : sequence of float, optional
        c [length]; the origin without it.
    acts_on : str
        'charge', 'mass' or 'particle', which the force is proportional to.
    groups : sequence of str, optional
        Names of the groups that it acts on; all that move without it.

    Raises
    ------
    TypeError, ValueError
        If an argument is of a wrong type or not finite.
    """

    stiffness: float | Sequence[float]
    centre: Sequence[float] | None = None
    acts_on: ActsOn = "particle"
    groups: Sequence[str] | None = None

    def __post_init__(self) -> None:
        if self.centre is not None:
            object.__setattr__(self, "centre", _numbers("centre", self.centre))
        if isinstance(self.stiffness, Sequence | np.ndarray) and not isinstance(self.stiffness, str):
            object.__setattr__(self, "stiffness", _numbers("stiffness", self.stiffness))
        else:
            store_number(self, "stiffness", signed=True)
        _check(self)

    def potential(self, positions: Array, time: float) -> Array:
        """φ at each position."""
        away = self._away(positions)
        xp = namespace(positions)
        return 0.5 * xp.sum(_row("stiffness", self.stiffness, positions) * away * away, axis=1)

    def field(self, positions: Array, time: float) -> Array:
        """−∇φ at each position."""
        return -_row("stiffness", self.stiffness, positions) * self._away(positions)

    def _away(self, positions: Array) -> Array:
        return positions if self.centre is None else positions - _row("centre", self.centre, positions)


@dataclass(frozen=True)
class UniformField:
    r"""One and the same field everywhere, :math:`\phi(x) = -g \cdot x`: of a capacitor, or of gravity on the ground.

    Parameters
    ----------
    strength : sequence of float
        g, one number for each axis [energy / (c · length)].
    acts_on : str
        'charge', 'mass' or 'particle', which the force is proportional to.
    groups : sequence of str, optional
        Names of the groups that it acts on; all that move without it.

    Raises
    ------
    TypeError, ValueError
        If an argument is of a wrong type or not finite.
    """

    strength: Sequence[float]
    acts_on: ActsOn = "charge"
    groups: Sequence[str] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "strength", _numbers("strength", self.strength))
        _check(self)

    def potential(self, positions: Array, time: float) -> Array:
        """φ at each position."""
        xp = namespace(positions)
        return -xp.sum(_row("strength", self.strength, positions) * positions, axis=1)

    def field(self, positions: Array, time: float) -> Array:
        """−∇φ at each position."""
        return _row("strength", self.strength, positions) + namespace(positions).zeros_like(positions)


@dataclass(frozen=True)
class ExternalField:
    r"""A user's own field, by two functions.

    Parameters
    ----------
    potential_of : callable
        φ(positions, time): positions of shape (N, m) to an array of shape (N,) [energy / c].
    field_of : callable
        −∇φ(positions, time), to an array of shape (N, m) [energy / (c · length)].
    acts_on : str
        'charge', 'mass' or 'particle', which the force is proportional to.
    groups : sequence of str, optional
        Names of the groups that it acts on; all that move without it.

    Raises
    ------
    TypeError, ValueError
        If an argument is of a wrong type; where it is used, if a function returns another shape.

    Notes
    -----
    Whether the two belong together is for the user to know: :func:`coulombfield.diagnostics.check_field` compares a
    field's divergence and curl.
    """

    potential_of: Profile
    field_of: Profile
    acts_on: ActsOn = "particle"
    groups: Sequence[str] | None = None

    def __post_init__(self) -> None:
        for name in ("potential_of", "field_of"):
            if not callable(getattr(self, name)):
                raise TypeError(f"{name}: expected a function of positions and time, got {getattr(self, name)!r}")
        _check(self)

    def potential(self, positions: Array, time: float) -> Array:
        """φ at each position."""
        return _shaped("potential_of", self.potential_of(positions, time), tuple(positions.shape)[:1])

    def field(self, positions: Array, time: float) -> Array:
        """−∇φ at each position."""
        return _shaped("field_of", self.field_of(positions, time), tuple(positions.shape))


def _check(field: External) -> None:
    if field.acts_on not in ACTS_ON:
        raise ValueError(f"acts_on: expected {', '.join(ACTS_ON[:-1])} or {ACTS_ON[-1]}, got {field.acts_on!r}")
    if field.groups is not None:
        names = entries("groups", field.groups, "names")
        if not all(isinstance(name, str) for name in names):
            raise TypeError(f"groups: expected a sequence of names, got {names}")


def _numbers(name: str, given: Any) -> tuple[float, ...]:
    return tuple(finite_number(name, number) for number in entries(name, given, "numbers"))


def _row(name: str, numbers: float | Sequence[float], positions: Array) -> Any:
    """Numbers for each axis as a row beside positions; a number for all stays one."""
    if not isinstance(numbers, tuple):
        return numbers
    if len(numbers) != positions.shape[1]:
        raise ValueError(f"{name}: expected {positions.shape[1]} numbers, one for each axis, got {len(numbers)}")
    xp, device = namespace(positions), array_api_compat.device(positions)
    return xp.asarray(numbers, dtype=positions.dtype, device=device)[None, :]


def _shaped(name: str, values: Array, shape: tuple[int, ...]) -> Array:
    if tuple(getattr(values, "shape", ())) != shape:
        raise ValueError(f"{name}: expected an array of shape {shape}, got {getattr(values, 'shape', values)!r}")
    return values
