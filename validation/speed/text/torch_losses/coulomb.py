"""The Coulomb GAN (Eqs 9 and 10), with one pass of the discriminator."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...gans.torch_losses.coulomb import target


def losses(gan: Any, move: str, draws: dict[str, Tensor]) -> dict[str, Tensor]:
    """Losses of the discriminator's regression on the potential, and the generator's on the discriminator."""
    x = gan.players["generator"](draws["latent"])
    both = torch.cat([x, draws["real"]])
    values = gan.players["discriminator"](both)[:, 0]
    squared = (values - target(gan, both.flatten(1).detach())).square()
    return {"discriminator": squared.mean() / 2, "generator": -values[: len(x)].mean() / 2}
