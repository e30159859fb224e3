"""Images from files, folders and the package: what is read is what was written, and what can't be used says why."""

from __future__ import annotations

import os
import struct
import zlib

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from coulombfield.arrays import Device, to_numpy
from experiments.data import digits as digits_module
from experiments.data import stored as storage
from experiments.data.digits import digits
from experiments.data.images import Config, open_images
from experiments.data.stored import ImageError, ImageSet, InMemory, checksum, into_memory

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
    monkeypatch.setattr(storage, "BLOCK", 3)
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
    assert {image % 3 for image in found} == {0, 1, 2}  # all are drawn but with a probability below 1e-4
    assert (max(found) >= 3) == flip


def test_drawing_leaves_the_images_as_they_are():
    values = pixels(4, 4, 1)
    source = ImageSet(InMemory("", values, 127.5), np.arange(4), CPU, "float32", flip=True)
    source.draw(16, np.random.default_rng(0))
    np.testing.assert_array_equal(values, pixels(4, 4, 1))


def test_a_minibatch_on_cupy_is_that_on_numpy(cupy):
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


def test_the_checksum_reads_no_more_than_it_says(tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "HASHED", 4)
    values = pixels(50, 4, 1)
    stored = open_images(write_hdf5(tmp_path / "a.h5", x=values), 4, 1)
    assert checksum(stored)["data_hashed"].endswith("4 of 50 images, evenly spaced")
    assert checksum(into_memory(stored))["data_hashed"] == "shape and all 50 images"


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


@pytest.mark.parametrize("dtype", ["u1", "f4"])
@pytest.mark.parametrize(
    ("options", "direct"),
    [
        ({}, True),
        ({"chunks": (1, 8, 8, 3)}, True),
        ({"chunks": (3, 8, 8, 3)}, True),
        ({"chunks": (1, 8, 8, 3), "libver": "latest"}, True),
        ({"chunks": (1, 8, 4, 3)}, False),
        ({"chunks": (1, 8, 8, 3), "compression": "gzip"}, False),
        ({"chunks": (1, 8, 8, 3), "fletcher32": True}, False),
        ({"userblock_size": 1024}, False),
        ({"external": [("a.raw", 0, 10**6)]}, False),
    ],
)
def test_images_that_lie_in_the_file_as_they_are_are_read_without_hdf5(tmp_path, monkeypatch, dtype, options, direct):
    values = (pixels(20, 8, 3) / (1 if dtype == "u1" else 255)).astype(dtype)
    monkeypatch.chdir(tmp_path)
    of_file = {name: options[name] for name in ("libver", "userblock_size") if name in options}
    with h5py.File("a.h5", "w", **of_file) as file:
        file.create_dataset("other", data=np.zeros(7))
        rest = {name: value for name, value in options.items() if name not in of_file}
        file.create_dataset("images", data=values, **rest)
    stored, index = open_images(tmp_path / "a.h5", 8, 3), np.array([19, 3, 3, 0, 7])
    assert (stored._places is not None) == direct
    np.testing.assert_array_equal(stored.read(index), values[index])
    assert stored.read(index[:0]).shape == (0, 8, 8, 3)


def test_chunks_that_were_never_written_are_read_by_hdf5(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("images", (9, 8, 8, 3), np.uint8, chunks=(1, 8, 8, 3), fillvalue=7)
        file["images"][4] = 1
    found = open_images(tmp_path / "a.h5", 8, 3).read(np.arange(9))
    assert (found[4] == 1).all()
    assert (found[[0, 8]] == 7).all()


def test_a_file_that_is_cut_while_it_is_read_is_an_error(tmp_path):
    path = write_hdf5(tmp_path / "a.h5", images=pixels(30, 8, 3))
    stored = open_images(path, 8, 3)
    os.truncate(path, path.stat().st_size - 100)
    with pytest.raises(ImageError, match=r"a.h5: truncated: an image is missing at byte \d+"):
        stored.read(np.arange(30))


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
    Image.fromarray(np.zeros((8, 8), np.float32)).save(folder / "a/001.tif")
    broken.unlink()
    with pytest.raises(ImageError, match=r"001.tif: expected 8 or 16 bits a channel, got an image of mode F"):
        open_images(folder, 8, 3).read(np.arange(3))


def picture(path, channels=3, size=8, **settings):
    """The only picture of a folder."""
    (image,) = open_images(path, size, channels, **settings).read(np.arange(1))
    return image


TURNED = {  # by what is stored: how it came from the upright picture
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: np.rot90(upright, 2),
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: np.rot90(upright),
    7: lambda upright: np.rot90(upright, 2).swapaxes(0, 1),
    8: lambda upright: np.rot90(upright, -1),
}


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
def test_a_picture_is_turned_as_its_exif_data_say(tmp_path, suffix, channels, orientation):
    """As a telephone writes it: the sky is above, whichever way it was held."""
    upright = np.zeros((8, 8, 3), np.uint8)
    upright[:4], upright[4:, :4] = 255, 128
    tag = Image.Exif()
    tag[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(TURNED[orientation](upright)))
    exact = {"lossless": True} if suffix == "webp" else {"quality": 100, "subsampling": 0} if suffix == "jpg" else {}
    stored.convert("RGB" if channels == 3 else "L").save(tmp_path / f"a.{suffix}", exif=tag, **exact)
    np.testing.assert_allclose(picture(tmp_path, channels).astype(int), upright[..., :channels], atol=3)


def test_a_picture_is_turned_before_its_size_counts_and_before_it_is_cropped(tmp_path):
    upright = np.zeros((8, 16, 3), np.uint8)
    upright[:, 4:8] = 255
    tag = Image.Exif()
    tag[0x0112] = 6
    Image.fromarray(np.rot90(upright)).save(tmp_path / "a.png", exif=tag)
    with pytest.raises(ImageError, match="expected 8 x 8 pixels, got 16 x 8"):
        picture(tmp_path)
    np.testing.assert_array_equal(picture(tmp_path, crop=True), upright[:, 4:12])


def test_exif_data_that_say_nothing_turn_nothing(tmp_path):
    values = pixels(1, 8, 3)[0]
    for number, orientation in enumerate((0, 9)):
        tag = Image.Exif()
        tag[0x0112] = orientation
        Image.fromarray(values).save(tmp_path / f"{number}.png", exif=tag)
    for number, content in enumerate((b"MM\0*\0\0\0\x08\xff\xff", b"MM", b"no EXIF data", bytes(8)), 2):
        Image.fromarray(values).save(tmp_path / f"{number}.png", exif=b"Exif\0\0" + content)
    for image in open_images(tmp_path, 8, 3).read(np.arange(6)):
        np.testing.assert_array_equal(image, values)


def hidden(kind):
    """Noise that nothing shows, and how it is stored."""
    noise = pixels(1, 8, 4, seed=1)[0]
    noise[..., 3] = 0
    rgba = Image.fromarray(noise)
    if kind == "palette":
        image = Image.fromarray(np.zeros((8, 8), np.uint8), "P")
        image.putpalette([255, 0, 255])
        return image, {"transparency": 0}
    if kind == "one colour":
        return Image.new("RGB", (8, 8), (255, 0, 255)), {"transparency": (255, 0, 255)}
    if kind == "one grey":
        return Image.new("L", (8, 8), 77), {"transparency": 77}
    if kind == "one grey of 16 bits":
        return Image.fromarray(np.full((8, 8), 300, np.uint16)), {"transparency": 300}
    return rgba.convert(kind), {}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("suffix", "kind"),
    [
        ("png", "RGBA"),
        ("png", "LA"),
        ("png", "palette"),
        ("png", "one colour"),
        ("png", "one grey"),
        ("png", "one grey of 16 bits"),
        ("gif", "palette"),
        ("webp", "RGBA"),
        ("tif", "RGBA"),
        ("tga", "RGBA"),
    ],
)
@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated")
def test_what_is_transparent_is_white(tmp_path, suffix, kind, channels):
    image, settings = hidden(kind)
    exact = {"lossless": True, "exact": True} if suffix == "webp" else {}
    image.save(tmp_path / f"a.{suffix}", **settings, **exact)
    np.testing.assert_array_equal(picture(tmp_path, channels), 255)


def test_what_is_half_transparent_lies_over_white(tmp_path):
    values = pixels(1, 8, 4)[0]
    Image.fromarray(values).save(tmp_path / "a.png")
    share = values[..., 3:] / 255
    np.testing.assert_allclose(picture(tmp_path), values[..., :3] * share + 255 * (1 - share), atol=1)


@pytest.mark.parametrize("channels", [1, 3])
def test_of_16_bits_the_upper_8_are_taken(tmp_path, channels):
    """Of grey as of colours, which Pillow cuts itself."""
    values = np.random.default_rng(0).integers(0, 2**16, (8, 8)).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / "grey.png")
    (tmp_path / "grey.pgm").write_bytes(b"P5 8 8 65535 " + values.astype(">u2").tobytes())
    (tmp_path / "colour.png").write_bytes(png_of_16_bits(values))
    for image in open_images(tmp_path, 8, channels).read(np.arange(3)):
        np.testing.assert_array_equal(image, np.repeat(values[..., None] >> 8, channels, axis=2))


def png_of_16_bits(values):
    """A PNG in colour, all channels alike: Pillow writes none of 16 bits."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    rows = np.repeat(values[..., None], 3, axis=2).astype(">u2").reshape(len(values), -1)
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, 2, 0, 0, 0)
    content = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", content) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "name",
    [
        "._a.png",
        "__MACOSX/._a.png",
        "__MACOSX/b.png",
        ".ipynb_checkpoints/a-checkpoint.png",
        ".thumbnails/t.png",
        ".Trash-1000/files/b.png",
        "b/.hidden/c.png",
        ".DS_Store",
    ],
)
def test_what_a_system_puts_among_the_images_is_passed_over(tmp_path, name):
    path = tmp_path / ".cache/images"  # of the folder itself, the user has chosen the name
    for inner in ("a.png", name):
        (path / inner).parent.mkdir(exist_ok=True, parents=True)
        (path / inner).write_bytes(b"\0\5\26\7" + bytes(100))
    Image.fromarray(pixels(1, 8, 3)[0]).save(path / "a.png")
    np.testing.assert_array_equal(picture(path), pixels(1, 8, 3)[0])


@pytest.mark.parametrize("name", ["a.jfif", "a.jpe", "a.JPG", "a.tga", "a.jp2", "a.avif"])
def test_pictures_by_all_their_names_are_taken(tmp_path, name):
    try:
        Image.new("RGB", (8, 8), (9, 99, 199)).save(tmp_path / name)
    except (OSError, KeyError):
        pytest.skip("Pillow lacks this format")
    np.testing.assert_allclose(picture(tmp_path).astype(int), np.broadcast_to((9, 99, 199), (8, 8, 3)), atol=5)


def test_one_line_tells_of_the_files_that_are_not_taken(tmp_path):
    write_folder(tmp_path, pixels(3, 8, 3))
    for name in ("a.txt", "b.TXT", "README"):
        (tmp_path / name).write_text("no image")
    message = r"3 files taken for images, 3 not, whose names end in \.txt \(2\), nothing \(1\)$"
    with pytest.warns(UserWarning, match=message) as caught:
        assert open_images(tmp_path, 8, 3).shape[0] == 3
    assert len(caught) == 1


CHUNKS = {
    "one image": (1, 8, 8, 3),
    "thin": (20, 2, 2, 1),
    "all images": (60, 8, 8, 3),
    "tall, with a rest": (7, 8, 8, 3),
    "contiguous": None,
}


@pytest.mark.parametrize("chunks", CHUNKS.values(), ids=CHUNKS.keys())
def test_hdf5_images_are_the_same_in_any_chunks(tmp_path, monkeypatch, chunks):
    monkeypatch.setattr(storage, "BLOCK", 16)
    values = pixels(60, 8, 3)
    with h5py.File(tmp_path / "a.h5", "w", rdcc_nbytes=1 << 20) as file:
        file.create_dataset("x", data=values, chunks=chunks, compression="gzip" if chunks else None)
    stored = open_images(tmp_path / "a.h5", 8, 3)
    index = np.array([59, 3, 3, 20, 19, 41, 0, 4])
    for together in {1, (chunks or (1,))[0]}:
        stored.together = together
        np.testing.assert_array_equal(stored.read(index), values[index])
        np.testing.assert_array_equal(into_memory(stored).values, values)
        assert stored.read(index[:0]).shape == (0, 8, 8, 3)


@pytest.mark.slow
def test_chunks_are_decompressed_once(tmp_path):
    """Those that h5py picks, which hold thin pieces of thousands of images: else an image takes as long as all."""
    values = np.random.default_rng(0).integers(0, 16, (6_000, 32, 32, 3), dtype=np.uint8)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        chunks = file.create_dataset("x", data=values, compression="lzf", chunks=(2800, 8, 8, 3)).chunks
    stored = open_images(tmp_path / "a.h5", 32, 3)
    assert stored.together == chunks[0]
    reads, data = [], stored._data

    class Counted:
        shape = data.shape

        def __getitem__(self, part):
            reads.append(part)
            return data[part]

    stored._data = Counted()
    np.testing.assert_array_equal(into_memory(stored).values, values)
    assert [part.start for part in reads] == list(range(0, 6_000, chunks[0]))
    reads.clear()
    index = np.sort(np.random.default_rng(1).integers(0, 6_000, 500))
    np.testing.assert_array_equal(stored.read(index), values[index])
    assert len(reads) == 3


def test_images_that_stay_on_disk_in_tall_chunks_say_what_to_do(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset(
            "x", data=np.zeros((400, 64, 64, 3), np.uint8), chunks=(800, 64, 64, 3), maxshape=(None, 64, 64, 3)
        )
        file.create_dataset("y", data=np.zeros((400, 64, 64, 3), np.uint8), chunks=(1, 64, 64, 3))
    stored = open_images(tmp_path / "a.h5", 64, 3, dataset="x")
    with pytest.warns(UserWarning, match=r"a.h5:/x: lies in chunks of shape \(800, 64, 64, 3\).*CHUNK=1x64x64x3 "):
        assert into_memory(stored, 1 << 20) is stored
    assert into_memory(open_images(tmp_path / "a.h5", 64, 3, dataset="y"), 1 << 20).name == f"{tmp_path}/a.h5:/y"


def damaged_hdf5(path, change):
    """A file whose compressed pixels, or another part of it, are damaged."""
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=pixels(40, 8, 1), compression="gzip", chunks=(40, 8, 8, 1))
        where = file["x"].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    change(content, where)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_hdf5_file_is_named_in_one_line_or_read(tmp_path, seed):
    """Wherever the damage is: when the file is opened, looked through or read."""
    rng = np.random.default_rng(seed)

    def change(content, where):
        places = rng.integers(0, len(content) if seed % 2 else where, 1 + seed % 4)
        for place in places:
            content[place] ^= 1 << rng.integers(8)

    path = damaged_hdf5(tmp_path / "a.h5", change)
    message = ""
    try:
        into_memory(open_images(path, 8, 1))
    except ImageError as error:
        message = str(error)
    assert not message or message.startswith(f"{path}")
    assert "\n" not in message


def test_damaged_pixels_are_named_when_they_are_read(tmp_path):
    def change(content, where):
        content[where + 20] ^= 255

    stored = open_images(damaged_hdf5(tmp_path / "a.h5", change), 8, 1)
    with pytest.raises(ImageError, match=r"a.h5: can't be read as HDF5 \(.*filter"):
        into_memory(stored)


@pytest.mark.parametrize("content", [None, b"", b"PK\3\4", b"text", b"\x80\4]."])
def test_the_package_s_own_digits_are_named_where_they_are_damaged(tmp_path, monkeypatch, content):
    if content is not None:
        (tmp_path / "digits.npz").write_bytes(content)
    monkeypatch.setattr(digits_module.importlib.resources, "files", lambda _: tmp_path)
    with pytest.raises(ImageError, match=r"^.*digits\.npz: damaged, or not there \(\w+\); install again$"):
        digits()


def test_a_checksum_that_the_images_must_have(tmp_path):
    values = np.random.default_rng(0).uniform(-1, 1, (40, 8, 8, 1)).astype(np.float32)
    path = write_hdf5(tmp_path / "a.h5", x=values)

    def provenance(sha256=""):
        config = Config(path=str(path), size=8, channels=1, held_out=4, sha256=sha256)
        return config.open(batch=4, rng=np.random.default_rng(0), dtype="float32", device=CPU).provenance()

    found = provenance()["data_sha256"]
    assert provenance(found)["data_sha256"] == found
    content = bytearray(path.read_bytes())
    content[content.index(values[20].tobytes()) + 100] ^= 1  # one bit of one pixel
    path.write_bytes(content)
    with pytest.raises(
        ImageError, match=rf"a.h5:/x: expected the checksum data.sha256 = {found}, got .* all 40 images"
    ):
        provenance(found)
