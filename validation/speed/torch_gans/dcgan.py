"""The non-saturating GAN, by cross entropy on logits."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def losses(gan: Any, move: str, draws: dict[str, Tensor]) -> dict[str, Tensor]:
    """Of the player that moves."""
    generator, discriminator = gan.players["generator"], gan.players["discriminator"]
    if move == "generator":
        return {"generator": _cross_entropy(discriminator(generator(draws["latent"])), True)}
    with torch.no_grad():
        x = generator(draws["latent"])
    at_real, at_generated = discriminator(draws["real"]), discriminator(x)
    return {"discriminator": _cross_entropy(at_real, True) + _cross_entropy(at_generated, False)}


def _cross_entropy(logits: Tensor, real: bool) -> Tensor:
    labels = torch.ones_like(logits) if real else torch.zeros_like(logits)
    return functional.binary_cross_entropy_with_logits(logits, labels)
