"""Wasserstein GAN with a gradient penalty, by a double backward pass."""

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
    y = draws["real"]
    distance = critic(y).mean() - critic(x).mean()
    mixing = draws["mixing"].view(-1, *[1] * (x.ndim - 1))
    mixed = torch.lerp(y, x, mixing).requires_grad_()
    (slopes,) = torch.autograd.grad(critic(mixed).sum(), mixed, create_graph=True)
    penalty = (slopes.flatten(1).norm(dim=1) - 1).square().mean()
    return {"discriminator": gan.config.penalty * penalty - distance}
