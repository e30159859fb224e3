"""Whether the gradients of every move of every GAN agree with PyTorch's autograd in float64."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from coulombfield.arrays import select_device
from coulombfield.rng import Streams
from experiments import config, registry
from experiments.gans.gan import GAN, Losses
from validation.context import Context
from validation.gradients.gans import SAMPLES, small

from ..rows import Difference, relative
from .settings import assemble, kind_of_preset, noise, resolved
from .torch_peer import LOSSES, Peer

Tensors = dict[str, Tensor]

BATCH = 3
SPREAD = 0.1
"""Size of noise on the parameters: a critic that starts with weights of 0.01 tells samples apart by rounding alone."""
DIVISOR = 16
"""What the published numbers of channels are divided by."""


def has_losses(kind: str) -> bool:
    """Whether somebody has written the losses of this GAN in PyTorch."""
    return importlib.util.find_spec(f"{LOSSES}.{kind}") is not None


def differences(kinds: Sequence[str], *, presets: bool = True) -> Iterator[Difference]:
    """Differences of every GAN of these kinds with small networks, and of every preset with its own, narrowed.

    Presets of text are compared by ``validation speed text``.
    """
    for kind in kinds:
        for name, sample in SAMPLES.items():
            if registry.kind_of(sample.config) == kind:
                yield from of_gan(name, functools.partial(small, name, Streams(0), Context()))
        for preset in config.preset_names() if presets else ():
            if kind_of_preset(preset) == kind and registry.kind_of(resolved(preset).data) != "text":
                yield from of_gan(preset, functools.partial(narrow, preset))


def narrow(preset: str) -> GAN:
    """The GAN of a preset in float64: its networks with fewer channels, and a small minibatch."""
    settings = resolved(preset, "float64")
    if getattr(settings.gan, "real", "") == "all":  # whose field has an error that is allowed
        settings = dataclasses.replace(settings, gan=dataclasses.replace(settings.gan, rtol=0.0))
    gan, rng = assemble(settings, _data(settings.data), BATCH, divisor=DIVISOR), np.random.default_rng(2)
    for player in gan.players.values():
        player.params.vector[...] += SPREAD * rng.standard_normal(player.params.vector.size)
    return gan


def _data(settings: Any) -> np.ndarray:
    """Some of a preset's data, or noise in place of a user's images."""
    if hasattr(settings, "path"):
        return noise(settings.size, settings.channels, "float64")[:10]
    rng = np.random.default_rng(0)
    data = settings.open(batch=BATCH, rng=rng, dtype="float64", device=select_device("cpu"))
    return data.training.first(10)


def of_gan(name: str, make: Callable[[], GAN]) -> Iterator[Difference]:
    """Differences in every move, of losses, gradients and what follows, and of all that again with what it changed."""
    try:
        gan = make()
        peer = Peer(gan)
        for _ in range(2 if gan.memory else 1):
            seen = {}
            for move in gan.draws:
                seen[move] = yield from _of_move(name, move, gan, peer)
            for move, both in seen.items():
                yield from _of_what_follows(name, move, gan, peer, *both)
    except Exception as error:  # what breaks must not hide the others' results
        yield Difference(name, f"{type(error).__name__}: {error}", float("inf"))


def _of_move(name: str, move: str, gan: GAN, peer: Peer) -> Generator[Difference, None, tuple[Losses, Tensors]]:
    """Differences of each player's loss and gradient; returns all losses, ours and PyTorch's."""
    draws = {draw: getattr(gan, f"draw_{draw}")().copy() for draw in gan.draws[move]}
    losses, gradients = gan.gradients(move, **draws)
    peer_losses, peer_gradients = peer.gradients(move, peer.put(draws))
    if gradients.keys() != peer_gradients.keys():
        raise ValueError(f"expected losses of {sorted(gradients)} in {move}, got {sorted(peer_gradients)}")
    for player, gradient in gradients.items():
        loss = relative(np.asarray(losses[player]), peer_losses[player].numpy())
        yield Difference(name, f"{move}: {player} loss", loss)
        vector = peer.players[player].vector(peer_gradients[player])
        yield Difference(name, f"{move}: d{player}", relative(gradient.vector, vector))
    return losses, peer_losses


def _of_what_follows(
    name: str, move: str, gan: GAN, peer: Peer, losses: Losses, peer_losses: Tensors
) -> Iterator[Difference]:
    """Differences of parameters and memory after a move, where there is any."""
    gan.after(move, losses)
    peer.after(move, peer_losses)
    for player, ours in gan.players.items():
        twin = peer.players[player]
        changed = relative(ours.params.vector, twin.vector(twin.parameters()))
        if changed:
            yield Difference(name, f"{player} after {move}", changed)
    for key, value in gan.memory.items():
        changed = relative(np.asarray(value), np.asarray(peer.memory[key]))
        if changed:
            yield Difference(name, f"{key} after {move}", changed)
