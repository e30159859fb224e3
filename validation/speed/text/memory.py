"""Peak memory of one call in a new process: ``python -m validation.speed.text.memory TABLE WAY FILE HOW``."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from experiments.text import Alphabet
from experiments.text.ngrams import count_lines

from .. import process_memory
from ..process_memory import Peak, highest, restart
from ..rows import OURS


def measure(table: str, way: str, file: Path, how: str) -> Peak:
    """Use with all packages and what is counted before the call, and at its highest."""
    return process_memory.measure(__name__, table, way, str(file), how)


def main(table: str, way: str, file: str, how: str) -> None:
    """Do it once and print the memory before and at its peak in MB as JSON."""
    from . import counting, preparing

    if table == "counting":
        codes, vocabulary = np.load(file), int(how)
        count_lines(codes[:1000], vocabulary)
        if way == OURS:
            before = restart()
            count_lines(codes, vocabulary)
        else:
            alphabet = Alphabet("characters", np.array([-1, *range(ord(" "), ord(" ") + vocabulary - 1)]))
            lines = alphabet.text(codes)
            before = restart()
            counting.by_dictionary(lines)
    else:
        with tempfile.TemporaryDirectory() as place:
            out = Path(place, "out.h5")
            few = Path(place, "few.txt")
            few.write_bytes(b"a few lines\n")
            call = preparing.ours if way == OURS else preparing.by_dictionary
            call(few, how, out)  # type: ignore[arg-type]
            before = restart()
            call(Path(file), how, out)  # type: ignore[arg-type]
    print(json.dumps([before, highest()]))


if __name__ == "__main__":
    main(*sys.argv[1:])
