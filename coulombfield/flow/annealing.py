"""A softening that changes with time."""

from __future__ import annotations

import dataclasses

from ..kernels import Plummer, RadialKernel, ScaledKernel
from .parameters import store_number


@dataclasses.dataclass(frozen=True)
class Annealing:
    r"""Softening that falls, or rises, exponentially, and then stays.

    .. math:: \varepsilon(t) = \varepsilon_0\, (\varepsilon_1 / \varepsilon_0)^{\min(t / T, 1)}

    Parameters
    ----------
    start, end : float
        ε₀ > 0 and ε₁ > 0 [length].
    duration : float
        T > 0 [time].

    Raises
    ------
    TypeError, ValueError
        If one is no positive, finite number.
    """

    start: float
    end: float
    duration: float

    def __post_init__(self) -> None:
        for name in ("start", "end", "duration"):
            store_number(self, name)

    def __call__(self, time: float) -> float:
        """ε(t)."""
        progress = min(max(time / self.duration, 0.0), 1.0)
        return self.start * (self.end / self.start) ** progress if progress < 1 else self.end


def softening_of(kernel: RadialKernel) -> float | None:
    """ε of a kernel that has one, or None."""
    match kernel:
        case Plummer():
            return kernel.softening
        case ScaledKernel():
            return softening_of(kernel.kernel)
        case _:
            return None


def with_softening(kernel: RadialKernel, softening: float) -> RadialKernel:
    """The kernel with another ε.

    Raises
    ------
    TypeError
        If the kernel has no softening, or more than one.
    ValueError
        If ε is not positive and finite.
    """
    match kernel:
        case Plummer():
            return dataclasses.replace(kernel, softening=softening)
        case ScaledKernel():
            return dataclasses.replace(kernel, kernel=with_softening(kernel.kernel, softening))
        case _:
            raise TypeError(f"softening: a schedule needs a kernel with one softening, such as Plummer(), not {kernel}")
