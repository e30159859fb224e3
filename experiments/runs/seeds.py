"""One preset with several seeds: a run folder for each, one after the other, and a page that compares them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .. import UserError, config
from ..config import ConfigError, Setup
from . import comparison, comparison_page, life
from .folder import RunFolder
from .life import Say
from .loop import NonFiniteError


class SeedError(UserError):
    """Some of the seeds gave no finished run; the others did."""

    exit_code = 1


def complete(
    preset: str,
    seeds: Sequence[int],
    out: Path | None,
    device: str,
    overrides: Sequence[str] = (),
    say: Say = print,
    *,
    source: Path | None = None,
) -> Path:
    """Run a preset with each seed and compare the runs; return the page.

    What is finished is reused, and what was stopped goes on, so that the same call may be made again after a kill.

    Parameters
    ----------
    preset : str
        Its name, or the path of a TOML file.
    seeds : sequence of int
        One run for each.
    out : Path or None
        Folder with a run folder ``seed-N`` for each; by default ``runs/NAME-seeds``.
    device, overrides, say, source
        As for :func:`experiments.runs.life.start`, the same for all.

    Raises
    ------
    UserError
        If a folder there has other settings, which is said before anything runs, or a run can't go on or is stopped.
    SeedError
        If losses or parameters of some runs became infinite; all others are finished and compared.
    """
    setups = {seed: config.resolve(preset, [*overrides, f"seed={seed}"]) for seed in seeds}
    base = out or Path("runs") / f"{next(iter(setups.values())).name}-seeds"
    folders = {seed: RunFolder(base / f"seed-{seed}") for seed in seeds}
    for seed, setup in setups.items():
        _check(folders[seed], setup, source)
    say(setups[seeds[0]].text())
    failed = {}
    for seed, setup in setups.items():
        folder = folders[seed]
        say(f"seed {seed}:")
        try:
            if folder.config.is_file():
                life.resume(folder.path, say)
            else:
                folder.discard_unstarted()
                life.start(setup, folder.path, device, say, source=source)
        except NonFiniteError as error:
            failed[seed] = str(error)
            say(str(error))
    path = comparison_page.publish(comparison.read([folder.path for folder in folders.values()]), base)
    say(f"{len(seeds)} seeds compared\n{path}")
    if failed:
        raise SeedError("; ".join(f"seed {seed}: {reason}" for seed, reason in failed.items()))
    return path


def _check(folder: RunFolder, setup: Setup, source: Path | None) -> None:
    """Raise ConfigError if a folder holds a run with other settings, or that started from elsewhere."""
    if not folder.config.is_file():
        return
    differ = life.differing(folder, setup)
    before = folder.read_starts()[0].get("parameters_from")
    if before != (str(source) if source else None):
        differ.append(f"--from {before}, here {source}")
    if differ:
        raise ConfigError(f"{folder.path}: holds a run with other settings ({'; '.join(differ)}); give another --out")
