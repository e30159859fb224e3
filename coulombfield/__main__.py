"""``python -m coulombfield warm``: compile ahead what sums over charges need, such as for an image of a container."""

from __future__ import annotations

import argparse
import itertools
import logging
import os
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import coulombfield as cf
from coulombfield.compilation import compilations
from coulombfield.sums.pairs import simd

FEW = 40  # charges, enough for the loops of exact sums
MANY = 20_000  # charges that fast engines don't leave to an exact one, and whose checks take more than one run
RTOL = 1e-3
DTYPES = ("float32", "float64")
DIMENSIONS = {"simd": (1, 2, 3), "gram": (64,), "nufft": (1, 2, 3), "split": (1, 2, 3), "tree": (1, 2)}
"""By engine, those whose loops differ; those of gram are the same for all."""
POWERS = {"Plummer(1, ε)": cf.Plummer(1.0, 1.0), "Plummer(3, ε)": cf.Plummer(3.0, 1.0)}
KERNELS = POWERS | {"Gaussian": cf.Gaussian(1.0), "Laplace": cf.Laplace(1.0)}
QUANTITIES = (cf.potential, cf.field, cf.potential_and_field)


class Case(NamedTuple):
    """Sums that have one set of loops compiled."""

    engine: str
    dtype: str
    dimension: int
    kernel: str

    def run(self) -> None:
        """Sum."""
        rng = np.random.default_rng(0)
        exact = self.engine in ("simd", "gram")
        count = FEW if exact else MANY
        points = rng.standard_normal((count, self.dimension)).astype(self.dtype)
        charges = cf.Charges(points, rng.standard_normal(count).astype(self.dtype))
        settings: dict[str, Any] = {"method": self.engine} | ({} if exact else {"rtol": RTOL})
        for quantity, exclude_self in itertools.product(QUANTITIES, (False, True)):
            quantity(points, charges, KERNELS[self.kernel], exclude_self=exclude_self, **settings)


def cases(engines: Sequence[str], dtypes: Sequence[str]) -> Iterator[Case]:
    """What is compiled for some engines and dtypes."""
    for engine, dtype in itertools.product(engines, dtypes):
        kernels = KERNELS if engine in ("simd", "gram") else POWERS
        for dimension, kernel in itertools.product(DIMENSIONS[engine], kernels):
            yield Case(engine, dtype, dimension, kernel)


def cache_folder() -> str:
    """Where compiled loops are kept.

    Raises
    ------
    OSError
        If nowhere, or not where NUMBA_CACHE_DIR says; the message is for the user.
    """
    wanted = os.environ.get("NUMBA_CACHE_DIR")
    path = getattr(simd._sum_tiles._cache, "cache_path", None)
    if wanted and not (path and os.path.isdir(wanted) and Path(path).resolve().is_relative_to(Path(wanted).resolve())):
        raise OSError(f"NUMBA_CACHE_DIR: expected a folder that can be written, got {wanted}")
    if path is None or not os.access(path, os.W_OK):
        raise OSError("no folder for compiled loops can be written; let NUMBA_CACHE_DIR name one")
    return wanted or path


def warm(engines: Sequence[str], dtypes: Sequence[str]) -> None:
    """Compile, and say what, how long it took and where it is kept.

    Raises
    ------
    OSError
        If the loops can't be kept.
    """
    folder = cache_folder()
    begin = time.perf_counter()
    for (engine, dtype), group in itertools.groupby(cases(engines, dtypes), key=lambda case: case[:2]):
        some = list(group)
        dimensions = ", ".join(str(m) for m in dict.fromkeys(case.dimension for case in some))
        kernels = ", ".join(dict.fromkeys(case.kernel for case in some))
        print(f"{engine:<6}{dtype}, m = {dimensions}: {kernels} ...", end=" ", flush=True)
        before, start = compilations.count, time.perf_counter()
        for case in some:
            case.run()
        print(f"{compilations.count - before} loops, {time.perf_counter() - start:.1f} s", flush=True)
    print(f"{compilations.count} loops compiled in {time.perf_counter() - begin:.1f} s, kept in {folder}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit status: 0, 2 where the loops can't be kept, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m coulombfield", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    text = "compile the loops of the engines on NumPy for common kernels, and keep them on disk"
    options = commands.add_parser("warm", help=text, description=text)
    options.add_argument("--only", nargs="+", choices=DIMENSIONS, metavar="ENGINE", help=", ".join(DIMENSIONS))
    options.add_argument("--dtype", nargs="+", choices=DTYPES, metavar="DTYPE", help="default: float32 float64")
    given = parser.parse_args(arguments)
    logging.getLogger("coulombfield").setLevel(logging.ERROR)  # that it takes seconds is why this was called
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)  # such as that the disk is full
            warm(given.only or tuple(DIMENSIONS), given.dtype or DTYPES)
    except KeyboardInterrupt:
        print("stopped; what has been compiled is kept", file=sys.stderr)
        return 130
    except (OSError, RuntimeWarning) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
