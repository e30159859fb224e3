"""What the package has that a row has to cover, found by looking, so that what is added can't be forgotten."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

import coulombfield
import experiments.gans
import nets
from coulombfield.diagnostics import NegativeDistance
from experiments.gans.gan import GAN
from nets.architectures import efficientnet_lite0, inception
from nets.layers.activations import Activation
from nets.layers.base import Layer

from .registry import Row

EXEMPT: dict[Any, str] = {
    Layer: "the protocol: it computes nothing",
    GAN: "the base class: its gradients are its subclasses'",
    Activation: "the base class: apply and scale_by_slope are its subclasses'",
    coulombfield.RadialKernel: "the base class: its formulas are its subclasses'",
    NegativeDistance: "has values only: diagnostics differentiate none of it",
    coulombfield.Charges: "holds arrays and computes nothing",
    coulombfield.Gradient: "names results and computes nothing",
    coulombfield.EnergyGradient: "names results and computes nothing",
    coulombfield.Explanation: "names results and computes nothing",
    coulombfield.explain: "calls a function that has rows",
    coulombfield.signed_charges: "gives positions as they are and constant weights",
    coulombfield.real_charges: "gives positions as they are and constant weights",
    coulombfield.generated_charges: "gives positions as they are and constant weights",
    efficientnet_lite0.weight_shapes: "names shapes of a network that only runs forwards",
    inception.convolutions: "names parts of a network that only runs forwards",
    inception.shapes: "names shapes of a network that only runs forwards",
}
"""What no row covers, and why that is right."""

FUNCTIONS = ("nets.architectures", "nets.losses", "nets.optimizers", "nets.penalties")
"""Modules or packages whose public functions all have a derivative."""


def missing(rows: Sequence[Row]) -> list[str]:
    """Dotted names of what should be in a row, is in none, and has no exemption."""
    covered = {id(part) for part in (*EXEMPT, *(part for row in rows for part in row.covers))}
    return sorted({name_of(part) for part in parts() if id(part) not in covered})


def parts() -> Iterator[Any]:
    """Every layer and network, architecture, loss, optimizer, GAN, kernel and public field operation."""
    for module in modules(nets):
        public = module.__name__.startswith(FUNCTIONS)
        for part in _defined_in(module):
            if isinstance(part, type):
                if hasattr(part, "backward") or (hasattr(part, "update") and public):
                    yield part
            elif public and not part.__name__.startswith("_"):
                yield part
    for module in modules(experiments.gans):
        yield from (part for part in _defined_in(module) if isinstance(part, type) and hasattr(part, "gradients"))
    for module in modules(coulombfield):
        kernels = (part for part in _defined_in(module) if isinstance(part, type))
        yield from (part for part in kernels if issubclass(part, coulombfield.RadialKernel))
    yield from (getattr(coulombfield, name) for name in coulombfield.__all__)


def modules(package: ModuleType) -> Iterator[ModuleType]:
    """A package and all its modules, imported."""
    yield package
    for info in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        yield importlib.import_module(info.name)


def name_of(part: Any) -> str:
    """Dotted name of a class or function."""
    return f"{part.__module__}.{part.__qualname__}"


def _defined_in(module: ModuleType) -> Iterator[Any]:
    """Classes and functions whose home a module is."""
    for part in vars(module).values():
        if (inspect.isclass(part) or inspect.isfunction(part)) and part.__module__ == module.__name__:
            yield part
