"""Real powers from tables in registers, against NumPy's in the next wider type."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coulombfield.arrays import jit
from coulombfield.lanes import LANE_BYTES, ONE, add_to_rows, has_avx512, load_rows
from coulombfield.profiles import curvature_at, slope_at, value_at
from coulombfield.sums.pairs.tabled_powers import LARGEST_POWER, tabled_power

pytestmark = pytest.mark.skipif(not has_avx512(), reason="tables in registers need AVX-512")


@jit
def _powers_of(rows, profile, results):
    for i in range(rows.shape[0]):
        (s,) = load_rows(rows[i : i + 1], ONE)
        add_to_rows(results[i], (value_at(profile, np, s), slope_at(profile, np, s), curvature_at(profile, np, s)))


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "orders"), [(np.float32, 88), (np.float64, 100)])
@given(
    share=st.floats(0, 1),
    power=st.one_of(st.sampled_from([1.15, 3.3]), st.floats(0.01, LARGEST_POWER)),
    inverse=st.floats(0.5, 2),
    seed=st.integers(0, 2**32 - 1),
)
def test_powers_are_within_units_in_the_last_place(dtype, orders, share, power, inverse, seed):
    """Up to the largest x whose powers are normal, with tables of every place and every power of two."""
    profile = tabled_power(inverse, power, dtype)
    x = 2.0 ** np.random.default_rng(seed).uniform(0, share * min(100, orders / (power + 2)), (40, LANE_BYTES))
    s = ((x - 1) / inverse).astype(dtype)[:, : LANE_BYTES // np.dtype(dtype).itemsize]
    s[0] = 0
    found = np.zeros((len(s), 3, s.shape[1]))
    _powers_of(s, profile, found)
    x = (s.astype(np.longdouble) * profile.inverse + 1).astype(dtype).astype(np.longdouble)  # rounded once, as inside
    exact = np.stack([x ** -(np.longdouble(power) + k) for k in range(3)], axis=1)
    units = abs(found - exact) / np.spacing(exact.astype(dtype))
    assert np.all(units.max(axis=(0, 2)) <= [3.5, 4.5, 5.5])
    assert np.all(found[0] == 1)
