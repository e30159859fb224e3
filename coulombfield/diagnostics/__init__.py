"""What to look at in a set of charges: energies, forces, neighbours, pictures, and how far two samples are apart."""

from .energies import EnergyParts, ForceNorms, energy_parts, force_norms
from .fields import FieldCheck, check_field, curl, divergence, jacobian
from .grids import Density, GridPotential, density_histogram, potential_on_grid
from .neighbours import Neighbours, nearest_neighbours
from .samples import NegativeDistance, SampleTest, energy_distance, mmd_squared, permutation_test

__all__ = [
    "Density",
    "EnergyParts",
    "FieldCheck",
    "ForceNorms",
    "GridPotential",
    "NegativeDistance",
    "Neighbours",
    "SampleTest",
    "check_field",
    "curl",
    "density_histogram",
    "divergence",
    "energy_distance",
    "energy_parts",
    "force_norms",
    "jacobian",
    "mmd_squared",
    "nearest_neighbours",
    "permutation_test",
    "potential_on_grid",
]
