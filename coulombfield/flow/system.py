"""The law by which charges move, and how the sums over them are computed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..kernels import RadialKernel, check_kernel, value_at_zero
from ..periodic import Box
from .external import External
from .parameters import store_number
from .walls import Walls


@dataclass(frozen=True, eq=False)
class System:
    r"""Charges that move in their own field.

    A first-order flow moves a charge along its force, per unit of charge, and inertia makes that an acceleration:

    .. math:: \dot x_i = \kappa \operatorname{sign}(q_i)\, E(x_i) \qquad \text{(Eq 2, 3 for } \kappa = 1), \qquad
        m_i \ddot x_i = \kappa\, q_i E(x_i) = -\partial F / \partial x_i, \qquad
        F = \tfrac{\kappa}{2} \sum_i q_i \Phi(x_i),

    beside what external fields do, whose forces and energies are added.

    Parameters
    ----------
    kernel : RadialKernel
        The kernel k.
    coupling : float
        κ [energy / (charge² · kernel)]: +1 lets like charges repel, as Coulomb's law in Gaussian units; −1 lets them
        attract, as masses with G = 1 do where charges are masses. Another number sets the units: 1/(4πε₀), or −G.
        Φ and E are the kernel's own, without κ; forces and energies have it.
    external : External, or sequence of them
        Fields that no particle makes, such as :class:`HarmonicTrap`, :class:`UniformField` or :class:`ExternalField`;
        they act on what moves, and their energies count among those of the system.
    walls : Walls, optional
        Walls that the particles bounce off; in a box they may stand across its open axes only.
    box : Box, optional
        :class:`coulombfield.periodic.Box` that repeats: forces and energies are then those of all images, as
        :mod:`coulombfield.periodic` sums them, and energies are of one box. Places stay as the particles move, also
        beyond the box, and count as if moved into it; external fields are taken where the particles are. NumPy arrays
        alone, in one process.
    exclude_self : bool
        Leave each charge's term with itself out of potential and energy. Smooth kernels have no force at distance 0,
        so that this changes no motion; for :class:`coulombfield.Coulomb`, which is infinite there, it is needed.
    rtol : float, optional
        As for :func:`coulombfield.potential`: fast sums with about that error. Without it sums are as exact as the
        arrays' dtype; in a box it is 1e-6 without it, or 1.9e-6 in float32.
    method : str
        As for :func:`coulombfield.potential`; 'auto' in a box.

    Raises
    ------
    TypeError, ValueError
        If an argument is of a wrong type, the kernel is infinite at distance 0 and ``exclude_self`` is not set, or
        walls or a method don't fit the box.
        ``rtol`` and ``method`` are checked when a run starts.
    """

    kernel: RadialKernel
    coupling: float = 1.0
    external: External | Sequence[External] = ()
    walls: Walls | None = None
    box: Box | None = None
    exclude_self: bool = False
    rtol: float | None = None
    method: str = "auto"

    def __post_init__(self) -> None:
        check_kernel(self.kernel)
        store_number(self, "coupling", signed=True)
        if not all(hasattr(each, "field") and hasattr(each, "potential") for each in self.external_fields):
            raise TypeError(f"external: expected fields such as HarmonicTrap(1.0), got {self.external!r}")
        if self.walls is not None and not isinstance(self.walls, Walls):
            raise TypeError(f"walls: expected Walls, got {type(self.walls).__name__}")
        self._check_box()
        if not isinstance(self.exclude_self, bool):
            raise TypeError(f"exclude_self: expected True or False, got {self.exclude_self!r}")
        if not self.exclude_self and not np.isfinite(value_at_zero(self.kernel)):
            raise ValueError(
                f"exclude_self: expected True with {self.kernel}, which is infinite between a charge and itself; or "
                "use a softened kernel such as Plummer"
            )

    def _check_box(self) -> None:
        if self.box is None:
            return
        if not isinstance(self.box, Box):
            raise TypeError(f"box: expected a coulombfield.periodic.Box, got {type(self.box).__name__}")
        if self.method != "auto":
            raise ValueError(
                f"method: expected 'auto' in a box, whose sums have a method of their own, got {self.method!r}"
            )
        if self.walls is None:
            return
        if len(self.walls.lower) != self.box.dimension:
            raise ValueError(f"walls: expected {self.box.dimension} numbers like the box, got {len(self.walls.lower)}")
        for axis in self.box.axes:
            if math.isfinite(self.walls.lower[axis]) or math.isfinite(self.walls.upper[axis]):
                raise ValueError(f"walls: expected none across axis {axis}, along which the box repeats")

    @property
    def external_fields(self) -> tuple[External, ...]:
        """All external fields, also where one was given alone."""
        return tuple(self.external) if isinstance(self.external, Sequence) else (self.external,)
