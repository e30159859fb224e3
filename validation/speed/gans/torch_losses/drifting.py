"""Drifting: regression on the generator's own samples, drifted."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import mse_loss


def losses(gan: Any, move: str, draws: dict[str, Tensor]) -> dict[str, Tensor]:
    """Losses of the generator."""
    x, y = gan.players["generator"](draws["latent"]).flatten(1), draws["real"].flatten(1)
    with torch.no_grad():
        target, unit = _drifted(x, y, gan.config)
    return {"generator": mse_loss(x / unit, target / unit)}


def _drifted(x: Tensor, y: Tensor, config: Any) -> tuple[Tensor, Tensor | float]:
    """Samples as they drift, and the unit of length."""
    count, targets = len(x), torch.cat([x, y])
    distances = torch.cdist(x, targets, compute_mode="donot_use_mm_for_euclid_dist")
    unit: Tensor | float = 1.0
    if config.normalize:
        unit = distances.mean() / math.sqrt(x.shape[1])
        distances = distances / distances.mean()
    distances[:, :count].fill_diagonal_(torch.inf)
    total = torch.zeros_like(x)
    for temperature in config.temperatures:
        logits = -distances / temperature
        a = (logits.softmax(dim=1) * logits.softmax(dim=0)).sqrt()
        own, others = a[:, :count], a[:, count:]
        drift = own.sum(1, keepdim=True) * (others @ y) - others.sum(1, keepdim=True) * (own @ x)
        if config.normalize:
            drift = drift / (drift / unit).square().mean().clamp(min=1e-8).sqrt()
        total += drift
    return x + total, unit
