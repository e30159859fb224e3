"""Break formulas of the package one at a time, each in a copy of the checkout, and see validation go red.

    python tests/mutations.py [--jobs 2] [NAME ...]

Exit code 0 only if the checks pass on the code as it is and every break is noticed.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
CODE = ("coulombfield", "nets", "experiments", "validation")


class Mutation(NamedTuple):
    """One formula and what breaks it.

    Attributes
    ----------
    name : str
        What is wrong then.
    file : str
        Where, from the checkout's root.
    old, new : str
        What stands there, exactly once, and what is put in its place.
    command : str
        The validation that has to notice.
    """

    name: str
    file: str
    old: str
    new: str
    command: str


POWER, PROFILES = "coulombfield/kernels/inverse_power.py", "coulombfield/profiles.py"
ENERGY, DIRECT = "coulombfield/energy.py", "coulombfield/sums/direct.py"

MUTATIONS = (
    Mutation(
        "kernel: exponent d for d/2",
        POWER,
        "half = exponent / 2",
        "half = exponent",
        "equations --only 5",
    ),
    Mutation(
        "kernel: exponent 3 off by one",
        POWER,
        "self.peak * (fraction * xp.sqrt(fraction))",
        "self.peak * fraction",
        "equations --only 5",
    ),
    Mutation(
        "slope: the sign",
        POWER,
        "factors = -half / numerator,",
        "factors = half / numerator,",
        "equations --only 6",
    ),
    Mutation(
        "curvature: d/2 for d/2 + 1",
        POWER,
        "-(half + 1) / numerator",
        "-half / numerator",
        "equations --only 14",
    ),
    Mutation(
        "Laplacian: m − 1 for m",
        PROFILES,
        "2.0 * dimension)",
        "2.0 * (dimension - 1))",
        "equations --only 14,15",
    ),
    Mutation(
        "Laplacian: factor 2 for 4",
        PROFILES,
        "Laplacian(profile, 4.0,",
        "Laplacian(profile, 2.0,",
        "equations --only 14",
    ),
    Mutation(
        "charges: generated samples positive",
        "coulombfield/charges.py",
        'total = +1.0 if name == "real" else -1.0',
        "total = +1.0",
        "equations --only 8,30",
    ),
    Mutation(
        "charges: N_x and N_y swapped",
        "coulombfield/charges.py",
        "xp.concat([_real_weights(real), _generated_weights(generated)])",
        "xp.concat([-_generated_weights(generated), -_real_weights(real)])",
        "equations --only 8,30",
    ),
    Mutation(
        "field: the sign",
        DIRECT,
        "return -2.0 * block.xp.sum(slopes[:, :, None] * block.difference, axis=1)",
        "return 2.0 * block.xp.sum(slopes[:, :, None] * block.difference, axis=1)",
        "equations --only 6,34",
    ),
    Mutation(
        "energy: the cross term counted once more",
        ENERGY,
        "return 0.5 * (of_real + of_generated) - between",
        "return 0.5 * (of_real + of_generated - between)",
        "equations --only 33",
    ),
    Mutation(
        "energy: the self terms left out",
        ENERGY,
        "kernel, exclude_self=unbiased, rtol=rtol, method=method)\n        / (points",
        "kernel, exclude_self=True, rtol=rtol, method=method)\n        / (points",
        "equations --only 33",
    ),
    Mutation(
        "energy gradient: the sign",
        ENERGY,
        "return -own.weights[:, None] * total",
        "return own.weights[:, None] * total",
        "equations --only 34",
    ),
    Mutation(
        "unbiased energy: N for N − 1",
        ENERGY,
        "(points.shape[0] * (points.shape[0] - unbiased))",
        "(points.shape[0] * points.shape[0])",
        "equations --only unbiased-energy",
    ),
    Mutation(
        "generator's loss: the factor 1/2",
        "nets/losses/coulomb.py",
        "factor = -0.5 / _count(values)",
        "factor = -1.0 / _count(values)",
        "equations --only 10",
    ),
    Mutation(
        "discriminator's loss: N_x and N_y swapped",
        "nets/losses/coulomb.py",
        "gradient[:generated] *= 0.5 / generated",
        "gradient[:generated] *= 0.5 / (total - generated)",
        "gradients --only potential_regression",
    ),
    Mutation(
        "convolution by tiles: one point for another",
        "nets/primitives/tiles.py",
        "odd_p * PPP + odd_q * QQQ + m5",
        "odd_p * PPP + odd_q * QQ + m5",
        "gradients --only Conv2d",
    ),
    Mutation(
        "columns: taps in reverse",
        "nets/primitives/columns.py",
        "source = columns[n * rows + i, j, a, low:high]",
        "source = columns[n * rows + i, j, taps - 1 - a, low:high]",
        "gradients --only ConvTranspose2d",
    ),
    Mutation(
        "batch-norm: the gradient's second projection left out",
        "nets/primitives/normalization_passes.py",
        "bend = inverse * scale, inverse * inverse * means[1]",
        "bend = inverse * scale, inverse * means[1]",
        "gradients --only BatchNorm",
    ),
    Mutation(
        "gradient penalty: half its gradient",
        "nets/penalties.py",
        "excess * (2 * weight / x.shape[0])",
        "excess * (weight / x.shape[0])",
        "gradients --only gradient_penalty",
    ),
)


def run(mutation: Mutation | None, command: str) -> tuple[int, str]:
    """Exit code and output of a validation command on a copy of the code, broken or not."""
    with tempfile.TemporaryDirectory() as scratch:
        for name in CODE:
            shutil.copytree(ROOT / name, Path(scratch, name), ignore=shutil.ignore_patterns("__pycache__"))
        if mutation:
            file = Path(scratch, mutation.file)
            file.write_text(broken(mutation), encoding="utf-8")
        variables = {**os.environ, "NUMBA_CACHE_DIR": str(Path(scratch, "numba")), "PYTHONPATH": scratch}
        done = subprocess.run(
            [sys.executable, "-m", "validation", *command.split(), "--quick"],
            cwd=scratch,
            env=variables,
            capture_output=True,
            text=True,
        )
    return done.returncode, done.stdout + done.stderr


def broken(mutation: Mutation) -> str:
    """Text of the file with the formula broken.

    Raises
    ------
    ValueError
        If what stands there does not stand there once.
    """
    text = (ROOT / mutation.file).read_text(encoding="utf-8")
    if (count := text.count(mutation.old)) != 1:
        raise ValueError(f"{mutation.name}: expected its text once in {mutation.file}, found it {count} times")
    return text.replace(mutation.old, mutation.new)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all breaks, or those named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=2, help="at a time (default: %(default)s)")
    parser.add_argument("names", nargs="*", help="breaks to run; all if none is given")
    given = parser.parse_args(arguments)
    if unknown := set(given.names) - {m.name for m in MUTATIONS}:
        parser.error(f"unknown {', '.join(sorted(unknown))}; expected some of {', '.join(m.name for m in MUTATIONS)}")
    chosen = [m for m in MUTATIONS if not given.names or m.name in given.names]
    with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
        whole = {command: pool.submit(run, None, command) for command in dict.fromkeys(m.command for m in chosen)}
        found = {m: pool.submit(run, m, m.command) for m in chosen}
        failures = 0
        for command, future in whole.items():
            code, output = future.result()
            failures += code != 0
            print(f"{'passes' if code == 0 else 'FAILS'}  the code as it is: {command}", flush=True)
            if code:
                print(output)
        for m, future in found.items():
            code, output = future.result()
            noticed = code == 1 and "Traceback" not in output  # a command that crashes has noticed nothing
            failures += not noticed
            print(f"{'noticed' if noticed else 'SURVIVED'}  {m.name}: {m.command}", flush=True)
            if not noticed:
                print(output)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
