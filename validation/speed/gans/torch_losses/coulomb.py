"""The Coulomb GAN (Eqs 9 and 10), with one pass of the discriminator on each half of a minibatch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def losses(gan: Any, move: str, draws: dict[str, Tensor]) -> dict[str, Tensor]:
    """Losses of the discriminator's regression on the potential, and the generator's on the discriminator."""
    x, y = gan.players["generator"](draws["latent"]), draws["real"]
    discriminator, weight = gan.players["discriminator"], gan.config.field_weight
    if weight:
        y = y.clone().requires_grad_()
    values = torch.cat([discriminator(x), discriminator(y)])[:, 0]
    squared = (values - target(gan, torch.cat([x, y]).flatten(1).detach())).square()
    if weight:
        slopes = torch.cat(torch.autograd.grad(values.sum(), (x, y), create_graph=True)).flatten(1)
        squared = squared + weight * (slopes - _gradient_of_target(gan, x, y)).square().sum(1)
    mean = gan.config.reduction == "expectation"
    return {
        "discriminator": (squared.mean() if mean else squared.sum()) / 2,
        "generator": -values[: len(x)].mean() / 2,
    }


def target(gan: Any, points: Tensor, sources: Tensor | None = None) -> Tensor:
    """Potential at points, which are the generated and real samples, or of sources there (Eq 5)."""
    config, softening = gan.config, gan.config.softening.over(gan.length)(gan.updates)
    sources = points if sources is None else sources
    squared = torch.cdist(points, sources).square() + softening**2
    kernel = torch.rsqrt(squared) if config.exponent == 1 else squared.pow(-config.exponent / 2)
    if config.exclude_self:
        kernel = kernel * (1 - torch.eye(len(points), dtype=points.dtype, device=points.device))
    half = len(points) // 2
    weight = torch.full((half,), config.scale / half, dtype=points.dtype, device=points.device)
    return kernel @ torch.cat([-weight, weight])


def _gradient_of_target(gan: Any, x: Tensor, y: Tensor) -> Tensor:
    """Slopes of the potential at the samples, which stay charges where they are."""
    sources = torch.cat([x, y]).flatten(1).detach()
    points = sources.clone().requires_grad_()
    (slopes,) = torch.autograd.grad(target(gan, points, sources).sum(), points)
    return slopes
