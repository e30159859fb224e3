"""The sign convention, and what is no set of charges."""

import array_api_strict
import numpy as np
import pytest
from charge_clouds import counts, dimensions, seeds
from hypothesis import given

from coulombfield import (
    Charges,
    Plummer,
    field,
    generated_charges,
    interaction_energy,
    laplacian,
    potential,
    potential_jvp,
    real_charges,
    signed_charges,
)


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
        (None, np.ones(1), TypeError, "^positions: expected an array"),
        (points(), 1.0, TypeError, "^weights: expected an array"),
        ([[True]], np.ones(1), TypeError, "^positions: expected an array or lists of numbers, got list of bool"),
        ([["1"]], np.ones(1), TypeError, "^positions: expected an array or lists of numbers, got list of <U1"),
        ([[1j]], np.ones(1), TypeError, "^positions: expected an array or lists of numbers, got list of complex128"),
        ([[0, 1], [2]], np.ones(2), ValueError, "^positions: expected rows of one length"),
        ([0, 1], np.ones(2), ValueError, r"^positions: expected shape \(count, m\)"),
        (points(dtype="bool"), np.ones(3), TypeError, "^positions: expected dtype"),
        (np.ma.masked_array(points(dtype="int64")), np.ones(3), TypeError, "^positions: expected a plain array"),
        (points(), array_api_strict.ones(3), TypeError, "^weights: expected a numpy array"),
        (np.zeros(3), np.ones(3), ValueError, "^positions: expected shape"),
        (points(dimension=0), np.ones(3), ValueError, "^positions: expected shape"),
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
        generated_charges(1.0)


@pytest.mark.slow
def test_lists_and_integers_become_floating_point_like_the_array_beside_them(library, dtype):
    real = np.array([[0, 0], [2, 1]])
    as_it_is = library.put(real.astype(dtype))
    integers = library.put(real)
    for written in (real.tolist(), tuple(map(tuple, real.tolist())), integers):
        assert_same(library, signed_charges(as_it_is, written), signed_charges(as_it_is, as_it_is))
        assert_same(library, signed_charges(written, as_it_is), signed_charges(as_it_is, as_it_is))
    for weights in ([1, -1], (1.0, -1.0), library.put(np.array([1, -1]))):
        assert_same(library, Charges(as_it_is, weights), Charges(as_it_is, library.put(np.array([1, -1], dtype))))
    in_double = library.put(real.astype("float64"))
    assert_same(library, real_charges(integers), real_charges(in_double))
    kernel, charges = Plummer(1.0, 0.5), Charges(as_it_is, [1, -1])  # whose loops most tests have
    for function in (potential, field, laplacian, potential_jvp):
        found, expected = (function(at, charges, kernel) for at in ([[1, 3]], library.put(np.array([[1, 3]], dtype))))
        assert np.array_equal(library.get(found), library.get(expected))
        assert library.get(found).dtype == dtype
    assert interaction_energy(real.tolist(), [[1, 1]], kernel) == interaction_energy(
        real * 1.0, np.ones((1, 2)), kernel
    )


def test_lists_alone_are_numpy_arrays_of_float64():
    charges = Charges([[0, 0], [1, 0]], [1, -1])
    assert type(charges.positions) is type(charges.weights) is np.ndarray
    assert charges.positions.dtype == charges.weights.dtype == np.float64


def assert_same(library, found, expected):
    for ours, theirs in ((found.positions, expected.positions), (found.weights, expected.weights)):
        assert library.get(ours).dtype == library.get(theirs).dtype
        assert np.array_equal(library.get(ours), library.get(theirs))


def test_charges_show_themselves_briefly(library, dtype):
    text = repr(real_charges(library.put(np.zeros((1000, 3), dtype))))
    assert text.startswith(f"Charges(1000 in 3 dimensions, {dtype}")
    assert len(text) < 80
