"""The critic's move of a Wasserstein GAN with a gradient penalty, with one pass for both means."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def losses(gan: Any, move: str, draws: dict[str, Tensor]) -> dict[str, Tensor]:
    """Losses of the critic."""
    generator, critic = gan.players["generator"], gan.players["discriminator"]
    with torch.no_grad():
        x = generator(draws["latent"])
    y = draws["real"]
    of_x, of_y = critic(torch.cat([x, y])).chunk(2)
    mixed = torch.lerp(y, x, draws["mixing"].view(-1, 1, 1)).requires_grad_()
    (slopes,) = torch.autograd.grad(critic(mixed).sum(), mixed, create_graph=True)
    penalty = (slopes.flatten(1).norm(dim=1) - 1).square().mean()
    return {"discriminator": of_x.mean() - of_y.mean() + gan.config.penalty * penalty}
