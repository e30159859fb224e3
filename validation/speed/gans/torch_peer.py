"""A GAN of this package as a user of PyTorch trains it: eager, with autograd and PyTorch's optimizers."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from coulombfield.arrays import to_numpy
from experiments import registry
from experiments.gans.gan import GAN
from experiments.players.optimizer import OptimizerConfig

from ..rows import FORMATS
from ..timing import CPU
from ..torch_twins import Twin, use_all_processors
from ..torch_variants import Variant, calls_in, variants
from .settings import Setting, noise

LOSSES = "validation.speed.gans.torch_losses"
"""The package with a file of losses for each kind of GAN."""

Tensors = tuple[Tensor | None, ...]


class Peer:
    """The same players, draws and moves, with the losses of :mod:`validation.speed.gans.torch_losses`.

    Parameters
    ----------
    gan : GAN
        What it repeats, at the update where that is; all is copied.
    data : array, shape (count, ...), optional
        Real samples; without them, and without optimizers, there are only :meth:`gradients`.
    optimizers : mapping of str to OptimizerConfig, optional
        By player; the rate stays where it starts.
    channels_last : bool
        PyTorch's memory format for images.
    losses : str
        The package with a file of losses for each kind of GAN.
    device : str
        PyTorch's name of where it computes.
    compiled : bool
        Whether PyTorch compiles the networks.
    """

    def __init__(
        self,
        gan: GAN,
        data: np.ndarray | None = None,
        optimizers: Mapping[str, OptimizerConfig] | None = None,
        *,
        channels_last: bool = False,
        losses: str = LOSSES,
        device: str = "cpu",
        compiled: bool = False,
    ):
        self.device = device
        self._losses = importlib.import_module(f"{losses}.{registry.kind_of(gan.config)}")
        self.players = {
            name: Twin(
                player.network,
                player.params,
                channels_last=channels_last,
                groups=False,
                device=device,
                compiled=compiled,
            )
            for name, player in gan.players.items()
        }
        self.config, self.batch, self.length, self.updates = gan.config, gan.batch, gan.length, gan.updates
        self.memory = {name: self._put(value) for name, value in gan.memory.items()}
        self._moves, self._draws = tuple(gan.moves()), gan.draws
        self._latent, self._prior = (gan.batch, gan.generator.latent), gan.generator.prior
        drawn = {name for names in gan.draws.values() for name in names}
        self.all_real = None
        if "real" not in drawn:
            self.all_real = torch.cat([self._put(to_numpy(block)) for block in gan.data.blocks()])
        others = drawn - {"latent", "real"}
        self._others = {name: self._put(getattr(gan, f"draw_{name}")()) for name in others}
        self._data = self._put(data) if data is not None else torch.empty(0)
        self._optimizers = {
            name: optimizer_of(settings, self.players[name], gan.players[name].params)
            for name, settings in (optimizers or {}).items()
        }

    def __call__(self) -> None:
        """One update."""
        for move in self._moves:
            draws = {name: self._drawn(name, move) for name in self._draws[move]}
            losses, gradients = self.gradients(move, draws)
            for name, gradient in gradients.items():
                for parameter, part in zip(self.players[name].parameters(), gradient, strict=True):
                    parameter.grad = part
                self._optimizers[name].step()
                self._optimizers[name].zero_grad()
            self.after(move, losses)
        self.updates += 1

    def gradients(self, move: str, draws: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensors]]:
        """Losses of a move, and the gradient of each by its player's parameters; None where it depends on none.

        Players that share a loss share its backward pass, and none computes gradients in another's parameters.
        """
        losses = self._losses.losses(self, move, draws)
        shared: dict[Tensor, list[str]] = {}  # a tensor is equal to itself only
        for name, loss in losses.items():
            shared.setdefault(loss, []).append(name)
        last = next(reversed(shared))
        gradients: dict[str, Tensors] = {}
        for loss, names in shared.items():
            parameters = {name: self.players[name].parameters() for name in names}
            flat = itertools.chain(*parameters.values())
            found = iter(torch.autograd.grad(loss, tuple(flat), retain_graph=loss is not last, allow_unused=True))
            gradients |= {name: tuple(itertools.islice(found, len(own))) for name, own in parameters.items()}
        return {name: loss.detach() for name, loss in losses.items()}, gradients

    @torch.no_grad()
    def after(self, move: str, losses: dict[str, Tensor]) -> None:
        """What follows the update of a move."""
        if hasattr(self._losses, "after"):
            self._losses.after(self, move, losses)

    def draw(self, name: str) -> Tensor:
        """What moves draw: latent vectors, real samples, and uniform numbers on [0, 1) for all else."""
        if name == "real":
            return self._data[torch.randint(len(self._data), (self.batch,), device=self.device)]
        if name != "latent":
            return torch.rand_like(self._others[name])
        dtype, device = self._data.dtype, self.device
        if self._prior == "normal":
            return torch.randn(self._latent, dtype=dtype, device=device)
        return torch.rand(self._latent, dtype=dtype, device=device) * 2 - 1

    def _drawn(self, name: str, move: str) -> Tensor:
        own = getattr(self._losses, f"draw_{name}", None)
        return self.draw(name) if own is None else own(self, move)

    def put(self, draws: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
        """Our draws as tensors."""
        return {name: self._put(draw) for name, draw in draws.items()}

    def _put(self, value: np.ndarray | float) -> Tensor:
        array = np.asarray(value)
        if array.ndim > 1:
            return self.players["generator"].put(array)
        return torch.as_tensor(array.copy(), device=self.device)


def optimizer_of(settings: OptimizerConfig, twin: Twin, names: Iterable[str]) -> torch.optim.Optimizer:
    """PyTorch's optimizer with our settings, fused where it can be."""
    least = 3 if settings.l2_on == "kernels" else 1
    decayed: list[Tensor] = []
    rest: list[Tensor] = []
    for name, tensor in zip(names, twin.parameters(), strict=True):
        (decayed if settings.l2 and name.endswith("weight") and tensor.ndim >= least else rest).append(tensor)
    groups: list[dict[str, Any]] = [{"params": decayed, "weight_decay": settings.l2}, {"params": rest}]
    groups = [group for group in groups if group["params"]]
    rate = settings.rate.start
    if settings.kind == "adam":
        betas = settings.beta1, settings.beta2
        return torch.optim.Adam(groups, rate, betas, settings.epsilon, fused=True)
    if settings.kind == "rmsprop":
        return torch.optim.RMSprop(groups, rate, settings.decay, settings.epsilon)
    return torch.optim.SGD(groups, rate, settings.momentum, fused=True)


def updates(
    setting: Setting, formats: Sequence[str] = tuple(FORMATS), device: str = "cpu"
) -> dict[str, Callable[[], object]]:
    """An update of a setting in each memory format, eager and ready to be called."""
    use_all_processors()
    torch.manual_seed(0)
    gan, data = setting._replace(device=CPU).gan(), noise()
    optimizers = setting.optimizers
    return {name: Peer(gan, data, optimizers, channels_last=FORMATS[name], device=device) for name in formats}


def updates_on(
    device: str,
    gan: GAN,
    data: np.ndarray,
    optimizers: Mapping[str, OptimizerConfig],
    ways: Sequence[Variant],
    losses: str = LOSSES,
) -> dict[str, Callable[[], object]]:
    """An update of a GAN on a GPU in each of some ways, ready to be called; a way that fails is told and left out.

    Parameters
    ----------
    device : str
        PyTorch's name of it.
    gan : GAN
        Ours, on the host.
    data, optimizers, losses
        As for :class:`Peer`.
    ways : sequence of Variant
        Eager or compiled, in which format, with TF32 or not.
    """
    torch.manual_seed(0)

    def make(way: Variant) -> Peer:
        kind = {"channels_last": way.channels_last, "compiled": way.compiled}
        return Peer(gan, data, optimizers, losses=losses, device=device, **kind)

    return calls_in(ways, make)


def updates_of(setting: Setting, device: str, compiled: bool) -> dict[str, Callable[[], object]]:
    """An update of a setting on a GPU in all ways of PyTorch's, or those that compile nothing."""
    gan = setting._replace(device=CPU).gan()
    return updates_on(device, gan, noise(), setting.optimizers, variants(compiled=compiled))
