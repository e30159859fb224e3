"""The maximum mean discrepancy: its value against the definition, its gradients, and what moves nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nets_support import assert_derivative, in_each_dtype, normal, seeds

from coulombfield.arrays import to_numpy
from nets.losses import gaussian_mmd, gaussian_mmd2
from nets.primitives.distances import FEW

WIDTHS = (0.5, 1, 3.0)
each_estimate = pytest.mark.parametrize("unbiased", [False, True])
counts = st.integers(2, 6)
features = st.sampled_from([(1,), (3,), (FEW,), (FEW + 1,), (2, 3, 2)])  # distances by differences and by products


def draw(device, count_x, count_y, shape, seed, dtype=np.float64):
    rng = np.random.default_rng(seed)
    x, y = (normal(device, rng, (count, *shape), dtype) for count in (count_x, count_y))
    return x, y + 0.7, rng


def defined(x, y, unbiased=False):
    """The double sums, pair by pair."""

    def kernel(a, b):
        return sum(np.exp(-np.sum((a - b) ** 2) / (2 * width**2)) for width in WIDTHS)

    def mean(first, second, same):
        kernels = [
            kernel(a, b)
            for i, a in enumerate(first)
            for j, b in enumerate(second)
            if not (same and unbiased and i == j)
        ]
        return np.mean(kernels)

    x, y = (to_numpy(samples).astype(np.float64) for samples in (x, y))
    return mean(x, x, True) + mean(y, y, True) - 2 * mean(x, y, False)


@each_estimate
@in_each_dtype
@settings(max_examples=10)
@given(count_x=counts, count_y=counts, shape=features, seed=seeds)
def test_the_value_is_the_definition(device, dtype, unbiased, count_x, count_y, shape, seed):
    x, y, _ = draw(device, count_x, count_y, shape, seed, dtype)
    value, dx, dy = gaussian_mmd2(x, y, WIDTHS, unbiased=unbiased)
    tolerance = 100 * len(WIDTHS) * float(np.finfo(dtype).eps)  # of sums of that many kernels, at most 1 each
    assert float(value) == pytest.approx(defined(x, y, unbiased), abs=tolerance)
    assert (value.dtype, dx.dtype, dy.dtype) == (dtype,) * 3
    assert (value.shape, dx.shape, dy.shape) == ((), x.shape, y.shape)


@each_estimate
@settings(max_examples=15)
@given(count_x=counts, count_y=counts, shape=features, seed=seeds)
def test_the_gradients_are_derivatives(device, unbiased, count_x, count_y, shape, seed):
    x, y, rng = draw(device, count_x, count_y, shape, seed)
    v, u = (normal(device, rng, samples.shape, np.float64) for samples in (x, y))
    functions = [lambda *pair: gaussian_mmd2(*pair, WIDTHS, unbiased=unbiased)]
    if not unbiased:
        functions.append(lambda *pair: gaussian_mmd(*pair, WIDTHS))
    for function in functions:
        _, dx, dy = function(x, y)

        def moved(t, function=function):
            return device.xp.asarray(function(x + t * v, y + t * u)[0]).reshape(1)

        exact = float((dx * v).sum() + (dy * u).sum())
        assert_derivative(moved, device.xp.ones(1), exact, truncation=1e3)


@pytest.mark.parametrize("shape", [(3,), (FEW + 4,)])
def test_samples_trade_places_and_move_together(device, shape):
    """MMD is symmetric, knows no origin, and pulls on no common centre: all gradients sum to 0."""
    x, y, _ = draw(device, 5, 4, shape, 1)
    value, dx, dy = gaussian_mmd2(x, y, WIDTHS)
    other, swapped_dy, swapped_dx = gaussian_mmd2(y, x, WIDTHS)
    far, far_dx, _ = gaussian_mmd2(x + 1e4, y + 1e4, WIDTHS)
    assert float(other) == pytest.approx(float(value), rel=1e-13)
    assert float(far) == pytest.approx(float(value), rel=1e-9)  # 1e4 takes 1e-12 of each coordinate
    np.testing.assert_allclose(to_numpy(swapped_dx), to_numpy(dx), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(to_numpy(swapped_dy), to_numpy(dy), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(to_numpy(far_dx), to_numpy(dx), atol=1e-9)
    np.testing.assert_allclose(to_numpy(dx.sum(axis=0) + dy.sum(axis=0)), 0, atol=1e-15)


@in_each_dtype
@pytest.mark.parametrize("shape", [(2,), (40,)])
def test_equal_samples_have_no_discrepancy_and_finite_gradients(device, dtype, shape):
    eps = float(np.finfo(dtype).eps)
    for seed in range(20):  # in another order, so that rounding makes some squares negative
        x, _, _ = draw(device, 6, 1, shape, seed, dtype)
        value, dx, dy = gaussian_mmd(x, x[::-1].copy(), WIDTHS)
        assert 0 <= float(value) <= (100 * eps) ** 0.5
        for gradient in (dx, dy):
            assert np.isfinite(to_numpy(gradient)).all()


def test_float32_keeps_small_discrepancies():
    """Kernels of N samples sum to about 3 and cancel to about 1e-3, of which float32 keeps three digits."""
    rng = np.random.default_rng(3)
    x, y = (rng.standard_normal((200, 2)).astype(np.float32) + np.float32(100) for _ in range(2))
    value, _, _ = gaussian_mmd2(x, y, WIDTHS)
    assert float(value) == pytest.approx(float(gaussian_mmd2(x.astype(float), y.astype(float), WIDTHS)[0]), rel=1e-3)


def test_float32_sees_samples_that_are_close_beside_the_widths(device):
    """Codes of a network with clipped weights: all kernels are 1 to the last digit of float32."""
    rng = np.random.default_rng(5)
    x, y = (1e-5 * (rng.standard_normal((30, 3)) + shift) for shift in (0, 1))
    small = [device.put(samples.astype(np.float32)) for samples in (x, y)]
    for function in (gaussian_mmd2, gaussian_mmd):
        value, dx, dy = function(*small, WIDTHS)
        expected = function(*(samples.astype(np.float64) for samples in small), WIDTHS)
        assert float(value) == pytest.approx(float(expected[0]), rel=1e-4)
        for gradient, exact in zip((dx, dy), expected[1:], strict=True):
            np.testing.assert_allclose(to_numpy(gradient), to_numpy(exact), rtol=1e-4)


def test_the_gradient_of_y_is_left_out_on_demand():
    x, y = np.random.default_rng(4).standard_normal((2, 5, 2))
    for function in (gaussian_mmd2, gaussian_mmd):
        value, dx, dy = function(x, y, WIDTHS, need_dy=False)
        whole = function(x, y, WIDTHS)
        assert float(value) == float(whole[0])
        np.testing.assert_array_equal(dx, whole[1])
        assert dy is None


@pytest.mark.parametrize(
    ("x", "y", "widths", "unbiased", "message"),
    [
        ((3, 2), (3, 4), (1.0,), False, "y: expected samples like those of x"),
        ((3,), (3,), (1.0,), False, "y: expected samples like those of x"),
        ((1, 2), (3, 2), (1.0,), True, "x: expected at least 2 samples, got 1"),
        ((3, 2), (0, 2), (1.0,), False, "y: expected at least 1 samples, got 0"),
        ((3, 2), (3, 2), (), False, r"widths: expected one or more positive finite numbers, got \(\)"),
        ((3, 2), (3, 2), (1.0, 0.0), False, "widths: expected one or more positive finite numbers"),
    ],
)
def test_errors_say_what_was_expected(x, y, widths, unbiased, message):
    with pytest.raises(ValueError, match=message):
        gaussian_mmd2(np.zeros(x), np.zeros(y), widths, unbiased=unbiased)
