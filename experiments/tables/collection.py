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
from ..files import writing
from ..runs import life
from ..runs.checkpoint import CheckpointFolder, step_of
from ..runs.folder import RunFolder

MEASURED = 0.5  # time for which updates are made to measure theirs [s]
CHECK_SECONDS = 0.2  # between looks at whether a run has ended

Say = Callable[[str], None]


class TableError(UserError):
    """A table that can't be made as asked."""


class RunsError(TableError):
    """Some of the runs failed; the others are finished."""

    exit_code = 1


class StoppedError(life.StoppedError):
    """A signal ended the table; the runs are saved."""


@dataclass(frozen=True)
class Member:
    """One run of a table.

    Attributes
    ----------
    name : str
        What it is called in the table.
    preset : str
        Name of its preset, or the path of a .toml file.
    overrides : sequence of str
        Settings that are not the preset's.
    setup : Setup
        Both, resolved.
    folder : RunFolder
        Where it is, or will be.
    """

    name: str
    preset: str
    overrides: Sequence[str]
    setup: Setup
    folder: RunFolder

    @property
    def done(self) -> bool:
        """Whether it is finished, report and all."""
        if not (self.folder.config.is_file() and self.folder.report.exists()):
            return False
        summary = self.folder.read_summary()
        return "ended_early" in summary or summary["updates"] == self.setup.config.training.updates

    @property
    def begun(self) -> bool:
        """Whether there is something to go on from."""
        return self.folder.config.is_file()

    @property
    def summary(self) -> dict[str, Any]:
        """Content of ``summary.json`` of a finished run."""
        return self.folder.read_summary()


def members(wanted: Mapping[str, tuple[str, Sequence[str]]], out: Path) -> list[Member]:
    """The runs of a table, as they are now.

    Parameters
    ----------
    wanted : mapping of str to pair
        Preset and overrides of each run, by its name.
    out : Path
        Folder with a run folder for each, under its name.

    Raises
    ------
    TableError
        If a folder holds a run with other settings.
    """
    if out.exists() and not out.is_dir():
        raise TableError(f"--out: expected a folder, got the file {out}")
    found = []
    for name, (preset, overrides) in wanted.items():
        setup, folder = config.resolve(preset, overrides), RunFolder(out / name)
        if differ := life.differing(folder, setup):
            raise TableError(
                f"{folder.path}: holds a run with other settings ({'; '.join(differ)}); give another --out, or the "
                "--set that it had"
            )
        found.append(Member(name, preset, overrides, setup, folder))
    return found


def plan(runs: Sequence[Member], device: str, jobs: int, say: Say) -> None:
    """Say what there is to do, and how long it will take by the time of some updates of each, measured now."""
    total = 0.0
    for member in runs:
        if member.done:
            say(f"  {member.name:28} finished")
            continue
        updates = member.setup.config.training.updates
        left = updates - _done(member)
        seconds = _seconds(member.setup, device, updates - left, updates)
        total += seconds
        state = (
            f"goes on after {updates - left} of {updates} updates" if left < updates else f"to run: {updates} updates"
        )
        say(f"  {member.name:28} {state}, about {_duration(seconds)}")
    if total:
        say(f"{_duration(total / jobs)} in all, {jobs} at a time")


def complete(runs: Sequence[Member], device: str, jobs: int, say: Say) -> None:
    """Bring all runs to their ends, each in a process of its own; those that another process is at are waited for.

    Raises
    ------
    StoppedError
        If a signal came; the runs that were under way have been saved.
    RunsError
        If a run failed; the others have been finished.
    """
    waiting = [member for member in runs if not member.done]
    running: dict[str, subprocess.Popen[bytes]] = {}
    failed: dict[str, str] = {}
    elsewhere: set[str] = set()
    with _ended(running):
        while waiting or running:
            for member in [member for member in waiting if len(running) < jobs]:
                if len(running) == jobs:
                    break
                if member.folder.busy:
                    if member.name not in elsewhere:
                        elsewhere.add(member.name)
                        say(f"{member.name}: another process is at it, and is waited for")
                    continue
                waiting.remove(member)
                if member.done:  # by that other process
                    continue
                running[member.name] = _start(member, device, jobs)
                say(f"{member.name}: started")
            time.sleep(CHECK_SECONDS)
            for name, process in list(running.items()):
                if process.poll() is None:
                    continue
                del running[name]
                if process.returncode:
                    failed[name] = _reason(next(m for m in runs if m.name == name), process.returncode)
                say(f"{name}: {failed.get(name, 'finished')}")
    if failed:
        raise RunsError("; ".join(f"{name}: {reason}" for name, reason in failed.items()))


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


def _start(member: Member, device: str, jobs: int) -> subprocess.Popen[bytes]:
    if member.begun:
        command = ["resume", str(member.folder.path)]
    else:
        member.folder.discard_unstarted()
        sets = [word for override in member.overrides for word in ("--set", override)]
        command = ["run", member.preset, "--out", str(member.folder.path), "--device", device, *sets]
    with writing(member.folder.path.parent):
        member.folder.path.parent.mkdir(parents=True, exist_ok=True)
    threads = str(max(1, (os.cpu_count() or 1) // jobs))
    with writing(_log(member)):
        _log(member).unlink(missing_ok=True)  # rather than to write where a link of this name leads
    with writing(_log(member)), open(_log(member), "xb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "experiments", *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # so that Ctrl-C reaches this process alone, which then ends the others in turn
            env={"NUMBA_NUM_THREADS": threads, **os.environ},
        )


def _reason(member: Member, status: int) -> str:
    """Why a run's process ended: the signal that killed it, or the last line that it printed."""
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return (_log(member).read_text().strip().splitlines() or [f"exit code {status}, without a word: a full disk?"])[-1]


def _log(member: Member) -> Path:
    """What the run's own process prints, since its last start."""
    return member.folder.path.with_name(f"{member.name}.log")


def _done(member: Member) -> int:
    """Updates of the newest checkpoint."""
    store = CheckpointFolder(member.folder.checkpoints, 1)
    return max((step_of(path) for path in store.files()), default=0)


def _seconds(setup: Setup, device: str, first: int, last: int) -> float:
    """Time that updates will take by that of some, in proportion to their work where the experiment tells it [s]."""
    experiment, made = life.build(setup, life.device_of(device)), 0
    work: Callable[[int, int], int] = getattr(experiment, "work", lambda start, end: end - start)
    with life.blas_threads(setup):
        experiment.step()  # compiles and allocates
        start = time.perf_counter()
        while time.perf_counter() - start < MEASURED:
            losses = experiment.step()
            made += 1
        for loss in losses.values():
            float(loss)  # waits for a GPU
        seconds = time.perf_counter() - start
    return seconds * work(first, last) / work(1, 1 + made)


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min" if minutes > 2 else f"{60 * minutes + seconds} s"
