"""No discriminator: the energy of the minibatch, or of all real charges and the minibatch's samples (Eq 33)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from .gmmn import gram


def losses(gan: Any, move: str, draws: dict[str, Tensor]) -> dict[str, Tensor]:
    """Losses of the generator."""
    real = draws.get("real", gan.all_real)
    x, y = gan.players["generator"](draws["latent"]).flatten(1), real.flatten(1)
    exponent, softening = (
        schedule.over(gan.length)(gan.updates) for schedule in (gan.config.exponent, gan.config.softening)
    )

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        squared = (a[:, None] - b[None]).square().sum(-1) if a.shape[1] <= 8 else gram(a, b)
        return (squared + softening**2).pow(-exponent / 2)

    def within(points: Tensor) -> Tensor:
        pairs, count = kernel(points, points), len(points)
        if not gan.config.unbiased:
            return pairs.mean()
        return (pairs.sum() - pairs.diagonal().sum()) / (count * (count - 1))

    of_data = within(y) if "real" in draws else 0.0
    return {"generator": (within(x) + of_data) / 2 - kernel(x, y).mean()}
