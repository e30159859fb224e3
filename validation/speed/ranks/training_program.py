"""Updates on demand: ``python -m validation.speed.ranks.training_program PRESET KEY=VALUE ...``, or under ``mpiexec``.

The first rank reads how many updates to do, line by line, and prints the seconds that they took, and those of them that
went into exchanges with other ranks; 0 ends all.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from experiments import config
from experiments.ranks import launch


def main(preset: str, *overrides: str) -> None:
    """Do updates until 0 of them are asked for."""
    launch.begin()
    from experiments.ranks.world import world
    from experiments.runs import life

    setup, ranks, clock = config.resolve(preset, overrides), world(), _Clock()
    for name in ("mean_", "gathered"):  # before batch-norms get them
        setattr(ranks, name, clock.timed(getattr(ranks, name)))
    experiment = life.build(setup, life.device_of("cpu"))
    with life.blas_threads(setup):
        while updates := ranks.on_first(lambda: int(sys.stdin.readline() or 0)):
            start, clock.seconds = time.perf_counter(), 0.0
            for _ in range(updates):
                experiment.step()
            if ranks.first:
                print(time.perf_counter() - start, clock.seconds, flush=True)


class _Clock:
    """Seconds in some functions, of which one may call another."""

    def __init__(self) -> None:
        self.seconds, self._inside = 0.0, False

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, which adds to :attr:`seconds`."""

        def call(*arguments: Any) -> Any:
            if self._inside:
                return function(*arguments)
            self._inside, start = True, time.perf_counter()
            try:
                return function(*arguments)
            finally:
                self._inside = False
                self.seconds += time.perf_counter() - start

        return call


if __name__ == "__main__":
    main(*sys.argv[1:])
