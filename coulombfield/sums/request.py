"""What a sum over charges is asked for, and what it gives: the common language of all engines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import array_api_compat
import numpy as np

from ..arrays import Array, namespace


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

    @property
    def finite(self) -> bool:
        """Whether all coordinates and charges are."""
        xp = namespace(self.targets)
        return all(bool(xp.all(xp.isfinite(array))) for array in (self.targets, self.positions, self.weights))

    def at(self, rows: np.ndarray) -> Request:
        """The same sums at some of the targets, by their numbers, none twice."""
        xp, device = namespace(self.targets), array_api_compat.device(self.targets)
        targets = xp.take(self.targets, xp.asarray(rows, device=device), axis=0)
        if not self.exclude_self:
            return self._replace(targets=targets)
        # Target i must be charge i, so the charges of these targets go first.
        rest = np.delete(np.arange(self.positions.shape[0]), rows)
        order = xp.asarray(np.concatenate([rows, rest]), device=device)
        positions, weights = xp.take(self.positions, order, axis=0), xp.take(self.weights, order, axis=0)
        return self._replace(targets=targets, positions=positions, weights=weights)

    def in_double(self) -> Request:
        """The request with its numbers in float64."""
        xp = namespace(self.targets)
        positions = xp.astype(self.positions, xp.float64, copy=False)
        same = self.targets is self.positions
        targets = positions if same else xp.astype(self.targets, xp.float64, copy=False)
        return self._replace(
            targets=targets, positions=positions, weights=xp.astype(self.weights, xp.float64, copy=False)
        )


class Result(NamedTuple):
    """Sums in the targets' library, dtype and device; None where they were not asked for."""

    potential: Any
    """Shape (T,)."""
    field: Any
    """Shape (T, m)."""

    @property
    def asked_for(self) -> Any:
        """What a public function returns: the one that was asked for, or both as a pair."""
        values = tuple(value for value in self if value is not None)
        return values if len(values) > 1 else values[0]


class Tangent(NamedTuple):
    """Direction in which the arguments of a sum move; None is zero."""

    targets: Array | None = None
    """Shape (T, m)."""
    positions: Array | None = None
    """Shape (S, m)."""
    weights: Array | None = None
    """Shape (S,)."""

    def moved(self, factor: float, request: Request) -> Tangent:
        """The tangent for points that are stretched by a factor, in the dtype of a request."""
        xp, dtype = namespace(request.targets), request.targets.dtype
        parts = [None if x is None else xp.astype(x, dtype, copy=False) for x in self]
        if factor != 1.0:
            parts[:2] = [None if x is None else x * factor for x in parts[:2]]
        return Tangent(*parts)


class Engine(Protocol):
    """One way to sum over charges: what a module of this package offers."""

    def refusal(self, request: Request) -> str:
        """Why the engine can't serve the request, found without a look at any value; empty if it can."""

    def seconds(self, request: Request) -> float:
        """Time that it will about take [s]; may look at the values, and is inf where it turns out not to be able."""


class ExactEngine(Engine, Protocol):
    """An engine that is as exact as the arrays' dtype, and therefore does not look at ``rtol``.

    One that can sum energies over half of the pairs has beside ``energy(positions, weights, profile, exclude_self)``.
    One whose estimate takes long has ``least(request)``, the time that it takes at least [s].
    """

    def evaluate(self, request: Request) -> Result:
        """The sums."""

    def jvp(self, request: Request, tangent: Tangent) -> Result:
        """Derivatives of the sums along the tangent."""


class Plan(Protocol):
    """How a fast engine will sum: what it found out when it was asked for its time, and need not find out again."""

    @property
    def seconds(self) -> float:
        """Time that the sums will about take, planning included [s]."""

    @property
    def left(self) -> float:
        """The same without what the plan itself has taken [s]."""

    @property
    def again(self) -> float:
        """The same of further sums that keep to this plan [s]."""


class FastEngine(Engine, Protocol):
    """An engine whose error is a matter of choice.

    One whose plans are good for other points too, in the same box, has beside ``numbers(plan)``, a mapping of names to
    floats, and ``restored(numbers, request)``, the plan of these numbers for the request's kernel; None if there is
    none.
    """

    def needless(self, request: Request) -> str:
        """Why an exact engine takes a request instead, also where this one is named; empty if it doesn't."""

    def least(self, request: Request) -> float:
        """Time that it takes at least, found without a look at any value [s]."""

    def plan(self, request: Request, tolerance: float, room: float = 1.0) -> Plan | None:
        """How to sum with an error of about ``tolerance``; None if that can't be done, or numbers are not finite.

        ``room`` is how many times as large the box of the points may become.
        """

    def approximate(self, request: Request, tolerance: float, known: Any = None) -> Result:
        """The sums with an error of about ``tolerance``, measured as ``Request.rtol`` is; it need not be kept.

        ``known`` is a plan for these points and this tolerance, or one that still fits them.

        Raises
        ------
        OutOfReachError
            If the engine can't work to this tolerance at all.
        """


def check_explained(function: Any, *known: Callable[..., Any]) -> None:
    """Raise unless a function to be explained is one of those that are known."""
    if not any(function is each for each in known):
        *names, last = (each.__name__ for each in known)
        raise TypeError(f"function: expected {', '.join(names)} or {last}, got {function!r}")


class OutOfReachError(ArithmeticError):
    """A fast engine can't keep ``rtol``; the message says why, as what follows the engine's name."""
