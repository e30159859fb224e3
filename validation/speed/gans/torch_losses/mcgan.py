"""McGAN: mean and covariance matching of features, with the vectors of both as a linear layer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def losses(gan: Any, move: str, draws: dict[str, Tensor]) -> dict[str, Tensor]:
    """Losses of the players that move."""
    x = gan.players["generator"](draws["latent"])
    if move == "generator":
        return {"generator": -_mean(gan, x)}
    difference = _mean(gan, x.detach()) - _mean(gan, draws["real"])
    return {"discriminator": difference, "projection": difference}


def _mean(gan: Any, samples: Tensor) -> Tensor:
    """Mean of v's, and of U's times W's products with the features."""
    products = gan.players["projection"](gan.players["discriminator"](samples))
    first, k = int(gan.config.mean != "none"), gan.config.components
    v, u, w = products.split([first, k, k], dim=1)
    return (v.sum(1) + (u * w).sum(1)).mean()


@torch.no_grad()
def after(gan: Any, move: str, losses: dict[str, Tensor]) -> None:
    """Clip the features, project v into its ball, make U and W orthonormal."""
    if move != "critic":
        return
    for part in gan.players["discriminator"].parameters():
        if gan.config.clip:
            part.clamp_(-gan.config.clip, gan.config.clip)
        if gan.config.radius:
            part.mul_(gan.config.radius / part.norm().clamp(min=gan.config.radius))
    (weight,) = gan.players["projection"].parameters()
    first, k = int(gan.config.mean != "none"), gan.config.components
    v, *both = weight.split([first, k, k])  # rows, where ours has columns
    if gan.config.mean == "l1":
        v.clamp_(-1, 1)
    elif gan.config.mean == "l2":
        v.div_(v.norm().clamp(min=1))
    for rows in both if k else ():
        q, r = torch.linalg.qr(rows.T)
        rows.copy_((q * r.diagonal().sign()).T)
