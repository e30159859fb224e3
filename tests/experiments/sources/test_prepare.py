"""Prepared files: what is in them, and that none is half-made."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from experiments.__main__ import main
from experiments.data.images import open_images
from experiments.prepared import check, journal, prepare, writer
from experiments.sources import folder, npz
from experiments.sources.fit import SQUARE, Fit, crop_of
from experiments.sources.source import ImageError, Request

NOTHING = Fit(None, None, pads=True)


def pixels(count, size, channels, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, channels), np.uint8)


def write_folder(path, images):
    path.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images):
        Image.fromarray(image).save(path / f"{number:05}.png")
    return path


def arrays(path, **values):
    np.savez(path, **values)
    return npz.open_source(path, Request())


def told(capsys, *arguments):
    """Exit status of a command, and what it says on stderr."""
    status = main(["data", *map(str, arguments)])
    return status, capsys.readouterr().err


def test_training_reads_a_prepared_file_as_it_is(tmp_path):
    values = pixels(70, 8, 3)
    out = tmp_path / "a.h5"
    prepare(arrays(tmp_path / "a.npz", images=values, labels=np.arange(70)), out, "npz", NOTHING)
    stored = open_images(out, 8, 3)
    np.testing.assert_array_equal(stored.read(np.arange(70)), values)
    assert stored.slow == ""
    with h5py.File(out) as file:
        assert file["images"].chunks == (1, 8, 8, 3)
        np.testing.assert_array_equal(file["labels"], np.arange(70))
        assert {"format", "version", "kind", "source", "crop", "source_sha256"} <= set(file.attrs)


@pytest.mark.parametrize("count", [1, 3, 64, 65, 200])
@pytest.mark.parametrize("labelled", [False, True])
def test_any_number_of_images_of_any_size(tmp_path, count, labelled):
    values = pixels(count, 5, 1)
    labels = {"labels": np.arange(count) - 7} if labelled else {}
    out = tmp_path / "a.h5"
    prepare(arrays(tmp_path / "a.npz", x=values, **labels), out, "npz", NOTHING, workers=3)
    found = check(out, 100)
    assert found.shape == values.shape
    assert sum(found.labels.values()) == (count if labelled else 0)
    np.testing.assert_allclose(found.mean, values.mean((0, 1, 2)))
    np.testing.assert_allclose(found.deviation, values.std((0, 1, 2)))
    with h5py.File(out) as file:
        np.testing.assert_array_equal(file["images"], values)


def test_the_same_source_gives_the_same_bytes_with_any_number_of_threads(tmp_path):
    source = folder.open_source(write_folder(tmp_path / "in", pixels(150, 16, 3)), Request())
    for workers in (1, 4):
        prepare(source, tmp_path / f"{workers}.h5", "folder", Fit(8, SQUARE, pads=False), workers=workers)
    assert (tmp_path / "1.h5").read_bytes() == (tmp_path / "4.h5").read_bytes()


KILLED = """
import sys
from pathlib import Path
from experiments.prepared import prepare, writer
from experiments.sources import folder
from experiments.sources.fit import Fit
from experiments.sources.source import Request
writer.JOURNAL_SECONDS = 0.0
source = folder.open_source(Path(sys.argv[1]), Request())
prepare(source, Path(sys.argv[2]), "folder", Fit(None, None, pads=False), workers=1)
"""


@pytest.mark.slow
def test_a_killed_process_is_gone_on_with(tmp_path):
    """Killed in the midst of it three times: what comes out is what an undisturbed process makes, to the byte."""
    images = write_folder(tmp_path / "in", pixels(4000, 32, 3))
    source = folder.open_source(images, Request())
    out, whole = tmp_path / "a.h5", tmp_path / "whole.h5"
    steps = []
    for wanted in (1, 1000, 2000):
        process = subprocess.Popen([sys.executable, "-c", KILLED, images, out])
        try:
            while process.poll() is None and _done(out) < wanted:
                time.sleep(0.001)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        steps.append(_done(out))
        assert not out.exists()
        with pytest.raises(OSError, match="signature"):
            h5py.File(tmp_path / ".a.h5.unfinished")
    assert 0 < steps[0] < steps[1] < steps[2] < 4000
    read = []
    source.items, items = lambda start, stop: read.append(start) or items(start, stop), source.items
    assert prepare(source, out, "folder", Fit(None, None, pads=False))
    assert steps[2] in read
    del source.items
    assert not prepare(source, whole, "folder", Fit(None, None, pads=False))
    assert out.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "a.h5",
        "a.h5.names",
        "in",
        "whole.h5",
        "whole.h5.names",
    ]


def _done(out):
    try:
        return json.loads(out.with_name(f".{out.name}.journal").read_text())["done"]
    except FileNotFoundError:
        return 0


@pytest.fixture
def stopped(tmp_path):
    """A source whose first 128 images are in an unfinished file."""
    values = pixels(300, 8, 3)
    source = arrays(tmp_path / "a.npz", x=values)
    decode = source.decode

    def stop(item):
        if item.name.endswith("image 200"):
            raise KeyboardInterrupt
        return decode(item)

    source.decode = stop
    with pytest.raises(KeyboardInterrupt):
        prepare(source, tmp_path / "a.h5", "npz", NOTHING)
    source.decode = decode
    return source, tmp_path / "a.h5", values


def test_an_interrupted_one_is_gone_on_with(stopped):
    source, out, values = stopped
    assert _done(out) >= 64
    assert prepare(source, out, "npz", NOTHING)
    np.testing.assert_array_equal(open_images(out, 8, 3).read(np.arange(300)), values)
    check(out, 1)


def test_an_unfinished_file_of_other_settings_is_left_alone(stopped, capsys):
    source, out, _ = stopped
    before = {path.name: path.read_bytes() for path in out.parent.iterdir()}
    status, error = told(capsys, "prepare", "npz", source.path, out, "--size", 16)
    assert status == 2
    assert error.count("\n") == 1
    assert ".a.h5.journal: belongs to an unfinished file with another" in error
    os.utime(source.path, ns=(0, 0))
    with pytest.raises(journal.PrepareError, match="with another content; remove it"):
        prepare(source, out, "npz", NOTHING)
    assert before == {path.name: path.read_bytes() for path in out.parent.iterdir()}


@pytest.mark.parametrize("damage", ["text", "{}", '{"settings": {}, "done": 9999, "source": "", "images": ""}'])
def test_a_damaged_journal_means_a_new_start(stopped, damage):
    source, out, values = stopped
    out.with_name(".a.h5.journal").write_text(damage)
    assert not prepare(source, out, "npz", NOTHING)
    np.testing.assert_array_equal(open_images(out, 8, 3).read(np.arange(300)), values)


def test_a_lost_unfinished_file_means_a_new_start(stopped):
    source, out, _ = stopped
    out.with_name(".a.h5.unfinished").unlink()
    assert not prepare(source, out, "npz", NOTHING)
    check(out, 1)


def test_a_kill_while_the_header_is_written_loses_nothing(tmp_path, monkeypatch):
    source = arrays(tmp_path / "a.npz", x=pixels(100, 8, 3))

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(writer.layout, "gaps", stop)
        with pytest.raises(KeyboardInterrupt):
            prepare(source, tmp_path / "a.h5", "npz", NOTHING)
    assert _done(tmp_path / "a.h5") == 100
    assert prepare(source, tmp_path / "a.h5", "npz", NOTHING)
    check(tmp_path / "a.h5", 1)


def test_two_processes_do_not_make_one_file(tmp_path):
    source = arrays(tmp_path / "a.npz", x=pixels(3, 8, 3))
    with open(tmp_path / ".a.h5.unfinished", "w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(journal.PrepareError, match="another process is making this file"):
            prepare(source, tmp_path / "a.h5", "npz", NOTHING)


def test_a_full_disk_is_known_of_at_the_start(tmp_path, monkeypatch):
    source = arrays(tmp_path / "a.npz", x=pixels(300, 8, 3))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**6, 10**6, 20_000))
    with pytest.raises(writer.WriteError, match=r"a.h5: needs 0 MB, and the disk has 0 MB left"):
        prepare(source, tmp_path / "a.h5", "npz", NOTHING)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_a_disk_that_fills_up_loses_nothing(tmp_path, monkeypatch):
    source = arrays(tmp_path / "a.npz", x=pixels(300, 8, 3))
    write, places = os.pwrite, []

    def fill(file, data, place):
        places.append(place)
        if len(places) > 2:
            raise OSError(28, "No space left on device")
        return write(file, data, place)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", fill)
        with pytest.raises(writer.WriteError, match=r"a.h5: can't be written \(No space left on device\)"):
            prepare(source, tmp_path / "a.h5", "npz", NOTHING)
    assert _done(tmp_path / "a.h5") == 128
    assert prepare(source, tmp_path / "a.h5", "npz", NOTHING)
    check(tmp_path / "a.h5", 1)


def test_smaller_images_are_padded_and_larger_ones_refused(tmp_path):
    values = pixels(2, 5, 1) | 1
    source = arrays(tmp_path / "a.npz", x=values)
    prepare(source, tmp_path / "a.h5", "npz", Fit(8, None, pads=True))
    padded = open_images(tmp_path / "a.h5", 8, 1).read(np.arange(2))
    np.testing.assert_array_equal(padded[:, 1:6, 1:6], values)
    assert np.count_nonzero(padded) == values.size
    with pytest.raises(ImageError, match=r"a.npz: image 0: expected 4 x 4 pixels, got 5 x 5; --crop square"):
        prepare(source, tmp_path / "b.h5", "npz", Fit(4, None, pads=True))


def test_a_box_is_cut_out(tmp_path):
    values = pixels(2, 9, 3)
    source = arrays(tmp_path / "a.npz", x=values)
    prepare(source, tmp_path / "a.h5", "npz", Fit(None, crop_of("2,1,6,5", {}), pads=True))
    np.testing.assert_array_equal(open_images(tmp_path / "a.h5", 4, 3).read(np.arange(2)), values[:, 1:5, 2:6])
    with pytest.raises(ImageError, match=r"image 0: the crop 2,1,6,50 is not inside 9 x 9 pixels"):
        prepare(source, tmp_path / "b.h5", "npz", Fit(None, crop_of("2,1,6,50", {}), pads=True))


def test_images_of_different_sizes_are_refused(tmp_path):
    path = write_folder(tmp_path / "in", [*pixels(3, 8, 3), *pixels(1, 9, 3)])
    with pytest.raises(ImageError, match=r"00003.png: has 9 x 9 pixels, the first image 8 x 8; --size and --crop"):
        prepare(folder.open_source(path, Request()), tmp_path / "a.h5", "folder", Fit(None, None, pads=False))
    assert [each.name for each in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nonsense", "a.npz", "b.h5"), "unknown kind 'nonsense'; expected one of "),
        (("npz", "a.npz", "b.txt"), "expected the name of a new .h5 file, got "),
        (("npz", "a.npz", "there.h5"), "there.h5: is there already"),
        (("npz", "a.npz", "gone/b.h5"), "no such folder: "),
        (("npz", "gone.npz", "b.h5"), "gone.npz: can't be read as a NumPy file (No such file"),
        (("npz", "a.npz", "b.h5", "--count", "9"), "--count: expected at most 3, which "),
        (("npz", "a.npz", "b.h5", "--part", "test"), "--part: a NumPy file has "),
        (("npz", "a.npz", "b.h5", "--channels", "1"), "--channels: the images have 3, got 1"),
        (("npz", "a.npz", "b.h5", "--crop", "round"), "--crop: expected one of none, square, or LEFT,TOP"),
        (("npz", "a.npz", "b.h5", "--crop", "4,0,4,8"), "--crop: expected LEFT < RIGHT and TOP < BOTTOM, got 4,0,4,8"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    arrays(Path("a.npz"), x=pixels(3, 8, 3))
    Path("there.h5").write_bytes(b"kept")
    status, error = told(capsys, "prepare", *arguments)
    assert status == 2
    assert message in error
    assert error.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz", "there.h5"]
    assert Path("there.h5").read_bytes() == b"kept"


def test_check_says_what_is_there_and_draws_it(tmp_path, capsys):
    out = tmp_path / "a.h5"
    prepare(arrays(tmp_path / "a.npz", x=pixels(12, 8, 3), y=np.arange(12) % 2), out, "npz", NOTHING)
    assert main(["data", "check", str(out)]) == 0
    text = capsys.readouterr().out
    assert "12 images of 8 x 8 pixels, 3 channels" in text
    assert "0: 6, 1: 6" in text
    with Image.open(tmp_path / "a.h5.png") as grid:
        assert grid.width >= 640


def test_check_finds_a_flipped_bit(tmp_path, capsys):
    out = tmp_path / "a.h5"
    prepare(arrays(tmp_path / "a.npz", x=pixels(12, 8, 3)), out, "npz", NOTHING)
    content = bytearray(out.read_bytes())
    content[-5] ^= 1
    out.write_bytes(content)
    status, error = told(capsys, "check", out)
    assert status == 2
    assert "a.h5: damaged: the images have the checksum" in error


def test_check_refuses_what_prepare_has_not_made(tmp_path, capsys):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = pixels(2, 8, 3)
    (tmp_path / "text.h5").write_text("text")
    for name, message in (("a.h5", "was not made by data prepare"), ("text.h5", "can't be read as HDF5"), ("b", "no")):
        status, error = told(capsys, "check", tmp_path / name)
        assert status == 2
        assert message in error
        assert error.count("\n") == 1


def test_a_source_that_is_out_of_reach_for_now_loses_nothing(tmp_path, monkeypatch):
    source = folder.open_source(write_folder(tmp_path / "in", pixels(300, 8, 3)), Request())
    read = Path.read_bytes

    def fail(path):
        if path.name == "00250.png":
            raise OSError(5, "Input/output error")
        return read(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", fail)
        patch.setattr(writer, "PENDING", 0)
        with pytest.raises(ImageError, match=r"00250.png: can't be read as a file \(Input/output error\)"):
            prepare(source, tmp_path / "a.h5", "folder", Fit(None, None, pads=False))
    assert _done(tmp_path / "a.h5") == 192
    assert prepare(source, tmp_path / "a.h5", "folder", Fit(None, None, pads=False))
    check(tmp_path / "a.h5", 1)
