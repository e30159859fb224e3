"""The benchmark of bodies: which peers it has, what it measures, and how far their forces agree."""

import importlib.util
import json

import numpy as np
import pytest

from validation.__main__ import main
from validation.speed.nbody import agreement, benchmark
from validation.speed.nbody.peers import Lammps, Ours, largest_difference, missing, relative_error


def speed_nbody(tmp_path, *arguments):
    """Exit code, and rows that the command writes."""
    file = tmp_path / "rows.json"
    code = main(["speed", "nbody", "--quick", "--seconds", "1e-3", "--json", str(file), *arguments])
    return code, json.loads(file.read_text())


def test_without_peers_it_says_so_and_times_the_package_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(benchmark, "QUICK_MANY", 500)
    code, rows = speed_nbody(tmp_path)
    assert code == 0
    printed = capsys.readouterr().out
    for module in ("rebound", "pytreegrav", "lammps[mpi]"):
        assert f"not installed: pip install {module}" in printed
    assert "nothing to compare with" in printed
    assert {(row["table"], row["name"]) for row in rows} == {("pairs", "ours"), ("tree", "ours")}
    assert all(0 < row["min_s"] <= row["median_s"] <= row["max_s"] and row["ratio"] == 1.0 for row in rows)
    assert rows[0]["threads"] == 1


def test_a_force_that_differs_fails_the_command(tmp_path, monkeypatch):
    pytest.importorskip("rebound")
    right = agreement.Rebound.accelerations
    monkeypatch.setattr(benchmark, "missing", lambda module: "" if module == "rebound" else "left out")
    assert speed_nbody(tmp_path, "--only", "agreement")[0] == 0
    monkeypatch.setattr(agreement.Rebound, "accelerations", lambda self: right(self) * (1 + 1e-11))
    code, rows = speed_nbody(tmp_path, "--only", "agreement")
    assert code == 1
    assert {row["note"] for row in rows if row["quantity"] == "forces"} == {"above 1e-12"}


@pytest.mark.parametrize("module", ["rebound", "pytreegrav", "lammps"])
def test_forces_agree_with_those_of_a_peer(module):
    if missing(module):
        pytest.skip(missing(module))
    found = list(agreement.differences({module}))
    assert found
    assert max(each.difference for each in found) < 1e-12


def test_a_cutoff_of_lammps_leaves_out_pairs_that_are_farther():
    if missing("lammps"):
        pytest.skip(missing("lammps"))
    positions = np.array([[0.1, 0.5, 0.5], [0.4, 0.5, 0.5], [0.9, 0.5, 0.5]])
    forces = Lammps(positions, np.ones(3), "coul/cut", cutoff=0.4).forces()
    np.testing.assert_allclose(forces[:, 0], [-1 / 0.3**2, 1 / 0.3**2, 0.0], rtol=1e-12)


def test_accelerations_point_at_what_attracts():
    positions, masses = np.array([[0.0, 0.0, 0.0], [3.0, 0.0, 0.0]]), np.array([1.0, 2.0])
    for softening, size in ((0.0, 1 / 9), (4.0, 3 / 125)):
        found = Ours(positions, masses, softening).accelerations()
        np.testing.assert_allclose(found, [[2 * size, 0, 0], [-size, 0, 0]], rtol=1e-14)


def test_errors_are_relative():
    exact = np.array([[3.0, 4.0], [0.0, 5.0]])
    found = exact + np.array([[0.0, 0.5], [0.0, 0.0]])
    assert relative_error(found, exact) == pytest.approx(0.5 / np.sqrt(50))
    assert largest_difference(found, exact) == pytest.approx(0.1)
    assert largest_difference(np.full((2, 2), np.nan), exact) == float("inf")


@pytest.mark.slow  # whose classes are compiled anew in each process
def test_the_opening_angle_has_about_the_error_that_is_asked_for():
    if importlib.util.find_spec("pytreegrav") is None:
        pytest.skip("pytreegrav is not installed")
    rng = np.random.default_rng(0)
    peer = benchmark.TreeGravity(rng.random((2000, 3)), np.full(2000, 1 / 2000), 0.01)
    rows, exact = peer.sample(400)
    theta = peer.opening_angle(rows, exact, 1e-3, quadrupole=False)
    side = benchmark.TreeGravity(peer._positions, peer._masses, 0.01, theta=theta)
    assert 0.7e-3 < relative_error(side.accelerations()[rows], exact) < 1.5e-3
