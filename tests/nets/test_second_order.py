"""Passes of second order through whole networks: what they compute, keep and leave alone."""

from __future__ import annotations

import numpy as np
import pytest
from nets_support import assert_near, assert_same, normal

from nets.architectures import wgan_gp_critic
from nets.layers.activations import ELU, ReLU, Tanh
from nets.layers.conv2d import Conv2d
from nets.layers.layernorm import LayerNorm
from nets.layers.linear import Linear
from nets.layers.pooling import AveragePool
from nets.layers.reshape import Flatten
from nets.layers.residual import Residual
from nets.network import Network, Sequential
from nets.parameters import Parameters
from nets.penalties import gradient_penalty
from nets.workspace import Workspace


def nested():
    """Blocks within blocks, whose bodies end in what looks at its result and in what does not."""
    inner = Residual(Sequential([LayerNorm(3, Tanh()), Conv2d(3, 3, 3, activation=ELU())]), factor=-0.5)
    outer = Residual(
        Sequential([inner, LayerNorm(3, ReLU()), Conv2d(3, 4, 3), AveragePool(2)]),
        Sequential([AveragePool(2), Residual(Conv2d(3, 3, 1)), Conv2d(3, 4, 1)]),
        factor=2.0,
    )
    return Network(Sequential([Conv2d(2, 3, 3), outer, Residual(LayerNorm(4)), Flatten(), Linear(16, 1)]))


def drawn(device, network, shape, dtype=np.float64):
    rng = np.random.default_rng(0)
    params = network.initialize(rng, dtype, device.xp)
    params.vector[...] += 0.2 * normal(device, rng, params.vector.shape, dtype)
    return rng, params, normal(device, rng, shape, dtype)


@pytest.mark.parametrize(
    ("network", "shape"),
    [(nested(), (3, 4, 4, 2)), (wgan_gp_critic(8, 2, width=4), (3, 8, 8, 2))],
    ids=["nested", "critic"],
)
def test_backward_twice_is_what_jvp_backward_gives(device, network, shape):
    """With dx of the first pass held for x_dot; in a workspace that other passes use, twice, with the same bits."""
    rng, params, x = drawn(device, network, shape)
    y, cache = network.forward(params, x)
    dy, x_dot = (normal(device, rng, each.shape, np.float64) for each in (y, x))
    _, dx_dot, expected = network.jvp_backward(params, cache, x_dot, dy)
    dx, kept = network.backward_keeping(params, cache, dy)
    assert_near(dx, dx_dot, terms=1000)
    assert_near(dx, network.backward(params, cache, dy)[0], terms=1000)
    alone = network.backward_twice(params, cache, kept, x_dot.copy())
    assert_near(alone.vector, expected.vector, terms=1000)
    workspace = Workspace()
    for _ in range(2):
        _, cache = network.forward(params, x, workspace)
        network.backward(params, cache, dy, workspace=workspace)
        _, kept = network.backward_keeping(params, cache, dy, workspace=workspace)
        assert_same(network.backward_twice(params, cache, kept, x_dot.copy(), workspace=workspace).vector, alone.vector)


def test_a_penalty_leaves_the_gradient_of_the_last_backward_pass_alone():
    """An update adds the two up."""
    network = wgan_gp_critic(8, 2, width=4)
    rng, workspace = np.random.default_rng(0), Workspace()
    params, x = network.initialize(rng), rng.standard_normal((3, 8, 8, 2)).astype(np.float32)
    y, cache = network.forward(params, x, workspace)
    _, gradient = network.backward(params, cache, y, workspace=workspace)
    before = gradient.vector.copy()
    _, of_penalty = gradient_penalty(network, params, x, workspace=workspace)
    assert_same(gradient.vector, before)
    assert of_penalty is not gradient


def test_blocks_in_one_workspace_give_the_gradients_of_blocks_without():
    """Memory that blocks share holds nothing that another needs."""
    network = nested()
    rng = np.random.default_rng(0)
    params = Parameters(network.layout, rng.standard_normal(network.layout.size))
    workspace = Workspace()
    for samples in (3, 5, 2):
        x = rng.standard_normal((samples, 4, 4, 2))
        y, cache = network.forward(params, x)
        dy = rng.standard_normal(y.shape)
        dx, gradient = network.backward(params, cache, dy)
        again, kept = network.forward(params, x, workspace)
        assert_same(again, y)
        for _ in range(2):
            by_x, by_params = network.backward(params, kept, dy, workspace=workspace)
            assert_same(by_x, dx)
            assert_same(by_params.vector, gradient.vector)


def test_a_layer_without_derivatives_of_second_order_is_named():
    class Plain(Linear):
        pass

    class Opaque:
        def __init__(self):
            self.inner = Plain(2, 1)

        def __getattr__(self, name):
            return getattr(self.inner, name)

    network = Network(Sequential([Opaque()]))
    params = network.initialize(np.random.default_rng(0))
    with pytest.raises(TypeError, match="layer: Opaque has no derivatives of second order"):
        gradient_penalty(network, params, np.ones((2, 2), np.float32))
