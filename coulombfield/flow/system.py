"""What moves in a flow, by which kernel, and how the sums over charges are computed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Array
from ..kernels import RadialKernel, check_kernel, value_at_zero

MOVING = ("generated", "both")


@dataclass(frozen=True, eq=False)
class System:
    r"""Charges that move in their own field.

    A first-order flow moves a charge along its force, per unit of charge, and inertia makes that an acceleration:

    .. math:: \dot x_i = \operatorname{sign}(q_i)\, E(x_i) \qquad \text{(Eq 2, 3)}, \qquad
        m_i \ddot x_i = q_i E(x_i) = -\partial F / \partial x_i

    so that generated samples, which are negative, move along +∇Φ and real data, where they move, along −∇Φ.

    Parameters
    ----------
    kernel : RadialKernel
        The kernel k.
    moving : str
        'generated', with the data fixed as in the paper's training; or 'both', as in its Eq 2 and 3.
    generated_weights : array, shape (N_x,), optional
        Charges q of the generated samples [charge]; −1/N_x each without it.
    real_weights : array, shape (N_y,), optional
        Charges of the real data; +1/N_y each without it. The sum of all may be other than 0.
    generated_masses, real_masses : array, shape (N_x,) and (N_y,), optional
        Masses m_i > 0 for dynamics with inertia; ``abs(q_i)`` without them: accelerations are then the velocities of
        the first-order flow, and don't depend on the number of samples.
    exclude_self : bool
        Leave each charge's term with itself out of potential and energy. Smooth kernels have no force at distance 0,
        so that this changes no motion; for :class:`coulombfield.Coulomb`, which is infinite there, it is needed.
    rtol : float, optional
        As for :func:`coulombfield.potential`: fast sums with about that error. Without it sums are as exact as the
        arrays' dtype.
    method : str
        As for :func:`coulombfield.potential`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of a wrong type, or the kernel is infinite at distance 0 and ``exclude_self`` is not set.
        The arrays, ``rtol`` and ``method`` are checked when a run starts.
    """

    kernel: RadialKernel
    moving: str = "generated"
    generated_weights: Array | None = None
    real_weights: Array | None = None
    generated_masses: Array | None = None
    real_masses: Array | None = None
    exclude_self: bool = False
    rtol: float | None = None
    method: str = "auto"

    def __post_init__(self) -> None:
        check_kernel(self.kernel)
        if self.moving not in MOVING:
            raise ValueError(f"moving: expected {' or '.join(MOVING)}, got {self.moving!r}")
        if not isinstance(self.exclude_self, bool):
            raise TypeError(f"exclude_self: expected True or False, got {self.exclude_self!r}")
        if not self.exclude_self and not np.isfinite(value_at_zero(self.kernel)):
            raise ValueError(
                f"exclude_self: expected True with {self.kernel}, which is infinite between a charge and itself; or "
                "use a softened kernel such as Plummer"
            )
