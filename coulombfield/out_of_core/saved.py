"""What has been done of an evaluation, in a file: a stopped one goes on from there, with the same inputs only."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..files import naming

EVERY_SECONDS = 10.0


class Saved:
    """Arrays by name, in an HDF5 file that is replaced as a whole, or nowhere.

    Parameters
    ----------
    path : path or None
        The file; None keeps nothing.
    inputs : mapping of str to str
        What has to be the same when the evaluation goes on.

    Raises
    ------
    TypeError
        If the path is none.
    ValueError
        If there can be no file there, or is one that can't be read, or of other inputs: the message names the first.
    """

    def __init__(self, path: str | os.PathLike | None, inputs: Mapping[str, str]):
        if not isinstance(path, str | os.PathLike | None):
            raise TypeError(f"state: expected a path, got {type(path).__name__}")
        self._path = None if path is None else Path(path)
        self._inputs = dict(inputs)
        self.arrays: dict[str, np.ndarray] = {}
        self._saved = time.monotonic()
        if self._path is not None and (not self._path.parent.is_dir() or self._path.is_dir()):
            raise ValueError(f"state: expected a file in a folder that is there, got {self._path}")
        if self._path is None or not self._path.exists():
            return
        with naming(self._path, "the state of an evaluation"), h5py.File(self._path, "r") as file:
            given = json.loads(file.attrs["inputs"])
            self.arrays = {name: dataset[()] for name, dataset in file.items()}
        for name in {**given, **self._inputs}:
            if given.get(name) != self._inputs.get(name):
                there, here = given.get(name), self._inputs.get(name)
                raise ValueError(f"{self._path}: is of other inputs: {name} was {there}, and is {here} now")

    def save(self, arrays: Mapping[str, Any], *, now: bool = False) -> None:
        """Keep arrays, those of a name in the place of earlier ones; in the file from time to time, or ``now``."""
        self.arrays.update({name: np.asarray(array) for name, array in arrays.items()})
        if self._path is None or not (now or self.due):
            return
        partial = self._path.with_name(f"{self._path.name}.partial")
        with h5py.File(partial, "w") as file:
            file.attrs["inputs"] = json.dumps(self._inputs)
            for name, array in self.arrays.items():
                file.create_dataset(name, data=array)
        with open(partial, "rb+") as written:
            os.fsync(written.fileno())
        os.replace(partial, self._path)
        self._saved = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether there is a file, and it is time to write it."""
        return self._path is not None and time.monotonic() - self._saved >= EVERY_SECONDS

    def drop(self, *names: str) -> None:
        """Forget arrays."""
        for name in names:
            self.arrays.pop(name, None)

    def remove(self) -> None:
        """Remove the file: all is done."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
