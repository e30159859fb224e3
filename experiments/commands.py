"""What each command of ``python -m experiments`` does."""

from __future__ import annotations

import argparse
import io
import signal
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from coulombfield.arrays import Device, select_device
from coulombfield.rng import Streams

from . import UserError, config, networks
from .config import Setup
from .files import WriteError, write_atomically
from .runs import provenance, report
from .runs.checkpoint import Checkpoint, CheckpointError, CheckpointFolder
from .runs.checkpoint import load as load_checkpoint
from .runs.folder import RecordError, RunFolder
from .runs.loop import Experiment, Training

SAMPLE_STREAM = "sample"


class Terminated(BaseException):
    """SIGTERM arrived outside the training loop."""


class StoppedError(UserError):
    """A signal ended the command."""

    def __init__(self, name: str, message: str):
        super().__init__(f"stopped by {name}{message}")
        self.exit_code = 128 + signal.Signals[name]


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
    print(setup.text(), flush=True)
    device = _device(arguments.device)
    experiment = _build(setup, device)
    folder = RunFolder.create(arguments.out, setup.name)
    print(f"folder: {folder.path}", flush=True)
    with folder.locked():
        _add_start(folder, setup, device, experiment, step=0)
        write_atomically(folder.config, setup.text())  # last: from here on, the folder can be resumed
        _train(folder, setup, experiment, checkpoint=None)


def resume(arguments: argparse.Namespace) -> None:
    """Continue a run bit for bit from its last good checkpoint, or from its start if it has none."""
    folder = RunFolder.open(arguments.folder)
    with folder.locked():
        folder.remove_leftovers()
        setup = config.resolve(folder.config)
        checkpoint = _latest(folder, setup)
        step = checkpoint.step if checkpoint else 0
        total = setup.config.training.updates
        if step == total and folder.report.exists():
            print(f"finished: all {total} updates are done\n{folder.report}")
            return
        device = _device(_recorded_device(folder))
        experiment = _build(setup, device)
        print(f"{folder.path}: continuing at update {step} of {total}", flush=True)
        if step < total:
            _add_start(folder, setup, device, experiment, step)
            folder.cut_metrics(step)
            folder.report.unlink(missing_ok=True)
        _train(folder, setup, experiment, checkpoint)


def sample(arguments: argparse.Namespace) -> None:
    """Draw samples from a checkpoint into a file."""
    folder = RunFolder.open(arguments.folder)
    out = arguments.out or folder.path / "samples.npy"
    if out.suffix not in (".npy", ".csv"):
        raise UserError(f"--out: expected a name that ends in .npy or .csv, got {str(out)!r}")
    if not out.parent.is_dir():
        raise UserError(f"--out: no such folder: {out.parent}")
    setup = config.resolve(folder.config)
    experiment, _ = _restored(folder, setup, arguments.checkpoint)
    seed = setup.config.seed if arguments.seed is None else arguments.seed
    samples = experiment.sample(arguments.count, Streams(seed).stream(SAMPLE_STREAM))
    write_atomically(out, _encode(samples, out.suffix))
    print(out)


def rebuild_report(arguments: argparse.Namespace) -> None:
    """Write summary, figures and report again, as of the last good checkpoint."""
    folder = RunFolder.open(arguments.folder)
    setup = config.resolve(folder.config)
    experiment, checkpoint = _restored(folder, setup)
    _publish(folder, setup, experiment, checkpoint.step, checkpoint.state["loop"]["seconds"])


def describe_networks(arguments: argparse.Namespace) -> None:
    """Print a table of each network's layers."""
    for line in networks.describe(arguments.names, arguments.size):
        print(line)


def _train(folder: RunFolder, setup: Setup, experiment: Experiment, checkpoint: Checkpoint | None) -> None:
    try:
        training = Training(experiment, setup.config.training, folder, setup.text(), checkpoint)
        with threadpool_limits(setup.config.training.blas_threads or None, user_api="blas"):
            outcome = training()
        if outcome.stopped_by:
            done = f" at update {outcome.step} of {training.plan.updates}; saved {training.store.file(outcome.step)}"
            raise StoppedError(outcome.stopped_by, f"{done}; continue with: {folder.resume_command}")
        _publish(folder, setup, experiment, outcome.step, outcome.seconds)
    except (KeyboardInterrupt, Terminated) as error:
        name = "SIGTERM" if isinstance(error, Terminated) else "SIGINT"
        raise StoppedError(name, f" before all was written; continue with: {folder.resume_command}") from error
    except WriteError as error:
        raise WriteError(f"{error}; when it can be written again, continue with: {folder.resume_command}") from error


def _publish(folder: RunFolder, setup: Setup, experiment: Experiment, step: int, seconds: float) -> None:
    summary = report.publish(folder, setup, experiment, step, seconds)
    for name in experiment.metrics:
        print(f"{name:28} {summary[name]:<12.6g} data itself: {summary['data'][name]:.6g}")
    print(f"{step} updates in {seconds:.1f} s\n{folder.report}")


def _restored(folder: RunFolder, setup: Setup, file: Path | None = None) -> tuple[Experiment, Checkpoint]:
    """Experiment as of a checkpoint, by default the last good one."""
    checkpoint = load_checkpoint(file) if file else _latest(folder, setup)
    if checkpoint is None:
        raise RecordError(f"{folder.path}: no checkpoint yet")
    _check_config(setup, checkpoint)
    # A checkpoint of a GPU serves on a CPU as well: here nothing has to agree bit for bit.
    request = "auto" if _recorded_device(folder) == "cuda" else "cpu"
    experiment = _build(setup, _device(request))
    experiment.load_state(checkpoint.state["experiment"])
    return experiment, checkpoint


def _latest(folder: RunFolder, setup: Setup) -> Checkpoint | None:
    store = CheckpointFolder(folder.checkpoints, setup.config.training.keep_checkpoints)
    checkpoint = store.latest_good(lambda line: print(line, flush=True))
    if checkpoint is not None:
        _check_config(setup, checkpoint)
    return checkpoint


def _check_config(setup: Setup, checkpoint: Checkpoint) -> None:
    # Compared as read, so that a field which a later version adds, with a default, does not part the two.
    if _load_text(setup, checkpoint.config) != setup.config:
        raise CheckpointError("the checkpoint was made under another configuration than the folder's config.toml")


def _load_text(setup: Setup, text: str) -> Any:
    mapping = tomllib.loads(text)
    return config.load(setup.module.Config, {key: mapping[key] for key in mapping.keys() - set(config.HEADER)})


def _device(request: str) -> Device:
    try:
        return select_device(request)
    except RuntimeError as error:
        raise UserError(str(error)) from error


def _recorded_device(folder: RunFolder) -> str:
    return str(folder.read_starts()[0]["device"]).partition(":")[0]


def _build(setup: Setup, device: Device) -> Experiment:
    return setup.module.build(setup.config, device, Streams(setup.config.seed))


def _add_start(folder: RunFolder, setup: Setup, device: Device, experiment: Experiment, step: int) -> None:
    data = experiment.provenance()
    folder.add_start(provenance.gather(device=device.name, seed=setup.config.seed, from_step=step, data=data))
    provenance.warn_of_changes(folder.read_starts(), lambda line: print(line, flush=True))


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
