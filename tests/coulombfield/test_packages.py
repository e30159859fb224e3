"""Optional packages that are installed but can't be imported: as good as missing, with the reason."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from coulombfield import Plummer, arrays, explain, interop, potential, real_charges
from coulombfield.packages import trouble_with
from coulombfield.sums import costs

BROKEN = {
    "import packages_that_nobody_has": "ModuleNotFoundError: No module named 'packages_that_nobody_has'",
    "raise OSError('libgomp.so.1: cannot open shared object file')": "OSError: libgomp.so.1: cannot open shared object",
    "raise RuntimeError('numpy is too old\\n\\nsee the manual')": r"RuntimeError: numpy is too old\)$",
}


@pytest.fixture(params=BROKEN)
def broken(request, tmp_path, monkeypatch):
    """Make a package fail at its import; the end of the line that says why."""

    def breaks(package):
        monkeypatch.delitem(sys.modules, package, raising=False)
        (tmp_path / f"{package}.py").write_text(request.param)
        monkeypatch.syspath_prepend(tmp_path)
        return rf"{package} can't be imported \({BROKEN[request.param]}"

    return breaks


def test_auto_falls_back_and_says_why(broken, monkeypatch):
    why = broken("finufft")
    monkeypatch.setattr(costs, "_found", replace(costs.BUILT_IN, worth_a_plan=0.0))
    points = np.random.default_rng(0).standard_normal((50, 2))
    charges, kernel = real_charges(points), Plummer()
    found, explanation = explain(potential, points, charges, kernel, rtol=1e-3)
    np.testing.assert_allclose(found, potential(points, charges, kernel), rtol=1e-2)
    refusals = {candidate.method: candidate.refusal for candidate in explanation.candidates}
    for method in ("nufft", "split"):
        with pytest.raises(ValueError, match=why):
            potential(points, charges, kernel, rtol=1e-3, method=method)
    assert refusals["nufft"].startswith("finufft can't be imported (")


def test_atoms_say_why(broken):
    with pytest.raises(ImportError, match=f"^to_atoms needs ASE: {broken('ase')}"):
        interop.to_atoms(np.zeros((1, 3)))


def test_a_device_says_why(broken):
    broken("cupy")
    told = []
    assert arrays.select_device("auto", told.append).name == "cpu"
    assert len(told) == 1
    assert told[0].startswith("device: cpu (CuPy can't use a GPU here: ")


def test_a_package_is_there_or_not(monkeypatch):
    assert trouble_with("numpy", "") == ""
    assert trouble_with("packages_that_nobody_has", "pip install x") == (
        "packages_that_nobody_has is not installed; pip install x"
    )
    monkeypatch.setitem(sys.modules, "ase", type("ase", (), {}))
    assert trouble_with("ase", "") == ""
