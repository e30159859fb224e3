"""Updates of a training on two ranks with a thread each, and on one with two threads, in turns."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from .bench import Bench, find_mpiexec, thread_counts

IMAGES = 300
"""Of the files that take the place of a data set of images, random ones."""
FEWEST = 5
"""Turns of each side."""
WAYS = {"1 rank x 2 threads": (1, 2), "2 ranks x 1 thread": (2, 1)}
"""Ranks, and threads of each."""


class Setting(NamedTuple):
    """A preset, and the size at which it is timed."""

    preset: str
    batch: int
    overrides: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.preset}, minibatch {self.batch}"


SETTINGS = (
    Setting("digits", 64),
    Setting("coulomb-images", 32, ("generator.width=256", "discriminator.base=32")),
    Setting("coulomb-images", 128, ("generator.width=256", "discriminator.base=32")),
)
"""The second and the third have a quarter of the paper's channels, so that an update takes seconds at most."""


class Turn(NamedTuple):
    """What some updates took, each of them on average."""

    seconds: float
    exchange: float
    """Of these, in exchanges with other ranks, and waiting for them [s]."""


def run(bench: Bench) -> None:
    """Add the rows of all settings."""
    bench.rows.extend(rows(bench.seconds, quick=bench.quick))


def rows(seconds: float, *, quick: bool = False) -> Iterator[dict[str, Any]]:
    """Time each setting's updates both ways, print them, and give a row for each.

    Parameters
    ----------
    seconds : float
        Time to spend on each way [s].
    quick : bool
        The smallest setting alone.
    """
    mpiexec = find_mpiexec()
    if mpiexec is None or importlib.util.find_spec("mpi4py") is None:
        print('no ranks: mpi4py or mpiexec is missing (pip install -e ".[mpi]" mpich)')
        return
    print("updates a second, and the share of exchanges in an update; median of turns:")
    with tempfile.TemporaryDirectory() as folder:
        for setting in SETTINGS[:1] if quick else SETTINGS:
            yield _row(setting, _timed(mpiexec, setting, Path(folder), seconds))


def _timed(mpiexec: str, setting: Setting, folder: Path, seconds: float) -> dict[str, list[Turn]]:
    """Turns of both ways, one after the other, so that a disturbance of the machine falls on both."""
    with contextlib.ExitStack() as stack:
        programs = {
            name: stack.enter_context(_program(mpiexec, setting, folder, ranks, threads))
            for name, (ranks, threads) in WAYS.items()
        }
        first = {name: _turn(program, 1) for name, program in programs.items()}
        slowest = max(turn.seconds for turn in first.values())
        count = max(FEWEST, round(seconds / max(slowest, 0.25)))
        updates = max(1, round(0.25 / slowest))
        found: dict[str, list[Turn]] = {name: [] for name in programs}
        for _ in range(count):
            for name, program in programs.items():
                found[name].append(_turn(program, updates))
    return found


@contextlib.contextmanager
def _program(mpiexec: str, setting: Setting, folder: Path, ranks: int, threads: int) -> Iterator[subprocess.Popen]:
    """Processes that do updates when they are asked to."""
    words = [setting.preset, f"training.batch={setting.batch}", "metrics=[]", *setting.overrides]
    if setting.preset != "digits":
        words.append(f"data.path={_images(folder)}")
        words.append("data.held_out=2")
    command = [sys.executable, "-m", "mpi4py", "-m", "validation.speed.ranks.training_program", *words]
    if ranks == 1:
        command = [sys.executable, "-m", "validation.speed.ranks.training_program", *words]
    process = subprocess.Popen(
        [mpiexec, "-n", str(ranks), *command] if ranks > 1 else command,
        env={**os.environ, **thread_counts(threads)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(BrokenPipeError):
            process.communicate("0\n")


def _turn(program: subprocess.Popen, updates: int) -> Turn:
    """What so many updates took.

    Raises
    ------
    RuntimeError
        If the program has ended.
    """
    assert program.stdin is not None
    assert program.stdout is not None
    program.stdin.write(f"{updates}\n")
    program.stdin.flush()
    line = program.stdout.readline()
    if not line:
        raise RuntimeError("a program that was to be timed has ended; its error is above")
    return Turn(*(float(number) / updates for number in line.split()))


def _row(setting: Setting, turns: dict[str, list[Turn]]) -> dict[str, Any]:
    one, two = turns.values()
    median = {name: statistics.median(turn.seconds for turn in taken) for name, taken in turns.items()}
    ratio = statistics.median(a.seconds / b.seconds for a, b in zip(one, two, strict=True))
    fastest = min(turn.seconds for turn in one) / min(turn.seconds for turn in two)
    share = statistics.median(turn.exchange / turn.seconds for turn in two)
    rates = ", ".join(f"{name} {1 / seconds:.3g}/s" for name, seconds in median.items())
    print(
        f"  {setting.name:<32}{rates}: {ratio:.2f} x, of the fastest turns {fastest:.2f} x; "
        f"exchanges and waiting {share:.0%}",
        flush=True,
    )
    return {
        "table": "ranks, training",
        "name": setting.name,
        **{f"{name}, s": seconds for name, seconds in median.items()},
        "ratio": ratio,
        "ratio_of_fastest": fastest,
        "exchange_share": share,
        "turns": len(one),
    }


def _images(folder: Path) -> Path:
    path = folder / "images.h5"
    if not path.exists():
        with h5py.File(path, "w") as file:
            images = np.random.default_rng(0).integers(0, 256, (IMAGES, 64, 64, 3), np.uint8)
            file.create_dataset("images", data=images)
    return path
