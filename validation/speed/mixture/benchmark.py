"""One update of the 25-Gaussian Coulomb GAN, against the same update in eager PyTorch and in compiled JAX."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from coulombfield.arrays import Device
from coulombfield.rng import Streams
from experiments import config, gan_training
from experiments.gan_training import Config

from ..card import Card
from ..rows import jax_sees, torch_device, torch_sees
from ..timing import CPU, Spread, blas_threads, sgemm_rate, take_turns, timer_of

PRESET = "gaussian-mixture"
COUNTED = "matrix products of both players, a product and a sum"
SINGLY = "ours, launched one by one"
QUICK_SECONDS = 0.1  # below it a GPU's own rates are measured by small arrays too


def run(seconds: float, *, device: Device = CPU) -> list[dict[str, Any]]:
    """Time the update, print what was found, and return one row for each peer.

    Parameters
    ----------
    seconds : float
        Time to spend on each side [s].
    device : Device
        Where to compute.
    """
    settings = config.resolve(PRESET, [] if device.xp is np else ["training.bit_generator=philox"]).config
    experiment = gan_training.build(settings, device, Streams(settings.seed))
    calls, updates = {"ours": experiment.step} | torch_updates(settings, device), {}
    if device.xp is not np:
        apart = replace(settings, training=replace(settings.training, graph=False))
        calls[SINGLY] = gan_training.build(apart, device, Streams(settings.seed)).step
    if jax_sees(device):
        from . import jax_peer

        name = f"JAX, a scan of {jax_peer.SCANNED}"
        calls[name], updates[name] = jax_peer.updates(settings), jax_peer.SCANNED
    with blas_threads(settings.training.blas_threads):  # not PyTorch's own products, which have no library beside it
        spreads = take_turns(calls, seconds, timer_of(device))
    spreads |= {name: Spread(*(time / count for time in spreads[name])) for name, count in updates.items()}
    if not spreads.keys() - {"ours", SINGLY}:
        print("no peer: neither PyTorch (pip install torch==2.13.0) nor JAX (pip install jax) is installed", end="")
        print("" if device.xp is np else " in a build that sees this GPU")
    ours, singly = spreads.pop("ours"), spreads.pop(SINGLY, None)
    if device.xp is np:
        _print_ours(settings, ours)
        shares: dict[str, Any] = {}
    else:
        count = operations(settings)
        of_card = Card(device, quick=seconds < QUICK_SECONDS).shares(ours.median, products=count, operations=count)
        print(f"  {'ours':<28}{ours}   {of_card}")
        assert singly is not None
        print(f"  {SINGLY:<28}{singly}   {experiment.gan.graphs}")
        shares = {"device": device.name, **of_card._asdict(), "counted": COUNTED}
        shares |= {"singly_s": singly.median, "graphs": experiment.gan.graphs}
    rows = [_row(name, ours, spread) | shares for name, spread in spreads.items()]
    return rows if device.xp is np or rows else [_alone(ours) | shares]


def torch_updates(settings: Config, device: Device = CPU) -> dict[str, Callable[[], object]]:
    """The update in PyTorch, by its number of threads or, on a GPU, its ways; none where it is not installed."""
    with contextlib.suppress(ImportError):
        from . import torch_peer

        if device.xp is np:
            return torch_peer.updates(settings)
        if torch_sees(device):
            return torch_peer.updates_on(torch_device(device), settings)
    return {}


def operations(settings: Config) -> int:
    """Floating-point operations of the matrix products of one update.

    The generator's pass forward and back takes 3 products for each weight matrix but the first, which needs no dx;
    the discriminator's takes the same on twice the batch, for both players.
    """
    batch = settings.training.batch
    players = settings.players
    generator = _weights(players["generator"].latent, *players["generator"].layers.hidden, 2)
    discriminator = _weights(2, *players["discriminator"].layers.hidden, 1)
    g_products = 3 * sum(generator) - generator[0]
    d_products = 2 * 3 * sum(discriminator)
    return 2 * batch * (g_products + d_products)


def _weights(*widths: int) -> list[int]:
    return [int(np.prod(pair)) for pair in itertools.pairwise(widths)]


def _print_ours(settings: Config, ours: Spread) -> None:
    rate, peak = operations(settings) / ours.median, sgemm_rate()
    print("one update of both players, min / median / max of the timed blocks:")
    print(f"  {'ours':<28}{ours}   ({1e6 * ours.median / 60:.1f} min for 1M updates)")
    print(f"  {operations(settings) / 1e6:.1f} MFLOP in matrix products at {rate / 1e9:.0f} GFLOP/s,", end=" ")
    print(f"{rate / peak:.0%} of this machine's sgemm rate of {peak / 1e9:.0f} GFLOP/s")


def _alone(ours: Spread) -> dict[str, Any]:
    return {
        "name": "gaussian-mixture update",
        "ours_s": ours.median,
        "ours_min_s": ours.minimum,
        "ours_max_s": ours.maximum,
    }


def _row(name: str, ours: Spread, peer: Spread) -> dict[str, Any]:
    ratio = peer.median / ours.median
    print(f"  {name:<28}{peer}   ours is {ratio:.2f}x as fast")
    return _alone(ours) | {
        "peer": name,
        "peer_s": peer.median,
        "peer_min_s": peer.minimum,
        "peer_max_s": peer.maximum,
        "ratio": ratio,
    }
