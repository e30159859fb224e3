"""Initializers: moments, bounds, and the same draws in every dtype and on every device."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nets_support import ACTIVATIONS, seeds
from scipy.stats import truncnorm

from coulombfield.arrays import to_numpy
from nets.architectures import mlp
from nets.initializers import (
    fan_in_normal,
    glorot_uniform,
    he_uniform,
    normal,
    ones,
    truncated_normal,
    uniform,
    variance_scaling,
    zeros,
)
from nets.layers.activations import ELU
from nets.layers.linear import Linear
from nets.network import Network

COUNT = 40_000
# Mean and standard deviation of COUNT draws scatter by 1/sqrt(COUNT) at most, relative to the deviation; 5 of those.
SCATTER = 5 / math.sqrt(COUNT)
# The largest distance between the distribution of COUNT draws and their law, exceeded once in 1e9 (Massart 1990).
DISTANCE = math.sqrt(math.log(2e9) / (2 * COUNT))
CUT = truncnorm(-2, 2)
fans = st.tuples(st.integers(1, 500), st.integers(1, 500))


@given(fans=fans, seed=seeds)
@settings(max_examples=10)
@pytest.mark.parametrize(
    ("initializer", "deviation", "bound"),
    [
        (glorot_uniform, lambda i, o: math.sqrt(2 / (i + o)), math.sqrt(3)),
        (fan_in_normal(1.25), lambda i, o: 1.25 / math.sqrt(i), 6),
        (normal(0.3), lambda i, o: 0.3, 6),
        (uniform(2.0), lambda i, o: 2 / math.sqrt(3), math.sqrt(3)),
        (he_uniform, lambda i, o: math.sqrt(4 / (i + o)), math.sqrt(3)),
        (truncated_normal(0.3), lambda i, o: 0.3 * CUT.std(), 2 / CUT.std()),
        (variance_scaling(2.0), lambda i, o: math.sqrt(1.3 * 4 / (i + o)) * CUT.std(), 2 / CUT.std()),
        (variance_scaling(0.5, "fan_in"), lambda i, o: math.sqrt(1.3 * 0.5 / i) * CUT.std(), 2 / CUT.std()),
        (variance_scaling(0.5, "fan_out"), lambda i, o: math.sqrt(1.3 * 0.5 / o) * CUT.std(), 2 / CUT.std()),
    ],
    ids=[
        "glorot_uniform",
        "fan_in_normal",
        "normal",
        "uniform",
        "he_uniform",
        "truncated_normal",
        "fan_avg",
        "fan_in",
        "fan_out",
    ],
)
def test_mean_deviation_and_bounds(initializer, deviation, bound, fans, seed):
    values = initializer(np.random.default_rng(seed), fans, (COUNT,))
    expected = deviation(*fans)
    assert values.dtype == np.float64
    assert abs(values.mean()) <= SCATTER * expected
    assert abs(values.std() / expected - 1) <= SCATTER
    assert abs(values).max() <= bound * expected
    if bound < 3:  # 90 draws at least lie in the last hundredth
        assert abs(values).max() > 0.99 * bound * expected


@given(seed=seeds)
@settings(max_examples=10)
def test_the_truncated_normal_has_the_law_of_a_normal_within_two_deviations(seed):
    values = truncated_normal(0.3)(np.random.default_rng(seed), (1, 1), (COUNT,))
    steps = np.arange(COUNT + 1) / COUNT
    law = CUT.cdf(np.sort(values) / 0.3)
    assert max(abs(law - steps[1:]).max(), abs(law - steps[:-1]).max()) <= DISTANCE


def test_the_factor_of_variance_scaling_makes_up_for_the_cut():
    assert 1.3 * CUT.var() == pytest.approx(1, rel=6e-3)


@given(seed=seeds)
@settings(max_examples=10)
def test_a_normal_has_the_mean_that_it_is_given(seed):
    values = normal(0.02, mean=1.0)(np.random.default_rng(seed), (1, 1), (COUNT,))
    assert abs(values.mean() - 1) <= SCATTER * 0.02
    assert abs(values.std() / 0.02 - 1) <= SCATTER


@pytest.mark.parametrize(("initializer", "value"), [(zeros, 0), (ones, 1)])
def test_a_constant(initializer, value):
    values = initializer(np.random.default_rng(0), (2, 3), (2, 3))
    assert values.shape == (2, 3)
    assert (values == value).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((0.0,), "scale: expected a positive number, got 0"), ((1.0, "fan"), "mode: expected fan_in, .* got 'fan'")],
)
def test_variance_scaling_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        variance_scaling(*arguments)


@given(seed=seeds)
@settings(max_examples=5)
def test_each_dtype_and_device_starts_from_the_same_numbers(device, seed):
    network = mlp((2, 5, 3, 1), ELU, first_bias=uniform(1.0))
    exact = network.initialize(np.random.default_rng(seed), np.float64)
    rounded = network.initialize(np.random.default_rng(seed), np.float32, device.xp)
    assert rounded.vector.dtype == np.float32
    np.testing.assert_array_equal(to_numpy(rounded.vector), exact.vector.astype(np.float32))


@pytest.mark.parametrize("name", ["Identity", "ReLU", "LeakyReLU", "LeakyReLU 0.75", "ELU"])
def test_the_gain_keeps_the_signal(name):
    """E[f(gain z)**2] is 1 for standard normal z, by Gauss-Hermite quadrature."""
    activation = ACTIVATIONS[name]()
    z, weights = np.polynomial.hermite_e.hermegauss(100)
    network = Network(activation)
    y, _ = network.forward(network.initialize(np.random.default_rng(0), np.float64), activation.gain * z[:, None])
    assert (y[:, 0] ** 2 * weights).sum() / weights.sum() == pytest.approx(1, abs=0.05 if name == "ELU" else 1e-12)


def test_an_initializer_of_another_shape_is_refused():
    network = Network(Linear(2, 3, bias=lambda rng, fans, shape: np.zeros(1)))
    with pytest.raises(ValueError, match=r"bias: expected initial values of shape \(3,\), got \(1,\)"):
        network.initialize(np.random.default_rng(0))
