"""Tables of a potential and its field, beside exact sums."""

import copy

import array_api_strict
import numpy as np
import pytest

import coulombfield as cf
from coulombfield import tabulated
from coulombfield.arrays import select_device, to_numpy

HOST = select_device("cpu")


def clusters(m, count=400, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.uniform(-5, 5, (4, m))
    return (centres[rng.integers(4, size=count)] + rng.standard_normal((count, m))).astype(dtype)


def charges_on(device, points, weights=None):
    weights = np.full(len(points), 1 / len(points), points.dtype) if weights is None else weights
    return cf.Charges(device.put(points), device.put(weights))


def relative(found, exact):
    return np.linalg.norm(to_numpy(found) - exact) / np.linalg.norm(exact)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("m", "kernel", "rtol"),
    [
        (1, cf.Plummer(1.0, 0.3), 1e-4),
        (2, cf.Plummer(1.0, 1.0), 1e-3),
        (2, cf.Plummer(3.0, 0.7), 1e-4),
        (2, cf.Gaussian(0.8) + 0.5 * cf.Plummer(2.0, 1.0), 1e-3),
        (3, cf.Plummer(1.0, 2.0), 1e-2),
    ],
)
def test_a_table_keeps_its_error_at_places_that_it_has_not_measured(device, m, kernel, rtol):
    points = clusters(m)
    table = cf.TabulatedField(charges_on(device, points), kernel, rtol=rtol)
    rng = np.random.default_rng(1)
    places = clusters(m, 2_000, seed=0) + 0.1 * rng.standard_normal((2_000, m))
    phi, field = table(device.put(places))
    exact_phi, exact_field = cf.potential_and_field(places, charges_on(HOST, points), kernel)
    assert phi.shape == (2_000,)
    assert field.shape == (2_000, m)
    assert 0 < table.error <= rtol
    assert relative(phi, exact_phi) <= 1.5 * rtol
    assert relative(field, exact_field) <= 1.5 * rtol


def test_a_smaller_tolerance_takes_a_finer_grid():
    charges = cf.real_charges(clusters(2))
    coarse, fine = (cf.TabulatedField(charges, cf.Plummer(1, 0.5), rtol=rtol) for rtol in (1e-2, 1e-5))
    assert coarse.shape < fine.shape
    assert fine.error < 1e-5 < coarse.error


def test_charges_of_both_signs():
    rng = np.random.default_rng(2)
    charges = cf.Charges(clusters(2), rng.standard_normal(400))
    table = cf.TabulatedField(charges, cf.Plummer(1, 0.5))
    places = clusters(2, 500, seed=5)
    assert relative(table(places)[1], cf.field(places, charges, table.kernel)) <= 2e-3


def test_beyond_the_grid_sums_are_exact(device):
    points, kernel = clusters(2), cf.Plummer(1, 0.5)
    table = cf.TabulatedField(charges_on(device, points), kernel, rtol=1e-2)
    places = np.array([[1e3, 0.0], [0.0, 0.0], [-40.0, 60.0], [np.inf, 0.0], [np.nan, 1.0]])
    phi, field = (to_numpy(one) for one in table(device.put(places)))
    exact_phi, exact_field = cf.potential_and_field(places, charges_on(HOST, points), kernel)
    np.testing.assert_allclose(phi[[0, 2]], exact_phi[[0, 2]], rtol=1e-14)
    np.testing.assert_allclose(field[[0, 2]], exact_field[[0, 2]], rtol=1e-12)
    assert 0 < abs(phi[1] - exact_phi[1]) < 0.05 * exact_phi[1]
    assert np.isnan(phi[4])
    assert np.isnan(field[4]).all()


def test_no_points(device):
    phi, field = cf.TabulatedField(charges_on(device, clusters(2)), cf.Plummer(1, 0.5))(device.put(np.empty((0, 2))))
    assert phi.shape == (0,)
    assert field.shape == (0, 2)


@pytest.mark.parametrize("unit", [1e-20, 1e20, 1e-100, 1e100])
def test_any_unit_of_length_and_of_charge_will_do(unit):
    points = clusters(2)
    table = cf.TabulatedField(cf.real_charges(points), cf.Plummer(1, 0.5), rtol=1e-3)
    scaled = cf.TabulatedField(cf.real_charges(unit * points), cf.Plummer(1, 0.5 * unit), rtol=1e-3)
    faint = cf.TabulatedField(cf.Charges(points, np.full(400, unit)), table.kernel, rtol=1e-3)
    assert table.shape == scaled.shape == faint.shape
    assert scaled.error == pytest.approx(table.error, rel=1e-3)
    assert faint.error == pytest.approx(table.error, rel=1e-3)


def test_charges_that_change_later_change_nothing():
    points = clusters(2)
    table, places = cf.TabulatedField(cf.real_charges(points), cf.Plummer(1, 0.5)), np.array([[0.0, 0.0], [99.0, 0.0]])
    before = table(places)
    points[...] = 7.0
    for one, other in zip(before, copy.deepcopy(table)(places), strict=True):
        assert np.array_equal(one, other)


def test_float32_stays_float32():
    table = cf.TabulatedField(cf.real_charges(clusters(2, dtype="float32")), cf.Plummer(1, 0.5))
    phi, field = table(clusters(2, 10, "float32"))
    assert phi.dtype == field.dtype == np.float32


def test_the_same_charges_give_the_same_bits():
    one, other = (cf.TabulatedField(cf.real_charges(clusters(2)), cf.Plummer(1, 0.5)) for _ in range(2))
    for found, again in zip(one(clusters(2, 50)), other(clusters(2, 50)), strict=True):
        assert np.array_equal(found, again)


def test_what_can_not_be_tabulated_is_said(monkeypatch):
    points, kernel = clusters(2), cf.Plummer(1, 0.5)
    charges = cf.real_charges(points)
    for rtol in (0.0, 1.0, 1e-14, -1e-3):
        with pytest.raises(ValueError, match="rtol: expected"):
            cf.TabulatedField(charges, kernel, rtol=rtol)
    with pytest.raises(TypeError, match="rtol: expected a number, got str"):
        cf.TabulatedField(charges, kernel, rtol="1e-3")
    with pytest.raises(TypeError, match="charges: expected Charges"):
        cf.TabulatedField(points, kernel)
    with pytest.raises(TypeError, match="kernel: expected a RadialKernel"):
        cf.TabulatedField(charges, 1.0)
    with pytest.raises(TypeError, match="charges: expected NumPy or CuPy arrays, got one of array_api_strict"):
        cf.TabulatedField(cf.real_charges(array_api_strict.asarray(points)), kernel)
    with pytest.raises(
        ValueError, match=r"charges: expected at least one, in up to three dimensions, got shape \(5, 4\)"
    ):
        cf.TabulatedField(cf.real_charges(np.zeros((5, 4))), kernel)
    with pytest.raises(ValueError, match=r"charges: expected at least one, .* got shape \(0, 2\)"):
        cf.TabulatedField(cf.Charges(np.empty((0, 2)), np.empty(0)), kernel)
    with pytest.raises(ValueError, match="charges: expected finite positions"):
        cf.TabulatedField(cf.real_charges(np.array([[0.0, np.nan]])), kernel)
    with pytest.raises(ValueError, match="charges: expected finite positions and weights"):
        cf.TabulatedField(cf.Charges(points, np.full(400, np.inf)), kernel)
    for singular in (cf.Coulomb(1), kernel + cf.Coulomb(1)):
        with pytest.raises(ValueError, match="kernel: expected one that is finite at 0, got"):
            cf.TabulatedField(charges, singular)
    for extreme in (np.ones((5, 2)), np.array([[1.7e308, 0], [-1.7e308, 0]]), np.array([[0.0, 0.0], [5e-324, 0.0]])):
        with pytest.raises(ArithmeticError, match=r"charges: expected an extent from 1e-150 to 1e.150, got"):
            cf.TabulatedField(cf.real_charges(extreme), kernel)
    beyond = cf.real_charges((1e-20 * points).astype("float32"))
    with pytest.raises(ArithmeticError, match=r"charges: their potential or field under .* leaves the range"):
        cf.TabulatedField(beyond, cf.Plummer(1, 1e-20))
    monkeypatch.setattr(tabulated, "LARGEST", 10_000)
    with pytest.raises(ArithmeticError, match=r"rtol: 10000 nodes are too few for 0.0001 with Plummer"):
        cf.TabulatedField(charges, kernel, rtol=1e-4)


def test_points_of_another_kind_are_refused():
    table = cf.TabulatedField(cf.real_charges(clusters(2)), cf.Plummer(1, 0.5))
    with pytest.raises(ValueError, match=r"points: expected 2 columns like charges, got 3"):
        table(np.zeros((4, 3)))
    with pytest.raises(TypeError, match="points: expected dtype float64 like charges, got float32"):
        table(np.zeros((4, 2), np.float32))
    with pytest.raises(TypeError, match="points: expected a numpy array"):
        table(array_api_strict.zeros((4, 2)))
    with pytest.raises(TypeError, match="points: expected an array, got float"):
        table(0.5)
    assert np.array_equal(table([[0, 1]])[1], table(np.array([[0.0, 1.0]]))[1])
