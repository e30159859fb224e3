"""What to look at in a set of charges: energies, forces, neighbours, pictures, and how far two samples are apart."""

from .energies import EnergyParts, ForceNorms, energy_parts, force_norms
from .fields import FieldCheck, check_field, curl, divergence, jacobian
from .grids import Density, GridPotential, density_histogram, potential_on_grid
from .mechanics import (
    angular_momentum,
    centre_of_mass,
    kinetic_energy,
    momentum,
    virial,
    virial_pressure,
    virial_ratio,
)
from .neighbours import Neighbours, nearest_neighbours
from .samples import NegativeDistance, SampleTest, energy_distance, mmd_squared, permutation_test
from .structure import (
    Histogram,
    lagrangian_radii,
    maxwell_density,
    radial_distribution,
    speed_distribution,
    structure_factor,
)

__all__ = [
    "Density",
    "EnergyParts",
    "FieldCheck",
    "ForceNorms",
    "GridPotential",
    "Histogram",
    "NegativeDistance",
    "Neighbours",
    "SampleTest",
    "angular_momentum",
    "centre_of_mass",
    "check_field",
    "curl",
    "density_histogram",
    "divergence",
    "energy_distance",
    "energy_parts",
    "force_norms",
    "jacobian",
    "kinetic_energy",
    "lagrangian_radii",
    "maxwell_density",
    "mmd_squared",
    "momentum",
    "nearest_neighbours",
    "permutation_test",
    "potential_on_grid",
    "radial_distribution",
    "speed_distribution",
    "structure_factor",
    "virial",
    "virial_pressure",
    "virial_ratio",
]
