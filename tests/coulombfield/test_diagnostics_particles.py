"""Sums of mechanics and distributions of particles: closed forms, invariances, and what gases and lattices have."""

import math

import numpy as np
import pytest
from charge_clouds import seeds
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

from coulombfield import Coulomb, Plummer, diagnostics
from coulombfield.flow import Group, HarmonicTrap, Motion, Snapshot, State, Stop, System, Verlet, run
from coulombfield.starts import lattice, plummer_sphere, two_bodies
from coulombfield.trajectory import MECHANICS, Columns, Trajectory, Writer, pressure_in, radii_of


def gas(seed, count=12, dimension=3):
    rng = np.random.default_rng(seed)
    x, v, f = rng.standard_normal((3, count, dimension))
    return x, v, f, rng.uniform(0.5, 2, count)


@given(seed=seeds, dimension=st.integers(1, 4))
def test_sums_of_mechanics_are_those_of_a_loop(seed, dimension):
    x, v, f, m = gas(seed, 5, dimension)
    assert diagnostics.kinetic_energy(v, m) == pytest.approx(sum(m[i] * v[i] @ v[i] for i in range(5)) / 2)
    assert diagnostics.virial(x, f) == pytest.approx(sum(x[i] @ f[i] for i in range(5)))
    np.testing.assert_allclose(diagnostics.momentum(v, m), sum(m[i] * v[i] for i in range(5)))
    np.testing.assert_allclose(diagnostics.centre_of_mass(x, m), sum(m[i] * x[i] for i in range(5)) / m.sum())
    spin = sum(m[i] * (np.outer(x[i], v[i]) - np.outer(v[i], x[i])) for i in range(5))
    found = diagnostics.angular_momentum(x, v, m)
    if dimension == 3:
        np.testing.assert_allclose(found, [spin[1, 2], spin[2, 0], spin[0, 1]])
    else:
        np.testing.assert_allclose(found, spin[np.triu_indices(dimension, 1)])


@given(seed=seeds)
def test_the_virial_ratio_does_not_know_who_looks(seed):
    """Nothing changes in a frame that is elsewhere and moves, as forces of pairs add up to nothing."""
    x, v, f, m = gas(seed)
    f -= f.mean(axis=0)
    expected = diagnostics.virial_ratio(x, v, m, f)
    assert diagnostics.virial_ratio(x + 3.0, v - 2.0, m, f) == pytest.approx(expected)
    assert diagnostics.virial_ratio(x, 2 * v, m, f) == pytest.approx(4 * expected)


@pytest.mark.parametrize("exponent", [1.0, 3.0])
def test_the_virial_of_a_power_law_is_its_exponent_times_the_energy(exponent):
    x = gas(0)[0]
    state = State(Group(x, charges=np.linspace(-1, 2, 12), masses=1.0))
    now = Snapshot.of(state, Motion(System(Coulomb(exponent), exclude_self=True), state, None, False))
    assert diagnostics.virial(x, now.force) == pytest.approx(exponent * now.energy)


def test_a_circle_has_a_virial_ratio_of_one():
    group = two_bodies()
    state = State(group)
    now = Snapshot.of(state, Motion(System(Coulomb(1.0), coupling=-1, exclude_self=True), state, None, False))
    assert MECHANICS["virial_ratio"](now) == pytest.approx(1)
    assert MECHANICS["total_energy"](now) == pytest.approx(-0.125)


def test_an_ideal_gas_has_its_pressure():
    """P V = N T, and springs that hold the particles lower it."""
    rng = np.random.default_rng(0)
    v = rng.standard_normal((4000, 2)) * math.sqrt(0.3 / 2)
    m, x = np.full(4000, 2.0), rng.random((4000, 2))
    free = diagnostics.virial_pressure(x, v, m, 0 * x, volume=5.0)
    assert free * 5.0 == pytest.approx(4000 * 0.3, rel=5 / math.sqrt(4000))
    held = diagnostics.virial_pressure(x, v, m, -x, volume=5.0)
    assert (held - free) * 10.0 == pytest.approx(-np.sum(x * x))


def test_lagrangian_radii_hold_their_parts():
    group = plummer_sphere(3000, np.random.default_rng(0))
    found = diagnostics.lagrangian_radii(group.positions, group.masses, [0.25, 0.5, 1.0])
    distances = np.linalg.norm(group.positions, axis=1)
    assert [np.sum(distances <= radius * (1 + 1e-9)) for radius in found] == [750, 1500, 3000]
    assert found[1] == pytest.approx(3 * math.pi / 16 * 1.3048, rel=0.1)
    uneven = diagnostics.lagrangian_radii([[0.0], [1.0], [2.0]], [5.0, 1.0, 1.0], [0.7, 0.8, 1.0], centre=[0.0])
    assert uneven.tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_an_ideal_gas_has_no_correlations(dimension):
    """G is 1 to five errors of a count, in a periodic box of unequal edges, for one kind and for two."""
    rng = np.random.default_rng(0)
    box = np.array([1.0, 1.5, 2.0])[:dimension]
    a, b = rng.random((1500, dimension)) * box, rng.random((500, dimension)) * box + 7 * box
    for others in (None, b):
        g = diagnostics.radial_distribution(a, others, longest=0.5, bins=5, box=box)
        possible = 1500 * 1499 if others is None else 1500 * 500
        shells = np.diff(g.edges**dimension) * math.pi ** (dimension / 2) / math.gamma(dimension / 2 + 1)
        expected = possible * shells / box.prod()
        np.testing.assert_array_less(np.abs(g.values - 1), 5 * np.sqrt((2 if others is None else 1) / expected))


def test_the_shells_of_a_lattice_hold_its_neighbours():
    """Of fcc 12 at a/√2, 6 at a, 24 at a √(3/2); as g times the pairs that a shell would hold by chance."""
    group = lattice("fcc", 4)
    g = diagnostics.radial_distribution(group.positions, longest=1.4, bins=140, box=[4.0] * 3)
    shells = 4 / 3 * math.pi * np.diff(g.edges**3)
    neighbours = g.values * shells * (len(group) - 1) / 64
    filled = np.flatnonzero(neighbours)
    np.testing.assert_allclose(g.centres[filled], [math.sqrt(0.5), 1, math.sqrt(1.5)], atol=0.006)
    np.testing.assert_allclose(neighbours[filled], [12, 6, 24])


def test_pairs_at_no_distance_count():
    g = diagnostics.radial_distribution([[0.0], [0.0], [1.2]], longest=2.0, bins=4, volume=10.0)
    assert (g.values * 6 * 1.0 / 10.0).tolist() == pytest.approx([2, 0, 4, 0])


def test_a_structure_factor_of_a_gas_is_one_and_of_a_lattice_its_peaks():
    rng = np.random.default_rng(0)
    n = np.stack(np.meshgrid(*[np.arange(6)] * 2, indexing="ij"), axis=-1).reshape(-1, 2)[1:]
    found = diagnostics.structure_factor(rng.random((4000, 2)), 2 * np.pi * n)
    assert np.mean(found) == pytest.approx(1, abs=5 / math.sqrt(len(n)))
    bcc = lattice("bcc", 3).positions
    peaks = diagnostics.structure_factor(bcc, 2 * np.pi * np.array([[1.0, 1, 0], [1, 0, 0], [1 / 3, 0, 0], [0, 0, 0]]))
    np.testing.assert_allclose(peaks, [54, 0, 0, 54], atol=1e-9)
    ions = lattice("cscl", 3, charge=2.0)
    of_charge = diagnostics.structure_factor(ions.positions, 2 * np.pi * np.eye(3)[:1], ions.charges)
    np.testing.assert_allclose(of_charge, [54])


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_speeds_of_normal_velocities_are_maxwells(dimension):
    v = 0.7 * np.random.default_rng(0).standard_normal((20_000, dimension))
    found = diagnostics.speed_distribution(v, bins=12, largest=2.5)
    whole, _ = integrate.quad(lambda u: diagnostics.maxwell_density([u], 0.7, dimension)[0], 0, 10)
    assert whole == pytest.approx(1)
    width = np.diff(found.edges)
    expected = [
        integrate.quad(lambda u: diagnostics.maxwell_density([u], 0.7, dimension)[0], a, b)[0]
        for a, b in zip(found.edges[:-1], found.edges[1:], strict=True)
    ]
    error = 5 * np.sqrt(np.array(expected) / 20_000) + 1e-4
    np.testing.assert_array_less(np.abs(found.values * width - expected), error)
    all_of_them = diagnostics.speed_distribution(v, bins=7)
    assert np.sum(all_of_them.values * np.diff(all_of_them.edges)) == pytest.approx(1)


def test_arrays_of_any_library_are_looked_at(library, dtype):
    x, v, f, m = (library.put(array.astype(dtype)) for array in gas(0))
    expected = gas(0)
    close = {"rtol": 1e-4 if dtype == "float32" else 1e-12}
    np.testing.assert_allclose(
        diagnostics.virial_ratio(x, v, m, f),
        diagnostics.virial_ratio(expected[0], expected[1], expected[3], expected[2]),
        **close,
    )
    np.testing.assert_allclose(
        diagnostics.lagrangian_radii(x, m), diagnostics.lagrangian_radii(expected[0], expected[3]), **close
    )


def test_observables_become_columns_of_a_run_and_of_its_file(tmp_path):
    rng = np.random.default_rng(0)
    state = State(
        {
            "stars": Group(rng.standard_normal((5, 3)), rng.standard_normal((5, 3)), charges=0.2),
            "hole": Group(np.zeros((1, 3)), charges=1.0, fixed=True),
        }
    )
    system = System(Plummer(1.0, 0.3), coupling=-1, external=HarmonicTrap(0.2))
    observables = {**MECHANICS, "pressure": pressure_in(2.0), "radii": radii_of([0.5], "stars"), "all": radii_of([1.0])}
    record, seen = Columns(observables), []
    with Writer(tmp_path / "a.h5md", observables=observables) as writer:
        run(state, system, Verlet(0.01), until=Stop(steps=20), callbacks=[record, writer, seen.append], every=5)
    columns = record.columns()
    with Trajectory(tmp_path / "a.h5md") as trajectory:
        stored = trajectory.columns()
    assert {*columns} - {*stored} == set()
    for name, column in columns.items():
        np.testing.assert_array_equal(stored[name], column)
        assert column.shape == (5,)
    assert columns["step"].tolist() == [0, 5, 10, 15, 20]
    np.testing.assert_allclose(columns["total_energy"], columns["energy"] + columns["kinetic_energy"])
    assert np.ptp(columns["total_energy"]) < 1e-3
    last = seen[-1]
    masses, x, v = last["stars"].masses, last["stars"].positions, last["stars"].velocities
    np.testing.assert_allclose([columns[f"momentum_{k}"][-1] for k in range(3)], masses @ v)
    np.testing.assert_allclose([columns[f"angular_momentum_{k}"][-1] for k in range(3)], masses @ np.cross(x, v))
    expected = diagnostics.virial_pressure(x, v, masses, last["stars"].force, 2.0)
    assert columns["pressure"][-1] == pytest.approx(expected)
    assert columns["radii_0"][-1] == pytest.approx(diagnostics.lagrangian_radii(x, masses, [0.5])[0])


def test_columns_are_what_pandas_takes():
    pandas = pytest.importorskip("pandas")
    record = Columns(MECHANICS)
    assert record.columns() == {}
    run(State(two_bodies()), System(Plummer(1.0, 0.1)), Verlet(0.1), until=Stop(steps=3), callbacks=[record])
    frame = pandas.DataFrame(record.columns())
    assert frame.shape[0] == 4
    assert {"time", "total_energy", "momentum_2"} <= {*frame.columns}


X, V, F, M = gas(0, 4)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: diagnostics.kinetic_energy(V, M[:3]), ValueError, r"^masses: expected shape \(4,\) like velocities"),
        (lambda: diagnostics.virial(X, F[:3]), ValueError, "^forces: expected 4 rows like positions, got 3"),
        (lambda: diagnostics.virial(X, F[:, :2]), ValueError, "^forces: expected 3 columns like positions, got 2"),
        (lambda: diagnostics.centre_of_mass(X, 0 * M), ValueError, "^masses: expected a positive sum, got 0"),
        (lambda: diagnostics.virial_pressure(X, V, M, F, 0), ValueError, "^volume: expected a positive"),
        (lambda: diagnostics.lagrangian_radii(X, M, [1.5]), ValueError, "^fractions: expected numbers of at most 1"),
        (lambda: diagnostics.lagrangian_radii(X, M, centre=[0.0]), ValueError, "^centre: expected 3 numbers, got 1"),
        (lambda: diagnostics.radial_distribution(X, longest=1.0), ValueError, "^volume: expected a number where"),
        (
            lambda: diagnostics.radial_distribution(X, longest=1.0, box=[1.0] * 3),
            ValueError,
            "^longest: expected at most half a period of the box, 0.5, got 1",
        ),
        (
            lambda: diagnostics.radial_distribution(X[:1], longest=1.0, volume=1.0),
            ValueError,
            "^positions: expected at least 2 particles, got 1",
        ),
        (lambda: diagnostics.structure_factor(X, X[:, :1]), ValueError, "^wave_vectors: expected 3 columns"),
        (lambda: diagnostics.structure_factor(X, X, 0 * M), ValueError, "^charges: expected some other than 0"),
        (lambda: diagnostics.structure_factor(X, X, M[:2]), ValueError, r"^charges: expected shape \(4,\)"),
        (lambda: diagnostics.speed_distribution(V[:0]), ValueError, "^velocities: expected at least one particle"),
        (lambda: diagnostics.speed_distribution(V, bins=0), ValueError, "^bins: expected an integer of at least 1"),
        (lambda: diagnostics.speed_distribution(V * math.nan), ValueError, "^velocities: expected finite numbers"),
        (lambda: diagnostics.maxwell_density([1.0], 0.0), ValueError, "^width: expected a positive"),
    ],
)
def test_what_is_no_good_is_named(make, error, message):
    with pytest.raises(error, match=message):
        make()
