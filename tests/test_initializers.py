"""Initializers: moments, bounds, and the same draws in every dtype and on every device."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nets_support import ACTIVATIONS, on_each_device, seeds

from coulombfield.arrays import to_numpy
from nets.architectures import mlp
from nets.initializers import fan_in_normal, glorot_uniform, normal, uniform, zeros
from nets.layers.activations import ELU
from nets.layers.linear import Linear
from nets.network import Network

COUNT = 40_000
# Mean and standard deviation of COUNT draws scatter by 1/sqrt(COUNT) at most, relative to the deviation; 5 of those.
SCATTER = 5 / math.sqrt(COUNT)
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
    ],
    ids=["glorot_uniform", "fan_in_normal", "normal", "uniform"],
)
def test_mean_deviation_and_bounds(initializer, deviation, bound, fans, seed):
    values = initializer(np.random.default_rng(seed), fans, (COUNT,))
    expected = deviation(*fans)
    assert values.dtype == np.float64
    assert abs(values.mean()) <= SCATTER * expected
    assert abs(values.std() / expected - 1) <= SCATTER
    assert abs(values).max() <= bound * expected
    if bound < 2:
        assert abs(values).max() > 0.999 * bound * expected


def test_zeros():
    values = zeros(np.random.default_rng(0), (2, 3), (2, 3))
    assert values.shape == (2, 3)
    assert not values.any()


@on_each_device
@given(seed=seeds)
@settings(max_examples=5)
def test_each_dtype_and_device_starts_from_the_same_numbers(device, seed):
    network = mlp((2, 5, 3, 1), ELU, first_bias=uniform(1.0))
    exact = network.initialize(np.random.default_rng(seed), np.float64)
    rounded = network.initialize(np.random.default_rng(seed), np.float32, device.xp)
    assert rounded.vector.dtype == np.float32
    np.testing.assert_array_equal(to_numpy(rounded.vector), exact.vector.astype(np.float32))


@pytest.mark.parametrize("name", ["identity", "relu", "leaky_relu", "steep_leaky_relu", "elu"])
def test_the_gain_keeps_the_signal(name):
    """E[f(gain z)**2] is 1 for standard normal z, by Gauss-Hermite quadrature."""
    activation = ACTIVATIONS[name]()
    z, weights = np.polynomial.hermite_e.hermegauss(100)
    network = Network(activation)
    y, _ = network.forward(network.initialize(np.random.default_rng(0), np.float64), activation.gain * z[:, None])
    assert (y[:, 0] ** 2 * weights).sum() / weights.sum() == pytest.approx(1, abs=0.05 if name == "elu" else 1e-12)


def test_an_initializer_of_another_shape_is_refused():
    network = Network(Linear(2, 3, bias=lambda rng, fans, shape: np.zeros(1)))
    with pytest.raises(ValueError, match=r"bias: expected initial values of shape \(3,\), got \(1,\)"):
        network.initialize(np.random.default_rng(0))
