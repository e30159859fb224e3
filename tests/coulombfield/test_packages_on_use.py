"""``cf.flow`` and its like are there after ``import coulombfield``, which does not import them."""

import subprocess
import sys

import pytest

import coulombfield as cf


def test_importing_the_package_imports_none_of_them():
    """Nor an exact sum the engines that work to a tolerance, or all submodules of NumPy."""
    program = (
        "import sys, numpy as np, coulombfield as cf\n"
        "points = np.zeros((2, 2))\n"
        "cf.potential(points, cf.Charges(points, np.ones(2)), cf.Plummer(), method='direct')\n"
        "unused = {'numpy.f2py', *(f'coulombfield.sums.{name}' for name in ('tree', 'ewald', 'fourier.nufft'))}\n"
        "assert not unused & set(sys.modules)\n"
        "assert not [name for name in cf.ON_USE if f'coulombfield.{name}' in sys.modules]\n"
        "assert set(cf.ON_USE) <= set(dir(cf))\n"
        "assert cf.flow.Euler(0.1).step == 0.1 and 'coulombfield.flow' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("name", cf.ON_USE)
def test_each_is_there(name):
    assert getattr(cf, name).__name__ == f"coulombfield.{name}"


def test_what_is_not_there_is_named():
    with pytest.raises(AttributeError, match=r"module 'coulombfield' has no attribute 'flows'"):
        _ = cf.flows
