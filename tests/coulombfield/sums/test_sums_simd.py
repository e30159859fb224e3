"""What is true of the sums in low dimension on NumPy: their exactness, their energies and derivatives."""

from __future__ import annotations

import subprocess
import sys
import threading

import numba
import numpy as np
import pytest
from charge_clouds import KERNELS, cloud, seeds
from hypothesis import given, settings
from hypothesis import strategies as st

from coulombfield import Coulomb, Plummer, threads
from coulombfield.calculus import machine_epsilon
from coulombfield.profiles import GradientSize, Magnitude
from coulombfield.sums import direct
from coulombfield.sums.pairs import energy, simd, tangents, tiles
from coulombfield.sums.pairs.root_powers import LARGEST, ORDERS, RootPower, quickened
from coulombfield.sums.request import Request, Tangent


def request(targets, positions, weights, kernel, exclude_self=False, potential=True, field=True):
    return Request(targets, positions, weights, kernel.profile, exclude_self, potential, field)


def wide(asked):
    """The same request in float64."""
    return asked._replace(**{name: getattr(asked, name).astype(float) for name in ("targets", "positions", "weights")})


def magnitudes(asked):
    """Sums of the terms' sizes of potential and field, for each target."""
    asked = wide(asked)._replace(weights=abs(asked.weights.astype(float)), potential=True, field=False)
    parts = [Magnitude(asked.profile), GradientSize(asked.profile)]
    return [direct.evaluate(asked._replace(profile=part)).potential for part in parts]


def assert_as_exact_as_the_dtype(asked):
    """Potential and field of simd against direct sums in float64, by the sizes of the terms."""
    found, expected, sizes = simd.evaluate(asked), direct.evaluate(wide(asked)), magnitudes(asked)
    for one, other, size in zip(found, expected, sizes, strict=True):
        assert one.dtype == asked.targets.dtype
        # The kernel's own roundings, and those of up to 256 additions, which add up like a random walk.
        tolerance = machine_epsilon(one.dtype.name) * (20 + np.sqrt(asked.positions.shape[0])) * size
        tolerance += np.finfo(one.dtype).smallest_subnormal
        assert np.all(abs(one - other) <= (tolerance if one.ndim == 1 else tolerance[:, None]))


def test_kernels_with_the_same_numbers_are_told_apart_by_their_types():
    """What is known of one, such as its formula for compiled loops, is not taken for another's."""
    rng, kernel = np.random.default_rng(5), Plummer(3.0, 0.25)
    asked = request(rng.standard_normal((4, 3)), rng.standard_normal((9, 3)), np.ones(9), kernel, field=False)
    kinds = Magnitude(kernel.profile), GradientSize(kernel.profile), Magnitude(kernel.profile)
    assert len(set(kinds)) == 2
    assert kinds[0] != kinds[1]
    assert kinds[0] == kinds[2]
    for kind in kinds:
        found, expected = (engine.evaluate(asked._replace(profile=kind)).potential for engine in (simd, direct))
        np.testing.assert_allclose(found, expected, rtol=1e-13)


SHAPES = {
    "scattered": lambda rng, n, m: rng.standard_normal((n, m)),
    "collinear": lambda rng, n, m: rng.standard_normal((n, 1)) * np.ones(m),
    "clustered": lambda rng, n, m: rng.integers(0, 2, (n, m)) * 5.0 + 1e-3 * rng.standard_normal((n, m)),
    "duplicated": lambda rng, n, m: rng.standard_normal((n, m))[rng.integers(0, max(1, n // 2), n)],
    "far apart": lambda rng, n, m: rng.standard_normal((n, m)) * 10.0 ** rng.uniform(-3, 3, (n, 1)),
}


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(
    shape=st.sampled_from(sorted(SHAPES)),
    n=st.integers(1, 40) | st.integers(250, 260),
    softening=st.floats(-3, 3),
    exponent=st.sampled_from([3.0, 2.5, 0.5, 1.7]),
    scale=st.sampled_from([1.0, 1e-5, 1e7]),
    exclude_self=st.booleans(),
    seed=seeds,
)
@settings(max_examples=40)
def test_potential_and_field_are_as_exact_as_the_dtype(dtype, shape, n, softening, exponent, scale, exclude_self, seed):
    rng = np.random.default_rng(seed)
    points = (SHAPES[shape](rng, n, 2) * scale).astype(dtype)
    kernel = Plummer(exponent, scale * 10**softening)
    targets = points[: rng.integers(1, n + 1)] if exclude_self else points
    weights = rng.standard_normal(n).astype(dtype)
    assert_as_exact_as_the_dtype(request(targets, points, weights, kernel, exclude_self))


@pytest.mark.slow
@pytest.mark.parametrize("exponent", [1.0, 2.0, 4.0, 5.0, 0.5, 3.5, 3.7])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_exponent_is_exact_where_points_coincide(dtype, exponent):
    """k(a, a) is ε^(−d) rounded once, and the field is exactly zero, in every lane."""
    points = np.random.default_rng(0).standard_normal((37, 2)).astype(dtype)
    for softening in (0.3, 1.0, 7.1):
        for point in points[::9]:
            targets, kernel = np.tile(point, (37, 1)), Plummer(exponent, softening)
            found = simd.evaluate(request(targets, point[None], np.ones(1, dtype), kernel))
            assert np.all(found.potential == np.array(softening**-exponent, dtype))
            assert np.all(found.field == 0)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("exponent", [1.0, 3.0])
def test_points_out_of_the_quick_formulas_range_take_the_plain_ones(dtype, exponent):
    """Distances whose powers underflow, infinite ones among them, give what the reference gives in the same dtype."""
    weights = np.arange(1, 6).astype(dtype)
    for far in (1e5, 1e17) if dtype == "float32" else (1e90,):
        points = np.array([[0, 0], [1, far], [far, far], [0, -2 * far], [np.inf, 0]], dtype)
        for count in (2, 4):  # of two points, each one's field is the other's alone
            asked = request(points[:count], points[:count], weights[:count], Plummer(exponent, 1e-3))
            for one, other in zip(simd.evaluate(asked), direct.evaluate(asked), strict=True):
                np.testing.assert_allclose(one, other, rtol=8 * machine_epsilon(dtype), atol=0)
    asked = request(points[:2], points, weights, Plummer(exponent, 1e-3), field=False)
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(simd.evaluate(asked).potential, direct.evaluate(asked).potential, rtol=1e-6)


@pytest.mark.parametrize("scalar", [np.float32, np.float64])
@given(
    exponent=st.integers(1, 12),
    softening=st.floats(0.1, 10),
    derivatives=st.integers(0, 2),
    nearness=st.floats(-1e-3, 1e-3) | st.floats(-1, 1),
)
def test_quick_formulas_are_taken_up_to_the_very_end_of_their_range(scalar, exponent, softening, derivatives, nearness):
    """What is remembered of a formula for distances of a binary order decides nothing where the order holds the end."""
    profile = Plummer(float(exponent), softening).profile
    end = min(np.log2(LARGEST), ORDERS[scalar] / (exponent / 2 + derivatives))
    largest = float(profile.numerator * (2.0**end * (1 + nearness) - 1))
    if largest <= 0:
        return
    x = largest / profile.numerator + 1
    within = x <= LARGEST and np.log2(x) * (exponent / 2 + derivatives) <= ORDERS[scalar]
    for _ in range(2):
        assert isinstance(quickened(profile, scalar, largest, derivatives).profile, RootPower) == within


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_bare_kernel_is_infinite_where_points_coincide_and_right_elsewhere(dtype):
    points = np.random.default_rng(1).standard_normal((40, 2)).astype(dtype)
    weights = np.ones(40, dtype)
    everywhere = simd.evaluate(request(points, points, weights, Coulomb(1.0)))
    assert np.all(everywhere.potential == np.inf)
    assert np.all(np.isnan(everywhere.field))
    others = simd.evaluate(request(points, points, weights, Coulomb(1.0), exclude_self=True))
    expected = direct.evaluate(wide(request(points, points, weights, Coulomb(1.0), exclude_self=True)))
    np.testing.assert_allclose(others.potential, expected.potential, rtol=8 * machine_epsilon(dtype))
    sizes = np.sum(abs(expected.field)) * machine_epsilon(dtype)
    np.testing.assert_allclose(others.field, expected.field, atol=sizes)


def test_a_nan_target_stays_alone_and_a_nan_charge_reaches_all():
    rng = np.random.default_rng(2)
    positions, weights = cloud(rng, 20, 2)
    targets = positions.copy()
    targets[3, 1] = np.nan
    found = simd.evaluate(request(targets, positions, weights, Plummer(3.0)))
    for one in found:
        assert np.array_equal(np.isnan(one.reshape(20, -1)).any(axis=1), np.arange(20) == 3)
    found = simd.evaluate(request(positions, targets, weights, Plummer(3.0)))
    assert all(np.isnan(one).all() for one in found)


def test_empty_sets_give_empty_sums_and_zeros():
    none, some = np.zeros((0, 2)), np.ones((3, 2))
    found = simd.evaluate(request(none, some, np.ones(3), Plummer(3.0)))
    assert [one.shape for one in found] == [(0,), (0, 2)]
    found = simd.evaluate(request(some, none, np.ones(0), Plummer(3.0)))
    assert all(np.all(one == 0) for one in found)
    assert [one.shape for one in found] == [(3,), (3, 2)]
    assert energy.energy(none, np.ones(0), Plummer(3.0).profile, False) == 0.0


@pytest.mark.parametrize("targets", [5, 300])
def test_threads_and_neighbours_change_no_bit(monkeypatch, targets):
    """Few targets share out the charges, many share out the targets; a target alone has the same sums."""
    monkeypatch.setattr(simd, "RUN", 2 * tiles.BLOCK)
    rng = np.random.default_rng(3)
    positions, weights = cloud(rng, 1700, 2, "float32")
    asked = request(positions[:targets], positions, weights, Plummer(3.0), exclude_self=True)
    serial = simd.evaluate(asked)
    alone = simd.evaluate(asked._replace(targets=positions[:1]))
    energies = [energy.energy(positions, weights, asked.profile, True)]
    seen = set()
    original = simd._sum_runs if targets == 5 else simd._sum_tiles
    name = original.__name__

    def watching(start, stop, *arguments):
        seen.add(threading.get_ident())
        return original(start, stop, *arguments)

    for module in (simd, energy, tangents):
        monkeypatch.setattr(module, "PARALLEL_PAIRS", 0)
    monkeypatch.setattr(simd, name, watching)
    monkeypatch.setattr(numba, "get_num_threads", lambda: 4)
    monkeypatch.setattr(threads, "_pool", None)
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 4)
    for one, other, first in zip(simd.evaluate(asked), serial, alone, strict=True):
        assert np.array_equal(one, other)
        assert np.array_equal(one[:1], first)
    assert seen
    energies.append(energy.energy(positions, weights, asked.profile, True))
    assert energies[0] == energies[1]


def test_the_length_of_a_run_is_not_compiled_in(monkeypatch):
    """Compiled loops stay on disk: what they knew of it would be wrong after a test that changes it."""
    monkeypatch.setattr(simd, "PARALLEL_PAIRS", 0)
    positions, weights = cloud(np.random.default_rng(5), 40_000, 2)
    asked = request(positions[:5], positions, weights, Plummer(3.0))
    expected = direct.evaluate(asked)
    for length in (2 * tiles.BLOCK, 64 * tiles.BLOCK):
        monkeypatch.setattr(simd, "RUN", length)
        found = simd.evaluate(asked)
        assert np.allclose(found.potential, expected.potential, rtol=1e-10, atol=1e-10)
        assert np.allclose(found.field, expected.field, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_largest_size_is_inf_where_a_number_is_not_finite(dtype):
    tiny = float(np.finfo(dtype).smallest_subnormal)
    for numbers, expected in (
        ([[1, -3], [2, 0]], 3.0),
        ([[-0.0, 0.0]], 0.0),
        ([[tiny, -0.0]], tiny),
        ([[1.0, np.nan]], np.inf),
        ([[-np.nan, 5.0]], np.inf),
        ([[-np.inf, 5.0]], np.inf),
        (np.empty((0, 2)), 0.0),
    ):
        assert tiles.largest(np.array(numbers, dtype)) == expected


def test_an_error_in_a_thread_is_raised(monkeypatch):
    monkeypatch.setattr(numba, "get_num_threads", lambda: 2)

    def work(start, stop):
        if start:
            raise OverflowError("one part failed")

    with pytest.raises(OverflowError, match="one part failed"):
        threads.share(work, 8)


def test_every_part_is_done_once(monkeypatch):
    monkeypatch.setattr(numba, "get_num_threads", lambda: 3)
    for count in (0, 1, 2, 5, 100):
        done = np.zeros(count, int)

        def work(start, stop, done=done):
            done[start:stop] += 1

        threads.share(work, count)
        assert np.all(done == 1)


@pytest.mark.parametrize("name", ["plummer 3", "plummer 2.5", "sum"])
@given(n=st.integers(1, 40), exclude_self=st.booleans(), seed=seeds)
@settings(max_examples=8)
def test_the_energy_is_half_the_charges_in_their_own_potential(name, n, exclude_self, seed):
    positions, weights = cloud(np.random.default_rng(seed), n, 2)
    asked = request(positions, positions, weights, KERNELS[name], exclude_self, field=False)
    expected = 0.5 * np.dot(weights, direct.evaluate(asked).potential)
    found = energy.energy(positions, weights, asked.profile, exclude_self)
    assert isinstance(found, float)
    assert abs(found - expected) <= 40 * machine_epsilon("float64") * np.dot(abs(weights), magnitudes(asked)[0])


STEP = 2.0**-17  # near eps**(1/3), the best central-difference step in float64


@pytest.mark.parametrize("name", ["plummer 3", "sum"])
@given(
    n=st.integers(1, 20),
    exclude_self=st.booleans(),
    moving=st.lists(st.booleans(), min_size=3, max_size=3),
    seed=seeds,
)
@settings(max_examples=10)
def test_the_derivative_is_the_limit_of_a_difference(name, n, exclude_self, moving, seed):
    rng = np.random.default_rng(seed)
    positions, weights = cloud(rng, n, 2)
    targets = rng.standard_normal((rng.integers(1, n + 1), 2))
    asked = request(targets, positions, weights, KERNELS[name], exclude_self)
    moves = [
        rng.standard_normal(x.shape) if moves else None
        for x, moves in zip((targets, positions, weights), moving, strict=True)
    ]

    def at(step):
        moved = [x if move is None else x + step * move for x, move in zip(asked[:3], moves, strict=True)]
        return direct.evaluate(asked._replace(targets=moved[0], positions=moved[1], weights=moved[2]))

    found = tangents.jvp(asked, Tangent(*moves))
    for one, ahead, behind in zip(found, at(STEP), at(-STEP), strict=True):
        # Third derivatives of these kernels, and the rounding of sums of n terms of size 1 over the step.
        np.testing.assert_allclose(one, (ahead - behind) / (2 * STEP), atol=2e-8 * (n + 1))
    for only in ("potential", "field") if name == "sum" else ():  # these too are compiled for each kernel
        alone = tangents.jvp(asked._replace(potential=only == "potential", field=only == "field"), Tangent(*moves))
        np.testing.assert_allclose(getattr(alone, only), getattr(found, only), atol=1e-13 * (n + 1))
        assert sum(one is None for one in alone) == 1


@pytest.mark.slow
def test_the_derivative_keeps_float32():
    rng = np.random.default_rng(4)
    positions, weights = cloud(rng, 30, 2, "float32")
    asked = request(positions, positions, weights, Plummer(3.0))
    moves = Tangent(*cloud(rng, 30, 2, "float32")[:1], positions[::-1], weights[::-1])
    found = tangents.jvp(asked, moves)
    exact = tangents.jvp(wide(asked), Tangent(*[move.astype(float) for move in moves]))
    for one, other in zip(found, exact, strict=True):
        assert one.dtype == np.float32
        assert np.linalg.norm(one - other) <= 1e-5 * np.linalg.norm(other)


def test_the_estimate_of_time_grows_with_the_work():
    small = request(*[np.zeros((10, 2))] * 2, np.zeros(10), Plummer())
    large = request(*[np.zeros((100_000, 2))] * 2, np.zeros(100_000), Plummer())
    assert 0 < simd.seconds(small) < simd.seconds(large) / 1000
    assert simd.seconds(large._replace(field=False)) < simd.seconds(large)
    assert simd.seconds(large._replace(profile=Plummer(2.5).profile)) > simd.seconds(large)


OLD_PROCESSOR = """
import numpy as np
from coulombfield import Plummer
from coulombfield.sums import direct
from coulombfield.sums.pairs import simd
from coulombfield.sums.request import Request
rng = np.random.default_rng(0)
for dtype, exponent in ((np.float32, 3.0), (np.float64, 3.0), (np.float32, 1.7), (np.float64, 1.7)):
    points, weights = rng.standard_normal((30, 2)).astype(dtype), np.ones(30, dtype)
    asked = Request(points, points, weights, Plummer(exponent, 0.7).profile, False, True, True)
    for one, other in zip(simd.evaluate(asked), direct.evaluate(asked)):
        assert np.allclose(one, other, rtol=0, atol=40 * np.finfo(dtype).eps * abs(other).max())
    alone = simd.evaluate(asked._replace(positions=points[:1], weights=weights[:1], targets=points[:1]))
    assert alone.potential[0] == dtype(0.7**-exponent)
    assert not alone.field.any()
"""


@pytest.mark.slow
def test_a_processor_without_wide_vectors_and_fused_operations_serves(monkeypatch):
    monkeypatch.setenv("NUMBA_CPU_NAME", "generic")
    subprocess.run([sys.executable, "-c", OLD_PROCESSOR], check=True)
