"""One case: what is summed, by which engine and to which tolerance, and the true error over all targets."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from coulombfield import Charges, Coulomb, Gaussian, Plummer, field, laplacian, potential, potential_and_field
from coulombfield.kernels import RadialKernel
from coulombfield.profiles import GradientSize, Laplacian, Magnitude
from coulombfield.rng import Streams
from coulombfield.sums.pairs import simd
from coulombfield.sums.request import Request

from .scenes import COUNTS, LAYOUTS, WEIGHTS

METHODS = ("nufft", "split", "tree")
OUTPUTS = {"potential": potential, "field": field, "both": potential_and_field, "laplacian": laplacian}
EXPONENTS = (1.0, 1.5)
"""One whose loops need no power, and one whose do; each further one would be compiled anew."""


class Case(NamedTuple):
    """A sum, its arguments and the tolerance."""

    label: str
    method: str
    output: str
    targets: np.ndarray
    charges: Charges
    kernel: RadialKernel
    exclude_self: bool
    rtol: float


class Outcome(NamedTuple):
    """How a case ended."""

    case: Case
    error: float | None
    """True error over all targets, relative as ``rtol`` is; None if the engine said that it can't keep ``rtol``."""
    refusal: str = ""

    @property
    def kept(self) -> bool:
        """Whether the promise was kept; an engine that gives no numbers breaks none."""
        return self.error is None or self.error <= self.case.rtol


def draw(seed: int, number: int) -> Case:
    """Case of that number in the campaign with that seed."""
    rng = Streams(seed).stream(f"case {number}")
    method = METHODS[number % len(METHODS)]
    layout, weights = str(rng.choice(list(LAYOUTS))), str(rng.choice(list(WEIGHTS)))
    output, dimension = str(rng.choice(list(OUTPUTS))), int(rng.integers(1, 3 if method == "tree" else 4))
    dtype = str(rng.choice(["float32", "float64"]))
    digits = rng.uniform(3, 5 if dtype == "float32" else 12)
    same = rng.random() < 0.2
    count, charges = COUNTS[-1] if same else COUNTS[rng.integers(len(COUNTS))]
    scene = LAYOUTS[layout](rng, count, charges, dimension)
    positions = scene.positions.astype(dtype)
    if same and rng.random() < 0.5:  # where few are near, the targets' layout is another than the charges'
        positions = scene.targets.astype(dtype)
    exponent, softening = float(rng.choice(EXPONENTS)), 10.0 ** rng.uniform(-1.5 if method == "nufft" else -4, 0.5)
    kernel: RadialKernel = Plummer(exponent, softening)
    exclude_self = same and bool(rng.random() < 0.5)
    if method == "nufft" and rng.random() < 0.3:
        kernel = Gaussian(3 * softening)
    elif exclude_self and method != "nufft" and rng.random() < 0.5:
        kernel = Coulomb(exponent)
    targets = positions if same else scene.targets.astype(dtype)
    label = f"{number}: {method} {output} {layout}, {weights}, m={dimension} {dtype} rtol={10**-digits:.1e} {kernel}"
    label += f" {len(targets)}x{charges}" + same * " same" + exclude_self * " without self"
    values = WEIGHTS[weights](rng, charges).astype(dtype)
    return Case(label, method, output, targets, Charges(positions, values), kernel, exclude_self, float(10**-digits))


def run(case: Case) -> Outcome:
    """Sum, and compare at every target with exact sums in float64."""
    try:
        found: Any = OUTPUTS[case.output](
            case.targets,
            case.charges,
            case.kernel,
            exclude_self=case.exclude_self,
            rtol=case.rtol,
            method=case.method,
        )
    except ArithmeticError as reason:
        return Outcome(case, None, str(reason))
    return Outcome(case, max(_errors(case, found if case.output == "both" else (found,))))


def _errors(case: Case, found: tuple[np.ndarray, ...]) -> list[float]:
    """Errors of what was summed, each relative to the root mean square of the sums of the terms' magnitudes."""
    positions = case.charges.positions.astype(float)
    targets = positions if case.targets is case.charges.positions else case.targets.astype(float)
    profile = case.kernel.profile
    if case.output == "laplacian":
        profile = Laplacian.of(profile, targets.shape[1])
    weights = case.charges.weights.astype(float)
    has_field = case.output in ("field", "both")
    request = Request(targets, positions, weights, profile, case.exclude_self, case.output != "field", has_field)
    exact = [values for values in simd.evaluate(request) if values is not None]
    profiles = [Magnitude(profile)] * request.potential + [GradientSize(profile)] * request.field
    sizes = request._replace(weights=np.abs(weights), potential=True, field=False)
    errors = []
    for values, expected, size in zip(found, exact, profiles, strict=True):
        scale = simd.evaluate(sizes._replace(profile=size)).potential
        finite = np.isfinite(scale)  # bare charges that coincide have infinite sums, for which no error is too large
        if np.any(scale[finite]):
            error = np.linalg.norm(values[finite].astype(float) - expected[finite])
            errors.append(float(error / np.linalg.norm(scale[finite])))
    return errors or [0.0]
