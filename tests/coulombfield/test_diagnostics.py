"""Energies by parts, forces, neighbours, pictures, distances of samples and checks of fields."""

import numpy as np
import pytest
from charge_clouds import KERNELS, cloud, dimensions, seeds
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import cdist

import coulombfield as cf
from coulombfield import diagnostics
from coulombfield.calculus import best_step, machine_epsilon, observed_order
from coulombfield.diagnostics import samples

several = st.integers(2, 9)


def two(seed, n_y, n_x, dimension, dtype="float64", shift=0.5):
    rng = np.random.default_rng(seed)
    return tuple(
        rng.standard_normal((n, dimension)).astype(dtype) + np.asarray(s, dtype) for n, s in ((n_y, 0), (n_x, shift))
    )


@settings(max_examples=5)
@given(n_y=several, n_x=several, dimension=dimensions, seed=seeds)
def test_the_parts_of_the_energy_add_up(library, dtype, n_y, n_x, dimension, seed):
    y, x = two(seed, n_y, n_x, dimension, dtype)
    kernel, put = cf.Plummer(2.0, 0.75), library.put
    parts = diagnostics.energy_parts(put(y), put(x), kernel, method="direct")
    tolerance = 40 * machine_epsilon(dtype) * kernel.softening**-2
    k = (cdist(y, y) ** 2 + 0.75**2) ** -1.0, (cdist(x, x) ** 2 + 0.75**2) ** -1.0, (cdist(y, x) ** 2 + 0.75**2) ** -1.0
    for found, expected in zip(parts, (k[0].mean() / 2, k[1].mean() / 2, -k[2].mean()), strict=False):
        assert abs(found - expected) <= tolerance
    for found, unbiased in ((parts.total, False), (parts.unbiased, True)):
        expected = cf.interaction_energy(put(y), put(x), kernel, unbiased=unbiased, method="direct")
        assert abs(found - expected) <= tolerance


def test_a_bare_kernel_has_an_infinite_energy_and_a_finite_unbiased_one():
    y, x = two(0, 4, 3, 2)
    parts = diagnostics.energy_parts(y, x, cf.Coulomb(1.0), method="direct")
    assert parts.total == np.inf
    assert np.isfinite(parts.unbiased)
    assert np.isnan(diagnostics.energy_parts(y, x[:1], cf.Plummer(), method="direct").unbiased)


def test_force_norms_are_those_of_the_vectors(library, dtype):
    vectors = np.asarray([[3.0, 4.0], [0.0, 0.0], [0.0, 1.0]], dtype)
    found = diagnostics.force_norms(library.put(vectors))
    assert found == pytest.approx((2.0, np.sqrt(26 / 3), 5.0), rel=1e-15)
    assert diagnostics.force_norms(library.put(vectors[:0])) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("scale", [2.0**-700, 2.0**-200, 2.0**200, 2.0**1000])
@pytest.mark.parametrize("dimension", [2, 9])
def test_nearest_neighbours_do_not_depend_on_the_unit_of_length(scale, dimension):
    points = np.random.default_rng(0).standard_normal((30, dimension))
    expected, found = diagnostics.nearest_neighbours(points), diagnostics.nearest_neighbours(scale * points)
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_allclose(found.distances, scale * expected.distances, rtol=1e-15)


@settings(max_examples=5)
@given(count=st.integers(2, 30), others=st.integers(1, 30), dimension=st.sampled_from([1, 2, 3, 9]), seed=seeds)
def test_nearest_neighbours_are_those_of_all_pairs(library, dtype, count, others, dimension, seed):
    rng = np.random.default_rng(seed)
    a, b = (rng.integers(-3, 4, (n, dimension)).astype(dtype) for n in (count, others))  # many coincide
    for among in (None, b):
        distances, indices = diagnostics.nearest_neighbours(library.put(a), among if among is None else library.put(b))
        distances, indices = library.get(distances), library.get(indices)
        table = cdist(a, a if among is None else b)
        if among is None:
            assert (indices != np.arange(count)).all()
            np.fill_diagonal(table, np.inf)
        assert distances.dtype == dtype
        np.testing.assert_allclose(distances, table.min(axis=1), rtol=4 * machine_epsilon(dtype))
        np.testing.assert_array_equal(table[np.arange(count), indices], table.min(axis=1))


def test_neighbours_of_more_points_than_a_tile_holds(monkeypatch):
    monkeypatch.setattr("coulombfield.diagnostics.neighbours.TILE_NUMBERS", 100)
    monkeypatch.setattr("coulombfield.diagnostics.neighbours.BLOCK", 4)
    a = np.random.default_rng(0).standard_normal((23, 9))
    table = cdist(a, a) + np.diag(np.full(23, np.inf))
    found = diagnostics.nearest_neighbours(a)
    np.testing.assert_allclose(found.distances, table.min(axis=1), rtol=1e-14)
    np.testing.assert_array_equal(found.indices, table.argmin(axis=1))


def test_the_potential_on_a_grid_is_that_at_its_points(library, dtype):
    positions, weights = cloud(np.random.default_rng(0), 5, 3, dtype)
    charges = cf.Charges(library.put(positions), library.put(weights))
    grid = diagnostics.potential_on_grid(
        charges,
        cf.Plummer(),
        lower=(-1, 0),
        upper=(1, 2),
        shape=(3, 4),
        axes=(2, 0),
        through=(9, 0.5, 9),
        method="direct",
    )
    values = library.get(grid.values)
    assert values.shape == (3, 4)
    assert values.dtype == dtype
    for i, z in enumerate(grid.coordinates[0]):
        for j, x in enumerate(grid.coordinates[1]):
            target = library.put(np.asarray([[x, 0.5, z]], dtype))
            assert values[i, j] == library.get(cf.potential(target, charges, cf.Plummer(), method="direct"))[0]
    np.testing.assert_allclose(grid.coordinates[1], [0, 2 / 3, 4 / 3, 2])


@settings(max_examples=5)
@given(count=st.integers(1, 50), dimension=dimensions, seed=seeds)
def test_a_density_integrates_to_the_share_inside(library, dtype, count, dimension, seed):
    points = np.random.default_rng(seed).standard_normal((count, dimension)).astype(dtype)
    axes = [dimension - 1, 0][: min(2, dimension)]
    found = diagnostics.density_histogram(library.put(points), bins=5, axes=axes)
    volumes = np.prod(np.meshgrid(*[np.diff(edge) for edge in found.edges], indexing="ij"), axis=0)
    assert np.sum(found.values * volumes) == pytest.approx(1.0)
    inside = (np.abs(points[:, axes]) <= 1).all(axis=1).mean()
    found = diagnostics.density_histogram(
        library.put(points), bins=[4] * len(axes), axes=axes, limits=[(-1, 1)] * len(axes)
    )
    assert np.sum(found.values) * 0.5 ** len(axes) == pytest.approx(inside)


def test_a_density_leaves_out_what_is_nowhere():
    points = np.asarray([[0.5], [np.nan], [np.inf], [7.0]])
    assert diagnostics.density_histogram(points, bins=2, limits=[(0, 1)]).values.tolist() == [0.0, 0.5]
    assert not diagnostics.density_histogram(points[:0], bins=2, limits=[(0, 1)]).values.any()


@settings(max_examples=5)
@given(n_y=several, n_x=several, seed=seeds)
def test_the_energy_distance_is_scipys_squared_in_one_dimension(n_y, n_x, seed):
    y, x = two(seed, n_y, n_x, 1)
    found = diagnostics.energy_distance(y, x, method="direct")
    assert found == pytest.approx(stats.energy_distance(y[:, 0], x[:, 0]) ** 2, abs=1e-13)


@settings(max_examples=5)
@given(n_y=several, n_x=several, dimension=st.sampled_from([1, 2, 12]), seed=seeds)
def test_distances_of_samples_are_means_over_pairs(library, dtype, n_y, n_x, dimension, seed):
    y, x = two(seed, n_y, n_x, dimension, dtype)
    put, size = library.put, 10 * machine_epsilon(dtype) * (1 + np.sqrt(dimension))
    mean = [cdist(a, b).mean() for a, b in ((y, y), (x, x), (y, x))]
    pairs = [m * n / (n - 1) for m, n in ((mean[0], n_y), (mean[1], n_x))]
    found = diagnostics.energy_distance(put(y), put(x), method="direct")
    assert abs(found - (2 * mean[2] - mean[0] - mean[1])) <= 4 * size
    found = diagnostics.energy_distance(put(y), put(x), unbiased=True, method="direct")
    assert abs(found - (2 * mean[2] - sum(pairs))) <= 8 * size
    mean = [np.exp(-(cdist(a, b) ** 2) / 8).mean() for a, b in ((y, y), (x, x), (y, x))]
    found = diagnostics.mmd_squared(put(y), put(x), cf.Gaussian(2.0), method="direct")
    assert abs(found - (mean[0] + mean[1] - 2 * mean[2])) <= 4 * size


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("kernel", [None, cf.Gaussian(1.0)])
@settings(max_examples=3)
@given(n_y=several, n_x=several, dimension=st.sampled_from([1, 2, 9]), seed=seeds)
def test_each_way_to_permute_gives_the_same(library, dtype, kernel, unbiased, n_y, n_x, dimension, seed):
    y, x = two(seed, n_y, n_x, dimension, dtype)
    options = {"kernel": kernel, "permutations": 9, "seed": seed, "unbiased": unbiased, "method": "direct"}
    once = diagnostics.permutation_test(library.put(y), library.put(x), **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(samples, "KERNEL_ONCE", 0)
        sums = diagnostics.permutation_test(library.put(y), library.put(x), **options)
    tolerance = 40 * machine_epsilon(dtype) * (4 + np.sqrt(dimension))
    np.testing.assert_allclose(once.null, sums.null, atol=tolerance)
    used = diagnostics.NegativeDistance() if kernel is None else kernel
    expected = diagnostics.mmd_squared(library.put(y), library.put(x), used, unbiased=unbiased, method="direct")
    assert abs(once.statistic - expected) <= tolerance
    assert abs(sums.statistic - expected) <= tolerance


def test_tiles_and_blocks_do_not_change_a_test(monkeypatch):
    y, x = two(0, 13, 9, 2)
    whole = diagnostics.permutation_test(y, x, permutations=29)
    monkeypatch.setattr(samples, "TILE_NUMBERS", 60)
    monkeypatch.setattr(samples, "COLUMNS", 7)
    np.testing.assert_allclose(diagnostics.permutation_test(y, x, permutations=29).null, whole.null, atol=1e-13)


def test_p_values_of_one_distribution_are_uniform_and_of_two_are_small():
    """200 tests of 19 permutations: p takes 20 values, each as likely; χ² with 19 degrees of freedom."""
    rng = np.random.default_rng(0)
    counts = np.zeros(20)
    for seed in range(200):
        p = diagnostics.permutation_test(*rng.standard_normal((2, 7, 2)), permutations=19, seed=seed).p_value
        counts[round(20 * p) - 1] += 1
    assert np.sum((counts - 10) ** 2) / 10 < stats.chi2.ppf(1 - 1e-4, 19)
    y, x = two(0, 40, 30, 2, shift=1.5)
    assert diagnostics.permutation_test(y, x, permutations=99).p_value == 0.01
    assert diagnostics.permutation_test(y, x, cf.Gaussian(1.0), permutations=99, unbiased=True).p_value == 0.01


@pytest.mark.parametrize("kernel", [None, cf.Gaussian(1.0)])
def test_equal_points_are_no_evidence(kernel):
    """All permutations are one and the same; rounding must not tell them apart."""
    assert diagnostics.permutation_test(np.full((6, 2), 0.3), np.full((5, 2), 0.3), kernel).p_value == 1.0


def test_an_energy_distance_scales_with_the_unit_of_length(dtype):
    y, x = two(0, 9, 7, 2, dtype)
    near, far = (diagnostics.energy_distance(y * unit, x * unit, method="direct") for unit in (1, 2.0**30))
    assert far == pytest.approx(2**30 * near, rel=100 * machine_epsilon(dtype))


def test_a_test_repeats_and_its_seed_matters():
    y, x = two(0, 12, 9, 2)
    first, again, other = (diagnostics.permutation_test(y, x, permutations=49, seed=s) for s in (0, 0, 1))
    np.testing.assert_array_equal(first.null, again.null)
    assert (first.null != other.null).any()


def rotation(points):
    """The field (−y, x, 0, ...) with curl, plus x_i² in each direction, with a divergence."""
    turned = 0 * points
    turned[:, 0], turned[:, 1] = -points[:, 1], points[:, 0]
    return turned + points * points


def test_derivatives_of_a_known_field():
    points = np.random.default_rng(0).standard_normal((4, 3))
    step = best_step("float64")
    np.testing.assert_allclose(diagnostics.divergence(rotation, points, step), 2 * points.sum(axis=1), atol=1e-9)
    curl = diagnostics.curl(rotation, points, step)
    expected = np.zeros((4, 3, 3))
    expected[:, 0, 1], expected[:, 1, 0] = 2, -2
    np.testing.assert_allclose(curl, expected, atol=1e-9)
    np.testing.assert_allclose(
        diagnostics.jacobian(lambda p: p @ np.diag([1.0, 2, 3]), points, step)[0], np.diag([1, 2, 3]), atol=1e-9
    )


@pytest.mark.parametrize("name", [name for name in KERNELS if name != "laplace"])
def test_fields_are_what_they_should_be(library, name):
    rng = np.random.default_rng(0)
    positions, weights = (library.put(a) for a in cloud(rng, 6, 3))
    found = diagnostics.check_field(
        library.put(rng.standard_normal((5, 3))), cf.Charges(positions, weights), KERNELS[name], method="direct"
    )
    assert found.scale > 0
    assert max(found.divergence, found.curl) < 1e-8 * found.scale


def test_the_differences_are_of_second_order():
    positions, weights = cloud(np.random.default_rng(0), 6, 2)
    steps = [0.2, 0.1, 0.05]
    errors = [
        diagnostics.check_field(
            positions, cf.Charges(positions, weights), cf.Plummer(), step=h, method="direct"
        ).divergence
        for h in steps
    ]
    assert 1.8 < observed_order(steps, errors) < 2.2


def points(count=3, dimension=2, dtype="float64", value=0.0):
    return np.full((count, dimension), value, dtype)


charges = cf.Charges(points(), np.ones(3))
box = {"lower": (0, 0), "upper": (1, 1), "shape": (2, 2)}


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: diagnostics.energy_parts(points(0), points(), cf.Plummer()),
            ValueError,
            r"^real: expected at least 1",
        ),
        (lambda: diagnostics.energy_parts(points(), points(dtype="float32"), cf.Plummer()), TypeError, r"^generated: "),
        (lambda: diagnostics.force_norms(1.0), TypeError, r"^vectors: expected an array"),
        (
            lambda: diagnostics.nearest_neighbours(points(1)),
            ValueError,
            r"^points: expected at least two points, got 1",
        ),
        (
            lambda: diagnostics.nearest_neighbours(points(), points(0)),
            ValueError,
            r"^among: expected at least one point",
        ),
        (lambda: diagnostics.nearest_neighbours(points(value=np.nan)), ValueError, r"^points: expected finite"),
        (
            lambda: diagnostics.potential_on_grid(points(), cf.Plummer(), **box),
            TypeError,
            r"^charges: expected Charges",
        ),
        (
            lambda: diagnostics.potential_on_grid(charges, cf.Plummer(), **box, axes=(0,)),
            ValueError,
            r"^lower: expected 1",
        ),
        (
            lambda: diagnostics.potential_on_grid(charges, cf.Plummer(), **box, axes=(0, 2)),
            ValueError,
            r"^axes: expected",
        ),
        (
            lambda: diagnostics.potential_on_grid(charges, cf.Plummer(), **{**box, "shape": (2, 0)}),
            ValueError,
            r"^shape: ",
        ),
        (
            lambda: diagnostics.potential_on_grid(charges, cf.Plummer(), **box, through=(1,)),
            ValueError,
            r"^through: exp",
        ),
        (lambda: diagnostics.density_histogram(points(value=np.inf)), ValueError, r"^points: some are NaN or infinite"),
        (
            lambda: diagnostics.density_histogram(points(), bins=0),
            ValueError,
            r"^bins: expected an integer of at least 1",
        ),
        (
            lambda: diagnostics.density_histogram(points(), limits=[(1, 0)] * 2),
            ValueError,
            r"^limits: expected 2 pairs",
        ),
        (lambda: diagnostics.permutation_test(points(1), points()), ValueError, r"^real: expected at least 2 points"),
        (
            lambda: diagnostics.permutation_test(points(), points(), permutations=0),
            ValueError,
            r"^permutations: expected",
        ),
        (lambda: diagnostics.permutation_test(points(), points(), 1.0), TypeError, r"^kernel: expected a RadialKernel"),
        (lambda: diagnostics.permutation_test(points(), points(value=np.nan)), ValueError, r"^real, generated: their"),
        (
            lambda: diagnostics.permutation_test(points(), points(value=1), cf.Coulomb(1.0)),
            ValueError,
            r"unbiased=True",
        ),
        (
            lambda: diagnostics.check_field(points(0), charges, cf.Plummer(), method="direct"),
            ValueError,
            r"^targets: expected at least one",
        ),
        (
            lambda: diagnostics.check_field(points(), charges, cf.Plummer(), step=0, method="direct"),
            ValueError,
            r"^step: expected a pos",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_a_reason(call, error, message):
    with pytest.raises(error, match=message):
        call()
