"""Radial kernels: slope and curvature by s = r², and the derivative by the softening."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from coulombfield import Coulomb, Custom, Gaussian, Laplace, Plummer, RadialKernel, Sheets
from coulombfield.kernels import KernelSum, ScaledKernel
from validation.context import Context

from .differences import Case
from .registry import Row

KERNELS: dict[str, RadialKernel] = {
    "Plummer 1": Plummer(exponent=1.0, softening=0.8),
    "Plummer 2": Plummer(exponent=2.0, softening=0.7),
    "Plummer 3": Plummer(exponent=3.0, softening=1.1),
    "Plummer 4": Plummer(exponent=4.0, softening=1.2),
    "Plummer 2.5": Plummer(exponent=2.5, softening=0.9),
    "Coulomb 1": Coulomb(exponent=1.0),
    "Coulomb 2.5": Coulomb(exponent=2.5),
    "Gaussian": Gaussian(width=1.3),
    "Laplace": Laplace(width=1.7),
    "Sheets": Sheets(),
    "Custom": Custom(lambda s: 1 / (s + 1), lambda s: -1 / (s + 1) ** 2, lambda s: 2 / (s + 1) ** 3),
    "scaled": ScaledKernel(-0.7, Plummer(exponent=1.0, softening=0.8)),
    "sum": KernelSum(Gaussian(width=2.0), ScaledKernel(0.5, Plummer(exponent=3.0, softening=1.1))),
}
"""Every kernel, with the exponents that have formulas of their own; they vary over lengths of about 1."""

SMALLEST, LARGEST = 0.05, 30.0  # squared distances [length²]: less is lost beside the softening


def at_softening(kernel: RadialKernel, change: float) -> RadialKernel:
    """The same kernel with another softening; for the kernels that have one."""
    if isinstance(kernel, ScaledKernel):
        return ScaledKernel(kernel.weight, at_softening(kernel.kernel, change))
    assert isinstance(kernel, Plummer)
    return dataclasses.replace(kernel, softening=kernel.softening + change)


def has_softening(kernel: RadialKernel) -> bool:
    """Whether :meth:`RadialKernel.softening_derivative` has an answer."""
    try:
        kernel.softening_derivative()
    except TypeError:
        return False
    return True


def rows() -> list[Row]:
    """Two or three rows for each kernel."""
    return [row for name, kernel in KERNELS.items() for row in _rows_of(name, kernel)]


def _rows_of(name: str, kernel: RadialKernel) -> Iterator[Row]:
    quantities: dict[str, Callable[[str, RadialKernel, Context], Iterator[Case]]] = {
        "slope": functools.partial(_by_square, "value", "slope"),
        "curvature": functools.partial(_by_square, "slope", "curvature"),
    }
    if has_softening(kernel):
        quantities["softening_derivative"] = _by_softening
    for quantity, cases in quantities.items():
        yield Row(f"{name}: {quantity}", "kernel", (type(kernel),), functools.partial(cases, name, kernel))


def _squares(context: Context, rng: np.random.Generator) -> np.ndarray:
    return np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST), context.pick(200, 50)))


def _by_square(of: str, derivative: str, name: str, kernel: RadialKernel, context: Context) -> Iterator[Case]:
    """f(s (1 + t / 2)): steps that are a share of s suit small distances and large ones."""
    s = _squares(context, context.rng(f"gradients {name} {derivative}"))
    terms = _size(kernel, of, s), s / 2 * _size(kernel, derivative, s)  # each number by itself

    def moved(t: float) -> np.ndarray:
        return context.host(getattr(kernel, of)(context.put(s * (1 + t / 2))))

    exact = s / 2 * context.host(getattr(kernel, derivative)(context.put(s)))
    yield Case(f"{kernel}, s from {SMALLEST} to {LARGEST}", moved, exact, *terms)


def _by_softening(name: str, kernel: RadialKernel, context: Context) -> Iterator[Case]:
    s = _squares(context, context.rng(f"gradients {name} softening"))
    exact = context.host(kernel.softening_derivative().value(context.put(s)))

    def moved(t: float) -> np.ndarray:
        return context.host(at_softening(kernel, t).value(context.put(s)))

    yield Case(f"{kernel}, s from {SMALLEST} to {LARGEST}", moved, exact, np.abs(moved(0.0)), np.abs(exact))


def _size(kernel: Any, quantity: str, s: np.ndarray) -> np.ndarray:
    """Magnitude of value, slope or curvature, those of a sum's parts added."""
    if isinstance(kernel, KernelSum):
        return _size(kernel.left, quantity, s) + _size(kernel.right, quantity, s)
    return np.abs(getattr(kernel, quantity)(s))
