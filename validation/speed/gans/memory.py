"""Peak memory of updates in a new process.

``python -m validation.speed.gans.memory WHO PRESET BATCH DIVISOR DEVICE``
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

from coulombfield.arrays import select_device

from .. import process_memory
from ..process_memory import Peak, meter
from ..rows import OURS, torch_device
from ..timing import kind_of
from .settings import QUICK, Setting

UPDATES = 2  # the second has what the first has left behind
WARM = 2  # samples of a minibatch of the update that loads what is compiled


def measure(who: str, setting: Setting) -> Peak:
    """Use with all packages before the GAN was made, and at its highest; see :func:`process_memory.measure`."""
    return process_memory.measure(
        __name__, who, setting.preset, str(setting.size), str(setting.divisor), kind_of(setting.device)
    )


def main(who: str, preset: str, batch: str, divisor: str, device: str = "cpu") -> None:
    """Do two updates and print the memory before and at its peak in MB as JSON."""
    where, memory = select_device(device), meter(device, torch=who != OURS)
    _updates(who, Setting(preset, WARM, QUICK, where))
    before = memory.restart()
    _updates(who, Setting(preset, int(batch), int(divisor), where))
    print(json.dumps([before, memory.highest()]))


def _updates(who: str, setting: Setting) -> None:
    step = _step(who, setting)
    for _ in range(UPDATES):
        step()


def _step(who: str, setting: Setting) -> Callable[[], object]:
    if who == OURS:
        return setting.ours()
    from .torch_peer import updates

    return updates(setting, [who], torch_device(setting.device))[who]


if __name__ == "__main__":
    main(*sys.argv[1:])
