"""Peak memory of updates in a new process: ``python -m validation.speed.networks_memory WHO SIZE BASE BATCH``."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from .sums_memory import MAXRSS_BYTES

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
OURS, PEERS = "ours", ("contiguous", "channels_last")
UPDATES = 2  # the second has what the first has left behind
WARM = 8, 4, 2  # size, base and batch of an update that loads what is compiled


class Peak(NamedTuple):
    """Memory of a process that did two updates."""

    before: float
    """With all packages, before the networks were made [MB]."""
    after: float
    """Highest use in all [MB]."""


def measure(who: str, size: int, base: int, batch: int) -> Peak:
    """Run this module in a new process.

    Raises
    ------
    RuntimeError
        If the process fails; the message has the last line that it wrote.
    """
    arguments = [who, str(size), str(base), str(batch)]
    done = subprocess.run([sys.executable, "-m", __name__, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
    return Peak(*json.loads(done.stdout.splitlines()[-1]))


def main(who: str, size: str, base: str, batch: str) -> None:
    """Do two updates and print the memory before and at its peak in MB as JSON."""
    for _ in range(UPDATES):
        _updates(who, *WARM)
    before = _restart()
    _updates(who, int(size), int(base), int(batch))
    print(json.dumps([before, _peak("VmHWM")]))


def _updates(who: str, size: int, base: int, batch: int) -> None:
    step = _step(who, size, base, batch)
    for _ in range(UPDATES):
        step()


def _step(who: str, size: int, base: int, batch: int) -> Callable[[], object]:
    from .networks_update import coulomb_gan, images

    gan = coulomb_gan(size, base, batch)
    if who == OURS:
        return gan.step
    from .torch_networks_update import Update, use_all_processors

    use_all_processors()
    return Update(gan, images(size), channels_last=who == "channels_last")


def _restart() -> float:
    """Let the highest use begin again where the present one is, if the system allows it; return it [MB]."""
    try:
        CLEAR.write_text("5")
    except OSError:
        return _peak("VmHWM")
    return _peak("VmRSS")


def _peak(field: str) -> float:
    if STATUS.exists():
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{field}:"))
        return int(line.split()[1]) * 1024 / 1e6
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MAXRSS_BYTES / 1e6


if __name__ == "__main__":
    main(*sys.argv[1:])
