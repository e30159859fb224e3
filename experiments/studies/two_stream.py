"""Two streams of charges through each other: the instability of a cold plasma in one dimension."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from coulombfield import Sheets
from coulombfield.arrays import Device, select_device, to_numpy
from coulombfield.flow import Group, Snapshot, State, System, Verlet
from coulombfield.periodic import Box
from coulombfield.rng import Streams
from coulombfield.trajectory import MECHANICS

from ..figures.points import animate_cloud
from ..figures.style import CURVES, GENERATED, REAL, REFERENCE, WIDTH, Figure, new_figure, save
from ..metrics.metric import Column
from ..runs.loop import LoopConfig
from .bodies import Bodies, check_numbers
from .moving import tied_to_length as tied_to_length
from .study import KNOWN_AS as KNOWN_AS

SIDE = 2 * math.pi  # of the box; its longest wave has the wave number 1
LINEAR = 0.03  # amplitude up to which growth is measured
SLOWEST = 0.3  # streams: the wave of slower ones ends at less than that amplitude
LEAST_AMPLITUDES = {"float32": 1e-4, "float64": 1e-6}
SHOWN = 4000  # points of a picture
MOMENTS = 4  # of the picture of phase space


@dataclass(frozen=True)
class Config:
    """Everything that decides a run, but for the device.

    The plasma frequency of all charges is 1, and so is the wave number of the box's longest wave.

    Parameters
    ----------
    training : LoopConfig
        Of which an update is a step.
    sheets : int
        Charged sheets in both streams together, an even number.
    speed : float
        v of each stream; the wave grows for v < 1, fastest for √(3/8) [length · plasma frequency].
    amplitude : float
        Of the density's wave at the start, as a part of the density.
    step : float
        Of the leapfrog [1 / plasma frequency].
    seed : int
        Not used: nothing is random.
    dtype : str
        'float32' or 'float64'.
    """

    training: LoopConfig
    sheets: int = 10_000
    speed: float = math.sqrt(3 / 8)
    amplitude: float = 1e-3
    step: float = 0.05
    seed: int = 0
    dtype: Literal["float32", "float64"] = "float64"

    def __post_init__(self) -> None:
        if self.sheets < 4 or self.sheets % 2:
            raise ValueError(f"sheets: expected an even number of at least 4, got {self.sheets}")
        check_numbers(self, "speed", "amplitude", "step")
        if not SLOWEST <= self.speed < 1:
            raise ValueError(
                f"speed: expected from {SLOWEST}, below which sheets meet before the wave is measured, to less than 1, "
                f"where it grows, got {self.speed}"
            )
        least = LEAST_AMPLITUDES[self.dtype]
        if not least <= self.amplitude < LINEAR / 2:
            raise ValueError(
                f"amplitude: expected from {least:g}, which rounding leaves alone in {self.dtype}, to less than "
                f"{LINEAR / 2}, got {self.amplitude}"
            )


def build(config: Config, device: Device, streams: Streams) -> TwoStream:
    """The experiment at its start."""
    return TwoStream(config)


def growth_rate(drift: float) -> float:
    r"""Rate γ at which a wave grows in two cold streams of half the density each, in plasma frequencies.

    With frequencies in units of the plasma frequency :math:`\omega_p` and ``drift`` :math:`K = k v / \omega_p < 1`,

    .. math:: 1 = \frac12 \Bigl(\frac{1}{(\omega - K)^2} + \frac{1}{(\omega + K)^2}\Bigr)
        \quad\Rightarrow\quad \gamma^2 = -\omega^2 = \tfrac12 \sqrt{1 + 8 K^2} - \tfrac12 - K^2
        = K^2\, \frac{3 - \sqrt{1 + 8 K^2}}{1 + \sqrt{1 + 8 K^2}}

    The kernel −\|x\|/2 has the Fourier transform 1/k², so that :math:`\omega_p^2 = n q^2 / m` for all k. The largest
    rate is :math:`1/\sqrt 8`, at :math:`K^2 = 3/8`. C. K. Birdsall, A. B. Langdon, *Plasma Physics via Computer
    Simulation*, 1985, section 5-6; O. Buneman, Physical Review 115, 1959.
    """
    root = math.sqrt(1 + 8 * drift * drift)
    return drift * math.sqrt((3 - root) / (1 + root))


def streams_with_wave(config: Config) -> dict[str, Group]:
    r"""Both streams with the growing wave of linear theory, and no other.

    Sheets at even distances x are displaced, and have velocities besides their stream's, by the parts that a field
    :math:`\hat E e^{i k x + \gamma t}` brings about in a stream of velocity u, with :math:`\nu = k u - i \gamma`:

    .. math:: \xi = \operatorname{Re}\Bigl(-\frac{\hat E}{\nu^2} e^{i k x}\Bigr), \qquad
        \delta v = \operatorname{Re}\Bigl(-\frac{i \hat E}{\nu} e^{i k x}\Bigr)
    """
    each = config.sheets // 2
    share, growth = SIDE / config.sheets, growth_rate(config.speed)
    # The density's wave, −∂ξ/∂x averaged over both streams, is i Ê at k = 1.
    wave = config.amplitude * np.exp(1j * np.arange(each) * (SIDE / each))
    groups = {}
    for name, velocity in (("to the right", config.speed), ("to the left", -config.speed)):
        shift = velocity - 1j * growth
        x = np.arange(each) * (SIDE / each) + np.real(-wave / shift**2)
        v = velocity + np.real(-1j * wave / shift)
        x, v = (array.astype(config.dtype)[:, None] for array in (x, v))
        groups[name] = Group(x, v, share, share)
    return groups


class TwoStream(Bodies):
    """Like charged sheets in a background that neutralises them, half of them going each way.

    Parameters
    ----------
    config : Config
        What to run, on the processor: sums over images know no other device.
    """

    metrics: Mapping[str, Column] = {
        "growth_rate": Column(
            f"Rate at which the wave grows, fitted up to an amplitude of {LINEAR:g}; 0 before.", "plasma frequency", ""
        ),
        "energy_error": Column("Error of the total energy, in parts of the streams' kinetic energy.", axis="log"),
        "momentum": Column("Total momentum, in parts of that of one stream.", axis=""),
    }
    headline = ("growth_rate", "energy_error")

    def __init__(self, config: Config):
        self._box = Box((SIDE,))
        system = System(Sheets(), box=self._box)
        super().__init__(config, system, State(streams_with_wave(config)), Verlet(config.step), select_device("cpu"))

    def _numbers(self, now: Snapshot) -> tuple[float, ...]:
        x = to_numpy(now.positions)[:, 0].astype(float)
        wave = 2 * abs(complex(np.mean(np.exp(-1j * x))))
        return wave, float(MECHANICS["total_energy"](now)), float(MECHANICS["momentum"](now)[0])

    def _shown(self, now: Snapshot) -> np.ndarray:
        positions = self._box.wrapped(to_numpy(now.positions))
        every = -(-len(positions) // SHOWN)
        return np.concatenate([positions, to_numpy(now.velocities)], axis=1)[::every]

    def evaluate(self, step: int | None = None) -> Mapping[str, float]:
        """Growth so far, and what should stay."""
        time, wave, energy, momentum = np.array(self._history).T
        linear = self._linear(wave)
        growth = np.polyfit(time[:linear], np.log(wave[:linear]), 1)[0] if linear > 2 else 0.0
        kinetic = 0.5 * SIDE * self.config.speed**2
        return {
            "growth_rate": float(growth),
            "energy_error": abs(energy[-1] - energy[0]) / kinetic,
            "momentum": momentum[-1] / (0.5 * SIDE * self.config.speed),
        }

    def reference(self) -> Mapping[str, float]:
        """Of linear theory, and of all that is conserved."""
        return {"growth_rate": growth_rate(self.config.speed), "energy_error": 0.0, "momentum": 0.0}

    def figures(self, folder: Path) -> list[Figure]:
        """Growth of the wave, phase space at some moments, and as it goes."""
        edge = 3 * self.config.speed
        animate_cloud(
            folder / "streams.gif",
            self._frames["points"],
            self._titles,
            (0, -edge),
            (SIDE, edge),
            colours=self._colours(),
            labels=("x", "velocity"),
        )
        moving = Figure(folder / "streams.gif", "Phase space", "Each stream in a colour, moved into the box.")
        return [self._draw_growth(folder / "growth.png"), self._draw_moments(folder / "phase-space.png", edge), moving]

    @staticmethod
    def _linear(wave: np.ndarray) -> int:
        """How many steps from the start on there are before the wave leaves the linear phase."""
        beyond = np.flatnonzero(wave > LINEAR)
        return int(beyond[0]) if len(beyond) else len(wave)

    def _colours(self) -> list[str]:
        """Of the points shown, of which the first half goes to the right."""
        count = self._frames["points"].shape[1]
        return [REAL] * (count - count // 2) + [GENERATED] * (count // 2)

    def _draw_growth(self, path: Path) -> Figure:
        time, wave, energy, _ = np.array(self._history).T
        rate, known = self.evaluate()["growth_rate"], growth_rate(self.config.speed)
        figure = new_figure(0.38 * WIDTH)
        left, right = figure.subplots(1, 2)
        left.semilogy(time, wave, lw=1.2, color=CURVES[0], label="amplitude of the density's wave")
        grown = wave[0] * np.exp(known * time)
        left.semilogy(time, np.where(grown < 2, grown, np.nan), "--", lw=1, color=REFERENCE, label="linear theory")
        left.axhline(LINEAR, ls=":", lw=0.8, color=CURVES[2])
        left.set(xlabel="time [1 / plasma frequency]", ylabel="amplitude")
        left.legend(fontsize=7, frameon=False)
        kinetic = 0.5 * SIDE * self.config.speed**2
        right.plot(time, (energy - energy[0]) / kinetic, lw=1, color=CURVES[0])
        right.set(xlabel="time [1 / plasma frequency]", ylabel="change of the total energy / kinetic energy")
        right.ticklabel_format(axis="y", scilimits=(-2, 2))
        save(figure, path)
        text = (
            f"Up to an amplitude of {LINEAR:g}, dotted, the wave grows at the rate {rate:.5f}; linear theory says "
            f"{known:.5f}. It ends where it catches the sheets."
        )
        return Figure(path, "Growth of the wave", text)

    def _draw_moments(self, path: Path, edge: float) -> Figure:
        points, colours = self._frames["points"], self._colours()
        figure = new_figure(0.3 * WIDTH)
        for axes, index in zip(figure.subplots(1, MOMENTS, sharey=True), _moments(self._frames["time"]), strict=True):
            axes.scatter(*points[index].T, 0.5, colours, linewidths=0)
            axes.set(xlim=(0, SIDE), ylim=(-edge, edge), xlabel="x")
            axes.set_title(self._titles(index), fontsize=9)
        figure.axes[0].set_ylabel("velocity")
        save(figure, path)
        return Figure(
            path, "Phase space at some moments", "The streams bend, break like waves, and circle around a hole."
        )


def _moments(times: np.ndarray) -> list[int]:
    """Frames at even distances of time, from the first third to the last."""
    wanted = np.linspace(times[0] + (times[-1] - times[0]) / 3, times[-1], MOMENTS)
    return [int(np.argmin(np.abs(times - time))) for time in wanted]
