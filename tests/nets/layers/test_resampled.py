"""A convolution that runs as one with its pooling or upsampling, against the two layers one after the other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nets_support import assert_near, assert_same, in_each_dtype, normal, seeds

from nets.layers.activations import ELU, Identity
from nets.layers.conv2d import Conv2d
from nets.layers.pooling import AveragePool
from nets.layers.resampled import PooledConv2d, UpsampledConv2d, steps
from nets.layers.upsample import Upsample
from nets.network import Network, Sequential
from nets.parameters import Parameters
from nets.workspace import Workspace


def pooled(channels_in, channels_out, factor, activation, **geometry):
    return [Conv2d(channels_in, channels_out, **geometry), AveragePool(factor)]


def upsampled(channels_in, channels_out, factor, activation, **geometry):
    return [Upsample(factor), Conv2d(channels_in, channels_out, activation=activation, **geometry)]


each_pair = pytest.mark.parametrize("pair", [pooled, upsampled])
geometries = st.sampled_from(
    [
        {"kernel": 3},
        {"kernel": 2},
        {"kernel": (1, 3)},
        {"kernel": 5, "bias": None},
        {"kernel": (3, 4), "padding": ((2, 0), (1, 2))},
    ]
)


@each_pair
@in_each_dtype
@given(
    size=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    channels=st.sampled_from([(1, 2), (3, 1), (16, 16)]),
    factor=st.integers(2, 3),
    geometry=geometries,
    activation=st.sampled_from([Identity, ELU]),
    seed=seeds,
)
@settings(max_examples=15)
def test_every_pass_is_that_of_the_two_layers(device, dtype, pair, size, channels, factor, geometry, activation, seed):
    """Also in a workspace, twice. With other paddings y may have no whole blocks: then it is of other samples."""
    rng = np.random.default_rng(seed)
    layers = pair(*channels, factor, activation(), **geometry)
    network = Network(Sequential(layers))
    assert len(steps(layers)) == 1
    singly = Network(Sequential([Sequential([layer]) for layer in layers]))
    params = Parameters(network.layout, normal(device, rng, (network.layout.size,), dtype))
    same = Parameters(singly.layout, params.vector)
    height, width = size
    if pair is pooled:  # y has whole blocks whatever the padding is
        more = (1, 0) if "padding" in geometry else (0, 0)
        height, width = (factor * (n + m) for n, m in zip(size, more, strict=True))
    x, x_dot = (normal(device, rng, (2, height, width, channels[0]), dtype) for _ in range(2))
    direction = Parameters(network.layout, normal(device, rng, (network.layout.size,), dtype))
    y, cache = singly.forward(same, x)
    dy = normal(device, rng, y.shape, dtype)
    dx, gradient = singly.backward(same, cache, dy)
    tangent = singly.jvp(same, cache, x_dot, Parameters(singly.layout, direction.vector))
    second = singly.jvp_backward(same, cache, x_dot, dy)
    terms = 4000  # additions of numbers that are larger than their sum, and the rounding of tiles
    for workspace in (None, *[Workspace()] * 2):
        found, cache = network.forward(params, x, workspace)
        assert_near(found, y, terms)
        by_x, by_params = network.backward(params, cache, dy, workspace=workspace)
        assert_near(by_x, dx, terms)
        assert_near(by_params.vector, gradient.vector, terms)
        assert_near(network.jvp(params, cache, x_dot, direction), tangent, terms)
        of_x, of_x_dot, of_params = network.jvp_backward(params, cache, x_dot, dy)
        assert (of_x is None) == (second[0] is None)
        if of_x is not None:
            assert_near(of_x, second[0], terms)
        assert_near(of_x_dot, second[1], terms)
        assert_near(of_params.vector, second[2].vector, terms)


def test_pairs_run_as_one_only_where_that_is_the_same_and_less_work():
    def kinds(*layers):
        return [type(step.layer) for step in steps(layers)]

    assert kinds(Conv2d(1, 1, 3), AveragePool(2), Upsample(2), Conv2d(1, 1, 3)) == [PooledConv2d, UpsampledConv2d]
    assert kinds(Conv2d(1, 1, 3, activation=ELU()), AveragePool(2)) == [Conv2d, AveragePool]
    assert kinds(Conv2d(1, 1, 3, 2), AveragePool(2)) == [Conv2d, AveragePool]
    assert kinds(Conv2d(1, 1, 1), AveragePool(2)) == [Conv2d, AveragePool]
    assert kinds(Upsample(1), Conv2d(1, 1, 3)) == [Upsample, Conv2d]
    assert kinds(Upsample(2), Conv2d(1, 1, 3, padding=((3, 0), (0, 0)))) == [Upsample, Conv2d]


def test_a_sequence_keeps_the_layers_their_parameters_and_the_places_of_their_caches():
    network = Network(Sequential([Upsample(2), Conv2d(2, 3, 3), Conv2d(3, 4, 3), AveragePool(2)]))
    assert list(network.layout.shapes) == ["1.weight", "1.bias", "2.weight", "2.bias"]
    assert network.operations((2, 2, 2)) == sum(2 * 16 * 9 * a * b for a, b in ((2, 3), (3, 4)))
    params = network.initialize(np.random.default_rng(0))
    _, cache = network.forward(params, np.ones((1, 2, 2, 2), np.float32))
    assert [len(part) for part in cache.layers] == [0, 3, 3, 0]
    np.testing.assert_array_equal(network.initialize(np.random.default_rng(0)).vector, params.vector)


def test_a_size_without_whole_blocks_is_refused():
    network = Network(Sequential([Conv2d(1, 2, 3), AveragePool(2)]))
    params = network.initialize(np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"AveragePool\(2\) expects \(H, W, C\) with H and W multiples of 2"):
        network.forward(params, np.ones((1, 3, 4, 1), np.float32))
    with pytest.raises(ValueError, match=r"x: Conv2d\(1, 2\) expects \(N, H, W, 1\), got \(1, 4, 4, 2\)"):
        network.forward(params, np.ones((1, 4, 4, 2), np.float32))


def test_no_argument_changes_and_a_workspace_changes_no_bit():
    rng = np.random.default_rng(0)
    network = Network(Sequential([Upsample(2), Conv2d(16, 16, 3), Conv2d(16, 16, 3), AveragePool(2)]))
    params, x = network.initialize(rng), rng.standard_normal((3, 8, 8, 16)).astype(np.float32)
    before, workspace = (params.vector.copy(), x.copy()), Workspace()
    y, cache = network.forward(params, x)
    dx, gradient = network.backward(params, cache, y)
    for _ in range(2):
        again, kept = network.forward(params, x, workspace)
        assert_same(again, y)
        by_x, by_params = network.backward(params, kept, y, workspace=workspace)
        assert_same(by_x, dx)
        assert_same(by_params.vector, gradient.vector)
    assert_same(params.vector, before[0])
    assert_same(x, before[1])
