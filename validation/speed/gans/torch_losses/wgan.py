"""Wasserstein GAN with weight clipping."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def losses(gan: Any, move: str, draws: dict[str, Tensor]) -> dict[str, Tensor]:
    """Losses of the player that moves."""
    generator, critic = gan.players["generator"], gan.players["discriminator"]
    if move == "generator":
        return {"generator": -critic(generator(draws["latent"])).mean()}
    with torch.no_grad():
        x = generator(draws["latent"])
    return {"discriminator": critic(x).mean() - critic(draws["real"]).mean()}


@torch.no_grad()
def after(gan: Any, move: str, losses: dict[str, Tensor]) -> None:
    """Clip the critic."""
    if move == "discriminator":
        for parameter in gan.players["discriminator"].parameters():
            parameter.clamp_(-gan.config.clip, gan.config.clip)
