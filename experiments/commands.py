"""What each command of ``python -m experiments`` does."""

from __future__ import annotations

import argparse
import functools
import io

import numpy as np

from coulombfield.rng import Streams

from . import UserError, config, networks
from .files import write_atomically
from .runs import life
from .runs.folder import RunFolder
from .runs.life import StoppedError, Terminated

__all__ = [
    "StoppedError",
    "Terminated",
    "describe_networks",
    "list_presets",
    "rebuild_report",
    "resume",
    "run",
    "sample",
]

SAMPLE_STREAM = "sample"

say = functools.partial(print, flush=True)


def list_presets(_arguments: argparse.Namespace) -> None:
    """Print name and title of every preset."""
    names = config.preset_names()
    width = max(map(len, names), default=0)
    for name in names:
        print(f"{name:{width}}  {config.read(config.find(name)).get('title', '')}")


def run(arguments: argparse.Namespace) -> None:
    """Train from the start, in a new folder."""
    seed = [] if arguments.seed is None else [f"seed={arguments.seed}"]
    setup = config.resolve(arguments.name, [*arguments.set, *seed])
    say(setup.text())
    life.start(setup, arguments.out, arguments.device, say, source=arguments.source)


def resume(arguments: argparse.Namespace) -> None:
    """Continue a run bit for bit from its last good checkpoint, or from its start if it has none."""
    life.resume(arguments.folder, say, arguments.set)


def sample(arguments: argparse.Namespace) -> None:
    """Draw samples from a checkpoint into a file."""
    folder = RunFolder.open(arguments.folder)
    out = arguments.out or folder.path / "samples.npy"
    if out.suffix not in (".npy", ".csv"):
        raise UserError(f"--out: expected a name that ends in .npy or .csv, got {str(out)!r}")
    if not out.parent.is_dir():
        raise UserError(f"--out: no such folder: {out.parent}")
    setup = config.resolve(folder.config)
    experiment, _ = life.restored(folder, setup, say, arguments.checkpoint)
    seed = setup.config.seed if arguments.seed is None else arguments.seed
    samples = experiment.sample(arguments.count, Streams(seed).stream(SAMPLE_STREAM))
    write_atomically(out, _encode(samples, out.suffix))
    print(out)


def rebuild_report(arguments: argparse.Namespace) -> None:
    """Write summary, figures and report again, as of the last good checkpoint."""
    folder = RunFolder.open(arguments.folder)
    setup = config.resolve(folder.config)
    experiment, checkpoint = life.restored(folder, setup, say)
    life.publish(folder, setup, experiment, checkpoint.step, checkpoint.state["loop"]["seconds"], say)


def describe_networks(arguments: argparse.Namespace) -> None:
    """Print a table of each network's layers."""
    for line in networks.describe(arguments.names, arguments.size):
        print(line)


def _encode(samples: np.ndarray, suffix: str) -> bytes:
    buffer = io.BytesIO()
    if suffix == ".npy":
        np.save(buffer, samples)
        return buffer.getvalue()
    if samples.ndim != 2:
        raise UserError(f"--out: samples of shape {samples.shape[1:]} need .npy; .csv holds points")
    header = ",".join(f"x{axis + 1}" for axis in range(samples.shape[1]))
    digits = 9 if samples.dtype == np.float32 else 17  # enough to read the same numbers back
    np.savetxt(buffer, samples, delimiter=",", header=header, comments="", fmt=f"%.{digits}g")
    return buffer.getvalue()
