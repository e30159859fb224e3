"""Sources of images: each kind gives the pixels that its files hold."""

import pickle
import subprocess
import sys
import warnings

import h5py
import numpy as np
import pytest
from PIL import Image
from source_files import (
    ROWS,
    celeba_files,
    cifar10_files,
    encoded,
    pixels,
    python_2_batch,
    unpack,
    write_idx,
    write_lsun,
    write_tar,
    write_zip,
)

from experiments import registry
from experiments.prepared import check, prepare
from experiments.sources import celeba, cifar10
from experiments.sources.fit import FILTERS, Fit, crop_of
from experiments.sources.source import ImageError, Request

KINDS = ["celeba", "cifar10", "folder", "hdf5", "idx", "lsun", "npz"]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(cifar10, "ROWS", ROWS)


def opened(kind, path, **request):
    return registry.find("sources", kind, "open_source").open_source(path, Request(**request))


def everything(source, start=0, stop=None):
    """Pixels and labels."""
    items = list(source.items(start, source.count if stop is None else stop))
    keep = Fit(None, None, pads=False)
    return np.stack([keep(source.decode(item)) for item in items]), np.array([item.label for item in items])


def test_every_file_is_a_kind():
    assert registry.kinds("sources", "open_source") == KINDS


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("part", "prefix"), [("train", "train"), ("test", "t10k")])
def test_idx(tmp_path, packed, part, prefix):
    images, labels = pixels(7, 5, 4, 1), np.arange(7)
    write_idx(tmp_path, images[..., 0], labels, prefix, packed)
    source = opened("idx", tmp_path, part=part)
    assert source.count == 7
    for found, expected in zip(everything(source, 2, 6), (images[2:6], labels[2:6]), strict=True):
        np.testing.assert_array_equal(found, expected)
    single = opened("idx", next(tmp_path.glob("*images*")))
    np.testing.assert_array_equal(everything(single)[1], labels)


@pytest.mark.parametrize("shape", [(6, 5, 4), (6, 5, 4, 1), (6, 5, 4, 3)])
def test_numpy_files(tmp_path, shape):
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    np.save(tmp_path / "a.npy", images)
    np.savez(tmp_path / "a.npz", images=images, labels=np.arange(6))
    np.savez_compressed(tmp_path / "b.npz", images=images, y=np.arange(6)[:, None])
    expected = images.reshape(6, 5, 4, -1)
    for name in ("a.npy", "a.npz", "b.npz"):
        source = opened("npz", tmp_path / name)
        found, labels = everything(source, 1, 5)
        np.testing.assert_array_equal(found, expected[1:5])
        assert source.labelled == name.endswith("npz")
        np.testing.assert_array_equal(labels, range(1, 5) if source.labelled else [0] * 4)


@pytest.mark.parametrize("chunks", [None, (2, 5, 4, 3), (5, 3, 4, 1)])
def test_hdf5_files(tmp_path, chunks, monkeypatch):
    monkeypatch.setattr("experiments.sources.hdf5.AT_ONCE", 150)
    images = pixels(11, 5, 4, 3)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x/y", data=images, chunks=chunks)
        file["labels"] = np.arange(11)
    source = opened("hdf5", tmp_path / "a.h5")
    for start, stop in ((0, 11), (3, 8), (10, 11)):
        np.testing.assert_array_equal(everything(source, start, stop)[0], images[start:stop])


def test_a_folder_of_every_kind_of_file(tmp_path):
    """Grey, palette, transparent, CMYK and 16 bits come out as the colours that they stand for."""
    grey, colour = pixels(1, 6, 6, 1)[0], pixels(1, 6, 6, 3)[0]
    (tmp_path / "0.png").write_bytes(encoded(grey))
    palette = Image.fromarray(colour).quantize(8)
    palette.save(tmp_path / "1.gif")
    Image.fromarray(np.concatenate([colour, np.zeros((6, 6, 1), np.uint8)], -1)).save(tmp_path / "2.png")
    cmyk = Image.fromarray(colour).convert("CMYK")
    cmyk.save(tmp_path / "3.tif")
    Image.fromarray((grey[..., 0].astype(np.uint16) << 8) + 255).save(tmp_path / "4.png")
    found, _ = everything(opened("folder", tmp_path))
    same_grey = np.repeat(grey, 3, axis=-1)
    expected = [same_grey, palette.convert("RGB"), np.full((6, 6, 3), 255), cmyk.convert("RGB"), same_grey]
    for image, wanted in zip(found, expected, strict=True):
        np.testing.assert_array_equal(image, np.asarray(wanted))
    assert list(opened("folder", tmp_path).names(2)) == ["0.png", "1.gif"]
    assert everything(opened("folder", tmp_path, channels=1))[0].shape == (5, 6, 6, 1)


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize("form", ["w:gz", "w", "folder", "batches"])
def test_cifar10(tmp_path, binary, part, form):
    files, parts = cifar10_files(binary)
    if form in ("folder", "batches"):
        path = unpack(tmp_path, files)
        path = path / next(iter(files)).partition("/")[0] if form == "batches" else path
    else:
        path = write_tar(tmp_path / "cifar.tar", files, form)
    source = opened("cifar10", path, part=part)
    found, labels = everything(source)
    np.testing.assert_array_equal(found, parts[part][0])
    np.testing.assert_array_equal(labels, parts[part][1])
    if part == "train":
        np.testing.assert_array_equal(everything(source, ROWS - 3, 2 * ROWS + 3)[0], found[ROWS - 3 : 2 * ROWS + 3])


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("order", ["C", "F"])
def test_cifar10_pickled_again_by_this_python(tmp_path, protocol, order):
    def write(images, labels, name):
        data = np.asarray(images.transpose(0, 3, 1, 2).reshape(len(images), -1), order=order)
        return pickle.dumps({"data": data, "labels": labels.tolist(), "batch_label": name}, protocol)

    files, parts = cifar10_files(write=write)
    np.testing.assert_array_equal(everything(opened("cifar10", unpack(tmp_path, files)))[0], parts["train"][0])


class Harm:
    def __reduce__(self):
        return print, ("harm",)


@pytest.mark.parametrize("harm", [Harm(), np.array([Harm()], object), np.float64, np.zeros((ROWS, 3072)), 7])
def test_a_pickle_runs_nothing(tmp_path, capsys, harm):
    files, _ = cifar10_files(write=lambda *_: pickle.dumps({"data": harm, "labels": [0] * ROWS}, 2))
    source = opened("cifar10", unpack(tmp_path, files))
    with pytest.raises(ImageError, match=r"data_batch_1: can't be read as a batch of CIFAR-10 \("):
        everything(source)
    assert "harm" not in capsys.readouterr().out


def test_a_pickle_takes_no_memory_that_it_has_no_bytes_for(tmp_path):
    """The reader of pickles in C makes a table of 2**32 places for this."""
    files, _ = cifar10_files(write=lambda *_: b"\x80\x02N" + pickle.LONG_BINPUT + b"\xff\xff\xff\xff.")
    with pytest.raises(ImageError, match="data_batch_1: can't be read"):
        everything(opened("cifar10", unpack(tmp_path, files)))


def test_the_test_file_of_cifar10_is_what_python_reads_too():
    """The batches made here opcode by opcode are pickles that NumPy itself takes for an array."""
    images, labels = pixels(ROWS, 32, 32, 3), np.arange(ROWS) % 10
    found = pickle.loads(python_2_batch(images, labels, "x"), encoding="bytes")
    np.testing.assert_array_equal(found[b"data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), images)
    assert found[b"labels"] == labels.tolist()


@pytest.mark.parametrize("form", ["zip", "folder", "inside"])
@pytest.mark.parametrize("part", ["", "train", "valid", "test"])
def test_celeba(tmp_path, form, part):
    files, partition, images = celeba_files()
    (tmp_path / celeba.PARTITION).write_bytes(partition)
    if form == "zip":
        path = write_zip(tmp_path / f"{celeba.IMAGES}.zip", files)
    else:
        path = unpack(tmp_path, files) / ("" if form == "inside" else celeba.IMAGES)
    source = opened("celeba", path, part=part)
    chosen = {"": slice(9), "train": slice(3), "valid": slice(3, 6), "test": slice(6, 9)}[part]
    np.testing.assert_allclose(everything(source)[0].astype(int), images[chosen].astype(int), atol=8)
    assert next(source.names(1)).endswith(f"{(chosen.start or 0) + 1:06}.jpg")


@pytest.mark.parametrize("name", sorted(celeba.CROPS))
def test_crops_of_celeba_are_square_and_inside(tmp_path, name):
    """Rows and columns are the values of the first two channels, so that the middle of what comes out is the box's."""
    files, _, _ = celeba_files(1)
    source = opened("celeba", unpack(tmp_path, files))
    prepare(source, tmp_path / "a.h5", "celeba", Fit(64, crop_of(name, source.crops), pads=False))
    left, top, right, bottom = source.crops[name].box
    assert right - left == bottom - top
    found = check(tmp_path / "a.h5", 1)
    assert found.shape == (1, 64, 64, 3)
    row, column = found.mean[:2]
    # nearest takes the left upper one of two
    assert abs(row - ((top + bottom - 1) / 2)) < 0.7
    assert abs(column - ((left + right - 1) / 2)) < 0.7
    assert found.attributes["crop"] == f"{name} {left},{top},{right},{bottom} {source.crops[name].filter}"
    assert source.crops[name].filter in FILTERS


def test_celeba_without_an_image_of_its_partition(tmp_path):
    files, partition, _ = celeba_files()
    del files[f"{celeba.IMAGES}/000004.jpg"]
    unpack(tmp_path, files)
    assert opened("celeba", tmp_path).count == 8
    with pytest.raises(ImageError, match=r"--part train needs list_eval_partition.txt"):
        opened("celeba", tmp_path, part="train")
    (tmp_path / celeba.PARTITION).write_bytes(partition)
    with pytest.raises(ImageError, match=r"1 images of .*list_eval_partition.txt missing, such as 000004"):
        opened("celeba", tmp_path)


@pytest.mark.parametrize("count", [1, 5, 400])
def test_lsun(tmp_path, count):
    """As LMDB has written it, with small values inside pages and large ones beyond them, on one level or several."""
    images = pixels(count, 40, 50, 3)
    forms = ("webp", "jpeg", "png")
    values = [
        encoded(image, forms[n % 3], **({"lossless": True} if n % 3 == 0 else {})) for n, image in enumerate(images)
    ]
    values[-1] = encoded(np.zeros((40, 50, 3), np.uint8))
    assert len(values[-1]) < 2000 < len(values[0]) or count == 1
    write_lsun(tmp_path, values)
    (tmp_path / "lock.mdb").unlink()
    source = opened("lsun", tmp_path)
    items = list(source.items(0, count))
    assert [item.data for item in items] == values
    assert [item.data for item in source.items(count // 3, count // 2)] == values[count // 3 : count // 2]
    assert list(source.names(count)) == [f"{number:040x}" for number in range(count)]
    assert np.asarray(source.decode(items[-1])).max() == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.mdb"]


def test_lsun_after_deletions_and_in_many_transactions(tmp_path):
    import lmdb

    rng = np.random.default_rng(0)
    kept = {}
    with lmdb.open(str(tmp_path), map_size=1 << 26) as environment:
        for _ in range(20):
            with environment.begin(write=True) as transaction:
                for _ in range(50):
                    key = rng.bytes(20).hex().encode()
                    kept[key] = b"\xff\xd8\xff" + rng.bytes(int(rng.choice([10, 1000, 3000, 20_000])))
                    transaction.put(key, kept[key])
                for key in list(kept)[::7]:
                    transaction.delete(key)
                    del kept[key]
    source = opened("lsun", tmp_path)
    assert [item.data for item in source.items(0, source.count)] == [kept[key] for key in sorted(kept)]


def test_no_flipped_byte_of_lsun_crashes(tmp_path):
    """Every byte that says where something lies, one at a time; what is read is right or an error."""
    write_lsun(tmp_path / "a", [encoded(image) for image in pixels(60, 8, 8, 3)])
    content = (tmp_path / "a/data.mdb").read_bytes()
    rng = np.random.default_rng(0)
    pages = range(0, len(content), 4096)
    places = [*range(200), *range(4096, 4296), *(page + rng.integers(0, 100) for page in pages for _ in range(30))]
    path = tmp_path / "data.mdb"
    told = set()
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        try:
            source = opened("lsun", path)
            list(source.items(0, source.count))
        except ImageError as error:
            told.add(str(error))
    assert all(str(path) in message and "\n" not in message for message in told)
    assert len(told) > 50


def test_pages_of_lsun_in_each_others_place(tmp_path):
    """Two leaf pages, which are whole by themselves."""
    write_lsun(tmp_path, [b"\xff\xd8\xff" + bytes(100)] * 400)
    source, path = opened("lsun", tmp_path), tmp_path / "data.mdb"
    one, other = (4096 * int(number) for number in source._database._leaf_numbers[:2])
    content = bytearray(path.read_bytes())
    content[one : one + 4096], content[other : other + 4096] = content[other : other + 4096], content[one : one + 4096]
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"data.mdb: damaged: page \d+ calls itself \d+ "):
        opened("lsun", tmp_path)


@pytest.mark.slow
def test_a_truncated_lsun_is_an_error_in_a_process_of_its_own(tmp_path):
    write_lsun(tmp_path / "a", [encoded(image) for image in pixels(60, 8, 8, 3)])
    content = (tmp_path / "a/data.mdb").read_bytes()
    for length in (0, 10, 4096, 5000, 8192, len(content) // 2, len(content) - 1):
        (tmp_path / "data.mdb").write_bytes(content[:length])
        with pytest.raises(ImageError, match=r"data.mdb: "):
            opened("lsun", tmp_path / "data.mdb")
    (tmp_path / "data.mdb").write_bytes(content[:-4096])
    command = [sys.executable, "-m", "experiments", "data", "prepare", "lsun", tmp_path / "data.mdb", tmp_path / "o.h5"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"error: {tmp_path / 'data.mdb'}: truncated: expected ")


def test_a_value_of_lsun_that_is_no_image(tmp_path):
    write_lsun(tmp_path, [encoded(pixels(1, 8, 8, 3)[0]), b"text"])
    with pytest.raises(
        ImageError, match=r"data.mdb: 0{39}1: expected a WebP, JPEG or PNG file, got one that begins 74"
    ):
        everything(opened("lsun", tmp_path))


def test_other_files_of_a_folder_are_told_of_once(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(pixels(1, 8, 8, 3)[0]))
    (tmp_path / "notes.txt").write_text("text")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        opened("folder", tmp_path)
    assert [str(each.message) for each in caught] == [
        f"{tmp_path}: 1 files taken for images, 1 not, whose names end in .txt (1)"
    ]
