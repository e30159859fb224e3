"""Metrics of a run as event files of TensorBoard, made afterwards, so that no run depends on the package for them."""

from __future__ import annotations

import importlib
import shutil
from datetime import datetime
from pathlib import Path

from coulombfield.packages import trouble_with

from .. import UserError
from ..files import writing
from .folder import RecordError, RunFolder
from .records import wide

FOLDER = "tensorboard"


def convert(run: RunFolder, out: Path | None = None) -> Path:
    """Write the losses, schedules and metrics that a run has recorded so far; return the folder.

    Parameters
    ----------
    run : RunFolder
        The run; it may be under way.
    out : Path, optional
        Folder to write, by default ``tensorboard`` in that of the run. An earlier one of this function is replaced.

    Raises
    ------
    UserError
        If the package tensorboardX is missing or can't be imported.
    RecordError
        If nothing is recorded yet, or ``out`` holds something else than event files.
    """
    if trouble := trouble_with("tensorboardX", 'pip install -e ".[tensorboard]"'):
        raise UserError(trouble)
    package = importlib.import_module("tensorboardX")
    rows = wide(run.read_metrics())
    if not rows:
        raise RecordError(f"{run.path}: no metrics yet")
    out = out or run.path / FOLDER
    if out.exists() and (not out.is_dir() or any(not path.name.startswith("events.out.") for path in out.iterdir())):
        raise RecordError(f"{out}: expected a new folder, or one with event files alone")
    if not out.parent.is_dir():
        raise RecordError(f"--out: no such folder: {out.parent}")
    began = _began(run)
    temporary = out.with_name(f".{out.name}.tmp")
    with writing(out):
        if temporary.is_symlink():  # whose target is somebody else's
            temporary.unlink()
        shutil.rmtree(temporary, ignore_errors=True)
        with package.SummaryWriter(str(temporary)) as writer:
            for row in rows:
                for name, value in row.items():
                    if name not in ("step", "seconds"):
                        tag = name.replace(".", "/", 1)
                        writer.add_scalar(tag, value, int(row["step"]), began + row.get("seconds", 0.0))
        shutil.rmtree(out, ignore_errors=True)
        temporary.rename(out)
    return out


def _began(run: RunFolder) -> float:
    """Time of the run's first start [s since 1970]; 0 where it is not recorded."""
    try:
        return datetime.strptime(run.read_starts()[0]["started"], "%Y-%m-%d %H:%M:%S %z").timestamp()
    except (RecordError, KeyError, IndexError, ValueError, TypeError):
        return 0.0
