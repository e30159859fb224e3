"""Where every particle of a flow is at one time, and all else that going on from there depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..arrays import Array, backend, floating
from ..charges import check_like, check_points, kind_of
from .parameters import check_count, finite_number, store_number


@dataclass(frozen=True, eq=False)
class State:
    """Particles at one time: a flow that goes on from here does so bit for bit, given the same system and integrator.

    Parameters
    ----------
    generated : array, shape (N_x, m)
        Positions of the generated samples x [length].
    real : array, shape (N_y, m)
        Positions of the real data y [length]; library, dtype and device of ``generated``.
    step : int
        Steps done [steps]. Noise is drawn by its number, so that no generator has a state to keep.
    time : float
        Time that has passed [time].
    generated_velocities : array, shape (N_x, m), optional
        Velocities [length / time] for dynamics with inertia, where None is at rest; a first-order flow has none.
    real_velocities : array, shape (N_y, m), optional
        The same for the real data, where they move.
    softening : float, optional
        The kernel's ε at this time [length]. A record: what a run uses comes from its kernel and its schedule.
    memory : mapping of str to float
        Numbers that an integrator with a step size of its own hands from one step to the next.

    Raises
    ------
    TypeError
        If an argument is of a wrong type, library or dtype.
    ValueError
        If a shape, a device or a number does not fit.

    Notes
    -----
    The positions' values aren't looked at here; :func:`run` does not start from one that is not finite.
    """

    generated: Array
    real: Array
    step: int = 0
    time: float = 0.0
    generated_velocities: Array | None = None
    real_velocities: Array | None = None
    softening: float | None = None
    memory: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        velocities = {
            "generated_velocities": self.generated_velocities,
            "real_velocities": self.real_velocities,
        }
        given = {"generated": self.generated, "real": self.real}
        given |= {name: array for name, array in velocities.items() if array is not None}
        given = dict(zip(given, floating(**given), strict=True))
        for name, array in given.items():
            object.__setattr__(self, name, array)
        backend(**given)
        check_points("generated", self.generated)
        check_points("real", self.real)
        check_like("real", self.real, "generated", self.generated)
        for name in ("generated", "real"):
            _check_velocities(f"{name}_velocities", getattr(self, f"{name}_velocities"), name, getattr(self, name))
        check_count("step", self.step)
        object.__setattr__(self, "step", int(self.step))
        store_number(self, "time", signed=True)
        if self.softening is not None:
            store_number(self, "softening", zero=True)
        memory = {str(name): finite_number(f"memory[{name!r}]", value) for name, value in dict(self.memory).items()}
        object.__setattr__(self, "memory", memory)

    def __repr__(self) -> str:
        (moved, dimension), still = self.generated.shape, self.real.shape[0]
        softening = "" if self.softening is None else f", softening {self.softening:g}"
        at = f"step {self.step}, time {self.time:g}{softening}"
        return f"State({moved} generated and {still} real in {dimension} dimensions, {kind_of(self.generated)}; {at})"


def _check_velocities(name: str, velocities: Array | None, of: str, positions: Array) -> None:
    if velocities is None:
        return
    if tuple(velocities.shape) != tuple(positions.shape):
        raise ValueError(f"{name}: expected shape {tuple(positions.shape)} like {of}, got {tuple(velocities.shape)}")
    if velocities.dtype != positions.dtype:
        raise TypeError(f"{name}: expected dtype {positions.dtype} like {of}, got {velocities.dtype}")
