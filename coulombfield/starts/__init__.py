"""Where particles start from: models of star clusters, clouds, lattices and two bodies, each a group.

Examples
--------
>>> import numpy as np
>>> from coulombfield.starts import plummer_sphere
>>> plummer_sphere(1000, np.random.default_rng(0))
Group(1000 moving in 3 dimensions, float64)
"""

from .gaussian_cloud import gaussian_cloud
from .lattice import lattice
from .plummer_sphere import plummer_sphere
from .two_bodies import two_bodies
from .uniform_ball import uniform_ball

__all__ = ["gaussian_cloud", "lattice", "plummer_sphere", "two_bodies", "uniform_ball"]
