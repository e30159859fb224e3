"""Peak memory of updates in a new process.

``python -m validation.speed.text.updates.memory WHO KIND DEVICE V N WIDTH BLOCKS``.
"""

from __future__ import annotations

import json
import sys

from coulombfield.arrays import select_device

from ... import process_memory
from ...process_memory import Peak, meter
from ...rows import OURS, torch_device
from ...timing import kind_of
from .settings import Setting

UPDATES = 2  # the second has what the first has left behind
WARM = 16, 2, 32, 1  # of the update that loads what is compiled


def measure(who: str, setting: Setting) -> Peak:
    """Use with all packages before the GAN was made, and at its highest; see :func:`process_memory.measure`."""
    numbers = setting.vocabulary, setting.minibatch, setting.width, setting.blocks
    return process_memory.measure(__name__, who, setting.kind, kind_of(setting.device), *map(str, numbers))


def main(who: str, kind: str, device: str, *numbers: str) -> None:
    """Do two updates and print the memory before and at its peak in MB as JSON."""
    where, memory = select_device(device), meter(device, torch=who != OURS)
    _updates(who, Setting(kind, *WARM, device=where))
    before = memory.restart()
    vocabulary, minibatch, width, blocks = map(int, numbers)
    _updates(who, Setting(kind, vocabulary, minibatch, width, blocks, device=where))
    print(json.dumps([before, memory.highest()]))


def _updates(who: str, setting: Setting) -> None:
    if who == OURS:
        step = setting.ours()
    else:
        from .torch_peer import update

        step = update(setting, torch_device(setting.device))
    for _ in range(UPDATES):
        step()


if __name__ == "__main__":
    main(*sys.argv[1:])
