"""The Coulomb GAN (Eqs 9 and 10), with one pass of the discriminator on each half of a minibatch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def losses(gan: Any, move: str, draws: dict[str, Tensor]) -> dict[str, Tensor]:
    """Of the discriminator's regression on the potential, and the generator's on the discriminator."""
    x, y = gan.players["generator"](draws["latent"]), draws["real"]
    discriminator = gan.players["discriminator"]
    values = torch.cat([discriminator(x), discriminator(y)])[:, 0]
    squared = (values - _target(gan, x, y)).square()
    mean = gan.config.reduction == "expectation"
    return {
        "discriminator": (squared.mean() if mean else squared.sum()) / 2,
        "generator": -values[: len(x)].mean() / 2,
    }


@torch.no_grad()
def _target(gan: Any, x: Tensor, y: Tensor) -> Tensor:
    """Potential at generated and real samples (Eq 5)."""
    config, softening = gan.config, gan.config.softening.over(gan.length)(gan.updates)
    points = torch.cat([x, y]).flatten(1)
    squared = torch.cdist(points, points).square() + softening**2
    kernel = torch.rsqrt(squared) if config.exponent == 1 else squared.pow(-config.exponent / 2)
    if config.exclude_self:
        kernel.fill_diagonal_(0)
    weight = torch.full((len(x),), config.scale / len(x), dtype=x.dtype)
    return kernel @ torch.cat([-weight, weight])
