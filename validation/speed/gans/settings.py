"""What is timed: the image settings of the presets, with images of noise in place of their data."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from coulombfield.arrays import Device
from coulombfield.rng import Streams
from experiments import config, gan_training, registry
from experiments.data.dataset import ArrayPart
from experiments.gans.gan import GAN
from experiments.players.optimizer import OptimizerConfig
from experiments.players.player import PlayerConfig

from ..timing import CPU

ENDING = "-images"
SIDE, CHANNELS, IMAGES = 64, 3, 512
STEADY = 1001
"""Update at which an update is as most are: WGAN and MMD-GAN have many more moves in the first 25 and each 500th."""

WHOLE, QUICK = 1, 8
"""What the published numbers of channels are divided by."""
LEAST = 8  # channels of the largest layer that remain: networks halve them up to three times
CHANNEL_FIELDS = ("width", "base")


@functools.cache
def image_presets() -> tuple[str, ...]:
    """Names of the presets of images."""
    return tuple(name for name in config.preset_names() if name.endswith(ENDING))


@functools.cache
def resolved(preset: str, dtype: str = "float32") -> Any:
    """The configuration of a preset of the GAN experiment."""
    return config.resolve(preset, [f"dtype={dtype}"]).config


@functools.cache
def kind_of_preset(preset: str) -> str:
    """Kind of the GAN of a preset; "" if its experiment has none."""
    setup = config.resolve(preset)
    return registry.kind_of(setup.config.gan) if setup.module is gan_training else ""


def noise(side: int = SIDE, channels: int = CHANNELS, dtype: str = "float32") -> np.ndarray:
    """Images of noise in [-1, 1]."""
    return np.random.default_rng(1).uniform(-1, 1, (IMAGES, side, side, channels)).astype(dtype)


class Setting(NamedTuple):
    """A preset of images, to be timed."""

    preset: str
    minibatch: int | None = None
    """Size of a minibatch; the preset's by default."""
    divisor: int = WHOLE
    device: Device = CPU
    """Where ours computes."""

    @property
    def size(self) -> int:
        """Samples of each kind in a minibatch."""
        return self.minibatch or resolved(self.preset).training.batch

    @property
    def optimizers(self) -> dict[str, OptimizerConfig]:
        """Settings of each player's optimizer."""
        return {name: player.optimizer for name, player in resolved(self.preset).players.items()}

    def gan(self) -> GAN:
        """Ours, at its start but for the count of updates."""
        made = assemble(resolved(self.preset), noise(), self.size, divisor=self.divisor, device=self.device)
        made.updates = STEADY
        return made

    def ours(self) -> Callable[[], object]:
        """A steady update of ours, ready to be called."""
        gan = self.gan()

        def step() -> None:
            gan.updates = STEADY
            gan.step()

        return step


def assemble(
    settings: Any, data: np.ndarray, batch: int, *, divisor: int = WHOLE, device: Any = None, streams: Any = None
) -> GAN:
    """The GAN of a configuration on other data, its networks' channels divided by some number."""
    device, streams = device or CPU, streams or Streams(0)
    roles = settings.gan.roles(settings.players["generator"].latent, data.shape[1:])
    rng, updates = streams.stream("initialization"), settings.training.updates
    players = {
        name: narrowed(player, divisor).build(roles[name], batch, updates, rng, data.dtype.name, device)
        for name, player in settings.players.items()
    }
    return settings.gan.build(
        players, ArrayPart(data, device), batch=batch, updates=updates, device=device, streams=streams
    )


def narrowed(player: PlayerConfig, divisor: int) -> PlayerConfig:
    """Settings of a player whose convolutions have so many times fewer channels."""
    widths = {name: getattr(player, name, None) for name in CHANNEL_FIELDS}
    fewer = {name: max(LEAST, width // divisor) for name, width in widths.items() if divisor > 1 and width}
    return dataclasses.replace(player, **fewer) if fewer else player
