"""What studies of bodies that move on share: their flow, what is kept of each step, and the moments of an animation."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from coulombfield.arrays import Device, to_numpy
from coulombfield.flow import Integrator, Snapshot, State, System

from .moving import Flow, Frames
from .study import Study

FRAMES = 60
LEAST, MOST = 1e-30, 1e30  # of any setting


def check_numbers(config: Any, *positive: str) -> None:
    """Raise unless the named settings are positive, with room for their powers, and the seed is not negative."""
    for name in positive:
        if not LEAST <= getattr(config, name) <= MOST:
            raise ValueError(
                f"{name}: expected a positive number from {LEAST:g} to {MOST:g}, got {getattr(config, name)}"
            )
    if config.seed < 0:
        raise ValueError(f"seed: expected a number that is not negative, got {config.seed}")


class Bodies(Study):
    """Bodies under one law; an update is a step of the integrator.

    Parameters
    ----------
    config : dataclass
        Its configuration, with ``training``.
    system : System
        The law by which they move.
    start : State
        The bodies, as host arrays.
    integrator : Integrator
        What takes the steps.
    device : Device
        Where sums are computed.
    """

    def __init__(self, config: Any, system: System, start: State, integrator: Integrator, device: Device):
        self.config = config
        self._integrator = integrator
        self._start = start
        self._flow = Flow(system, start, device, energies=True)
        self._frames = Frames(config.training.updates, FRAMES)
        self._history: list[tuple[float, ...]] = []
        self._keep()

    def step(self) -> Mapping[str, Any]:
        """One step of the integrator."""
        self._flow.advance(self._integrator)
        self._keep()
        return {"field": self._flow.now.largest_field}

    def schedule(self) -> Mapping[str, float]:
        """The time that has passed."""
        return {"time": self._flow.now.time}

    def state(self) -> dict[str, Any]:
        """Positions, velocities, and what the figures need of earlier steps."""
        return {"flow": self._flow.state(), "frames": self._frames.state(), "history": np.array(self._history)}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state`."""
        self._flow.load_state(state["flow"])
        self._frames.load_state(state["frames"])
        self._history = [tuple(row) for row in state["history"].tolist()]

    def sample(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Positions of bodies, drawn with replacement, shape (count, m)."""
        return rng.choice(self._flow.positions, count)

    def provenance(self) -> Mapping[str, str]:
        """SHA-256 of the bodies' positions at the start."""
        places = np.concatenate([group.positions for group in self._start.groups.values()])
        return {"data_sha256": hashlib.sha256(np.ascontiguousarray(places).tobytes()).hexdigest()}

    def _keep(self) -> None:
        now = self._flow.now
        self._history.append((now.time, *self._numbers(now)))
        if self._frames.wants(now.step):
            self._frames.keep(time=now.time, points=self._shown(now))

    def _numbers(self, now: Snapshot) -> tuple[float, ...]:
        """What is kept of each step after its time."""
        raise NotImplementedError

    def _shown(self, now: Snapshot) -> np.ndarray:
        """Points of the animation in the plane, shape (N, 2)."""
        return to_numpy(now.positions)[:, :2]

    def _titles(self, index: int) -> str:
        """What stands over a moment of the animation."""
        return f"time {self._frames['time'][index]:.2f}"
