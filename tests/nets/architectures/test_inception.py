"""The Inception network's steps against plain sums, and its blocks against PyTorch's layers."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import correlate

from coulombfield import threads
from nets.architectures import inception
from nets.inference import Branches, Convolution, Inference, MaximumPool, Stage, Step, Window, convolutions
from nets.primitives import lines, windows
from nets.primitives.convolution_maps import constant, prepare
from nets.primitives.geometry import Geometry
from nets.primitives.winograd import Winograd
from nets.workspace import Workspace
from validation.speed.inception.agreement import parameters

EPSILON = 1e-3
SMALLEST = inception.SMALLEST


def drawn(steps, rng, dtype=np.float64):
    """Parameters of steps, such that results are of order 1."""
    shapes = {name: shape for each in convolutions(steps) for name, shape in each.shapes().items()}
    return parameters(shapes, rng, dtype)


def plainly(step: Step, x: np.ndarray, of: dict) -> np.ndarray:
    """Result of a step by scipy's correlation and NumPy's windows."""
    if isinstance(step, Branches):
        chains = []
        for chain in step.chains:
            y = x
            for each in chain:
                y = plainly(each, y, of)
            chains.append(y)
        return np.concatenate(chains, axis=3)
    if isinstance(step, MaximumPool):
        return pooled(step.window, x, np.nanmax)
    if step.means is not None:
        x = pooled(step.means, x, np.nanmean)
    weight = of[f"{step.name}.weight"]
    padded = np.pad(x, ((0, 0), *step.padding, (0, 0)))
    u = np.stack([correlate(image, weight[..., k], "valid") for image in padded for k in range(step.filters)])
    u = np.moveaxis(u.reshape(len(x), step.filters, *u.shape[1:3]), 1, -1)[:, :: step.stride, :: step.stride]
    scale, shift, mean, variance = (of[f"{step.name}.{each}"] for each in ("scale", "shift", "mean", "variance"))
    return np.maximum(scale * (u - mean) / np.sqrt(variance + EPSILON) + shift, 0)


def pooled(window: Window, x: np.ndarray, function) -> np.ndarray:
    """A function of each window's pixels, of which those outside the image are NaN."""
    zeros = (window.padding, window.padding)
    padded = np.pad(x, ((0, 0), zeros, zeros, (0, 0)), constant_values=np.nan)
    seen = np.lib.stride_tricks.sliding_window_view(padded, (window.size, window.size), (1, 2))
    return function(seen[:, :: window.stride, :: window.stride], axis=(-2, -1))


def branches() -> Branches:
    """Each way in which a branch can begin and end."""
    means, same = Window(3, 1, 1), ((1, 1), (1, 1))
    fork = Branches(((Convolution("fork_a", 5, 3, (1, 3), padding=((0, 0), (1, 1))),), (Convolution("fork_b", 5, 2),)))
    return Branches(
        (
            (Convolution("one", 8, 3),),
            (Convolution("two_1", 8, 8), Convolution("two_2", 8, 16, (3, 3), padding=same)),
            (Convolution("three", 8, 4, (5, 5), padding=((2, 2), (2, 2))),),
            (Convolution("means", 8, 6, means=means),),
            (Convolution("means_1", 8, 5, means=means), fork),
            (MaximumPool(means), Convolution("maxima", 8, 3)),
            (MaximumPool(means),),
        )
    )


def shrinking() -> Branches:
    """Those that halve the images, none beginning with a product of pixels."""
    return Branches(
        (
            (Convolution("a", 8, 4, (3, 3), 2),),
            (Convolution("b_1", 8, 4, (1, 7), padding=((0, 0), (3, 3))), Convolution("b_2", 4, 8, (3, 3), 2)),
            (MaximumPool(Window(3, 2)),),
        )
    )


@given(height=st.integers(7, 12), width=st.integers(7, 12), images=st.integers(1, 5), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=10)
def test_branches_are_what_their_chains_are_side_by_side(height, width, images, seed):
    rng = np.random.default_rng(seed)
    steps = {"across": branches(), "less": Convolution("less", 45, 8), "down": shrinking()}
    of = drawn(tuple(steps.values()), rng)
    x = rng.standard_normal((images, height, width, 8))
    network = Inference([Stage(steps, 2)], (height, width, 8), of, EPSILON)
    expected = x
    for name, found in network.results(x):
        expected = plainly(steps[name], expected, of)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * abs(expected).max())
    np.testing.assert_array_equal(network(x), found)


def test_parts_and_threads_leave_the_bits_as_they_are(monkeypatch):
    rng = np.random.default_rng(0)
    steps = {"across": branches(), "less": Convolution("less", 45, 8)}
    of = drawn(tuple(steps.values()), rng, np.float32)
    x = rng.standard_normal((7, 9, 10, 8), dtype=np.float32)
    network = Inference([Stage(steps, 2)], (9, 10, 8), of, EPSILON)
    whole = network(x)
    np.testing.assert_array_equal(whole, network(x))
    monkeypatch.setattr(threads.numba, "get_num_threads", lambda: 1)
    np.testing.assert_array_equal(whole, network(x))


def test_no_images_have_no_features():
    network = Inference([Stage({"less": Convolution("less", 8, 3)}, 2)], (4, 4, 8), drawn_less(), EPSILON)
    assert network(np.empty((0, 4, 4, 8))).shape == (0, 4, 4, 3)


def drawn_less(dtype=np.float64):
    return drawn((Convolution("less", 8, 3),), np.random.default_rng(0), dtype)


def test_what_does_not_fit_is_refused_by_name():
    stages = [Stage({"less": Convolution("less", 8, 3)}, 2)]
    of = drawn_less()
    network = Inference(stages, (4, 4, 8), of, EPSILON)
    with pytest.raises(ValueError, match=r"images: expected shape \(N, 4, 4, 8\), got \(1, 4, 5, 8\)"):
        network(np.zeros((1, 4, 5, 8)))
    with pytest.raises(TypeError, match="images: expected float64, which the parameters have, got float32"):
        network(np.zeros((1, 4, 4, 8), np.float32))
    with pytest.raises(ValueError, match=r"parameters: expected 5, without less\.mean and 1 more"):
        Inference(stages, (4, 4, 8), {k: v for k, v in of.items() if k not in ("less.mean", "less.variance")}, EPSILON)
    with pytest.raises(ValueError, match=r"less.scale: expected shape \(3,\), got \(4,\)"):
        Inference(stages, (4, 4, 8), of | {"less.scale": np.ones(4)}, EPSILON)
    with pytest.raises(TypeError, match=r"less.shift: expected float64"):
        Inference(stages, (4, 4, 8), of | {"less.shift": np.ones(3, np.float32)}, EPSILON)
    with pytest.raises(ValueError, match="size: expected at least 75 pixels, got 74"):
        inception.Inception({}, 74)


@pytest.mark.parametrize("chosen", ["fastest", "reference"])
def test_a_nan_stays_one(chosen):
    """In whatever window it is, and in none of the others."""
    x, bias, same = np.zeros((1, 5, 5, 16)), np.zeros(16), Geometry((5, 5), (3, 3), (1, 1), ((1, 1), (1, 1)))
    x[0, 0, 1, 2] = np.nan
    expected = np.zeros((5, 5), bool)
    expected[:2, :3] = True
    largest, mean, relu = (
        each if chosen == "fastest" else each.reference
        for each in (windows.largest, windows.mean_bias_relu, windows.bias_relu)
    )
    for found in (
        largest(x, np.empty_like(x), 0, same),
        mean(x, bias, np.empty_like(x), 0, 0, same),
    ):
        np.testing.assert_array_equal(np.isnan(found[0, :, :, 2]), expected)
        assert np.isnan(found).sum() == expected.sum()
    seen = np.isnan(x)
    for out in (np.empty_like(x), x):
        np.testing.assert_array_equal(np.isnan(relu(x, bias, out, 0, 0)), seen)


def test_constant_weights_stay_at_the_points_whoever_else_uses_the_workspace():
    """Another kernel of as many weights takes the place of those that may change."""
    rng = np.random.default_rng(0)
    geometry, workspace = Geometry((9, 9), (3, 3), (1, 1), ((1, 1), (1, 1))), Workspace()
    x, first, second = (rng.standard_normal(shape) for shape in ((4, 9, 9, 64), (3, 3, 64, 64), (3, 3, 64, 64)))
    kept = constant(first, geometry, 4)
    assert isinstance(kept, Winograd)
    expected = prepare(first, geometry, 4).convolve(x, np.empty_like(x))
    first[...] = 0  # so that who took them to the points anew would be seen
    prepare(second, geometry, 4).convolve(x, np.empty_like(x), workspace)
    np.testing.assert_array_equal(kept.convolve(x, np.empty_like(x), workspace), expected)


@pytest.mark.slow
@pytest.mark.parametrize("kernel", [(1, 3), (3, 1), (5, 5), (5, 1), (1, 7), (7, 1), (7, 5)])
@given(height=st.integers(1, 14), width=st.integers(1, 14), images=st.integers(1, 4), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=15)
def test_filtering_lines_is_the_sum_over_windows(kernel, dtype, height, width, images, seed):
    rng = np.random.default_rng(seed)
    padding = tuple((int(rng.integers(side)), int(rng.integers(side))) for side in kernel)
    size = tuple(max(n, k - sum(p)) for n, k, p in zip((height, width), kernel, padding, strict=True))
    geometry = Geometry(size, kernel, (1, 1), padding)
    x = rng.standard_normal((images, *size, 16)).astype(dtype)
    w = (rng.standard_normal((*kernel, 16, 32)) / np.sqrt(16 * np.prod(kernel))).astype(dtype)
    out = np.full((images, *geometry.output, 32), np.nan, dtype)
    with mock.patch.object(lines, "NUMBERS", 2**15):  # several parts
        found = lines.Lines(w, geometry).convolve(x, out)
    padded = np.pad(x.astype(np.float64), ((0, 0), *padding, (0, 0)))
    seen = np.lib.stride_tricks.sliding_window_view(padded, kernel, (1, 2))
    expected = np.einsum("nijcab,abck->nijk", seen, w.astype(np.float64))
    # Points up to 5 / 2 to the sixth power, of either sign: up to 12 times the error of the sum, in the mean.
    np.testing.assert_allclose(found, expected, rtol=0, atol=500 * np.finfo(dtype).eps)


def test_long_kernels_filter_lines_where_that_is_fewer_products():
    same = ((0, 0), (3, 3))
    row, narrow = Geometry((17, 17), (1, 7), (1, 1), same), Geometry((17, 1), (1, 7), (1, 1), same)
    assert isinstance(constant(np.ones((1, 7, 32, 32)), row, 4), lines.Lines)
    assert not isinstance(constant(np.ones((1, 7, 32, 32)), narrow, 4), lines.Lines)
    assert not isinstance(constant(np.ones((1, 7, 3, 32)), row, 4), lines.Lines)


def test_the_network_has_94_convolutions_2048_features_and_1008_classes():
    every = inception.convolutions()
    assert len(every) == len({each.name for each in every}) == 94
    blocks = [name for stage in inception.stages() for name in stage.steps if name.startswith("Mixed")]
    assert blocks == [f"Mixed_{name}" for name in ["5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c"]]
    of = parameters(inception.shapes(), np.random.default_rng(0), np.float32)
    x = np.random.default_rng(1).uniform(-1, 1, (2, SMALLEST, SMALLEST, 3)).astype(np.float32)
    network = inception.Inception(of, SMALLEST)
    features, logits = network(x)
    assert (features.shape, features.dtype) == ((2, 2048), np.float32)
    np.testing.assert_allclose(logits, features @ of["fc.weight"] + of["fc.bias"], rtol=1e-6)
    *_, (_, last) = network.blocks(x)
    np.testing.assert_array_equal(features, last.mean((1, 2)))


@pytest.mark.slow
def test_blocks_agree_with_pytorchs_layers(dtype):
    pytest.importorskip("torch")
    from validation.speed.inception.agreement import differences

    bound = 1e-10 if dtype == np.float64 else 1e-4
    found = differences(dtype, 107, 2)  # the last block has 2 x 2 pixels, whose maxima are not their means
    assert len([each for each in found if each.name.startswith("Mixed")]) == 11
    assert all(each.difference <= bound for each in found), found
