"""A layer that is made of layers in a way of its own, and all that looks at networks layer by layer."""

import numpy as np
import pytest

from experiments import networks
from nets.layers.activations import ReLU
from nets.layers.batchnorm import BatchNorm
from nets.layers.composition import Composed
from nets.layers.linear import Linear
from nets.network import Network, Sequential
from nets.running import frozen, in_groups_of, update_running
from validation.gradients.layers import branched_on


class Negated(Composed):
    """``y = -f(x)``."""

    def __init__(self, inner):
        self.inner = inner

    def named_children(self):
        return [("inner", self.inner)]

    def with_children(self, children):
        return Negated(*children)

    def caches(self, cache):
        return [cache]

    def given_shapes(self, shape):
        return [shape]

    def output_shape(self, shape):
        return self.inner.output_shape(shape)

    def forward(self, params, x, workspace=None):
        y, cache = self.inner.forward(params.child("inner"), x, workspace)
        return -y, cache

    def backward(self, params, cache, dy, *, into=None, need_dx=True, workspace=None):
        into = None if into is None else into.child("inner")
        return self.inner.backward(params.child("inner"), cache, -dy, into=into, need_dx=need_dx, workspace=workspace)

    def jvp(self, params, cache, x_dot, params_dot=None):
        params_dot = None if params_dot is None else params_dot.child("inner")
        return -self.inner.jvp(params.child("inner"), cache, x_dot, params_dot)


@pytest.fixture
def network():
    inner = Sequential([Linear(3, 4), BatchNorm(4, running=True), ReLU()])
    return Network(Sequential([Linear(2, 3), Negated(inner)]))


@pytest.fixture
def rng():
    return np.random.default_rng(1)


@pytest.fixture
def x(rng):
    return rng.standard_normal((6, 2))


def test_its_layers_have_parameters_and_rows_in_tables(network):
    inner = [f"1.inner.{name}" for name in ("0.weight", "0.bias", "1.scale", "1.shift", "1.running_mean")]
    assert list(network.layout.shapes) == ["0.weight", "0.bias", *inner, "1.inner.1.running_variance"]
    rows = list(networks.rows(network.body, (2,)))
    assert [row.path for row in rows] == ["0", "1", "1.inner.0", "1.inner.1", "1.inner.2"]
    assert rows[1].operations == rows[2].operations == network.operations((2,)) - rows[0].operations == 2 * 3 * 4


def test_batch_norms_within_it_are_found(network, x, rng):
    params = network.initialize(rng, float)
    y, cache = network.forward(params, x)
    for _ in range(2000):
        update_running(network, params, cache)
    constant, _ = frozen(network).forward(params, x)
    count = len(x)  # of which the running variance is the unbiased one
    np.testing.assert_allclose(constant, y * np.sqrt((count - 1) / count), rtol=0.02)

    grouped, _ = in_groups_of(network, 3).forward(params, x)
    np.testing.assert_allclose(grouped, np.concatenate([network.forward(params, x[i : i + 3])[0] for i in (0, 3)]))


def test_kinks_within_it_are_found(network, x, rng):
    params = network.initialize(rng, float)
    y, cache = network.forward(params, x)
    assert np.array_equal(np.sort(branched_on(network.body, cache.layers, np.asarray)), np.sort(-y.ravel()))


def test_a_layer_within_it_may_stand_in_one_place_only():
    layer = Linear(2, 2)
    with pytest.raises(ValueError, match="the same Linear stands in two places"):
        Sequential([layer, Negated(layer)])
