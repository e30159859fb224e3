"""From published files and images to the Inception network's features."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments import UserError
from experiments.features import inception
from experiments.features.inception_names import of_graph, of_pytorch, parameters_of
from experiments.features.tensorflow_resizing import bilinear
from nets.architectures.inception import convolutions, shapes
from validation.speed.inception.agreement import parameters


@pytest.fixture(scope="module")
def ours():
    return parameters(shapes(), np.random.default_rng(0), np.float32)


def published(names, ours):
    """Arrays as a published file has them."""
    return {each.name: ours[name].transpose(np.argsort(each.axes)) for name, each in names.items()}


@pytest.mark.parametrize("names", [of_graph, of_pytorch])
def test_parameters_come_back_from_either_naming(names, ours):
    arrays = published(names(), ours) | {"num_batches_tracked": np.array(0)}
    assert len({each.name for each in names().values()}) == len(shapes())
    found = parameters_of(arrays, "a.pb")
    assert found.keys() == ours.keys()
    for name, array in found.items():
        np.testing.assert_array_equal(array, ours[name])


def test_names_are_the_published_ones():
    """Some of each kind of block, as the two files have them; kernels by axes."""
    graph, pytorch = of_graph(), of_pytorch()
    for ours, scope in {
        "Conv2d_1a_3x3": "conv",
        "Conv2d_4a_3x3": "conv_4",
        "Mixed_5b.branch1x1": "mixed/conv",
        "Mixed_5b.branch5x5_2": "mixed/tower/conv_1",
        "Mixed_5d.branch3x3dbl_3": "mixed_2/tower_1/conv_2",
        "Mixed_5d.branch_pool": "mixed_2/tower_2/conv",
        "Mixed_6a.branch3x3": "mixed_3/conv",
        "Mixed_6a.branch3x3dbl_3": "mixed_3/tower/conv_2",
        "Mixed_6b.branch7x7_3": "mixed_4/tower/conv_2",
        "Mixed_6e.branch7x7dbl_5": "mixed_7/tower_1/conv_4",
        "Mixed_7a.branch3x3_2": "mixed_8/tower/conv_1",
        "Mixed_7a.branch7x7x3_4": "mixed_8/tower_1/conv_3",
        "Mixed_7b.branch3x3_2b": "mixed_9/tower/mixed/conv_1",
        "Mixed_7c.branch3x3dbl_2": "mixed_10/tower_1/conv_1",
        "Mixed_7c.branch3x3dbl_3a": "mixed_10/tower_1/mixed/conv",
        "Mixed_7c.branch_pool": "mixed_10/tower_2/conv",
    }.items():
        assert graph[f"{ours}.weight"].name == f"{scope}/conv2d_params"
        assert graph[f"{ours}.variance"].name == f"{scope}/batchnorm/moving_variance"
        assert pytorch[f"{ours}.shift"].name == f"{ours}.bn.bias"
    assert len(convolutions()) == 94


def test_names_are_those_of_the_twin_of_pytorchs_layers():
    pytest.importorskip("torch")
    from validation.speed.inception.torch_peer import Inception

    state = {name: tuple(array.shape) for name, array in Inception().state_dict().items() if "num_batches" not in name}
    expected = {
        each.name: tuple(shapes()[ours][axis] for axis in np.argsort(each.axes)) for ours, each in of_pytorch().items()
    }
    assert state == expected


def test_what_is_missing_or_of_another_shape_is_said_in_one_line(ours):
    arrays = published(of_graph(), ours)
    few = {name: array for name, array in arrays.items() if not name.startswith("mixed_10/tower_2")}
    with pytest.raises(UserError, match=r"^a\.pb: mixed_10/tower_2/conv/conv2d_params and 4 more of 472 arrays miss"):
        parameters_of(few, "a.pb")
    with pytest.raises(UserError, match=r"^a\.pb: softmax/biases missing$"):
        parameters_of({name: array for name, array in arrays.items() if name != "softmax/biases"}, "a.pb")
    with pytest.raises(
        UserError, match=r"^a\.pb: conv/conv2d_params: expected shape \(3, 3, 3, 32\), got \(3, 3, 3, 8"
    ):
        parameters_of(arrays | {"conv/conv2d_params": np.zeros((3, 3, 3, 8))}, "a.pb")
    with pytest.raises(UserError, match=r"fc.weight: expected shape \(1008, 2048\), got \(2048, 1008\)"):
        parameters_of(published(of_pytorch(), ours) | {"fc.weight": ours["fc.weight"]}, "a.pth")
    with pytest.raises(UserError, match="softmax/biases: expected floating-point numbers, got int64"):
        parameters_of(arrays | {"softmax/biases": np.zeros(1008, np.int64)}, "a.pb")
    with pytest.raises(UserError, match=r"^a\.npz: no Inception network .* among its 1 arrays$"):
        parameters_of({"x": np.zeros(3)}, "a.npz")


def by_hand(image: np.ndarray, size: int) -> np.ndarray:
    """One pixel after the other, as the definition has it."""
    height, width, channels = image.shape
    out = np.empty((size, size, channels))
    for i in range(size):
        for j in range(size):
            y, x = i * (height / size), j * (width / size)
            top, left = math.floor(y), math.floor(x)
            bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
            dy, dx = y - top, x - left
            for c in range(channels):
                above = image[top, left, c] + dx * (float(image[top, right, c]) - image[top, left, c])
                under = image[bottom, left, c] + dx * (float(image[bottom, right, c]) - image[bottom, left, c])
                out[i, j, c] = above + dy * (under - above)
    return out


@given(height=st.integers(1, 40), width=st.integers(1, 40), size=st.integers(1, 25), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_resizing_is_the_definition(height, width, size, seed):
    images = np.random.default_rng(seed).integers(0, 256, (2, height, width, 3), np.uint8)
    found = bilinear(images, size)
    assert found.dtype == np.float32
    # A place is rounded by 40 units of 2^-24 at most, between pixels that differ by 255.
    expected = np.stack([by_hand(image, size) for image in images])
    # Where the product is a whole number but for rounding, the two may start from neighbouring pixels: the same value.
    np.testing.assert_allclose(found, expected, rtol=0, atol=255 * 40 * 2.0**-22)


def test_an_image_of_the_size_stays_as_it_is():
    images = np.random.default_rng(0).integers(0, 256, (1, 7, 7, 1), np.uint8)
    np.testing.assert_array_equal(bilinear(images, 7), images)


def test_twice_the_size_has_the_pixels_at_even_places_and_no_half_pixel_off():
    images = np.array([0, 10, 30], np.uint8).reshape(1, 1, 3, 1)
    np.testing.assert_array_equal(bilinear(images, 6)[0, 0, :, 0], [0, 5, 10, 20, 30, 30])


def test_grey_is_each_colour_and_bytes_become_minus_one_to_one():
    grey = np.random.default_rng(0).integers(0, 256, (2, 9, 12, 1), np.uint8)
    x = inception.prepared(grey)
    assert (x.shape, x.dtype) == ((2, 299, 299, 3), np.float32)
    np.testing.assert_array_equal(x, inception.prepared(np.repeat(grey, 3, axis=3)))
    levels = inception.prepared(np.full((1, 299, 299, 3), 255, np.uint8))
    assert levels.min() == levels.max() == 127 / 128
    assert inception.prepared(np.zeros((1, 1, 1, 1), np.uint8)).max() == -1


@pytest.mark.slow
def test_features_of_images(ours, monkeypatch):
    monkeypatch.setattr(inception, "BATCH", 2)
    network = inception.InceptionFeatures(ours)
    images = np.random.default_rng(0).integers(0, 256, (3, 20, 30, 3), np.uint8)
    features, logits = network.measure(images)
    assert (features.shape, logits.shape) == ((3, network.dimension), (3, network.classes))
    alone, _ = network.measure(images[2:])
    np.testing.assert_allclose(features[2:], alone, rtol=0, atol=1e-5 * abs(alone).max())
    assert abs(features[0] - features[1]).max() > 1e-3 * abs(features).max()
    with pytest.raises(TypeError, match="images: expected uint8, got float64"):
        network.measure(images / 255)
    with pytest.raises(ValueError, match=r"images: expected shape \(N, H, W, 1 or 3\), got \(3, 20, 30, 2\)"):
        network.measure(images[..., :2])


@pytest.mark.slow
def test_weights_are_those_of_the_argument_or_of_the_environment(ours, monkeypatch, tmp_path):
    files = pytest.importorskip("experiments.weight_files")
    monkeypatch.delenv(inception.VARIABLE, raising=False)
    with pytest.raises(UserError, match=r"classify_image_graph_def\.pb .*pt_inception-2015-12-05-6726825d\.pth"):
        inception.load(None)
    path = tmp_path / "some.npz"
    asked = []
    monkeypatch.setattr(files, "read_weights", lambda path: asked.append(path) or published(of_graph(), ours))
    monkeypatch.setenv(inception.VARIABLE, str(path))
    assert inception.load(None).name == "inception"
    inception.load(tmp_path / "other.npz")
    assert asked == [path, tmp_path / "other.npz"]
