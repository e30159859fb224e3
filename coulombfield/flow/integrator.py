"""What an integrator is."""

from __future__ import annotations

from typing import Protocol

from .snapshot import Snapshot


class Integrator(Protocol):
    """One way to go on from a moment to the next."""

    @property
    def needs_energies(self) -> bool:
        """Whether every field has to come with potential and energy."""

    @property
    def inertia(self) -> bool:
        """Whether particles have velocities; a state without them is then at rest."""

    def advance(self, start: Snapshot) -> Snapshot | None:
        """The moment after one step, as a new one; None where no step can be taken any more.

        It depends on what ``start.state`` saves and on the integrator's parameters, on nothing else.
        """


def first_order(start: Snapshot) -> None:
    """Raise if there are velocities, which a first-order flow has no use for.

    Raises
    ------
    ValueError
        It says what to do.
    """
    if start.velocities is not None:
        raise ValueError(
            "integrator: a first-order flow has no velocities, but the state does; use Verlet, or set them to None "
            "with dataclasses.replace"
        )
