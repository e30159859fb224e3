r"""Eq 13 (v1 Eq 23): the Laplace operator in spherical coordinates, with its three terms taken by finite differences.

The spherical Laplacian :math:`\nabla^2_{S^{m-1}} f` at a point of the unit sphere is the sum of the second derivatives
of f along m − 1 great circles that cross there at right angles. Harmonic polynomials of degree l are its
eigenfunctions, with eigenvalues −l (l + m − 2).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import mpmath
import numpy as np

import coulombfield as cf
from coulombfield.calculus import directional_derivative, observed_order, second_directional_derivative
from validation.context import Context

from ..convergence import COARSE, FINE, Convergence
from ..evidence import Finding, Measurement, Plot, Subject, at_most, near

DIGITS = 60
STEP = mpmath.mpf(10) ** -20  # truncation 1e-40, rounding 1e-60 / 1e-40
SMALLEST = float(np.finfo(float).tiny)  # an error of exactly 0 has no logarithm
EXACT = 1e-15  # far above those 20 digits, far below any wrong factor


class Terms(NamedTuple):
    """Terms of the operator on a function at a point.

    Attributes
    ----------
    radial : number
        ∂²f/∂r² + (m − 1)/r ∂f/∂r.
    angular : number
        ∇²_S f / r².
    """

    radial: Any
    angular: Any


def spherical_terms(function: Callable[[np.ndarray], Any], x: np.ndarray, step: Any) -> Terms:
    """Both parts of the Laplacian at x by central differences along the ray and along great circles.

    Parameters
    ----------
    function : callable
        From points (N, m) to values (N,), both of mpmath numbers if x is.
    x : array, shape (m,)
        The point; floats, or mpmath numbers as objects.
    step : number
        Step of the differences [length].
    """
    m = len(x)
    r = (x @ x) ** 0.5
    ray, *tangents = _frame(x / r)
    cos, sin = (np.frompyfunc(f, 1, 1) for f in (mpmath.cos, mpmath.sin)) if x.dtype == object else (np.cos, np.sin)

    def along_ray(t: np.ndarray) -> Any:
        return function((x + t * ray)[None])[0]

    def along_circles(t: np.ndarray) -> Any:
        return function(r * np.stack([cos(t) * ray + sin(t) * tangent for tangent in tangents])).sum()

    zero, one = 0 * r, 1 + 0 * r
    first = directional_derivative(along_ray, zero, one, step)
    second = second_directional_derivative(along_ray, zero, one, step)
    around = second_directional_derivative(along_circles, zero, one, step / r)
    return Terms(second + (m - 1) / r * first, around / r**2)


def spherical_laplacian(context: Context) -> Finding:
    """Printed and corrected operator on harmonic polynomials, and on potentials whose centre is elsewhere."""
    residual, missing, eigenvalue, plane = _on_harmonics(context)
    convergences = {m: _on_potentials(context, m) for m in context.pick((3, 5, 8), (3, 5))}
    measurements: list[Measurement] = [
        at_most("printed operator on harmonic polynomials, m > 2, in f/r²; 0 is right", missing[0], EXACT),
        at_most("with 1/r²: the same", residual, EXACT, Subject.CORRECTED),
        at_most("printed operator is off by (2 − m) l (l + m − 2) f/r²", missing[1], EXACT, Subject.CORRECTED),
        at_most("eigenvalues of the spherical Laplacian are −l (l + m − 2)", eigenvalue, EXACT, Subject.CORRECTED),
        at_most("m = 2, where both are the same, in f/r²", plane, EXACT, Subject.CORRECTED),
    ]
    for m, (corrected, wrong) in convergences.items():
        # second differences lose eps/h²: 1e-16 / 2^-20 and less, times some 10 for m terms
        name = f"m = {m}, with 1/r², on a potential against cf.laplacian"
        measurements += corrected.measurements(name, 1e-7, Subject.CORRECTED)
        name = f"m = {m}, as printed, on the same potential: order, 0 for a wrong form"
        measurements.append(near(name, wrong.order, 0, 0.1, Subject.CORRECTED))
    return Finding(measurements, [_plot(convergences)])


def _on_harmonics(context: Context) -> tuple[float, tuple[float, float], float, float]:
    """Largest errors: corrected form; printed form, and what it misses beside the formula; eigenvalues; m = 2."""
    corrected = printed = formula = eigenvalue = plane = 0.0
    with mpmath.workdps(DIGITS):
        for m in context.pick((2, 3, 4, 5, 8, 20), (2, 3, 5)):
            x = np.array([1 + mpmath.mpf(i) / (2 * m) for i in range(m)], dtype=object)  # no polynomial is 0 there
            square = x @ x
            for degree, function in _harmonics(m):
                radial, angular = spherical_terms(function, x, STEP)
                size = function(x[None])[0] / square
                right, wrong = (radial + angular) / size, (radial + (m - 1) * angular) / size
                value = -degree * (degree + m - 2)
                eigenvalue = np.maximum(eigenvalue, float(abs(angular / size - value)))
                if m == 2:
                    plane = np.max([plane, float(abs(right)), float(abs(wrong))])
                    continue
                corrected = np.maximum(corrected, float(abs(right)))
                printed = np.maximum(printed, float(abs(wrong)))
                formula = np.maximum(formula, float(abs(wrong - (m - 2) * value)))
    return corrected, (printed, formula), eigenvalue, plane


def _harmonics(m: int) -> Sequence[tuple[int, Callable[[np.ndarray], Any]]]:
    """Harmonic homogeneous polynomials with their degrees."""
    return (
        (1, lambda x: x[:, -1]),
        (2, lambda x: x[:, 0] * x[:, 1]),
        (2, lambda x: m * x[:, 0] ** 2 - (x**2).sum(axis=1)),
        (3, lambda x: x[:, 0] ** 3 - 3 * x[:, 0] * x[:, 1] ** 2),
        (4, lambda x: x[:, 0] ** 4 - 6 * x[:, 0] ** 2 * x[:, 1] ** 2 + x[:, 1] ** 4),
    )


def _on_potentials(context: Context, m: int) -> tuple[Convergence, Convergence]:
    """Errors of the corrected and of the printed operator on the potential of charges that aren't at the origin."""
    rng = context.rng(f"spherical-laplacian-{m}")
    kernel = cf.Plummer(1.0, 1.0)
    charges = cf.Charges(context.put(rng.uniform(-1, 1, (4, m))), context.put(np.array([1.0, 0.5, 0.75, 1.25])))
    places = rng.standard_normal((8, m))
    places *= 1.5 / np.linalg.norm(places, axis=1, keepdims=True)

    def potential(points: np.ndarray) -> np.ndarray:
        return context.host(cf.potential(context.put(points), charges, kernel, method="direct"))

    exact = context.host(cf.laplacian(context.put(places), charges, kernel, method="direct"))
    steps = (*COARSE, *FINE)
    terms = np.array([[spherical_terms(potential, x, step) for x in places] for step in steps])

    def convergence(coefficient: float) -> Convergence:
        found = terms @ np.array([1.0, coefficient])  # radial and angular part
        relative = np.max(np.abs(found - exact), axis=1) / np.max(np.abs(exact))
        errors = tuple(float(error) for error in np.maximum(relative, SMALLEST))
        return Convergence(steps, errors, observed_order(steps[: len(COARSE)], errors[: len(COARSE)]))

    return convergence(1), convergence(m - 1)


def _plot(convergences: dict[int, tuple[Convergence, Convergence]]) -> Plot:
    curves = [
        convergences[m][printed].curve(f"m = {m}, " + ("(m − 1)/r², as printed" if printed else "1/r²"))
        for m in (3, 5)
        for printed in (0, 1)
    ]
    return Plot(
        "laplacian-spherical",
        "Laplace operator in spherical coordinates on a potential",
        "Finite differences of the three terms beside the package's Laplacian: with 1/r² before the spherical one "
        "the error falls as h² until rounding rules, with (m − 1)/r² it stays.",
        "step h [length]",
        "relative error",
        curves,
        log_x=True,
        log_y=True,
    )


def _frame(ray: np.ndarray) -> np.ndarray:
    """Orthonormal basis whose first row is the unit vector ``ray``: a Householder reflection's rows."""
    identity = np.eye(len(ray), dtype=ray.dtype)
    normal = ray + (1 if ray[0] >= 0 else -1) * identity[0]
    reflection = identity - 2 * np.outer(normal, normal) / (normal @ normal)
    return np.concatenate([ray[None], reflection[1:]])
