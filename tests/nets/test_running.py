"""Networks whose batch-norms take statistics over groups of so many samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from nets_support import assert_near, assert_same, counts, in_each_dtype, normal, seeds

from nets.architectures import dcgan_discriminator
from nets.layers.activations import LeakyReLU
from nets.layers.batchnorm import BatchNorm
from nets.layers.layernorm import LayerNorm
from nets.layers.linear import Linear
from nets.layers.residual import Residual
from nets.network import Network, Sequential, first_rows
from nets.parameters import Parameters
from nets.running import frozen, in_groups_of, update_running
from nets.workspace import Workspace


def mixed(**settings):
    """Batch-norms in a sequence and in both branches of a block, beside layers that have no groups."""
    block = Residual(
        Sequential([BatchNorm(3, LeakyReLU(), **settings), Linear(3, 2)]),
        Sequential([Linear(3, 2), BatchNorm(2, **settings)]),
        factor=0.5,
    )
    return Network(Sequential([BatchNorm(3, **settings), block, LayerNorm(2), BatchNorm(2, **settings)]))


@in_each_dtype
@given(samples=counts, groups=counts, seed=seeds)
@settings(max_examples=10)
def test_each_group_passes_as_if_it_came_alone(device, dtype, samples, groups, seed):
    """Forward and back, in one workspace, and as a network of that many groups has it."""
    rng, alone = np.random.default_rng(seed), mixed()
    network, workspace = in_groups_of(mixed(groups=3), samples), Workspace()
    assert network.layout.shapes == alone.layout.shapes
    params = Parameters(network.layout, normal(device, rng, (network.layout.size,), dtype))
    x, dy = (normal(device, rng, (groups * samples, width), dtype) for width in (3, 2))
    in_one = mixed(groups=groups)
    whole, cache = in_one.forward(params, x)
    dx, gradient = in_one.backward(params, cache, dy)
    y, cache = network.forward(params, x, workspace)
    assert_same(y, whole)
    for found, expected in zip(network.backward(params, cache, dy, workspace=workspace), (dx, gradient), strict=True):
        assert_same(getattr(found, "vector", found), getattr(expected, "vector", expected))
    for group in range(groups):
        part = slice(group * samples, (group + 1) * samples)
        y, cache = alone.forward(params, x[part])
        assert_near(y, whole[part], terms=100)
        assert_near(alone.backward(params, cache, dy[part])[0], dx[part], terms=1000)


def test_one_workspace_serves_one_group_and_two_and_the_first_of_two_is_pulled_back_alone():
    rng, samples = np.random.default_rng(0), 4
    network, workspace = in_groups_of(dcgan_discriminator(16, 1, base=4), samples), Workspace()
    params = network.initialize(rng, np.float64)
    x = rng.standard_normal((2 * samples, 16, 16, 1))
    single, cache = network.forward(params, x[:samples], workspace)
    single, dy = single.copy(), rng.standard_normal(single.shape)
    dx = network.backward(params, cache, dy, need_dparams=False, workspace=workspace)[0].copy()
    both, cache = network.forward(params, x, workspace)
    np.testing.assert_allclose(both[:samples], single, rtol=1e-10)
    first = network.backward(params, first_rows(cache, samples), dy, need_dparams=False, workspace=workspace)[0]
    np.testing.assert_allclose(first, dx, rtol=1e-9, atol=1e-12)
    with pytest.raises(ValueError, match="count: expected a multiple of the 4 samples of a group, got 3"):
        first_rows(cache, 3)


def test_running_statistics_of_groups_are_kept_and_used():
    rng = np.random.default_rng(0)
    plain, network = (make(mixed(groups=2, running=True)) for make in (lambda net: net, lambda n: in_groups_of(n, 5)))
    params, x = network.initialize(rng, np.float64), rng.standard_normal((10, 3))
    same = Parameters(plain.layout, params.vector.copy())
    for net, weights in ((plain, same), (network, params)):
        update_running(net, weights, net.forward(weights, x)[1])
    assert_same(params.vector, same.vector)
    assert params["0.running_mean"].any()
    assert_same(frozen(network).forward(params, x[:3])[0], frozen(plain).forward(params, x[:3])[0])


def test_no_layer_is_shared_with_the_network_that_was_given():
    """So that one workspace may serve both."""
    rng, workspace, given_network = np.random.default_rng(0), Workspace(), mixed()
    network = in_groups_of(given_network, 2)
    params = network.initialize(rng, np.float64)
    y, cache = network.forward(params, rng.standard_normal((4, 3)), workspace)
    dx, _ = network.backward(params, cache, y.copy())
    given_network.forward(params, rng.standard_normal((4, 3)), workspace)
    assert_same(network.backward(params, cache, y.copy())[0], dx)


def test_a_batch_that_is_no_multiple_is_refused():
    network = in_groups_of(mixed(), 4)
    params = network.initialize(np.random.default_rng(0))
    message = r"x: BatchNorm\(3\) in groups of 4 samples expects a multiple of them, got \(6, 3\)"
    with pytest.raises(ValueError, match=message):
        network.forward(params, np.ones((6, 3), np.float32))
    with pytest.raises(ValueError, match="samples: expected a positive integer, got 0"):
        in_groups_of(mixed(), 0)
