"""A flow as part of an experiment: it goes on a step at a time, and fits into a checkpoint."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from coulombfield.arrays import Device, to_numpy
from coulombfield.flow import Group, Integrator, Motion, Schedule, Snapshot, State, System

from .. import UserError


class Flow:
    """Particles of one system at their present place.

    Parameters
    ----------
    system : System
        The law by which they move.
    start : State
        Where they start, as host arrays.
    device : Device
        Where sums are computed.
    softening : callable, optional
        The kernel's ε as a function of time.
    energies : bool
        Whether the integrator, or whoever looks at each step, wants energies.
    """

    def __init__(
        self,
        system: System,
        start: State,
        device: Device,
        *,
        softening: Schedule | None = None,
        energies: bool = False,
    ):
        self._device = device
        groups = {name: _put(group, device) for name, group in start.groups.items()}
        state = dataclasses.replace(start, groups=groups)
        self.motion = Motion(system, state, softening, energies)
        self.now = Snapshot.of(state, self.motion)

    def advance(self, integrator: Integrator) -> bool:
        """Take one step; False where the integrator has none left to take.

        Raises
        ------
        UserError
            If a position is no longer finite.
        """
        try:
            following = integrator.advance(self.now)
            if following is not None:
                following.check(self.now)
        except ArithmeticError as error:
            raise UserError(f"the flow can't go on: {error}") from error
        if following is not None:
            self.now = following
        return following is not None

    @property
    def positions(self) -> np.ndarray:
        """Positions of the particles that move on the host, shape (M, m) [length]."""
        return to_numpy(self.now.positions)

    def state(self) -> dict[str, Any]:
        """What going on bit for bit needs, for a checkpoint."""
        now = self.now
        saved: dict[str, Any] = {
            "positions": to_numpy(now.positions),
            "step": now.step,
            "time": now.time,
            "memory": json.dumps(dict(now.memory)),
        }
        if now.velocities is not None:
            saved["velocities"] = to_numpy(now.velocities)
        return saved

    def load_state(self, saved: Mapping[str, Any]) -> None:
        """Go back to what :meth:`state` gave."""
        put, velocities = self._device.put, saved.get("velocities")
        self.now = Snapshot(
            self.motion,
            saved["step"],
            saved["time"],
            put(saved["positions"]),
            None if velocities is None else put(velocities),
            memory=json.loads(saved["memory"]),
        )


def _put(group: Group, device: Device) -> Group:
    arrays: dict[str, Any] = {name: getattr(group, name) for name in ("positions", "velocities", "charges", "masses")}
    return Group(**{name: None if a is None else device.put(a) for name, a in arrays.items()}, fixed=group.fixed)


def tied_to_length(config: Any) -> list[str]:
    """What of a study with :class:`Frames` hangs on its length: they are spread over all updates."""
    return ["training.updates, over which the animation's frames are spread"]


class Frames:
    """What an animation will show: values that are kept at some of the steps.

    Parameters
    ----------
    updates : int
        Steps of the whole run.
    count : int
        How many steps are kept at most, the first and the last among them, at least 2.
    growing : bool
        Whether the time between kept steps grows in proportion to their number, for motion that slows down.
    """

    def __init__(self, updates: int, count: int, *, growing: bool = False):
        steps = np.linspace(0, updates, count)
        if growing:
            steps = np.concatenate([[0.0], np.geomspace(1, updates, count - 1)])
        self._steps = {int(step) for step in np.rint(steps)}
        self._kept: dict[str, list[Any]] = {}

    def wants(self, step: int) -> bool:
        """Whether this step is one of those to keep."""
        return step in self._steps

    def keep(self, **values: Any) -> None:
        """Keep arrays or numbers of one step; each call names the same ones."""
        for name, value in values.items():
            self._kept.setdefault(name, []).append(np.array(value))

    def __getitem__(self, name: str) -> np.ndarray:
        """Values of one name, whose first axis counts the steps that were kept."""
        return np.stack(self._kept[name])

    def state(self) -> dict[str, np.ndarray]:
        """All that was kept."""
        return {name: np.stack(values) for name, values in self._kept.items()}

    def load_state(self, saved: Mapping[str, np.ndarray]) -> None:
        """Go back to what :meth:`state` gave."""
        self._kept = {name: list(values) for name, values in saved.items()}
