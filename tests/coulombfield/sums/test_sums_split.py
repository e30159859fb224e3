"""The split of inverse powers, its short part over cells, and the engine that puts both parts together."""

import importlib.util
import math

import numba
import numpy as np
import pytest
import scipy.integrate
import scipy.special
from charge_clouds import seeds
from cupy_support import sort_by_host, transform_by_host
from hypothesis import given, settings
from hypothesis import strategies as st

from coulombfield import Charges, Coulomb, Gaussian, Laplace, Plummer, explain, potential_and_field
from coulombfield.arrays import Device, select_device, to_numpy
from coulombfield.profiles import GradientSize, Laplacian, Magnitude
from coulombfield.sums import direct, selection
from coulombfield.sums.ewald import cuda_cells, neighbour_cells, planning, split, splitting
from coulombfield.sums.fourier import transforms
from coulombfield.sums.pairs import cuda
from coulombfield.sums.request import Request, Result
from coulombfield.sums.tolerance import within_tolerance

KERNELS = {
    "1": Plummer(1.0, 0.01),
    "3": Plummer(3.0, 0.02),
    "2.5": Plummer(2.5, 1e-3),
    "sum": 0.5 * Plummer(1.0, 0.01) + -2.0 * Plummer(3.0, 0.3),
}

CPU = Device(np, "cpu")


@pytest.fixture(autouse=True, scope="module")
def lent_by_the_host():
    """Sorting and transforms for CuPy, where they are not there."""
    with pytest.MonkeyPatch.context() as patch:
        device = select_device(report=str)
        if device.xp is not np:
            sort_by_host(device.xp, patch)
            if transforms.missing("cupy"):
                transform_by_host(patch)
        yield


def shaped(rng, shape, count, dimension):
    """Points that fill a cube, a line, clusters, a few places, or two places far apart."""
    points = rng.random((count, dimension))
    if shape == "line":
        points[:, 1:] = points[0, 1:]
    elif shape == "clusters":
        points = rng.random((4, dimension))[rng.integers(4, size=count)] + 0.01 * points
    elif shape == "duplicates":
        points = points[rng.integers(1 + count // 8, size=count)]
    elif shape == "far apart":
        points[count // 2 :] += 300.0
    return points


def request_for(kernel, targets, positions, weights, *, exclude_self=False, potential=True, field=True, rtol=1e-6):
    profile = getattr(kernel, "profile", kernel)
    return Request(targets, positions, weights, profile, exclude_self, potential, field, rtol)


def on(device, request):
    """The request with its arrays on a device; where targets and positions are one array they stay one."""
    positions = device.put(request.positions)
    targets = positions if request.targets is request.positions else device.put(request.targets)
    return request._replace(targets=targets, positions=positions, weights=device.put(request.weights))


def on_host(device, result):
    """A result of the device's arrays as NumPy's."""
    assert all(values is None or isinstance(values, device.xp.ndarray) for values in result)
    return Result(*(values if values is None else to_numpy(values) for values in result))


def approximate(request, tolerance=1e-6, device=CPU):
    """The engine's own result, however small the problem is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(split, "SMALL", -1)
        return on_host(device, split.approximate(on(device, request), tolerance))


def errors(request, result):
    """Root mean square errors relative to that of the sums of the terms' magnitudes, of what was asked for."""
    points = (request.targets, request.positions, request.weights)
    request = request._replace(**dict(zip(Request._fields, (x.astype(float) for x in points), strict=False)))
    exact = direct.evaluate(request)
    sizes = request._replace(weights=np.abs(request.weights), potential=True, field=False)
    found = []
    for values, expected, profile in zip(
        result, exact, (Magnitude(request.profile), GradientSize(request.profile)), strict=True
    ):
        if expected is not None:
            size = direct.evaluate(sizes._replace(profile=profile)).potential
            found.append(math.sqrt(np.sum((values - expected) ** 2) / np.sum(size**2)))
    return found


@given(exponent=st.floats(0.3, 8.0), softening=st.floats(0.01, 2.0), beta=st.floats(4.0, 30.0), y=st.floats(0.0, 1.0))
def test_the_smooth_part_is_the_mixture_of_bumps(exponent, softening, beta, y):
    """G by adaptive quadrature, with w = u^(2/d), which takes the singular power out of the integral."""
    parts = splitting.split(Plummer(exponent, softening).profile, 1.0, beta, 1e-14)
    square = 1 + softening**2

    def integral(at):
        def bump(u):
            root = math.sqrt(max(0.0, 1 - at * u ** (2 / exponent)))
            return scipy.special.i0e(beta * root) * math.exp(beta * (root - 1))

        return scipy.integrate.quad(bump, 0, 1, epsabs=0, epsrel=1e-11, limit=200)[0]

    expected = square ** (-exponent / 2) * integral((y + softening**2) / square) / integral(1.0)
    found = float(parts.smooth(np.array([min(y, 1 - 1e-12)]))[0])
    assert found == pytest.approx(expected, rel=1e-8, abs=1e-10 * abs(float(parts.smooth(np.zeros(1))[0])))


@pytest.mark.parametrize("name", KERNELS)
def test_beyond_the_range_the_smooth_part_is_the_kernel_and_joins_smoothly(name):
    profile, beta, reach = KERNELS[name].profile, 16.0, 0.4
    parts = splitting.split(profile, reach, beta, 1e-9)
    outside = np.array([1.0, 1.5, 40.0]) * reach**2
    assert np.array_equal(parts.smooth(outside), profile.value(np, outside))
    assert np.array_equal(parts.smooth_slope(outside), profile.slope(np, outside))
    inside = np.array([np.nextafter(reach**2, 0.0)])
    top = np.max(np.abs(parts.smooth(np.linspace(0, 1, 9))))
    assert abs(parts.smooth(inside) - profile.value(np, inside))[0] <= 1e-7 * top
    assert abs(parts.smooth_slope(inside) - profile.slope(np, inside))[0] <= 1e-4 * top / reach**2


@pytest.mark.parametrize("exponent", [1.0, 3.0, 4.5])
@pytest.mark.parametrize("beta", [8.0, 14.0, 20.0])
def test_the_smooth_part_holds_no_wave_number_beyond_beta_over_the_range(exponent, beta):
    reach, period = 1.0, 64.0
    parts = splitting.split(Coulomb(exponent).profile, reach, beta, 0.1 * math.exp(-beta))
    x = np.linspace(-period / 2, period / 2, 2**13, endpoint=False)
    window = np.exp(-((x / 8) ** 2))  # its own transform spreads over wave numbers of some 1/8 only
    modes = np.abs(np.fft.rfft(parts.smooth(x * x) * window))
    wave = 2 * math.pi * np.arange(len(modes)) / period
    assert np.max(modes[wave > beta / reach + 1.5]) <= 4 * math.exp(-beta) * np.max(modes)
    assert np.max(modes[wave > 0.6 * beta / reach]) >= 4 * math.exp(-beta) * np.max(modes)


def test_a_laplacian_is_a_sum_of_two_inverse_powers():
    s = np.linspace(0, 3, 20)
    profile = Laplacian.of((2.0 * Plummer(2.5, 0.7)).profile, 3)
    terms = profile.inverse_powers()
    values = sum(factor * (numerator / (s + shift)) ** (d / 2) for factor, numerator, shift, d in terms)
    assert np.allclose(values, profile.value(np, s), rtol=1e-12, atol=1e-12)


@pytest.mark.slow
@given(
    shape=st.sampled_from(["cube", "line", "clusters", "duplicates", "far apart"]),
    t=st.integers(1, 40),
    n=st.integers(8, 130),
    reach=st.floats(0.01, 2.0),
    points=st.integers(1, 10_000),
    exclude_self=st.booleans(),
    seed=seeds,
)
@pytest.mark.parametrize(("dimension", "dtype"), [(1, "float64"), (2, "float32"), (3, "float64")])
def test_short_sums_take_all_pairs_within_the_range(
    device, dimension, dtype, shape, t, n, reach, points, exclude_self, seed
):
    rng = np.random.default_rng(seed)
    profile = Plummer(3.0, 0.05).profile
    positions = shaped(rng, shape, n, dimension).astype(dtype)
    weights = rng.standard_normal(n).astype(dtype)
    targets = positions[: min(t, n)] if exclude_self else shaped(rng, shape, t, dimension).astype(dtype)
    parts = splitting.split(profile, reach, 12.0, 1e-6)
    both = np.concatenate([targets, positions]).astype(float)
    grid = neighbour_cells.Grid.over(both.min(axis=0), both.max(axis=0), reach, points)
    request = on(device, Request(targets, positions, weights, profile, exclude_self, True, True))
    cells = neighbour_cells if device.xp is np else cuda_cells
    found = cells.short_sums(*request[:3], parts, grid, exclude_self, True, True)
    potential, field = on_host(device, found)
    assert potential.dtype == field.dtype == np.float64

    difference = (targets[:, None] - positions[None]).astype(float)
    s = np.sum(difference**2, axis=-1)
    counted = np.where(exclude_self & np.eye(len(targets), n, dtype=bool), 0.0, s < parts.cutoff) * weights
    values = counted * (profile.value(np, s) - parts.smooth(s))
    slopes = counted * (profile.slope(np, s) - parts.smooth_slope(s))
    scale = 20 * np.finfo(dtype).eps * 20**3 * np.abs(weights).sum()
    assert np.allclose(potential, values.sum(axis=1), rtol=0, atol=scale)
    assert np.allclose(field, -2 * np.einsum("ij,ijk->ik", slopes, difference), rtol=0, atol=60 * scale)


@pytest.mark.slow
@given(
    shape=st.sampled_from(["cube", "line", "clusters", "duplicates", "far apart"]),
    n=st.integers(64, 400),
    digits=st.floats(2.0, 7.0),
    signs=st.booleans(),
    exclude_self=st.booleans(),
    same=st.booleans(),
    seed=seeds,
)
@settings(max_examples=15)
@pytest.mark.parametrize(("name", "dimension"), [("1", 3), ("3", 2), ("2.5", 2), ("sum", 1)])
def test_rtol_is_kept(name, dimension, shape, n, digits, signs, exclude_self, same, seed):
    rng = np.random.default_rng(seed)
    positions = shaped(rng, shape, n, dimension)
    weights = rng.standard_normal(n) if signs else rng.random(n)
    targets = positions if same or exclude_self else shaped(rng, "cube", n // 2, dimension)
    request = request_for(KERNELS[name], targets, positions, weights, exclude_self=exclude_self, rtol=10.0**-digits)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(split, "SMALL", -1)
        result, _ = within_tolerance(request, split, direct)
    assert max(errors(request, result)) <= request.rtol


@pytest.mark.slow
@pytest.mark.parametrize("signs", [False, True])
@pytest.mark.parametrize("exclude_self", [False, True])
@pytest.mark.parametrize(("name", "dimension", "dtype"), [("1", 3, "float64"), ("3", 2, "float32")])
def test_the_first_try_meets_the_tolerance_and_does_no_more(device, name, dimension, dtype, exclude_self, signs):
    rng = np.random.default_rng(3)
    n, tolerance = 1500, 1e-5
    positions = rng.random((n, dimension)).astype(dtype)
    weights = (rng.standard_normal(n) if signs else np.ones(n)).astype(dtype)
    request = request_for(KERNELS[name], positions, positions, weights, exclude_self=exclude_self)
    result = approximate(request, tolerance, device)
    assert result.potential.dtype == result.field.dtype == dtype
    found = errors(request, result)
    assert max(found) <= 2 * tolerance  # what leaves rtol, of which the first try is given a quarter, its margin
    assert max(found) >= tolerance / 30


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "dimension", "dtype", "rtol"), [("sum", 1, "float64", 1e-9), ("3", 3, "float32", 1e-4)]
)
def test_who_asks_by_name_gets_rtol_and_an_explanation(monkeypatch, device, name, dimension, dtype, rtol):
    monkeypatch.setattr(split, "SMALL", -1)
    rng = np.random.default_rng(12)
    positions, targets = (
        shaped(rng, "clusters", 900, dimension).astype(dtype),
        rng.random((300, dimension)).astype(dtype),
    )
    targets[0] += 40  # a point far away, and empty cells on the way to it
    weights, kernel = rng.standard_normal(900).astype(dtype), KERNELS[name]
    given = device.put(targets), Charges(device.put(positions), device.put(weights)), kernel
    result, explanation = explain(potential_and_field, *given, rtol=rtol, method="split")
    assert (explanation.method, explanation.gave_up) == ("split", "")
    assert explanation.error <= rtol / 2
    found = on_host(device, Result(*result))
    assert found.potential.dtype == found.field.dtype == dtype
    request = request_for(kernel, targets, positions, weights)
    assert max(errors(request, found)) <= rtol
    again = explain(potential_and_field, *given, rtol=rtol, method="split")[0]
    assert all(np.array_equal(one, to_numpy(other)) for one, other in zip(found, again, strict=True))


@pytest.mark.parametrize(("potential", "field"), [(True, False), (False, True)])
def test_an_output_alone_is_what_it_is_with_the_other(device, potential, field):
    rng = np.random.default_rng(13)
    positions, weights = rng.random((200, 2)), rng.standard_normal(200)
    parts = splitting.split(KERNELS["3"].profile, 0.2, 12.0, 1e-6)
    grid = neighbour_cells.Grid.over(np.zeros(2), np.ones(2), 0.2, 200)
    request = on(device, request_for(KERNELS["3"], positions, positions, weights))
    cells = neighbour_cells if device.xp is np else cuda_cells
    whole, some = (cells.short_sums(*request[:3], parts, grid, False, *each) for each in ((1, 1), (potential, field)))
    for one, other, wanted in zip(whole, some, (potential, field), strict=True):
        assert (other is not None) == wanted
        assert not wanted or np.allclose(to_numpy(other), to_numpy(one), rtol=1e-13, atol=0)


def test_what_a_gpu_takes_goes_by_what_its_driver_tells_cupy(cupy, monkeypatch):
    points = cupy.zeros((3, 2))
    told = {"ClockRate": 10**6, "MultiProcessorCount": 10, "SingleToDoublePrecisionPerfRatio": 2}
    told |= {"MemoryClockRate": 10**6, "GlobalMemoryBusWidth": 1000}
    seen = []
    for changed in ({}, {"ClockRate": 2 * 10**6}, {"MemoryClockRate": 2 * 10**6}, {"GlobalMemoryBusWidth": 0}):
        monkeypatch.setattr(cuda_cells, "gpu_attributes", lambda like, changed=changed: told | changed)
        monkeypatch.setattr(cuda, "gpu_attributes", lambda like, changed=changed: told | changed)
        seen.append(planning.costs_of(request_for(KERNELS["3"], points, points, cupy.zeros(3))))
    usual, faster, wider, silent = seen
    assert usual.split_neighbour == pytest.approx(60 / (1e9 / 2 * 10 * 128))
    assert usual.split_grid_point == pytest.approx(200 / (2e9 * 1000 / 8))
    assert (faster.split_neighbour, faster.split_point) == (usual.split_neighbour / 2, usual.split_point / 2)
    assert wider.split_grid_point == usual.split_grid_point / 2
    assert silent.split_grid_point == 200 / 5e11
    assert usual.split_call == planning.costs_of(request_for(KERNELS["3"], np.zeros((3, 2)), *[None] * 2)).split_call


@pytest.mark.parametrize("scale", [1e-20, 1e20])
def test_the_unit_of_length_makes_no_difference(device, scale):
    rng = np.random.default_rng(4)
    positions, weights = rng.random((500, 2)), rng.standard_normal(500)
    request = request_for(Plummer(3.0, 0.02 * scale), scale * positions, scale * positions, weights)
    assert max(errors(request, approximate(request, device=device))) <= 1e-6


@pytest.mark.slow
def test_bare_inverse_powers_and_laplacians_are_served(device):
    rng = np.random.default_rng(5)
    positions, weights = rng.random((600, 2)), rng.standard_normal(600)
    request = request_for(Coulomb(1.0), positions, positions, weights, exclude_self=True)
    assert max(errors(request, approximate(request, device=device))) <= 1e-6
    profile = Laplacian.of(KERNELS["3"].profile, 2)
    request = request_for(profile, positions, positions, weights, field=False)
    result = approximate(request, device=device)
    assert result.field is None
    exact = direct.evaluate(request).potential
    assert np.linalg.norm(result.potential - exact) <= 1e-6 * np.linalg.norm(exact)


def test_targets_may_be_the_first_of_the_charges(device):
    rng = np.random.default_rng(6)
    positions, weights = rng.random((600, 2)), rng.standard_normal(600)
    request = request_for(KERNELS["3"], positions[:99], positions, weights, exclude_self=True)
    assert max(errors(request, approximate(request, 5e-7, device))) <= 1e-6


def test_few_pairs_are_summed_exactly(device):
    positions = np.array([[0.25, 0.5], [0.25, 0.5]])
    request = request_for(KERNELS["3"], positions, positions, np.array([1.0, 0.0]))
    result, _ = selection.evaluate(on(device, request._replace(rtol=1e-3)), "split")
    result = on_host(device, result)
    assert np.array_equal(result.potential, np.full(2, 0.02**-3.0))
    assert np.array_equal(result.field, np.zeros((2, 2)))
    assert split.needless(request) == "all pairs are faster up to 4,194,304"


@pytest.mark.parametrize(("t", "n"), [(0, 3), (3, 0), (0, 0)])
def test_nothing_gives_nothing(device, t, n):
    request = request_for(KERNELS["3"], np.zeros((t, 2)), np.zeros((n, 2)), np.zeros(n))
    result, _ = selection.evaluate(on(device, request._replace(rtol=1e-3)), "split")
    result = on_host(device, result)
    assert np.array_equal(result.potential, np.zeros(t))
    assert np.array_equal(result.field, np.zeros((t, 2)))


def test_charges_at_one_place_or_without_charge(device):
    rng = np.random.default_rng(7)
    positions, weights = np.full((50, 2), 0.3), rng.standard_normal(50)
    for exclude_self in (False, True):
        request = request_for(KERNELS["3"], positions, positions, weights, exclude_self=exclude_self)
        result, expected = approximate(request, device=device), direct.evaluate(request)
        assert np.allclose(result.potential, expected.potential, rtol=1e-12, atol=1e-12 * 0.02**-3)
        assert np.array_equal(result.field, np.zeros((50, 2)))
    request = request_for(KERNELS["3"], rng.random((50, 2)), rng.random((50, 2)), np.zeros(50))
    assert not np.any(approximate(request, device=device).potential)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_finite_spreads_and_breaks_nothing(device, bad):
    rng = np.random.default_rng(8)
    positions, weights, targets = rng.random((300, 2)), rng.standard_normal(300), rng.random((40, 2))
    whole = approximate(request_for(KERNELS["3"], targets, positions, weights), device=device)
    targets[7, 1] = bad
    request = request_for(KERNELS["3"], targets, positions, weights)
    result = approximate(request, device=device)
    hit = np.arange(40) == 7
    for one, other in zip(result, whole, strict=True):
        assert np.isnan(one[hit]).all()
        assert np.allclose(one[~hit], other[~hit], rtol=1e-4, atol=1e-4 * np.abs(other).max())
    positions[5, 0] = bad
    for request in (
        request_for(KERNELS["3"], rng.random((40, 2)), positions, weights),
        request_for(KERNELS["3"], positions, positions, weights, exclude_self=True),
        request_for(KERNELS["3"], targets[:5], positions[:5], np.full(5, bad)),
    ):
        assert all(np.isnan(values).all() for values in approximate(request, device=device))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(split, "SMALL", -1)
            assert split.seconds(on(device, request)) == math.inf


def test_read_only_and_strided_arrays_are_taken_as_they_are():
    rng = np.random.default_rng(9)
    positions, weights, targets = rng.random((300, 2)), rng.standard_normal(300), rng.random((40, 2))
    expected = approximate(request_for(KERNELS["3"], targets, positions, weights))
    views = [np.asfortranarray(targets), np.repeat(positions, 2, axis=1)[:, ::2], np.repeat(weights, 3)[::3]]
    before = [x.copy() for x in views]
    for x in views:
        x.flags.writeable = False
    found = approximate(request_for(KERNELS["3"], *views))
    assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))
    assert all(np.array_equal(one, other) for one, other in zip(views, before, strict=True))


def test_the_number_of_threads_changes_no_bit():
    rng = np.random.default_rng(10)
    positions, weights = rng.random((3000, 2)), rng.standard_normal(3000)
    request = request_for(KERNELS["3"], positions, positions, weights)
    many, before = approximate(request), numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        one = approximate(request)
    finally:
        numba.set_num_threads(before)
    assert np.array_equal(one.potential, many.potential)
    assert np.array_equal(one.field, many.field)


def test_the_estimated_time_grows_where_charges_cluster():
    rng = np.random.default_rng(11)
    spread = rng.random((20_000, 2))
    tight = np.concatenate([spread[:10], 0.5 + 1e-6 * spread[10:]])
    weights = np.ones(20_000)
    times = [split.seconds(request_for(KERNELS["3"], x, x, weights)) for x in (spread, tight)]
    assert 0 < 2 * times[0] < times[1]


def test_what_can_not_be_served_is_refused(monkeypatch, library):
    points, weights = np.zeros((3, 2)), np.ones(3)
    assert split.refusal(request_for(KERNELS["sum"], points, points, weights)) == ""
    assert "inverse powers" in split.refusal(request_for(Gaussian(1.0), points, points, weights))
    assert "inverse powers" in split.refusal(request_for(Plummer() + Laplace(1.0), points, points, weights))
    assert "exclude_self" in split.refusal(request_for(Coulomb(1.0), points, points, weights))
    assert split.refusal(request_for(Coulomb(1.0), points, points, weights, exclude_self=True)) == ""
    assert "at most 3 dimensions" in split.refusal(
        request_for(KERNELS["1"], np.zeros((3, 4)), np.zeros((3, 4)), weights)
    )
    other = library.put(points)
    refusal = split.refusal(request_for(KERNELS["1"], other, other, library.put(weights)))
    assert refusal == ("" if library.name in ("numpy", "cupy") else "it takes NumPy and CuPy arrays only")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert split.refusal(request_for(KERNELS["1"], points, points, weights)) == (
        "finufft is not installed; pip install 'coulombfield[fast]'"
    )
