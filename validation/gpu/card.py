"""What a GPU is and what it can do: ``python -m validation.gpu.card facts|rates FILE [--quick]``."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from coulombfield.arrays import Device, select_device
from experiments.files import to_json, write_atomically
from validation.speed.card import Card

ASKED = {"driver": "driver_version", "clock_now": "clocks.sm", "clock_at_most": "clocks.max.sm", "power": "power.limit"}
"""What nvidia-smi knows and CUDA does not tell."""
SIDES = (1024, 4096)  # of matrices that are multiplied; more would take seconds where float64 is slow


def facts(device: Device) -> dict[str, Any]:
    """Card, driver, versions, memory, clocks; what nothing here tells is left out."""
    cuda = device.xp.cuda
    number = cuda.Device().id
    properties = cuda.runtime.getDeviceProperties(number)
    free, total = cuda.runtime.memGetInfo()
    attributes = cuda.Device().attributes
    found = {
        "card": properties["name"].decode(),
        "compute_capability": f"{properties['major']}.{properties['minor']}",
        "multiprocessors": attributes["MultiProcessorCount"],
        "memory": f"{total / 1e9:.1f} GB, {free / 1e9:.1f} GB of it free",
        "clock": _megahertz(attributes["ClockRate"]),
        "memory_clock": _megahertz(attributes["MemoryClockRate"]),
        "cuda_of_driver": _version(cuda.runtime.driverGetVersion()),
        "cuda_runtime": _version(cuda.runtime.runtimeGetVersion()),
        "cupy": device.xp.__version__,
        "tf32_of_cupy": os.environ.get("CUPY_TF32", "off"),
        "threads_of_host": os.cpu_count(),
        **_smi(number),
    }
    return {name: value for name, value in found.items() if value}


def rates(device: Device, *, quick: bool = False) -> list[dict[str, Any]]:
    """What products, multiply-adds and copies come to, as rows."""
    card = Card(device, quick=quick)
    measured: dict[str, tuple[Callable[[], float], str]] = {}
    for dtype in ("float32", "float64"):
        for side in SIDES[:1] if quick else SIDES:
            call = _bound(card.product_rate, 2 * side**3, dtype)
            measured[f"cuBLAS product of about {side} x {side}, {dtype}"] = call, "operations/s"
        measured[f"multiply-adds in registers, {dtype}"] = _bound(card.rate, dtype), "operations/s"
    measured["copy of a large array, read and written"] = lambda: card.bandwidth, "bytes/s"
    rows = []
    for name, (call, unit) in measured.items():
        rate = call()
        print(f"  {name:<48}{rate:.3g} {unit}", flush=True)
        rows.append({"name": name, "rate": rate, "unit": unit})
    return rows


def main(arguments: list[str] | None = None) -> int:
    """Write facts or rates to a file; 2, with one line that says why, where no GPU can be used."""
    parser = argparse.ArgumentParser(prog="python -m validation.gpu.card", description=__doc__)
    parser.add_argument("what", choices=("facts", "rates"))
    parser.add_argument("file", type=Path)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args(arguments)
    try:
        device = select_device("cuda")
    except RuntimeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    content = facts(device) if given.what == "facts" else rates(device, quick=given.quick)
    write_atomically(given.file, to_json(content))
    return 0


def _bound(function: Callable[..., float], *arguments: Any) -> Callable[[], float]:
    return lambda: function(*arguments)


def _megahertz(kilohertz: int) -> str:
    return f"{kilohertz / 1000:.0f} MHz" if kilohertz else ""


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"


def _smi(number: int) -> dict[str, str]:
    """What nvidia-smi says, where it is installed and answers."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return {}
    identity = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    chosen = identity[number].strip() if number < len(identity) and identity[number].strip() else str(number)
    command = [program, f"--query-gpu={','.join(ASKED.values())}", "--format=csv,noheader", "-i", chosen]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.split(",")
        return {name: value.strip() for name, value in zip(ASKED, told, strict=False)}
    return {}


if __name__ == "__main__":
    sys.exit(main())
