"""MMD network: the unbiased squared discrepancy."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from .gmmn import kernel


def losses(gan: Any, move: str, draws: dict[str, Tensor]) -> dict[str, Tensor]:
    """Losses of the generator."""
    x, y = gan.players["generator"](draws["latent"]).flatten(1), draws["real"].flatten(1)
    widths = gan.config.widths
    within = _without_self(kernel(x, x, widths)) + _without_self(kernel(y, y, widths))
    return {"generator": within - 2 * kernel(x, y, widths).mean()}


def _without_self(pairs: Tensor) -> Tensor:
    count = len(pairs)
    return (pairs.sum() - pairs.diagonal().sum()) / (count * (count - 1))
