"""Filtering lines over five places against the sum over windows, in all passes of training."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nets_support import assert_same, in_each_dtype, seeds

from nets.layers.conv1d import Conv1d
from nets.network import Network, Sequential
from nets.primitives import shares, trained_lines
from nets.primitives.convolution_maps import Direct, correlate, prepare
from nets.primitives.direct import correlate as correlate_windows
from nets.primitives.geometry import Geometry
from nets.primitives.lines import line_of
from nets.primitives.trained_lines import Plan, TrainedLines
from nets.workspace import Workspace

SAME = Geometry((1, 32), (1, 5), (1, 1), ((0, 0), (2, 2)))


@st.composite
def geometries(draw):
    """Sequences of any length, as rows or as columns, with any padding; and several lines side by side."""
    before, after = draw(st.integers(0, 4)), draw(st.integers(0, 4))
    size = draw(st.integers(max(1, 5 - before - after), 14))
    lines = draw(st.integers(1, 3))
    row = Geometry((lines, size), (1, 5), (1, 1), ((0, 0), (before, after)))
    column = Geometry((size, lines), (5, 1), (1, 1), ((before, after), (0, 0)))
    return draw(st.sampled_from([row, column]))


def draw(geometry, images, channels, filters, seed, dtype=np.float64):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((images, *geometry.size, channels))
    w = rng.standard_normal((*geometry.kernel, channels, filters)) / np.sqrt(5 * channels)
    dy = rng.standard_normal((images, *geometry.output, filters))
    return [array.astype(dtype) for array in (x, w, dy)]


def passes(kernel, x, dy, workspace=None):
    """Result, gradient by x and gradient by w, each by itself, and once more the three beside each other."""
    y, dx = np.full_like(dy, np.nan), np.full_like(x, np.nan)
    dw, dw_too = (np.full((*kernel.weight_shape,), np.nan, x.dtype) for _ in range(2))
    y_too, dx_too = np.full_like(dy, np.nan), np.full_like(x, np.nan)
    kernel.convolve(x, y, workspace)
    kernel.transpose(dy, dx, workspace)
    trained_lines.correlate(kernel.plan, x, dy, dw, workspace)
    kernel.correlate(x, dy, dw_too, workspace, transposed=dx_too, convolved=y_too)
    return [y, dx, dw, y_too, dx_too, dw_too]


class Kernel(TrainedLines):
    """One that knows the shape of its weights."""

    def __init__(self, geometry, weight):
        super().__init__(Plan(*line_of(geometry)), weight)
        self.weight_shape = weight.shape


def summed(geometry, x, w, dy):
    """The three by the sum over windows, in float64."""
    x, w, dy = (array.astype(np.float64) for array in (x, w, dy))
    direct = Direct(w, geometry)
    return [
        direct.convolve(x, np.empty_like(dy)),
        direct.transpose(dy, np.empty_like(x)),
        correlate_windows(x, dy, geometry, np.empty_like(w)),
    ]


@given(geometry=geometries(), images=st.integers(1, 4), seed=seeds)
@settings(max_examples=30)
def test_every_pass_is_the_sum_over_windows(geometry, images, seed):
    x, w, dy = draw(geometry, images, 16, 24, seed)
    expected = summed(geometry, x, w, dy)
    for found, exact in zip(passes(Kernel(geometry, w), x, dy), 2 * expected, strict=True):
        np.testing.assert_allclose(found, exact, rtol=0, atol=1e-12)


def test_errors_in_float32_are_as_stated():
    x, w, dy = draw(SAME, 4, 512, 512, 0, np.float32)
    expected = summed(SAME, x, w, dy)
    for found, exact in zip(passes(Kernel(SAME, w), x, dy), 2 * expected, strict=True):
        assert abs(found - exact).max() <= 1e-5 * abs(exact).max()


@in_each_dtype
def test_chunks_threads_and_memory_of_before_change_no_bit(monkeypatch, dtype):
    x, w, dy = draw(SAME, 6, 32, 64, 0, dtype)
    workspace, threads = Workspace(), numba.get_num_threads()
    monkeypatch.setattr(shares, "WORTH", 0)  # threads for little work too
    monkeypatch.setattr(trained_lines, "NUMBERS", 2 * 8 * 8 * 96)  # parts of two images
    monkeypatch.setattr(trained_lines, "CHUNK", 4 * 8 * 8 * 64)  # chunks of four and of two
    monkeypatch.setattr(trained_lines, "ROWS", 24)
    expected = passes(Kernel(SAME, w), x, dy)
    try:
        for count in {1, threads}:
            numba.set_num_threads(count)
            for _ in range(2):
                for found, kept in zip(passes(Kernel(SAME, w), x, dy, workspace), expected, strict=True):
                    assert_same(found, kept)
    finally:
        numba.set_num_threads(threads)
    monkeypatch.undo()
    for found, kept in zip(passes(Kernel(SAME, w), x, dy, workspace), expected, strict=True):
        np.testing.assert_allclose(found, kept, rtol=0, atol=1e4 * np.finfo(dtype).eps)


def test_read_only_and_strided_sequences_give_the_same():
    x, w, dy = draw(SAME, 2, 32, 32, 0)
    wide = np.zeros((2, 1, 64, 64))
    wide[:, :, ::2, ::2] = x
    strided = wide[:, :, ::2, ::2]
    expected = passes(Kernel(SAME, w), x, dy)
    for array in (x, w, dy, strided):
        array.flags.writeable = False
    for found, kept in zip(passes(Kernel(SAME, w), strided, dy), expected, strict=True):
        assert_same(found, kept)


@pytest.mark.parametrize(
    ("geometry", "channels", "filters", "images", "chosen"),
    [
        (SAME, 512, 512, 64, True),  # the language model
        (SAME, 512, 512, 1, False),  # the weights outweigh eight tiles
        (Geometry((32, 1), (5, 1), (1, 1), ((2, 2), (0, 0))), 512, 512, 64, True),
        (SAME, 8, 512, 64, False),  # in float32 eight channels fill no vector
        (SAME, 16, 16, 1, False),
        (SAME, 512, 512, 0, False),
        (Geometry((1, 1), (1, 5), (1, 1), ((0, 0), (2, 2))), 512, 512, 64, False),  # three of four results are waste
        (Geometry((1, 32), (1, 1), (1, 1), ((0, 0), (0, 0))), 512, 512, 64, False),
        (Geometry((1, 32), (1, 5), (1, 2), ((0, 0), (2, 2))), 512, 512, 64, False),
        (Geometry((8, 8), (5, 5), (1, 1), ((2, 2), (2, 2))), 64, 64, 64, False),  # whose presets keep their bits
    ],
)
def test_the_choice(geometry, channels, filters, images, chosen):
    assert bool(trained_lines.plan(geometry, channels, filters, images, np.dtype(np.float32))) == chosen


def test_the_layer_takes_them_and_its_correlation_needs_no_kernel():
    layer = Conv1d(32, 32, 5)
    x, w, dy = draw(SAME, 4, 32, 32, 0)
    kernel = prepare(w, SAME, 4)
    assert isinstance(kernel, TrainedLines)
    network = Network(Sequential([layer]))
    params = network.initialize(np.random.default_rng(0), np.float64)
    params["0.weight"][...] = w[0]
    y, cache = network.forward(params, x[:, 0])
    assert isinstance(cache.layers[0].kernel, TrainedLines)
    np.testing.assert_allclose(y, summed(SAME, x, w, dy)[0][:, 0], rtol=0, atol=1e-12)
    apart = correlate(x, dy, SAME, np.empty_like(w))
    beside = correlate(x, dy, SAME, np.empty_like(w), None, Direct(w, SAME), transposed=np.empty_like(x))
    assert_same(apart, beside)
    assert_same(apart, trained_lines.correlate(kernel.plan, x, dy, np.empty_like(w)))
