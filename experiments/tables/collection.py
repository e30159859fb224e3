"""Many runs for one table: which are there, which go on, which are missing, and all of them brought to their ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import UserError, config
from ..config import Setup
from ..runs import life
from ..runs.folder import RunFolder

WARM_UP, TIMED = 5, 20  # updates before and while the time of one is measured
CHECK_SECONDS = 0.2  # between looks at whether a run has ended

Say = Callable[[str], None]


class TableError(UserError):
    """A table that can't be made as asked."""


class StoppedError(life.StoppedError):
    """A signal ended the table; the runs are saved."""


@dataclass(frozen=True)
class Member:
    """One run of a table.

    Attributes
    ----------
    preset : str
        Its name.
    setup : Setup
        The preset with the table's overrides.
    folder : RunFolder
        Where it is, or will be.
    done : bool
        Whether it is finished, report and all.
    """

    preset: str
    setup: Setup
    folder: RunFolder
    done: bool

    @property
    def begun(self) -> bool:
        """Whether there is something to go on from."""
        return self.folder.config.is_file()

    @property
    def summary(self) -> dict[str, Any]:
        """Content of ``summary.json`` of a finished run."""
        return self.folder.read_summary()


def members(presets: Sequence[str], out: Path, overrides: Sequence[str]) -> list[Member]:
    """The runs of a table, as they are now.

    Parameters
    ----------
    presets : sequence of str
        Names of presets.
    out : Path
        Folder with a run folder for each, under the preset's name.
    overrides : sequence of str
        Settings that all of them get.

    Raises
    ------
    TableError
        If a folder holds a run with other settings.
    """
    found = []
    for preset in presets:
        setup, folder = config.resolve(preset, overrides), RunFolder(out / preset)
        done = False
        if folder.config.is_file():
            there = config.resolve(folder.config)
            if differences := _differences(config.to_dict(there.config), config.to_dict(setup.config)):
                raise TableError(
                    f"{folder.path}: holds a run with other settings ({'; '.join(differences)}); give another --out, or "
                    "the --set that it had"
                )
            done = folder.report.exists() and folder.read_summary()["updates"] == setup.config.training.updates
        found.append(Member(preset, setup, folder, done))
    return found


def plan(runs: Sequence[Member], device: str, jobs: int, say: Say) -> None:
    """Say what there is to do, and how long it will take by the time of some updates of each, measured now."""
    total = 0.0
    for member in runs:
        if member.done:
            say(f"  {member.preset:28} finished")
            continue
        updates = member.setup.config.training.updates
        left = updates - _done(member)
        seconds = left * _seconds_an_update(member.setup, device)
        total += seconds
        state = f"{updates - left} of {updates} updates" if left < updates else f"{updates} updates"
        say(f"  {member.preset:28} {'goes on after' if left < updates else 'to run:'} {state}, about {_duration(seconds)}")
    if total:
        say(f"{_duration(total / jobs)} in all, {jobs} at a time")


def complete(runs: Sequence[Member], device: str, jobs: int, overrides: Sequence[str], say: Say) -> None:
    """Bring all runs to their ends, each in a process of its own.

    Raises
    ------
    StoppedError
        If a signal came; the runs that were under way have been saved.
    TableError
        If a run failed; the others have been finished.
    """
    waiting = [member for member in runs if not member.done]
    running: dict[str, subprocess.Popen[bytes]] = {}
    failed: dict[str, str] = {}
    with _ended(running):
        while waiting or running:
            while waiting and len(running) < jobs:
                member = waiting.pop(0)
                running[member.preset] = _start(member, device, jobs, overrides)
                say(f"{member.preset}: started")
            time.sleep(CHECK_SECONDS)
            for preset, process in list(running.items()):
                if process.poll() is None:
                    continue
                del running[preset]
                if process.returncode in (128 + signal.SIGINT, 128 + signal.SIGTERM):
                    raise KeyboardInterrupt
                log = _log(next(member for member in runs if member.preset == preset))
                if process.returncode:
                    failed[preset] = (log.read_text().strip().splitlines() or [f"exit code {process.returncode}"])[-1]
                say(f"{preset}: {failed.get(preset, 'finished')}")
    if failed:
        raise TableError("; ".join(f"{preset}: {reason}" for preset, reason in failed.items()))


@contextlib.contextmanager
def _ended(running: Mapping[str, subprocess.Popen[bytes]]) -> Iterator[None]:
    """Let no process live on when this one stops: each saves its run and ends."""
    try:
        yield
    except (KeyboardInterrupt, life.Terminated) as error:
        for process in running.values():
            process.send_signal(signal.SIGTERM)
        for process in running.values():
            process.wait()
        name = "SIGTERM" if isinstance(error, life.Terminated) else "SIGINT"
        raise StoppedError(name, "; the runs are saved, and the same command goes on") from error


def _start(member: Member, device: str, jobs: int, overrides: Sequence[str]) -> subprocess.Popen[bytes]:
    if member.begun:
        command = ["resume", str(member.folder.path)]
    else:
        member.folder.discard_unstarted()
        sets = [word for override in overrides for word in ("--set", override)]
        command = ["run", member.preset, "--out", str(member.folder.path), "--device", device, *sets]
    member.folder.path.parent.mkdir(parents=True, exist_ok=True)
    threads = str(max(1, (os.cpu_count() or 1) // jobs))
    with open(_log(member), "ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "experiments", *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # so that Ctrl-C reaches this process alone, which then ends the others in turn
            env={"NUMBA_NUM_THREADS": threads, **os.environ},
        )


def _log(member: Member) -> Path:
    """What the run's own process prints."""
    return member.folder.path.with_name(f"{member.preset}.log")


def _done(member: Member) -> int:
    """Updates of the newest checkpoint."""
    return max((int(path.stem.removeprefix("step-")) for path in member.folder.checkpoints.glob("step-*.h5")), default=0)


def _seconds_an_update(setup: Setup, device: str) -> float:
    experiment = life.build(setup, life.device_of(device))
    with life.blas_threads(setup):
        for _ in range(WARM_UP):
            experiment.step()
        start = time.perf_counter()
        for _ in range(TIMED):
            losses = experiment.step()
        for loss in losses.values():
            float(loss)  # waits for a GPU
        return (time.perf_counter() - start) / TIMED


def _differences(there: Mapping[str, Any], asked: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Keys and values in which two configurations differ."""
    found = []
    for key in dict.fromkeys([*there, *asked]):
        one, other = there.get(key), asked.get(key)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            found += _differences(one, other, f"{prefix}{key}.")
        elif one != other:
            found.append(f"{prefix}{key} {one!r}, here {other!r}")
    return found


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min" if minutes > 2 else f"{60 * minutes + seconds} s"
