"""What benchmarks beside PyTorch share: the form of a row, and how times, memory and differences come into it."""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from coulombfield.arrays import Device

from .process_memory import Peak
from .timing import CPU, Spread

OURS = "ours"
FORMATS = {"contiguous": False, "channels_last": True}
"""PyTorch's memory formats by name, and whether channels are last."""
ELSEWHERE = "not on this device"
"""What is said of what a device has no part in, or can't do."""
TF32 = "TF32"
"""What names of peers end in whose products round their factors to 10 bits."""
AGREEMENT = 1e-10  # largest relative difference that rounding explains


class Row(NamedTuple):
    """One line of a benchmark; None where something does not apply or was not measured."""

    table: str
    """'layers', 'players', 'updates', 'bits', 'inception', 'memory' or 'agreement'."""
    name: str
    quantity: str = ""
    batch: int | None = None
    operations: int | None = None
    """Operations of one call, as direct convolution has them."""
    ours_min_s: float | None = None
    ours_s: float | None = None
    """Median."""
    ours_max_s: float | None = None
    effective_flops: float | None = None
    """operations / ours_s."""
    of_sgemm: float | None = None
    """effective_flops over the rate of NumPy's float32 matrix product."""
    peer: str = ""
    """Library and memory format, the better one of two."""
    peer_min_s: float | None = None
    peer_s: float | None = None
    peer_max_s: float | None = None
    ratio: float | None = None
    """peer_s / ours_s; in the table of memory peer_mb / ours_mb."""
    contiguous_s: float | None = None
    channels_last_s: float | None = None
    ours_mb: float | None = None
    """Highest memory of two updates in a fresh process, over that with all packages."""
    peer_mb: float | None = None
    difference: float | None = None
    """Largest relative difference between this package and its peer."""
    note: str = ""
    device: str = "cpu"
    """Where it was timed; the following are of a GPU."""
    share_of_product: float | None = None
    """operations / ours_s over the rate of cuBLAS, for a product of as many operations."""
    share_of_rate: float | None = None
    """The same over the card's rate of multiply-adds."""
    share_of_bandwidth: float | None = None
    """Bytes that have to be moved / ours_s over the rate of a large copy."""
    counted: str = ""
    """How operations or bytes are counted."""
    peers: dict[str, float] | None = None
    """Medians of all peers [s]; peer is the best of those without TF32, which this package does not use."""


class Difference(NamedTuple):
    """Largest difference between this package's numbers and a peer's, over the largest of the peer's."""

    name: str
    quantity: str
    difference: float


def has_torch(device: Device = CPU) -> bool:
    """Whether PyTorch is installed, and sees the GPU where one is asked for; says so where it isn't or doesn't."""
    if importlib.util.find_spec("torch") is None:
        print("no peer: PyTorch is not installed (pip install torch==2.13.0)")
    elif not torch_sees(device):
        print("no peer: this PyTorch sees no GPU (its builds for CUDA do)")
    else:
        return True
    return False


def torch_sees(device: Device) -> bool:
    """Whether PyTorch, which is installed, can compute there."""
    return device.xp is np or bool(importlib.import_module("torch").cuda.is_available())


def torch_device(device: Device) -> str:
    """PyTorch's name of a device."""
    return "cpu" if device.xp is np else f"cuda:{device.xp.cuda.Device().id}"


def jax_sees(device: Device) -> bool:
    """Whether JAX is installed and computes there; it then has exact products, and takes memory only as it needs it."""
    if importlib.util.find_spec("jax") is None:
        return False
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # three quarters of a GPU's, else
    jax = importlib.import_module("jax")
    jax.config.update("jax_default_matmul_precision", "highest")  # TF32 is the default on a GPU
    return (jax.default_backend() == "gpu") == (device.xp is not np)


def timed(row: Row, spreads: Mapping[str, Spread]) -> Row:
    """A row with the times of ours and, where they were taken, of PyTorch in its memory formats."""
    own, peers = spreads[OURS], {name: spread for name, spread in spreads.items() if name != OURS}
    row = row._replace(ours_min_s=own.minimum, ours_s=own.median, ours_max_s=own.maximum)
    if not peers:
        return row
    best = best_of(peers)
    spread = peers[best]
    return row._replace(
        peer=f"eager PyTorch, {best}" if best in FORMATS else best,
        peer_min_s=spread.minimum,
        peer_s=spread.median,
        peer_max_s=spread.maximum,
        ratio=spread.median / own.median,
        contiguous_s=peers["contiguous"].median if "contiguous" in peers else None,
        channels_last_s=peers["channels_last"].median if "channels_last" in peers else None,
        peers=None if row.device == "cpu" else {name: each.median for name, each in peers.items()},
    )


def best_of(peers: Mapping[str, Spread]) -> str:
    """The fastest peer that computes as exactly as this package, or of all where none does."""
    exact = {name: spread for name, spread in peers.items() if not name.endswith(TF32)} or peers
    return min(exact, key=lambda name: exact[name].median)


def weighed(row: Row, measure: Callable[[str], Peak], peers: Iterable[str]) -> tuple[Row, str]:
    """A row with the peak memory of ours and of each peer, in fresh processes, and these as text."""
    peaks: dict[str, float] = {}
    for who in (OURS, *peers):
        try:
            peak = measure(who)
            peaks[who] = peak.after - peak.before
        except RuntimeError as error:
            row = row._replace(note=f"{who} failed: {error}")
    text = ", ".join(f"{name} {megabytes:.0f} MB" for name, megabytes in peaks.items())
    ours = peaks.pop(OURS, None)
    row = row._replace(ours_mb=ours)
    if peaks:
        best = min(peaks, key=lambda name: peaks[name])
        row = row._replace(
            peer=f"eager PyTorch, {best}", peer_mb=peaks[best], ratio=peaks[best] / ours if ours else None
        )
    return row, f"{text} {row.note}".strip()


def compared(differences: Iterable[Difference], *, briefly: bool = False, bound: float = AGREEMENT) -> Iterator[Row]:
    """Print differences, those of one name in a line, and give a row for each; a note says which are above the bound.

    Briefly, a line has the largest alone and those that are too large.
    """
    worst = -1.0
    for name, group in itertools.groupby(differences, key=lambda each: each.name):
        found = list(group)
        largest = max(found, key=lambda each: each.difference)
        told = [each for each in found if each is largest or not briefly or not each.difference <= bound]
        print(f"  {name:<55}" + ", ".join(f"{each.quantity} {each.difference:.0e}" for each in told), flush=True)
        worst = max(worst, largest.difference)
        for _, quantity, difference in found:
            note = "" if difference <= bound else f"above {bound:.0e}"
            finite = difference if difference < float("inf") else None
            yield Row("agreement", name, quantity, difference=finite, note=note)
    print(f"  {'largest of all':<55}{worst:.1e}" if worst >= 0 else "  nothing to compare with")


def relative(ours: np.ndarray, peer: np.ndarray, least: float = 0.0) -> float:
    """Largest difference, over the largest of the peer's numbers or ``least``; infinite where one is no number."""
    if ours.shape != peer.shape or not (np.isfinite(ours).all() and np.isfinite(peer).all()):
        return float("inf")
    size = max(float(abs(peer).max(initial=0)), float(least))
    difference = float(abs(ours - peer).max(initial=0))
    return difference / size if size else difference


def milliseconds(spread: Spread) -> str:
    """Least, middle and largest."""
    return " / ".join(f"{1e3 * seconds:.4g}" for seconds in spread)
