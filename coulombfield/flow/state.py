"""Where every particle of a flow is at one time, and all else that going on from there depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..arrays import Array, backend, floating
from ..charges import check_like, check_points, kind_of, shares
from .group import Group
from .parameters import check_count, finite_number

ALONE = "particles"
"""Name of a group that stands alone."""
MOVING = ("generated", "both")


@dataclass(frozen=True, eq=False, init=False)
class State:
    """Particles at one time: a flow that goes on from here does so bit for bit, given the same system and integrator.

    Parameters
    ----------
    groups : mapping of str to Group, or Group
        The particles, each group by its name; all of one dimension, dtype, library and device. A group alone is named
        'particles'. ``state["ions"]`` is the group of that name.
    step : int
        Steps done [steps]. Noise is drawn by its number, so that no generator has a state to keep.
    time : float
        Time that has passed [time].
    softening : float, optional
        The kernel's ε at this time [length]. A record: what a run uses comes from its kernel and its schedule.
    memory : mapping of str to float
        Numbers that an integrator with a step size of its own hands from one step to the next.

    Raises
    ------
    TypeError
        If an argument is of a wrong type, library or dtype.
    ValueError
        If there is no group, or a name, a shape, a device or a number does not fit.

    Notes
    -----
    The order of the groups is that of the terms in sums, and of the rows of ``Snapshot.positions``.
    """

    groups: Mapping[str, Group]
    step: int
    time: float
    softening: float | None
    memory: Mapping[str, float]

    def __init__(
        self,
        groups: Mapping[str, Group] | Group,
        step: int = 0,
        time: float = 0.0,
        softening: float | None = None,
        memory: Mapping[str, float] | None = None,
    ):
        check_count("step", step)
        remembered = {
            str(name): finite_number(f"memory[{name!r}]", value) for name, value in dict(memory or {}).items()
        }
        given = {
            "groups": _checked_groups({ALONE: groups} if isinstance(groups, Group) else groups),
            "step": int(step),
            "time": finite_number("time", time),
            "softening": None if softening is None else finite_number("softening", softening, "non-negative"),
            "memory": remembered,
        }
        for name, value in given.items():
            object.__setattr__(self, name, value)

    @classmethod
    def of(
        cls,
        *,
        generated: Array,
        real: Array,
        moving: str = "generated",
        generated_velocities: Array | None = None,
        real_velocities: Array | None = None,
        time: float = 0.0,
        whole: tuple[int, int] | None = None,
    ) -> State:
        """The paper's two groups: real data with charges +1/N_y and generated samples with −1/N_x.

        Parameters
        ----------
        generated : array, shape (N_x, m)
            Positions of the generated samples x [length], N_x ≥ 1.
        real : array, shape (N_y, m)
            Positions of the real data y [length], N_y ≥ 1; library, dtype and device of ``generated``.
        moving : str
            'generated', with the data fixed as in the paper's training; or 'both', as in its Eq 2 and 3.
        generated_velocities, real_velocities : array, shape (N_x, m) and (N_y, m), optional
            As of :class:`Group` [length / time].
        time : float
            Time that has passed [time].
        whole : tuple of int, optional
            N_x and N_y, where the arrays are one process's part of them for :func:`coulombfield.parallel.run`, and may
            be empty.

        Returns
        -------
        State
            With the groups 'real' and 'generated', in this order.

        Raises
        ------
        TypeError, ValueError
            As for :class:`Group` and :class:`State`, or if one is empty.
        """
        if moving not in MOVING:
            raise ValueError(f"moving: expected {' or '.join(MOVING)}, got {moving!r}")
        generated, real = floating(generated=generated, real=real)
        backend(generated=generated, real=real)
        arrays, counts = {"real": real, "generated": generated}, {}
        for name, points in arrays.items():
            check_points(name, points)
            counts[name] = points.shape[0] if whole is None else whole[name == "real"]
        check_like("real", real, "generated", generated)
        velocities = {"real": real_velocities, "generated": generated_velocities}
        groups = {}
        for name, points in arrays.items():
            charges = shares(name, points, counts[name])
            fixed = name == "real" and moving == "generated"
            try:
                groups[name] = Group(points, velocities[name], charges, fixed=fixed)
            except (TypeError, ValueError) as error:  # of the velocities: all else has been looked at
                raise type(error)(f"{name}_{error}") from None
        return cls(groups, time=time)

    def __getitem__(self, name: str) -> Group:
        if name not in self.groups:
            raise KeyError(f"{name}: expected one of {', '.join(self.groups)}")
        return self.groups[name]

    def __repr__(self) -> str:
        kinds = [f"{len(group)} {'fixed ' if group.fixed else ''}{name}" for name, group in self.groups.items()]
        first = next(iter(self.groups.values())).positions
        softening = "" if self.softening is None else f", softening {self.softening:g}"
        at = f"step {self.step}, time {self.time:g}{softening}"
        return f"State({', '.join(kinds)} in {first.shape[1]} dimensions, {kind_of(first)}; {at})"


def _checked_groups(groups: Mapping[str, Group]) -> dict[str, Group]:
    if not isinstance(groups, Mapping):
        raise TypeError(f"groups: expected a Group, or a mapping of names to groups, got {type(groups).__name__}")
    if not groups:
        raise ValueError("groups: expected at least one group of particles, got none")
    for name, group in groups.items():
        if not isinstance(name, str) or name in ("", ".", "..") or {*"/\0"} & {*name}:
            raise ValueError(f"groups: expected names without a slash, got {name!r}")
        if not isinstance(group, Group):
            raise TypeError(f"groups: expected a Group for {name!r}, got {type(group).__name__}")
    positions = {f"{name}.positions": group.positions for name, group in groups.items()}
    first = next(iter(positions))
    backend(**positions)
    for name, points in positions.items():
        check_like(name, points, first, positions[first])
    return dict(groups)
