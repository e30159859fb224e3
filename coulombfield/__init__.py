"""Potentials, fields and energies of softened charges, on NumPy, CuPy and any array-API library.

Notation is that of Unterthiner et al., "Coulomb GANs" (ICLR 2018): real data carry positive charge, generated samples
negative, Φ = Σ q k, E = −∇Φ and F = ½ Σ q Φ.

Examples
--------
>>> import numpy as np
>>> import coulombfield as cf
>>> charges = cf.Charges(positions=np.zeros((1, 2)), weights=np.ones(1))
>>> cf.potential(np.asarray([[3.0, 4.0]]), charges, cf.Coulomb(exponent=1))
array([0.2])
"""

import importlib
from typing import TYPE_CHECKING, Any

from .charges import Charges, generated_charges, real_charges, signed_charges
from .derivatives import Gradient, field_jvp, field_vjp, potential_jvp, potential_vjp
from .energy import (
    EnergyGradient,
    electrostatic_energy,
    electrostatic_energy_gradient,
    energy_gradient,
    interaction_energy,
    self_energy,
    softening_gradient,
)
from .kernels import Coulomb, Custom, Gaussian, Laplace, Plummer, RadialKernel, Sheets
from .sums import Explanation, explain, field, laplacian, potential, potential_and_field
from .tabulated import TabulatedField

if TYPE_CHECKING:
    from . import diagnostics as diagnostics
    from . import flow as flow
    from . import interop as interop
    from . import out_of_core as out_of_core
    from . import parallel as parallel
    from . import periodic as periodic
    from . import starts as starts
    from . import trajectory as trajectory

__all__ = [
    "Charges",
    "Coulomb",
    "Custom",
    "EnergyGradient",
    "Explanation",
    "Gaussian",
    "Gradient",
    "Laplace",
    "Plummer",
    "RadialKernel",
    "Sheets",
    "TabulatedField",
    "electrostatic_energy",
    "electrostatic_energy_gradient",
    "energy_gradient",
    "explain",
    "field",
    "field_jvp",
    "field_vjp",
    "generated_charges",
    "interaction_energy",
    "laplacian",
    "potential",
    "potential_and_field",
    "potential_jvp",
    "potential_vjp",
    "real_charges",
    "self_energy",
    "signed_charges",
    "softening_gradient",
]

ON_USE = ("diagnostics", "flow", "interop", "out_of_core", "parallel", "periodic", "starts", "trajectory")
"""Packages that are imported when they are first used, as ``cf.flow``, since what they need takes its time."""


if not TYPE_CHECKING:  # a type checker would then take every name for one that is here

    def __getattr__(name: str) -> Any:
        if name in ON_USE:
            return importlib.import_module(f".{name}", __name__)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *ON_USE})
