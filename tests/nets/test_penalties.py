"""The gradient penalty's value and gradient, where both are known; the gradients command compares with differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nets_support import assert_near, assert_same, counts, in_each_dtype, normal, seeds

from coulombfield.arrays import to_numpy
from nets.architectures import mlp
from nets.layers.activations import ELU
from nets.layers.linear import Linear
from nets.layers.reshape import Flatten
from nets.network import Network, Sequential
from nets.parameters import Parameters
from nets.penalties import gradient_penalty
from nets.workspace import Workspace


@in_each_dtype
@given(shape=st.lists(counts, min_size=1, max_size=3), batch=counts, target=st.floats(0, 3), seed=seeds)
@settings(max_examples=10)
def test_the_penalty_of_a_linear_network_is_that_of_its_weights(device, dtype, shape, batch, target, seed):
    """D(x) = w.x + b has the slope w everywhere: P = 7 (|w| - c)**2, dP/dw = 14 (|w| - c) w / |w|, dP/db = 0."""
    rng = np.random.default_rng(seed)
    network = Network(Sequential([Flatten(), Linear(int(np.prod(shape)), 1)]))
    params = Parameters(network.layout, normal(device, rng, (network.layout.size,), dtype))
    x = normal(device, rng, (batch, *shape), dtype)
    value, gradient = gradient_penalty(network, params, x, target=np.float64(target), weight=np.float64(7))
    w = to_numpy(params["1.weight"]).astype(np.float64)
    excess = np.linalg.norm(w) - target
    assert_near(value.reshape(1), device.put(np.array([7 * excess**2], dtype)), terms=1000)
    assert_near(gradient["1.weight"], device.put((14 * excess * w / np.linalg.norm(w)).astype(dtype)), terms=1000)
    assert_same(gradient["1.bias"], device.xp.zeros(1, dtype))


@in_each_dtype
def test_a_vanishing_slope_pulls_nothing(device, dtype):
    network = mlp((2, 3, 1), ELU)
    params = network.zeros_like(network.initialize(np.random.default_rng(0), dtype, device.xp))
    value, gradient = gradient_penalty(network, params, device.xp.ones((4, 2), dtype))
    assert float(value) == 10
    assert_same(gradient.vector, device.xp.zeros_like(gradient.vector))


@given(batch=counts, seed=seeds)
@settings(max_examples=5)
def test_the_penalty_is_a_mean_over_samples_and_scales_with_its_weight(device, batch, seed):
    rng = np.random.default_rng(seed)
    network = mlp((3, 4, 1), ELU)
    params = network.initialize(rng, np.float64, device.xp)
    x = normal(device, rng, (batch, 3), np.float64)
    value, gradient = gradient_penalty(network, params, x)
    parts = [gradient_penalty(network, params, x[i : i + 1], weight=30.0) for i in range(batch)]
    mean = sum(part.vector for _, part in parts) / (3 * batch)
    assert float(value) == pytest.approx(sum(float(part) for part, _ in parts) / (3 * batch))
    assert_near(gradient.vector, mean, terms=1000)


def test_a_workspace_changes_no_bit_and_no_argument_changes():
    rng = np.random.default_rng(0)
    network = mlp((3, 4, 1), ELU)
    params, x, workspace = network.initialize(rng), rng.standard_normal((5, 3)).astype(np.float32), Workspace()
    before = params.vector.copy(), x.copy()
    value, gradient = gradient_penalty(network, params, x)
    for _ in range(2):
        again, same = gradient_penalty(network, params, x, workspace=workspace)
        assert again == value
        assert_same(same.vector, gradient.vector)
    assert_same(params.vector, before[0])
    assert_same(x, before[1])


def test_a_network_of_two_outputs_is_refused():
    network = mlp((2, 3, 2), ELU)
    params = network.initialize(np.random.default_rng(0))
    message = r"network: expected one output for each sample, shape \(4, 1\), got \(4, 2\)"
    with pytest.raises(ValueError, match=message):
        gradient_penalty(network, params, np.ones((4, 2), np.float32))


@pytest.mark.parametrize("name", ["target", "weight"])
@pytest.mark.parametrize(
    ("value", "error"),
    [(np.nan, ValueError), (np.inf, ValueError), (-1.0, ValueError), ("1", TypeError), (True, TypeError)],
)
def test_a_setting_that_is_no_number_of_its_kind_is_refused(name, value, error):
    network = mlp((2, 3, 1), ELU)
    params = network.initialize(np.random.default_rng(0))
    with pytest.raises(error, match=f"^{name}: expected a"):
        gradient_penalty(network, params, np.ones((4, 2), np.float32), **{name: value})


def test_a_penalty_on_no_samples_is_refused():
    network = mlp((2, 3, 1), ELU)
    params = network.initialize(np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"^x: expected at least one sample, got shape \(0, 2\)"):
        gradient_penalty(network, params, np.ones((0, 2), np.float32))
