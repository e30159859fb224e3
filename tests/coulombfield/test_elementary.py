"""The vectorised elementary functions against NumPy's in the next wider type."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coulombfield.arrays import jit
from coulombfield.elementary import SMALLEST, exp, expm1, log, power, power_from_one
from coulombfield.lanes import ONE, add_to_rows, load_rows


@jit
def _expm1_of(x):
    y = np.empty_like(x)
    for i in range(x.size):
        y[i] = expm1(x[i])
    return y


@jit
def _scalars_of(x, y):
    results = np.empty((3, x.size), x.dtype)
    for i in range(x.size):
        results[0, i], results[1, i], results[2, i] = exp(y * x[i]), log(x[i]), power(x[i], y)
    return results


@jit
def _powers_from_one(x, y):
    results = np.empty_like(x)
    for i in range(x.size):
        results[i] = power_from_one(x[i], y)
    return results


@jit
def _lanes_of(rows, y, results):
    (x,) = load_rows(rows, ONE)
    add_to_rows(results, (exp(x * y), log(x), power(x, y)))


@jit
def _powers_of_lanes(rows, y, results):
    (x,) = load_rows(rows, ONE)
    add_to_rows(results, (power_from_one(x, y),))


def ulps(got: np.ndarray, exact: np.ndarray) -> np.ndarray:
    return abs(got - exact) / np.spacing(abs(exact).astype(got.dtype))


# The polynomial and the two-part ln 2 leave half a unit of rounding in each of the last operations.
LARGEST_ERROR = {np.float32: 2.0, np.float64: 1.0}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(scale=st.floats(-6, 6), y=st.sampled_from([-3.75, -1.25, -0.3, 0.7, 1.1, 2.0]), seed=st.integers(0, 2**32 - 1))
def test_exp_log_and_power_are_within_units_in_the_last_place(dtype, scale, y, seed):
    x = np.exp(np.random.default_rng(seed).uniform(-1, 1, 1000) * 2**scale).astype(dtype)
    y = dtype(y)
    with np.errstate(all="ignore"):
        wide, product = x.astype(np.longdouble), (y * x).astype(np.longdouble)
        exact = np.array([np.exp(product), np.log(wide), wide ** np.longdouble(y)])
    found = _scalars_of(x, y)
    normal = (np.finfo(dtype).tiny < exact) & (exact < np.finfo(dtype).max)
    normal[1] = True
    assert ulps(found[normal], exact[normal]).max() <= 2.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_lanes_give_what_scalars_give(dtype):
    count = 64 // np.dtype(dtype).itemsize
    x = np.exp(np.linspace(-4, 4, count)).astype(dtype)
    found = np.zeros((3, count))
    _lanes_of(x[None].copy(), dtype(-1.25), found)
    # Lanes may contract products and sums, which scalars don't.
    np.testing.assert_allclose(found, _scalars_of(x, dtype(-1.25)), rtol=4 * np.finfo(dtype).eps)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(
    orders=st.floats(0, 80), y=st.sampled_from([-4.3, -1.65, -0.75, -0.35, 0.7, 3.1]), seed=st.integers(0, 2**32 - 1)
)
def test_powers_of_numbers_from_one_are_within_units_in_the_last_place(dtype, orders, y, seed):
    """Up to the largest x whose power is normal by far, in lanes and out of them."""
    y = dtype(y)
    count = 64 // np.dtype(dtype).itemsize
    x = 2.0 ** np.random.default_rng(seed).uniform(0, orders / max(1, abs(y)), (50, count))
    x = np.maximum(x.astype(dtype), dtype(1))
    exact = x.astype(np.longdouble) ** np.longdouble(y)
    in_lanes = np.zeros((50, 1, count))
    for row, result in zip(x, in_lanes, strict=True):
        _powers_of_lanes(row[None], y, result)
    for found in (_powers_from_one(x.reshape(-1), y).reshape(x.shape), in_lanes[:, 0].astype(dtype)):
        # Processors without fused operations lose another 2 |y|.
        assert ulps(found, exact).max() <= 1.5 + 3 * abs(y)
    assert np.all(_powers_from_one(np.ones(1, dtype), y) == 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exp_log_and_power_at_their_limits(dtype):
    largest, tiny = np.finfo(dtype).max, np.finfo(dtype).tiny
    x = np.array([0.0, 1.0, tiny, tiny / 8, largest, np.inf, np.nan], dtype)
    for y in (-2.5, 0.5, 3.25):
        with np.errstate(all="ignore"):
            wide = x.astype(np.longdouble)
            expected = np.array([np.exp(y * wide), np.log(wide), wide**y]).astype(dtype)
        np.testing.assert_allclose(_scalars_of(x, dtype(y)), expected, rtol=4 * np.finfo(dtype).eps)
    ones = _scalars_of(np.array([0.0, 1.0], dtype), dtype(0.3))
    assert ones[0, 0] == 1.0
    assert ones[1, 1] == 0.0
    assert ones[2, 1] == 1.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exp_underflows_gradually_and_overflows_to_inf(dtype):
    smallest = np.log(np.finfo(dtype).smallest_subnormal.astype(np.longdouble))
    x = np.append(np.linspace(smallest - 3, smallest + 30, 50), [-1e30, -np.inf, 1e30, np.inf]).astype(dtype)
    with np.errstate(all="ignore"):
        expected = np.exp(x.astype(np.longdouble)).astype(dtype)
    found = _scalars_of(x, dtype(1))[0]
    assert np.all(found[-2:] == np.inf)
    assert np.all(abs(found[:-2] - expected[:-2]) <= np.spacing(expected[:-2]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(exponent=st.floats(-30, 8), seed=st.integers(0, 2**32 - 1))
def test_expm1_is_within_units_in_the_last_place_at_every_scale(dtype, exponent, seed):
    x = -(np.random.default_rng(seed).uniform(1, 2, 1000) * 2**exponent).astype(dtype)
    exact = np.expm1(x.astype(np.longdouble))
    assert ulps(_expm1_of(x), exact).max() <= LARGEST_ERROR[dtype]


def test_expm1_has_no_seam_between_the_pieces_of_its_reduction():
    """Around each half-integer multiple of ln 2 the integer k changes; the result must not."""
    seams = -np.log(2) * (np.arange(0, 125) + 0.5)
    x = np.concatenate([np.nextafter(seams.astype("f"), np.float32(side)) for side in (-np.inf, 0)])
    assert ulps(_expm1_of(x), np.expm1(x.astype(np.float64))).max() <= LARGEST_ERROR[np.float32]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_expm1_at_its_limits(dtype):
    x = np.array([0.0, -0.0, SMALLEST, np.nextafter(SMALLEST, -np.inf), -1e4, -np.finfo(dtype).max, -np.inf], dtype)
    np.testing.assert_array_equal(_expm1_of(x), [0, 0, -1, -1, -1, -1, -1])
    assert np.isnan(_expm1_of(np.array([np.nan], dtype)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_expm1_of_the_smallest_numbers_is_the_number_itself(dtype):
    tiny, eps = np.finfo(dtype).tiny, np.finfo(dtype).eps
    x = -np.array([tiny, eps**3, eps**2, eps / 4], dtype)
    np.testing.assert_allclose(_expm1_of(x), x, rtol=eps)


def test_expm1_keeps_its_dtype():
    assert _expm1_of(np.zeros(1, np.float32)).dtype == np.float32
    assert expm1(-1.0) == np.expm1(-1.0)
