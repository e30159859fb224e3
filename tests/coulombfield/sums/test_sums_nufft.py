"""Sums by non-uniform Fourier transforms against direct sums, and what is true of their parts."""

import functools
import importlib.util
import math

import numba
import numpy as np
import pytest
from charge_clouds import KERNELS, seeds
from cupy_support import Cufinufft, transform_by_host
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from coulombfield import Coulomb, Gaussian, Laplace, Plummer
from coulombfield.profiles import GradientSize, Laplacian, Magnitude
from coulombfield.sums import direct, selection
from coulombfield.sums.fourier import error_scale, nufft, planning, series, transforms
from coulombfield.sums.pairs import simd
from coulombfield.sums.request import OutOfReachError, Request
from coulombfield.sums.tolerance import within_tolerance

pytest.importorskip("finufft")

SMOOTH = {name: kernel.profile for name, kernel in KERNELS.items() if name != "laplace"}


@pytest.fixture(autouse=True, scope="module")
def transform_small_sums():
    """Leave no sum to an exact engine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nufft, "SMALL", -1)
        yield


def uniform(rng, count, dimension):
    return rng.uniform(-3, 3, (count, dimension))


def clustered(rng, count, dimension):
    centres = rng.uniform(-4, 4, (3, dimension))
    return centres[rng.integers(3, size=count)] + 1e-3 * rng.standard_normal((count, dimension))


def collinear(rng, count, dimension):
    return np.outer(rng.uniform(-3, 3, count), np.eye(dimension)[rng.integers(dimension)])


def duplicated(rng, count, dimension):
    return uniform(rng, 7, dimension)[rng.integers(7, size=count)]


def flat(rng, count, dimension):
    return uniform(rng, count, dimension) * 10.0 ** -np.arange(0, 3 * dimension, 3)


def far_apart(rng, count, dimension):
    return rng.choice([-8.0, 8.0], (count, 1)) + 0.3 * rng.standard_normal((count, dimension))


def lattice(rng, count, dimension):
    return rng.integers(-3, 4, (count, dimension)).astype(float)


CLOUDS = [uniform, clustered, collinear, duplicated, flat, far_apart, lattice]


def errors(request, result):
    """Errors of potential and field as ``Request.rtol`` defines them."""
    request = request._replace(
        targets=request.targets.astype(float),
        positions=request.positions.astype(float),
        weights=request.weights.astype(float),
    )
    exact = direct.evaluate(request)
    sizes = request._replace(weights=np.abs(request.weights), potential=True, field=False)
    found = []
    if request.potential:
        size = direct.evaluate(sizes._replace(profile=Magnitude(request.profile))).potential
        found.append(rms(result.potential - exact.potential) / rms(size))
    if request.field:
        size = direct.evaluate(sizes._replace(profile=GradientSize(request.profile))).potential
        found.append(rms(result.field - exact.field) / rms(size))
    return np.array(found)


def rms(values):
    return np.sqrt(np.sum(np.square(values)) / len(values))


def request_for(
    points, weights, profile=None, *, targets=None, exclude_self=False, potential=True, field=True, dtype="float64"
):
    points = points.astype(dtype)
    targets = points if targets is None else targets.astype(dtype)
    profile = Plummer().profile if profile is None else profile
    return Request(targets, points, weights.astype(dtype), profile, exclude_self, potential, field)


class Case:
    """A sum drawn at random, and the number of digits asked for."""

    def __init__(self, seed, most=300):
        rng = np.random.default_rng(seed)
        cloud = CLOUDS[rng.integers(len(CLOUDS))]
        self.dimension, count = int(rng.integers(1, 4)), int(rng.integers(2, most))
        dtype = ["float32", "float64"][rng.integers(2)]
        profile = SMOOTH[sorted(SMOOTH)[rng.integers(len(SMOOTH))]]
        points = cloud(rng, count, self.dimension)
        if dtype == "float64":
            scale = 10.0 ** rng.choice([0.0, 0.0, -20.0, 20.0])
            profile, points = profile.stretched(scale), points * scale
        # Few digits where there would be many modes, for the sake of the test's time.
        digits = int(rng.integers(2, 6 if dtype == "float32" or self.dimension == 3 else 12))
        self.tolerance = 10.0**-digits
        weights = rng.standard_normal(count) if rng.integers(2) else rng.uniform(0.5, 1, count)
        potential, field = [(True, True), (True, False), (False, True)][rng.integers(3)]
        self.request = request_for(
            points,
            weights,
            profile,
            exclude_self=bool(rng.integers(2)),
            potential=potential,
            field=field,
            dtype=dtype,
        )._replace(rtol=4 * self.tolerance)
        self.label = f"seed {seed}: {cloud.__name__}, m={self.dimension}, {count} charges, {dtype}, {digits} digits"


@given(seed=seeds)
@example(seed=684)  # the field alone, at lengths of 1e-20
@settings(max_examples=25)
def test_rtol_is_kept(seed):
    case = Case(seed)
    result, measured = within_tolerance(case.request, nufft, direct)
    assume(result is not None)
    assert all(values is None or values.dtype == case.request.targets.dtype for values in result)
    found = errors(case.request, result)
    assert np.all(found <= case.request.rtol), f"{case.label}: {found}, measured {measured}"


@pytest.mark.slow
def test_first_attempts_reach_the_tolerance_without_much_excess():
    ratios = []
    for seed in range(40):
        case = Case(seed)
        if math.isfinite(nufft.seconds(case.request)):
            result = nufft.approximate(case.request, case.tolerance)
            ratios.append(np.max(errors(case.request, result)) / case.tolerance)
    assert len(ratios) >= 36
    # The promise of rtol tries again from 2 on.
    assert np.mean(np.asarray(ratios) <= 2) >= 0.9
    assert np.median(ratios) >= 0.05


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_targets_of_their_own_and_fewer_targets_than_charges(dimension):
    rng = np.random.default_rng(dimension)
    points, weights = uniform(rng, 200, dimension), rng.standard_normal(200)
    for targets, exclude_self in [(points[:90], True), (uniform(rng, 90, dimension) + 1, False)]:
        request = request_for(points, weights, targets=targets, exclude_self=exclude_self)
        assert np.all(errors(request, nufft.approximate(request, 1e-6)) <= 2e-6)


@pytest.mark.parametrize("name", ["plummer", "plummer 3", "gaussian", "sum"])
def test_laplacians(name):
    rng = np.random.default_rng(3)
    profile = Laplacian.of(SMOOTH[name], 2)
    request = request_for(uniform(rng, 200, 2), rng.standard_normal(200), profile, field=False)
    assert np.all(errors(request, nufft.approximate(request, 1e-7)) <= 2e-7)


@pytest.mark.parametrize("tolerance", [1e-3, 1e-7, 1e-11])
@pytest.mark.parametrize("name", ["plummer", "plummer 4", "gaussian"])
def test_the_series_is_the_kernel_within_its_tolerance(name, tolerance):
    profile, extent = SMOOTH[name], 5.0
    radial = functools.partial(profile.value, np)
    axis = series.find_axis(extent, radial, profile.length, tolerance, tolerance)
    coefficients, peak = series.coefficients([axis], radial)
    x = np.linspace(0, extent, 301)
    waves = np.cos(np.outer(x, axis.wave_numbers[axis.modes :])) * np.where(np.arange(axis.modes + 1) > 0, 2, 1)
    error = np.abs(peak * waves @ coefficients - radial(x * x))
    assert error[0] <= 1e-14 * peak
    assert np.max(error) <= 2 * tolerance * peak
    # Not by far more modes than that takes.
    fewer = axis._replace(modes=axis.modes * 3 // 4)
    coefficients, _ = series.coefficients([fewer], radial)
    waves = np.cos(np.outer(x, fewer.wave_numbers[fewer.modes :])) * np.where(np.arange(fewer.modes + 1) > 0, 2, 1)
    assert np.max(np.abs(peak * waves @ coefficients - radial(x * x))) > tolerance * peak


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize("oversampling", transforms.OVERSAMPLINGS)
def test_transforms_are_the_sums_that_they_stand_for(oversampling, dtype):
    rng = np.random.default_rng(5)
    shape, tolerance = (7, 11), 1e-4
    angles = [
        rng.uniform(-3, 3, 40).astype(dtype.replace("complex", "float").replace("64", "32").replace("128", "64"))
        for _ in shape
    ]
    weights = rng.standard_normal(40).astype(dtype)
    numbers = [np.arange(-(size // 2), size // 2 + 1) for size in shape]
    waves = np.exp(1j * (numbers[0][:, None, None] * angles[0] + numbers[1][None, :, None] * angles[1]))
    modes = transforms.to_modes(angles, weights, shape, tolerance, oversampling)
    assert modes.dtype == dtype
    assert np.linalg.norm(modes - np.conj(waves) @ weights) <= 10 * tolerance * np.linalg.norm(modes)
    sets = np.stack([modes, 1j * modes[::-1]])
    found = transforms.to_points(sets, angles, tolerance, oversampling)
    expected = np.einsum("skl,klt->st", sets, waves)
    assert np.linalg.norm(found - expected) <= 10 * tolerance * np.linalg.norm(expected)


def test_charges_in_shares_add_up_to_all():
    rng = np.random.default_rng(14)
    angles, weights = rng.uniform(-3, 3, 2 * transforms.SHARE + 1), rng.standard_normal(2 * transforms.SHARE + 1)
    modes = transforms.to_modes([angles], weights.astype("complex128"), (9,), 1e-9, 2.0)
    waves = np.exp(-1j * np.outer(np.arange(-4, 5), angles))
    assert np.linalg.norm(modes - waves @ weights) <= 1e-8 * np.linalg.norm(modes)


@given(modes=st.integers(1, 5000), oversampling=st.sampled_from([1.25, 2.0]))
def test_grids_are_even_smooth_and_not_much_too_large(modes, oversampling):
    size = transforms.grid_size(modes, oversampling)
    rest = size
    for prime in (2, 3, 5):
        while rest % prime == 0:
            rest //= prime
    assert size % 2 == 0
    assert rest == 1
    assert oversampling * modes <= size <= 1.25 * oversampling * modes + 8


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_number_of_threads_changes_no_bit(monkeypatch, dimension, dtype):
    rng = np.random.default_rng(6)
    count = 3 * transforms.SHARE
    request = request_for(uniform(rng, count, dimension), rng.standard_normal(count), dtype=dtype)
    tolerance = 1e-3 if dimension == 3 else 1e-5
    results = []
    for threads in (1, 2, 5, 2):
        monkeypatch.setattr(numba, "get_num_threads", lambda threads=threads: threads)
        results.append(nufft.approximate(request, tolerance))
    for other in results[1:]:
        assert np.array_equal(other.potential, results[0].potential)
        assert np.array_equal(other.field, results[0].field)


@pytest.mark.parametrize("tolerance", [1e-6, 1e-8])
def test_many_equal_charges_are_not_added_up_in_single_precision_for_a_tolerance_below_it(tolerance):
    """Equal terms round the same way each time; one by one, 40 000 of them in float32 lose some 1e-5."""
    places = np.asarray([-1.0, 0.2, 0.77, 1.0])
    points = np.repeat(places[:, None], 10_000, axis=0)
    request = request_for(points, np.full(40_000, 0.3), Plummer(1.0, 0.1).profile, targets=places[:, None], field=False)
    assert np.all(errors(request, nufft.approximate(request, tolerance)) <= tolerance)


@pytest.mark.parametrize("tolerance", [2e-5, 1e-4])
def test_angles_in_single_precision_are_not_used_where_they_are_too_coarse_for_the_modes(tolerance):
    rng = np.random.default_rng(14)
    some = uniform(rng, 200, 1)
    points = np.concatenate([some, some + 1e-3 * rng.standard_normal((200, 1))])  # each near to another one
    request = request_for(points, np.repeat([1.0, -1.0], 200), Plummer(7.0, 1e-3).profile)
    assert np.all(errors(request, nufft.approximate(request, tolerance)) <= tolerance)


@pytest.mark.parametrize("seed", range(3))
def test_the_field_of_a_cloud_much_smaller_than_the_softening_is_kept(seed):
    """The terms' pulls are weak by symmetry near a charge; the transforms' errors aren't."""
    rng = np.random.default_rng(seed)
    request = request_for(rng.standard_normal((400, 1)), np.ones(400), Plummer(1.0, 1000.0).profile, potential=False)
    assert np.all(errors(request, nufft.approximate(request, 2e-5)) <= 2e-5)


@pytest.mark.parametrize("tolerance", [1e-6, 2e-5])
def test_charges_at_both_ends_of_the_box_reach_each_other_within_the_tolerance(tolerance):
    """All pairs but those at one place have the longest distance, where the kernel begins to be bent."""
    request = request_for(np.repeat([[-1.0], [1.0]], 10, axis=0), np.ones(20), Plummer(1.0, 3.0).profile)
    assert np.all(errors(request, nufft.approximate(request, tolerance)) <= tolerance)


def test_where_the_origin_lies_does_not_matter_in_single_precision():
    rng = np.random.default_rng(16)
    request = request_for(1e5 + uniform(rng, 300, 2), rng.standard_normal(300), dtype="float32")
    assert np.all(errors(request, nufft.approximate(request, 1e-4)) <= 1e-4)


def test_the_norms_of_a_series_are_those_over_all_modes_of_both_signs():
    rng = np.random.default_rng(15)
    axes = [series.Axis(3.0, 1.0, 4), series.Axis(5.0, 1.0, 2)]
    coefficients = rng.standard_normal((5, 3))
    whole = coefficients[np.ix_(*[np.abs(np.arange(-axis.modes, axis.modes + 1)) for axis in axes])]
    wave = np.sqrt(np.add.outer(*[axis.wave_numbers**2 for axis in axes]))
    expected = [np.linalg.norm(whole * wave**power) for power in range(3)]
    assert np.allclose(series.norms(coefficients, axes), expected, rtol=1e-14)


def test_sizes_are_those_of_the_whole_sums():
    rng = np.random.default_rng(7)
    count = 5 * error_scale.CHARGES
    points = uniform(rng, count, 2)
    # The last agree a little: by chance the sampled ones might seem to, but all of them make a large sum.
    for weights in (rng.standard_normal(count), np.ones(count), 0.15 + rng.standard_normal(count)):
        request = request_for(points, weights, field=False)
        sample = error_scale.sample(request, 1.0)
        terms = sample.weights * request.profile.value(np, sample.s)
        whole = direct.evaluate(request._replace(targets=points[:300])).potential
        magnitude = direct.evaluate(request._replace(targets=points[:300], weights=np.abs(weights))).potential
        assert sample.magnitude(terms) == pytest.approx(rms(magnitude), rel=0.1)
        assert 0.7 * rms(whole) <= sample.sum_of(terms) <= 3 * rms(whole)


def test_read_only_and_strided_arrays_are_taken_as_they_are():
    rng = np.random.default_rng(8)
    plain = request_for(uniform(rng, 50, 2), rng.standard_normal(50), targets=uniform(rng, 40, 2))
    views = [
        np.asfortranarray(plain.targets),
        np.repeat(plain.positions, 2, axis=0)[::2],
        plain.weights[::-1].copy()[::-1],
    ]
    for view in views:
        view.flags.writeable = False
    found = nufft.approximate(plain._replace(targets=views[0], positions=views[1], weights=views[2]), 1e-6)
    expected = nufft.approximate(plain, 1e-6)
    assert np.array_equal(found.potential, expected.potential)
    assert np.array_equal(found.field, expected.field)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("where", ["targets", "positions", "weights"])
def test_what_is_not_finite_makes_everything_nan(where, bad):
    rng = np.random.default_rng(9)
    request = request_for(uniform(rng, 20, 2), rng.standard_normal(20), targets=uniform(rng, 20, 2))
    getattr(request, where)[3] = bad
    assert nufft.seconds(request) == math.inf
    result = nufft.approximate(request, 1e-6)
    assert np.isnan(result.potential).all()
    assert np.isnan(result.field).all()


def test_points_too_far_apart_take_for_ever():
    for distance in (1e9, 1e300):
        request = request_for(np.asarray([[-distance, 0.0], [distance, 1.0], [0.0, 3.0]]), np.ones(3))
        assert nufft.seconds(request) == math.inf
        with pytest.raises(OutOfReachError, match=r"^would take too many modes"):
            nufft.approximate(request, 1e-6)


@pytest.mark.parametrize("exclude_self", [False, True])
def test_sums_that_need_no_transform(exclude_self):
    kernel = Plummer(1.0, 0.5)
    one_place = request_for(np.full((9, 3), 0.3), np.arange(9.0), kernel.profile, exclude_self=exclude_self)
    result = nufft.approximate(one_place, 1e-6)
    assert np.array_equal(result.potential, 2.0 * (36.0 - np.arange(9.0) * exclude_self))
    assert np.array_equal(result.field, np.zeros((9, 3)))
    points = uniform(np.random.default_rng(10), 9, 2)
    for weights, profile in [(np.zeros(9), kernel.profile), (np.ones(9), (0.0 * kernel).profile)]:
        result = nufft.approximate(request_for(points, weights, profile, exclude_self=exclude_self), 1e-6)
        assert np.array_equal(result.potential, np.zeros(9))
        assert np.array_equal(result.field, np.zeros((9, 2)))


def test_the_field_across_collinear_points_is_exactly_zero():
    rng = np.random.default_rng(11)
    request = request_for(
        np.outer(rng.uniform(-1, 1, 60), [0.0, 1.0]) + np.asarray([0.3, 0.0]), rng.standard_normal(60)
    )
    field = nufft.approximate(request, 1e-6).field
    assert np.array_equal(field[:, 0], np.zeros(60))
    assert np.all(field[:, 1] != 0)


@pytest.mark.parametrize(("targets", "charges"), [(0, 5), (5, 0), (0, 0), (40, 50)])
def test_small_sums_are_exact(monkeypatch, targets, charges):
    monkeypatch.setattr(nufft, "SMALL", 2**22)
    rng = np.random.default_rng(12)
    request = request_for(uniform(rng, charges, 2), rng.standard_normal(charges), targets=uniform(rng, targets, 2))
    (found, _), exact = selection.evaluate(request._replace(rtol=1e-2), "nufft"), simd.evaluate(request)
    assert np.array_equal(found.potential, exact.potential)
    assert np.array_equal(found.field, exact.field)
    assert nufft.needless(request) == "all pairs are faster up to 4,194,304"


def test_refusals(monkeypatch):
    points, weights = np.zeros((4, 2)), np.ones(4)
    assert nufft.refusal(request_for(points, weights)) == ""
    assert "at most 3 dimensions" in nufft.refusal(request_for(np.zeros((4, 4)), weights))
    for kernel in (Laplace(1.0), Coulomb(1.0), Plummer() + Laplace(1.0)):
        assert "smooth" in nufft.refusal(request_for(points, weights, kernel.profile))
    import array_api_strict

    strict = Request(array_api_strict.zeros((4, 2)), *[None] * 2, Plummer().profile, False, True, True)
    assert "NumPy and CuPy" in nufft.refusal(strict)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert nufft.refusal(request_for(points, weights)) == ("finufft is not installed; pip install 'coulombfield[fast]'")


def test_the_shortest_length_is_that_of_the_sharpest_part():
    assert (2.0 * Plummer(softening=0.3) + Gaussian(4.0)).profile.smooth_length == pytest.approx(0.3)
    assert Laplacian.of(Plummer(softening=0.3).profile, 3).smooth_length == pytest.approx(0.3)
    assert (Plummer() + Laplace(1.0)).profile.smooth_length is None
    assert Coulomb(2.0).profile.smooth_length is None


def test_time_grows_with_points_and_modes():
    rng = np.random.default_rng(13)
    times = []
    for count, softening in [(10_000, 1.0), (100_000, 1.0), (100_000, 0.05)]:
        request = request_for(uniform(rng, count, 2), np.ones(count), Plummer(1.0, softening).profile)
        times.append(nufft.seconds(request._replace(rtol=1e-6)))
    assert 0 < times[0] < times[1] < times[2] < 60
    assert planning.plan(request, 1e-9, 1e-6) is None


def test_plans_of_cupy_are_kept_while_only_points_change(library, monkeypatch):
    if library.name != "cupy":
        pytest.skip("plans are kept on a GPU alone")
    transform_by_host(monkeypatch)
    rng = np.random.default_rng(0)
    made = []
    for count, shape in ((40, (9, 7)), (40, (9, 7)), (25, (9, 7)), (25, (7, 7)), (25, (9, 7))):
        angles = [rng.uniform(-np.pi, np.pi, count) for _ in shape]
        weights, modes = rng.standard_normal(count) + 0j, rng.standard_normal((2, *shape)) + 0j
        on_device = [library.put(x) for x in angles]
        Cufinufft.made = 0
        found = transforms.to_modes(on_device, library.put(weights), shape, 1e-9, 2.0)
        expected = transforms.to_modes(angles, weights, shape, 1e-9, 2.0)
        np.testing.assert_allclose(library.get(found), expected, atol=1e-12)
        found = transforms.to_points(library.put(modes), on_device, 1e-9, 2.0)
        np.testing.assert_allclose(library.get(found), transforms.to_points(modes, angles, 1e-9, 2.0), atol=1e-12)
        made.append(Cufinufft.made)
    assert made == [2, 0, 0, 2, 2]
