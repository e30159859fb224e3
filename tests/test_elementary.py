"""The vectorised elementary functions against NumPy's in the next wider type."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coulombfield.arrays import jit
from nets.primitives.elementary import SMALLEST, expm1


@jit
def _expm1_of(x):
    y = np.empty_like(x)
    for i in range(x.size):
        y[i] = expm1(x[i])
    return y


def ulps(got: np.ndarray, exact: np.ndarray) -> np.ndarray:
    return abs(got - exact) / np.spacing(abs(exact).astype(got.dtype))


# The polynomial and the two-part ln 2 leave half a unit of rounding in each of the last operations.
LARGEST_ERROR = {np.float32: 2.0, np.float64: 1.0}


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
