"""Convolutions: against sums by plain loops, their maps against each other, and the layers made of them."""

from __future__ import annotations

import contextlib
import itertools
import math
import re
from unittest import mock

import numba
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from nets_support import assert_same, dot, in_each_dtype, normal, seeds

from coulombfield.arrays import select_device, to_numpy
from nets.initializers import fan_in_normal, glorot_uniform
from nets.layers.activations import LeakyReLU
from nets.layers.conv1d import Conv1d
from nets.layers.conv2d import Conv2d
from nets.layers.conv_transpose2d import ConvTranspose2d
from nets.layers.convolution import BLOCK
from nets.network import Network, first_rows
from nets.parameters import Parameters
from nets.primitives import columns, direct, mirrored
from nets.primitives import convolution_maps as convolution
from nets.primitives.geometry import Geometry, same_padding
from nets.primitives.shares import WORTH
from nets.workspace import Workspace

MAPS = {
    "direct": (direct.Direct, direct.correlate),
    "mirrored": (mirrored.Mirrored, mirrored.correlate),
    "chosen": (lambda weight, geometry: convolution.prepare(weight, geometry, 2), convolution.correlate),
}
each_map = pytest.mark.parametrize("way", MAPS)
in_parts = pytest.mark.parametrize("parts", [False, True], ids=["whole", "in parts"])
SMALL = {"TILE": (3, 4), "HOST_NUMBERS": 60, "_device_numbers": lambda *_: 60, "TASK_NUMBERS": 20}
"""Sizes with which a few numbers are many: tiles, parts, tasks and groups."""

counts = st.integers(1, 5)
HOST = select_device("cpu")


def sizes(parts):
    return mock.patch.multiple(direct, **SMALL) if parts else contextlib.nullcontext()


@st.composite
def geometries(draw, mirrors=False):
    """Windows of all kinds: overlapping or apart, with any padding that leaves room for one."""
    pair = st.tuples(st.integers(1, 8), st.integers(1, 8))
    kernel = draw(st.tuples(counts, counts))
    stride = (1, 1) if mirrors else draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    padding = tuple(tuple(draw(st.integers(0, k - 1 if mirrors else k)) for _ in range(2)) for k in kernel)
    size = draw(pair)
    assume(all(n + sum(p) >= k for n, p, k in zip(size, padding, kernel, strict=True)))
    return Geometry(size, kernel, stride, padding)


def geometry_for(way, data):
    return data.draw(geometries(mirrors=way == "mirrored"))


def draw(geometry, images, channels, filters, seed, dtype=np.float64):
    """x, w and y of the shapes that belong together."""
    rng = np.random.default_rng(seed)
    shapes = ((images, *geometry.size, channels), (*geometry.kernel, channels, filters))
    return [rng.standard_normal(shape).astype(dtype) for shape in (*shapes, (images, *geometry.output, filters))]


def by_loops(x, w, geometry):
    """The sum over windows, number by number, in extended precision."""
    y = np.zeros((len(x), *geometry.output, w.shape[3]), np.longdouble)
    for (i, j), (a, b) in itertools.product(
        itertools.product(*map(range, geometry.output)), itertools.product(*map(range, geometry.kernel))
    ):
        r, s = (
            step * window + tap - before
            for step, window, tap, (before, _) in zip(geometry.stride, (i, j), (a, b), geometry.padding, strict=True)
        )
        if 0 <= r < x.shape[1] and 0 <= s < x.shape[2]:
            y[:, i, j] += x[:, r, s].astype(np.longdouble) @ w[a, b].astype(np.longdouble)
    return y


@each_map
@in_parts
@in_each_dtype
@given(data=st.data(), images=counts, channels=counts, filters=counts, seed=seeds)
@settings(max_examples=10)
def test_a_convolution_is_the_sum_over_its_windows(device, dtype, parts, way, data, images, channels, filters, seed):
    geometry = geometry_for(way, data)
    x, w, y = draw(geometry, images, channels, filters, seed, dtype)
    out = device.put(np.full_like(y, np.nan))
    with sizes(parts):
        MAPS[way][0](device.put(w), geometry).convolve(device.put(x), out)
    terms = channels * math.prod(geometry.kernel)
    tolerance = 4 * math.sqrt(terms) * np.finfo(dtype).eps * (abs(x).max() * abs(w).max())
    np.testing.assert_allclose(to_numpy(out), by_loops(x, w, geometry), rtol=0, atol=tolerance)


@each_map
@in_parts
@in_each_dtype
@given(data=st.data(), images=counts, channels=counts, filters=counts, seed=seeds)
@settings(max_examples=10)
def test_the_three_maps_are_transposes(device, dtype, parts, way, data, images, channels, filters, seed):
    """<w * x, y> = <x, (w *)^T y> = <w, (* x)^T y>."""
    geometry = geometry_for(way, data)
    x, w, y = (device.put(array) for array in draw(geometry, images, channels, filters, seed, dtype))
    make, correlate = MAPS[way]
    xp = device.xp
    with sizes(parts):
        kernel = make(w, geometry)
        found = kernel.convolve(x, xp.full_like(y, xp.nan))
        by_x = kernel.transpose(y, xp.full_like(x, xp.nan))
        by_w = correlate(x, y, geometry, xp.full_like(w, xp.nan))
    size = np.linalg.norm(to_numpy(y)) * np.linalg.norm(to_numpy(x)) * np.linalg.norm(to_numpy(w))
    for one, other in ((by_x, x), (by_w, w)):
        assert one.dtype == dtype
        assert abs(dot(found, y) - dot(one, other)) <= 4 * np.finfo(dtype).eps * size


def test_a_batch_of_none_gives_none_and_a_gradient_of_0(device):
    geometry = Geometry((5, 6), (3, 3), (2, 2), ((1, 1), (1, 1)))
    x, w, y = (device.put(array) for array in draw(geometry, 0, 2, 3, 0))
    kernel = convolution.prepare(w, geometry, 0)
    assert kernel.convolve(x, y.copy()).shape == y.shape
    assert kernel.transpose(y, x.copy()).shape == x.shape
    assert not convolution.correlate(x, y, geometry, w.copy()).any()


BIG = {
    "few channels in": (Geometry((32, 31), (5, 5), (2, 2), ((1, 2), (2, 2))), 80, 3, 24),
    "few channels out": (Geometry((16, 16), (3, 3), (1, 1), ((1, 1), (1, 1))), 9, 40, 3),
    "many channels": (Geometry((9, 9), (5, 5), (2, 2), ((2, 2), (2, 2))), 11, 150, 70),
    "one pixel": (Geometry((16, 15), (1, 1), (1, 1), ((0, 0), (0, 0))), 4, 24, 520),
    "one row": (Geometry((1, 32), (1, 5), (1, 1), ((0, 0), (2, 2))), 40, 130, 9),
}
"""Shapes of several tiles, parts or tasks with the sizes as they are; their channels are no whole numbers of lanes."""


@pytest.mark.parametrize("shape", BIG)
def test_the_number_of_threads_and_a_workspace_change_no_bit(shape):
    geometry, *numbers = BIG[shape]
    x, w, y = draw(geometry, *numbers, 0, np.float32)
    workspace = Workspace()

    def results(memory):
        kernel = convolution.prepare(w, geometry, len(x))
        return (
            kernel.convolve(x, np.empty_like(y), memory),
            kernel.transpose(y, np.empty_like(x), memory),
            convolution.correlate(x, y, geometry, np.empty_like(w), memory),
        )

    several, before = results(None), numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        alone = results(workspace)
    finally:
        numba.set_num_threads(before)
    for one, other, again in zip(several, alone, results(workspace), strict=True):
        assert_same(one, other)
        assert_same(one, again)


@pytest.mark.parametrize("shape", BIG)
def test_float32_is_as_near_as_its_sums_are_long(shape):
    geometry, *numbers = BIG[shape]
    x, w, y = draw(geometry, *numbers, 1)
    low = [array.astype(np.float32) for array in (x, w, y)]
    x, w, y = (array.astype(np.float64) for array in low)

    def results(x, w, y):
        kernel = convolution.prepare(w, geometry, len(x))
        return (
            kernel.convolve(x, np.empty_like(y)),
            kernel.transpose(y, np.empty_like(x)),
            convolution.correlate(x, y, geometry, np.empty_like(w)),
        )

    for found, expected in zip(results(*low), results(x, w, y), strict=True):
        assert found.dtype == np.float32
        error = np.sqrt(np.mean((found - expected) ** 2) / np.mean(expected**2))
        # it grows with the root of the terms that are added one after the other, of which BLAS has hundreds
        assert error < 8 * np.finfo(np.float32).eps


def test_columns_of_many_numbers_are_those_of_the_reference():
    """Threads divide the work; below WORTH numbers, as in the samples of primitives, they do not."""
    rng = np.random.default_rng(0)
    images, memory = rng.standard_normal((3, 33, 32, 20)), np.empty((3, 17, 16, 5, 5, 20))
    assert memory.size > WORTH
    stride, corner = (2, 2), (2, 1)
    found = columns.im2col(images, memory, stride, corner)
    assert_same(found, columns.im2col.reference(images, np.empty_like(found), stride, corner))
    back = columns.col2im(found, np.empty_like(images), stride, corner)
    reference = columns.col2im.reference(found, np.empty_like(images), stride, corner)
    np.testing.assert_allclose(back, reference, rtol=0, atol=16 * np.finfo(float).eps * abs(reference).max())


@given(size=st.integers(1, 40), kernel=st.integers(1, 7), stride=st.integers(1, 4))
def test_same_padding_is_that_of_tensorflow(size, kernel, stride):
    """As many windows as strides begun, with the fewest zeros, of which the odd one comes last."""
    ((before, after), across) = same_padding((size, 1), (kernel, 1), (stride, 1))
    assert across == (0, 0)
    assert Geometry((size, 1), (kernel, 1), (stride, 1), ((before, after), (0, 0))).output[0] == -(-size // stride)
    assert after - before in (0, 1)
    if after:
        windows = (size + before + after - 1 - kernel) // stride + 1
        assert windows < -(-size // stride)


def test_same_padding_of_the_papers_layers():
    assert same_padding((64, 63), (5, 5), (2, 2)) == ((1, 2), (2, 2))


def as_network(layer, device, seed, dtype=np.float64):
    rng = np.random.default_rng(seed)
    network = Network(layer)
    return network, Parameters(network.layout, normal(device, rng, (network.layout.size,), dtype)), rng


@given(data=st.data(), channels=counts, filters=counts, seed=seeds)
@settings(max_examples=10)
def test_a_transposed_convolution_is_the_transpose_of_the_convolution(device, data, channels, filters, seed):
    """<conv x, y> = <x, conv^T y> with the same weights, from size * stride to size and back."""
    kernel, stride, size = (data.draw(st.tuples(counts, counts)) for _ in range(3))
    down = Conv2d(channels, filters, kernel, stride, bias=None)
    up = ConvTranspose2d(filters, channels, kernel, stride, bias=None)
    network, params, rng = as_network(down, device, seed)
    other = Network(up)
    assert other.layout.shapes == network.layout.shapes
    large = (2, size[0] * stride[0], size[1] * stride[1], channels)
    x, y = normal(device, rng, large, np.float64), normal(device, rng, (2, *size, filters), np.float64)
    left = dot(network.forward(params, x)[0], y)
    right = dot(other.forward(Parameters(other.layout, params.vector), y)[0], x)
    assert abs(left - right) <= 1e-12 * (1 + np.linalg.norm(to_numpy(x)) * np.linalg.norm(to_numpy(params.vector)))


@given(data=st.data(), seed=seeds)
@settings(max_examples=10)
def test_padding_is_the_same_as_zeros_about_the_image(device, data, seed):
    kernel, stride, size = (data.draw(st.tuples(counts, counts)) for _ in range(3))
    padding = tuple(tuple(data.draw(st.integers(0, 3)) for _ in range(2)) for _ in range(2))
    assume(all(n + sum(p) >= k for n, p, k in zip(size, padding, kernel, strict=True)))
    network, params, rng = as_network(Conv2d(2, 3, kernel, stride, padding), device, seed)
    bare = Network(Conv2d(2, 3, kernel, stride, ((0, 0), (0, 0))))
    x = normal(device, rng, (2, *size, 2), np.float64)
    padded = device.xp.pad(x, ((0, 0), *padding, (0, 0)))
    found, expected = network.forward(params, x)[0], bare.forward(Parameters(bare.layout, params.vector), padded)[0]
    np.testing.assert_allclose(to_numpy(found), to_numpy(expected), rtol=0, atol=1e-13)


@given(length=st.integers(5, 9), kernel=counts, padding=st.none() | st.tuples(counts, counts), seed=seeds)
@settings(max_examples=10)
def test_a_sequence_is_an_image_of_one_row(device, length, kernel, padding, seed):
    of_rows = "same" if padding is None else ((0, 0), padding)
    network, params, rng = as_network(Conv1d(2, 3, kernel, padding or "same"), device, seed)
    image = Network(Conv2d(2, 3, (1, kernel), 1, of_rows))
    x = normal(device, rng, (2, length, 2), np.float64)
    y, cache = network.forward(params, x)
    dy = normal(device, rng, y.shape, np.float64)
    y2, cache2 = image.forward(Parameters(image.layout, params.vector), x[:, None])
    dx, gradient = network.backward(params, cache, dy)
    dx2, gradient2 = image.backward(Parameters(image.layout, params.vector), cache2, dy[:, None])
    assert_same(y, y2[:, 0])
    assert_same(dx, dx2[:, 0])
    assert_same(gradient.vector, gradient2.vector)


LAYERS = {
    "Conv2d(3, 128)": (lambda: Conv2d(3, 128, 5, 2), "H, W"),
    "ConvTranspose2d(3, 16)": (lambda: ConvTranspose2d(3, 16, 5, 2), "H, W"),
    "Conv1d(3, 7)": (lambda: Conv1d(3, 7, 5), "L"),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_wrong_shape_is_an_error_that_names_the_layer_and_both_shapes(name):
    make, axes = LAYERS[name]
    layer = make()
    network, params, _ = as_network(layer, HOST, 0)
    for shape in ((2, 8, 8, 4), (2, 8, 4), (2, 3), (1, 2, 8, 8, 3)):
        message = f"x: {name} expects (N, {axes}, 3), got {shape}"
        with pytest.raises(ValueError, match=re.escape(message)):
            network.forward(params, np.zeros(shape))
        for method in (layer.output_shape, layer.operations):
            with pytest.raises(ValueError, match=re.escape(f"shape: {name} expects ({axes}, 3), got {shape[1:]}")):
                method(shape[1:])


def test_an_image_without_room_for_a_window_is_an_error_that_names_the_layer():
    network, params, _ = as_network(Conv2d(3, 4, 5, 2, ((0, 0), (1, 1))), HOST, 0)
    with pytest.raises(ValueError, match=r"x: Conv2d\(3, 4\) can't take a sample of size \(4, 4\): .*\(5, 5\) window"):
        network.forward(params, np.zeros((1, 4, 4, 3)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 3, 5), "channels_in: expected a positive integer, got 0"),
        ((3, 0, 5), "channels_out: expected a positive integer, got 0"),
        ((3, 3, (5, 0)), "kernel: expected a positive integer, got 0"),
        ((3, 3, 5, 0), "stride: expected a positive integer, got 0"),
        ((3, 3, 5, 2, "valid"), "padding: expected \"same\" or ((above, below), (left, right)), got 'valid'"),
        ((3, 3, 5, 2, ((0, 0), (0, -1))), "padding: expected a non-negative integer, got -1"),
    ],
)
@pytest.mark.parametrize("kind", [Conv2d, ConvTranspose2d])
def test_settings_that_make_no_convolution_are_errors(kind, arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        kind(*arguments)


def test_the_papers_layers_have_its_sizes_and_operations():
    down = Conv2d(3, 128, 5, 2)
    assert down.output_shape((64, 64, 3)) == (32, 32, 128)
    assert down.operations((64, 64, 3)) == 2 * 32 * 32 * 75 * 128
    up = ConvTranspose2d(128, 3, 5, 2)
    assert up.output_shape((32, 32, 128)) == (64, 64, 3)
    assert up.operations((32, 32, 128)) == down.operations((64, 64, 3))
    assert ConvTranspose2d(2, 3, 4, 3, ((1, 0), (0, 2))).output_shape((5, 6, 2)) == (15, 17, 3)


def test_fans_are_those_of_tensorflow():
    """The last two axes of the weights times the kernel's size; a transposed convolution's first fan is that of y."""
    rng = np.random.default_rng(0)
    limit = math.sqrt(6 / (25 * (30 + 40)))
    for layer in (Conv2d(30, 40, 5, weight=glorot_uniform), ConvTranspose2d(30, 40, 5, weight=glorot_uniform)):
        values = layer.initialize(rng)
        assert abs(values["weight"]).max() == pytest.approx(limit, rel=1e-3)
        assert not values["bias"].any()
    for layer, fan in ((Conv2d(30, 40, 3), 270), (ConvTranspose2d(40, 30, 3), 270), (Conv1d(30, 40, 5), 150)):
        layer._weight = fan_in_normal(1.0)
        assert layer.initialize(rng)["weight"].std() == pytest.approx(fan**-0.5, rel=0.05)


@in_each_dtype
def test_the_gradient_by_the_bias_of_many_rows_is_the_sum_of_all(device, dtype):
    network, params, rng = as_network(Conv2d(1, 2, 1), device, 0, dtype)
    x = normal(device, rng, (3, 40, 41, 1), dtype)
    assert x.size > 4 * BLOCK
    dy = normal(device, rng, (3, 40, 41, 2), dtype)
    _, cache = network.forward(params, x)
    _, gradient = network.backward(params, cache, dy)
    expected = to_numpy(dy).astype(np.longdouble).sum(axis=(0, 1, 2))
    np.testing.assert_allclose(to_numpy(gradient["bias"]), expected, rtol=0, atol=x.size * np.finfo(dtype).eps)


def test_a_network_without_bias_has_weights_alone(device):
    network, params, rng = as_network(Conv2d(2, 3, 3, activation=LeakyReLU(), bias=None), device, 0)
    assert set(params) == {"weight"}
    x = normal(device, rng, (2, 4, 4, 2), np.float64)
    y, _ = network.forward(params, x)
    with_bias = Network(Conv2d(2, 3, 3, activation=LeakyReLU()))
    vector = device.xp.concatenate([params.vector, device.xp.zeros(3)])
    assert_same(y, with_bias.forward(Parameters(with_bias.layout, vector), x)[0])


@pytest.mark.parametrize("name", LAYERS)
def test_the_cache_of_the_first_rows_is_that_of_their_own_pass(device, name):
    make, axes = LAYERS[name]
    network, params, rng = as_network(make(), device, 0)
    x = normal(device, rng, (3, *([6] * len(axes.split(", "))), 3), np.float64)
    y, cache = network.forward(params, x)
    y2, cache2 = network.forward(params, x[:2])
    dy = normal(device, rng, y2.shape, np.float64)
    np.testing.assert_allclose(to_numpy(y[:2]), to_numpy(y2), rtol=0, atol=1e-12)
    some = network.backward(params, first_rows(cache, 2), dy)
    alone = network.backward(params, cache2, dy)
    np.testing.assert_allclose(to_numpy(some[0]), to_numpy(alone[0]), rtol=0, atol=1e-12)
    np.testing.assert_allclose(to_numpy(some[1].vector), to_numpy(alone[1].vector), rtol=0, atol=1e-11)


@pytest.mark.parametrize("kind", [Conv2d, ConvTranspose2d])
def test_a_nan_reaches_its_windows_and_no_others(device, kind):
    network, params, rng = as_network(kind(2, 2, 3), device, 0)
    x = normal(device, rng, (2, 5, 5, 2), np.float64)
    x[0, 2, 2, 1] = np.nan
    lost = np.isnan(to_numpy(network.forward(params, x)[0]))
    assert lost[0, 1:4, 1:4].all()
    assert lost.sum() == 9 * 2


@pytest.mark.parametrize(
    ("cache", "processors", "filters", "numbers"),
    [
        (64 * 2**20, 10, 128, 2**23),  # half of the cache in float32
        (0, 10, 128, 5 * 2**20),  # of the usual one
        (0, 264, 1, 2 * 264 * 128 * 1600),  # two tiles for each multiprocessor
        (0, 264, 512, 2 * 264 // 4 * 128 * 1600),  # of which filters make four beside each other
    ],
)
def test_columns_on_a_gpu_fit_its_cache_but_keep_it_busy(monkeypatch, cache, processors, filters, numbers):
    sizes = {"L2CacheSize": cache, "MultiProcessorCount": processors}
    monkeypatch.setattr(direct, "gpu_attributes", lambda _: sizes)
    assert direct._device_numbers(np.empty(0, np.float32), 1600, filters) == numbers
