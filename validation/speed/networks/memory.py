"""Peak memory of updates in a new process.

``python -m validation.speed.networks.memory WHO SIZE BASE BATCH DEVICE``
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

from coulombfield.arrays import Device, select_device

from .. import process_memory
from ..process_memory import Peak, meter
from ..rows import OURS, torch_device
from ..timing import CPU, kind_of

UPDATES = 2  # the second has what the first has left behind
WARM = 8, 4, 2  # size, base and batch of an update that loads what is compiled


def measure(who: str, size: int, base: int, batch: int, device: Device = CPU) -> Peak:
    """Use with all packages before the networks were made, and at its highest; see :func:`process_memory.measure`."""
    return process_memory.measure(__name__, who, str(size), str(base), str(batch), kind_of(device))


def main(who: str, size: str, base: str, batch: str, device: str = "cpu") -> None:
    """Do two updates and print the memory before and at its peak in MB as JSON."""
    memory = meter(device, torch=who != OURS)
    for _ in range(UPDATES):
        _updates(who, *WARM, device)
    before = memory.restart()
    _updates(who, int(size), int(base), int(batch), device)
    print(json.dumps([before, memory.highest()]))


def _updates(who: str, size: int, base: int, batch: int, device: str) -> None:
    step = _step(who, size, base, batch, select_device(device))
    for _ in range(UPDATES):
        step()


def _step(who: str, size: int, base: int, batch: int, device: Device) -> Callable[[], object]:
    from .update import coulomb_gan

    if who == OURS:
        return coulomb_gan(size, base, batch, device=device).step
    from .torch_calls import updates

    return updates(size, base, batch, [who], torch_device(device))[who]


if __name__ == "__main__":
    main(*sys.argv[1:])
