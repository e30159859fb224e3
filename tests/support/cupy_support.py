"""For tests on CuPy: when the host waits for it, and what its stand-in lacks, done by the host."""

from __future__ import annotations

import importlib
import sys
import threading
import traceback
from types import ModuleType

import numpy as np
import pytest

from coulombfield.arrays import backend, to_numpy
from coulombfield.sums.fourier import transforms


class Cufinufft:
    """Stands for the package cufinufft, and counts plans."""

    made = 0

    class Plan:
        """A plan of finufft for CuPy arrays."""

        def __init__(self, *what, **options):
            import finufft

            Cufinufft.made += 1
            self.plan = finufft.Plan(*what, **options, nthreads=1)

        def setpts(self, *angles):
            self.plan.setpts(*map(to_numpy, angles))

        def execute(self, data):
            return backend(array=data).asarray(self.plan.execute(to_numpy(data)))


def transform_by_host(patch: pytest.MonkeyPatch) -> None:
    """Let finufft do what cufinufft does on a GPU."""
    patch.setitem(sys.modules, "cufinufft", Cufinufft)
    patch.setattr(transforms, "_kept", threading.local())


def sort_by_host(cupy: ModuleType, patch: pytest.MonkeyPatch) -> None:
    """Let the host do what CuPy's own sort and search do on a GPU, where the stand-in for one refuses them."""
    try:
        cupy.argsort(cupy.zeros(2))
    except NotImplementedError:
        patch.setattr(cupy, "argsort", lambda a, kind: cupy.asarray(np.argsort(a.get(), kind=kind)))
        patch.setattr(cupy, "searchsorted", lambda a, v: cupy.asarray(np.searchsorted(a.get(), v.get())))


def waits(patch: pytest.MonkeyPatch) -> list[str]:
    """A list that gets a line of code whenever, from now on, CuPy makes the host wait for a number of the device."""
    seen: list[str] = []
    detector = importlib.import_module("cupy._core.syncdetect")  # which CuPy calls before it copies to the host
    patch.setattr(detector, "_declare_synchronize", lambda: seen.append(str(traceback.extract_stack(limit=3)[0])))
    return seen
