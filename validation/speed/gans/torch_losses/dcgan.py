"""The non-saturating GAN, by cross entropy on logits."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def losses(gan: Any, move: str, draws: dict[str, Tensor]) -> dict[str, Tensor]:
    """Losses of the player that moves."""
    at_generated, *at_real = values(gan, move, draws)
    if move == "generator":
        return {"generator": _cross_entropy(at_generated, True)}
    (real,) = at_real
    return {"discriminator": _cross_entropy(real, True) + _cross_entropy(at_generated, False)}


def values(gan: Any, move: str, draws: dict[str, Tensor]) -> list[Tensor]:
    """The discriminator's values at generated samples and, in its own move, at real ones.

    A generator that has the same latent vectors takes the pass that it has made.
    """
    generator, discriminator, z = gan.players["generator"], gan.players["discriminator"], draws["latent"]
    if move == "generator":
        seen, x = getattr(gan, "seen", (None, None))
        x = generator(z) if x is None or seen is not z else x
        gan.seen = z, None  # it is another generator after this move
        return [discriminator(x)]
    with torch.set_grad_enabled(gan.config.reuse_latent):
        x = generator(z)
    gan.seen = z, x if gan.config.reuse_latent else None
    return [discriminator(x.detach()), discriminator(draws["real"])]


def draw_latent(gan: Any, move: str) -> Tensor:
    """New latent vectors, or again those of the discriminator's move."""
    return gan.seen[0] if move == "generator" and gan.config.reuse_latent else gan.draw("latent")


def _cross_entropy(logits: Tensor, real: bool) -> Tensor:
    labels = torch.ones_like(logits) if real else torch.zeros_like(logits)
    return functional.binary_cross_entropy_with_logits(logits, labels)
