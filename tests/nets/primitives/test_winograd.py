"""Winograd's convolution against the sum over windows, and its passes against each other."""

from __future__ import annotations

import itertools

import numba
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from nets_support import assert_same, dot, in_each_dtype, seeds

from nets.primitives import shares, winograd
from nets.primitives.convolution_maps import Direct
from nets.primitives.geometry import Geometry
from nets.primitives.winograd import Plan, Winograd, correlate
from nets.workspace import Workspace

# Tuples of lanes are compiled once for each of these.
each_tile = pytest.mark.parametrize("tile", [2, 4])


@st.composite
def geometries(draw):
    """Windows of all kinds that tiles can serve: up to three taps a stride, any padding, odd sizes."""
    pair = st.tuples(st.integers(1, 11), st.integers(1, 11))
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    kernel = tuple(draw(st.integers(1, 3 * s)) for s in stride)
    padding = tuple(tuple(draw(st.integers(0, k)) for _ in range(2)) for k in kernel)
    size = draw(pair)
    assume(all(n + sum(p) >= k for n, p, k in zip(size, padding, kernel, strict=True)))
    return Geometry(size, kernel, stride, padding)


def windows_summed(x, w, geometry):
    """The convolution, tap by tap, in the dtype of x."""
    x = np.pad(x, ((0, 0), *geometry.padding, (0, 0)))
    y = 0
    for taps in itertools.product(*map(range, geometry.kernel)):
        rows, columns = (
            slice(tap, tap + stride * (count - 1) + 1, stride)
            for tap, stride, count in zip(taps, geometry.stride, geometry.output, strict=True)
        )
        y = y + x[:, rows, columns] @ w[taps]
    return y


def draw(plan, images, seed, dtype=np.float64):
    rng = np.random.default_rng(seed)
    geometry = plan.geometry
    shapes = (
        (images, *geometry.size, plan.channels),
        (*geometry.kernel, plan.channels, plan.filters),
        (images, *geometry.output, plan.filters),
    )
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


@each_tile
@given(geometry=geometries(), images=st.integers(1, 3), seed=seeds)
@settings(max_examples=30)
def test_it_is_the_sum_over_windows(tile, geometry, images, seed):
    plan = Plan(geometry, 8, 16, tile)
    x, w, y = draw(plan, images, seed)
    expected = windows_summed(x, w, geometry)
    found = Winograd(plan, w).convolve(x, np.full_like(y, np.nan))
    # a few hundred terms of order 1, and transforms that amplify rounding some hundred times
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e5 * np.finfo(float).eps)


@each_tile
@given(geometry=geometries(), images=st.integers(1, 3), seed=seeds)
@settings(max_examples=30)
def test_the_other_passes_are_its_transposes(tile, geometry, images, seed):
    plan = Plan(geometry, 16, 8, tile)
    x, w, dy = draw(plan, images, seed)
    y = windows_summed(x, w, geometry)
    dx = Winograd(plan, w).transpose(dy, np.full_like(x, np.nan))
    dw = correlate(plan, x, dy, np.full_like(w, np.nan))
    tolerance = 1e5 * np.finfo(float).eps * (1 + dot(abs(dy), abs(y)))
    assert dot(dx, x) == pytest.approx(dot(dy, y), rel=0, abs=tolerance)
    assert dot(dw, w) == pytest.approx(dot(dy, y), rel=0, abs=tolerance)


@each_tile
def test_pixels_that_no_window_reads_have_no_gradient(tile):
    plan = Plan(Geometry((9, 9), (2, 2), (3, 3), ((0, 0), (0, 0))), 8, 8, tile)
    _, w, dy = draw(plan, 2, 0)
    dx = Winograd(plan, w).transpose(dy, np.full((2, 9, 9, 8), np.nan))
    assert np.all(dx[:, 2::3] == 0)
    assert np.all(dx[:, :, 2::3] == 0)
    assert np.all(dx[:, :2, :2] != 0)


@pytest.mark.parametrize(("tile", "factor"), [(2, 3), (4, 8)])
def test_the_error_in_float32_is_as_stated(tile, factor):
    """Root mean square, beside that of matrix products over windows: twice and 5 times, with some room for chance."""
    plan = Plan(Geometry((16, 16), (5, 5), (2, 2), ((1, 2), (1, 2))), 64, 64, tile)
    x, w, y = draw(plan, 4, 0, np.float32)
    exact = windows_summed(x.astype(np.float64), w.astype(np.float64), plan.geometry)
    found = Winograd(plan, w).convolve(x, np.empty_like(y))
    direct = Direct(w, plan.geometry).convolve(x, np.empty_like(y))
    error, of_direct = (np.sqrt(np.mean(np.square(values - exact))) for values in (found, direct))
    assert error <= factor * of_direct


@in_each_dtype
@pytest.mark.parametrize("part", [0, winograd.PART])
def test_chunks_threads_and_memory_of_before_change_no_bit(monkeypatch, dtype, part):
    plan = Plan(Geometry((8, 8), (5, 5), (2, 2), ((1, 2), (1, 2))), 16, 32, 4)
    x, w, dy = draw(plan, 6, 0, dtype)

    def passes(workspace):
        kernel = Winograd(plan, w)
        y, dx, dw = np.empty_like(dy), np.empty_like(x), np.empty_like(w)
        return (
            kernel.convolve(x, y, workspace),
            kernel.transpose(dy, dx, workspace),
            correlate(plan, x, dy, dw, workspace),
        )

    workspace = Workspace()
    threads = numba.get_num_threads()
    monkeypatch.setattr(winograd, "PART", part)
    monkeypatch.setattr(shares, "WORTH", 0)  # threads for little work too
    monkeypatch.setattr(winograd, "CHUNK", 2 * plan.products * plan.channels * plan.tiles)  # three chunks of two images
    expected = passes(None)
    try:
        for count in {1, threads}:
            numba.set_num_threads(count)
            for _ in range(2):
                for found, kept in zip(passes(workspace), expected, strict=True):
                    assert_same(found, kept)
    finally:
        numba.set_num_threads(threads)
    monkeypatch.undo()
    for found, kept in zip(passes(workspace), expected, strict=True):
        np.testing.assert_allclose(found, kept, rtol=0, atol=1e4 * np.finfo(dtype).eps)


def test_read_only_and_strided_images_give_the_same():
    plan = Plan(Geometry((6, 7), (3, 3), (1, 1), ((1, 1), (1, 1))), 16, 16, 4)
    x, w, dy = draw(plan, 2, 0)
    wide = np.zeros((2, 12, 7, 32))
    wide[:, ::2, :, ::2] = x
    strided = wide[:, ::2, :, ::2]
    for array in (x, w, dy, strided):
        array.flags.writeable = False
    kernel = Winograd(plan, w)
    assert_same(kernel.convolve(strided, np.empty_like(dy)), kernel.convolve(x, np.empty_like(dy)))
    assert_same(correlate(plan, strided, dy, np.empty_like(w)), correlate(plan, x, dy, np.empty_like(w)))


@pytest.mark.parametrize(
    ("kernel", "stride", "channels", "filters", "images", "tile"),
    [
        (5, 2, 128, 256, 16, 4),  # the authors' discriminator, second layer
        (5, 2, 512, 1024, 16, 2),  # its last: the weights at the points outweigh the few tiles
        (5, 2, 512, 1024, 128, 4),
        (3, 1, 64, 64, 16, 4),
        (5, 2, 3, 128, 16, None),  # three channels fill no vector
        (5, 2, 128, 3, 16, None),
        (7, 2, 64, 64, 16, None),  # four taps
        (1, 1, 64, 64, 16, None),  # one tap: nothing to save
        (3, 1, 64, 64, 0, None),
    ],
)
def test_the_choice(kernel, stride, channels, filters, images, tile):
    side = 8 if channels == 512 else 32
    before = max(kernel - stride, 0) // 2
    geometry = Geometry((side, side), (kernel, kernel), (stride, stride), ((before, kernel - stride - before),) * 2)
    plan = winograd.plan(geometry, channels, filters, images, np.dtype(np.float32))
    assert (plan.tile if plan else None) == tile


@each_tile
@pytest.mark.parametrize("part", [1, 2**10, 2**12])
def test_parts_of_channels_and_filters_give_the_same(monkeypatch, tile, part):
    """Weights in parts, and chunks of the images beside whole weights; with and without the other passes beside."""
    plan = Plan(Geometry((8, 8), (5, 5), (2, 2), ((1, 2), (1, 2))), 48, 80, tile)
    x, w, dy = draw(plan, 5, 0)

    def passes(workspace):
        y, dx, dw, too, beside = np.empty_like(dy), np.empty_like(x), np.empty_like(w), np.empty_like(x), None
        kernel = Winograd(plan, w)
        kernel.convolve(x, y, workspace)
        kernel.transpose(dy, dx, workspace)
        if kernel.at_hand(plan, len(x)):
            beside = np.empty_like(dy)
            kernel.correlate(x, dy, dw, workspace, transposed=too, convolved=beside)
        return [y, dx, correlate(plan, x, dy, np.empty_like(w), workspace), dw, too, beside]

    expected = passes(None)
    monkeypatch.setattr(winograd, "PART", part)
    for workspace in (None, Workspace()):
        for found, kept in zip(passes(workspace), expected, strict=True):
            np.testing.assert_allclose(found, kept, rtol=0, atol=1e4 * np.finfo(float).eps)
    monkeypatch.setattr(winograd, "CHUNK", 2 * plan.products * plan.channels * plan.tiles)
    np.testing.assert_allclose(passes(Workspace())[2], expected[2], rtol=0, atol=1e4 * np.finfo(float).eps)


def test_kernels_that_take_turns_share_the_memory_of_their_weights():
    plan = Plan(Geometry((8, 8), (3, 3), (1, 1), ((1, 1), (1, 1))), 16, 16, 4)
    x, w, y = draw(plan, 2, 0)
    workspace, kernels = Workspace(), [Winograd(plan, w), Winograd(plan, 2 * w)]
    for factor, kernel in [(1, kernels[0]), (2, kernels[1]), (1, kernels[0])]:
        expected = factor * Winograd(plan, w).convolve(x, np.empty_like(y))
        np.testing.assert_array_equal(kernel.convolve(x, np.empty_like(y), workspace), expected)
