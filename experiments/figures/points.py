"""Pictures of points in the plane: scatter plots, histograms, potentials with their fields, and animations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib.figure
import numpy as np
from matplotlib.axes import Axes

from coulombfield import field, potential, signed_charges
from coulombfield.arrays import to_numpy

from .. import UserError
from ..data.dataset import DataSet
from ..data.gaussian_mixture import MixtureData
from ..gans.coulomb import CoulombGAN
from ..gans.gan import GAN
from . import evolution
from .animation import animate
from .style import DIVERGING, GENERATED, REAL, WIDTH, Figure, new_figure, save, square_axes

ANIMATION_INCHES = 4.8
ANIMATION_DPI = 100
PANELS_PER_ROW = 5
SAMPLES = 10_000  # as many as the paper's figures show
GRID = 161  # points along each axis of the potential's figure
SHOWN = 250  # real and generated points in the potential's figure: more would hide the potential
FIELD_BLOCK = 4096  # charges of each kind that stand for their distribution in the potential's figure


class Panel(NamedTuple):
    """One potential with the force that it exerts.

    Attributes
    ----------
    title : str
        What made it.
    potential : array, shape (H, W)
        Potential on the grid; rows run along the second coordinate.
    force : array, shape (H, W, 2)
        Direction in which generated samples are pushed on the grid: the potential's gradient.
    """

    title: str
    potential: np.ndarray
    force: np.ndarray


def draw(folder: Path, data: MixtureData, gan: GAN, samples: np.ndarray) -> list[Figure]:
    """The paper's Figures 4, 5 and, where there is a discriminator, 1 of a GAN on points in the plane.

    Parameters
    ----------
    folder : Path
        Where the files go.
    data : MixtureData
        What the GAN trains on.
    gan : GAN
        As of now.
    samples : array, shape (N, 2)
        What it generates, up to :data:`SAMPLES` [length].
    """
    held_out, extent = data.held_out.first(SAMPLES), data.extent
    scatter, histogram, fields = (folder / f"{name}.png" for name in ("samples", "histograms", "potential"))
    samples_against_data(scatter, held_out, samples, extent)
    histograms(histogram, held_out, samples, extent)
    figures = [
        Figure(scatter, "Samples (Fig 4)", f"{len(held_out)} held-out data points and {len(samples)} samples."),
        Figure(histogram, "Density (Fig 5)", "Two-dimensional histograms of the same points, on one colour scale."),
    ]
    ticks = np.linspace(-extent, extent, GRID)
    if isinstance(gan, CoulombGAN):
        panels = [_empirical(gan, ticks, held_out, samples), _seen(gan, ticks, "Learned by D", gan.config.scale)]
        text = (
            f"Left, the potential of {min(FIELD_BLOCK, len(held_out))} real and as many generated points at this run's "
            f"final softening {gan.kernel.softening:.3g}; right, what the discriminator learned. Lines follow the "
            "force on generated samples, which climbs the potential."
        )
        potential_and_field(fields, ticks, panels, held_out[:SHOWN], samples[:SHOWN])
        figures.append(Figure(fields, "Potential and field (Fig 1)", text))
    return figures + _evolution(folder, held_out, gan.updates, extent)


def snapshot(folder: Path, updates: int, data: DataSet, samples: np.ndarray) -> None:
    """Some of the samples as of now, as numbers, for the figure that shows how they changed."""
    evolution.keep_points(folder, updates, samples)


def _evolution(folder: Path, data: np.ndarray, updates: int, extent: float) -> list[Figure]:
    """Points of the same latent vectors after several numbers of updates, beside data."""
    kept = evolution.kept_points(folder, updates)
    if len(kept) < 2:
        return []
    path = folder / "evolution.png"
    points = {"data": data[: evolution.POINTS]} | {f"{step:,} updates": there for step, there in kept.items()}
    panels(path, points, dict.fromkeys(points, ""), extent)
    text = f"{evolution.POINTS} points of the data, and samples of the same latent vectors after so many updates."
    return [Figure(path, "Samples over time", text)]


def _empirical(gan: CoulombGAN, ticks: np.ndarray, data: np.ndarray, samples: np.ndarray) -> Panel:
    """Potential of data and samples, and the force on samples."""
    grid, charges = _grid(ticks, data.dtype), signed_charges(data[:FIELD_BLOCK], samples[:FIELD_BLOCK])
    shape, force = (len(ticks), len(ticks)), -field(grid, charges, gan.kernel)
    return Panel("Empirical potential", potential(grid, charges, gan.kernel).reshape(shape), force.reshape(*shape, 2))


def _seen(gan: GAN, ticks: np.ndarray, title: str, scale: float) -> Panel:
    """What the discriminator gives, over a scale, and its slope."""
    values, slopes = gan.discriminate(gan.device.put(_grid(ticks, gan.data.dtype)))
    shape = (len(ticks), len(ticks))
    return Panel(title, to_numpy(values).reshape(shape) / scale, to_numpy(slopes).reshape(*shape, 2) / scale)


def _grid(ticks: np.ndarray, dtype: np.dtype) -> np.ndarray:
    return np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2).astype(dtype)


def samples_against_data(path: Path, data: np.ndarray, samples: np.ndarray, extent: float) -> None:
    """Scatter plots of the data and of generated samples side by side (the paper's Figure 4).

    Parameters
    ----------
    path : Path
        PNG file to write.
    data, samples : array, shape (N, 2)
        Real and generated points [length].
    extent : float
        The axes show [-extent, extent] [length]; points outside are counted in the panel's title.
    """
    figure = new_figure(WIDTH * 0.53)
    for axes, points, colour, name in zip(
        square_axes(figure, 2, extent), (data, samples), (REAL, GENERATED), ("Data", "Generated samples"), strict=True
    ):
        outside = int((np.abs(points) > extent).any(axis=1).sum())
        size = float(np.clip(3e4 / max(len(points), 1), 1.5, 12.0))  # of the same blackness, whatever the number
        axes.scatter(points[:, 0], points[:, 1], size, colour, alpha=0.35, linewidths=0)
        axes.set_title(f"{name} ({len(points)} points" + (f", {outside} outside)" if outside else ")"))
    save(figure, path)


def picture(path: Path, samples: np.ndarray) -> None:
    """A scatter plot of samples alone, as a PNG file."""
    if samples.shape[1:] != (2,):
        raise UserError(f"--out: a picture shows points in the plane, not samples of shape {samples.shape[1:]}")
    figure = new_figure(WIDTH * 0.55, WIDTH * 0.53)
    (axes,) = square_axes(figure, 1, 1.05 * float(np.abs(samples).max(initial=0)) or 1.0)
    size = float(np.clip(3e4 / max(len(samples), 1), 1.5, 12.0))  # of the same blackness, whatever the number
    axes.scatter(samples[:, 0], samples[:, 1], size, GENERATED, alpha=0.35, linewidths=0)
    axes.set_title(f"Generated samples ({len(samples)} points)")
    save(figure, path)


def panels(path: Path, points: Mapping[str, np.ndarray], captions: Mapping[str, str], extent: float) -> None:
    """Scatter plots side by side, in rows of :data:`PANELS_PER_ROW`, the first of them data.

    Parameters
    ----------
    path : Path
        PNG file to write.
    points : mapping of str to array, shape (N, 2)
        Points of each panel, by what stands above it [length].
    captions : mapping of str to str
        What stands below each panel.
    extent : float
        The axes show [-extent, extent] [length].
    """
    rows = -(-len(points) // PANELS_PER_ROW)
    figure = new_figure(rows * (WIDTH / PANELS_PER_ROW + 0.45))
    grid = figure.subplots(rows, PANELS_PER_ROW, squeeze=False).flatten().tolist()
    for index, (name, shown) in enumerate(points.items()):
        axes = grid[index]
        size = float(np.clip(6e3 / max(len(shown), 1), 0.3, 6.0))  # of the same blackness, whatever the number
        axes.scatter(shown[:, 0], shown[:, 1], size, GENERATED if index else REAL, alpha=0.35, linewidths=0)
        axes.set(xlim=(-extent, extent), ylim=(-extent, extent), aspect="equal", xticks=[], yticks=[])
        axes.set_title(name, fontsize=9)
        axes.set_xlabel(captions[name], fontsize=7)
    for axes in grid[len(points) :]:
        axes.set_visible(False)
    save(figure, path)


def histograms(path: Path, data: np.ndarray, samples: np.ndarray, extent: float, bins: int = 100) -> None:
    """Two-dimensional histograms of the data and of generated samples on one colour scale (the paper's Figure 5).

    Parameters
    ----------
    path : Path
        PNG file to write.
    data, samples : array, shape (N, 2)
        Real and generated points [length].
    extent : float
        The axes show [-extent, extent] [length].
    bins : int
        Cells along each axis.
    """
    edges = np.linspace(-extent, extent, bins + 1)
    densities = []
    for points in (data, samples):
        counts, _, _ = np.histogram2d(points[:, 0], points[:, 1], bins=(edges, edges))
        densities.append(counts.T / (len(points) * (edges[1] - edges[0]) ** 2))
    highest = max(float(density.max()) for density in densities)
    figure = new_figure(WIDTH * 0.48)
    both = square_axes(figure, 2, extent)
    for axes, density, name in zip(both, densities, ("Data", "Generated samples"), strict=True):
        image = axes.pcolormesh(edges, edges, density, cmap="viridis", vmin=0, vmax=highest or 1.0)
        axes.set_title(name)
    figure.colorbar(image, ax=both, label="density [length⁻²]", shrink=0.9)
    save(figure, path)


def potential_and_field(
    path: Path,
    ticks: np.ndarray,
    panels: Sequence[Panel],
    data: np.ndarray,
    samples: np.ndarray,
    unit: str = "length⁻ᵈ",
) -> None:
    """Potentials with the force on generated samples, real and generated points on top (the paper's Figure 1).

    Parameters
    ----------
    path : Path
        PNG file to write.
    ticks : array, shape (H,)
        Coordinates of the grid, evenly spaced, the same for both axes [length]; so that W = H.
    panels : sequence of Panel
        Potentials, left to right, each on a colour scale of its own with white at zero.
    data, samples : array, shape (N, 2)
        Real and generated points to show [length]; a few hundred remain readable.
    unit : str
        Unit of the potential.
    """
    figure = new_figure(0.82 * WIDTH / len(panels) + 0.5)
    extent = float(np.abs(ticks).max())
    for axes, panel in zip(square_axes(figure, len(panels), extent), panels, strict=True):
        highest = float(np.abs(panel.potential).max()) or 1.0
        image = axes.pcolormesh(
            ticks, ticks, panel.potential, cmap=DIVERGING, vmin=-highest, vmax=highest, shading="gouraud"
        )
        if np.any(panel.force):
            along, up = np.moveaxis(panel.force, -1, 0)
            axes.streamplot(ticks, ticks, along, up, color="0.25", linewidth=0.6, arrowsize=0.7, density=1.4)
        for points, colour, marker, name in ((data, REAL, "o", "real"), (samples, GENERATED, "^", "generated")):
            x, y = points[:, 0], points[:, 1]
            axes.scatter(x, y, 13, colour, marker=marker, edgecolors="white", linewidths=0.4, label=name, zorder=3)
        axes.set(xlim=(-extent, extent), ylim=(-extent, extent), title=panel.title)
        figure.colorbar(image, ax=axes, label=f"potential [{unit}]", shrink=0.72)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    save(figure, path)


def square(axes: Axes, lower: tuple[float, float], upper: tuple[float, float]) -> None:
    """Limits and names of the axes of a plane."""
    axes.set(xlim=(lower[0], upper[0]), ylim=(lower[1], upper[1]), aspect="equal")
    axes.set(xlabel="first coordinate [length]", ylabel="second coordinate [length]")


def animate_cloud(
    path: Path,
    frames: np.ndarray,
    title: Callable[[int], str],
    lower: tuple[float, float],
    upper: tuple[float, float],
    *,
    colours: str | Sequence[str] = REAL,
    labels: tuple[str, str] | None = None,
) -> None:
    """Animation of points in the plane.

    Parameters
    ----------
    path : Path
        GIF file to write.
    frames : array, shape (F, N, 2)
        The points at each moment [length].
    title : callable
        Text over frame number i.
    lower, upper : pair of float
        Corners of what is shown [length].
    colours : str or sequence of str
        One for all points, or one for each.
    labels : pair of str, optional
        Names of axes that have no common scale, such as a place and a velocity.
    """
    figure = matplotlib.figure.Figure(figsize=(ANIMATION_INCHES,) * 2, dpi=ANIMATION_DPI, layout="constrained")
    axes = figure.subplots()
    x, y = frames[0].T
    points = axes.scatter(x, y, float(np.clip(4e3 / len(x), 1.5, 30.0)), colours, alpha=0.6, linewidths=0)
    axes.set(xlim=(lower[0], upper[0]), ylim=(lower[1], upper[1]))
    if labels is None:
        axes.set_aspect("equal")
    else:
        axes.set(xlabel=labels[0], ylabel=labels[1])

    def draw(index: int) -> None:
        points.set_offsets(frames[index])
        axes.set_title(title(index), fontsize=10)

    animate(path, figure, draw, len(frames))


def animate_points(
    path: Path,
    data: np.ndarray,
    panels: Mapping[str, np.ndarray],
    title: Callable[[int], str],
    lower: tuple[float, float],
    upper: tuple[float, float],
    *,
    background: Callable[[Axes], object] | None = None,
) -> None:
    """Animation of points in the plane over the data that they are to match.

    Parameters
    ----------
    path : Path
        GIF file to write.
    data : array, shape (N_y, 2)
        Real points [length].
    panels : mapping of str to array, shape (F, N_x, 2)
        Generated points at each moment [length], by what stands above them; panels stand one below the other.
    title : callable
        Text over frame number i.
    lower, upper : pair of float
        Corners of what is shown [length].
    background : callable, optional
        Draws on each panel's axes first.
    """
    height = (upper[1] - lower[1]) / (upper[0] - lower[0]) * ANIMATION_INCHES
    figure = matplotlib.figure.Figure(
        figsize=(ANIMATION_INCHES, len(panels) * (height + 0.35) + 0.5), dpi=ANIMATION_DPI, layout="constrained"
    )
    grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    points = max(len(data), *(frames.shape[1] for frames in panels.values()))
    size = float(np.clip(4e3 / points, 1.5, 30.0))
    scatters = []
    for axes, (name, frames) in zip(grid, panels.items(), strict=True):
        if background is not None:
            background(axes)
        axes.scatter(*data.T, size, REAL, alpha=0.6, linewidths=0, label="real")
        scatters.append(axes.scatter(*frames[0].T, 0.7 * size, GENERATED, marker="^", linewidths=0, label="generated"))
        axes.set(xlim=(lower[0], upper[0]), ylim=(lower[1], upper[1]), aspect="equal")
        if name:
            axes.set_title(name, fontsize=9)
    handles, labels = grid[0].get_legend_handles_labels()
    scale = 2.0 if size < 8 else 1.0
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=8, markerscale=scale, frameon=False)
    heading = figure.suptitle("", fontsize=10)

    def draw(index: int) -> None:
        for scatter, frames in zip(scatters, panels.values(), strict=True):
            scatter.set_offsets(frames[index])
        heading.set_text(title(index))

    animate(path, figure, draw, len(next(iter(panels.values()))))
