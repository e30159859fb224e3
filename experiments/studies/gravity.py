"""What studies of bodies that attract each other share: their motion, the metrics of mechanics, and pictures of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from coulombfield import Plummer
from coulombfield.arrays import Device, to_numpy
from coulombfield.diagnostics import lagrangian_radii
from coulombfield.flow import Group, Integrator, State, System
from coulombfield.trajectory import MECHANICS

from ..figures.points import animate_cloud
from ..figures.style import CURVES, REFERENCE, WIDTH, Figure, new_figure, save
from ..metrics.metric import Column
from .moving import Flow, Frames
from .study import Study

FRAMES = 60
PARTS = (0.1, 0.5, 0.9)  # of the mass, whose radii the figures show
COMMON: Mapping[str, Column] = {
    "energy": Column("Total energy, kinetic and potential, without self-interaction.", "energy"),
    "energy_error": Column("Error of the total energy, relative to that of the start.", axis="log"),
    "virial_ratio": Column("2K/|W| with Clausius' virial W, as of the centre of mass."),
    "half_mass_radius": Column("Radius around the centre of mass that holds half of the mass.", "length"),
}


def check_numbers(config: Any, *positive: str) -> None:
    """Raise unless the named settings are positive, and the seed is not negative."""
    for name in positive:
        if not getattr(config, name) > 0:
            raise ValueError(f"{name}: expected a positive number, got {getattr(config, name)}")
    if config.seed < 0:
        raise ValueError(f"seed: expected a number that is not negative, got {config.seed}")


class Gravity(Study):
    """Bodies under their softened gravity, G = 1; an update is a step of the integrator.

    Parameters
    ----------
    config : dataclass
        Its configuration, with ``training``, ``softening`` and ``dtype``.
    start : Group
        The bodies, as host arrays.
    integrator : Integrator
        What takes the steps.
    device : Device
        Where sums are computed.
    """

    headline: tuple[str, ...] = ("energy_error", "virial_ratio")

    def __init__(self, config: Any, start: Group, integrator: Integrator, device: Device):
        self.config = config
        self._integrator = integrator
        self._start = start
        system = System(Plummer(1.0, config.softening), coupling=-1.0, exclude_self=True)
        self._flow = Flow(system, State({"bodies": start}), device, energies=True)
        self._first = float(MECHANICS["total_energy"](self._flow.now))
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
        """Positions of bodies, drawn with replacement, shape (count, 3)."""
        return rng.choice(self._flow.positions, count)

    def evaluate(self, step: int | None = None) -> Mapping[str, float]:
        """The sums of mechanics as of now."""
        _, energy, ratio, *radii = self._history[-1]
        return {
            "energy": energy,
            "energy_error": abs(energy / self._first - 1),
            "virial_ratio": ratio,
            "half_mass_radius": radii[PARTS.index(0.5)],
        }

    def provenance(self) -> Mapping[str, str]:
        """SHA-256 of the bodies' positions at the start."""
        return {"data_sha256": hashlib.sha256(np.ascontiguousarray(self._start.positions).tobytes()).hexdigest()}

    def _keep(self) -> None:
        now = self._flow.now
        radii = lagrangian_radii(now.positions, now["bodies"].masses, PARTS)
        energy, ratio = (float(MECHANICS[name](now)) for name in ("total_energy", "virial_ratio"))
        self._history.append((now.time, energy, ratio, *radii.tolist()))
        if self._frames.wants(now.step):
            self._frames.keep(time=now.time, points=to_numpy(now.positions)[:, :2])

    def _columns(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Times, relative errors of the energy, virial ratios, and radii of the parts of the mass, of all steps."""
        history = np.array(self._history)
        return history[:, 0], history[:, 1] / self._first - 1, history[:, 2], history[:, 3:]

    def _draw_mechanics(self, path: Path, known: Mapping[str, float]) -> Figure:
        """Radii, virial ratio and energy over time, beside what is known."""
        time, errors, ratio, radii = self._columns()
        figure = new_figure(0.34 * WIDTH)
        panels = figure.subplots(1, 3, sharex=True)
        for part, radius, colour in zip(PARTS, radii.T, CURVES[1:], strict=False):
            panels[0].plot(time, radius, lw=1.2, color=colour, label=f"{part:.0%} of the mass")
        panels[1].plot(time, ratio, lw=1.2, color=CURVES[0], label="2K/|W|")
        panels[2].plot(time, errors, lw=1.2, color=CURVES[0])
        for axes, name in zip(panels, ("half_mass_radius", "virial_ratio"), strict=False):
            if name in known:
                axes.axhline(known[name], ls="--", lw=1, color=REFERENCE, label="known")
            axes.legend(fontsize=7, frameon=False)
        panels[0].set(ylabel="radius [length]", ylim=(0, None))
        panels[1].set(ylabel="virial ratio", ylim=(0, None))
        panels[2].set(ylabel="relative error of the energy")
        panels[2].ticklabel_format(axis="y", scilimits=(-2, 2))
        for axes in panels:
            axes.set_xlabel("time")
        save(figure, path)
        return Figure(path, "Mechanics over time", "Dashed, what is known." if known else "")

    def _animate(self, path: Path, edge: float) -> Figure:
        """The bodies from above."""
        time = self._frames["time"]
        animate_cloud(path, self._frames["points"], lambda i: f"time {time[i]:.2f}", (-edge, -edge), (edge, edge))
        return Figure(path, "The bodies", "Along the third axis.")
