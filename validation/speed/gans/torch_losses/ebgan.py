"""EBGAN (Zhao et al. 2017), with the generated samples detached for the discriminator."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def losses(gan: Any, move: str, draws: dict[str, Tensor]) -> dict[str, Tensor]:
    """Losses of the autoencoder, whose two halves share it, or of the generator."""
    x = gan.players["generator"](draws["latent"])
    if move == "generator":
        energies, code = _energies(gan, x)
        loss = energies.mean()
        if gan.config.pulling_away:
            loss = loss + gan.config.pulling_away * _pulling_away(code)
        return {"generator": loss}
    at_real, _ = _energies(gan, draws["real"])
    at_generated, _ = _energies(gan, x.detach())
    loss = at_real.mean() + functional.relu(gan.config.margin - at_generated).mean()
    return {"encoder": loss, "decoder": loss}


def _energies(gan: Any, samples: Tensor) -> tuple[Tensor, Tensor]:
    """Energy of each sample, and the codes."""
    code = gan.players["encoder"](samples)
    error = (gan.players["decoder"](code) - samples).flatten(1)
    return (error.norm(dim=1) if gan.config.energy == "norm" else error.square().mean(dim=1)), code


def _pulling_away(code: Tensor) -> Tensor:
    """Mean squared cosine of pairs of codes."""
    unit = functional.normalize(code.flatten(1))
    cosines = (unit @ unit.T).square()
    return (cosines.sum() - torch.diagonal(cosines).sum()) / (len(code) * (len(code) - 1))
