"""What mypy says of programs that use the packages: nothing of right ones, and the line of each mistake."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RIGHT = """
import numpy as np
import numpy.typing as npt

import coulombfield as cf
from coulombfield import flow
from nets.architectures import mlp
from nets.layers.activations import ELU
from nets.optimizers import Adam

points = np.zeros((3, 2))
charges: cf.Charges = cf.signed_charges(points, points + 1.0)
kernel: cf.RadialKernel = cf.Plummer(exponent=1.0, softening=0.5) + 2.0 * cf.Gaussian(width=1.0)
energy: float = cf.electrostatic_energy(charges, kernel)
potential: npt.NDArray[np.float64] = cf.potential(points, charges, kernel, rtol=1e-6)
both: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] = cf.potential_and_field(points, charges, kernel)
values, explanation = cf.explain(cf.potential, points, charges, kernel, rtol=1e-6)
method: str = explanation.method
by_hand: cf.Charges = cf.Charges([[0, 0], [1, 0]], [1, -1])
end, reason = flow.run(
    cf.flow.State(cf.flow.Group(points)), flow.System(kernel), flow.Euler(step=0.1), until=flow.Stop(steps=1)
)
words: str = reason.upper()
network = mlp((2, 8, 1), ELU)
parameters = network.initialize(np.random.default_rng(0))
y, cache = network.forward(parameters, points)
Adam(parameters, rate=1e-3).update(parameters)
"""
WRONG = """
import numpy as np

import coulombfield as cf
from coulombfield import flow
from nets.architectures import mlp
from nets.optimizers import Adam

points = np.zeros((3, 2))
cf.Plummer(exponent="one")  # [arg-type]
cf.Charges(points)  # [call-arg]
cf.potential(points, points, cf.Plummer())  # [arg-type]
cf.potential(points, cf.real_charges(points), cf.Plummer(), tolerance=1e-6)  # [call-arg]
both: str = cf.potential(points, cf.real_charges(points), cf.Plummer())  # [assignment]
number: str = cf.self_energy(cf.real_charges(points), cf.Plummer())  # [assignment]
cf.charges_of(points)  # [attr-defined]
cf.flow.Eular(0.1)  # [attr-defined]
flow.Euler(0.1).step = 0.2  # [misc]
flow.run(points, flow.System(cf.Plummer()), flow.Euler(0.1), until=flow.Stop(steps=1))  # [arg-type]
mlp((2, 8, 1), "elu")  # [arg-type]
Adam(points, rate=1e-3)  # [arg-type]
"""


@pytest.fixture(scope="module")
def findings(tmp_path_factory) -> dict[str, list[tuple[int, str]]]:
    """Line and code of each error by program; only these are looked at, by what the packages say of themselves."""
    folder = tmp_path_factory.mktemp("mypy")
    programs = {"right": RIGHT, "wrong": WRONG}
    for name, program in programs.items():
        (folder / f"{name}.py").write_text(program, encoding="utf-8")
    settings = f"[mypy]\nmypy_path = {ROOT}\nfollow_imports = silent\nignore_missing_imports = true\n"
    (folder / "mypy.ini").write_text(settings, encoding="utf-8")
    options = ["--config-file", "mypy.ini", "--no-error-summary"]
    command = [sys.executable, "-m", "mypy", *options, *(f"{name}.py" for name in programs)]
    told = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert told.stderr == ""
    lines = [line for line in told.stdout.splitlines() if ": note:" not in line]
    matches = [re.fullmatch(r"(\w+)\.py:(\d+): error: .*\[([a-z-]+)\]", line) for line in lines]
    assert all(matches), told.stdout
    return {name: [(int(each[2]), each[3]) for each in matches if each and each[1] == name] for name in programs}


@pytest.mark.slow
def test_a_right_program_has_no_findings(findings):
    assert findings["right"] == []


@pytest.mark.slow
def test_each_mistake_is_found_in_its_line(findings):
    expected = [
        (number, line.rpartition("# [")[2].rstrip("]"))
        for number, line in enumerate(WRONG.splitlines(), 1)
        if "# [" in line
    ]
    assert findings["wrong"] == expected


@pytest.mark.parametrize("package", ["coulombfield", "nets"])
def test_a_package_says_that_it_has_types(package):
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert (Path(spec.submodule_search_locations[0]) / "py.typed").exists()
