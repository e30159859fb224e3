"""The paper's image experiments: a convolutional Coulomb GAN on CelebA, LSUN or any other images (section 3.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from coulombfield import Plummer
from coulombfield.arrays import Array, Device, to_numpy
from coulombfield.rng import Streams

from .config import ConfigError, TrainingConfig
from .data.images import ImageError, ImageSet, Stored, checksum, digits, open_images
from .figures.images import image_grid
from .figures.style import Figure
from .gans.coulomb import CoulombGAN, PotentialConfig
from .metrics.images import METRICS, ImageMetrics, nearest
from .players.coulomb import (
    DiscriminatorConfig,
    GeneratorConfig,
    convolutional_discriminator,
    convolutional_generator,
)

GRID = 10  # images along each side of a figure, as the authors have it
NEIGHBOURS = 20  # samples shown with the training image nearest to each


@dataclass(frozen=True)
class DataConfig:
    """The real images.

    Parameters
    ----------
    source : {"files", "digits"}
        What ``path`` names, or the 1797 digits of 8 x 8 grey pixels that come with this package.
    path : str
        An HDF5 file, or a folder of image files.
    dataset : str
        Name of the HDF5 file's dataset; empty for the only one that can hold images.
    size : int
        Height and width of the images [pixels].
    channels : {3, 1}
        Colour or grey.
    crop : bool
        Cut the largest centred square out of each file of a folder and resize it, instead of expecting ``size``.
    flip : bool
        Mirror each drawn image left to right with probability 1/2; the authors don't.
    held_out : int
        Size of each of the two sets that no training sees, which the metrics need.
    """

    source: Literal["files", "digits"] = "files"
    path: str = ""
    dataset: str = ""
    size: int = 64
    channels: Literal[3, 1] = 3
    crop: bool = False
    flip: bool = False
    held_out: int = 1_000

    def __post_init__(self) -> None:
        if self.source == "digits" and (self.path or self.dataset or (self.size, self.channels) != (8, 1)):
            raise ValueError("source: the digits have size 8 and 1 channel, and neither path nor dataset")
        if self.size < 4 or self.size & (self.size - 1):
            raise ValueError(f"size: expected a power of 2 from 4 on, got {self.size}")
        if self.held_out < 2:
            raise ValueError(f"held_out: expected at least 2, got {self.held_out}")

    def open(self) -> Stored:
        """The images where they lie.

        Raises
        ------
        ConfigError
            If no path is given: a preset can't know it, so that the presets themselves have none.
        ImageError
            If there are no such images at the path.
        """
        if self.source == "digits":
            return digits()
        if not self.path:
            raise ConfigError("data.path: missing; expected an HDF5 file or a folder of images: --set data.path=...")
        return open_images(Path(self.path), self.size, self.channels, dataset=self.dataset, crop=self.crop)


@dataclass(frozen=True)
class EvaluationConfig:
    """How the metrics are taken, for as many samples as ``data.held_out``.

    Parameters
    ----------
    softening : float
        Softening length of the energy's kernel, the same at every update so that energies compare [pixel value].
    neighbours : int
        Training images among which a sample's nearest is looked for.
    """

    softening: float = 1.0
    neighbours: int = 2_000

    def __post_init__(self) -> None:
        for name in ("softening", "neighbours"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: expected a positive number, got {getattr(self, name)}")


@dataclass(frozen=True)
class Config:
    """Everything that decides a run, but for the device."""

    training: TrainingConfig
    potential: PotentialConfig
    generator: GeneratorConfig
    discriminator: DiscriminatorConfig
    data: DataConfig
    evaluation: EvaluationConfig = EvaluationConfig()
    seed: int = 0
    dtype: Literal["float32", "float64"] = "float32"

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed: expected a number that is not negative, got {self.seed}")


def build(config: Config, device: Device, streams: Streams) -> ImageExperiment:
    """The experiment at its start."""
    return ImageExperiment(config, device, streams)


class ImageExperiment:
    """A convolutional Coulomb GAN on images, with its metrics and figures.

    Parameters
    ----------
    config : Config
        What to run.
    device : Device
        Where.
    streams : Streams
        ``data`` and ``initialization`` are used here, the rest by the GAN.

    Raises
    ------
    ImageError
        If the images don't fit the configuration, or are too few.
    """

    metrics = METRICS
    headline = ("energy", "nearest_training")

    def __init__(self, config: Config, device: Device, streams: Streams):
        self.config = config
        stored = config.data.open()
        count, held_out = stored.shape[0], config.data.held_out
        least = config.training.batch + 2 * held_out
        if count < least:
            raise ImageError(
                f"{stored.name}: expected at least {least} images, a batch and twice data.held_out, got {count}"
            )
        self._stored = stored
        order = streams.stream("data").permutation(count)
        parts = np.split(order, [held_out, 2 * held_out])
        self._like_samples, self._held_out, self._training = (
            ImageSet(stored, np.sort(part), device, config.dtype, flip=config.data.flip) for part in parts
        )
        shape = (config.data.size, config.data.size, config.data.channels)
        rng, updates = streams.stream("initialization"), config.training.updates
        self.gan = CoulombGAN(
            convolutional_generator(config.generator, shape, updates, rng, config.dtype, device),
            convolutional_discriminator(config.discriminator, shape, updates, rng, config.dtype, device),
            self._training,
            latent=config.generator.latent,
            batch=config.training.batch,
            config=config.potential,
            updates=updates,
            device=device,
            streams=streams,
        )

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
        """Generated images, shape (count, H, W, C), on the host, clipped to the data's range [-1, 1] as the authors do.

        They are made in batches of the training's size, since the generator's batch-norm takes its statistics from
        the batch, as the authors do.
        """
        shape = self._training.shape[1:]
        images = np.empty((count, *shape), self.config.dtype)
        for start in range(0, count, self.gan.batch):
            part = images[start : start + self.gan.batch]
            np.clip(to_numpy(self.gan.sample(self.gan.batch, rng)[: len(part)]), -1, 1, out=part)
        return images

    def evaluate(self) -> Mapping[str, float]:
        """Metrics of samples from fixed latent vectors, so that evaluations differ by the generator alone."""
        return self._image_metrics(self._evaluation_samples(self.config.data.held_out))

    def reference(self) -> Mapping[str, float]:
        """The metrics of images that neither training nor evaluation has used otherwise."""
        return self._image_metrics.reference

    def provenance(self) -> Mapping[str, str]:
        """Where the images come from, and a checksum of them."""
        return checksum(self._stored)

    def snapshot(self, folder: Path) -> None:
        """A grid of samples, under a name that has the update."""
        image_grid(folder / f"samples-{self.gan.updates:08}.png", self._evaluation_samples(GRID**2), GRID)

    def figures(self, folder: Path) -> list[Figure]:
        """Samples, real images, and samples beside the training images nearest to them."""
        samples = self._evaluation_samples(GRID**2)
        drawn, real, pairs = (folder / f"{name}.png" for name in ("samples", "data", "neighbours"))
        image_grid(drawn, samples, GRID)
        image_grid(real, self._held_out.first(GRID**2), GRID)
        shown, training = samples[:NEIGHBOURS], self._neighbourhood
        index, _ = nearest(shown.reshape(len(shown), -1), training.reshape(len(training), -1))
        rows = np.stack([shown, training[index]]).reshape(2, -1, GRID, *shown.shape[1:]).swapaxes(0, 1)
        image_grid(pairs, rows.reshape(-1, *shown.shape[1:]), GRID)
        return [
            Figure(drawn, "Samples", f"{len(samples)} samples, not chosen, clipped to the range of the data."),
            Figure(real, "Data", "Held-out images."),
            Figure(
                pairs,
                "Nearest training images",
                f"In every other row samples, and below each the nearest of {len(training)} training images.",
            ),
        ]

    def _evaluation_samples(self, count: int) -> np.ndarray:
        return self.sample(count, Streams(self.config.seed).stream("evaluation"))

    @cached_property
    def _neighbourhood(self) -> np.ndarray:
        return self._training.first(self.config.evaluation.neighbours)

    @cached_property
    def _image_metrics(self) -> ImageMetrics:
        kernel = Plummer(self.config.potential.exponent, self.config.evaluation.softening)
        rng = Streams(self.config.seed).stream("noise floor")
        data, held_out = (part.first(self.config.data.held_out) for part in (self._like_samples, self._held_out))
        return ImageMetrics(data, held_out, self._neighbourhood, kernel, rng)
