"""The sign convention, and what is no set of charges."""

import array_api_strict
import numpy as np
import pytest
from charge_clouds import counts, dimensions, seeds
from hypothesis import given

from coulombfield import Charges, generated_charges, real_charges, signed_charges


@given(n_y=counts, n_x=counts, dimension=dimensions, seed=seeds)
def test_real_data_are_positive_and_generated_samples_negative(library, dtype, n_y, n_x, dimension, seed):
    rng = np.random.default_rng(seed)
    y, x = rng.standard_normal((n_y, dimension)).astype(dtype), rng.standard_normal((n_x, dimension)).astype(dtype)
    both = signed_charges(library.put(y), library.put(x))
    weights = library.get(both.weights)
    assert weights.dtype == dtype
    assert np.array_equal(library.get(both.positions), np.concatenate([y, x]))
    assert np.array_equal(weights[:n_y], np.full(n_y, 1 / n_y, dtype))
    assert np.array_equal(weights[n_y:], np.full(n_x, -1 / n_x, dtype))
    assert np.array_equal(library.get(real_charges(library.put(y)).weights), weights[:n_y])
    assert np.array_equal(library.get(generated_charges(library.put(x)).weights), weights[n_y:])


def points(count=3, dimension=2, dtype="float64"):
    return np.zeros((count, dimension), dtype)


@pytest.mark.parametrize(
    ("positions", "weights", "error", "message"),
    [
        ([[0.0]], np.ones(1), TypeError, "^positions: expected an array"),
        (points(), [1.0], TypeError, "^weights: expected an array"),
        (points(), array_api_strict.ones(3), TypeError, "^weights: expected a numpy array"),
        (np.zeros(3), np.ones(3), ValueError, "^positions: expected shape"),
        (points(dimension=0), np.ones(3), ValueError, "^positions: expected shape"),
        (points(dtype="int64"), np.ones(3, int), TypeError, "^positions: expected dtype"),
        (points(dtype="float16"), np.ones(3, "float16"), TypeError, "^positions: expected dtype"),
        (points(), np.ones(4), ValueError, r"^weights: expected shape \(3,\) like positions, got \(4,\)"),
        (points(), np.ones((3, 1)), ValueError, "^weights: expected shape"),
        (points(), np.ones(3, "float32"), TypeError, "^weights: expected dtype float64"),
    ],
)
def test_what_is_no_set_of_charges_is_refused(positions, weights, error, message):
    with pytest.raises(error, match=message):
        Charges(positions, weights)


@pytest.mark.parametrize(
    ("real", "generated", "error", "message"),
    [
        (points(0), points(), ValueError, "^real: expected at least one point"),
        (points(), points(0), ValueError, "^generated: expected at least one point"),
        (points(), points(dimension=3), ValueError, "^generated: expected 2 columns like real, got 3"),
        (points(), points(dtype="float32"), TypeError, "^generated: expected dtype float64 like real"),
        (points(), np.zeros(3), ValueError, "^generated: expected shape"),
        (3.0, points(), TypeError, "^real: expected an array"),
    ],
)
def test_what_makes_no_signed_charges_is_refused(real, generated, error, message):
    with pytest.raises(error, match=message):
        signed_charges(real, generated)


def test_a_side_alone_is_checked_too():
    with pytest.raises(ValueError, match=r"^real: expected at least one point"):
        real_charges(points(0))
    with pytest.raises(TypeError, match=r"^generated: expected an array"):
        generated_charges([[1.0]])
