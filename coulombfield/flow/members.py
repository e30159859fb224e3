"""One group of particles at one moment of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..arrays import Array

if TYPE_CHECKING:
    from .snapshot import Snapshot


class Members:
    """The particles of one group at one moment; sums that nothing has needed yet are computed when asked for.

    Attributes
    ----------
    name : str
        Name of the group.
    fixed : bool
        Whether they stay where they are.
    charges, masses : array, shape (N,)
        q [charge] and m [mass].
    """

    def __init__(self, snapshot: Snapshot, name: str):
        group = snapshot.motion.groups[name]
        self._now, self._group = snapshot, group
        self.name, self.fixed = name, group.fixed
        self.charges: Array = group.charges
        self.masses: Array = group.masses

    @property
    def positions(self) -> Array:
        """Shape (N, m) [length]."""
        return self._group.positions if self.fixed else self._part(self._now.positions)

    @property
    def velocities(self) -> Array | None:
        """Shape (N, m) [length / time]; None without inertia, and of fixed particles."""
        return None if self.fixed or self._now.velocities is None else self._part(self._now.velocities)

    @property
    def potential(self) -> Array:
        """Φ of all charges at each, shape (N,) [charge · kernel]; at fixed particles a sum of its own."""
        return self._part(self._now.at_fixed[0] if self.fixed else self._now.potential)

    @property
    def field(self) -> Array:
        """E = −∇Φ at each, shape (N, m) [charge · kernel / length]; at fixed particles a sum of its own."""
        return self._part(self._now.at_fixed[1] if self.fixed else self._now.field)

    @property
    def force(self) -> Array:
        """−∂F/∂x = κ q E on each, with that of external fields on those that move, shape (N, m) [energy / length]."""
        if self.fixed:
            return (self._now.motion.system.coupling * self.charges)[:, None] * self.field
        return self._part(self._now.force)

    def _part(self, rows: Array) -> Array:
        return self._now.motion.part(self.name, rows)
