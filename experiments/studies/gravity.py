"""What studies of bodies that attract each other share: their motion, the metrics of mechanics, and pictures of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from coulombfield import Plummer
from coulombfield.arrays import Device
from coulombfield.diagnostics import lagrangian_radii
from coulombfield.flow import Group, Integrator, Snapshot, State, System
from coulombfield.trajectory import MECHANICS

from ..figures.points import animate_cloud
from ..figures.style import CURVES, REFERENCE, WIDTH, Figure, new_figure, save
from ..metrics.metric import Column
from .bodies import Bodies

PARTS = (0.1, 0.5, 0.9)  # of the mass, whose radii the figures show
COMMON: Mapping[str, Column] = {
    "energy": Column("Total energy, kinetic and potential, without self-interaction.", "energy"),
    "energy_error": Column("Error of the total energy, relative to that of the start.", axis="log"),
    "virial_ratio": Column("2K/|W| with Clausius' virial W, as of the centre of mass."),
    "half_mass_radius": Column("Radius around the centre of mass that holds half of the mass.", "length"),
}


class Gravity(Bodies):
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
        system = System(Plummer(1.0, config.softening), coupling=-1.0, exclude_self=True)
        super().__init__(config, system, State({"bodies": start}), integrator, device)
        self._first = self._history[0][1]

    def evaluate(self, step: int | None = None) -> Mapping[str, float]:
        """The sums of mechanics as of now."""
        _, energy, ratio, *radii = self._history[-1]
        return {
            "energy": energy,
            "energy_error": abs(energy / self._first - 1),
            "virial_ratio": ratio,
            "half_mass_radius": radii[PARTS.index(0.5)],
        }

    def _numbers(self, now: Snapshot) -> tuple[float, ...]:
        radii = lagrangian_radii(now.positions, now["bodies"].masses, PARTS)
        energy, ratio = (float(MECHANICS[name](now)) for name in ("total_energy", "virial_ratio"))
        return energy, ratio, *radii.tolist()

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
        animate_cloud(path, self._frames["points"], self._titles, (-edge, -edge), (edge, edge))
        return Figure(path, "The bodies", "Along the third axis.")
