"""The peer: the same update as a user of PyTorch writes it, eager, with autograd and the fused Adam."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
from torch import nn

from experiments.gan_training import Config

from ..torch_variants import calls_in, compile_, variants

ACTIVATIONS = {"elu": nn.ELU, "relu": nn.ReLU, "leaky_relu": lambda: nn.LeakyReLU(0.2)}


def updates(settings: Config) -> dict[str, Callable[[], object]]:
    """The update with PyTorch's own number of threads and with one, which small products may prefer."""
    threads = torch.get_num_threads()
    calls: dict[str, Callable[[], object]] = {}
    for count in sorted({1, threads}):
        update = Update(settings)

        def call(update: Update = update, count: int = count) -> None:
            if torch.get_num_threads() != count:
                torch.set_num_threads(count)
            update()

        calls[f"eager PyTorch, {count} thread{'s' * (count > 1)}"] = call
    return calls


def updates_on(device: str, settings: Config) -> dict[str, Callable[[], object]]:
    """The update on a GPU, eager and compiled, with TF32 and without."""
    return calls_in(variants(images=False), lambda way: Update(settings, device, way.compiled))


class Update:
    """One update of both players (Algorithm 1) with one pass of the discriminator."""

    def __init__(self, settings: Config, device: str = "cpu", compiled: bool = False):
        torch.manual_seed(settings.seed)
        self.settings, self.device = settings, device
        generator, discriminator = (settings.players[name] for name in ("generator", "discriminator"))
        self.generator = _mlp((generator.latent, *generator.layers.hidden, 2), generator.layers.activation)
        self.discriminator = _mlp((2, *discriminator.layers.hidden, 1), discriminator.layers.activation)
        self.generator.to(device)
        self.discriminator.to(device)
        if compiled:
            for network in (self.generator, self.discriminator):
                vars(network)["forward"] = compile_(network.forward)
        self.adam_g = _adam(self.generator, generator.optimizer.rate.start)
        self.adam_d = _adam(self.discriminator, discriminator.optimizer.rate.start)
        self.data = torch.rand(settings.data.points, 2, device=device) * 2 * settings.data.extent - settings.data.extent
        batch = settings.training.batch
        self.weights = torch.cat([torch.full((batch,), sign / batch, device=device) for sign in (-1, 1)])

    def __call__(self) -> None:
        """Do it once."""
        settings, batch = self.settings, self.settings.training.batch
        z = torch.randn(batch, settings.players["generator"].latent, device=self.device)
        x = self.generator(z) * settings.players["generator"].output_scale
        points = torch.cat([x, self.data[torch.randint(len(self.data), (batch,), device=self.device)]])
        values = self.discriminator(points * settings.players["discriminator"].input_scale)[:, 0]
        with torch.no_grad():
            softening = settings.gan.softening.start
            squared = (points[:, None] - points[None]).square().sum(-1)
            kernel = torch.rsqrt(squared + softening**2)
            target = settings.gan.scale * (kernel @ self.weights)
        loss_d = (values - target).square().mean() / 2
        loss_g = -values[:batch].mean() / 2
        parameters_d, parameters_g = list(self.discriminator.parameters()), list(self.generator.parameters())
        gradients_g = torch.autograd.grad(loss_g, parameters_g, retain_graph=True)
        gradients_d = torch.autograd.grad(loss_d, parameters_d)
        _update(self.adam_d, parameters_d, gradients_d)
        _update(self.adam_g, parameters_g, gradients_g)


def _mlp(widths: tuple[int, ...], activation: str) -> nn.Sequential:
    layers: list[nn.Module] = []
    for fan_in, fan_out in itertools.pairwise(widths[:-1]):
        layers += [nn.Linear(fan_in, fan_out), ACTIVATIONS[activation]()]
    return nn.Sequential(*layers, nn.Linear(widths[-2], widths[-1]))


def _adam(network: nn.Module, rate: float) -> torch.optim.Adam:
    return torch.optim.Adam(network.parameters(), rate, fused=True)


def _update(adam: torch.optim.Adam, parameters: list[nn.Parameter], gradients: tuple[torch.Tensor, ...]) -> None:
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    adam.step()
