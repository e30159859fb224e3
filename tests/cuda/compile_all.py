"""Compile the package's CUDA kernels with NVRTC, which needs no GPU and no driver.

Those of networks and random numbers are compiled in each dtype for each architecture. Instances of the sums and
architectures go round in step, so that each profile, dtype, dimension and choice of outputs is compiled, and each
architecture meets every value of each of these. Needs ``pip install nvidia-cuda-nvrtc``.
"""

from __future__ import annotations

import argparse
import ctypes
import itertools
import multiprocessing
import os
import time
from pathlib import Path

import nvidia.cu13

from coulombfield import philox, profiles
from coulombfield.kernels.gaussian import SquaredExponential
from coulombfield.kernels.inverse_power import InversePower, InversePower1, InversePower2, InversePower3, InversePower4
from coulombfield.kernels.laplace import Exponential
from coulombfield.kernels.sheets import Rising
from coulombfield.sums.ewald import cuda_cells
from coulombfield.sums.ewald.split import MAX_DIMENSION
from coulombfield.sums.ewald.splitting import LENGTHS
from coulombfield.sums.gram import cuda_tiles
from coulombfield.sums.pairs import cuda
from nets.primitives import cuda as of_nets

ARCHITECTURES = (75, 80, 90, 100)
SIMPLE = (
    InversePower(*[1.0] * 6),
    InversePower1(*[1.0] * 6),
    InversePower2(*[1.0] * 6),
    InversePower3(*[1.0] * 6),
    InversePower4(*[1.0] * 6),
    SquaredExponential(-1.0),
    Exponential(-1.0, 1.0),
    Rising(-0.5, 1e-24),
)
POWERS = tuple(profile for profile in SIMPLE if profile.is_power)
NESTED = (profiles.Added(profiles.Scaled(0.5, SIMPLE[1]), profiles.Added(SIMPLE[5], SIMPLE[6])),)
OUTPUTS = ({"potential": True, "field": False}, {"potential": False, "field": True}, {"potential": True, "field": True})
DIMENSIONS = range(1, cuda.MAX_DIMENSION + 1)


def instances():
    """Name, text and options of all sums that the package may ask for, up to numbers and nesting in profiles."""
    for dtype, profile, dimension in itertools.product(("float32", "float64"), SIMPLE + NESTED, DIMENSIONS):
        for name, outputs in itertools.product(("sums.cu", "tangent.cu"), OUTPUTS):
            yield name, cuda.source(name, profile), cuda.options(dtype, dimension, profile, **outputs)
        sizes = profiles.Magnitude(profile), profiles.GradientSize(profile)
        for derived in (profiles.Laplacian.of(profile, dimension), *sizes):
            yield "sums.cu", cuda.source("sums.cu", derived), cuda.options(dtype, dimension, derived, **OUTPUTS[0])
    summed = profiles.Added(profiles.Scaled(0.5, POWERS[0]), POWERS[1])
    for dtype, profile, terms in itertools.product(("float32", "float64"), (*POWERS, summed), LENGTHS):
        for dimension, outputs in itertools.product(range(1, MAX_DIMENSION + 1), OUTPUTS):
            options = cuda_cells.options(dtype, dimension, profile, terms, **outputs)
            yield "cells.cu", cuda_cells.source(profile), options
    for dtype, profile, field in itertools.product(("float32", "float64"), SIMPLE + NESTED, (False, True)):
        yield "tile.cu", cuda_tiles.source(profile), cuda_tiles.options(dtype, profile, field=field)


def of_networks():
    """Jobs for the kernels of the networks."""
    for name, dtype, architecture in itertools.product(of_nets.texts(), ("float32", "float64"), ARCHITECTURES):
        yield architecture, name, of_nets.source(name), of_nets.options(dtype)


def of_random_numbers():
    """Jobs for the kernels of random numbers."""
    for dtype, architecture in itertools.product(("float32", "float64"), ARCHITECTURES):
        yield architecture, "philox.cu", philox.source(), philox.options(dtype)


def load():
    """NVRTC of this environment."""
    (folder,) = nvidia.cu13.__path__
    (library,) = Path(folder, "lib").glob("libnvrtc.so.*")
    return ctypes.CDLL(str(library))


def compiled(job):
    """Whether it compiles, and what the compiler says."""
    architecture, name, text, options = job
    nvrtc, program = load(), ctypes.c_void_p()
    assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), text.encode(), name.encode(), 0, None, None) == 0
    # As CuPy compiles, with every warning an error, and with a report of each kernel's resources.
    flags = (*options, f"-arch=sm_{architecture}", "-std=c++17", "-ftz=true", "-Werror=all-warnings", "-Xptxas=-v")
    array = (ctypes.c_char_p * len(flags))(*[flag.encode() for flag in flags])
    failed = nvrtc.nvrtcCompileProgram(program, len(flags), array)
    size = ctypes.c_size_t()
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    return not failed, log.value.decode()


def compiled_all(jobs):
    """What :func:`compiled` gives for each, with all processors."""
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        return pool.map(compiled, jobs, chunksize=8)


def failures(jobs, results):
    """A text for each job that did not compile."""
    for (architecture, name, _, options), (fine, log) in zip(jobs, results, strict=True):
        if not fine:
            yield f"{name} sm_{architecture} {' '.join(options)}\n{log}"


def end(jobs, failed, start):
    """Say what failed, and end with a status that says whether anything did, or there was nothing to do."""
    print(f"{len(jobs)} instances in {time.perf_counter() - start:.0f} s, {len(failed)} of them failed")
    for failure in failed[:3]:
        print(failure)
    raise SystemExit(bool(failed) or not jobs)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--every", type=int, default=1, help="of the sums, compile only each N-th instance")
    every = parser.parse_args().every
    start = time.perf_counter()
    chosen = list(instances())[::every]
    jobs = [(ARCHITECTURES[i % len(ARCHITECTURES)], *instance) for i, instance in enumerate(chosen)]
    jobs += [*of_networks(), *of_random_numbers()]
    end(jobs, list(failures(jobs, compiled_all(jobs))), start)


if __name__ == "__main__":
    main()
