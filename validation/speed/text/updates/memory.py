"""Peak memory of updates in a new process: ``python -m validation.speed.text.updates.memory WHO KIND V N WIDTH``."""

from __future__ import annotations

import json
import sys

from ... import process_memory
from ...process_memory import Peak, highest, restart
from ...rows import OURS
from .settings import Setting

UPDATES = 2  # the second has what the first has left behind
WARM = 16, 2, 32, 1  # of the update that loads what is compiled


def measure(who: str, setting: Setting) -> Peak:
    """Use with all packages before the GAN was made, and at its highest; see :func:`process_memory.measure`."""
    numbers = setting.vocabulary, setting.minibatch, setting.width, setting.blocks
    return process_memory.measure(__name__, who, setting.kind, *map(str, numbers))


def main(who: str, kind: str, *numbers: str) -> None:
    """Do two updates and print the memory before and at its peak in MB as JSON."""
    _updates(who, _setting(kind, *WARM))
    before = restart()
    _updates(who, _setting(kind, *map(int, numbers)))
    print(json.dumps([before, highest()]))


def _setting(kind: str, vocabulary: int, minibatch: int, width: int, blocks: int) -> Setting:
    return Setting(kind, vocabulary, minibatch, width, blocks)


def _updates(who: str, setting: Setting) -> None:
    if who == OURS:
        step = setting.ours()
    else:
        from .torch_peer import update

        step = update(setting)
    for _ in range(UPDATES):
        step()


if __name__ == "__main__":
    main(*sys.argv[1:])
