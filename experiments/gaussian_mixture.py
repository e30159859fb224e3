"""The paper's toy experiment: a Coulomb GAN on 25 Gaussians (appendix A.5, Figures 4 and 5)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from coulombfield import Plummer, field, potential, signed_charges
from coulombfield.arrays import Array, Device, to_numpy
from coulombfield.rng import Streams

from .config import TrainingConfig
from .data.mixture import GaussianMixture
from .figures.points import Panel, histograms, potential_and_field, samples_against_data
from .figures.style import Figure
from .gans.coulomb import CoulombGAN, PotentialConfig
from .metrics.mixture import METRICS, MixtureMetrics
from .players.mlp import DiscriminatorConfig, GeneratorConfig, mlp_discriminator, mlp_generator

MARGIN = 4.0  # standard deviations of a component that the figures show beyond the outermost centres
GRID = 161  # points along each axis of the potential's figure
SHOWN = 250  # real and generated points in the potential's figure: more would hide the potential
FIELD_BLOCK = 4096  # charges of each kind that stand for their distribution in the potential's figure


@dataclass(frozen=True)
class DataConfig:
    """The real points.

    Parameters
    ----------
    components_per_side : int
        Centres along each axis.
    extent : float
        The centres spread over [-extent, extent] [length].
    variance : float
        Of each component along each axis [length**2].
    points : int
        Size of the training set.
    held_out : int
        Size of each of the two sets that no training sees, which the metrics need.
    """

    components_per_side: int = 5
    extent: float = 21.0
    variance: float = 1.0
    points: int = 100_000
    held_out: int = 10_000

    def __post_init__(self) -> None:
        for name in ("points", "held_out"):
            if getattr(self, name) < 2:
                raise ValueError(f"{name}: expected at least 2, got {getattr(self, name)}")
        _ = self.mixture

    @property
    def mixture(self) -> GaussianMixture:
        """The distribution."""
        return GaussianMixture(self.components_per_side, self.extent, self.variance)


@dataclass(frozen=True)
class EvaluationConfig:
    """How the metrics are taken.

    Parameters
    ----------
    samples : int
        Generated samples behind each evaluation; the paper's figures show 10,000.
    softening : float
        Softening length of the energy's kernel, the same at every update so that energies compare [length].
    """

    samples: int = 10_000
    softening: float = 1.0

    def __post_init__(self) -> None:
        for name in ("samples", "softening"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: expected a positive number, got {getattr(self, name)}")


@dataclass(frozen=True)
class Config:
    """Everything that decides a run, but for the device."""

    training: TrainingConfig
    potential: PotentialConfig
    generator: GeneratorConfig
    discriminator: DiscriminatorConfig
    data: DataConfig = DataConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    seed: int = 0
    dtype: Literal["float32", "float64"] = "float32"

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed: expected a number that is not negative, got {self.seed}")
        if self.evaluation.samples < self.data.held_out:
            raise ValueError(
                f"evaluation.samples: expected at least data.held_out = {self.data.held_out}, "
                f"got {self.evaluation.samples}"
            )


def build(config: Config, device: Device, streams: Streams) -> GaussianMixtureExperiment:
    """The experiment at its start."""
    return GaussianMixtureExperiment(config, device, streams)


class GaussianMixtureExperiment:
    """A Coulomb GAN on a mixture of Gaussians, with its metrics and figures.

    Parameters
    ----------
    config : Config
        What to run.
    device : Device
        Where.
    streams : Streams
        ``data`` and ``initialization`` are used here, the rest by the GAN.
    """

    metrics = METRICS
    headline = ("modes_covered", "high_quality_share")

    def __init__(self, config: Config, device: Device, streams: Streams):
        self.config = config
        self._device = device
        sizes = (config.data.points, config.data.held_out, config.data.held_out)
        rng = streams.stream("data")
        self._mixture = config.data.mixture
        data, self._like_samples, self._held_out = (self._mixture.sample(n, rng, config.dtype) for n in sizes)
        self._data_hash = hashlib.sha256(np.ascontiguousarray(data).tobytes()).hexdigest()
        rng, updates = streams.stream("initialization"), config.training.updates
        self.gan = CoulombGAN(
            mlp_generator(config.generator, 2, updates, rng, config.dtype, device),
            mlp_discriminator(config.discriminator, 2, updates, rng, config.dtype, device),
            device.put(data),
            latent=config.generator.latent,
            batch=config.training.batch,
            config=config.potential,
            updates=updates,
            device=device,
            streams=streams,
        )
        self._metrics: MixtureMetrics | None = None

    def step(self) -> Mapping[str, Array]:
        """One update of both players."""
        return self.gan.step()

    def schedule(self) -> Mapping[str, float]:
        """Learning rates and softening."""
        return self.gan.schedule()

    def state(self) -> dict[str, Any]:
        """Players and random streams."""
        return self.gan.state()

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state`."""
        self.gan.load_state(state)

    def sample(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Generated points, shape (count, 2), on the host."""
        return to_numpy(self.gan.sample(count, rng))

    def evaluate(self) -> Mapping[str, float]:
        """Metrics of samples from fixed latent vectors, so that evaluations differ by the generator alone."""
        return self._mixture_metrics()(self._evaluation_samples())

    def reference(self) -> Mapping[str, float]:
        """The metrics of real points that neither training nor evaluation has used otherwise."""
        return self._mixture_metrics().reference

    def provenance(self) -> Mapping[str, str]:
        """SHA-256 of the training set."""
        return {"data_sha256": self._data_hash}

    def figures(self, folder: Path) -> list[Figure]:
        """The paper's Figures 4, 5 and 1 of this run."""
        samples = self._evaluation_samples()
        data = self._held_out
        extent = self.config.data.extent + MARGIN * self.config.data.variance**0.5
        scatter, histogram, fields = (folder / f"{name}.png" for name in ("samples", "histograms", "potential"))
        samples_against_data(scatter, data, samples, extent)
        histograms(histogram, data, samples, extent)
        ticks = np.linspace(-extent, extent, GRID)
        potential_and_field(fields, ticks, self._panels(ticks, data, samples), data[:SHOWN], samples[:SHOWN])
        return [
            Figure(scatter, "Samples (Fig 4)", f"{len(data)} held-out data points and {len(samples)} samples."),
            Figure(histogram, "Density (Fig 5)", "Two-dimensional histograms of the same points, on one colour scale."),
            Figure(
                fields,
                "Potential and field (Fig 1)",
                f"Left, the potential of {min(FIELD_BLOCK, len(data))} real and as many generated points at this "
                f"run's final softening {self.gan.softening:.3g}; right, what the discriminator learned. Lines follow "
                "the force on generated samples, which climbs the potential.",
            ),
        ]

    def _panels(self, ticks: np.ndarray, data: np.ndarray, samples: np.ndarray) -> list[Panel]:
        grid = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2).astype(self.config.dtype)
        charges = signed_charges(data[:FIELD_BLOCK], samples[:FIELD_BLOCK])
        kernel = Plummer(self.config.potential.exponent, self.gan.softening)
        shape = (len(ticks), len(ticks))
        force = -field(grid, charges, kernel)
        learned, slope = self.gan.learned_potential(self._device.put(grid))
        return [
            Panel("Empirical potential", potential(grid, charges, kernel).reshape(shape), force.reshape(*shape, 2)),
            Panel("Learned by D", to_numpy(learned).reshape(shape), to_numpy(slope).reshape(*shape, 2)),
        ]

    def _evaluation_samples(self) -> np.ndarray:
        rng = Streams(self.config.seed).stream("evaluation")
        return self.sample(self.config.evaluation.samples, rng)

    def _mixture_metrics(self) -> MixtureMetrics:
        if self._metrics is None:
            kernel = Plummer(self.config.potential.exponent, self.config.evaluation.softening)
            rng = Streams(self.config.seed).stream("noise floor")
            self._metrics = MixtureMetrics(self._mixture, self._like_samples, self._held_out, kernel, rng)
        return self._metrics
