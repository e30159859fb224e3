"""What a machine that has other work costs: quiet times beside those next to one and to two busy processes.

A library whose threads wait for each other can take fifty times as long beside one busy process, where its thread's
fair share of the processors would be half.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

import coulombfield as cf
from coulombfield.arrays import select_device
from coulombfield.rng import Streams
from experiments import config, gan_training
from nets.architectures import mlp
from nets.layers.activations import ELU
from nets.optimizers import Adam
from nets.workspace import Workspace

from ..mixture.benchmark import PRESET, torch_updates
from ..networks.update import coulomb_gan
from ..timing import BLOCK_SECONDS, Spread, repeats_of, seconds_a_call

BUSY = (0, 1, 2)
"""Numbers of busy processes."""
SUMS = (256, 1_000, 10_000)
NUFFT = 100_000
IMAGES = 32, 64, 16
"""Side, width and minibatch of the update of images."""
FEWEST = 3
"""Rounds of timed blocks."""
Call = Callable[[], object]


def run(seconds: float) -> list[dict[str, Any]]:
    """Time each call quietly and beside busy processes, print what was found, and return one row for each.

    Parameters
    ----------
    seconds : float
        Time to spend on each call with each number of busy processes [s].
    """
    calls = cases()
    repeats = {name: repeats_of(call) for name, call in calls.items()}
    blocks: dict[tuple[str, int], list[float]] = {(name, busy): [] for name in calls for busy in BUSY}
    for _ in range(max(FEWEST, round(seconds / BLOCK_SECONDS))):
        for busy in BUSY:  # in turns, so that a disturbance of the machine falls on all of them
            with busy_processes(busy):
                for name, call in calls.items():
                    blocks[name, busy].append(seconds_a_call(call, repeats[name]))
    return [_row(name, busy, blocks) for name in calls for busy in BUSY]


def cases() -> dict[str, Call]:
    """What is timed, by name; the mixture's update in PyTorch too, where that is installed."""
    settings = config.resolve(PRESET).config
    experiment = gan_training.build(settings, select_device("cpu"), Streams(settings.seed))
    images = coulomb_gan(*IMAGES)
    calls: dict[str, Call] = {"mixture update": experiment.step, "own loop over a network": own_loop()}
    calls |= {f"potential, N = {count}": _potential(count) for count in SUMS}
    calls |= {"32 x 32 update": images.step, f"NUFFT sum, N = {NUFFT}": _potential(NUFFT, method="nufft", rtol=1e-4)}
    return calls | torch_updates(settings)


def own_loop() -> Call:
    """A training step as a user writes it: a network of 2-128-128-1, 256 samples, with whatever threads BLAS has."""
    rng = np.random.default_rng(0)
    network, workspace = mlp((2, 128, 128, 1), ELU), Workspace()
    params = network.initialize(rng)
    optimizer = Adam(params, 1e-4)
    x = rng.standard_normal((256, 2)).astype(np.float32)

    def step() -> None:
        y, cache = network.forward(params, x, workspace)
        _, gradient = network.backward(params, cache, y / 256, workspace=workspace)
        optimizer.update(gradient)

    return step


def _potential(count: int, **how: Any) -> Call:
    rng = np.random.default_rng(0)
    points = rng.uniform(-21, 21, (count, 2)).astype(np.float32)
    charges = cf.Charges(points, np.full(count, 1 / count, np.float32))
    kernel = cf.Plummer(1.0, 3.0)
    return lambda: cf.potential(points, charges, kernel, **how)


@contextlib.contextmanager
def busy_processes(count: int) -> Iterator[Sequence[subprocess.Popen]]:
    """Have so many processes compute without end; they are given, and end with the block."""
    # Not for ever, should this process be killed:
    program = f"import os\nprint(flush=True)\nwhile os.getppid() == {os.getpid()}: pass"
    command = [sys.executable, "-S", "-c", program]
    processes: list[subprocess.Popen] = []
    try:
        for _ in range(count):
            processes.append(subprocess.Popen(command, stdout=subprocess.PIPE))
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()  # it has begun
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def _row(name: str, busy: int, blocks: dict[tuple[str, int], list[float]]) -> dict[str, Any]:
    spread = Spread.of(blocks[name, busy])
    ratio = spread.median / Spread.of(blocks[name, 0]).median
    beside = f"beside {busy} busy" if busy else "quiet"
    print(f"  {name:<28}{beside:<15}{spread}   {ratio:.2f} x its quiet time")
    return {
        "name": name,
        "busy": busy,
        "min_s": spread.minimum,
        "median_s": spread.median,
        "max_s": spread.maximum,
        "ratio_to_quiet": ratio,
    }
