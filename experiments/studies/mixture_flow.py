"""Particles that flow onto the 25 Gaussians in the exact field of all data: what a Coulomb GAN's networks stand for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from coulombfield import Plummer
from coulombfield.arrays import Device, backend
from coulombfield.flow import Annealing, Euler, Integrator, Langevin, State, System
from coulombfield.rng import Streams

from ..data.gaussian_mixture import Config as DataConfig
from ..figures.points import animate_points, histograms, samples_against_data
from ..figures.style import CURVES, GENERATED, REFERENCE, WIDTH, Figure, new_figure, save
from ..metrics import energy, modes
from ..metrics.metric import Column
from ..runs.loop import LoopConfig
from .moving import Flow, Frames
from .moving import tied_to_length as tied_to_length
from .study import Study

FRAMES = 48
SHOWN = 2_500  # points of each kind in the animation, which would be one blot with all
SHOWN_METRICS = ("high_quality_share", "mode_kl", "within_mode_variance_ratio", "energy")


@dataclass(frozen=True)
class FlowConfig:
    r"""How the samples move.

    Parameters
    ----------
    particles : int
        Number of samples [samples].
    start : float
        Standard deviation of the Gaussian around the origin that they start from [length].
    exponent : float
        d of the Plummer kernel.
    softening_start, softening_end : float
        ε at the start and at the end of its exponential fall [length].
    softening_duration : float
        Duration of that fall [time].
    dynamics : {"inertial", "first-order"}
        A second-order flow whose friction falls with time, or the paper's first-order one.
    step : float
        Length of a step at ε = 1 [time]; the step grows with ε as stability allows, by :math:`\varepsilon^{d/2}` with
        inertia and :math:`\varepsilon^d` without.
    damping : float
        Friction times the time that has passed, for inertial dynamics.
    rtol : float
        Error allowed in the sums over charges.
    """

    particles: int = 100_000
    start: float = 3.0
    exponent: float = 1.0
    softening_start: float = 3.0
    softening_end: float = 1.0
    softening_duration: float = 3_500.0
    dynamics: Literal["inertial", "first-order"] = "inertial"
    step: float = 10.0
    damping: float = 5.0
    rtol: float = 1e-3

    def __post_init__(self) -> None:
        if self.particles < 2:
            raise ValueError(f"particles: expected at least 2, got {self.particles}")
        names = ("start", "exponent", "softening_start", "softening_end", "softening_duration", "step", "damping")
        for name in names:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: expected a positive number, got {getattr(self, name)}")
        if not 2e-6 <= self.rtol < 1:
            raise ValueError(f"rtol: expected at least 2e-6, sixteen roundings of float32, got {self.rtol}")

    @property
    def softening(self) -> Annealing:
        """ε as a function of time."""
        return Annealing(self.softening_start, self.softening_end, self.softening_duration)

    def integrator(self, time: float) -> Integrator:
        """Integrator of the step that begins at a time."""
        if self.dynamics == "first-order":
            return Euler(self.step * self.softening(time) ** self.exponent)
        step = self.step * self.softening(time) ** (self.exponent / 2)
        return Langevin(step, friction=self.damping / (time + step))


@dataclass(frozen=True)
class GanConfig:
    """Metrics that a Coulomb GAN reached on the same data, for the figure.

    Parameters
    ----------
    label : str
        Which GAN.
    high_quality_share, mode_kl, within_mode_variance_ratio, energy : float
        Its metrics, as defined in ``experiments.metrics``.
    """

    label: str
    high_quality_share: float
    mode_kl: float
    within_mode_variance_ratio: float
    energy: float


@dataclass(frozen=True)
class Config:
    """Everything that decides a run, but for the device."""

    training: LoopConfig
    gan: GanConfig
    data: DataConfig
    flow: FlowConfig = FlowConfig()
    evaluation_softening: float = 1.0
    seed: int = 0
    dtype: Literal["float32", "float64"] = "float32"

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed: expected a number that is not negative, got {self.seed}")
        if not self.evaluation_softening > 0:
            raise ValueError(f"evaluation_softening: expected a positive number, got {self.evaluation_softening}")
        if self.flow.particles < self.data.held_out:
            raise ValueError(
                f"flow.particles: expected at least data.held_out = {self.data.held_out}, got {self.flow.particles}"
            )


def build(config: Config, device: Device, streams: Streams) -> MixtureFlow:
    """The experiment at its start."""
    return MixtureFlow(config, device, streams)


class MixtureFlow(Study):
    r"""Samples that move in the field of all data and all samples.

    With inertia and a friction that falls with time,

    .. math:: \ddot x_i + \frac{\alpha}{t} \dot x_i = \nabla\hat\Phi(x_i),

    the limit of Nesterov's accelerated descent for small steps (W. Su, S. Boyd, E. Candès, JMLR 17, 2016), whose fixed
    points are those of the paper's first-order flow :math:`\dot x_i = \nabla\hat\Phi(x_i)`.

    Parameters
    ----------
    config : Config
        What to run.
    device : Device
        Where.
    streams : Streams
        ``data`` and ``initialization`` are used.
    """

    metrics: Mapping[str, Column] = MappingProxyType({**modes.Modes.columns, **energy.Energy.columns})
    headline = ("modes_covered", "high_quality_share", "energy")

    def __init__(self, config: Config, device: Device, streams: Streams):
        self.config = config
        host = Device(np, "cpu")
        self._data = config.data.open(batch=1, rng=streams.stream("data"), dtype=config.dtype, device=host)
        self._held_out = self._data.held_out.first(config.data.held_out)
        # All particles show their modes; an energy compares as many as are held out.
        self._modes = modes.Config(samples=config.data.held_out).build(self._data, Streams(config.seed))
        settings = energy.Config(samples=config.data.held_out, softening=config.evaluation_softening)
        self._energy = settings.build(self._data, Streams(config.seed))
        noise = streams.stream("initialization").standard_normal((config.flow.particles, 2))
        start = (config.flow.start * noise).astype(config.dtype)
        system = System(Plummer(config.flow.exponent, config.flow.softening_start), rtol=config.flow.rtol)
        data = self._data.training.first(config.data.points)
        self._flow = Flow(system, State.of(generated=start, real=data), device, softening=config.flow.softening)
        self._frames = Frames(config.training.updates, FRAMES, growing=True)
        self._keep()

    def step(self) -> Mapping[str, Any]:
        """One step of the flow."""
        now = self._flow.now
        self._flow.advance(self.config.flow.integrator(now.time))
        self._keep()
        xp = backend(field=now.field)
        return {"field": xp.sqrt(xp.mean(now.field * now.field) * now.field.shape[1])}

    def schedule(self) -> Mapping[str, float]:
        """Softening, and the time that has passed."""
        time = self._flow.now.time
        return {"softening": self.config.flow.softening(time), "time": time}

    def state(self) -> dict[str, Any]:
        """Positions, velocities, and what the figures need of earlier steps."""
        return {"flow": self._flow.state(), "frames": self._frames.state()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state`."""
        self._flow.load_state(state["flow"])
        self._frames.load_state(state["frames"])

    def sample(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Some of the particles, shape (count, 2); more than once each if there are fewer."""
        generated = self._flow.positions
        return generated[rng.choice(len(generated), count, replace=count > len(generated))]

    def evaluate(self, step: int | None = None) -> Mapping[str, float]:
        """The metrics of a GAN, of all particles."""
        generated = self._flow.positions
        return {**self._modes.evaluate(generated), **self._energy.evaluate(generated[: self._energy.samples])}

    def reference(self) -> Mapping[str, float]:
        """The metrics of real points that the flow has not seen."""
        return {**self._modes.reference, **self._energy.reference}

    def provenance(self) -> Mapping[str, str]:
        """SHA-256 of the data."""
        return self._data.provenance()

    def figures(self, folder: Path) -> list[Figure]:
        """Samples, histograms, metrics over time, and the flow as an animation."""
        samples, data = self._flow.positions, self._held_out
        extent = self._data.extent
        scatter, histogram, curves = (folder / f"{name}.png" for name in ("samples", "histograms", "convergence"))
        moving = folder / "flow.gif"
        samples_against_data(scatter, data, samples[: len(data)], extent)
        histograms(histogram, data, samples, extent)
        self._draw_metrics(curves)
        steps, energy = self._frames["step"], self._frames["energy"]
        animate_points(
            moving,
            data[:SHOWN],
            {"": self._frames["points"]},
            lambda i: f"step {steps[i]}, energy {energy[i]:.1e}",
            (-extent, -extent),
            (extent, extent),
        )
        return [
            Figure(scatter, "Samples (Fig 4)", f"{len(data)} held-out data points and as many particles."),
            Figure(
                histogram,
                "Density (Fig 5)",
                f"{len(data)} held-out data points and {len(samples)} particles, on one scale.",
            ),
            Figure(
                curves,
                "Metrics over the time of the flow",
                "Without networks, from a blob at the origin; dashed, held-out data; dotted, what a Coulomb GAN "
                f"reached ({self.config.gan.label}).",
            ),
            Figure(
                moving, "The flow", f"{self._frames['points'].shape[1]} of the particles; steps grow in proportion."
            ),
        ]

    def _keep(self) -> None:
        now = self._flow.now
        if self._frames.wants(now.step):
            generated, metrics = self._flow.positions, self.evaluate()
            shown = {name: metrics[name] for name in SHOWN_METRICS}
            self._frames.keep(step=now.step, time=now.time, points=generated[:SHOWN], **shown)

    def _draw_metrics(self, path: Path) -> None:
        figure = new_figure(0.55 * WIDTH)
        time, reference = self._frames["time"], self.reference()
        for axes, name in zip(figure.subplots(2, 2, sharex=True).flat, SHOWN_METRICS, strict=True):
            axes.plot(time, self._frames[name], marker=".", ms=4, lw=1.2, color=GENERATED, label="particles")
            axes.axhline(reference[name], ls="--", lw=1, color=REFERENCE, label="data itself")
            axes.axhline(getattr(self.config.gan, name), ls=":", lw=1.4, color=CURVES[0], label="Coulomb GAN")
            axes.set_ylabel(name.replace("_", " ").replace("kl", "KL"))
            axes.set_xscale("symlog", linthresh=float(time[1]))
            if name == "mode_kl":
                axes.set_yscale("log")
            if name == "energy":
                floor = reference["energy_noise_floor"]
                axes.axhspan(-floor, floor, color=REFERENCE, alpha=0.2, lw=0, label="noise floor")
                axes.set_yscale("symlog", linthresh=10.0 ** math.ceil(math.log10(floor)))
                axes.set_ylabel("unbiased energy [length⁻¹]")
                axes.legend(fontsize=8, frameon=False)
        for axes in figure.axes[2:]:
            axes.set_xlabel("time of the flow")
        save(figure, path)
