"""BEGAN (Berthelot et al. 2017), with the generated images detached for the discriminator."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def losses(gan: Any, move: str, draws: dict[str, Tensor]) -> dict[str, Tensor]:
    """Errors of the autoencoder: less at real and more at generated samples, and less at generated ones."""
    discriminator = gan.players["discriminator"]
    x, y = gan.players["generator"](draws["latent"]), draws["real"]

    def error(samples: Tensor) -> Tensor:
        return (discriminator(samples) - samples).abs().mean()

    at_real = error(y)
    gan.real = at_real.detach()
    return {"discriminator": at_real - gan.memory["k"] * error(x.detach()), "generator": error(x)}


def after(gan: Any, move: str, losses: dict[str, Tensor]) -> None:
    """Move k towards the balance."""
    with torch.no_grad():
        excess = gan.config.diversity * gan.real - losses["generator"]
        gan.memory["k"] = (gan.memory["k"] + gan.config.gain * excess).clamp(0, 1)
