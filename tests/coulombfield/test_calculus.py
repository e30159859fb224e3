"""Finite differences converge at their orders, and their tolerance covers their errors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coulombfield.calculus import (
    best_step,
    difference_tolerance,
    directional_derivative,
    machine_epsilon,
    observed_order,
    random_direction,
    second_directional_derivative,
)

seeds = st.integers(0, 2**32 - 1)
shapes = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)
DERIVATIVES = {1: directional_derivative, 2: second_directional_derivative}


def wave(x):
    """Sum of sin(x), whose derivatives along v are known: v·cos(x) and −v²·sin(x)."""
    return np.sum(np.sin(x))


def exact(x, v, derivative):
    return np.sum(v * np.cos(x)) if derivative == 1 else -np.sum(v * v * np.sin(x))


@pytest.mark.parametrize("derivative", [1, 2])
@given(shape=shapes, seed=seeds)
def test_differences_are_of_second_order(derivative, shape, seed):
    rng = np.random.default_rng(seed)
    x, v = rng.uniform(0.3, 1.2, shape), np.abs(random_direction(rng, np.zeros(shape)))
    steps = [2.0**-k for k in range(2, 6)]
    errors = [abs(DERIVATIVES[derivative](wave, x, v, h) - exact(x, v, derivative)) for h in steps]
    # 2 but for terms of fourth order, at most 1/100 of the error at these steps.
    assert observed_order(steps, errors) == pytest.approx(2, abs=0.05)


@pytest.mark.parametrize("derivative", [1, 2])
@given(shape=shapes, seed=seeds)
def test_the_tolerance_covers_the_error_and_little_more(derivative, dtype, shape, seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape).astype(dtype)
    v = random_direction(rng, x)
    step = best_step(dtype, derivative)
    found = DERIVATIVES[derivative](wave, x, v, step)
    size = float(np.sum(np.abs(np.sin(x)) + np.abs(np.cos(x))))
    tolerance = difference_tolerance(size, step, dtype, derivative=derivative)
    # The rounding of x ± h v itself counts like one more rounding of f, for a function of slope 1.
    assert abs(found - exact(x.astype(float), v.astype(float), derivative)) <= tolerance
    assert tolerance <= 0.05 * size if derivative == 1 else 0.5 * size


@given(seed=seeds)
def test_an_array_valued_function_is_differentiated_entry_by_entry(library, seed):
    rng = np.random.default_rng(seed)
    x = library.put(rng.standard_normal((3, 2)))
    v = random_direction(rng, x)
    found = library.get(directional_derivative(lambda y: y * y * y, x, v, best_step(x.dtype)))
    x, v = library.get(x), library.get(v)
    assert np.linalg.norm(v) == pytest.approx(1)
    assert np.allclose(
        found, 3 * x**2 * v, rtol=0, atol=difference_tolerance(float(np.max(np.abs(x) ** 3 + 1)), 2**-17, "float64")
    )


def test_steps_are_powers_of_two_that_balance_both_errors():
    assert machine_epsilon(np.dtype(np.float32)) == 2.0**-23
    assert best_step(np.float64) == 2.0**-17
    assert best_step("float32") == 2.0**-8
    assert best_step(np.float64, 2) == 2.0**-13


def test_an_integer_has_no_machine_epsilon():
    with pytest.raises(TypeError, match=r"^dtype: expected"):
        machine_epsilon(np.int64)


@given(order=st.integers(1, 6), seed=seeds)
def test_the_order_of_a_power_law_is_its_exponent(order, seed):
    steps = np.random.default_rng(seed).uniform(1e-3, 1, 5)
    assert observed_order(steps, 7.0 * steps**order) == pytest.approx(order)


@pytest.mark.parametrize(("steps", "errors"), [([1.0], [1.0]), ([1.0, 2.0], [1.0]), ([1.0, 2.0], [1.0, 0.0])])
def test_an_order_needs_positive_pairs(steps, errors):
    with pytest.raises(ValueError, match=r"^steps, errors: expected"):
        observed_order(steps, errors)
