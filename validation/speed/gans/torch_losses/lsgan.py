"""Least-squares GAN, whose turns are those of the non-saturating one."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from .dcgan import draw_latent, values

__all__ = ["draw_latent", "losses"]


def losses(gan: Any, move: str, draws: dict[str, Tensor]) -> dict[str, Tensor]:
    """Losses of the player that moves."""
    at_generated, *at_real = values(gan, move, draws)
    if move == "generator":
        return {"generator": (at_generated - gan.config.c).square().mean() / 2}
    (real,) = at_real
    loss = (at_generated - gan.config.a).square().mean() + (real - gan.config.b).square().mean()
    return {"discriminator": loss / 2}
