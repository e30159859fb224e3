"""The tree code: within its tolerance for charges however they lie, and its parts each alone."""

import itertools
import multiprocessing
import os
import subprocess
import sys

import numba
import numpy as np
import pytest
from charge_clouds import pair_sum, plummer_field_pair, plummer_pair, seeds
from hypothesis import given, settings
from hypothesis import strategies as st

from coulombfield import Coulomb, Gaussian, Laplace, Plummer
from coulombfield.calculus import machine_epsilon
from coulombfield.profiles import GradientSize, Laplacian, Magnitude
from coulombfield.sums import direct, selection
from coulombfield.sums.pairs import simd
from coulombfield.sums.request import Request
from coulombfield.sums.tree import chebyshev, hierarchy, interactions, near_field, tree

SERVED = {
    "plummer 1": Plummer(1.0, 0.05),
    "plummer 3": Plummer(3.0, 0.02),
    "plummer 2.5": Plummer(2.5, 0.1),
    "plummer 7": Plummer(7.0, 0.5),
    "coulomb": Coulomb(1.0),
    "sum": 0.5 * Plummer(3.0, 0.05) + Plummer(1.0, 0.2),
}


ON_A_LINE = ["plummer 1", "plummer 7", "coulomb"]  # loops are compiled for each kind of kernel in each dimension


def uniform(rng, count, dimension):
    return rng.uniform(-1, 1, (count, dimension))


def clustered(rng, count, dimension):
    """Five clusters of very different sizes, and a few points between them."""
    centers, sizes = rng.uniform(-1, 1, (5, dimension)), 10.0 ** rng.uniform(-4, -1, 5)
    cluster = rng.integers(0, 5, count)
    points = centers[cluster] + sizes[cluster, None] * rng.standard_normal((count, dimension))
    points[: count // 20] = uniform(rng, count // 20, dimension)
    return points


def collinear(rng, count, dimension):
    return rng.uniform(-1, 1, (count, 1)) * np.linspace(1, 0.3, dimension)


def duplicated(rng, count, dimension):
    return uniform(rng, 1 + count // 20, dimension)[rng.integers(0, 1 + count // 20, count)]


def far_apart(rng, count, dimension):
    """A cluster on the scale of 1, and points as far as 1e6."""
    points = rng.standard_normal((count, dimension))
    points[: count // 4] *= 1e6
    return points


CLOUDS = {f.__name__: f for f in (uniform, clustered, collinear, duplicated, far_apart)}


@pytest.fixture(autouse=True)
def small_trees(monkeypatch):
    """Let few points make a tree with many cells."""
    monkeypatch.setattr(tree, "DIRECT_PAIRS", 0)
    monkeypatch.setattr(tree, "LEAF", 0.1)
    monkeypatch.setattr(tree, "PAIR_COST", 1e3)


def errors(request, result):
    """Errors of potential and field, relative as the tolerance is; the oracle is direct in float64."""
    targets, positions, weights = (x.astype(float) for x in (request.targets, request.positions, request.weights))
    exact = request._replace(targets=targets, positions=positions, weights=weights)
    expected = direct.evaluate(exact)
    sizes = exact._replace(weights=np.abs(weights), potential=True, field=False)
    found = []
    for which, size in enumerate([Magnitude(request.profile), GradientSize(request.profile)]):
        if expected[which] is not None:
            assert result[which].dtype == request.targets.dtype
            assert result[which].shape == expected[which].shape
            scale = direct.evaluate(sizes._replace(profile=size)).potential
            found.append(np.linalg.norm(result[which] - expected[which]) / np.linalg.norm(scale))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", SERVED)
@given(
    cloud=st.sampled_from(list(CLOUDS)),
    count=st.integers(200, 900),
    line=st.booleans(),
    digits=st.integers(2, 10),
    exclude_self=st.booleans(),
    seed=seeds,
)
@settings(max_examples=12)
def test_errors_stay_within_the_tolerance(name, cloud, count, line, digits, exclude_self, seed):
    rng, dimension = np.random.default_rng(seed), 1 if line and name in ON_A_LINE else 2
    positions, weights = CLOUDS[cloud](rng, count, dimension), rng.standard_normal(count)
    if name == "coulomb":
        positions, exclude_self = uniform(rng, count, dimension), True  # its answer at coincident points is no number
    request = Request(positions, positions, weights, SERVED[name].profile, exclude_self, True, True)
    # Beyond the tolerance itself, by as much as the measurement of rtol lets pass.
    assert max(errors(request, tree.approximate(request, 10.0**-digits))) <= 2 * 10.0**-digits


@pytest.mark.slow
@pytest.mark.parametrize("cloud", CLOUDS)
def test_float32_stays_within_the_tolerance(cloud):
    rng = np.random.default_rng(0)
    positions, weights = CLOUDS[cloud](rng, 900, 2).astype("float32"), rng.standard_normal(900).astype("float32")
    request = Request(positions, positions, weights, Plummer(1.0, 0.02).profile, False, True, True)
    for tolerance in (1e-2, 1e-3, 1e-4, 1e-5):  # the last computes in float64
        assert max(errors(request, tree.approximate(request, tolerance))) <= 2 * tolerance


@pytest.mark.slow
@given(count=st.integers(300, 900), seed=seeds, dimension=st.sampled_from([1, 2]))
@settings(max_examples=10)
def test_the_error_follows_the_tolerance(count, seed, dimension):
    rng = np.random.default_rng(seed)
    targets, positions = uniform(rng, count, dimension), uniform(rng, count, dimension)
    request = Request(targets, positions, np.ones(count), SERVED["plummer 1"].profile, False, True, True)
    coarse, fine = (max(errors(request, tree.approximate(request, tolerance))) for tolerance in (1e-2, 1e-9))
    assert 1e-13 < fine < 1e-5 * coarse  # proxies do take part, and sums are not merely always exact


@pytest.mark.slow
def test_a_laplacian_is_a_sum_like_any_other():
    rng = np.random.default_rng(1)
    positions, weights = clustered(rng, 600, 2), rng.standard_normal(600)
    profile = Laplacian.of(Plummer(3.0, 0.02).profile, 2)
    request = Request(positions, positions, weights, profile, False, True, False)
    result = tree.approximate(request, 1e-6)
    assert errors(request, result)[0] <= 2e-6
    assert result.field is None


def test_sums_agree_with_long_double_sums_of_the_printed_formula():
    rng = np.random.default_rng(2)
    targets, positions, weights = uniform(rng, 40, 2), uniform(rng, 300, 2), rng.standard_normal(300)
    request = Request(targets, positions, weights, Plummer(3.0, 0.1).profile, False, True, True)
    result = tree.approximate(request, 1e-8)
    for found, pair in ((result.potential, plummer_pair(3, 0.1)), (result.field, plummer_field_pair(3, 0.1))):
        expected, sizes = pair_sum(targets, positions, weights, pair)
        assert np.linalg.norm(found - expected) <= 2e-8 * np.linalg.norm(sizes)


@pytest.mark.slow
@given(targets=st.integers(1, 120), rest=st.integers(0, 200), seed=seeds, wide=st.booleans())
@settings(max_examples=20)
def test_exclude_self_leaves_out_the_own_term_only(targets, rest, seed, wide):
    """Also with fewer targets than charges, duplicates, and where a cell acts on itself through proxies."""
    rng = np.random.default_rng(seed)
    positions = duplicated(rng, targets + rest, 2)
    kernel = Plummer(3.0, 10.0 if wide else 0.02)
    request = Request(
        positions[:targets].copy(), positions, rng.standard_normal(targets + rest), kernel.profile, True, True, True
    )
    found, expected = tree.approximate(request, 1e-6), direct.evaluate(request)
    alone = tree.approximate(request._replace(field=False), 1e-6).potential
    # The own term is large: left in, or taken off twice, it would be seen against the sum of all terms.
    size = np.abs(request.weights).sum() * kernel.softening**-3
    assert np.abs(found.potential - expected.potential).max() <= 1e-5 * size
    assert np.abs(alone - expected.potential).max() <= 1e-5 * size
    assert np.abs(found.field - expected.field).max() <= 1e-5 * size / kernel.softening


def test_a_cell_acts_on_itself_through_proxies_where_the_softening_is_wide():
    positions = uniform(np.random.default_rng(3), 500, 2)
    request = Request(positions, positions, np.ones(500), Plummer(3.0, 10.0).profile, True, True, False)
    _, _, found = parts(request, 1e-5)
    assert found.self_far.any()
    assert not found.near.size
    # A charge's own term is a part in 500.
    assert errors(request, tree.approximate(request, 1e-5))[0] <= 2e-5


def parts(request, tolerance):
    """Particles, tree and lists for a request."""
    layout = tree._layout(request, tolerance)
    particles, _, grown, found = tree._planted(request, layout)
    return particles, grown, found


@given(
    cloud=st.sampled_from(list(CLOUDS)),
    targets=st.integers(1, 300),
    charges=st.integers(1, 300),
    dimension=st.integers(1, 3),
    proxies_a_cell=st.integers(1, 20),
    few=st.integers(0, 50),
    smooth_from=st.integers(0, 12),
    seed=seeds,
)
@settings(max_examples=100)
def test_each_pair_is_in_exactly_one_list(cloud, targets, charges, dimension, proxies_a_cell, few, smooth_from, seed):
    rng = np.random.default_rng(seed)
    targets, charges = CLOUDS[cloud](rng, targets, dimension), CLOUDS[cloud](rng, charges, dimension)
    box = hierarchy.Box.around(targets, charges)
    _, charge_keys = box.sort(charges)
    _, target_keys = box.sort(targets)
    grown = hierarchy.build(charge_keys, target_keys, box, min(box.levels, smooth_from), 3)
    smooth = np.zeros((box.levels + 1, dimension + 1), bool)
    smooth[smooth_from:] = True
    smooth[max(0, smooth_from - 1), -1] = True  # corners touch less than faces do
    found = interactions.lists(grown, smooth, proxies_a_cell, float(few))
    times = np.zeros((len(target_keys), len(charge_keys)), int)

    def add(target_range, charge_range):
        times[slice(*target_range), slice(*charge_range)] += 1

    for a, b in found.far:
        add(grown.targets[a], grown.charges[b])
    for leaf, begin, end in found.near:
        add(grown.targets[leaf], (begin, end))
    for leaf, cell in found.outgoing:
        add(grown.targets[leaf], grown.charges[cell])
    for cell, begin, end in found.incoming:
        add(grown.targets[cell], (begin, end))
    assert np.all(times == 1)


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_tree_holds_its_points(cloud):
    rng = np.random.default_rng(4)
    positions = CLOUDS[cloud](rng, 2000, 2)
    particles, grown, _ = parts(
        Request(positions, positions, np.ones(2000), Plummer(3.0, 1e-3).profile, False, True, True), 1e-6
    )
    for cell, (begin, end) in enumerate(grown.charges):
        distance = np.abs(particles.charges[:, begin:end] - grown.centers[cell][:, None])
        assert np.all(distance <= grown.half_widths[cell] * (1 + 1e-9) + 1e-9 * np.abs(grown.centers[cell]).max())


def test_coordinates_from_a_cells_origin_keep_their_digits():
    """In float32 a place from a distant centre would be off by far more than a share of a small cell."""
    half_width = 1e-5
    for center in ([0.7, 3e-5], [-3e-5, -0.7]):
        origin = np.empty(2, "float32")
        near_field._put_origin(np.array([center]), np.array([half_width]), 0, origin)
        shifts = np.abs(center - origin)
        assert np.all(shifts <= 4 * half_width)
        # What may be small itself is left as it is.
        assert np.all(origin[np.abs(center) <= 4 * half_width] == 0)


def test_both_kinds_of_unequal_cells_occur():
    """The clouds above would not test the sums between a leaf and smaller cells otherwise."""
    positions = clustered(np.random.default_rng(5), 900, 2)
    request = Request(positions, positions, np.ones(900), Coulomb(1.0).profile, True, True, False)
    _, _, found = parts(request, 1e-1)
    assert found.incoming.size
    assert found.outgoing.size


@pytest.mark.parametrize("many", ["targets", "charges"])
def test_a_few_points_reach_many_distant_ones_through_their_proxies_alone(many):
    """No cells of one size act on each other here, which would hide what was not passed on from unequal ones."""
    rng = np.random.default_rng(13)
    crowd, few = rng.uniform(0.8, 1.0, (900, 2)), rng.uniform(-1.0, -0.9, (5, 2))
    targets, positions = (crowd, few) if many == "targets" else (few, crowd)
    request = Request(targets, positions, rng.random(len(positions)), SERVED["plummer 3"].profile, False, True, True)
    _, _, found = parts(request, 1e-3)
    assert not found.far.size
    assert (found.incoming if many == "targets" else found.outgoing).size
    assert max(errors(request, tree.approximate(request, 1e-3))) <= 2e-3


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_neither_threads_nor_repetition_change_a_bit(dtype):
    rng = np.random.default_rng(6)
    positions, weights = clustered(rng, 4000, 2).astype(dtype), rng.standard_normal(4000).astype(dtype)
    request = Request(positions, positions, weights, Plummer(1.0, 0.02).profile, False, True, True)
    threads, results = numba.get_num_threads(), []
    assert threads > 1
    try:
        for count in (1, threads, threads):
            numba.set_num_threads(count)
            results.append(tree.approximate(request, 1e-3))
    finally:
        numba.set_num_threads(threads)
    for other in results[1:]:
        assert np.array_equal(results[0].potential, other.potential)
        assert np.array_equal(results[0].field, other.field)


def test_few_pairs_are_summed_as_simd_does(monkeypatch):
    monkeypatch.setattr(tree, "DIRECT_PAIRS", 101)
    rng = np.random.default_rng(7)
    positions, weights = uniform(rng, 10, 2), rng.standard_normal(10)
    request = Request(positions, positions, weights, Plummer(3.0, 0.02).profile, False, True, True)
    (found, _), expected = selection.evaluate(request._replace(rtol=1e-3), "tree"), simd.evaluate(request)
    assert np.array_equal(found.potential, expected.potential)
    assert np.array_equal(found.field, expected.field)


def test_no_targets_or_no_charges_make_empty_sums_or_zeros(monkeypatch):
    monkeypatch.undo()
    some, none = np.ones((3, 2)), np.ones((0, 2))
    profile = Plummer().profile
    nothing, _ = selection.evaluate(Request(none, some, np.ones(3), profile, False, True, True, 1e-3), "tree")
    assert nothing.field.shape == (0, 2)
    zeros, _ = selection.evaluate(Request(some, none, np.ones(0), profile, False, True, True, 1e-3), "tree")
    assert np.array_equal(zeros.potential, np.zeros(3))


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 1e300])
def test_what_is_not_finite_spreads_as_far_as_it_must(wrong):
    rng = np.random.default_rng(8)
    targets, positions, weights = uniform(rng, 100, 2), uniform(rng, 300, 2), np.ones(300)
    request = Request(targets, positions, weights, Plummer(3.0, 0.02).profile, False, True, True)
    expected = tree.approximate(request, 1e-3)
    if wrong != 1e300:
        targets[7, 1] = wrong
        assert tree.seconds(request._replace(rtol=1e-3)) == np.inf
        found = tree.approximate(request, 1e-3)
        assert np.isnan(found.potential[7])
        assert np.isnan(found.field[7]).all()
        others = np.arange(100) != 7
        assert np.allclose(found.potential[others], expected.potential[others], rtol=1e-2)
        targets[7, 1] = 0
    for array in (positions, weights):
        if wrong == 1e300 and array is weights:
            continue
        before = array.copy()
        array[11] = wrong
        assert tree.seconds(request._replace(rtol=1e-3)) == np.inf
        found = tree.approximate(request, 1e-3)
        assert np.isnan(found.potential).all()
        assert np.isnan(found.field).all()
        array[:] = before


@pytest.mark.parametrize("scale", [1e-15, 1.0, 1e15])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_unit_of_length_does_not_matter(scale, dtype):
    rng = np.random.default_rng(9)
    positions, weights = (scale * clustered(rng, 600, 2)).astype(dtype), rng.standard_normal(600).astype(dtype)
    request = Request(positions, positions, weights, Plummer(1.0, 0.05 * scale).profile, False, True, True)
    exact = [x.astype(float) for x in (positions, weights)]
    found = tree.approximate(request, 1e-3)
    expected = direct.evaluate(request._replace(targets=exact[0], positions=exact[0], weights=exact[1]))
    for name in ("potential", "field"):
        difference = getattr(found, name).astype(float) - getattr(expected, name)
        assert np.linalg.norm(difference) <= 0.01 * np.linalg.norm(getattr(expected, name))


def test_scales_from_1e_minus_20_to_1e20_in_one_cloud():
    rng = np.random.default_rng(10)
    positions, weights = uniform(rng, 300, 2), rng.standard_normal(300)
    positions[:100] *= 1e-20
    positions[100:150] *= 1e20
    request = Request(positions, positions, weights, Coulomb(1.0).profile, True, True, True)
    assert max(errors(request, tree.approximate(request, 1e-4))) <= 2e-4


@pytest.mark.parametrize("place", [0.0, 1.0, 1e6])
def test_a_cloud_of_one_point(place):
    positions = np.full((300, 2), place)
    request = Request(positions, positions, np.ones(300), Plummer(3.0, 0.5).profile, False, True, True)
    result = tree.approximate(request, 1e-6)
    assert np.allclose(result.potential, 300 * 8, rtol=1e-6)
    assert np.abs(result.field).max() <= 1e-6 * 300 * 8 / 0.5


def test_read_only_and_strided_arrays_are_taken_as_they_are():
    rng = np.random.default_rng(11)
    positions, weights = clustered(rng, 300, 2), rng.standard_normal(300)
    request = Request(positions, positions, weights, Plummer(3.0, 0.02).profile, False, True, True)
    expected = tree.approximate(request, 1e-3)
    for targets in (
        np.asfortranarray(positions),
        np.repeat(positions, 2, axis=1)[:, ::2],
        positions[::-1].copy()[::-1],
    ):
        views = targets, targets.copy(order="F"), np.repeat(weights, 2)[::2]
        for view in views:
            view.flags.writeable = False
        found = tree.approximate(Request(*views, request.profile, False, True, True), 1e-3)
        assert np.array_equal(found.potential, expected.potential)
        assert np.array_equal(found.field, expected.field)
    assert np.array_equal(tree.approximate(request._replace(potential=False), 1e-3).field, expected.field)


@pytest.mark.parametrize("order", [2, 5, 12])
def test_polynomials_are_reproduced_with_their_slopes(order):
    places, _ = chebyshev.points(order)
    at = np.linspace(-1, 1, 7)
    values, slopes = chebyshev.basis(order, at)
    for degree in range(order):
        size = machine_epsilon("float64") * 100 * order**2
        assert np.allclose(values @ places**degree, at**degree, rtol=0, atol=size)
        slope = degree * at ** max(0, degree - 1)
        assert np.allclose(slopes @ places**degree, slope, rtol=0, atol=size)


def test_the_order_grows_with_the_digits():
    orders = [
        chebyshev.smoothness(Plummer().profile, 100.0, 20, 2, 10.0**-digits, True).order for digits in range(2, 11)
    ]
    assert all(one <= other for one, other in itertools.pairwise(orders))
    assert orders[0] < orders[-1] < chebyshev.MOST


@pytest.mark.parametrize("tolerance", [1e-3, 1e-6, 1e-9])
def test_cells_with_another_between_them_interact_within_the_tolerance(tolerance):
    rng, profile = np.random.default_rng(14), Plummer(3.0, 1e-3).profile
    order = chebyshev.smoothness(profile, 2.0, 3, 2, tolerance, False).order
    nodes, aside = chebyshev.coordinates(order, 2), np.array([4.0, 0.0])  # cells of half-width 1
    targets, charges = uniform(rng, 200, 2), uniform(rng, 200, 2)
    by_target, by_charge = (
        np.einsum("ia,ib->iab", *[chebyshev.basis(order, x).values for x in points.T]).reshape(200, -1)
        for points in (targets, charges)
    )

    def kernel(ones, others):
        return profile.value(np, np.sum((ones[:, None] - others - aside) ** 2, axis=-1))

    exact = kernel(targets, charges)
    assert np.linalg.norm(by_target @ kernel(nodes, nodes) @ by_charge.T - exact) <= tolerance * np.linalg.norm(exact)


@pytest.mark.parametrize("cloud", ["uniform", "clustered"])
def test_the_estimated_time_needs_a_sample_only(monkeypatch, cloud):
    rng = np.random.default_rng(12)
    monkeypatch.setattr(tree, "LEAF", 1.0)
    positions = CLOUDS[cloud](rng, 40_000, 2)
    request = Request(positions, positions, np.ones(40_000), Plummer(3.0, 1e-3).profile, False, True, True, rtol=1e-4)
    estimate = tree.seconds(request)
    monkeypatch.setattr(tree, "SAMPLED_A_LEAF", 10**9)
    assert 0.5 <= estimate / tree.seconds(request) <= 2


def test_what_can_not_be_served_is_refused():
    positions = np.ones((3, tree.MAX_DIMENSION + 1))
    request = Request(positions[:, :2], positions[:, :2], np.ones(3), Plummer().profile, False, True, True)
    assert tree.refusal(request) == ""
    assert "dimensions" in tree.refusal(request._replace(targets=positions, positions=positions))
    for kernel in (Gaussian(1.0), Laplace(1.0), Plummer() + 2.0 * Gaussian(1.0)):
        assert "Plummer" in tree.refusal(request._replace(profile=kernel.profile))
    assert "NumPy" in tree.refusal(request._replace(targets=[[0.0, 0.0]]))


def summed(count=6_000):
    """Potential by the tree, over more pairs than it leaves to other engines, and keys enough for several threads."""
    positions = np.random.default_rng(0).normal(size=(count, 2))
    asked = Request(positions, positions, np.ones(count), Plummer(3.0, 0.01).profile, False, True, False, 1e-4)
    return tree.approximate(asked, 1e-4).potential


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_child_sums_like_its_parent():
    expected = summed()
    forked = multiprocessing.get_context("fork")
    ours, its = forked.Pipe()
    child = forked.Process(target=lambda: its.send_bytes(summed().tobytes()))
    child.start()
    its.close()
    child.join(60)
    assert child.exitcode == 0
    assert ours.recv_bytes() == expected.tobytes()


@pytest.mark.slow
def test_two_threads_sum_at_once_whatever_layer_numba_has():
    script = "import threading, test_sums_tree as t\n" + "threads = [threading.Thread(target=t.summed) for _ in '12']\n"
    script += "[thread.start() for thread in threads]; [thread.join() for thread in threads]"
    variables = {**os.environ, "NUMBA_THREADING_LAYER": "workqueue", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", script], check=True, env=variables)
