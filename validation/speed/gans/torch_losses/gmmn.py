"""GMMN: the root of the biased squared discrepancy."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def losses(gan: Any, move: str, draws: dict[str, Tensor]) -> dict[str, Tensor]:
    """Losses of the generator."""
    x, y = gan.players["generator"](draws["latent"]).flatten(1), draws["real"].flatten(1)
    within = kernel(x, x, gan.config.widths).mean() + kernel(y, y, gan.config.widths).mean()
    return {"generator": (within - 2 * kernel(x, y, gan.config.widths).mean()).sqrt()}


def kernel(a: Tensor, b: Tensor, widths: tuple[float, ...]) -> Tensor:
    """Sum of Gaussians for every pair."""
    squared = (a[:, None] - b[None]).square().sum(-1) if a.shape[1] <= 8 else gram(a, b)
    return sum(torch.exp(-squared / (2 * width**2)) for width in widths)


def gram(a: Tensor, b: Tensor) -> Tensor:
    """Squared distances by a matrix product, as those have it who meet images."""
    return (a.square().sum(1)[:, None] + b.square().sum(1) - 2 * a @ b.T).clamp(min=0)
