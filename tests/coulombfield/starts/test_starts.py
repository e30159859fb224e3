"""Starts have the distributions, energies and orbits that they are named after."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import KDTree

from coulombfield import Coulomb
from coulombfield.flow import Motion, Snapshot, State, Stop, System, Yoshida, run
from coulombfield.starts import gaussian_cloud, lattice, plummer_sphere, two_bodies, uniform_ball

GRAVITY = System(Coulomb(1.0), coupling=-1, exclude_self=True)


def moment(group, system=GRAVITY):
    return Snapshot.of(State(group), Motion(system, State(group), None, False))


def test_a_plummer_sphere_is_in_equilibrium_in_n_body_units():
    """K = 1/4, W = −1/2, half the mass within a (2^(2/3) − 1)^(-1/2); to five errors of so many stars."""
    group = plummer_sphere(4000, np.random.default_rng(1))
    now = moment(group)
    assert now.kinetic_energy == pytest.approx(0.25, rel=0.05)
    assert now.energy == pytest.approx(-0.5, rel=0.05)
    radii = np.linalg.norm(group.positions, axis=1)
    a = 3 * math.pi / 16
    for part in (0.1, 0.5, 0.9):  # the mass within r is r³ (r² + a²)^(-3/2)
        expected = a / math.sqrt(part ** (-2 / 3) - 1)
        assert np.mean(radii < expected) == pytest.approx(part, abs=5 * math.sqrt(part * (1 - part) / 4000))
    np.testing.assert_allclose(group.positions.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(group.velocities.mean(axis=0), 0, atol=1e-12)
    inside = radii < a  # the mean square speed at r is half of the potential's size: 1/(2 √(r² + a²))
    square = np.sum(group.velocities**2, axis=1) * 2 * np.sqrt(radii**2 + a**2)
    assert np.mean(square[inside]) == pytest.approx(1, abs=5 * np.std(square) / math.sqrt(inside.sum()))
    assert np.max(np.sum(group.velocities**2, axis=1) * np.sqrt(radii**2 + a**2)) < 2.2  # none escapes


@pytest.mark.parametrize("dimension", [1, 2, 3, 5])
def test_a_uniform_ball_is_full_to_its_edge(dimension):
    group = uniform_ball(3000, np.random.default_rng(0), radius=2.0, dimension=dimension)
    radii = np.linalg.norm(group.positions, axis=1)
    assert radii.max() <= 2
    for part in (0.2, 0.7):
        found = np.mean(radii < 2 * part ** (1 / dimension))
        assert found == pytest.approx(part, abs=5 * math.sqrt(part * (1 - part) / 3000))
    assert group.velocities is None
    if dimension == 3:
        assert moment(group).energy == pytest.approx(-0.3, rel=0.03)


def test_a_gaussian_cloud_has_its_widths():
    group = gaussian_cloud(4000, np.random.default_rng(0), width=[1.0, 3.0], speed=0.5, dimension=2)
    error = 5 / math.sqrt(2 * 4000)
    np.testing.assert_allclose(group.positions.std(axis=0), [1.0, 3.0], rtol=error)
    np.testing.assert_allclose(group.velocities.std(axis=0), 0.5, rtol=error)
    assert gaussian_cloud(3, np.random.default_rng(0)).velocities is None


@pytest.mark.parametrize(
    ("kind", "count", "neighbours", "distance"),
    [
        ("sc", 1, 6, 1.0),
        ("bcc", 2, 8, math.sqrt(3) / 2),
        ("fcc", 4, 12, math.sqrt(0.5)),
        ("nacl", 8, 6, 0.5),
        ("cscl", 2, 8, math.sqrt(3) / 2),
    ],
)
def test_a_lattice_has_its_neighbours(kind, count, neighbours, distance):
    """Inside; of ions the neighbours have the other sign. Cells along each axis as asked for."""
    group = lattice(kind, 5, spacing=2.0, charge=1.5)
    assert len(group) == count * 5**3
    x = group.positions
    inside = np.flatnonzero(np.all((x > 2.0) & (x < 7.0), axis=1))
    found = KDTree(x).query_ball_point(x[inside], 2 * distance * (1 + 1e-9))
    for i, around in zip(inside, found, strict=True):
        others = [j for j in around if j != i]
        assert len(others) == neighbours
        np.testing.assert_allclose(np.linalg.norm(x[others] - x[i], axis=1), 2 * distance)
        if kind in ("nacl", "cscl"):
            assert np.all(group.charges[others] == -group.charges[i])
    assert set(np.abs(group.charges)) == {1.5}
    wide = lattice(kind, [1, 2, 3])
    assert len(wide) == count * 6
    np.testing.assert_array_equal(np.floor(wide.positions.max(axis=0)), [0, 1, 2])


@given(
    e=st.floats(0, 0.7),
    angles=st.tuples(*[st.floats(-3, 3)] * 4),
    masses=st.sampled_from([(0.5, 0.5), (1.0, 1e-3), (2.0, 3.0)]),
)
def test_two_bodies_have_the_elements_of_their_orbit(e, angles, masses):
    """Energy by a, angular momentum by e, its direction by i and Ω, and the pericentre by ω."""
    names = ("inclination", "node", "pericentre", "anomaly")
    options = dict(zip(names, angles, strict=True))
    group = two_bodies(semi_major_axis=1.7, eccentricity=e, masses=masses, constant=2.0, **options)
    x, v = group.positions[1] - group.positions[0], group.velocities[1] - group.velocities[0]
    gm = 2.0 * sum(masses)
    assert v @ v / 2 - gm / np.linalg.norm(x) == pytest.approx(-gm / (2 * 1.7))
    spin = np.cross(x, v)
    i, node, pericentre, _ = angles
    normal = [math.sin(i) * math.sin(node), -math.sin(i) * math.cos(node), math.cos(i)]
    np.testing.assert_allclose(spin, math.sqrt(gm * 1.7 * (1 - e * e)) * np.array(normal), atol=1e-9)
    lenz = np.cross(v, spin) / gm - x / np.linalg.norm(x)
    assert np.linalg.norm(lenz) == pytest.approx(e, abs=1e-9)
    assert lenz[2] == pytest.approx(e * math.sin(i) * math.sin(pericentre), abs=1e-9)
    for vectors in (group.positions, group.velocities):
        np.testing.assert_allclose(np.asarray(masses) @ vectors, 0, atol=1e-12)


def test_two_bodies_come_back_after_their_period():
    group = two_bodies(eccentricity=0.5, anomaly=1.0)
    end = run(State(group), GRAVITY, Yoshida(2e-3), until=Stop(time=2 * math.pi)).state["particles"]
    np.testing.assert_allclose(end.positions, group.positions, atol=1e-6)


def test_starts_are_put_where_they_are_wanted(library, dtype):
    rng = np.random.default_rng
    for make in (
        lambda **o: plummer_sphere(5, rng(0), **o),
        lambda **o: uniform_ball(5, rng(0), **o),
        lambda **o: gaussian_cloud(5, rng(0), speed=1.0, **o),
        lambda **o: lattice("nacl", 1, **o),
        lambda **o: two_bodies(**o),
    ):
        found, expected = make(dtype=dtype, put=library.put), make()
        assert library.get(found.positions).dtype == dtype
        np.testing.assert_allclose(library.get(found.positions), expected.positions, rtol=1e-6)
        np.testing.assert_allclose(library.get(found.charges), expected.charges, rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: plummer_sphere(0, np.random.default_rng(0)), ValueError, "count: expected an integer of at least 1"),
        (lambda: plummer_sphere(5, 0), TypeError, "rng: expected a generator such as .*, got int"),
        (lambda: plummer_sphere(5, np.random.default_rng(0), dtype="int8"), TypeError, "dtype: expected float32 or"),
        (lambda: uniform_ball(5, np.random.default_rng(0), radius=0), ValueError, "radius: expected a positive"),
        (lambda: uniform_ball(5, np.random.default_rng(0), dimension=0), ValueError, "dimension: expected an integer"),
        (lambda: gaussian_cloud(5, np.random.default_rng(0), width=[1.0]), ValueError, "width: expected 3 numbers"),
        (lambda: gaussian_cloud(5, np.random.default_rng(0), speed=-1), ValueError, "speed: expected a non-negative"),
        (lambda: lattice("hcp", 2), ValueError, "kind: expected one of sc, bcc, fcc, nacl, cscl, got 'hcp'"),
        (lambda: lattice("sc", [1, 2]), ValueError, "cells: expected 3 integers, got 2"),
        (lambda: lattice("sc", 1.5), TypeError, "cells: expected an integer, got float"),
        (lambda: two_bodies(eccentricity=1.0), ValueError, "eccentricity: expected a number less than 1, got 1"),
        (lambda: two_bodies(masses=[1.0]), ValueError, "masses: expected 2 numbers, got 1"),
        (lambda: two_bodies(node="up"), TypeError, "node: expected a number, got str"),
    ],
)
def test_what_is_no_good_is_named(make, error, message):
    with pytest.raises(error, match=message):
        make()
