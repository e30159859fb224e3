"""When a run ends."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from .parameters import check_count, store_number
from .snapshot import Snapshot


@dataclass(frozen=True)
class Stop:
    """Ends a run at the first state that meets any of the rules given, the one it starts from included.

    Parameters
    ----------
    steps : int, optional
        Number of steps since step 0, so that a run that was interrupted and goes on ends at the same one.
    time : float, optional
        Time of the state [time]; the last step is shortened to meet it.
    energy : float, optional
        Energy F that it has come down to [energy]. It takes energies at every step.
    force : float, optional
        Largest force on a particle that moves, per unit of its charge [energy / (charge · length)].

    Raises
    ------
    TypeError, ValueError
        If none is given, or one is no number or out of range.
    """

    steps: int | None = None
    time: float | None = None
    energy: float | None = None
    force: float | None = None

    def __post_init__(self) -> None:
        if all(getattr(self, rule.name) is None for rule in fields(self)):
            raise ValueError("Stop: expected at least one of steps, time, energy, force")
        if self.steps is not None:
            check_count("steps", self.steps)
        for name in ("time", "force"):
            if getattr(self, name) is not None:
                store_number(self, name, zero=True)
        if self.energy is not None:
            store_number(self, "energy", signed=True)

    def reason(self, snapshot: Snapshot) -> str:
        """Name of the first rule that is met, or an empty string."""
        if self.steps is not None and snapshot.step >= self.steps:
            return "steps"
        # A sum of many steps misses a time by its rounding.
        if self.time is not None and (snapshot.time >= self.time or math.isclose(snapshot.time, self.time)):
            return "time"
        if self.energy is not None and snapshot.energy <= self.energy:
            return "energy"
        if self.force is not None and snapshot.largest_field <= self.force:
            return "force"
        return ""
