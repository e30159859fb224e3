"""Batch-norm and layer-norm against their formulas in extended precision, and what is true of them alone."""

from __future__ import annotations

import math

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nets_support import assert_same, each_activation, in_each_dtype, normal, seeds

from coulombfield.arrays import to_numpy
from nets.layers.activations import LeakyReLU
from nets.layers.batchnorm import BatchNorm
from nets.layers.layernorm import LayerNorm
from nets.layers.linear import Linear
from nets.layers.residual import Residual
from nets.network import Network, Sequential, first_rows
from nets.parameters import Parameters
from nets.primitives import normalization_passes as normalization
from nets.primitives import shares
from nets.running import frozen, update_running

EXTENDED = np.longdouble
shapes = st.lists(st.integers(1, 5), min_size=0, max_size=2).map(tuple)
MAKERS = {
    "BatchNorm": lambda channels, **settings: BatchNorm(channels, **settings),
    "BatchNorm in groups": lambda channels, **settings: BatchNorm(channels, groups=2, **settings),
    "LayerNorm": lambda channels, **settings: LayerNorm(channels, **settings),
}
each_kind = pytest.mark.parametrize("kind", MAKERS.values(), ids=MAKERS.keys())


def sets(layer, x):
    """Numbers as (sets, numbers of each, C), and the axes of one set's numbers."""
    if isinstance(layer, LayerNorm):
        return x.reshape(x.shape[0], -1, x.shape[-1]), (1, 2)
    return x.reshape(layer.groups, -1, x.shape[-1]), (1,)


def expected(layer, params, x):
    """The formula in extended precision, without the activation: u, x-hat and 1 / s."""
    wide, axes = sets(layer, np.asarray(x, EXTENDED))
    wide = wide - (wide[:, :1, :1] if 2 in axes else wide[:, :1])  # exact, and no longer far from 0
    mean = wide.mean(axis=axes, keepdims=True)
    deviation = np.sqrt(((wide - mean) ** 2).mean(axis=axes, keepdims=True) + EXTENDED(layer.epsilon))
    x_hat = ((wide - mean) / deviation).reshape(x.shape)
    scale, shift = (np.asarray(params[name], EXTENDED) for name in ("scale", "shift"))
    return x_hat * scale + shift, x_hat, deviation


def expected_dx(layer, params, x_hat, deviation, dy):
    """The projection of the derivation, in extended precision."""
    (x_hat, axes), (du, _) = sets(layer, x_hat), sets(layer, dy * np.asarray(params["scale"], EXTENDED))
    along = x_hat * (du * x_hat).mean(axis=axes, keepdims=True)
    return ((du - du.mean(axis=axes, keepdims=True) - along) / deviation).reshape(dy.shape)


def drawn(device, layer, shape, seed, dtype):
    """A network, its parameters and generator."""
    rng, network = np.random.default_rng(seed), Network(layer)
    params = Parameters(network.layout, normal(device, rng, (network.layout.size,), dtype))
    return rng, network, params, normal(device, rng, shape, dtype)


def on_host(params):
    return {name: to_numpy(value) for name, value in params.items()}


def error(a, b):
    """Largest difference, in units of rounding of the largest number."""
    a, b = to_numpy(a), np.asarray(b)
    return float(abs(a - b).max() / abs(b).max()) / np.finfo(a.dtype).eps


@each_kind
@in_each_dtype
@given(samples=st.integers(1, 4), inner=shapes, channels=st.integers(1, 40), seed=seeds)
@settings(max_examples=8)
def test_y_is_that_of_the_formula(device, dtype, kind, samples, inner, channels, seed):
    layer = kind(channels)
    _, network, params, x = drawn(device, layer, (2 * samples, *inner, channels), seed, dtype)
    y, _ = network.forward(params, x)
    u, _, deviation = expected(layer, on_host(params), to_numpy(x))
    # x is rounded relative to its own size, which counts the more the smaller the deviation is.
    assert y.dtype == dtype
    assert abs(to_numpy(y) - u).max() <= 16 * np.finfo(dtype).eps * abs(to_numpy(params.vector)).max() * (
        4 + abs(to_numpy(x)).max() / deviation.min()
    )


@each_kind
@pytest.mark.parametrize(("dtype", "mean"), [(np.float32, 2e3), (np.float64, 1e9)])
def test_a_large_mean_does_not_cancel(device, kind, dtype, mean):
    """Such an x has few digits, but these are exact, and so are its statistics up to rounding of their own."""
    layer = kind(3)
    rng, network, params, _ = drawn(device, layer, (1,), 0, dtype)
    values = (mean * (1 + np.arange(3) / 8) + rng.standard_normal((4, 20, 20, 3))).astype(dtype)
    if isinstance(layer, LayerNorm):
        values = (values - mean * (np.arange(3) / 8)).astype(dtype)
    y, cache = network.forward(params, device.put(values))
    u, x_hat, deviation = expected(layer, on_host(params), values)
    assert error(y, u) <= 16
    dy = rng.standard_normal(values.shape).astype(dtype)
    dx, _ = network.backward(params, cache, device.put(dy))
    assert error(dx, expected_dx(layer, on_host(params), x_hat, deviation, dy)) <= 64
    inverse = to_numpy(cache.layers.statistics.values[2]).reshape(len(deviation), 1, -1)
    assert error(inverse, np.broadcast_to(1 / deviation, inverse.shape)) <= 8


@in_each_dtype
def test_moments_of_many_blocks_are_those_of_all(device, dtype, monkeypatch):
    """Also where blocks have means of their own, and the last one is short."""
    rng = np.random.default_rng(1)
    steps = np.repeat(np.arange(9), 300)[:, None] * np.array([100.0, 1.0])
    x = (rng.standard_normal((2, 2690, 2)) + steps[:2690] + 1e5).astype(dtype)
    monkeypatch.setattr(normalization, "BLOCK", 128)
    monkeypatch.setattr(normalization, "ROWS_A_THREAD", 3)
    center, remainder, variance = to_numpy(normalization.moments(device.put(x)))
    wide = x.astype(EXTENDED) - x[:, :1]  # exact, and near 0
    mean, eps = wide.mean(axis=1), np.finfo(dtype).eps
    found = (center - x[:, 0].astype(EXTENDED)) + remainder
    assert np.all(abs(found - mean) <= 2 * eps * np.sqrt(variance))
    np.testing.assert_allclose(variance, wide.var(axis=1), rtol=4 * eps)
    dy = rng.standard_normal(x.shape).astype(dtype)
    statistics = np.stack([center, remainder, variance**-0.5])
    sums = to_numpy(normalization.gradient_sums(*(device.put(a) for a in (dy, dy, x, statistics)), 1.0))
    x_hat = (wide - mean[:, None]) * statistics[2][:, None]
    assert error(sums[0], dy.astype(EXTENDED).sum(axis=1)) <= 64
    assert error(sums[1], (dy * x_hat).sum(axis=1)) <= 64


@each_kind
@each_activation
@given(samples=st.integers(1, 3), inner=shapes, channels=st.integers(1, 6), seed=seeds)
@settings(max_examples=3)
def test_a_fused_activation_is_the_layer_and_then_the_activation(device, make, kind, samples, inner, channels, seed):
    shape = (2 * samples, *inner, channels)
    rng, network, params, x = drawn(device, kind(channels, activation=make()), shape, seed, np.float64)
    apart = Network(Sequential([kind(channels), make()]))
    weights = Parameters(apart.layout, params.vector)
    dy, v = (normal(device, rng, shape, np.float64) for _ in range(2))
    u = normal(device, rng, params.vector.shape, np.float64)
    results = []
    for net, p in ((network, params), (apart, weights)):
        y, cache = net.forward(p, x)
        dx, gradient = net.backward(p, cache, dy)
        tangent = net.jvp(p, cache, v, Parameters(net.layout, u))
        by_x, by_x_dot, second = net.jvp_backward(p, cache, v, dy)
        results.append((y, dx, gradient.vector, tangent, by_x, by_x_dot, second.vector))
    for a, b in zip(*results, strict=True):
        assert_close(a, b)


def assert_close(a, b, roundings=100):
    """Equal within rounding, relative to the largest number; numbers far below 1 may come from larger ones."""
    a, b = to_numpy(a), to_numpy(b)
    np.testing.assert_allclose(a, b, rtol=0, atol=roundings * np.finfo(a.dtype).eps * max(1, abs(b).max(initial=0)))


def passes(network, params, x, dy):
    """What a step of each kind gives."""
    y, cache = network.forward(params, x)
    dx, gradient = network.backward(params, cache, dy)
    return y, dx, gradient.vector, network.jvp(params, cache, dy), *network.jvp_backward(params, cache, dy, dy)[:2]


@each_kind
@in_each_dtype
@given(seed=seeds)
@settings(max_examples=3)
def test_bits_do_not_depend_on_the_number_of_threads(kind, dtype, seed):
    layer, rng = kind(3, activation=LeakyReLU()), np.random.default_rng(seed)
    network = Network(layer)
    params = network.initialize(rng, dtype)
    x, dy = rng.standard_normal((2, 4, 37, 3)).astype(dtype)
    before, found = numba.get_num_threads(), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(normalization, "BLOCK", 1)
        patch.setattr(normalization, "FEWEST", 5)
        for worth, threads in ((math.inf, 1), (0, 1), (0, min(2, before))):
            patch.setattr(shares, "WORTH", worth)
            numba.set_num_threads(threads)
            try:
                found.append(passes(network, params, x, dy))
            finally:
                numba.set_num_threads(before)
    for results in found[1:]:
        for a, b in zip(results, found[0], strict=True):
            assert_same(a, b)


@in_each_dtype
@given(samples=st.integers(1, 4), groups=st.integers(1, 3), inner=shapes, channels=st.integers(1, 6), seed=seeds)
@settings(max_examples=5)
def test_a_group_is_as_if_it_came_alone(device, dtype, samples, groups, inner, channels, seed):
    shape = (groups * samples, *inner, channels)
    whole = BatchNorm(channels, LeakyReLU(), groups=groups)
    rng, network, params, x = drawn(device, whole, shape, seed, dtype)
    dy, alone = normal(device, rng, shape, dtype), Network(BatchNorm(channels, LeakyReLU()))
    y, cache = network.forward(params, x)
    dx, gradient = network.backward(params, cache, dy)
    total = 0
    for first in range(0, shape[0], samples):
        part = slice(first, first + samples)
        y_part, of_part = alone.forward(params, x[part])
        dx_part, gradient_part = alone.backward(params, of_part, dy[part])
        assert_same(y[part], y_part)
        assert_same(dx[part], dx_part)
        total = total + gradient_part.vector
        if first == 0:
            dx_first, gradient_first = network.backward(params, first_rows(cache, samples), dy[part])
            assert_same(dx_first, dx_part)
            assert_same(gradient_first.vector, gradient_part.vector)
    assert_close(gradient.vector, total)


def test_first_rows_cut_no_group(device):
    _, network, params, x = drawn(device, BatchNorm(2, groups=2), (6, 2), 0, np.float64)
    _, cache = network.forward(params, x)
    for count in (1, 2, 4, 5):
        with pytest.raises(ValueError, match="count: expected a multiple of the 3 samples of a group"):
            first_rows(cache, count)
    for count, samples, groups in ((3, 3, 1), (6, 6, 2), (9, 6, 2)):
        part = first_rows(cache, count).layers
        assert part.x.shape[0] == samples
        assert part.statistics.values.shape == (3, groups, 2)


@each_kind
def test_nan_stays_in_its_set(device, kind):
    layer = kind(2, activation=LeakyReLU())
    rng, network, params, _ = drawn(device, layer, (1,), 0, np.float64)
    values = rng.standard_normal((4, 3, 2))
    values[0, 1, 0] = np.nan
    y, _ = network.forward(params, device.put(values))
    found, _ = sets(layer, np.isnan(to_numpy(y)))
    meant = np.zeros_like(found)
    meant[0, :, slice(None) if isinstance(layer, LayerNorm) else 0] = True
    np.testing.assert_array_equal(found, meant)


@in_each_dtype
@pytest.mark.parametrize("groups", [1, 2])
def test_running_statistics_follow_those_of_each_group(device, dtype, groups):
    layer = BatchNorm(3, groups=groups, running=True, momentum=0.75)
    rng = np.random.default_rng(0)
    network = Network(layer)
    params = network.initialize(rng, dtype, device.xp)
    mean, variance = np.zeros(3, EXTENDED), np.ones(3, EXTENDED)
    for _ in range(3):
        x = (2 + 3 * rng.standard_normal((4, 5, 5, 3))).astype(dtype)
        _, cache = network.forward(params, device.put(x))
        update_running(network, params, cache)
        for part in x.astype(EXTENDED).reshape(groups, -1, 3):
            mean = 0.75 * mean + 0.25 * part.mean(axis=0)
            variance = 0.75 * variance + 0.25 * part.var(axis=0, ddof=1)
    assert error(params["running_mean"], mean) <= 16
    assert error(params["running_variance"], variance) <= 16
    _, gradient = network.backward(params, cache, device.put(x))
    for name in ("running_mean", "running_variance"):
        assert not to_numpy(gradient[name]).any()


def test_a_running_variance_of_one_number_is_finite():
    layer = BatchNorm(2, running=True)
    network = Network(layer)
    params = network.initialize(np.random.default_rng(0), np.float64)
    layer.update_running(params, network.forward(params, np.ones((1, 2)))[1].layers)
    np.testing.assert_allclose(params["running_variance"], 0.99, rtol=1e-14)


@in_each_dtype
@given(samples=st.integers(1, 4), inner=shapes, channels=st.integers(1, 6), seed=seeds)
@settings(max_examples=5)
def test_a_frozen_layer_treats_samples_singly_by_its_running_statistics(device, dtype, samples, inner, channels, seed):
    layer = BatchNorm(channels, LeakyReLU(), running=True, groups=2)
    rng, network, params, x = drawn(device, layer, (samples, *inner, channels), seed, dtype)
    params["running_variance"][...] = abs(params["running_variance"]) + 0.5
    alone = frozen(network)
    y, cache = alone.forward(params, x)
    scale, shift, mean, variance = (p.astype(EXTENDED) for p in on_host(params).values())
    u = (to_numpy(x) - mean) * scale / np.sqrt(variance + layer.epsilon) + shift
    assert_close(y, np.where(u > 0, u, 0.2 * u))
    assert_same(alone.forward(params, x[:1])[0], y[:1])
    dy = normal(device, rng, x.shape, dtype)
    dx, gradient = alone.backward(params, cache, dy)
    assert_same(alone.backward(params, first_rows(cache, 1), dy[:1])[0], dx[:1])
    assert alone.layout.shapes == network.layout.shapes
    assert not to_numpy(gradient["running_mean"]).any()
    assert alone.jvp_backward(params, cache, dy, dy)[0] is None


def test_running_statistics_reach_every_batch_norm_of_a_network():
    def norm(width):
        return BatchNorm(width, running=True)

    inner = Residual(Sequential([norm(3), Linear(3, 2)]), Sequential([Linear(3, 2), norm(2)]), factor=0.5)
    network = Network(Sequential([norm(3), inner, LayerNorm(2), BatchNorm(2)]))
    rng = np.random.default_rng(0)
    params = network.initialize(rng, np.float64)
    params.vector[...] += rng.uniform(0.1, 0.5, params.vector.size)
    before = params.vector.copy()
    _, cache = network.forward(params, rng.standard_normal((8, 3)))
    update_running(network, params, cache)
    moved = {name for name, part in network.layout.slices.items() if np.any(params.vector[part] != before[part])}
    assert moved == {name for name in network.layout.shapes if "running" in name}
    assert len(moved) == 6
    with pytest.raises(ValueError, match="running: expected a BatchNorm with running=True"):
        frozen(network)
    whole = Network(Sequential([norm(3), inner]))
    weights = Parameters(whole.layout, params.vector[: whole.layout.size])
    x = rng.standard_normal((4, 3))
    y, _ = frozen(whole).forward(weights, x)
    np.testing.assert_allclose(frozen(whole).forward(weights, x[:1])[0], y[:1], rtol=1e-12)
    assert not np.allclose(y, whole.forward(weights, x)[0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BatchNorm(0), "channels: expected a positive integer, got 0"),
        (lambda: BatchNorm(2, epsilon=0), "epsilon: expected a finite positive number, got 0"),
        (lambda: LayerNorm(2, epsilon=math.nan), "epsilon: expected a finite number, got nan"),
        (lambda: BatchNorm(2, groups=0), "groups: expected a positive integer, got 0"),
        (lambda: BatchNorm(2, momentum=1.5), r"momentum: expected a number in \[0, 1\], got 1.5"),
        (lambda: BatchNorm(2).frozen(), "running: expected a BatchNorm with running=True"),
        (lambda: BatchNorm(2, running=True).frozen().update_running({}, ()), "that is not frozen"),
    ],
)
def test_a_setting_out_of_its_range_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (BatchNorm(3), (2, 4), r"x: BatchNorm\(3\) expects \(N, ..., 3\), got \(2, 4\)"),
        (LayerNorm(3), (3,), r"x: LayerNorm\(3\) expects \(N, ..., 3\), got \(3,\)"),
        (BatchNorm(3, groups=2), (5, 3), r"x: BatchNorm\(3, groups=2\) expects a batch of 2 equal parts, got \(5, 3\)"),
        (BatchNorm(3), (0, 3), r"x: BatchNorm\(3\) expects at least one number a channel, got \(0, 3\)"),
        (LayerNorm(3), (2, 0, 3), r"x: LayerNorm\(3\) expects at least one number a sample, got \(2, 0, 3\)"),
    ],
)
def test_a_wrong_input_is_refused(layer, shape, message):
    network = Network(layer)
    params = network.initialize(np.random.default_rng(0), np.float64)
    with pytest.raises(ValueError, match=message):
        network.forward(params, np.ones(shape))


@pytest.mark.parametrize("layer", [LayerNorm(3), BatchNorm(3, running=True).frozen()])
def test_no_samples_give_none(device, layer):
    network = Network(layer)
    params = network.initialize(np.random.default_rng(0), np.float64, device.xp)
    x = device.put(np.ones((0, 2, 3)))
    y, cache = network.forward(params, x)
    dx, gradient = network.backward(params, cache, x)
    assert y.shape == dx.shape == x.shape
    assert not to_numpy(gradient.vector).any()
