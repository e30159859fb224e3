"""The players' losses: their gradients, their sizes and their errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from nets_support import (
    assert_derivative,
    assert_near,
    assert_same,
    counts,
    in_each_dtype,
    normal,
    seeds,
)

from coulombfield.arrays import library, to_numpy
from nets.losses import generator_potential, potential_regression

each_reduction = pytest.mark.parametrize("reduction", ["expectation", "sum"])


def draw(device, generated, real, seed, dtype):
    rng = np.random.default_rng(seed)
    total = generated + real
    return normal(device, rng, (total, 1), dtype), normal(device, rng, (total,), dtype), rng


@each_reduction
@given(generated=counts, real=counts, seed=seeds)
@settings(max_examples=15)
def test_the_gradient_of_the_regression_is_its_derivative(device, reduction, generated, real, seed):
    values, potential, rng = draw(device, generated, real, seed, np.float64)
    v = normal(device, rng, values.shape, np.float64)
    _, gradient = potential_regression(values, potential, generated, reduction=reduction)

    def value(t):
        loss, _ = potential_regression(values + t * v, potential, generated, reduction=reduction)
        return device.xp.asarray(loss).reshape(1)

    exact = float((gradient * v).sum())
    assert_derivative(value, device.xp.ones(1), exact, truncation=0)  # a parabola has no third derivative


@given(generated=counts, seed=seeds)
@settings(max_examples=10)
def test_the_gradient_of_the_generator_is_its_derivative(device, generated, seed):
    rng = np.random.default_rng(seed)
    values, v = (normal(device, rng, (generated, 1), np.float64) for _ in range(2))
    value, gradient = generator_potential(values)
    assert float(value) == pytest.approx(-0.5 * to_numpy(values).mean(), rel=1e-13, abs=1e-15)
    assert_derivative(
        lambda t: device.xp.asarray(generator_potential(values + t * v)[0]).reshape(1),
        device.xp.ones(1),
        float((gradient * v).sum()),
        truncation=0,
    )


@in_each_dtype
@given(generated=counts, real=counts, seed=seeds)
@settings(max_examples=10)
def test_the_regression_is_equation_9(device, dtype, generated, real, seed):
    values, potential, _ = draw(device, generated, real, seed, dtype)
    loss, _ = potential_regression(values, potential, generated)
    squared = (to_numpy(values)[:, 0].astype(np.float64) - to_numpy(potential)) ** 2
    expected = 0.5 * (0.5 * squared[:generated].mean() + 0.5 * squared[generated:].mean())
    assert float(loss) == pytest.approx(expected, rel=16 * float(np.finfo(dtype).eps))


@in_each_dtype
@given(count=counts, seed=seeds)
@settings(max_examples=10)
def test_the_sum_of_algorithm_1_is_2n_times_equation_9(device, dtype, count, seed):
    values, potential, _ = draw(device, count, count, seed, dtype)
    mean, d_mean = potential_regression(values, potential, count)
    total, d_total = potential_regression(values, potential, count, reduction="sum")
    assert float(total) == pytest.approx(2 * count * float(mean), rel=16 * float(np.finfo(dtype).eps))
    assert_near(d_total, 2 * count * d_mean)


@each_reduction
@in_each_dtype
@given(generated=counts, real=counts, seed=seeds)
@settings(max_examples=5)
def test_losses_keep_the_dtype_and_the_library_and_leave_their_arguments(
    device, dtype, reduction, generated, real, seed
):
    values, potential, _ = draw(device, generated, real, seed, dtype)
    before = values.copy(), potential.copy()
    for count in (generated, np.int64(generated)):  # NumPy's integers once made a float64 of a float32 loss
        loss, gradient = potential_regression(values, potential, count, reduction=reduction)
        other_loss, other = generator_potential(values)
        assert loss.dtype == gradient.dtype == other_loss.dtype == other.dtype == dtype
        assert loss.ndim == other_loss.ndim == 0
        assert library(type(gradient)) == library(type(other)) == library(type(values))
        assert gradient.shape == other.shape == values.shape
    assert_same(values, before[0])
    assert_same(potential, before[1])


@each_reduction
def test_a_species_without_error_has_no_gradient(reduction):
    values = np.array([[1.0], [2.0], [3.0]])
    _, gradient = potential_regression(values, np.array([1.0, 2.0, 0.0]), 2, reduction=reduction)
    np.testing.assert_array_equal(gradient[:2], 0)
    assert gradient[2, 0] > 0  # D is above the potential and must fall


def test_the_generator_climbs():
    """Descent of the loss raises D at each sample: samples move up the potential."""
    _, gradient = generator_potential(np.array([[np.nan], [1.0]]))
    np.testing.assert_array_equal(gradient, -0.25)


def test_nan_reaches_the_loss():
    values = np.array([[np.nan], [1.0]])
    assert np.isnan(generator_potential(values)[0])
    assert np.isnan(potential_regression(values, np.zeros(2), 1)[0])


ONES, PHI = np.ones((4, 1)), np.ones(4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones(4), PHI, 2), r"values: expected one number a sample, shape \(N, 1\), got \(4,\)"),
        ((np.ones((4, 2)), PHI, 2), r"values: expected one number a sample, shape \(N, 1\), got \(4, 2\)"),
        ((ONES, ONES, 2), r"potential: expected shape \(4,\) float64 like values, got \(4, 1\) float64"),
        ((ONES, np.ones(3), 2), r"potential: expected shape \(4,\) float64 like values, got \(3,\) float64"),
        ((ONES, PHI.astype("f"), 2), r"potential: expected shape \(4,\) float64 like values, got \(4,\) float32"),
        ((ONES, PHI, 0), "generated: expected a positive integer, got 0"),
        ((ONES, PHI, 4), "generated: expected a count below 4, that of all values, got 4"),
        ((ONES, PHI, -1), "generated: expected a positive integer, got -1"),
    ],
)
def test_the_regression_names_a_bad_argument(arguments, message):
    with pytest.raises(ValueError, match=message):
        potential_regression(*arguments)


def test_an_unknown_reduction_is_refused():
    with pytest.raises(ValueError, match="reduction: expected 'expectation' or 'sum', got 'mean'"):
        potential_regression(ONES, PHI, 2, reduction="mean")


def test_a_count_that_is_no_integer_is_refused():
    with pytest.raises(TypeError, match=r"generated: expected an integer, got 2\.0"):
        potential_regression(ONES, PHI, 2.0)


@pytest.mark.parametrize("values", [np.ones((4, 1), int), np.ones((4, 1), bool), np.ones((4, 1), np.float16)])
def test_a_loss_of_what_is_no_float_is_refused(values):
    """A gradient in the dtype of integers is 0."""
    with pytest.raises(TypeError, match=f"^values: expected float32 or float64, got {values.dtype}"):
        generator_potential(values)
    with pytest.raises(TypeError, match=f"^values: expected float32 or float64, got {values.dtype}"):
        potential_regression(values, values[:, 0], 2)


@pytest.mark.parametrize("shape", [(4,), (0, 1), (4, 2)])
def test_the_generator_names_bad_values(shape):
    with pytest.raises(ValueError, match=r"values: expected one number a sample, shape \(N, 1\), got \("):
        generator_potential(np.ones(shape))
