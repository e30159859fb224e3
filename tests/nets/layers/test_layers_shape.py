"""Layers that change shapes, softmax and residual blocks, against what defines them."""

from __future__ import annotations

import functools
import math
from unittest import mock

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from nets_support import CPU, assert_near, assert_same, counts, in_each_dtype, normal, seeds

import nets.primitives.shares
from coulombfield.arrays import to_numpy
from nets.layers.activations import ELU, ReLU
from nets.layers.linear import Linear
from nets.layers.pooling import AveragePool
from nets.layers.reshape import Flatten, Reshape
from nets.layers.residual import Residual
from nets.layers.scale import Scale
from nets.layers.softmax import Softmax
from nets.layers.upsample import Upsample
from nets.network import Network, Sequential
from nets.parameters import Parameters

few = settings(max_examples=8)
sides = st.integers(1, 3)


def one_by_one(work, count):
    """In place of ``share``: as many parts as there can be, from the last to the first."""
    for i in reversed(range(count)):
        work(i, i + 1)


in_parts = functools.partial(mock.patch.multiple, nets.primitives.shares, WORTH=0, share=one_by_one)


def output(device, layer, x):
    network = Network(layer)
    return network.forward(network.initialize(np.random.default_rng(0), x.dtype, device.xp), x)[0]


@in_each_dtype
@given(shape=st.tuples(counts, sides, sides, sides), factor=sides, seed=seeds)
@few
def test_upsampling_repeats_pixels_and_pooling_undoes_it(device, dtype, shape, factor, seed):
    x = normal(device, np.random.default_rng(seed), shape, dtype)
    y = output(device, Upsample(factor), x)
    assert_same(y, x.repeat(factor, axis=1).repeat(factor, axis=2))
    assert_near(output(device, AveragePool(factor), y), x, terms=factor**2)
    with in_parts():
        assert_same(output(device, Upsample(factor), x), y)


@in_each_dtype
@given(shape=st.tuples(counts, sides, sides, sides), size=sides, seed=seeds)
@few
def test_pooling_is_the_mean_of_each_block(device, dtype, shape, size, seed):
    count, height, width, channels = shape
    x = normal(device, np.random.default_rng(seed), (count, size * height, size * width, channels), dtype)
    y = output(device, AveragePool(size), x)
    assert_near(y, x.reshape(count, height, size, width, size, channels).mean(axis=(2, 4)), terms=size**2)
    with in_parts():
        assert_same(output(device, AveragePool(size), x), y)


@in_each_dtype
@given(shape=st.tuples(counts, sides, counts), seed=seeds, size=st.sampled_from([1.0, 1e4]))
@few
def test_softmax_gives_probabilities_and_does_not_overflow(device, dtype, shape, seed, size):
    x = size * normal(device, np.random.default_rng(seed), shape, dtype)
    y = output(device, Softmax(), x)
    expected = scipy.special.softmax(to_numpy(x).astype(np.float64), axis=-1)
    # exp(x) has the relative error of x times its size, up to where exp underflows: x = -103 in float32
    np.testing.assert_allclose(to_numpy(y), expected, rtol=0, atol=1000 * np.finfo(dtype).eps)
    assert_near(y.sum(axis=-1), device.xp.ones(shape[:-1], dtype), terms=shape[-1])


@given(shape=st.tuples(counts, sides, sides, sides), seed=seeds)
@few
def test_reshaping_moves_no_number(device, shape, seed):
    x = normal(device, np.random.default_rng(seed), shape, np.float32)
    flat = output(device, Flatten(), x)
    assert flat.shape == (shape[0], math.prod(shape[1:]))
    assert_same(output(device, Reshape(shape[1:]), flat), x)
    assert_same(flat.ravel(), x.ravel())


def test_an_empty_batch_keeps_its_sample_shape():
    for layer, shape in ((Flatten(), (8,)), (Reshape((2, 4)), (2, 4)), (Upsample(), (4, 4, 2)), (ReLU(), (2, 2, 2))):
        assert output(CPU, layer, np.empty((0, 2, 2, 2))).shape == (0, *shape)


@in_each_dtype
@given(batch=counts, width=counts, factor=st.sampled_from([1.0, 0.3, -2.0]), shortcut=st.booleans(), seed=seeds)
@few
def test_a_residual_block_adds_its_branches(device, dtype, batch, width, factor, shortcut, seed):
    rng = np.random.default_rng(seed)
    body = Sequential([Linear(width, 3, ELU()), Linear(3, width)])
    other = Linear(width, width) if shortcut else None
    network = Network(Residual(body, other, factor))
    params = Parameters(network.layout, normal(device, rng, (network.layout.size,), dtype))
    x, dy = (normal(device, rng, (batch, width), dtype) for _ in range(2))
    y, cache = network.forward(params, x)
    dx, gradient = network.backward(params, cache, dy)

    branches = [("body", body, factor)] + ([("shortcut", other, 1.0)] if shortcut else [])
    y2, dx2 = (device.xp.zeros_like(x), device.xp.zeros_like(x)) if shortcut else (x.copy(), dy.copy())
    for name, layer, weight in branches:
        of_branch, part = Network(layer), params.child(name)
        out, of_cache = of_branch.forward(part, x)
        by_x, by_params = of_branch.backward(part, of_cache, weight * dy)
        y2, dx2 = y2 + weight * out, dx2 + by_x
        assert_near(gradient.child(name).vector, by_params.vector, terms=10 * (batch + width))
    assert_near(y, y2, terms=10 * width)
    assert_near(dx, dx2, terms=10 * width)


def test_a_residual_block_needs_branches_of_one_shape():
    layer = Residual(Linear(4, 1))  # whose output would broadcast
    params = Network(layer).initialize(np.random.default_rng(0), np.float64)
    message = r"Residual expects branches of one shape, got \(.*1,?\) from its body and \(.*4,?\) from its shortcut"
    with pytest.raises(ValueError, match="^shape: " + message):
        layer.output_shape((4,))
    with pytest.raises(ValueError, match="^x: " + message):
        layer.forward(params, np.ones((2, 4)))


def test_one_layer_in_two_branches_is_refused():
    relu = ReLU()
    for make in (
        lambda: Residual(relu, relu),
        lambda: Sequential([Residual(Sequential([relu, Scale(2.0)])), relu]),
        lambda: Residual(Sequential([Residual(relu)]), Sequential([relu])),
    ):
        with pytest.raises(ValueError, match="layers: the same ReLU stands in two places; make one for each"):
            make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Upsample(0), "factor: expected a positive integer, got 0"),
        (lambda: AveragePool(-1), "size: expected a positive integer, got -1"),
        (lambda: Reshape(()), "shape: expected one number or more, got none"),
        (lambda: Reshape((2, -1)), "shape: expected a positive integer, got -1"),
        (lambda: Residual(ReLU(), factor=0), "factor: expected a finite number other than 0, got 0"),
        (lambda: Residual(ReLU(), factor=math.nan), "factor: expected a finite number, got nan"),
        (
            lambda: AveragePool(2).output_shape((4, 3, 1)),
            r"AveragePool\(2\) expects \(H, W, C\) with H and W multiples of 2, got \(4, 3, 1\)",
        ),
        (lambda: Reshape((2, 3)).output_shape((4,)), r"Reshape\(\(2, 3\)\) expects 6 numbers, got \(4,\)"),
        (
            lambda: Upsample(2).backward(None, (), np.ones((1, 3, 2, 1))),
            r"dy: Upsample\(2\) expects \(N, 2 H, 2 W, C\), got \(1, 3, 2, 1\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()
