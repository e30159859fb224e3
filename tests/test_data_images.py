"""Images from files, folders and the package: what is read is what was written, and what can't be used says why."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from coulombfield.arrays import Device, to_numpy
from experiments.data import images
from experiments.data.digits import digits
from experiments.data.images import ImageError, ImageSet, InMemory, checksum, into_memory, open_images

seeds = st.integers(0, 2**32 - 1)
CPU = Device(np, "cpu")


def pixels(count, size, channels, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, channels), np.uint8)


def write_folder(folder, values):
    """As PNG files, of which one lies deeper; their order by path is that of ``values``."""
    for number, image in enumerate(values):
        path = folder / ("b/deep.PNG" if number == len(values) - 1 else f"a/{number:03}.png")
        path.parent.mkdir(exist_ok=True, parents=True)
        Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(path)
    (folder / "notes.txt").write_text("no image")


def write_hdf5(path, **datasets):
    with h5py.File(path, "w") as file:
        for name, values in datasets.items():
            file.create_dataset(name.replace("__", "/"), data=values)
    return path


@pytest.mark.parametrize("limit", [0, 1 << 30])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", ["folder", "hdf5", "hdf5 without channels"])
def test_what_was_written_is_read(tmp_path, monkeypatch, kind, channels, limit):
    """Lazily or through memory, in any order and with repetitions."""
    monkeypatch.setattr(images, "BLOCK", 3)
    values, path = pixels(7, 8, channels), tmp_path / "there"
    if kind == "folder":
        write_folder(path, values)
    elif kind == "hdf5" or channels == 3:
        write_hdf5(path, labels=np.arange(7), group__pictures=values)
    else:
        write_hdf5(path, labels=np.arange(7), pictures=values[..., 0])
    stored = into_memory(open_images(path, 8, channels), limit)
    assert isinstance(stored, InMemory) == bool(limit)
    assert (stored.shape, stored.dtype) == (values.shape, np.uint8)
    index = np.array([5, 0, 6, 5, 2])
    np.testing.assert_array_equal(stored.read(index), values[index])


@given(seed=seeds, dtype=st.sampled_from(["float32", "float64"]), flip=st.booleans())
def test_a_minibatch_holds_images_of_the_set_scaled_as_the_authors_scale(seed, dtype, flip):
    values = pixels(6, 4, 3)
    index = np.array([1, 3, 4])
    drawn = ImageSet(InMemory("", values, 127.5), index, CPU, dtype, flip=flip).draw(32, np.random.default_rng(seed))
    assert drawn.dtype == dtype
    exact = values[index].astype(np.float64) / 127.5 - 1
    allowed = np.concatenate([exact, exact[:, :, ::-1]]) if flip else exact
    distance = np.abs(drawn[:, np.newaxis] - allowed).max(axis=(2, 3, 4))
    assert distance.min(axis=1).max() <= 2 * np.finfo(dtype).eps
    found = set(distance.argmin(axis=1))
    assert found > {0, 1, 2} if flip else found == {0, 1, 2}  # all are drawn but with a probability below 1e-4


def test_drawing_leaves_the_images_as_they_are():
    values = pixels(4, 4, 1)
    source = ImageSet(InMemory("", values, 127.5), np.arange(4), CPU, "float32", flip=True)
    source.draw(16, np.random.default_rng(0))
    np.testing.assert_array_equal(values, pixels(4, 4, 1))


def test_a_minibatch_on_cupy_is_that_on_numpy():
    cupy = pytest.importorskip("cupy")
    if not cupy.cuda.is_available():
        pytest.skip("CuPy has no device")
    stored = InMemory("", pixels(6, 4, 3), 127.5)
    ours, theirs = (
        ImageSet(stored, np.arange(6), device, "float32", flip=True).draw(5, np.random.default_rng(0))
        for device in (CPU, Device(cupy, "cuda:0"))
    )
    assert isinstance(theirs, cupy.ndarray)
    np.testing.assert_allclose(to_numpy(theirs), ours, rtol=0, atol=2e-7)


def test_floating_point_images_are_taken_as_they_are(tmp_path):
    values = np.random.default_rng(0).uniform(-1, 1, (5, 4, 4, 1)).astype(np.float32)
    stored = open_images(write_hdf5(tmp_path / "a.h5", x=values), 4, 1)
    np.testing.assert_array_equal(ImageSet(stored, np.arange(5), CPU, "float32").first(5), values)
    beyond = open_images(write_hdf5(tmp_path / "b.h5", x=values * 255), 4, 1)
    with pytest.raises(ImageError, match="values between -1 and 1"):
        checksum(beyond)


def test_files_are_converted_to_the_channels_asked_for(tmp_path):
    grey, colour = pixels(1, 8, 1)[0], pixels(1, 8, 3)[0]
    Image.fromarray(grey[..., 0]).save(tmp_path / "grey.png")
    Image.fromarray(colour).save(tmp_path / "colour.png")
    weights = np.array([0.299, 0.587, 0.114])  # of ITU-R 601, which Pillow documents
    luma, _ = open_images(tmp_path, 8, 1).read(np.arange(2))
    np.testing.assert_allclose(luma[..., 0], colour @ weights, atol=1)
    _, tripled = open_images(tmp_path, 8, 3).read(np.arange(2))
    np.testing.assert_array_equal(tripled, np.repeat(grey, 3, axis=2))


def test_cropping_takes_the_largest_centred_square_and_resizes_it(tmp_path):
    wide = np.zeros((8, 20, 3), np.uint8)
    wide[:, 6:14] = 200
    Image.fromarray(wide).save(tmp_path / "wide.png")
    (image,) = open_images(tmp_path, 4, 3, crop=True).read(np.arange(1))
    np.testing.assert_array_equal(image, np.full((4, 4, 3), 200))


def test_the_digits_are_the_known_ones():
    """Sum over all pixels and the first image's row sums as scikit-learn 1.9's load_digits gives them."""
    stored = digits()
    assert stored.shape == (1797, 8, 8, 1)
    assert stored.values.max() == 16
    assert int(stored.values.sum()) == 561_718
    assert stored.values[0, ..., 0].sum(axis=1).tolist() == [28, 58, 39, 32, 30, 35, 43, 29]
    scaled = ImageSet(stored, np.arange(1797), CPU, "float32").first(1797)
    assert (scaled.min(), scaled.max()) == (-1, 1)


def test_the_checksum_tells_pixels_names_and_shapes_apart(tmp_path):
    values = pixels(5, 8, 1)
    write_folder(tmp_path / "x", values)
    folder = open_images(tmp_path / "x", 8, 1)
    first = checksum(folder)
    assert first == checksum(open_images(tmp_path / "x", 8, 1))
    assert first["data_hashed"].endswith("5 of 5 images, evenly spaced")
    (tmp_path / "x/a/000.png").rename(tmp_path / "x/a/0.png")
    changed = values.copy()
    changed[3, 2, 2] += 1
    arrays = (values, changed, values[:4], values.reshape(5, 4, 16, 1))
    others = [open_images(tmp_path / "x", 8, 1), *(InMemory("", array, 127.5) for array in arrays)]
    sums = {checksum(other)["data_sha256"] for other in others}
    assert len(sums | {first["data_sha256"]}) == 6


def test_the_checksum_reads_no_more_than_it_says(monkeypatch):
    monkeypatch.setattr(images, "HASHED", 4)
    values = pixels(50, 4, 1)
    assert checksum(InMemory("", values, 127.5))["data_hashed"].endswith("4 of 50 images, evenly spaced")


@pytest.mark.parametrize(
    ("datasets", "name", "message"),
    [
        ({"a": np.zeros((3, 8, 8, 3), "u1"), "b": np.zeros((3, 8, 8), "u1")}, "", "found 2; name one by data.dataset"),
        ({"a": np.zeros((3, 3, 8, 8), "u1")}, "", r"found 0; datasets there: /a \(3, 3, 8, 8\) uint8"),
        ({"a": np.zeros((3, 8, 8), "i4")}, "", "8-bit or floating-point, found 0"),
        ({}, "", "datasets there: none"),
        ({"a": np.zeros((3, 8, 8), "u1")}, "b", r"expected a dataset 'b' .* datasets there: /a"),
        ({"a": np.zeros((3, 8, 6), "u1")}, "", "expected images of 8 x 8 pixels with 1 channels, got 8 x 6 with 1"),
        ({"a": np.zeros((3, 8, 8, 3), "u1")}, "", "expected images of 8 x 8 pixels with 1 channels, got 8 x 8 with 3"),
    ],
)
def test_an_hdf5_file_that_does_not_fit_says_why(tmp_path, datasets, name, message):
    with pytest.raises(ImageError, match=message):
        open_images(write_hdf5(tmp_path / "a.h5", **datasets), 8, 1, dataset=name)


def test_a_named_dataset_is_taken_among_several(tmp_path):
    values = pixels(3, 8, 1)
    path = write_hdf5(tmp_path / "a.h5", a__x=values, a__y=values + 1)
    np.testing.assert_array_equal(open_images(path, 8, 1, dataset="a/y").read(np.arange(3)), values + 1)


def test_what_is_no_image_is_named(tmp_path):
    with pytest.raises(ImageError, match="gone: no such file or folder"):
        open_images(tmp_path / "gone", 8, 3)
    (tmp_path / "text.h5").write_text("text")
    with pytest.raises(ImageError, match=r"text.h5: can't be read as HDF5"):
        open_images(tmp_path / "text.h5", 8, 3)
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(ImageError, match="folder: no image files there"):
        open_images(folder, 8, 3)
    write_folder(folder, pixels(3, 8, 3))
    with pytest.raises(ImageError, match=r"000.png: expected 16 x 16 pixels, got 8 x 8; data.crop"):
        open_images(folder, 16, 3).read(np.arange(3))
    broken = folder / "a/001.png"
    broken.write_bytes(broken.read_bytes()[:60])
    with pytest.raises(ImageError, match=r"001.png: can't be read as an image"):
        open_images(folder, 8, 3).read(np.arange(3))
    Image.fromarray(np.zeros((8, 8), np.uint16)).save(broken)
    with pytest.raises(ImageError, match=r"001.png: expected 8 bits a channel"):
        open_images(folder, 8, 3).read(np.arange(3))
