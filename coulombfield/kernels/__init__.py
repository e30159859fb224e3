r"""Radial kernels: functions of s = r² with two derivatives, a file each.

With :math:`k(a, b) = f(s)` and :math:`s = \|a - b\|^2` in m dimensions,

.. math:: \nabla_a k = 2 f'(s)\,(a - b), \qquad \nabla_a^2 k = 4 s f''(s) + 2 m f'(s).

A kernel checks its parameters and turns them into a profile (:mod:`coulombfield.profiles`), whose class is in the same
file: the formulas, for arrays, for loops compiled by Numba and for CUDA, and what engines ask a kernel.
"""

from .coulomb import Coulomb
from .custom import Custom
from .gaussian import Gaussian
from .kernel import KernelSum, RadialKernel, ScaledKernel, check_derivatives, check_kernel, value_at_zero
from .laplace import Laplace
from .plummer import Plummer
from .sheets import Sheets

__all__ = [
    "Coulomb",
    "Custom",
    "Gaussian",
    "KernelSum",
    "Laplace",
    "Plummer",
    "RadialKernel",
    "ScaledKernel",
    "Sheets",
    "check_derivatives",
    "check_kernel",
    "value_at_zero",
]
