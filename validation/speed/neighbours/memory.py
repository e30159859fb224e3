"""Peak memory of a search for neighbours: ``python -m validation.speed.neighbours.memory WAY FILE COUNT``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from experiments.metrics.neighbours import nearest_neighbours

from .. import process_memory
from ..process_memory import Peak, highest

BLOCK = 1024  # images read at once


def measure(way: str, path: Path, count: int) -> Peak:
    """Highest use before the search, with the packages and the points, and in all."""
    return process_memory.measure(__name__, way, str(path), str(count))


def main(way: str, path: str, count: str) -> None:
    """Search once and print the peaks in MB as JSON."""
    stored = np.load(path, mmap_mode="r")
    points = np.array(stored[: int(count)])
    if way == "ours":
        with open(path, "rb") as file:  # read, not mapped, so that pages of the file do not count
            np.lib.format.read_magic(file)
            np.lib.format.read_array_header_1_0(file)
            size = stored.shape[1]
            blocks = (
                np.fromfile(file, np.uint8, min(BLOCK, len(stored) - start) * size).reshape(-1, size)
                for start in range(0, len(stored), BLOCK)
            )
            before = highest()
            nearest_neighbours(points, blocks)
    else:
        from sklearn.neighbors import NearestNeighbors

        before = highest()
        training = np.load(path).astype(np.float32)
        search = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(training)
        search.kneighbors(points.astype(np.float32))
    print(json.dumps([before, highest()]))


if __name__ == "__main__":
    main(*sys.argv[1:])
