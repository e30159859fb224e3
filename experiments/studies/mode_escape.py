"""Whether samples that have collapsed onto one of two regions find the other one (appendix A.1)."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from coulombfield import Gaussian, Plummer, field
from coulombfield.arrays import Device
from coulombfield.charges import real_charges
from coulombfield.flow import Adaptive, State, System
from coulombfield.kernels import RadialKernel
from coulombfield.rng import Streams

from ..figures.points import animate_points
from ..figures.style import CURVES, WIDTH, Figure, new_figure, save
from ..metrics.metric import Column
from ..runs.loop import LoopConfig
from .moving import Flow, Frames
from .study import KNOWN_AS as KNOWN_AS
from .study import Study

FRAMES = 60
NEAR = 1.5  # radii around a region's centre in which a sample counts as being there
WEAKEST = 1e-30  # lower end of the axis of forces [1/length]
TOLERANCE = 1e-2  # of the integrator, relative and in radii of a region


@dataclass(frozen=True)
class RegionsConfig:
    """Two discs far apart, with half of the data in each; all samples start in the first.

    Parameters
    ----------
    particles : int
        Number of data points, and of samples.
    radius : float
        Of each region [length].
    gap : float
        Distance of the regions' centres [length].
    """

    particles: int = 128
    radius: float = 1.0
    gap: float = 20.0

    def __post_init__(self) -> None:
        if self.particles < 2 or self.particles % 2:
            raise ValueError(f"particles: expected an even number of at least 2, got {self.particles}")
        if not self.radius > 0:
            raise ValueError(f"radius: expected a positive number, got {self.radius}")
        if not self.gap > 2 * NEAR * self.radius:
            least = 2 * NEAR * self.radius
            raise ValueError(f"gap: expected more than {least:g}, {2 * NEAR:g} radii of a region, got {self.gap}")


@dataclass(frozen=True)
class KernelsConfig:
    """Kernels to compare; the flow of each starts from the same points.

    Parameters
    ----------
    exponents, softenings : list of float
        d and ε of each Plummer kernel, pairwise [1, length].
    widths : list of float
        Standard deviation of each Gaussian kernel, whose flow is that of a Gaussian MMD [length].
    """

    exponents: tuple[float, ...] = (0.5, 1.0, 1.0, 3.0)
    softenings: tuple[float, ...] = (1.0, 0.5, 1.0, 1.0)
    widths: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        if len(self.softenings) != len(self.exponents):
            raise ValueError(
                f"softenings: expected one for each of {len(self.exponents)} exponents, got {len(self.softenings)}"
            )
        for name in ("exponents", "softenings", "widths"):
            for value in getattr(self, name):
                if not value > 0:
                    raise ValueError(f"{name}: expected positive numbers, got {value}")
        if not self.exponents or not self.widths:
            raise ValueError("exponents: expected at least one Plummer kernel, and one width of a Gaussian")
        if len(self.by_name) != len(self.exponents) + len(self.widths):
            raise ValueError("exponents: expected kernels that differ")

    @property
    def by_name(self) -> dict[str, RadialKernel]:
        """The kernels, by what metrics call them."""
        pairs = zip(self.exponents, self.softenings, strict=True)
        plummer = {f"d{d:g}_eps{epsilon:g}": Plummer(d, epsilon) for d, epsilon in pairs}
        return {**plummer, **{f"gaussian{width:g}": Gaussian(width) for width in self.widths}}


@dataclass(frozen=True)
class Config:
    """Everything that decides a run, but for the device.

    The times of the steps are in geometric progression from ``first_time`` to ``last_time``, the same for all kernels.
    """

    training: LoopConfig
    regions: RegionsConfig = RegionsConfig()
    kernels: KernelsConfig = KernelsConfig()
    first_time: float = 1.0
    last_time: float = 3e4
    seed: int = 0
    dtype: Literal["float32", "float64"] = "float64"

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed: expected a number that is not negative, got {self.seed}")
        if not self.first_time > 0:
            raise ValueError(f"first_time: expected a positive number, got {self.first_time}")
        if not self.last_time > self.first_time:
            raise ValueError(f"last_time: expected more than first_time = {self.first_time:g}, got {self.last_time}")


def build(config: Config, device: Device, streams: Streams) -> ModeEscape:
    """The experiment at its start."""
    return ModeEscape(config, device, streams)


def tied_to_length(config: Config) -> list[str]:
    """The times are spread over all updates."""
    return ["first_time", "last_time"]


class ModeEscape(Study):
    """The same collapsed samples in the flows of several kernels, which go on together.

    An update brings all of them to the next of the times, so that a run that is stopped has all kernels up to the same
    time, and the figures and the animation compare like with like.

    Parameters
    ----------
    config : Config
        What to run.
    device : Device
        Where.
    streams : Streams
        ``data`` and ``initialization`` are used.
    """

    def __init__(self, config: Config, device: Device, streams: Streams):
        self.config = config
        count, regions = config.regions.particles, config.regions
        self._real = _disc(streams.stream("data"), count, regions.radius).astype(config.dtype)
        self._real[count // 2 :, 0] += regions.gap
        start = _disc(streams.stream("initialization"), count, regions.radius).astype(config.dtype)
        self._kernels = config.kernels.by_name
        both = State.of(generated=start, real=self._real)
        self._flows = {name: Flow(System(k), both, device) for name, k in self._kernels.items()}
        self._frames = Frames(config.training.updates, FRAMES)
        self._steps = 0
        self.metrics: Mapping[str, Column] = {
            **{f"share_{name}": Column(f"Samples in the second region under {_text(k)}.") for name, k in self._named},
            **{
                f"pull_{name}": Column(
                    f"Force of the second region's data at the first region's centre under {_text(k)}, per unit of "
                    "charge.",
                    "kernel / length",
                    axis="",
                )
                for name, k in self._named
            },
        }
        self.headline: tuple[str, ...] = tuple(f"share_{name}" for name in self._kernels)
        self._keep()

    @property
    def _named(self) -> list[tuple[str, RadialKernel]]:
        return list(self._kernels.items())

    def step(self) -> Mapping[str, Any]:
        """Bring the samples of all kernels to the next time."""
        config = self.config
        ratio = (config.last_time / config.first_time) ** (self._steps / max(1, config.training.updates - 1))
        until = config.first_time * ratio
        atol = TOLERANCE * config.regions.radius
        for flow in self._flows.values():
            flow.advance(Adaptive(until - flow.now.time, method="RK23", rtol=TOLERANCE, atol=atol))
        self._steps += 1
        self._keep()
        return {"field": max(flow.now.largest_field for flow in self._flows.values())}

    def schedule(self) -> Mapping[str, float]:
        """The time that has passed."""
        return {"time": self._time}

    def state(self) -> dict[str, Any]:
        """Positions, and what the figures need of earlier times."""
        flows = {name: flow.state() for name, flow in self._flows.items()}
        return {"steps": self._steps, "flows": flows, "frames": self._frames.state()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state`."""
        self._steps = state["steps"]
        for name, flow in self._flows.items():
            flow.load_state(state["flows"][name])
        self._frames.load_state(state["frames"])

    def sample(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Samples of the first kernel, drawn with replacement, shape (count, 2)."""
        return rng.choice(next(iter(self._flows.values())).positions, count)

    def evaluate(self, step: int | None = None) -> Mapping[str, float]:
        """Where the samples are, and what draws them."""
        return {**{f"share_{name}": shares[1] for name, shares in self._shares().items()}, **self._pulls}

    def reference(self) -> Mapping[str, float]:
        """The share of the data, and the same forces."""
        return {**{f"share_{name}": self._share_of(self._real)[1] for name in self._kernels}, **self._pulls}

    def provenance(self) -> Mapping[str, str]:
        """SHA-256 of the data."""
        return {"data_sha256": hashlib.sha256(np.ascontiguousarray(self._real).tobytes()).hexdigest()}

    def figures(self, folder: Path) -> list[Figure]:
        """Shares over time, the force between the regions, and the flows side by side."""
        shares, force, moving = folder / "shares.png", folder / "force.png", folder / "escape.gif"
        self._draw_shares(shares)
        self._draw_force(force)
        regions, time = self.config.regions, self._frames["time"]
        wide = 4 * regions.radius
        # The kernel that the authors used, or the first; and the first Gaussian.
        chosen = {"d1_eps1": self._kernels.get("d1_eps1"), **self._kernels}
        local = next(name for name in chosen if name.startswith("gaussian"))
        best = next(name for name, kernel in chosen.items() if kernel is not None)
        animate_points(
            moving,
            self._real,
            {_text(self._kernels[name]): self._frames[f"points_{name}"] for name in (best, local)},
            lambda i: f"time {time[i]:.3g}",
            (-wide, -wide),
            (regions.gap + wide, wide),
        )
        return [
            Figure(
                shares,
                "Who finds the second region",
                "Share of the samples within 1.5 radii of each region's centre; half of the data are in each. Units of "
                "time differ between kernels: compare what is reached rather than when.",
            ),
            Figure(
                force,
                "Force between the regions",
                "Force of the second region's data, half of all, on a sample on the line between the centres: a power "
                "of the distance, or a Gaussian, which ends.",
            ),
            Figure(moving, "The flows", "The same start under two kernels; the time between frames grows."),
        ]

    @property
    def _time(self) -> float:
        return next(iter(self._flows.values())).now.time

    def _share_of(self, points: np.ndarray) -> np.ndarray:
        """Shares of points in the first and in the second region."""
        centres = np.array([[0.0, 0.0], [self.config.regions.gap, 0.0]])
        distance = np.linalg.norm(points[:, None, :] - centres, axis=-1)
        return (distance <= NEAR * self.config.regions.radius).mean(axis=0)

    def _shares(self) -> dict[str, np.ndarray]:
        return {name: self._share_of(flow.positions) for name, flow in self._flows.items()}

    @cached_property
    def _pulls(self) -> dict[str, float]:
        centre = np.zeros((1, 2), self.config.dtype)
        return {f"pull_{name}": float(self._force(kernel, centre)[0]) for name, kernel in self._kernels.items()}

    def _force(self, kernel: RadialKernel, points: np.ndarray) -> np.ndarray:
        """Strength of the second region's field, whose data carry half of the charge."""
        second = real_charges(self._real[len(self._real) // 2 :])
        return 0.5 * np.linalg.norm(field(points, second, kernel).astype(np.float64), axis=1)

    def _keep(self) -> None:
        if self._frames.wants(self._steps):
            shares = {f"shares_{name}": values for name, values in self._shares().items()}
            points = {f"points_{name}": flow.positions for name, flow in self._flows.items()}
            self._frames.keep(time=self._time, **shares, **points)

    def _draw_shares(self, path: Path) -> None:
        figure = new_figure(0.42 * WIDTH)
        time = self._frames["time"][1:]
        for region, axes in enumerate(figure.subplots(1, 2, sharex=True, sharey=True)):
            for (name, kernel), colour in zip(self._named, itertools.cycle(CURVES)):
                style = "--" if isinstance(kernel, Gaussian) else "-"
                share = self._frames[f"shares_{name}"][1:, region]
                axes.plot(time, share, style, color=colour, lw=1.6, label=_text(kernel))
            axes.axhline(0.5, ls=":", lw=1, color="0.5")
            axes.set(xscale="log", xlabel="time of the flow", ylim=(-0.03, 1.03), title=f"region {region + 1}")
        figure.axes[0].set_ylabel("share of the samples")
        figure.legend(
            *figure.axes[0].get_legend_handles_labels(), loc="outside right center", frameon=False, fontsize=8
        )
        save(figure, path)

    def _draw_force(self, path: Path) -> None:
        figure = new_figure(0.4 * WIDTH, 0.8 * WIDTH)
        axes = figure.subplots()
        regions = self.config.regions
        line = np.linspace(0, regions.gap - NEAR * regions.radius, 200)
        points = np.stack([line, np.zeros_like(line)], axis=1).astype(self.config.dtype)
        for (_, kernel), colour in zip(self._named, itertools.cycle(CURVES)):
            style = "--" if isinstance(kernel, Gaussian) else "-"
            axes.plot(line, self._force(kernel, points), style, color=colour, lw=1.6, label=_text(kernel))
        axes.axvspan(0, regions.radius, color="0.9", lw=0, label="first region")
        axes.set(yscale="log", xlabel="distance from the first region's centre [length]", xlim=(0, line[-1]))
        axes.set_ylim(bottom=max(WEAKEST, axes.get_ylim()[0]))
        axes.set_ylabel("force towards the second region\n[kernel / length]")
        axes.legend(fontsize=8, frameon=False)
        save(figure, path)


def _disc(rng: np.random.Generator, count: int, radius: float) -> np.ndarray:
    """Uniform points of a disc around the origin, shape (count, 2)."""
    distance = radius * np.sqrt(rng.random(count))
    angle = 2 * np.pi * rng.random(count)
    return np.stack([distance * np.cos(angle), distance * np.sin(angle)], axis=1)


def _text(kernel: RadialKernel) -> str:
    if isinstance(kernel, Plummer):
        return f"Plummer, d = {kernel.exponent:g}, ε = {kernel.softening:g}"
    assert isinstance(kernel, Gaussian)
    return f"Gaussian, width {kernel.width:g}"
