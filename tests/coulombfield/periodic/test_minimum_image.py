"""Sums over pairs at the nearest image: beside plain NumPy, sums over all images, and LAMMPS; cutoffs and bad input."""

import re

import numba
import numpy as np
import pytest

import coulombfield as cf
from coulombfield import periodic
from coulombfield.periodic import Box
from coulombfield.sums.fourier import transforms

LENGTHS = (1.0, 1.3, 0.8)
AXES = [(True, True, True), (True, False, True), (False, False, True)]


def cloud(count=40, targets=7, dimension=3, dtype=np.float64, seed=0):
    """Charges and targets in a box and around it."""
    rng = np.random.default_rng(seed)
    sides = np.array(LENGTHS[:dimension])
    positions, places = ((3 * rng.random((n, dimension)) - 1) * sides for n in (count, targets))
    return cf.Charges(positions.astype(dtype), rng.standard_normal(count).astype(dtype)), places.astype(dtype)


def plain(targets, charges, kernel, box, cutoff, left_out=False):
    """Potential and field pair by pair."""
    difference = targets[:, None].astype(float) - charges.positions.astype(float)
    for axis, side in zip(box.axes, box.sides, strict=True):
        difference[..., axis] -= side * np.round(difference[..., axis] / side)
    s = np.sum(difference**2, axis=-1)
    counted = s < cutoff**2
    if left_out:
        counted &= ~np.eye(*s.shape, dtype=bool)
    s = np.where(counted, s, 1.0)
    weights = charges.weights.astype(float) * counted
    return np.sum(weights * kernel.value(s), 1), np.sum((-2 * weights * kernel.slope(s))[..., None] * difference, 1)


CUSTOM = cf.Custom(lambda s: (1 - s) ** 2, slope=lambda s: -2 * (1 - s))


@pytest.mark.parametrize("axes", AXES, ids=str)
@pytest.mark.parametrize("kernel", [cf.Plummer(1, 0.1), cf.Laplace(0.1), CUSTOM], ids=["Plummer", "Laplace", "Custom"])
def test_sums_are_those_of_all_pairs_within_the_cutoff(kernel, axes):
    charges, targets = cloud()
    box, cutoff = Box(LENGTHS, axes), 0.37
    expected = plain(targets, charges, kernel, box, cutoff)
    both = periodic.minimum_image_potential_and_field(targets, charges, kernel, box, cutoff=cutoff)
    for found, right in zip(both, expected, strict=True):
        np.testing.assert_allclose(found, right, rtol=0, atol=1e-13 * abs(right).max())


@pytest.mark.parametrize(("dimension", "dtype"), [(1, np.float64), (2, np.float32), (3, np.float32), (3, np.float64)])
def test_dimensions_and_dtypes(dimension, dtype):
    charges, targets = cloud(dimension=dimension, dtype=dtype)
    box, kernel = Box(LENGTHS[:dimension]), cf.Gaussian(0.2)
    for function, expected in zip(
        (periodic.minimum_image_potential, periodic.minimum_image_field),
        plain(targets, charges, kernel, box, 0.3),
        strict=True,
    ):
        found = function(targets, charges, kernel, box, cutoff=0.3)
        assert found.dtype == dtype
        np.testing.assert_allclose(found, expected, rtol=0, atol=20 * np.finfo(dtype).eps * abs(expected).max())


@pytest.mark.skipif(transforms.missing("numpy") != "", reason="needs finufft")
def test_a_narrow_kernel_needs_no_cutoff_and_has_the_sums_over_all_images():
    charges, _ = cloud()
    box, kernel = Box(LENGTHS), cf.Gaussian(0.04)
    x = charges.positions
    for function, other in (
        (periodic.minimum_image_potential, periodic.potential),
        (periodic.minimum_image_field, periodic.field),
    ):
        all_images = other(x, charges, kernel, box, exclude_self=True)
        found = function(x, charges, kernel, box, exclude_self=True)
        np.testing.assert_allclose(found, all_images, rtol=0, atol=1e-13 * abs(all_images).max())
    energy = periodic.minimum_image_energy(charges, kernel, box)
    assert energy == pytest.approx(periodic.energy(charges, kernel, box), rel=1e-12)


@pytest.mark.parametrize("kernel", [cf.Coulomb(1), cf.Plummer(3, 0.05)], ids=str)
def test_own_terms_are_left_out(kernel):
    charges, _ = cloud()
    box, x = Box(LENGTHS), charges.positions
    potential, field = plain(x, charges, kernel, box, 0.4, left_out=True)
    found = periodic.minimum_image_potential_and_field(x, charges, kernel, box, cutoff=0.4, exclude_self=True)
    np.testing.assert_allclose(found[0], potential, rtol=1e-12, atol=1e-12 * abs(potential).max())
    np.testing.assert_allclose(found[1], field, rtol=1e-12, atol=1e-12 * abs(field).max())
    energy = periodic.minimum_image_energy(charges, kernel, box, cutoff=0.4)
    assert energy == pytest.approx(0.5 * charges.weights @ potential, rel=1e-12)
    if kernel == cf.Plummer(3, 0.05):
        own = 0.5 * kernel.value(np.zeros(1))[0] * np.sum(charges.weights**2)
        whole = periodic.minimum_image_energy(charges, kernel, box, cutoff=0.4, exclude_self=False)
        assert whole == pytest.approx(energy + own, rel=1e-12)


def test_a_pair_at_the_cutoff_does_not_count_and_one_just_nearer_does():
    charges, box = cf.Charges(np.array([[0.125]]), np.ones(1)), Box((1.0,))
    targets = np.array([[0.625], [0.625 - 1e-9], [0.875], [-0.375], [0.375]])
    found = periodic.minimum_image_potential(targets, charges, cf.Coulomb(1), box, cutoff=0.5)
    np.testing.assert_allclose(found, [0, 1 / (0.5 - 1e-9), 4, 0, 4], rtol=1e-12)
    quarter = periodic.minimum_image_potential(targets, charges, cf.Coulomb(1), box, cutoff=0.25)
    np.testing.assert_array_equal(quarter, np.zeros(5))


def test_a_lattice_whose_spacing_is_the_cutoff_has_no_pairs():
    """And all of them just beyond: cells of neighbours begin where the cutoff ends."""
    points = np.stack(np.meshgrid(*[np.arange(8) / 8] * 3, indexing="ij"), -1).reshape(-1, 3)
    charges, box, kernel = cf.Charges(points, np.ones(512)), Box((1.0, 1.0, 1.0)), cf.Coulomb(1)
    options = {"exclude_self": True}
    at = periodic.minimum_image_potential(points, charges, kernel, box, cutoff=0.125, **options)
    np.testing.assert_array_equal(at, np.zeros(512))
    beyond = periodic.minimum_image_potential(points, charges, kernel, box, cutoff=np.nextafter(0.125, 1), **options)
    np.testing.assert_allclose(beyond, np.full(512, 48.0), rtol=1e-13)


def test_results_do_not_depend_on_the_number_of_threads():
    charges, targets = cloud(count=300, targets=300)
    found = []
    threads = numba.get_num_threads()
    try:
        for count in (1, threads):
            numba.set_num_threads(count)
            found.append(periodic.minimum_image_field(targets, charges, cf.Plummer(1, 0.1), Box(LENGTHS), cutoff=0.2))
    finally:
        numba.set_num_threads(threads)
    np.testing.assert_array_equal(*found)


def test_nothing():
    box, kernel = Box(LENGTHS), cf.Gaussian(0.04)
    none, one = np.zeros((0, 3)), np.zeros((1, 3))
    assert periodic.minimum_image_field(none, cf.Charges(one, np.ones(1)), kernel, box).shape == (0, 3)
    np.testing.assert_array_equal(
        periodic.minimum_image_potential(one, cf.Charges(none, np.zeros(0)), kernel, box), [0.0]
    )


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"cutoff": 0.41}, ValueError, "box: expected periods of at least twice the cutoff, 0.82, got 0.8"),
        ({"cutoff": 0.0}, ValueError, "cutoff: expected a positive, finite number, got 0"),
        ({"cutoff": "1"}, TypeError, "cutoff: expected a number, got str"),
        (
            {},
            ValueError,
            "cutoff: expected a length with Plummer(exponent=1.0, softening=0.1), which is not negligible",
        ),
        ({"kernel": cf.Coulomb(1)}, ValueError, "cutoff: expected a length with Coulomb"),
        ({"box": None}, TypeError, "box: expected a Box, got NoneType"),
        ({"box": Box((1.0,))}, ValueError, "box: expected 3 axes like the points, got 1"),
        ({"exclude_self": True, "cutoff": 0.1}, ValueError, "targets: expected as many as charges (40)"),
        ({"kernel": 1.0}, TypeError, "kernel: expected "),
        ({"charges": None}, TypeError, "charges: expected "),
        ({"targets": np.full((1, 3), np.nan), "cutoff": 0.1}, ValueError, "targets: expected finite numbers"),
    ],
)
def test_what_cannot_be_summed(changes, error, message):
    charges, targets = cloud()
    given = {"targets": targets, "charges": charges, "kernel": cf.Plummer(1, 0.1), "box": Box(LENGTHS)} | changes
    with pytest.raises(error, match="^" + re.escape(message)):
        periodic.minimum_image_potential(**given)
