"""MMD-GAN (Li et al. 2017), with the generated samples detached for the critic."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def losses(gan: Any, move: str, draws: dict[str, Tensor]) -> dict[str, Tensor]:
    """Losses of the critic, whose two halves share it, or of the generator."""
    encoder, config = gan.players["encoder"], gan.config
    x, y = gan.players["generator"](draws["latent"]), draws["real"]
    if move == "critic":
        x = x.detach()
    of_x, of_y = encoder(x), encoder(y)
    discrepancy = torch.sqrt(functional.relu(_squared_discrepancy(of_x, of_y, config.widths)))
    value = discrepancy - config.feasible * functional.relu(of_x.mean(0) - of_y.mean(0)).mean()
    if move == "generator":
        return {"generator": value}
    decoder = gan.players["decoder"]
    reconstruction = functional.mse_loss(decoder(of_x), x) + functional.mse_loss(decoder(of_y), y)
    loss = config.reconstruction * reconstruction - value
    return {"encoder": loss, "decoder": loss}


def after(gan: Any, move: str, losses: dict[str, Tensor]) -> None:
    """Clip the encoder once it has moved."""
    if move == "critic":
        with torch.no_grad():
            for parameter in gan.players["encoder"].parameters():
                parameter.clamp_(-gan.config.clip, gan.config.clip)


def _squared_discrepancy(x: Tensor, y: Tensor, widths: tuple[float, ...]) -> Tensor:
    """Biased estimate of MMD² under a sum of Gaussian kernels."""
    both = torch.cat([x, y])
    products = both @ both.T
    squares = torch.diagonal(products)
    distances = squares[:, None] - 2 * products + squares[None, :]
    kernel = sum(torch.exp(distances * (-0.5 / width**2)) for width in widths)
    count = len(x)
    return kernel[:count, :count].mean() + kernel[count:, count:].mean() - 2 * kernel[:count, count:].mean()
