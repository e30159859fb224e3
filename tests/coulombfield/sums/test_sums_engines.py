"""The engines against each other, and what is true of each alone."""

import importlib.util
import subprocess
import sys
from dataclasses import replace

import numba
import numpy as np
import pytest
from charge_clouds import KERNELS, cloud, seeds
from hypothesis import given, settings
from hypothesis import strategies as st

from coulombfield import Charges, Coulomb, Plummer, explain, field, laplacian, potential, potential_and_field
from coulombfield.calculus import machine_epsilon
from coulombfield.sums import costs, direct
from coulombfield.sums.pairs import simd
from coulombfield.sums.request import Request
from coulombfield.sums.selection import EXACT, FAST

OPERATIONS = {"potential": potential, "field": field, "laplacian": laplacian}


def sizes(targets, charges, kernel):
    """Per target, the sum of |q| times all terms of value, field and Laplacian."""
    s = np.sum((targets[:, None] - charges.positions[None]) ** 2, axis=-1, dtype=float)
    terms = np.abs(kernel.value(s)) + (np.sqrt(s) + 2 * targets.shape[1]) * np.abs(kernel.slope(s))
    return (terms + 4 * s * np.abs(kernel.curvature(s))) @ np.abs(charges.weights)


# Each combination is compiled anew on a fresh machine: float32 need not go with every operation.
CASES = [("potential", "float32"), ("potential", "float64"), ("field", "float64"), ("laplacian", "float32")]


@pytest.mark.slow
@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize(("operation", "dtype"), CASES)
@given(
    # Around the ends of simd's tiles of 8 or 16 targets and of its blocks of 256 and direct's of 512 charges.
    t=st.integers(1, 4) | st.integers(15, 18),
    n=st.integers(1, 4) | st.integers(254, 258) | st.integers(510, 514),
    seed=seeds,
    exclude_self=st.booleans(),
)
@settings(max_examples=8)
def test_simd_gives_what_direct_gives(operation, dtype, name, t, n, seed, exclude_self):
    rng = np.random.default_rng(seed)
    dimension = 2
    charges = Charges(*cloud(rng, n, dimension, dtype))
    targets = charges.positions if exclude_self else rng.standard_normal((t, dimension)).astype(dtype)
    fast, reference = (
        OPERATIONS[operation](targets, charges, KERNELS[name], exclude_self=exclude_self, method=method)
        for method in ("simd", "direct")
    )
    assert fast.dtype == reference.dtype == dtype
    assert fast.shape == reference.shape
    # Roundings of long sums add up like a random walk; sqrt(n) allows for that and the constant for the kernel's own.
    tolerance = machine_epsilon(dtype) * (20 + np.sqrt(n)) * sizes(targets, charges, KERNELS[name])
    assert np.all(np.abs(fast - reference).max(axis=tuple(range(1, fast.ndim))) <= tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("dimension", [1, simd.MAX_DIMENSION])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_simd_serves_each_low_dimension(operation, dimension):
    rng = np.random.default_rng(dimension)
    charges, targets = Charges(*cloud(rng, 5, dimension)), rng.standard_normal((3, dimension))
    fast, reference = (OPERATIONS[operation](targets, charges, Plummer(), method=m) for m in ("simd", "direct"))
    assert np.allclose(fast, reference, rtol=1e-13, atol=1e-13)


@given(t=st.integers(1, 12), n=st.integers(1, 12), dimension=st.integers(1, 12), seed=seeds)
def test_direct_gives_the_same_in_tiles_of_any_size(t, n, dimension, seed):
    rng = np.random.default_rng(seed)
    charges = Charges(*cloud(rng, n, dimension))
    targets = rng.standard_normal((t, dimension))

    def results():
        for function in OPERATIONS.values():
            yield function(targets, charges, Plummer(), method="direct")
            yield function(charges.positions, charges, Plummer(), method="direct", exclude_self=True)

    whole = list(results())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(direct, "TILE_NUMBERS", 20)
        patch.setattr(direct, "BLOCK", 3)
        tiled = list(results())
    for one, other in zip(whole, tiled, strict=True):
        assert np.allclose(one, other, rtol=0, atol=1e-13 * n * dimension)


def test_direct_holds_no_more_than_its_tiles(monkeypatch):
    seen = []
    monkeypatch.setattr(direct, "TILE_NUMBERS", 60)
    monkeypatch.setattr(direct, "BLOCK", 8)
    original = Plummer().profile

    class Watching(type(original)):
        def value(self, xp, s):
            seen.append(s.size)
            return original.value(xp, s)

    charges = cloud(np.random.default_rng(0), 31, 3)
    direct.evaluate(Request(charges[0], *charges, Watching(*original), False, potential=True, field=False))
    assert sum(seen) == 31 * 31
    assert max(seen) * 3 <= 60


@pytest.mark.parametrize("method", ["simd", "direct"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_read_only_and_strided_arrays_are_taken_as_they_are(operation, method):
    dtype = "float64"
    rng = np.random.default_rng(1)
    positions, weights = cloud(rng, 6, 2, dtype)
    targets = rng.standard_normal((4, 2)).astype(dtype)
    expected = OPERATIONS[operation](targets, Charges(positions, weights), Plummer(), method=method)
    views = [np.asfortranarray(x) for x in (targets, positions)] + [np.repeat(weights, 2)[::2]]
    views[0] = np.flip(np.flip(views[0], axis=0).copy(), axis=0)
    before = [x.copy() for x in views]
    for x in views:
        x.flags.writeable = False
    found = OPERATIONS[operation](views[0], Charges(*views[1:]), Plummer(), method=method)
    assert np.array_equal(found, expected)
    assert all(np.array_equal(x, y) for x, y in zip(views, before, strict=True))
    positions.flags.writeable = False
    again = OPERATIONS[operation](targets, Charges(positions, weights), Plummer(), method=method)
    assert np.array_equal(again, expected)


@pytest.mark.parametrize("operation", ["potential", "field"])
def test_the_number_of_threads_changes_no_bit(monkeypatch, operation):
    rng = np.random.default_rng(2)
    charges = Charges(*cloud(rng, 300, 2, "float32"))
    targets = rng.standard_normal((81, 2)).astype("float32")
    serial = OPERATIONS[operation](targets, charges, Plummer(), method="simd")
    monkeypatch.setattr(simd, "PARALLEL_PAIRS", 0)
    monkeypatch.setattr(numba, "get_num_threads", lambda: 2)
    assert np.array_equal(OPERATIONS[operation](targets, charges, Plummer(), method="simd"), serial)


@pytest.mark.parametrize("method", ["simd", "direct"])
def test_float32_stays_near_its_rounding_in_long_sums(method):
    rng = np.random.default_rng(3)
    n = 20_000
    charges = Charges(rng.standard_normal((n, 2)).astype("float32"), np.full(n, 1 / n, "float32"))
    targets = rng.standard_normal((7, 2)).astype("float32")
    found = potential(targets, charges, Plummer(), method=method)
    exact = potential(
        targets.astype(float), Charges(charges.positions.astype(float), charges.weights.astype(float)), Plummer()
    )
    # One running sum over 20 000 terms would be off by some hundred epsilons.
    assert np.all(np.abs(found - exact) <= 8 * machine_epsilon("float32") * exact)


def test_changing_a_parameter_compiles_nothing():
    charges = Charges(*cloud(np.random.default_rng(4), 4, 2, "float32"))
    potential(charges.positions, charges, Plummer(1.0, 3.0), method="simd")
    compiled = len(simd._sum_tiles.signatures)
    for softening in (2.9, 2.8, 2.7):
        potential(charges.positions, charges, Plummer(1.0, softening), method="simd")
    assert len(simd._sum_tiles.signatures) == compiled


SECOND_PROCESS = """
import numpy as np
from coulombfield import Charges, Plummer, potential
from coulombfield.sums.pairs import simd
charges = Charges(np.zeros((3, 2)), np.ones(3))
potential(charges.positions, charges, 2.0 * Plummer())
print(sum(simd._sum_tiles.stats.cache_misses.values()))
"""


@pytest.mark.slow
def test_a_second_process_finds_the_compiled_loops_on_disk(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    misses = [
        int(subprocess.run([sys.executable, "-c", SECOND_PROCESS], check=True, capture_output=True).stdout)
        for _ in "12"
    ]
    assert misses == [1, 0]


def test_methods_are_refused_where_they_do_not_fit(library):
    far = Charges(library.put(np.zeros((2, simd.MAX_DIMENSION + 1))), library.put(np.ones(2)))
    with pytest.raises(ValueError, match=r"^method: simd can't serve this: it takes"):
        potential(far.positions, far, Plummer(), method="simd")
    assert library.get(potential(far.positions, far, Plummer())).shape == (2,)


def test_auto_takes_the_fast_engine_where_it_can(monkeypatch):
    monkeypatch.setattr(direct, "evaluate", None)
    charges = Charges(*cloud(np.random.default_rng(5), 4, 2))
    fast = potential(charges.positions, charges, Coulomb(1.0), exclude_self=True, method="simd")
    assert np.array_equal(potential(charges.positions, charges, Coulomb(1.0), exclude_self=True), fast)


@pytest.mark.slow
@pytest.mark.parametrize("method", [name for name in (*EXACT, *FAST) if name != "cuda"])  # it has a test of its own
@pytest.mark.parametrize("exponent", [1.0, 3.0, 2.5])  # test_sums has the others, as each is compiled for each engine
@given(seed=seeds, softening=st.floats(1e-3, 1e2))
@settings(max_examples=4)
def test_a_charge_at_the_target_adds_its_peak_to_the_last_bit_and_no_field(method, dtype, exponent, seed, softening):
    place = np.random.default_rng(seed).standard_normal((1, 2)).astype(dtype)
    charges, kernel = Charges(place, np.ones(1, dtype)), Plummer(exponent, softening)
    value, force = potential_and_field(place.copy(), charges, kernel, rtol=1e-4, method=method)
    assert value[0] == np.dtype(dtype).type(softening**-exponent)
    assert not np.any(force)


def test_without_finufft_all_else_works_and_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    charges = Charges(*cloud(np.random.default_rng(0), 50, 2))
    for method in ("nufft", "split"):
        with pytest.raises(ValueError, match=r"finufft is not installed; pip install 'coulombfield\[fast\]'"):
            potential(charges.positions, charges, Plummer(), rtol=1e-3, method=method)
    monkeypatch.setattr(costs, "_found", replace(costs.BUILT_IN, worth_a_plan=0.0))
    exact = potential(charges.positions, charges, Plummer())
    found, why = explain(potential, charges.positions, charges, Plummer(), rtol=1e-3)
    assert np.allclose(found, exact, rtol=1e-2)
    assert "nufft: finufft is not installed" in str(why)


@pytest.mark.slow
@pytest.mark.parametrize("exponent", [1.0, 1.5, 2.3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("m", [3, 8])
def test_in_few_dimensions_no_matrix_products_are_taken(m, dtype, exponent):
    points = np.random.default_rng(0).standard_normal((2_000, m)).astype(dtype)
    charges = Charges(points, np.ones(len(points), dtype))
    _, why = explain(potential, points, charges, Plummer(exponent, 0.1))
    assert why.method == "simd"
