"""What every test file shares: the Hypothesis profile and the array libraries under test."""

from __future__ import annotations

import functools
import gc
import importlib
import os
from types import ModuleType
from typing import Any, NamedTuple

import array_api_compat
import array_api_strict
import numpy as np
import pytest
from hypothesis import settings

from coulombfield.arrays import Device, backend, select_device, to_numpy

os.environ["COULOMBFIELD_COSTS"] = ""  # not by what was measured on this machine

# A first call may compile for seconds, so a deadline would say nothing.
settings.register_profile("local", deadline=None, max_examples=20)
settings.register_profile("ci", deadline=None, max_examples=20, derandomize=True)
settings.load_profile("ci" if "CI" in os.environ else "local")


# Numba's compiler makes many objects, and Python looks for cycles among all that there are whenever some have come: a
# tenth of a compilation's time. So it looks less often. gc.freeze() would hide from old Hypotheses what they look for.
gc.set_threshold(5000, 20, 20)


def pytest_configure(config: pytest.Config) -> None:
    if config.pluginmanager.hasplugin("cpucupy"):  # the CPU stand-in for CuPy leaves closing its files to Python
        config.addinivalue_line("filterwarnings", "ignore:unclosed file:ResourceWarning")


class Library(NamedTuple):
    """An array library on one of its devices, with the ways there and back."""

    name: str
    xp: ModuleType
    device: Any

    def put(self, array: np.ndarray) -> Any:
        return self.xp.asarray(array, device=self.device)

    def get(self, array: Any) -> np.ndarray:
        """Copy to the host, and check on the way that the array lies where this library put its own."""
        assert backend(array=array) is self.xp
        assert array_api_compat.device(array) == array_api_compat.device(self.put(np.zeros(1)))
        return to_numpy(array)


@functools.cache
def _library(name: str) -> Library | None:
    if name == "numpy":
        return Library(name, backend(array=np.zeros(1)), "cpu")
    if name.startswith("strict"):
        device = array_api_strict.Device("CPU_DEVICE" if name == "strict" else name.removeprefix("strict-"))
        return Library(name, array_api_strict, device)
    try:
        import cupy

        assert float(cupy.ones(2) @ cupy.ones(2)) == 2.0
    except Exception:  # not installed, no driver, or no device: each raises something else
        return None
    return Library(name, backend(array=cupy.zeros(1)), None)


LIBRARIES = [name for name in ("numpy", "strict", "strict-device1", "cupy") if _library(name) is not None]


def pytest_report_header() -> str:
    return f"array libraries: {', '.join(LIBRARIES)}"


@pytest.fixture(scope="session", params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> Library:
    """Each array library in turn; a test of CuPy alone is skipped where it can't compute."""
    found = _library(request.param)
    if found is None:
        pytest.skip(f"{request.param} is not installed or has no device")
    return found


@pytest.fixture(scope="session")
def cupy() -> ModuleType:
    """CuPy itself, for tests of nothing else; they are skipped where it can't compute."""
    if _library("cupy") is None:
        pytest.skip("CuPy is not installed or has no device")
    return importlib.import_module("cupy")


DEVICES = {"numpy": "cpu", "cupy": "cuda"}
"""Names of devices by those of the libraries that networks and experiments run on."""


@pytest.fixture(scope="session", params=[name for name in LIBRARIES if name in DEVICES])
def device(request: pytest.FixtureRequest) -> Device:
    """Each of these devices in turn; a GPU only where CuPy can use one."""
    return select_device(DEVICES[request.param])


class Engine(NamedTuple):
    """A way to sum over charges, by its name in the package, and a library whose arrays it takes."""

    method: str
    library: Library


ENGINES = ["simd numpy", *(["cuda cupy"] if "cupy" in LIBRARIES else []), *(f"direct {name}" for name in LIBRARIES)]


@pytest.fixture(scope="session", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine with each library that it serves."""
    method, name = request.param.split()
    return Engine(method, _library(name))


@pytest.fixture(scope="session", params=["float32", "float64"])
def dtype(request: pytest.FixtureRequest) -> str:
    return request.param
