"""Trained GANs from folders and files."""

from __future__ import annotations

import warnings
from pathlib import Path

from .. import UserError
from ..config import Setup
from ..runs import life
from ..runs.checkpoint import Checkpoint, CheckpointError, CheckpointFolder
from ..runs.checkpoint import load as load_checkpoint
from ..runs.folder import RecordError, RunFolder
from .gan import Trained


def load(path: str | Path, device: str = "cpu") -> Trained:
    """A trained GAN, from its run's folder or a file; the data that it was trained on is not looked for.

    Parameters
    ----------
    path : str or Path
        A run's folder, a file of its generator (``generator.h5`` there), or one of its checkpoints.
    device : str
        ``cpu``, ``cuda`` or ``auto``.

    Raises
    ------
    UserError
        In one line, if there is no such folder or file, nothing to load in it yet, or it holds no GAN.

    Notes
    -----
    A folder's ``generator.h5`` is as new as its newest checkpoint, which serves where that file is missing or damaged.
    """
    path = Path(path)
    if not path.is_dir():
        folder = path.parent if path.name == RunFolder(path.parent).generator.name else None
        return Trained(load_checkpoint(path), path, folder, device)
    run = RunFolder(path)
    if run.generator.exists():
        try:
            return Trained(load_checkpoint(run.generator), run.generator, path, device)
        except CheckpointError as error:
            warnings.warn(f"{error}; the newest checkpoint serves instead", stacklevel=2)
    checkpoint = CheckpointFolder(run.checkpoints, 1).latest_good(lambda text: warnings.warn(text, stacklevel=2))
    if checkpoint is None:
        raise RecordError(f"{path}: no checkpoint yet" if run.config.exists() else f"{path}: no run")
    return Trained(checkpoint, run.checkpoints, path, device)


def of_setup(setup: Setup) -> Trained:
    """The untrained GAN of a setup, whose data is opened to see what a sample is: for parameters from elsewhere."""
    experiment = life.build(setup, life.device_of("cpu"))
    state = experiment.state()
    if "samples" not in state:
        raise UserError(f"{setup.name}: expected the preset of a GAN, got another experiment's")
    return Trained(Checkpoint(0, setup.text(), {"experiment": {"samples": state["samples"]}}), Path(setup.name))
