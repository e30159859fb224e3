"""What is timed: the language model of section 3.2 as the Coulomb GAN and WGAN-GP train it, on lines of noise."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from coulombfield.arrays import Device
from experiments.gans import coulomb, wgan_gp
from experiments.gans.gan import GAN
from experiments.players.language import DiscriminatorConfig, GeneratorConfig
from experiments.players.optimizer import OptimizerConfig, ScheduleConfig

from ...gans.settings import assemble
from ...timing import CPU

LENGTH, BATCH, LINES, UPDATES = 32, 64, 256, 1000
VOCABULARIES = 96, 2048
MOVES = {"coulomb": "update", "wgan_gp": "critic's step"}
"""What is one call, by the kind of the GAN."""


def lines(vocabulary: int, dtype: str = "float32", count: int = LINES, length: int = LENGTH) -> np.ndarray:
    """Lines of characters of which each is as likely, as ones and zeros (count, length, vocabulary)."""
    codes = np.random.default_rng(1).integers(0, vocabulary, (count, length, 1))
    found = np.zeros((count, length, vocabulary), dtype)
    np.put_along_axis(found, codes, 1, axis=2)
    return found


class Setting(NamedTuple):
    """A GAN of lines, to be timed."""

    kind: str
    """``coulomb``, or ``wgan_gp``, of which the critic moves alone."""
    vocabulary: int
    minibatch: int = BATCH
    width: int = 512
    blocks: int = 5
    dtype: str = "float32"
    length: int = LENGTH
    device: Device = CPU
    """Where ours computes."""

    @property
    def name(self) -> str:
        """For a row."""
        return f"{self.kind} V = {self.vocabulary}"

    @property
    def optimizers(self) -> dict[str, OptimizerConfig]:
        """Adam, with the betas of either paper."""
        beta1, beta2 = (0.5, 0.9) if self.kind == "wgan_gp" else (0.9, 0.999)
        adam = OptimizerConfig(ScheduleConfig(start=1e-4, kind="constant"), beta1=beta1, beta2=beta2)
        return {"generator": adam, "discriminator": adam}

    @property
    def data(self) -> np.ndarray:
        """Real samples."""
        return lines(self.vocabulary, self.dtype, length=self.length)

    def gan(self) -> GAN:
        """Ours, at its start."""
        adam, width, blocks = self.optimizers["generator"], self.width, self.blocks
        if self.kind == "coulomb":
            kind: object = coulomb.Config(exponent=1.0, softening=ScheduleConfig(start=1.0, kind="constant"))
            generator = GeneratorConfig(width=width, blocks=blocks, optimizer=adam)
            discriminator = DiscriminatorConfig(width=width, blocks=blocks, optimizer=adam)
        else:
            kind = wgan_gp.Config(critic_steps=1)
            generator = GeneratorConfig(width=width, blocks=blocks, batch_norm="none", start="he", optimizer=adam)
            discriminator = DiscriminatorConfig(width=width, blocks=blocks, start="he", optimizer=adam)
        players = {"generator": generator, "discriminator": discriminator}
        training = types.SimpleNamespace(updates=UPDATES)
        settings = types.SimpleNamespace(gan=kind, players=players, training=training)
        made = assemble(settings, self.data, self.minibatch, device=self.device)
        if self.kind == "wgan_gp":
            vars(made)["moves"] = lambda: ("discriminator",)  # the generator's move is no more than the Coulomb GAN's
        return made

    def ours(self) -> Callable[[], object]:
        """A call of ours, ready to be made."""
        return self.gan().step
