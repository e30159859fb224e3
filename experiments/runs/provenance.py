"""Where a run came from: code, versions, machine, command and data, so that a reader can tell what was run."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numba
import numpy as np

CHECKOUT = Path(__file__).parents[2]
CODE = ("coulombfield", "nets", "experiments", "pyproject.toml")
PACKAGES = ("numpy", "numba", "scipy", "h5py", "matplotlib", "cupy-cuda12x", "cupy-cuda13x")

# A run continued under another of these may differ in the last bits.
BITWISE = ("versions", "cpu", "threads", "device", "data", "ranks")


def digest(array: np.ndarray) -> str:
    """BLAKE2b checksum of an array's dtype, shape and bytes, in hexadecimal."""
    summary = hashlib.blake2b(f"{array.dtype.str} {array.shape}".encode(), digest_size=16)
    summary.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return summary.hexdigest()


def gather(*, device: str, seed: int, from_step: int, data: Mapping[str, str], ranks: int = 1) -> dict[str, Any]:
    """Provenance of one start of a run.

    Parameters
    ----------
    device : str
        Name of the device, as :class:`coulombfield.arrays.Device` gives it.
    seed : int
        Seed of all random streams.
    from_step : int
        Updates done before this start [updates].
    data : mapping of str to str
        What the experiment says about its data, such as checksums.
    ranks : int
        Processes that train together.

    Returns
    -------
    dict
        Plain values that JSON can hold.
    """
    return {
        "started": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "command": shlex.join(["python", "-m", "experiments", *sys.argv[1:]]),
        "from_step": from_step,
        "seed": seed,
        "device": device,
        "data": dict(data),
        **({"ranks": ranks} if ranks > 1 else {}),
        **environment(),
    }


def environment() -> dict[str, Any]:
    """Code, versions and machine, as plain values that JSON can hold."""
    return {
        "git_commit": _git("rev-parse", "HEAD") or "unknown",
        "git_dirty": bool(_git("status", "--porcelain", "--", *CODE)),
        "versions": versions(),
        "platform": platform.platform(),
        "cpu": _cpu(),
        "threads": {
            "cores": os.cpu_count(),
            "numba": numba.get_num_threads(),
            "OPENBLAS_NUM_THREADS": os.environ.get("OPENBLAS_NUM_THREADS", "unset"),
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "unset"),
        },
    }


def warn_of_changes(starts: Sequence[Mapping[str, Any]], report: Callable[[str], None]) -> None:
    """Tell ``report`` what differs between the first and the last start and can change the last bits."""
    first, last = starts[0], starts[-1]
    changed = [key for key in BITWISE if first.get(key) != last.get(key)]
    if changed:
        pairs = "; ".join(f"{key}: {first.get(key)} before, {last.get(key)} now" for key in changed)
        report(f"warning: the result may differ from an uninterrupted run in the last bits ({pairs})")


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(CHECKOUT), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def versions() -> dict[str, str]:
    """Of Python and the packages that decide the bits of a run."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
