"""How convergence depends on the dimension m of the space, the kernel's exponent d and its softening ε."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes

from coulombfield import Plummer
from coulombfield.arrays import Device
from coulombfield.flow import Descent, State, System
from coulombfield.rng import Streams

from ..figures.animation import animate
from ..figures.points import ANIMATION_DPI
from ..figures.style import CURVES, WIDTH, Figure, new_figure, save
from ..files import write_atomically
from ..metrics.metric import Column
from ..runs.loop import LoopConfig
from .moving import Flow
from .study import KNOWN_AS as KNOWN_AS
from .study import Study

NARROW = 0.5  # width of the samples at the start, in widths of the data
FIRST_MOVE = 0.1  # of the fastest sample in the first step that is tried [length]
SUFFICIENT = 0.9  # part of the flow's own descent that a step must bring: times are then right to about a tenth
UNITS = (0.5, 1.0, 2.0)  # units of length that the figure compares


class Setting(NamedTuple):
    """One flow: dimension m, exponent d, softening ε [length], and whether d stands for m − 2."""

    dimension: int
    exponent: float
    softening: float
    harmonic: bool

    @property
    def name(self) -> str:
        """What metrics call it."""
        return f"m{self.dimension}_d{self.exponent:g}_eps{self.softening:g}"


@dataclass(frozen=True)
class SettingsConfig:
    """What is compared: each dimension with each exponent and softening.

    Parameters
    ----------
    dimensions : list of int
        m.
    exponents : list of float
        d of the Plummer kernel; 0 stands for m − 2, the exponent of Theorem 1's proof, where that is positive.
    softenings : list of float
        ε [length].
    particles : int
        Number of data points, and of samples.
    fall : float
        Part of the energy of the start at which a flow has arrived.
    """

    dimensions: tuple[int, ...] = (1, 2, 3, 8, 32, 256, 3072)
    exponents: tuple[float, ...] = (1.0, 3.0, 0.0)
    softenings: tuple[float, ...] = (0.3, 1.0)
    particles: int = 128
    fall: float = 0.1

    def __post_init__(self) -> None:
        if min(self.dimensions, default=0) < 1:
            raise ValueError(f"dimensions: expected a list of integers from 1 on, got {list(self.dimensions)}")
        if min(self.exponents, default=-1.0) < 0:
            raise ValueError(f"exponents: expected a list of positive numbers, or 0 for m - 2, got {self.exponents}")
        if not min(self.softenings, default=0.0) > 0:
            raise ValueError(f"softenings: expected a list of positive numbers, got {list(self.softenings)}")
        if self.particles < 2:
            raise ValueError(f"particles: expected at least 2, got {self.particles}")
        if not 0 < self.fall < 1:
            raise ValueError(f"fall: expected a number between 0 and 1, got {self.fall}")
        if not self.settings:
            raise ValueError("exponents: no kernel is left: m - 2 needs a dimension of 3 or more")

    @property
    def settings(self) -> list[Setting]:
        """All that is compared; where m − 2 is one of the exponents, it counts once."""
        found: dict[str, Setting] = {}
        for m, d, epsilon in itertools.product(self.dimensions, self.exponents, self.softenings):
            setting = Setting(m, d or float(m - 2), epsilon, harmonic=not d)
            if setting.exponent > 0:
                found.setdefault(setting.name, setting)
        return list(found.values())


@dataclass(frozen=True)
class Config:
    """Everything that decides a run, but for the device; an update is a step of each flow that has not arrived."""

    training: LoopConfig
    settings: SettingsConfig = SettingsConfig()
    seed: int = 0
    dtype: Literal["float32", "float64"] = "float64"

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed: expected a number that is not negative, got {self.seed}")


def build(config: Config, device: Device, streams: Streams) -> DimensionStudy:
    """The experiment at its start."""
    return DimensionStudy(config, device, streams)


class DimensionStudy(Study):
    r"""One flow for each dimension, exponent and softening, from starts alike, by steps that lower the energy.

    The data are normal with a mean square distance of 1 between two of them, whatever m; the samples start half as
    wide, a distance of 1 away. Lengths are in this unit. In a unit :math:`\lambda` times as long the same flow takes

    .. math:: t \to \lambda^{-(d + 2)}\, t, \qquad \varepsilon \to \varepsilon / \lambda,

    so that which exponent is fastest depends on the unit.

    All flows step together: one that has arrived costs nothing more, and a run that is stopped knows of each as much as
    of the others.

    Parameters
    ----------
    config : Config
        What to run.
    device : Device
        Where.
    streams : Streams
        ``data`` and ``initialization`` are used.
    """

    headline = ("arrived",)

    def __init__(self, config: Config, device: Device, streams: Streams):
        self.config = config
        self._settings = config.settings.settings
        self._samples, self._hash = self._draw_samples(streams)
        self._flows = {s.name: self._flow(s, device) for s in self._settings if _in_range(s, config.dtype)}
        self._starts = {name: flow.now.energy for name, flow in self._flows.items()}
        fields = {name: flow.now.largest_field for name, flow in self._flows.items()}
        self._integrators = {name: Descent(FIRST_MOVE / size, SUFFICIENT) for name, size in fields.items() if size > 0}
        self._history = [self._point()]
        self.metrics: Mapping[str, Column] = {
            "arrived": Column(f"Flows whose energy has fallen to {config.settings.fall:g} of its start, or less."),
            **{
                f"time_{s.name}": Column(
                    f"Time of that for m = {s.dimension}, d = {s.exponent:g}, ε = {s.softening:g}; "
                    "without an end so far, the time so far; 0 where float64 holds no such kernel.",
                    "length**(d+2)",
                    axis="",
                )
                for s in self._settings
            },
        }

    def step(self) -> Mapping[str, Any]:
        """One step of each flow that has not arrived."""
        for name, integrator in self._integrators.items():
            flow = self._flows[name]
            if flow.now.energy > self.config.settings.fall * self._starts[name]:
                flow.advance(integrator)
        self._history.append(self._point())
        return {"energy": float(self._history[-1][:, 1].mean())}

    def schedule(self) -> Mapping[str, float]:
        """Flows on their way."""
        return {"on the way": float((self._history[-1][:, 1] > self.config.settings.fall).sum())}

    def state(self) -> dict[str, Any]:
        """Positions and energies so far."""
        flows = {name: flow.state() for name, flow in self._flows.items()}
        return {"flows": flows, "history": np.stack(self._history)}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state`."""
        for name, flow in self._flows.items():
            flow.load_state(state["flows"][name])
        self._history = list(state["history"])

    def sample(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Samples of the first flow, drawn with replacement, shape (count, m)."""
        return rng.choice(next(iter(self._flows.values())).positions, count)

    def evaluate(self, step: int | None = None) -> Mapping[str, float]:
        """How many flows have arrived, and when."""
        times = {name: values[0] for name, values in self._arrivals().items()}
        fell = sum(values[2] for values in self._arrivals().values())
        return {"arrived": float(fell), **{f"time_{s.name}": times.get(s.name, 0.0) for s in self._settings}}

    def reference(self) -> Mapping[str, float]:
        """Samples that are the data have arrived at the start."""
        return {"arrived": float(len(self._flows)), **{f"time_{s.name}": 0.0 for s in self._settings}}

    def provenance(self) -> Mapping[str, str]:
        """SHA-256 of all starts and data."""
        return {"data_sha256": self._hash}

    def figures(self, folder: Path) -> list[Figure]:
        """Time against dimension, in several units of length, and the energies as they fall."""
        times, units, moving = folder / "times.png", folder / "units.png", folder / "energies.gif"
        self._write_table(folder / "times.csv")
        self._draw_times(times)
        self._draw_units(units)
        self._animate(moving)
        part = f"{self.config.settings.fall:g}"
        return [
            Figure(
                times,
                f"Time until the energy has fallen to {part} of its start",
                "Unit of length: the data's root mean square distance. Crosses: not after all steps, or float64 has no "
                "such kernel. Numbers: figures/times.csv.",
            ),
            Figure(
                units,
                "The same in other units of length",
                "Distances of the data in the unit: times change by the factor λ to the power d + 2, ε with them, so "
                "that the exponent that is fastest in one unit is slowest in another.",
            ),
            Figure(moving, "Energies", "Each line is one flow; a step is the longest that lowers the energy enough."),
        ]

    def _draw_samples(self, streams: Streams) -> tuple[dict[int, tuple[np.ndarray, np.ndarray]], str]:
        """Data and start in each dimension, and a checksum."""
        samples, digest = {}, hashlib.sha256()
        for m in dict.fromkeys(self.config.settings.dimensions):
            shape = self.config.settings.particles, m
            data, start = (
                streams.stream(f"{name} {m}").standard_normal(shape) / math.sqrt(2 * m)
                for name in ("data", "initialization")
            )
            start *= NARROW
            start[:, 0] += 1.0
            samples[m] = data.astype(self.config.dtype), start.astype(self.config.dtype)
            for part in samples[m]:
                digest.update(np.ascontiguousarray(part).tobytes())
        return samples, digest.hexdigest()

    def _flow(self, setting: Setting, device: Device) -> Flow:
        data, start = self._samples[setting.dimension]
        system = System(Plummer(setting.exponent, setting.softening))
        return Flow(system, State.of(generated=start, real=data), device, energies=True)

    def _point(self) -> np.ndarray:
        """Time and part of the energy left of every flow, shape (flows, 2)."""
        return np.array([(f.now.time, f.now.energy / self._starts[name]) for name, f in self._flows.items()])

    def _arrivals(self) -> dict[str, tuple[float, float, bool]]:
        """Time and steps to the fall of each flow, interpolated between steps, and whether it fell."""
        history, fall = np.stack(self._history), self.config.settings.fall
        found = {}
        for index, name in enumerate(self._flows):
            time, left = history[:, index].T
            below = np.flatnonzero(left <= fall)
            if not len(below):
                found[name] = float(time[-1]), float(len(time) - 1), False
                continue
            last = below[0]
            part = math.log(left[last - 1] / fall) / math.log(left[last - 1] / max(left[last], 1e-300))
            when = float(time[last - 1] + part * (time[last] - time[last - 1]))
            found[name] = when, float(last), True
        return found

    def _write_table(self, path: Path) -> None:
        lines, arrivals = ["m,d,epsilon,time,steps,arrived"], self._arrivals()
        for s in self._settings:
            time, steps, fell = arrivals.get(s.name, (0.0, 0.0, False))
            lines.append(f"{s.dimension},{s.exponent:g},{s.softening:g},{time:.6g},{steps:.0f},{int(fell)}")
        write_atomically(path, "\n".join(lines) + "\n")

    def _lines(self) -> dict[str, list[Setting]]:
        """Settings of each line in the figures: by exponent, with m − 2 apart."""
        lines: dict[str, list[Setting]] = {}
        for s in self._settings:
            lines.setdefault("m − 2" if s.harmonic else f"{s.exponent:g}", []).append(s)
        return lines

    def _draw_times(self, path: Path) -> None:
        figure = new_figure(0.42 * WIDTH)
        softenings, arrivals = self.config.settings.softenings, self._arrivals()
        panels = figure.subplots(1, len(softenings), sharey=True, squeeze=False)[0]
        for axes, epsilon in zip(panels, softenings, strict=True):
            for (exponent, line), colour in zip(self._lines().items(), itertools.cycle(CURVES)):
                here = [s for s in line if s.softening == epsilon]
                fell = [s for s in here if s.name in arrivals and arrivals[s.name][2]]
                dimensions, times = [s.dimension for s in fell], [arrivals[s.name][0] for s in fell]
                axes.plot(dimensions, times, "o-", ms=4, color=colour, label=f"d = {exponent}")
                missing = [s.dimension for s in here if s not in fell]
                axes.plot(missing, [0.96] * len(missing), "x", color=colour, transform=axes.get_xaxis_transform())
            axes.set(xscale="log", yscale="log", xlabel="dimension m", title=f"ε = {epsilon:g}")
        _name_times(panels[0], arrivals)
        panels[0].margins(y=0.15)
        panels[-1].legend(fontsize=8, frameon=False)
        save(figure, path)

    def _draw_units(self, path: Path) -> None:
        figure = new_figure(0.42 * WIDTH)
        arrivals, epsilon = self._arrivals(), max(self.config.settings.softenings)
        for axes, unit in zip(figure.subplots(1, len(UNITS), sharey=True), UNITS, strict=True):
            for (exponent, line), colour in zip(self._lines().items(), itertools.cycle(CURVES)):
                fell = [s for s in line if s.softening == epsilon and arrivals.get(s.name, (0, 0, False))[2]]
                times = [arrivals[s.name][0] * unit ** (s.exponent + 2) for s in fell]
                axes.plot([s.dimension for s in fell], times, "o-", ms=4, color=colour, label=f"d = {exponent}")
            title = f"distance {unit:g}, ε = {unit * epsilon:g}"
            axes.set(xscale="log", yscale="log", xlabel="dimension m", title=title)
        _name_times(figure.axes[0], arrivals)
        figure.axes[0].legend(fontsize=8, frameon=False)
        save(figure, path)

    def _animate(self, path: Path) -> None:
        figure = new_figure(0.42 * WIDTH, 0.66 * WIDTH)
        figure.set_dpi(ANIMATION_DPI)
        axes, left = figure.subplots(), np.stack(self._history)[:, :, 1]
        left[1:][left[:-1] <= self.config.settings.fall] = np.nan  # a line ends where its flow has arrived
        colours = {name: CURVES[i % len(CURVES)] for i, name in enumerate(self._lines())}
        of = {s.name: exponent for exponent, line in self._lines().items() for s in line}
        lines = [axes.plot([], [], lw=1, color=colours[of[name]])[0] for name in self._flows]
        for exponent, colour in colours.items():
            axes.plot([], [], color=colour, label=f"d = {exponent}")
        axes.axhline(self.config.settings.fall, ls=":", lw=1, color="0.5")
        lowest = 0.8 * min(float(np.nanmin(left)), self.config.settings.fall)
        axes.set(xscale="log", yscale="log", xlim=(1, len(left)), ylim=(max(1e-3, lowest), 1.1))
        axes.set(xlabel="step + 1", ylabel="energy, in parts of its start")
        figure.legend(fontsize=8, frameon=False, loc="outside right center")
        shown = np.unique(np.rint(np.geomspace(1, len(left), 48)).astype(int))

        def draw(index: int) -> None:
            until = shown[index]
            for line, values in zip(lines, left.T, strict=True):
                line.set_data(np.arange(1, until + 1), values[:until])
            axes.set_title(f"step {until - 1}", fontsize=10)

        animate(path, figure, draw, len(shown))


def _name_times(axes: Axes, arrivals: Mapping[str, tuple[float, float, bool]]) -> None:
    """Name of the axis of times, and limits where there is none to show."""
    axes.set_ylabel("time [length$^{d+2}$]")
    if not any(fell for _, _, fell in arrivals.values()):
        axes.set_ylim(0.1, 10.0)


def _in_range(setting: Setting, dtype: str) -> bool:
    """Whether a kernel's values at distances 0 and 1, and twice its slope's logarithm, fit the dtype."""
    largest = np.log(np.finfo(dtype).max)
    at_zero = -setting.exponent * math.log(setting.softening)
    at_one = 0.5 * setting.exponent * math.log1p(setting.softening**2)
    return abs(at_zero) < 0.9 * largest and at_one < 0.9 * largest
