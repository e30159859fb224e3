"""The first call in a fresh process: CPU time of imports, compilation and the call, with the cache empty and warm."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from typing import Any

from ..timing import Spread

FEWEST = 3  # runs of each row
SUM = """
import numpy as np
import coulombfield as cf
points = np.random.default_rng(0).standard_normal(({count}, {dimension}))
charges = cf.Charges(points, np.ones({count}))
cf.potential(points, charges, cf.Plummer(1.0, {softening}), {settings})
"""
UPDATE = """
import numpy as np
from nets.architectures import mlp
from nets.layers.activations import ELU
from nets.optimizers import Adam
network = mlp((2, 128, 128, 1), ELU)
params = network.initialize(np.random.default_rng(0))
optimizer = Adam(params, 1e-3)
values, cache = network.forward(params, np.ones((64, 2), np.float32))
optimizer.update(network.backward(params, cache, np.ones_like(values))[1])
"""


def _sum(settings: str, count: int = 20_000, dimension: int = 2, softening: float = 1.0) -> str:
    return SUM.format(count=count, dimension=dimension, softening=softening, settings=settings)


OURS = {
    "import": "import coulombfield",
    "simd": _sum("method='simd'", 1000),
    "gram": _sum("method='gram'", 1000, 64),
    "nufft": _sum("method='nufft', rtol=1e-3"),
    "split": _sum("method='split', rtol=1e-3", softening=0.01),
    "tree": _sum("method='tree', rtol=1e-3", softening=0.01),
    "auto-rtol": _sum("rtol=1e-3", 100_000, softening=0.01),
    "dense-update": UPDATE,
}
"""What is run in a process, by name: float64, the potential of charges at their own places."""
PEERS = {
    "torch": """
import torch
points = torch.rand(1000, 2, dtype=torch.float64)
((torch.cdist(points, points) ** 2 + 1) ** -0.5).sum(1)
""",
    "jax": """
import jax
import jax.numpy as jnp
points = jnp.ones((1000, 2))
sums = jax.jit(lambda x: (jnp.sum((x[:, None] - x) ** 2, -1) + 1) ** -0.5 @ jnp.ones(1000))
sums(points).block_until_ready()
""",
}
"""Import of a library, and one sum over 1000 charges written out in it; these keep nothing on disk."""


def cpu_seconds(program: str, cache: str) -> float:
    """User's and system's time of a new process that runs a program with this cache [s].

    Modules are kept as bytecode, also where the environment says that they are not: that is how they are installed.

    Raises
    ------
    RuntimeError
        If it fails; the message has the last line that it wrote.
    """
    with tempfile.TemporaryFile() as errors:
        environment = os.environ | {"NUMBA_CACHE_DIR": cache, "PYTHONDONTWRITEBYTECODE": ""}
        child = subprocess.Popen(
            [sys.executable, "-c", program], env=environment, stdout=subprocess.DEVNULL, stderr=errors
        )
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            errors.seek(0)
            lines = errors.read().decode(errors="replace").strip().splitlines()
            raise RuntimeError((lines or [f"exit code {child.returncode}"])[-1])
    return usage.ru_utime + usage.ru_stime


def measured(program: str, seconds: float, *, warm: bool) -> Spread:
    """CPU time of a program over several processes, each with an empty cache or all with one that is filled."""
    times: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        cpu_seconds(program, folder)  # which leaves bytecode behind
        start = time.perf_counter()
        while len(times) < FEWEST or time.perf_counter() - start < seconds:
            if warm:
                times.append(cpu_seconds(program, folder))
            else:
                with tempfile.TemporaryDirectory() as empty:
                    times.append(cpu_seconds(program, empty))
    return Spread.of(times)


def run(seconds: float, *, only: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """Measure, print, and return a row for each program and state of the cache.

    Parameters
    ----------
    seconds : float
        Time to spend on each row [s]; at least a few processes are run.
    only : tuple of str
        Names of the rows that are wanted; all if empty.
    """
    print("CPU time of a fresh process, min / median / max:")
    rows = []
    for name, program in (OURS | PEERS).items():
        if only and name not in only:
            continue
        if name in PEERS and importlib.util.find_spec(name) is None:
            print(f"  {name:<28}not installed")
            continue
        for cache in ("empty", "warm"):
            if cache == "empty" and name in PEERS:
                continue
            spread = measured(program, seconds, warm=cache == "warm")
            print(f"  {name:<28}{cache:<8}" + " / ".join(f"{second:.2f}" for second in spread) + " s", flush=True)
            rows.append(
                {
                    "name": name,
                    "cache": cache,
                    "min_s": spread.minimum,
                    "median_s": spread.median,
                    "max_s": spread.maximum,
                }
            )
    return rows
