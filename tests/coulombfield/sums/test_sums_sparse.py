"""Sums over points that are mostly zeros: as exact as differences, wherever sparse points lie among dense ones."""

import tracemalloc

import numba
import numpy as np
import pytest
from charge_clouds import KERNELS, seeds
from hypothesis import given, settings
from hypothesis import strategies as st
from test_sums_gram import check, in_double

from coulombfield import Coulomb, Plummer, electrostatic_energy, potential_and_field, signed_charges
from coulombfield.sums import direct
from coulombfield.sums.gram import compiled_tiles, gram, sparse_tiles
from coulombfield.sums.request import Request

DIMENSION = 3 * sparse_tiles.AXES_A_NONZERO + 5


WORTHWHILE = sparse_tiles._worthwhile


@pytest.fixture(autouse=True)
def whatever_it_costs(monkeypatch):
    """Small sums would go through matrix products."""
    monkeypatch.setattr(sparse_tiles, "_worthwhile", lambda *_: True)


def sparse(rng, n, m):
    """Up to three nonzeros in few axes, so that points share some; some are zero, some equal, some nearly so."""
    points = np.zeros((n, m))
    for point in points:
        axes = rng.choice(min(m, 6), rng.integers(0, 4), replace=False)
        point[axes] = rng.choice([1.0, -0.5, 3.0, rng.standard_normal()], len(axes))
    half = n // 2
    points[:half] = points[n - half :] * (1 + 10.0 ** rng.uniform(-7, -2, (half, 1)))
    points[: n // 4] = points[n - n // 4 :]
    return points


def dense(rng, n, m):
    return rng.standard_normal((n, m)) * 10.0 ** rng.uniform(-3, 0.5, (n, 1))


def mixed(rng, n, m, order):
    """Dense points, some of them next to a sparse one, and sparse points, in some order."""
    points = np.concatenate([dense(rng, n // 2, m), sparse(rng, n - n // 2, m)])
    for point in points[: n // 4]:
        point[:] = points[-1] + 1e-3 * point
    if order == "one between the other":
        return points[rng.permutation(n)]
    return points if order == "dense first" else points[::-1].copy()


ORDERS = ["dense first", "sparse first", "one between the other"]


def request_for(rng, order, t, n, dtype, kernel, points, field=True):
    cloud = mixed(rng, n if points != "apart" else t + n, DIMENSION, order).astype(dtype)
    positions = cloud[:n]
    targets = positions if points != "apart" else cloud[n:]
    weights = rng.standard_normal(n).astype(dtype)
    return Request(targets, positions, weights, kernel.profile, points == "exclude_self", True, field)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "dtype"), [("plummer", "float32"), ("plummer", "float64"), ("gaussian", "float64"), ("sum", "float32")]
)
@given(
    t=st.integers(1, 30),
    n=st.integers(1, 30) | st.integers(1022, 1026),  # around the end of a block of sparse charges
    order=st.sampled_from(ORDERS),
    softening=st.sampled_from([0, -2, -5]),
    points=st.sampled_from(["apart", "same", "exclude_self"]),
    seed=seeds,
)
@settings(max_examples=25)
def test_they_are_as_exact_as_differences(name, dtype, t, n, order, softening, points, seed):
    kernel = KERNELS[name]
    if isinstance(kernel, Plummer):
        kernel = Plummer(kernel.exponent, kernel.softening * 10.0**softening)
    n = n if points == "apart" else min(n, 40)
    request = request_for(np.random.default_rng(seed), order, t, n, dtype, kernel, points)
    result = sparse_tiles.sums(request)
    check(request, result)
    alone = sparse_tiles.sums(request._replace(field=False))
    assert alone.field is None
    np.testing.assert_allclose(alone.potential, result.potential, rtol=1e-4, atol=1e-4 * abs(result.potential).max())


def one_hot(rng, n, length, letters):
    points = np.zeros((n, length, letters), np.float32)
    np.put_along_axis(points, rng.integers(0, letters, (n, length, 1)), 1, axis=2)
    return points.reshape(n, -1)


@pytest.mark.parametrize("mix", [False, True])
def test_copies_of_a_sample_meet_it_to_the_last_bit(mix):
    """Lines of text and soft ones, with one charge at a time."""
    rng = np.random.default_rng(1)
    lines, soft = one_hot(rng, 30, 4, 200), rng.random((20, 4, 200), np.float32)
    soft /= soft.sum(axis=2, keepdims=True)
    points = np.concatenate([soft.reshape(20, -1), lines, lines[:7]])
    if mix:
        points = points[rng.permutation(len(points))]
    kernel = Plummer(exponent=3.0, softening=0.7)
    for i in range(len(points)):
        weights = np.zeros(len(points), np.float32)
        weights[i] = 1
        potential, field = sparse_tiles.sums(Request(points, points, weights, kernel.profile, False, True, True))
        copies = np.all(points == points[i], axis=1)
        assert np.all(potential[copies] == np.float32(kernel.profile.peak))
        assert not field[copies].any()
        assert np.all(potential[~copies] < kernel.profile.peak)


def test_only_pairs_of_two_dense_points_go_through_products(monkeypatch):
    shapes, add_sums = [], compiled_tiles.add_sums

    def noted(request, *sums):
        shapes.append((request.targets.shape, request.positions.shape))
        add_sums(request, *sums)

    monkeypatch.setattr(compiled_tiles, "add_sums", noted)
    rng = np.random.default_rng(2)
    points = np.concatenate([dense(rng, 5, DIMENSION), sparse(rng, 8, DIMENSION)])[rng.permutation(13)]
    request = Request(points, points, rng.standard_normal(13), Plummer().profile, False, True, True)
    check(request, gram.evaluate(request))
    assert shapes == [((5, DIMENSION), (5, DIMENSION))]


def test_points_without_zeros_keep_their_bits_and_so_do_those_where_gathers_save_nothing(monkeypatch):
    rng = np.random.default_rng(3)
    points = dense(rng, 40, DIMENSION)
    request = Request(points, points, rng.standard_normal(40), Plummer().profile, False, True, True)
    monkeypatch.setattr(sparse_tiles, "_worthwhile", WORTHWHILE)
    for zeros in (0, 1):
        points[:zeros] = 0
        for found, expected in zip(gram.evaluate(request), compiled_tiles.sums(request), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_gathers_are_taken_where_they_save_time():
    """By the costs: for lines of many letters, not for few points, few axes, many nonzeros or one sparse point."""

    def worthwhile(count, dense, each, dimension):
        points = np.zeros((count, dimension), np.float32)
        points[:dense] = 1
        points[dense:, :each] = 1
        return WORTHWHILE(points, points, dimension // sparse_tiles.AXES_A_NONZERO)

    assert worthwhile(200, 100, 32, 2**15)
    assert worthwhile(200, 0, 32, 2**15)
    assert not worthwhile(200, 200, 32, 2**15)
    assert not worthwhile(200, 199, 32, 2**15)
    assert not worthwhile(200, 100, 2**10, 2**15)
    assert not worthwhile(8, 4, 2, 2**10)
    assert not worthwhile(600, 300, 2**5, 2**11)
    alternating = np.zeros((256, 2**15), np.float32)
    alternating[::2] = 1
    assert sparse_tiles._sampled(alternating, 99) == (pytest.approx(0.5, abs=0.1), 0, True)


def test_points_with_numbers_that_are_not_finite_are_dense():
    points = np.zeros((5, DIMENSION))
    points[0, 3], points[1, 3], points[2, 200], points[3, 5] = np.nan, np.inf, -np.inf, 1
    assert sparse_tiles.nonzeros(points, 2).sparse.tolist() == [False, False, False, True, True]


@pytest.mark.parametrize("who", ["target", "charge", "same", "weight"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", [0, 9])  # dense, sparse
def test_what_is_not_finite_gives_what_direct_gives(who, value, row):
    rng = np.random.default_rng(4)
    points = mixed(rng, 10, DIMENSION, "dense first")
    targets = points if who == "same" else points[::-1].copy()
    request = Request(targets, points, rng.standard_normal(10), Plummer().profile, False, True, True)
    if who == "weight":
        request.weights[row] = np.nan
    else:
        (targets[9 - row] if who == "target" else points[row])[4] = value
    with np.errstate(invalid="ignore"):
        expected = direct.evaluate(request)
    for one, other in zip(sparse_tiles.sums(request), expected, strict=True):
        assert np.allclose(one, other, rtol=1e-11, atol=1e-11, equal_nan=True)


def test_a_bare_coulomb_kernel_answers_coincident_points_as_direct_does():
    points = mixed(np.random.default_rng(5), 12, DIMENSION, "dense first")
    points[11] = points[9] = 0
    request = Request(points, points, np.linspace(-1, 1, 12), Coulomb(2.0).profile, False, True, True)
    for excluded in (False, True):
        asked = request._replace(exclude_self=excluded)
        with np.errstate(divide="ignore", invalid="ignore"):
            expected = direct.evaluate(asked)
        for one, other in zip(sparse_tiles.sums(asked), expected, strict=True):
            assert np.allclose(one, other, rtol=1e-10, atol=1e-10, equal_nan=True)


@pytest.mark.parametrize("order", ORDERS)
def test_targets_may_be_the_first_charges(order):
    request = request_for(np.random.default_rng(6), order, 0, 20, "float64", Plummer(), "exclude_self")
    whole = direct.evaluate(request)
    part = sparse_tiles.sums(request._replace(targets=request.positions[:13]))
    assert np.allclose(part.potential, whole.potential[:13], rtol=1e-11)
    assert np.allclose(part.field, whole.field[:13], rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("order", ORDERS)
def test_threads_and_the_kind_of_array_change_no_bit(order):
    request = request_for(np.random.default_rng(7), order, 300, 600, "float32", Plummer(), "apart")
    several, threads = sparse_tiles.sums(request), numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        alone = sparse_tiles.sums(request)
    finally:
        numba.set_num_threads(threads)
    views = [np.asfortranarray(request.targets), np.repeat(request.positions, 2, axis=0)[::2]]
    for view in views:
        view.flags.writeable = False
    viewed = sparse_tiles.sums(request._replace(targets=views[0], positions=views[1]))
    for one, other, third in zip(several, alone, viewed, strict=True):
        assert np.array_equal(one, other)
        assert np.array_equal(one, third)


@pytest.mark.parametrize("order", ORDERS)
def test_tiles_of_any_size_give_the_same(monkeypatch, order):
    monkeypatch.setattr(compiled_tiles, "TILE_ROWS", 3)
    monkeypatch.setattr(compiled_tiles, "TILE_COLUMNS", 4)
    monkeypatch.setattr(sparse_tiles, "PRODUCT_ROWS", 2)
    request = request_for(np.random.default_rng(8), order, 25, 30, "float64", Plummer(softening=0.01), "apart")
    check(request, sparse_tiles.sums(request))


@pytest.mark.slow
@pytest.mark.parametrize("order", ORDERS)
def test_sums_of_mixed_charges_through_the_public_functions(order):
    points = mixed(np.random.default_rng(9), 30, DIMENSION, order).astype(np.float32)
    charges, kernel = signed_charges(points[::2], points[1::2]), Plummer(3.0, 1.0)
    positions = charges.positions
    request = Request(positions, positions, charges.weights, kernel.profile, False, True, True)
    check(request, potential_and_field(positions, charges, kernel, method="gram"))
    exact = in_double(request)
    energy = 0.5 * float(direct.evaluate(exact).potential @ exact.weights)
    scale = float(direct.evaluate(exact._replace(weights=abs(exact.weights))).potential @ abs(exact.weights))
    found = electrostatic_energy(charges, kernel, exclude_self=False, method="gram")
    assert found == pytest.approx(energy, abs=1e-6 * scale)


def test_memory_holds_nonzeros_in_place_of_sparse_points():
    n, m = 400, 2**13
    points = np.zeros((n, m), np.float32)
    points[np.arange(n), np.arange(n)] = 1
    request = Request(points, points, np.ones(n, np.float32), Plummer().profile, False, True, False)
    sparse_tiles.sums(request)  # compiles
    tracemalloc.start()
    try:
        sparse_tiles.sums(request)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < points.nbytes / 8
