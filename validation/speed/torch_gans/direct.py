"""No discriminator: the energy of the minibatch (Eq 33)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from .gmmn import gram


def losses(gan: Any, move: str, draws: dict[str, Tensor]) -> dict[str, Tensor]:
    """Of the generator."""
    x, y = gan.players["generator"](draws["latent"]).flatten(1), draws["real"].flatten(1)
    softening = gan.config.softening.over(gan.length)(gan.updates)

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        squared = (a[:, None] - b[None]).square().sum(-1) if a.shape[1] <= 8 else gram(a, b)
        return (squared + softening**2).pow(-gan.config.exponent / 2)

    def within(points: Tensor) -> Tensor:
        pairs, count = kernel(points, points), len(points)
        if not gan.config.unbiased:
            return pairs.mean()
        return (pairs.sum() - pairs.diagonal().sum()) / (count * (count - 1))

    return {"generator": (within(x) + within(y)) / 2 - kernel(x, y).mean()}
