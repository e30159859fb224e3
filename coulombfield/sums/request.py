"""What a sum over charges is asked for, and what it gives: the common language of all engines."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from ..arrays import Array


class Request(NamedTuple):
    """Charges, targets and what is wanted at them; checked already, so that an engine need not look again."""

    targets: Array
    """Shape (T, m) [length]; the very array ``positions`` where targets and charges are the same points."""
    positions: Array
    """Shape (S, m) [length]."""
    weights: Array
    """Shape (S,) [charge]."""
    profile: Any
    """The kernel's formulas (:mod:`coulombfield.profiles`); a Laplacian has a value only."""
    exclude_self: bool
    """Target i is charge i, and the terms i = j are left out. T may then be less than S, never more."""
    potential: bool
    """Whether Σ_j w_j f(‖a_i − b_j‖²) is wanted."""
    field: bool
    """Whether −2 Σ_j w_j f′(‖a_i − b_j‖²) (a_i − b_j) is wanted."""
    rtol: float | None = None
    """Error allowed, root mean square over the targets, relative to that of the sums of the terms' magnitudes; None
    stands for the rounding of the arrays' dtype."""

    @property
    def pairs(self) -> int:
        """Number of terms, T · S."""
        return self.targets.shape[0] * self.positions.shape[0]


class Result(NamedTuple):
    """Sums in the targets' library, dtype and device; None where they were not asked for."""

    potential: Any
    """Shape (T,)."""
    field: Any
    """Shape (T, m)."""


class Tangent(NamedTuple):
    """Direction in which the arguments of a sum move; None is zero."""

    targets: Array | None = None
    """Shape (T, m)."""
    positions: Array | None = None
    """Shape (S, m)."""
    weights: Array | None = None
    """Shape (S,)."""


class Engine(Protocol):
    """One way to sum over charges: what a module of this package offers."""

    def refusal(self, request: Request) -> str:
        """Why the engine can't serve the request, found without a look at any value; empty if it can."""

    def seconds(self, request: Request) -> float:
        """Time that it will about take [s]; may look at the values, and is inf where it turns out not to be able."""


class ExactEngine(Engine, Protocol):
    """An engine that is as exact as the arrays' dtype, and therefore does not look at ``rtol``."""

    def evaluate(self, request: Request) -> Result:
        """The sums."""

    def jvp(self, request: Request, tangent: Tangent) -> Result:
        """Derivatives of the sums along the tangent."""


class FastEngine(Engine, Protocol):
    """An engine whose error is a matter of choice."""

    def approximate(self, request: Request, tolerance: float) -> Result:
        """The sums with an error of about ``tolerance``, measured as ``Request.rtol`` is; it need not be kept."""
