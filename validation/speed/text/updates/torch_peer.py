"""The same in eager PyTorch, and whether losses and gradients agree with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numba
import numpy as np
import torch

from ...gans.torch_peer import Peer, updates_on
from ...rows import Difference, relative
from ...timing import CPU
from ...torch_variants import variants
from .settings import Setting

LOSSES = "validation.speed.text.torch_losses"


def update(setting: Setting, device: str = "cpu") -> Callable[[], object]:
    """A call of PyTorch's, eager and ready to be made, with as many threads as ours."""
    torch.set_num_threads(numba.get_num_threads())
    torch.manual_seed(0)
    gan = setting._replace(device=CPU).gan()
    return Peer(gan, setting.data, setting.optimizers, losses=LOSSES, device=device)


def updates_of(setting: Setting, device: str, compiled: bool) -> dict[str, Callable[[], object]]:
    """A call of PyTorch's on a GPU, in all of its ways or those that compile nothing."""
    gan = setting._replace(device=CPU).gan()
    ways = variants(images=False, compiled=compiled)
    return updates_on(device, gan, setting.data, setting.optimizers, ways, LOSSES)


def differences(setting: Setting) -> Iterator[Difference]:
    """Differences of each loss and gradient of a move."""
    gan = setting.gan()
    (move,) = gan.moves()
    peer = Peer(gan, losses=LOSSES)
    draws = {draw: getattr(gan, f"draw_{draw}")().copy() for draw in gan.draws[move]}
    losses, gradients = gan.gradients(move, **draws)
    peer_losses, peer_gradients = peer.gradients(move, peer.put(draws))
    for player, gradient in gradients.items():
        yield Difference(
            setting.name, f"{player} loss", relative(np.asarray(losses[player]), peer_losses[player].numpy())
        )
        vector = peer.players[player].vector(peer_gradients[player])
        yield Difference(setting.name, f"d{player}", relative(gradient.vector, vector))
