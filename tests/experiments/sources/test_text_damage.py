"""Text that can't be read, and options that don't fit: each is one line, and nothing is left behind."""

import gzip
import io
import os
import re
import tarfile

import h5py
import numpy as np
import pytest
from text_files import ROOT, TRAIN, content, sentences, shards, write_folder, write_tar

from experiments.__main__ import main
from experiments.sources import lines as lines_module
from experiments.text import Alphabet, StoredText

LINES = sentences(3000)
SHARD = f"{ROOT}/{TRAIN}/news.en-00002-of-00100"


def refused(capsys, tmp_path, message, kind, source, *options, unit="characters"):
    out = tmp_path / "out.h5"
    before = sorted(path.name for path in tmp_path.iterdir())
    unit = ["--unit", unit] if unit else []
    status = main(["data", "prepare", kind, str(source), str(out), *unit, *options])
    error = capsys.readouterr().err
    assert status == 2
    assert re.search(message, error), error
    assert error.count("\n") == 1
    assert before == sorted(path.name for path in tmp_path.iterdir())


@pytest.mark.parametrize("left", [30, 0.2, 0.6, 0.95, -9, -4, -1])
@pytest.mark.parametrize("kind", ["text", "billion_words", "a text file"])
def test_a_truncated_gzip_file(tmp_path, capsys, kind, left):
    if kind == "a text file":
        source = tmp_path / "a.gz"
        source.write_bytes(gzip.compress(content(LINES)))
    else:
        source = write_tar(tmp_path / "a.tar.gz", shards(LINES))
    data = source.read_bytes()
    source.write_bytes(data[: int(left * len(data)) if 0 < left < 1 else left])
    refused(capsys, tmp_path, f"{source.name}: can't be read as ", kind.split(" ")[-2] if " " in kind else kind, source)


def test_a_flipped_bit_in_a_gzip_file(tmp_path, capsys):
    source = write_tar(tmp_path / "a.tar.gz", shards(LINES))
    data = bytearray(source.read_bytes())
    data[-6] ^= 1  # of the checksum
    source.write_bytes(data)
    refused(capsys, tmp_path, "a.tar.gz: can't be read as .*CRC", "billion_words", source)


@pytest.mark.parametrize("left", [0.01, 0.3, 0.7, -10240, "members"])
def test_a_truncated_tar_archive(tmp_path, capsys, left):
    source = write_tar(tmp_path / "a.tar", shards(LINES), "w")
    data = source.read_bytes()
    if left == "members":  # cut where a member begins, so that all that are left are whole
        with tarfile.open(source) as archive:
            left = archive.getmember(SHARD).offset
    source.write_bytes(data[: int(left * len(data)) if 0 < left < 1 else left])
    refused(capsys, tmp_path, "a.tar: can't be read as a tar archive", "billion_words", source)


@pytest.mark.parametrize("place", [0, 148, 300])
@pytest.mark.parametrize("member", [0, 1])
def test_a_damaged_header_in_a_tar_archive(tmp_path, capsys, member, place):
    source = write_tar(tmp_path / "a.tar", {"a.txt": content(LINES), "b.txt": content(LINES)}, "w")
    with tarfile.open(source) as archive:
        place += archive.getmembers()[member].offset
    data = bytearray(source.read_bytes())
    data[place] ^= 0x41
    source.write_bytes(data)
    message = "a.tar: can't be read as a tar archive .*damaged" if member else "a.tar: expected text, got a tar archive"
    refused(capsys, tmp_path, message, "text", source)


def test_an_archive_without_files(tmp_path, capsys):
    source = write_tar(tmp_path / "a.tar", {}, "w")
    refused(capsys, tmp_path, "a.tar: no files in the archive", "text", source)
    refused(capsys, tmp_path, "a.tar: no Billion Word there", "billion_words", source)


@pytest.mark.parametrize("unit", ["characters", "bytes"])
@pytest.mark.parametrize(
    ("form", "data"),
    [
        ("tar archive", write_tar(io.BytesIO(), {"a.txt": b"abc\n"}, "w").getvalue()),
        ("tar archive", gzip.compress(write_tar(io.BytesIO(), {"a.txt": b"abc\n"}, "w").getvalue())),
        ("gzip file", gzip.compress(gzip.compress(b"abc\n"))),
        ("zip file", b"PK\x03\x04abc\n"),
        ("HDF5 file", b"\x89HDF\r\n\x1a\nabc\n"),
    ],
    ids=["tar", "tar.gz", "gzip", "zip", "HDF5"],
)
def test_files_within_others_that_are_no_text(tmp_path, capsys, form, data, unit):
    write_folder(tmp_path / "in", {"a.txt": b"abc\n", "b": data})
    write_tar(tmp_path / "a.tar", {"a.txt": b"abc\n", "b": data})
    refused(capsys, tmp_path, f"in/b: expected text, got a {form}", "text", tmp_path / "in", unit=unit)
    refused(capsys, tmp_path, f"a.tar: b: expected text, got a {form}", "text", tmp_path / "a.tar", unit=unit)


def test_a_shard_that_ends_within_a_line(tmp_path, capsys):
    files = shards(LINES)
    files[SHARD] = files[SHARD][:-5]
    write_folder(tmp_path / "in", files)
    write_tar(tmp_path / "a.tar.gz", files)
    for source in ("in", "a.tar.gz"):
        refused(capsys, tmp_path, "00002-of-00100: truncated: ends within a line", "billion_words", tmp_path / source)


def test_a_missing_shard(tmp_path, capsys):
    files = shards(LINES)
    del files[SHARD]
    write_folder(tmp_path / "in", files)
    write_tar(tmp_path / "a.tar", files, "w")
    for source in ("in", "a.tar"):
        message = f"{source}: lacks 1 of the shards up to 3, such as news.en-00002-of-00100"
        refused(capsys, tmp_path, message, "billion_words", tmp_path / source)


def test_a_shard_that_is_there_twice(tmp_path, capsys):
    files = shards(LINES)
    files[f"copy/{TRAIN}/news.en-00001-of-00100"] = b"a\n"
    write_folder(tmp_path / "in", files)
    refused(capsys, tmp_path, "holds shard 1 twice", "billion_words", tmp_path / "in")
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for _ in range(2):
            member = tarfile.TarInfo("a.txt")
            member.size = 2
            archive.addfile(member, io.BytesIO(b"a\n"))
    refused(capsys, tmp_path, "a.tar: holds a.txt twice", "text", tmp_path / "a.tar")


@pytest.mark.parametrize("before", [0, 1, 1000])
@pytest.mark.parametrize("bad", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xc0\x80"])
def test_what_is_no_utf_8_is_named_by_its_line(tmp_path, capsys, monkeypatch, before, bad):
    monkeypatch.setattr(lines_module, "AT_ONCE", 1000)
    lines = content(LINES[:before])
    (tmp_path / "a.txt").write_bytes(lines + b"\n" * 3 + b"x" * 40 + bad + b"\n" + lines)
    message = f"a.txt: line {before + 4}: is no UTF-8 .byte 0x{bad[0]:02x}.; .*--unit bytes"
    refused(capsys, tmp_path, message, "text", tmp_path / "a.txt")
    assert main(["data", "prepare", "text", str(tmp_path / "a.txt"), str(tmp_path / "b.h5"), "--unit", "bytes"]) == 0


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "a.txt: has no lines$"),
        (b"\n \n\t\r\n", "a.txt: has no lines that are not blank"),
        (b"\xfd7zXZ\x00", "a.txt: expected text, packed by gzip or in a tar archive if at all, got a xz file"),
        (b"PK\x03\x04", "got a zip file"),
    ],
)
def test_a_file_without_lines(tmp_path, capsys, data, message):
    (tmp_path / "a.txt").write_bytes(data)
    refused(capsys, tmp_path, message, "text", tmp_path / "a.txt")


def test_a_line_without_an_end(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(lines_module, "LONGEST", 1 << 20)
    monkeypatch.setattr(lines_module, "AT_ONCE", 1 << 18)
    (tmp_path / "a.txt").write_bytes(b"a" * (3 << 20))
    refused(capsys, tmp_path, "a.txt: has a line of more than 1 MiB; is it text?", "text", tmp_path / "a.txt")


@pytest.mark.parametrize("kind", ["text", "billion_words"])
def test_a_pipe_is_not_waited_for(tmp_path, capsys, kind):
    os.mkfifo(tmp_path / "pipe")
    refused(capsys, tmp_path, "pipe: expected a file or a folder, which can be read twice", kind, tmp_path / "pipe")


def test_places_without_text(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.txt").write_bytes(b"a\n")
    write_tar(tmp_path / "a.tar", {"other.txt": b"a\n"}, "w")
    for kind, source, message in (
        ("text", "gone", "gone: no such file or folder"),
        ("text", "empty", "empty: no files there"),
        ("billion_words", "gone", "gone: no such file or folder"),
        ("billion_words", "empty", f"empty: no Billion Word there; expected {TRAIN}/news.en-00001-of-00100 and so on"),
        ("billion_words", "a.tar", "a.tar: no Billion Word there"),
        ("billion_words", "a.txt", "a.txt: expected Billion Word's folder or its archive"),
    ):
        refused(capsys, tmp_path, message, kind, tmp_path / source)


@pytest.mark.parametrize(
    ("kind", "unit", "options", "message"),
    [
        ("text", "", (), "--unit: expected characters or bytes, got none; the program of .* in Python 2, took bytes"),
        ("text", "words", (), "--unit: expected characters or bytes, got words"),
        ("text", "bytes", ("--size", "8"), "--size: is for images, and text is a kind of text"),
        ("text", "bytes", ("--crop", "none"), "--crop: is for images"),
        ("text", "bytes", ("--channels", "1"), "--channels: is for images"),
        ("text", "bytes", ("--part", "train"), "--part: text has .*, got 'train'"),
        ("text", "bytes", ("--count", "3"), "--count: expected at most 2, which .* has, got 3"),
        ("text", "bytes", ("--length", "5000"), "--length: expected from 1 to 4096, got 5000"),
        ("text", "bytes", ("--vocabulary", "1"), "--vocabulary: expected from 2 to 65536, got 1"),
        ("billion_words", "bytes", ("--part", "test"), "--part: billion_words has train, heldout, got 'test'"),
        ("npz", "bytes", (), "--unit: is for text, and npz is a kind of images"),
        ("npz", "", ("--length", "8"), "--length: is for text"),
        ("folder", "", ("--vocabulary", "8"), "--vocabulary: is for text"),
        ("words", "bytes", (), "unknown kind 'words'; expected one of .*npz, billion_words, text"),
    ],
)
def test_options_that_do_not_fit(tmp_path, capsys, kind, unit, options, message):
    (tmp_path / "a.txt").write_bytes(b"a\nb\n")
    refused(capsys, tmp_path, message, kind, tmp_path / "a.txt", *options, unit=unit)


@pytest.fixture
def made(tmp_path):
    (tmp_path / "a.txt").write_bytes(content(LINES[:50]))
    out = tmp_path / "a.h5"
    assert main(["data", "prepare", "text", str(tmp_path / "a.txt"), str(out), "--unit", "characters"]) == 0
    return out


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda file: file.attrs.modify("complete", 0),
            "expected a complete file of version 1, got version 1, complete",
        ),
        (lambda file: file.attrs.modify("version", 2), "got version 2"),
        (lambda file: file.attrs.modify("format", "other"), "no text that data prepare has made"),
        (lambda file: file.attrs.modify("unit", "words"), "unit: expected one of characters, bytes, got 'words'"),
        (lambda file: file.attrs.__delitem__("codes_sha256"), "lacks the attribute codes_sha256"),
        (lambda file: file.__delitem__("codes"), "can't be read as HDF5"),
        (lambda file: file["symbols"].__setitem__(3, 0), "symbols: expected -1 and characters in ascending order"),
        (lambda file: file["codes"].__setitem__((7, 3), 200), "a.h5: damaged: expected codes below .*, got 200"),
    ],
)
def test_a_damaged_prepared_file(made, damage, message):
    with h5py.File(made, "r+") as file:
        damage(file)
    with pytest.raises(lines_module.TextError, match=message):
        StoredText(made).codes(0, 50)


def test_a_truncated_prepared_file(made):
    made.write_bytes(made.read_bytes()[:-1])
    with pytest.raises(lines_module.TextError, match=r"a.h5: "):
        StoredText(made)


def test_what_is_no_prepared_file(tmp_path):
    (tmp_path / "a.txt").write_bytes(content(LINES))
    for name, what in (("a.txt", "is no HDF5"), ("", "is none"), ("b.h5", "no such file")):
        with pytest.raises(lines_module.TextError, match=f"{what}; expected a file that data prepare has made of text"):
            StoredText(tmp_path / name)


@pytest.mark.parametrize(
    ("unit", "symbols"),
    [
        ("words", [-1, 3]),
        ("bytes", [-1]),
        ("bytes", [0, 1]),
        ("bytes", [-1, 3, 3]),
        ("bytes", [-1, 4, 3]),
        ("bytes", [-1, 256]),
        ("characters", [-1, 0x110000]),
        ("bytes", [-1, -1]),
        ("characters", [-1, 0xD800]),
        ("characters", [-1, 3, 0xDFFF]),
    ],
)
def test_no_alphabets(unit, symbols):
    with pytest.raises(ValueError, match="expected"):
        Alphabet(unit, np.array(symbols))
