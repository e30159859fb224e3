"""Geometric GAN: hinge losses, and the SVM's margin as weight decay of the last layer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def losses(gan: Any, move: str, draws: dict[str, Tensor]) -> dict[str, Tensor]:
    """Losses of the player that moves."""
    generator, discriminator = gan.players["generator"], gan.players["discriminator"]
    x = generator(draws["latent"])
    if move == "generator":
        return {"generator": -discriminator(x).mean()}
    hinges = torch.relu(1 - discriminator(draws["real"])).mean() + torch.relu(1 + discriminator(x.detach())).mean()
    *_, weight, _ = discriminator.parameters()
    return {"discriminator": hinges + weight.square().sum() / (2 * gan.config.cost * gan.batch)}


@torch.no_grad()
def after(gan: Any, move: str, losses: dict[str, Tensor]) -> None:
    """Bound all parameters of the discriminator but the last two."""
    if move == "discriminator":
        for part in list(gan.players["discriminator"].parameters())[:-2]:
            if gan.config.clip:
                part.clamp_(-gan.config.clip, gan.config.clip)
            if gan.config.radius:
                part.mul_(gan.config.radius / part.norm().clamp(min=gan.config.radius))
