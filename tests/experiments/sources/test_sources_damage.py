"""Damaged sources: each is one line that names the file, and nothing is left behind."""

import pickle
import zipfile

import h5py
import numpy as np
import pytest
from source_files import (
    ROWS,
    celeba_files,
    cifar10_files,
    encoded,
    pixels,
    unpack,
    write_idx,
    write_lsun,
    write_tar,
    write_zip,
)

from experiments.__main__ import main
from experiments.sources import celeba, cifar10
from experiments.sources.npz import NumPySource
from experiments.sources.source import ImageError

TRUNCATIONS = [0, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97, 0.99, -1]
"""What is left of a file: a share of it, or all but so many bytes."""
PLACES = range(10)


def truncated(path, left):
    content = path.read_bytes()
    path.write_bytes(content[: int(left * len(content)) if left >= 0 else left])


def flipped(path, place, begin=0, end=None):
    """One byte changed, at the place-th of :data:`PLACES` steps between two offsets."""
    content = bytearray(path.read_bytes())
    end = len(content) if end is None else end
    content[begin + (end - begin) * place // len(PLACES)] ^= 0x55
    path.write_bytes(content)


def idx(folder, packed=True):
    write_idx(folder, pixels(30, 8, 8, 1)[..., 0], np.arange(30) % 10, packed=packed)
    return {name: next(folder.glob(f"*{name}*")) for name in ("images", "labels")}


def npz(folder, save=np.savez):
    path = folder / "a.npz"
    save(path, images=pixels(30, 8, 8, 3), labels=np.arange(30))
    return path


def npy(folder):
    path = folder / "a.npy"
    np.save(path, pixels(30, 8, 8, 3))
    return path


def hdf5(folder):
    path = folder / "in.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("images", data=pixels(30, 8, 8, 3), chunks=(1, 8, 8, 3), fletcher32=True)
    return path


def cifar(folder, binary=False, **options):
    return unpack(folder, cifar10_files(binary, **options)[0])


def faces(folder, **replaced):
    files, partition, _ = celeba_files(6)
    (folder / celeba.PARTITION).write_bytes(partition)
    return {**files, **{f"{celeba.IMAGES}/{name}.jpg": content for name, content in replaced.items()}}


def pictures(folder, form="png"):
    for number, image in enumerate(pixels(5, 64, 64, 3)):
        (folder / f"{number}.{form}").write_bytes(encoded(image // 8 * 8, form))
    return folder / f"3.{form}"


def lsun(folder, *more):
    return write_lsun(folder, [*(encoded(image) for image in pixels(40, 30, 30, 3)), *more]) / "data.mdb"


def cases():
    """Kind, name of the case, and what makes the source in a folder: its path, and the file that is to be named."""
    for left in TRUNCATIONS:
        for packed in (True, False):
            for part in ("images", "labels"):
                yield "idx", f"{part} {'packed' * packed} cut to {left}", _idx(truncated, part, packed, left)
        yield "npz", f"npz cut to {left}", _one(npz, truncated, left)
        yield "npz", f"npy cut to {left}", _one(npy, truncated, left)
        yield "hdf5", f"cut to {left}", _one(hdf5, truncated, left)
        yield "cifar10", f"archive cut to {left}", _archive(truncated, left)
        yield "cifar10", f"python batch cut to {left}", _batch(False, truncated, left)
        yield "cifar10", f"binary batch cut to {left}", _batch(True, truncated, left)
        yield "celeba", f"zip cut to {left}", _faces_zip(truncated, left)
        yield "lsun", f"cut to {left}", _one(lsun, truncated, left)
        yield "folder", f"png cut to {left}", _inside(pictures, truncated, 0.95 if left == -1 else left)
        yield (
            "folder",
            f"jpeg cut to {left}",
            _inside(lambda folder: pictures(folder, "jpeg"), truncated, min(left, 0.9)),
        )
    for place in PLACES:
        for part in ("images", "labels"):
            yield "idx", f"{part} packed, byte {place}", _idx(flipped, part, True, place, 10)
        yield "idx", f"images plain, byte {place}", _idx(flipped, "images", False, place, 0, 16)
        yield "npz", f"npz byte {place}", _one(npz, flipped, place, 200, 30 * 192)
        yield "npz", f"npz packed, byte {place}", _one(lambda f: npz(f, np.savez_compressed), flipped, place, 200, 4000)
        yield "npz", f"npy byte {place}", _one(npy, flipped, place, 0, 10)
        yield "hdf5", f"signature {place}", _one(hdf5, flipped, place, 0, 8)
        yield "hdf5", f"pixels {place}", _one(hdf5, _pixel_flipped, place)
        yield "cifar10", f"archive byte {place}", _archive(flipped, place, 40)
        yield "celeba", f"zip byte {place}", _faces_zip(flipped, place, 100, 40_000)
        yield "folder", f"png byte {place}", _inside(pictures, flipped, place)
        yield "lsun", f"page {place}", _one(lsun, _pages_swapped, place)
    yield from _wrong()


def _one(make, harm, *arguments):
    def source(folder):
        path = make(folder)
        harm(path, *arguments)
        return path, path

    return source


def _inside(make, harm, *arguments):
    def source(folder):
        path = make(folder)
        harm(path, *arguments)
        return folder, path

    return source


def _idx(harm, part, packed, *arguments):
    def source(folder):
        paths = idx(folder, packed)
        harm(paths[part], *arguments)
        return folder, paths[part]

    return source


def _archive(harm, *arguments):
    def source(folder):
        path = write_tar(folder / "cifar.tar.gz", cifar10_files()[0])
        harm(path, *arguments)
        return path, path

    return source


def _batch(binary, harm, *arguments):
    def source(folder):
        path = next(cifar(folder, binary).rglob("data_batch_4*"))
        harm(path, *arguments)
        return folder, path

    return source


def _faces_zip(harm, *arguments):
    def source(folder):
        path = write_zip(folder / f"{celeba.IMAGES}.zip", faces(folder))
        harm(path, *arguments)
        return path, path

    return source


def _pages_swapped(path, place):
    """A page of the tree or of values has the content of another one."""
    content = bytearray(path.read_bytes())
    pages = len(content) // 4096
    one = 2 + place
    content[one * 4096 : (one + 1) * 4096] = content[(pages - 1) * 4096 :]
    path.write_bytes(content)


def _pixel_flipped(path, place):
    with h5py.File(path) as file:
        start = file["images"].id.get_chunk_info(place).byte_offset
    flipped(path, 0, start + place)


def _wrong():
    """Files that are whole and not what they should be."""
    for kind in ("folder", "idx", "celeba", "cifar10", "lsun", "npz", "hdf5"):
        yield kind, "an empty folder", lambda folder: (folder, folder)
        yield kind, "nothing", lambda folder: (folder / "gone", folder / "gone")
        yield kind, "text", lambda folder: (_text(folder / "text"), folder / "text")
    yield "folder", "a png that is text", _inside(pictures, lambda path: path.write_text("text"))
    yield "folder", "an empty png", _inside(pictures, lambda path: path.write_bytes(b""))
    yield "folder", "another size", _inside(pictures, lambda path: path.write_bytes(encoded(pixels(1, 60, 64, 3)[0])))
    yield (
        "folder",
        "a link to nothing",
        _inside(pictures, _link_to_nothing),
    )
    for name in (*cifar10.PARTS["train"],):
        yield "cifar10", f"no {name}", lambda folder, name=name: (_without(cifar(folder), name), folder)
        yield "cifar10", f"no {name}.bin", lambda f, name=name: (_without(cifar(f, True), f"{name}.bin"), f)
    for what, batch in {
        "float values": {"data": np.zeros((ROWS, 3072)), "labels": [0] * ROWS},
        "fewer rows": {"data": np.zeros((ROWS - 1, 3072), np.uint8), "labels": [0] * ROWS},
        "fewer labels": {"data": np.zeros((ROWS, 3072), np.uint8), "labels": [0]},
        "a label of 10": {"data": np.zeros((ROWS, 3072), np.uint8), "labels": [10] * ROWS},
        "no labels": {"data": np.zeros((ROWS, 3072), np.uint8)},
        "a list": [1, 2],
        "a function": print,
        "an object": pickle.PicklingError("x"),
    }.items():
        content = pickle.dumps(batch, 2)
        yield "cifar10", what, _batch(False, lambda path, content=content: path.write_bytes(content))
    yield "cifar10", "a label of 77", _batch(True, lambda path: path.write_bytes(b"\x4d" + path.read_bytes()[1:]))
    yield "cifar10", "a byte more", _batch(True, lambda path: path.write_bytes(path.read_bytes() + b"\0"))
    for line in ("000001.jpg", "000001.jpg 3", "000001.jpg 0 0", "\xff", "000009.jpg 0"):
        yield "celeba", f"partition {line!r}", lambda folder, line=line: _partition(folder, line)
    small = encoded(pixels(1, 64, 64, 3)[0], "jpeg")
    for what, content in (("text", b"text"), ("small", small), ("cut", small[:200]), ("empty", b"")):
        yield "celeba", f"an image is {what}", lambda folder, content=content: _face(folder, content)
        yield "lsun", f"a value is {what}", lambda f, content=content: _value(f, content)
    yield "npz", "floats", _one(npy, lambda path: np.save(path, np.zeros((3, 8, 8, 3))))
    yield "npz", "two axes", _one(npy, lambda path: np.save(path, np.zeros((3, 8), np.uint8)))
    yield "npz", "objects", _one(npy, lambda path: np.save(path, np.array([print], object)))
    yield "npz", "no arrays", _one(npz, lambda path: write_zip(path, {"a.txt": b"text"}))
    yield "npz", "two of them", _one(npz, lambda path: np.savez(path, a=pixels(2, 8, 8, 3), b=pixels(2, 8, 8, 3)))
    yield "npz", "an encrypted one", _one(npz, _encrypted)
    yield "hdf5", "no datasets", _one(hdf5, lambda path: h5py.File(path, "w").close())
    yield "idx", "fewer labels", lambda folder: _labels(folder, 29)
    yield "idx", "more labels", lambda folder: _labels(folder, 31)


def _link_to_nothing(path):
    path.unlink()
    path.symlink_to("gone.png")


def _text(path):
    path.write_text("text, and no more than that\n" * 9)
    return path


def _without(folder, name):
    next(folder.rglob(name)).unlink()
    return folder


def _partition(folder, line):
    unpack(folder, faces(folder))
    path = folder / celeba.PARTITION
    path.write_text(path.read_text() + line + "\n", encoding="latin1")
    return folder, path


def _face(folder, content):
    return unpack(folder, faces(folder, **{"000005": content})), folder / celeba.IMAGES / "000005.jpg"


def _value(folder, content):
    if content[:2] == b"\xff\xd8" and len(content) > 200:  # a whole image, which LSUN may have in any size
        content = b"GIF89a" + content
    return folder, lsun(folder, content)


def _encrypted(path):
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        central = archive.start_dir
    content[6] |= 1
    content[central + 8] |= 1
    path.write_bytes(content)


def _labels(folder, count):
    write_idx(folder, pixels(30, 8, 8, 1)[..., 0], np.arange(count) % 10)
    return folder, next(folder.glob("*labels*"))


CASES = list(cases())


def test_there_are_enough_of_them():
    assert len(CASES) >= 200
    assert len({(kind, name) for kind, name, _ in CASES}) == len(CASES)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "make"), [(kind, make) for kind, _, make in CASES], ids=[f"{a} {b}" for a, b, _ in CASES]
)
def test_damage_is_one_line_and_leaves_nothing(tmp_path, monkeypatch, capsys, kind, make):
    monkeypatch.setattr(cifar10, "ROWS", ROWS)
    folder, outputs = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    outputs.mkdir()
    source, named = make(folder)
    before = sorted(folder.rglob("*"))
    status = main(["data", "prepare", kind, str(source), str(outputs / "a.h5")])
    captured = capsys.readouterr()
    assert status == 2, captured
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert str(named) in captured.err
    assert not list(outputs.iterdir())
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("kind", sorted({kind for kind, _, _ in CASES}))
def test_undamaged_they_are_read(tmp_path, monkeypatch, kind):
    """What the cases damage is whole before."""
    monkeypatch.setattr(cifar10, "ROWS", ROWS)
    makers = {
        "folder": pictures, "idx": idx, "npz": npz, "hdf5": hdf5, "lsun": lsun, "cifar10": cifar,
        "celeba": lambda folder: unpack(folder, faces(folder)),
    }  # fmt: skip
    folder = tmp_path / "in"
    folder.mkdir()
    made = makers[kind](folder)
    source = made if kind in ("npz", "hdf5") else folder
    assert main(["data", "prepare", kind, str(source), str(tmp_path / "a.h5")]) == 0


def test_a_damaged_member_of_a_zip_leaves_no_file_open(tmp_path, monkeypatch):
    opened = []

    class Watched(zipfile.ZipFile):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            opened.append(self)

    source = NumPySource(npz(tmp_path))
    flipped(source.path, 0)  # the directory at the end is whole
    monkeypatch.setattr(zipfile, "ZipFile", Watched)
    with pytest.raises(ImageError, match=r"a\.npz: can't be read as a NumPy file"):
        list(source.items(0, source.count))
    assert [archive.fp for archive in opened] == [None]
