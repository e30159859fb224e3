"""What each CUDA kernel takes of a multiprocessor: a table by the compiler's reports, for which no GPU is needed.

The sums of potential and field for each profile, dtype and dimension up to 4, those over neighbours and over Gram
tiles, and the kernels of the networks, each for each architecture. It fails if one of the sums spills a register to
memory. Needs ``pip install nvidia-cuda-nvrtc``.
"""

from __future__ import annotations

import itertools
import re
import time
from typing import NamedTuple

from compile_all import ARCHITECTURES, NESTED, SIMPLE, compiled_all, end, failures, of_networks

from coulombfield.kernels.inverse_power import InversePower2, InversePower4
from coulombfield.sums.ewald import cuda_cells
from coulombfield.sums.ewald.split import MAX_DIMENSION
from coulombfield.sums.ewald.splitting import LENGTHS
from coulombfield.sums.gram import cuda_tiles
from coulombfield.sums.pairs import cuda
from nets.primitives import cuda as of_nets

DIMENSIONS = range(1, 5)
OUTPUTS = {"potential": True, "field": True}
PROFILES = [profile for profile in SIMPLE + NESTED if type(profile) not in (InversePower2, InversePower4)]
"""All but two that are others with a product more or less."""
REGISTERS = 65536  # of a multiprocessor, on each of these architectures
REGISTERS_TOGETHER = 256  # a warp's are given out in such portions
WARP = 32
KERNEL = re.compile(
    r"Compiling entry function '(?P<name>\w+)'.*?(?P<stack>\d+) bytes stack frame, (?P<stores>\d+) bytes spill stores, "
    r"(?P<loads>\d+) bytes spill loads.*?Used (?P<registers>\d+) registers(?P<rest>[^\n]*)",
    re.DOTALL,
)


class Multiprocessor(NamedTuple):
    """Limits of an architecture: "Technical Specifications per Compute Capability" in NVIDIA's programming guide."""

    threads: int
    blocks: int
    shared: int
    """Bytes of shared memory for all blocks."""
    shared_together: int
    """They are given out in such portions."""
    shared_reserved: int
    """What each block has taken off by the system."""


LIMITS = {
    75: Multiprocessor(1024, 16, 64 << 10, 256, 0),
    80: Multiprocessor(2048, 32, 164 << 10, 128, 1024),
    90: Multiprocessor(2048, 32, 228 << 10, 128, 1024),
    100: Multiprocessor(2048, 32, 228 << 10, 128, 1024),
}


class Resources(NamedTuple):
    """What a kernel takes."""

    registers: int
    """Of a thread."""
    shared: int
    """Bytes of a block."""
    stack: int
    """Bytes of a thread in local memory, which is the card's memory; what is spilt is in it."""
    spilt: int
    """Bytes that a thread stores and loads again for want of registers."""

    def threads(self, architecture: int, block: int) -> int:
        """How many threads of blocks of that size a multiprocessor holds at once."""
        of = LIMITS[architecture]
        of_a_warp = _rounded(self.registers * WARP, REGISTERS_TOGETHER)
        of_a_block = _rounded(self.shared + of.shared_reserved, of.shared_together)
        blocks = [of.blocks, of.threads // block, REGISTERS // of_a_warp // (block // WARP)]
        if of_a_block:
            blocks.append(of.shared // of_a_block)
        return min(blocks) * block


def _rounded(number: int, portion: int) -> int:
    return -(-number // portion) * portion


def read(log: str) -> dict[str, Resources]:
    """The kernels in a report of the compiler."""
    found = {}
    for kernel in KERNEL.finditer(log):
        shared = re.search(r"(\d+) bytes smem", kernel["rest"])
        numbers = int(kernel["stack"]), int(kernel["stores"]) + int(kernel["loads"])
        found[kernel["name"]] = Resources(int(kernel["registers"]), int(shared[1]) if shared else 0, *numbers)
    return found


def of_sums():
    """Name and job of each of the sums."""
    for profile, dtype, dimension in itertools.product(PROFILES, ("float32", "float64"), DIMENSIONS):
        options = cuda.options(dtype, dimension, profile, **OUTPUTS)
        name = f"{cuda.type_of(profile)} {dtype} m={dimension}"
        for architecture in ARCHITECTURES:
            yield name, (architecture, "sums.cu", cuda.source("sums.cu", profile), options)


def of_neighbours():
    """Name and job of sums over neighbours, whose kernel is the largest with the longest polynomial."""
    powers = [profile for profile in PROFILES if profile.is_power]
    dimensions = range(1, MAX_DIMENSION + 1)
    for profile, dtype, dimension in itertools.product(powers, ("float32", "float64"), dimensions):
        options = cuda_cells.options(dtype, dimension, profile, LENGTHS[-1], **OUTPUTS)
        name = f"neighbours {cuda.type_of(profile)} {dtype} m={dimension}"
        for architecture in ARCHITECTURES:
            yield name, (architecture, "cells.cu", cuda_cells.source(profile), options)


def of_tiles():
    """Name and job of sums over Gram tiles."""
    for profile, dtype in itertools.product(PROFILES, ("float32", "float64")):
        options = cuda_tiles.options(dtype, profile, field=True)
        for architecture in ARCHITECTURES:
            yield (
                f"tile {cuda.type_of(profile)} {dtype}",
                (architecture, "tile.cu", cuda_tiles.source(profile), options),
            )


def main():
    start = time.perf_counter()
    sums, networks = [*of_sums(), *of_neighbours(), *of_tiles()], list(of_networks())
    jobs = [job for _, job in sums] + networks
    results = compiled_all(jobs)
    table: dict[str, dict[int, str]] = {}
    spilling = []

    def add(row, architecture, kernel, block):
        spills = f" spills {kernel.spilt}" if kernel.spilt else ""
        local = f" local {kernel.stack}" if kernel.stack else ""
        threads = kernel.threads(architecture, block)
        table.setdefault(row, {})[architecture] = f"{kernel.registers} {kernel.shared} {threads}{local}{spills}"

    for (row, (architecture, *_)), (_, log) in zip(sums, results[: len(sums)], strict=True):
        kernels = read(log)
        kernel = next((kernels[name] for name in ("sum_pairs", "sum_neighbours", "add_tile") if name in kernels), None)
        if kernel is None:
            continue  # it does not compile, which is told below
        add(row, architecture, kernel, cuda.THREADS)
        if kernel.spilt:
            spilling.append(f"{row} spills on sm_{architecture}: {kernel.spilt} bytes a thread")
    for (architecture, text, _, options), (_, log) in zip(networks, results[len(sums) :], strict=True):
        for name, kernel in read(log).items():
            row = f"{text.removesuffix('.cu')}.{name} {'float32' if '-DREAL=float' in options else 'float64'}"
            add(row, architecture, kernel, of_nets.THREADS)

    print("registers of a thread, bytes of shared memory of a block, threads that a multiprocessor holds at once")
    print(*(f"{f'sm_{architecture}':<16}" for architecture in ARCHITECTURES))
    for row, cells in table.items():
        print(*(f"{cells.get(architecture, ''):<16}" for architecture in ARCHITECTURES), row)
    unread = [] if table else ["no report of the compiler could be read"]
    end(jobs, [*unread, *spilling, *failures(jobs, results)], start)


if __name__ == "__main__":
    main()
