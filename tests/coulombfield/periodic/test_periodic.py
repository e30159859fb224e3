"""Sums over the images of a box: known energies of crystals, plain sums over many cells, differences, bad input."""

import math

import numpy as np
import pytest

import coulombfield as cf
from coulombfield import periodic
from coulombfield.periodic import Box
from coulombfield.sums.fourier import transforms

pytestmark = pytest.mark.skipif(transforms.missing("numpy") != "", reason="needs finufft")

CUBE = np.array([[x, y, z] for x in (0.0, 1.0) for y in (0.0, 1.0) for z in (0.0, 1.0)])
SALT = cf.Charges(CUBE, np.array([(-1.0) ** point.sum() for point in CUBE]))
# Loops are compiled for each kind of kernel, dimension, dtype and number of digits: tests share them where they can.
CENTRED = np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]])


def cloud(count=20, lengths=(1.0, 1.3, 0.8), seed=0, dtype=np.float64):
    """Neutral charges in a box and targets elsewhere."""
    rng = np.random.default_rng(seed)
    positions = rng.random((count, len(lengths))) * lengths
    weights = rng.standard_normal(count)
    charges = cf.Charges(positions.astype(dtype), (weights - weights.mean()).astype(dtype))
    return charges, rng.random((4, len(lengths))).astype(dtype)


def over_cells(function, targets, charges, box, shells):
    """Plain sums of a function of differences over the cells up to a shell."""
    steps = [
        np.arange(-shells, shells + 1) * length if repeats else [0.0]
        for length, repeats in zip(box.lengths, box.periodic, strict=True)
    ]
    cells = np.stack(np.meshgrid(*steps, indexing="ij"), -1).reshape(-1, box.dimension)
    total = 0.0
    for position, weight in zip(charges.positions.astype(float), charges.weights.astype(float), strict=True):
        total = total + weight * function(targets[:, None] - position - cells).sum(axis=1)
    return total


def values(kernel):
    return lambda difference: kernel.value(np.sum(difference**2, axis=-1))


def forces(kernel):
    return lambda difference: -2 * kernel.slope(np.sum(difference**2, axis=-1))[..., None] * difference


@pytest.mark.parametrize(
    ("charges", "box", "length", "known"),
    [
        (SALT, Box((2.0, 2.0, 2.0)), 1 / 4, -1.7475645946331822),
        (cf.Charges(CENTRED, np.array([1.0, -1.0])), Box((1.0, 1.0, 1.0)), math.sqrt(3) / 2, -1.7626747730708839),
        (cf.Charges(CENTRED, np.ones(2)), Box((1.0, 1.0, 1.0)), (3 / (8 * math.pi)) ** (1 / 3) / 2, -0.8959292556819),
    ],
    ids=["NaCl", "CsCl", "bcc Wigner crystal"],
)
def test_madelung_energies(charges, box, length, known):
    """Of a pair of ions at the distance 1, and of a charge in a sphere of radius 1 (Wigner-Seitz)."""
    assert periodic.energy(charges, cf.Coulomb(1), box, rtol=1e-11) * length == pytest.approx(known, abs=1e-10)
    softened = periodic.energy(charges, cf.Plummer(1, 1e-5), box, rtol=1e-9) * length
    assert softened == pytest.approx(known, abs=1e-8)


@pytest.mark.parametrize("rtol", [1e-3, 1e-6, 1e-9])
def test_a_crystal_in_many_cells_has_the_energy_of_one(rtol):
    steps = np.stack(np.meshgrid(*[np.arange(3) * 2.0] * 3, indexing="ij"), -1).reshape(-1, 1, 3)
    many = cf.Charges((CUBE + steps).reshape(-1, 3), np.tile(SALT.weights, 27))
    found = periodic.potential(many.positions, many, cf.Coulomb(1), Box((6.0, 6.0, 6.0)), exclude_self=True, rtol=rtol)
    # Of terms of both signs: their magnitudes at nearest images are more than the sums.
    np.testing.assert_allclose(found * many.weights, -1.7475645946331822, atol=40 * rtol)


@pytest.mark.parametrize("axes", [(True, True, True), (True, True, False), (False, True, False)], ids=str)
@pytest.mark.parametrize("kernel", [cf.Plummer(7, 0.3), cf.Plummer(6.5, 0.2) + 2.0 * cf.Plummer(8, 0.4)], ids=str)
def test_sums_that_converge_are_those_over_many_cells(axes, kernel):
    charges, targets = cloud()
    box = Box((1.0, 1.3, 0.8), axes)
    phi, e = periodic.potential_and_field(targets, charges, kernel, box, rtol=1e-8)
    shells = 12 if all(axes) else 60
    for found, function in ((phi, values(kernel)), (e, forces(kernel))):
        exact = over_cells(function, targets, charges, box, shells)
        assert np.linalg.norm(found - exact) <= 2e-7 * np.linalg.norm(exact)


def test_a_chain_of_slow_kernels():
    charges, targets = cloud()
    box = Box((1.0, 1.3, 0.8), (True, False, False))
    exact = over_cells(values(cf.Plummer(1, 0.1)), targets, charges, box, 20_000)
    np.testing.assert_allclose(
        periodic.potential(targets, charges, cf.Plummer(1, 0.1), box, rtol=1e-9), exact, atol=1e-7
    )


def test_a_slab_of_slow_kernels():
    """Square shells of cells come near like 1 / shells, so that the limit is told by two of them."""
    charges, targets = cloud(6)
    box = Box((1.0, 1.3, 0.8), (True, True, False))
    few, many = (over_cells(values(cf.Plummer(1, 0.1)), targets, charges, box, shells) for shells in (100, 200))
    found = periodic.potential(targets, charges, cf.Plummer(1, 0.1), box, rtol=1e-8)
    np.testing.assert_allclose(found, 2 * many - few, atol=2e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kernel", "lengths"),
    [
        (cf.Plummer(1, 0.05), (1.7,)),
        (cf.Plummer(0.5, 0.1), (1.7,)),
        (cf.Plummer(1, 0.05), (1.0, 0.6)),
        (cf.Plummer(2, 0.2), (1.0, 0.6)),
    ],
    ids=str,
)
def test_low_dimensions_where_a_background_takes_the_mean(kernel, lengths):
    """Fields need no mean; with one charge there is no neutral box."""
    box = Box(lengths)
    targets = np.linspace(0.1, 0.5, 3)[:, None] * np.ones(len(lengths))
    one = cf.Charges(np.zeros((1, len(lengths))), np.ones(1))
    found = periodic.field(targets, one, kernel, box, rtol=1e-9)
    shells = (20_000, 40_000) if len(lengths) == 1 else (150, 300)
    few, many = (over_cells(forces(kernel), targets, one, box, count) for count in shells)
    rate = kernel.exponent + 2 - len(lengths)
    ratio = (2 * shells[1] + 1) / (2 * shells[0] + 1)
    limit = many + (many - few) / (ratio**rate - 1)
    np.testing.assert_allclose(found, limit, atol=1e-5 * abs(limit).max())
    mean = periodic.potential(np.random.default_rng(1).random((20_000, len(lengths))) * lengths, one, kernel, box)
    if kernel.exponent <= len(lengths):
        assert abs(mean.mean()) < 5 * mean.std() / math.sqrt(20_000)


@pytest.mark.parametrize("axes", [(True, True, True), (False, True, True)], ids=str)
def test_the_field_is_minus_the_gradient(axes):
    charges, targets = cloud()
    box, kernel, step = Box((1.0, 1.3, 0.8), axes), cf.Plummer(1, 0.1), 1e-4
    found = periodic.field(targets, charges, kernel, box, rtol=1e-10)
    for axis, direction in enumerate(np.eye(3) * step):
        ahead, behind = (
            periodic.potential(targets + way * direction, charges, kernel, box, rtol=1e-12) for way in (1, -1)
        )
        np.testing.assert_allclose(found[:, axis], (behind - ahead) / (2 * step), rtol=0, atol=1e-6 * abs(found).max())


def test_forces_are_minus_the_gradient_of_the_energy():
    charges, _ = cloud()
    box, kernel, step = Box((1.0, 1.3, 0.8)), cf.Coulomb(1), 1e-4
    force = charges.weights[:, None] * periodic.field(
        charges.positions, charges, kernel, box, exclude_self=True, rtol=1e-10
    )
    for axis in range(3):
        moved = [charges.positions.copy() for _ in range(2)]
        for way, positions in zip((1, -1), moved, strict=True):
            positions[3, axis] += way * step
        ahead, behind = (
            periodic.energy(cf.Charges(positions, charges.weights), kernel, box, rtol=1e-12) for positions in moved
        )
        assert force[3, axis] == pytest.approx((behind - ahead) / (2 * step), rel=1e-6, abs=1e-6 * abs(force).max())


@pytest.mark.slow
@pytest.mark.parametrize(
    "kernel",
    [
        cf.Coulomb(1),
        cf.Plummer(1, 0.1),
        cf.Plummer(4.5, 0.2),
        cf.Plummer(1, 0.1) + 2.0 * cf.Plummer(3, 0.3),
    ],
    ids=str,
)
def test_the_virial_is_minus_the_derivative_by_the_scale(kernel):
    charges, _ = cloud()

    def energy(scale):
        stretched = cf.Charges(charges.positions * scale, charges.weights)
        return periodic.energy(stretched, kernel, Box(np.array([1.0, 1.3, 0.8]) * scale), rtol=1e-12)

    step = 1e-4
    found = periodic.virial(charges, kernel, Box((1.0, 1.3, 0.8)), rtol=1e-10)
    assert found == pytest.approx((energy(1 - step) - energy(1 + step)) / (2 * step), rel=1e-5)
    pressure = periodic.pressure(charges, kernel, Box((1.0, 1.3, 0.8)), kinetic_energy=2.0, rtol=1e-10)
    assert pressure == pytest.approx((4.0 + found) / (3 * 1.04))


def test_there_is_no_field_where_all_charges_are():
    """At the ions of a lattice, of one or of two at one place; their own images are all that errors compare with."""
    for count in (1, 2):
        ion = cf.Charges(np.full((count, 3), 0.25), np.ones(count))
        found = periodic.field(ion.positions, ion, cf.Plummer(1, 0.1), Box((1.0, 1.0, 1.0)))
        np.testing.assert_allclose(found, 0, atol=1e-5)


def of_modes(targets, charges, side, count=200_000):
    """Potential and field of sheets by their Fourier series, whose remainder is 1 / count of the whole."""
    x, k = targets - charges.positions.T, 2 * np.pi / side * np.arange(1, count)
    phi = np.array([[np.cos(k * d) @ k**-2 for d in row] for row in x]) @ charges.weights * 2 / side
    e = np.array([[np.sin(k * d) @ (1 / k) for d in row] for row in x]) @ charges.weights * 2 / side
    return phi, e[:, None]


@pytest.mark.slow
def test_sheets_in_a_line_are_those_of_their_fourier_series():
    rng = np.random.default_rng(0)
    charges, targets = cf.Charges(rng.random((7, 1)) * 5 - 1, rng.standard_normal(7)), rng.random((5, 1)) * 9
    found = periodic.potential_and_field(targets, charges, -3.0 * cf.Sheets(), Box((1.7,)))
    for sums, expected in zip(found, of_modes(targets, charges, 1.7), strict=True):
        np.testing.assert_allclose(sums, -3 * expected, atol=1e-4)
    one = cf.Charges(np.zeros((1, 1)), np.ones(1))
    mean = periodic.potential((np.arange(1000)[:, None] + 0.5) / 1000, one, cf.Sheets(), Box((1.0,)))
    assert abs(mean.mean()) < 1e-7


def test_sheets_at_one_place_have_no_field_on_each_other():
    """Each has that of all others, and a field is minus a slope."""
    charges = cf.Charges(np.array([[0.5], [0.5], [1.9]]), np.array([1.0, 2.0, -1.0]))
    box, kernel, step = Box((2.0,)), cf.Sheets(), 1e-3
    phi, e = periodic.potential_and_field(charges.positions, charges, kernel, box, exclude_self=True)
    assert e[0] == e[1]
    ahead, behind = (periodic.potential(charges.positions[2:] + h, charges, kernel, box) for h in (step, -step))
    assert e[2] == pytest.approx((behind - ahead) / (2 * step))
    assert e.T @ charges.weights == pytest.approx(0, abs=1e-14)
    single = cf.Charges(*(x.astype(np.float32) for x in (charges.positions, charges.weights)))
    found = periodic.potential(single.positions, single, kernel, box, exclude_self=True)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, phi, rtol=1e-6)


def test_without_rtol_an_error_is_allowed_that_the_dtype_can_keep():
    points = np.random.default_rng(0).uniform(size=(40, 3))
    charges = cf.Charges(points, np.resize([1.0, -1.0], 40))
    single = cf.Charges(points.astype(np.float32), charges.weights.astype(np.float32))
    box, kernel = Box((1.0, 1.0, 1.0)), cf.Plummer(1, 0.1)
    exact = periodic.energy(charges, kernel, box, rtol=1e-10)
    assert periodic.energy(charges, kernel, box) == pytest.approx(exact, rel=1e-5)
    assert periodic.energy(single, kernel, box) == pytest.approx(exact, rel=1e-4)


def test_the_virial_of_sheets_is_minus_their_energy():
    charges = cf.Charges(np.array([[0.5], [0.7], [1.9]]), np.array([1.0, 2.0, -1.0]))
    ahead, behind = (
        periodic.energy(cf.Charges(charges.positions * scale, charges.weights), cf.Sheets(), Box((2.0 * scale,)))
        for scale in (1.001, 0.999)
    )
    assert periodic.virial(charges, cf.Sheets(), Box((2.0,))) == pytest.approx((behind - ahead) / 0.002)
    with pytest.raises(ValueError, match=r"^kernel: expected inverse powers"):
        periodic.potential(np.zeros((1, 2)), cf.Charges(np.zeros((1, 2)), np.ones(1)), cf.Sheets(), Box((1.0, 1.0)))


def test_the_virial_of_the_coulomb_kernel_is_its_energy():
    energy = periodic.energy(SALT, cf.Coulomb(1), Box((2.0, 2.0, 2.0)), rtol=1e-9)
    assert periodic.virial(SALT, cf.Coulomb(1), Box((2.0, 2.0, 2.0)), rtol=1e-9) == pytest.approx(energy)


@pytest.mark.parametrize(
    "kernel", [cf.Gaussian(0.3), cf.Laplace(0.1), cf.Gaussian(0.2) + 3.0 * cf.Laplace(0.05)], ids=str
)
def test_kernels_that_fall_fast_are_summed_over_near_images(kernel):
    charges, targets = cloud()
    box = Box((1.0, 1.3, 0.8))
    phi, e = periodic.potential_and_field(targets, charges, kernel, box, rtol=1e-8)
    np.testing.assert_allclose(phi, over_cells(values(kernel), targets, charges, box, 9), atol=1e-8)
    np.testing.assert_allclose(e, over_cells(forces(kernel), targets, charges, box, 9), atol=1e-7)


def test_points_count_as_if_they_were_in_the_box():
    charges, targets = cloud()
    box, kernel = Box((1.0, 1.3, 0.8), (True, True, False)), cf.Plummer(1, 0.1)
    inside = periodic.potential_and_field(targets, charges, kernel, box, rtol=1e-9)
    rng = np.random.default_rng(3)
    away = [rng.integers(-3, 4, (count, 3)) * [1.0, 1.3, 0.0] for count in (4, 20)]
    outside = periodic.potential_and_field(
        targets + away[0], cf.Charges(charges.positions + away[1], charges.weights), kernel, box, rtol=1e-9
    )
    for one, other in zip(inside, outside, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-7)
    np.testing.assert_array_equal(box.wrapped(np.array([[-1e-20, -0.3, -5.0]])), [[0.0, 1.0, -5.0]])


def test_a_box_takes_integers():
    box = Box((1.5, 4.0))
    np.testing.assert_array_equal(box.wrapped(np.array([[2, -1]])), [[0.5, 3.0]])
    np.testing.assert_array_equal(box.nearest(np.array([[2, -1]])), [[0.5, -1.0]])


def test_charges_of_a_plane_need_no_third_axis():
    rng = np.random.default_rng(0)
    flat = np.column_stack([rng.random((10, 2)), np.full(10, 0.25)])
    weights = rng.standard_normal(10)
    kernel, charges = cf.Plummer(7, 0.3), cf.Charges(flat, weights)
    found = periodic.potential_and_field(flat, charges, kernel, Box((1.0, 1.0, None), (True, True, False)), rtol=1e-8)
    two = cf.Charges(np.ascontiguousarray(flat[:, :2]), weights)
    expected = periodic.potential_and_field(two.positions, two, kernel, Box((1.0, 1.0)), rtol=1e-8)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-6)
    np.testing.assert_allclose(found[1][:, :2], expected[1], atol=1e-5)
    np.testing.assert_allclose(found[1][:, 2], 0, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("rtol", [1e-2, 1e-4])
@pytest.mark.parametrize(
    ("kernel", "dtype"),
    [
        (cf.Coulomb(1), np.float32),
        (cf.Coulomb(1), np.float64),
        (cf.Coulomb(2.5), np.float64),
        (cf.Plummer(3, 0.01), np.float32),
    ],
    ids=str,
)
def test_rtol_is_kept(kernel, rtol, dtype):
    charges, _ = cloud(3000, (1.0, 1.0, 1.0), dtype=dtype)
    box = Box((1.0, 1.0, 1.0))
    found = periodic.potential_and_field(charges.positions, charges, kernel, box, exclude_self=True, rtol=rtol)
    exact = cf.Charges(charges.positions.astype(float), charges.weights.astype(float))
    expected = periodic.potential_and_field(exact.positions, exact, kernel, box, exclude_self=True, rtol=1e-9)
    difference = box.nearest(exact.positions[:200, None] - exact.positions)
    s = np.sum(difference**2, axis=-1)
    apart = ~np.eye(200, len(s[0]), dtype=bool)
    s = np.where(apart, s, 1.0)
    sizes = [np.where(apart, np.abs(each), 0.0) for each in (kernel.value(s), 2 * kernel.slope(s) * np.sqrt(s))]
    for one, other, size in zip(found, expected, sizes, strict=True):
        assert one.dtype == dtype
        error = np.sqrt(np.mean(np.sum((one - other).reshape(len(one), -1) ** 2, axis=1)))
        assert error <= rtol * np.sqrt(np.mean((size @ np.abs(exact.weights)) ** 2))


def test_results_do_not_depend_on_the_number_of_threads():
    import numba

    charges, _ = cloud(3000, (1.0, 1.0, 1.0))
    found, threads = [], numba.get_num_threads()
    for count in (1, threads):
        numba.set_num_threads(count)
        found.append(periodic.field(charges.positions, charges, cf.Coulomb(1), Box((1.0,) * 3), exclude_self=True))
    np.testing.assert_array_equal(*found)


def test_nothing_and_charges_of_zero():
    box, none = Box((1.0, 1.0)), cf.Charges(np.empty((0, 2)), np.empty(0))
    assert periodic.potential(np.empty((0, 2)), cf.real_charges(np.ones((3, 2))), cf.Plummer(), box).shape == (0,)
    for charges in (none, cf.Charges(np.ones((2, 2)), np.zeros(2))):
        phi, e = periodic.potential_and_field(np.ones((3, 2)), charges, cf.Plummer(), box)
        assert not phi.any()
        assert not e.any()
    assert periodic.energy(none, cf.Plummer(), box) == 0.0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (((1.0, -1.0),), ValueError, "lengths: expected a positive, finite number, got -1"),
        (((1.0, None),), TypeError, "lengths: expected a number, got NoneType"),
        ((1.0,), TypeError, "lengths: expected a sequence with one entry for each axis, got 1.0"),
        (((),), ValueError, "lengths: expected one for each of up to 3 axes, got 0"),
        (((1.0,) * 4,), ValueError, "lengths: expected one for each of up to 3 axes, got 4"),
        (((1.0, 1.0), (True,)), ValueError, "periodic: expected one truth value for each of 2 axes, got 1"),
        (((1.0, 1.0), (False, False)), ValueError, "periodic: expected one periodic axis at least"),
        (((1.0, 1.0), (1, 0)), TypeError, "periodic: expected True or False for each axis, got 1"),
    ],
)
def test_a_box_that_is_none(arguments, error, message):
    with pytest.raises(error, match=f"^{message}"):
        Box(*arguments)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"box": (1.0, 1.0, 1.0)}, TypeError, "box: expected a Box, got tuple"),
        ({"box": Box((1.0, 1.0))}, ValueError, "box: expected 3 axes like the points, got 2"),
        ({"rtol": 1e-20}, ValueError, "rtol: expected a number from"),
        ({"rtol": "small"}, TypeError, "rtol: expected a number, got str"),
        ({"exclude_self": 1}, TypeError, "exclude_self: expected True or False, got 1"),
        ({"exclude_self": True}, ValueError, r"targets: expected as many as charges \(20\) with exclude_self, got 4"),
        ({"kernel": cf.Coulomb(1)}, ValueError, "exclude_self: expected True with Coulomb"),
        ({"kernel": cf.Gaussian(20.0)}, ValueError, "kernel: expected inverse powers, one that is negligible"),
        ({"targets": np.full((4, 3), np.nan)}, ValueError, "targets: expected finite numbers"),
        ({"targets": np.zeros((4, 2))}, ValueError, "targets: expected"),
    ],
)
def test_what_cannot_be_summed(changes, error, message):
    charges, targets = cloud()
    arguments = {"targets": targets, "charges": charges, "kernel": cf.Plummer(), "box": Box((1.0,) * 3)} | changes
    with pytest.raises(error, match=f"^{message}"):
        periodic.potential(**arguments)


def test_what_a_bare_kernel_needs():
    charges, _ = cloud()
    arguments = {"targets": charges.positions, "charges": charges, "exclude_self": True}
    with pytest.raises(ValueError, match=r"^kernel: expected an exponent below 3 without a softening"):
        periodic.potential(**arguments, kernel=cf.Coulomb(3), box=Box((1.0,) * 3))
    with pytest.raises(ValueError, match=r"^kernel: expected one with a softening where an axis is not periodic"):
        periodic.potential(**arguments, kernel=cf.Coulomb(1), box=Box((1.0,) * 3, (True, False, True)))
    with pytest.raises(ValueError, match=r"^box: expected one that is periodic along all axes"):
        periodic.pressure(charges, cf.Plummer(), Box((1.0,) * 3, (True, False, True)))


def test_only_numpy_arrays(library):
    if library.name == "numpy":
        pytest.skip("those are taken")
    charges, targets = cloud()
    there = cf.Charges(library.put(charges.positions), library.put(charges.weights))
    with pytest.raises(TypeError, match=r"^positions: expected a NumPy array, which periodic sums take alone"):
        periodic.potential(library.put(targets), there, cf.Plummer(), Box((1.0,) * 3))


@pytest.mark.parametrize("scale", [1e-100, 1e-20, 1e20, 1e100])
@pytest.mark.parametrize("exponent", [1.0, 7.0])
def test_the_unit_of_length_changes_nothing(exponent, scale):
    """Squares of sums in metres or ångströms once left the range of a double: infinite, or measured as no error."""
    charges, targets = cloud()
    whole, lengths = cf.Plummer(exponent, 0.2), (1.0, 1.3, 0.8)
    if abs(math.log10(scale)) * exponent > 200:
        pytest.skip("the kernel's powers themselves leave it")
    scaled = cf.Charges(charges.positions * scale, charges.weights)
    kernel, box = cf.Plummer(exponent, 0.2 * scale), Box([length * scale for length in lengths])
    expected = periodic.potential_and_field(targets, charges, whole, Box(lengths), rtol=1e-8)
    found = periodic.potential_and_field(targets * scale, scaled, kernel, box, rtol=1e-8)
    for values, power, right in zip(found, (exponent, exponent + 1), expected, strict=True):
        assert np.abs(values * scale**power - right).max() < 1e-5 * np.abs(right).max()


def test_a_kernel_beyond_the_range_is_refused():
    charges, targets = cloud()
    box = Box([1e-40 * length for length in (1.0, 1.3, 0.8)])
    tiny = cf.Charges(charges.positions * 1e-40, charges.weights)
    with pytest.raises(ValueError, match="kernel: expected values from 1e-146 to 1e\\+146"):
        periodic.field(targets * 1e-40, tiny, cf.Plummer(5.0, 2e-41), box)


@pytest.mark.parametrize("box", [Box((1.0, 1.3, 1e6)), Box((1.0, 1.3, None), (True, True, False))])
def test_a_needle_is_refused_at_once(box):
    charges, targets = cloud(lengths=(1.0, 1.3, 1e6))
    with pytest.raises(ValueError, match=r"box: expected periods of at least 0.0001 of .*, got 1 and "):
        periodic.potential(targets, charges, cf.Plummer(1.0, 0.1), box)
