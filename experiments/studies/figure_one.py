"""The paper's Figure 1: potential, field lines, real and generated charges; and where the generated ones go."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib.ticker import MaxNLocator

from coulombfield import Plummer, field, interaction_energy, potential, signed_charges
from coulombfield.arrays import Device
from coulombfield.diagnostics import nearest_neighbours
from coulombfield.flow import RungeKutta, State, System
from coulombfield.rng import Streams

from ..figures.points import animate_points, square
from ..figures.style import DIVERGING, GENERATED, REAL, WIDTH, Figure, new_figure, save
from ..metrics.metric import Column
from ..runs.loop import LoopConfig
from .moving import Flow, Frames
from .moving import tied_to_length as tied_to_length
from .study import KNOWN_AS as KNOWN_AS
from .study import Study

FRAMES = 60
GRID = 121  # points along each axis of the potential
LEVELS = 40  # steps of its colours
SIDE = 1.0  # the charges start inside [-SIDE, SIDE]² [length]
MARGIN = 0.25  # what the figures show around that [length]


@dataclass(frozen=True)
class ChargesConfig:
    """The charges of the figure.

    Parameters
    ----------
    real, generated : int
        How many of each.
    apart : float
        Least distance between any two at the start [length].
    exponent, softening : float
        d and ε of the Plummer kernel [1, length].
    step : float
        Step of the Runge-Kutta method [time].
    """

    real: int = 12
    generated: int = 8
    apart: float = 0.25
    exponent: float = 1.0
    softening: float = 0.1
    step: float = 0.0025

    def __post_init__(self) -> None:
        for name in ("real", "generated"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}")
        for name in ("exponent", "softening", "step"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: expected a positive number, got {getattr(self, name)}")
        # Discs of this diameter are to fill no more than two fifths of the square: random placement then succeeds.
        most = (2 * SIDE) * (0.4 * 4 / np.pi / (self.real + self.generated)) ** 0.5
        if not 0 <= self.apart <= most:
            raise ValueError(f"apart: expected 0 to {most:.3f} for so many charges, got {self.apart}")


@dataclass(frozen=True)
class Config:
    """Everything that decides a run, but for the device."""

    training: LoopConfig
    charges: ChargesConfig = ChargesConfig()
    seed: int = 0
    dtype: Literal["float32", "float64"] = "float64"

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed: expected a number that is not negative, got {self.seed}")


def build(config: Config, device: Device, streams: Streams) -> FigureOne:
    """The experiment at its start."""
    return FigureOne(config, device, streams)


class FigureOne(Study):
    """A few charges in the plane: generated ones move along +∇Φ, real ones stay.

    Parameters
    ----------
    config : Config
        What to run.
    device : Device
        Where.
    streams : Streams
        ``data`` is used.
    """

    metrics: Mapping[str, Column] = {
        "energy": Column("Potential energy F of all charges, with self-interaction (Eq 33).", "length**-d"),
        "largest_field": Column("Largest force on a generated charge, per unit of charge.", "length**-(d+1)"),
        "farthest": Column("Largest distance of a generated charge from the nearest real one.", "length"),
    }
    headline = ("energy", "farthest")

    def __init__(self, config: Config, device: Device, streams: Streams):
        self.config, options = config, config.charges
        self._kernel = Plummer(options.exponent, options.softening)
        points = _scattered(options.real + options.generated, options.apart, streams.stream("data"))
        self._real = np.ascontiguousarray(points[: options.real], config.dtype)
        self._start = np.ascontiguousarray(points[options.real :], config.dtype)
        self._flow = Flow(System(self._kernel), State.of(generated=self._start, real=self._real), device)
        self._frames = Frames(config.training.updates, FRAMES, growing=True)
        self._keep()

    def step(self) -> Mapping[str, Any]:
        """One step of the flow."""
        largest = self._flow.now.largest_field
        self._flow.advance(RungeKutta(self.config.charges.step))
        self._keep()
        return {"field": largest}

    def schedule(self) -> Mapping[str, float]:
        """The time that has passed."""
        return {"time": self._flow.now.time}

    def state(self) -> dict[str, Any]:
        """Positions, and those of earlier steps that the figures need."""
        return {"flow": self._flow.state(), "frames": self._frames.state()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state`."""
        self._flow.load_state(state["flow"])
        self._frames.load_state(state["frames"])

    def sample(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Generated charges, drawn with replacement, shape (count, 2)."""
        return rng.choice(self._flow.positions, count)

    def evaluate(self, step: int | None = None) -> Mapping[str, float]:
        """Energy, force, and whether each generated charge has found a real one."""
        return self._of(self._flow.positions)

    def reference(self) -> Mapping[str, float]:
        """The metrics of generated charges that lie on the real ones."""
        return self._of(self._real)

    def provenance(self) -> Mapping[str, str]:
        """SHA-256 of the real charges' positions."""
        return {"data_sha256": hashlib.sha256(self._real.tobytes()).hexdigest()}

    def figures(self, folder: Path) -> list[Figure]:
        """Figure 1 at the start as PDF and PNG, the end, and the way from one to the other."""
        start, end, moving = folder / "figure-1.png", folder / "figure-1-end.png", folder / "figure-1.gif"
        self._draw(self._start, start, start.with_suffix(".pdf"))
        self._draw(self._flow.positions, end)
        time, edge = self._frames["time"], SIDE + MARGIN
        paths = self._frames["points"]

        def tracks(axes):
            for track in np.moveaxis(paths, 1, 0):
                axes.plot(track[:, 0], track[:, 1], color=GENERATED, lw=0.6, alpha=0.35)

        def title(index):
            return f"time {time[index]:.3g}"

        animate_points(moving, self._real, {"": paths}, title, (-edge, -edge), (edge, edge), background=tracks)
        return [
            Figure(
                start,
                "Figure 1",
                "Real charges (blue) and generated ones (orange) at the start, their potential, and lines along the "
                "force on a generated charge, which climbs the potential. The same as vectors: figures/figure-1.pdf.",
            ),
            Figure(end, "The same at the end", f"After {self._flow.now.step} steps of the flow."),
            Figure(moving, "The way there", "Thin lines are the paths; the time between frames grows."),
        ]

    def _keep(self) -> None:
        now = self._flow.now
        if self._frames.wants(now.step):
            self._frames.keep(time=now.time, points=self._flow.positions)

    def _of(self, generated: np.ndarray) -> dict[str, float]:
        force = field(generated, signed_charges(self._real, generated), self._kernel)
        return {
            "energy": interaction_energy(self._real, generated, self._kernel),
            "largest_field": float(np.sqrt((force * force).sum(axis=1).max())),
            "farthest": float(nearest_neighbours(generated, self._real).distances.max()),
        }

    def _draw(self, generated: np.ndarray, *paths: Path) -> None:
        edge = SIDE + MARGIN
        ticks = np.linspace(-edge, edge, GRID)
        grid = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2).astype(self.config.dtype)
        charges = signed_charges(self._real, generated)
        values = potential(grid, charges, self._kernel).reshape(GRID, GRID).astype(np.float64)
        force = -field(grid, charges, self._kernel).reshape(GRID, GRID, 2).astype(np.float64)
        figure = new_figure(0.66 * WIDTH, 0.78 * WIDTH)
        axes = figure.subplots()
        # Peaks at the charges would leave no colour for what is between them.
        highest = float(np.quantile(np.abs(values), 0.97)) or 1.0
        levels = np.linspace(-highest, highest, LEVELS + 1)
        shades = axes.contourf(ticks, ticks, values, levels, cmap=DIVERGING, extend="both")
        shades.set_edgecolor("face")  # else viewers of the PDF show seams between the shades
        if np.any(force):
            along, up = np.moveaxis(force, -1, 0)
            axes.streamplot(ticks, ticks, along, up, color="0.25", linewidth=0.7, arrowsize=0.9, density=1.6)
        both = ((self._real, REAL, "o", "real"), (generated, GENERATED, "^", "generated"))
        for points, colour, marker, name in both:
            x, y = points[:, 0], points[:, 1]
            axes.scatter(x, y, 75, colour, marker=marker, edgecolors="white", label=name, zorder=3)
        square(axes, (-edge, -edge), (edge, edge))
        candidates = MaxNLocator(9).tick_values(-highest, highest)
        marks = [mark for mark in candidates if abs(mark) <= highest]
        figure.colorbar(shades, ax=axes, label="potential Φ [length⁻ᵈ]", shrink=0.9, ticks=marks)
        figure.legend(loc="outside lower center", ncols=2, frameon=False)
        for path in paths:
            save(figure, path)


def _scattered(count: int, apart: float, rng: np.random.Generator) -> np.ndarray:
    """Uniform points in the square, each drawn again until it is far enough from those before."""
    points: list[np.ndarray] = []
    while len(points) < count:
        point = rng.uniform(-SIDE, SIDE, 2)
        if all(np.linalg.norm(point - other) >= apart for other in points):
            points.append(point)
    return np.array(points)
