"""Prepared files of text: what is in them, and that none is half-made."""

import fcntl
import gzip
import os
import shutil
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
from text_files import HELD_OUT, ROOT, TRAIN, content, published, sentences, shards, write_folder, write_tar

from experiments.__main__ import main
from experiments.sources import lines as lines_module
from experiments.text import StoredText, reader

LINES = sentences(400)


def prepare(*arguments):
    assert main(["data", "prepare", *map(str, arguments)]) == 0


def found(path):
    with h5py.File(path) as file:
        return file["symbols"][:].tolist(), file["codes"][:]


def same(path, lines, **options):
    """Whether a file has what a dictionary makes of these lines."""
    symbols, codes = found(path)
    wanted, expected = published(lines, **options)
    assert symbols == wanted
    np.testing.assert_array_equal(codes, expected)


@pytest.mark.parametrize("unit", ["characters", "bytes"])
@pytest.mark.parametrize("options", [{}, {"length": 5}, {"vocabulary": 9}, {"length": 70, "vocabulary": 3}])
def test_codes_are_those_of_a_dictionary(tmp_path, unit, options):
    (tmp_path / "a.txt").write_bytes(content(LINES))
    given = [each for name, value in options.items() for each in (f"--{name}", value)]
    prepare("text", tmp_path / "a.txt", tmp_path / "a.h5", "--unit", unit, *given)
    same(tmp_path / "a.h5", LINES if unit == "characters" else [line.encode() for line in LINES], **options)


def test_blocks_and_threads_change_nothing(tmp_path, monkeypatch):
    """Blocks that end within lines and characters, and fewer lines at once than a block has."""
    (tmp_path / "a.txt").write_bytes(content(LINES))
    monkeypatch.setattr(lines_module, "AT_ONCE", 101)
    monkeypatch.setattr(reader, "ROWS", 2)
    prepare("text", tmp_path / "a.txt", tmp_path / "a.h5", "--unit", "characters")
    same(tmp_path / "a.h5", LINES)


@pytest.mark.parametrize("count", [1, 79, 80, 81, 170, 240])
def test_billion_word_is_the_same_packed_or_not_in_whatever_order(tmp_path, count):
    files = shards(LINES)
    write_folder(tmp_path / "in", files)
    shuffled = {
        name: files[name] for name in sorted(files, key=lambda name: name[::-1].translate({48 + 1: 57, 57: 49}))
    }
    assert list(shuffled) != list(files)
    write_tar(tmp_path / "a.tar.gz", shuffled)
    write_tar(tmp_path / "b.tar", files, "w")
    sources = ("a.tar.gz", "b.tar", "in", f"in/{ROOT}", f"in/{ROOT}/{TRAIN}")
    for number, source in enumerate(sources):
        out = tmp_path / f"{number}.h5"
        prepare("billion_words", tmp_path / source, out, "--unit", "characters", "--count", count)
        same(out, LINES[:count])
    checksums = {StoredText(tmp_path / f"{number}.h5").attributes["source_sha256"] for number in range(len(sources))}
    assert len(checksums) == 1


def test_what_is_held_out(tmp_path):
    write_tar(tmp_path / "a.tar.gz", shards(LINES))
    prepare("billion_words", tmp_path / "a.tar.gz", tmp_path / "a.h5", "--unit", "bytes", "--part", "heldout")
    same(tmp_path / "a.h5", [line.encode() for line in LINES[240:]])
    assert StoredText(tmp_path / "a.h5").attributes["part"] == "heldout"


def test_billion_words_lines_are_taken_as_they_are(tmp_path):
    data = b"a\r\n\n b\n"
    write_folder(tmp_path, {f"{TRAIN}/news.en-00001-of-00100": data})
    prepare("billion_words", tmp_path, tmp_path / "a.h5", "--unit", "bytes")
    same(tmp_path / "a.h5", [b"a\r", b"", b" b"])


@pytest.mark.parametrize("unit", ["characters", "bytes"])
def test_blank_lines_and_ends_of_other_systems_are_left_out(tmp_path, capsys, unit):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbf\r\na\r\n\n \t \n\rb\r\r\nno end")
    prepare("text", tmp_path / "a.txt", tmp_path / "a.h5", "--unit", unit)
    same(tmp_path / "a.h5", ["a", "\rb", "no end"] if unit == "characters" else [b"a", b"\rb", b"no end"])
    assert f"3 lines of 32 {unit}, 10 codes; 3 blank lines left out" in capsys.readouterr().out


@pytest.mark.slow
def test_folders_and_archives_of_text(tmp_path):
    """Files in the order of their paths, packed or not; what is hidden is passed over."""
    files = {"b/1.txt": content(LINES[200:]), "a.dict.dz": gzip.compress(content(LINES[:200])), ".git/x": b"x\n"}
    write_folder(tmp_path / "in", files)
    write_tar(tmp_path / "a.tgz", files)
    (tmp_path / "one.gz").write_bytes(gzip.compress(content(LINES[:9])) + gzip.compress(content(LINES[9:])))
    for number, source in enumerate(("in", "a.tgz", "one.gz")):
        prepare("text", tmp_path / source, tmp_path / f"{number}.h5", "--unit", "characters")
        same(tmp_path / f"{number}.h5", LINES)


def test_the_sources_checksum_is_of_what_was_taken(tmp_path):
    checksums = []
    for number, lines in enumerate((LINES, LINES[:150], LINES[:149])):
        (tmp_path / "a.txt").write_bytes(content(lines))
        out = tmp_path / f"{number}.h5"
        prepare("text", tmp_path / "a.txt", out, "--unit", "bytes", "--count", min(150, len(lines)))
        checksums.append(StoredText(out).attributes["source_sha256"])
    assert checksums[0] == checksums[1] != checksums[2]


def test_more_than_256_symbols_take_two_bytes(tmp_path):
    lines = [chr(0x4E00 + number) for number in range(300)]
    (tmp_path / "a.txt").write_bytes(content(lines))
    prepare("text", tmp_path / "a.txt", tmp_path / "a.h5", "--unit", "characters")
    same(tmp_path / "a.h5", lines)
    assert StoredText(tmp_path / "a.h5").alphabet.dtype == np.uint16


KILLED = """
import importlib, sys
from experiments.__main__ import main
prepare = importlib.import_module("experiments.text.prepare")
write = prepare._Unfinished.write
def slow(self, line, codes):
    write(self, line, codes)
    print(line, flush=True)
    sys.stdin.readline()
prepare._Unfinished.write = slow
main(["data", "prepare", "text", *sys.argv[1:], "--unit", "bytes"])
"""


@pytest.mark.slow
def test_a_killed_process_leaves_nothing_that_looks_whole(tmp_path):
    (tmp_path / "a.txt").write_bytes(content(LINES))
    out = tmp_path / "a.h5"
    arguments = [sys.executable, "-c", KILLED, "a.txt", "a.h5"]
    with subprocess.Popen(arguments, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"0\n"
        process.send_signal(signal.SIGKILL)
        process.wait()
    left = tmp_path / ".a.h5.unfinished"
    assert not out.exists()
    assert left.exists()
    with h5py.File(left) as file:
        assert file.attrs["complete"] == 0
    shutil.copy(left, tmp_path / "copy.h5")
    with pytest.raises(lines_module.TextError, match=r"expected a complete file of version 1"):
        StoredText(tmp_path / "copy.h5")
    prepare("text", tmp_path / "a.txt", out, "--unit", "bytes")
    same(out, [line.encode() for line in LINES])
    assert not left.exists()


def told(capsys, *arguments):
    status = main(["data", *map(str, arguments)])
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return status, error


def test_a_full_disk_is_one_line(tmp_path, monkeypatch, capsys):
    (tmp_path / "a.txt").write_bytes(content(LINES))
    arguments = ("prepare", "text", tmp_path / "a.txt", tmp_path / "a.h5", "--unit", "bytes")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**6, 10**6, 900))
        status, error = told(capsys, *arguments)
    assert status == 1
    assert "a.h5: needs 0 MB, and the disk has 0 MB left" in error

    def fill(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.pwrite", fill)
    status, error = told(capsys, *arguments)
    assert status == 1
    assert "a.h5: can't be written (No space left on device)" in error
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_two_processes_do_not_make_one_file(tmp_path, capsys):
    (tmp_path / "a.txt").write_bytes(b"a\n")
    with open(tmp_path / ".a.h5.unfinished", "w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        status, error = told(capsys, "prepare", "text", tmp_path / "a.txt", tmp_path / "a.h5", "--unit", "bytes")
    assert status == 2
    assert "another process is making this file" in error


def test_a_source_that_changes_is_told_of(tmp_path, monkeypatch, capsys):
    (tmp_path / "a.txt").write_bytes(content(LINES))
    count = sys.modules["experiments.text.prepare"]._count

    def change(*arguments):
        made = count(*arguments)
        time.sleep(0.01)
        (tmp_path / "a.txt").write_bytes(content(LINES[::-1]))
        return made

    monkeypatch.setattr(sys.modules["experiments.text.prepare"], "_count", change)
    status, error = told(capsys, "prepare", "text", tmp_path / "a.txt", tmp_path / "a.h5", "--unit", "bytes")
    assert status == 2
    assert "a.txt: has changed while it was read" in error
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_check_says_what_is_there_and_shows_some(tmp_path, capsys):
    lines = [f"{number:02} ünits" for number in range(19)] + ["x" * 40]
    (tmp_path / "a.txt").write_bytes(content(lines))
    out = tmp_path / "a.h5"
    prepare("text", tmp_path / "a.txt", out, "--unit", "characters", "--vocabulary", 3)
    capsys.readouterr()
    assert main(["data", "check", str(out)]) == 0
    text = capsys.readouterr().out
    assert "20 lines of 32 characters, 3 codes, uint8" in text
    padding = 19 * 24
    unknown = 640 - padding - 32
    assert f"unknown        {unknown} of 640 symbols" in text
    assert f"{padding} of 640 symbols are `" in text
    assert "at the end of 19 lines" in text
    assert text.splitlines()[-10:] == ["\ufffd" * 8 + "`" * 24] * 9 + ["x" * 32]
    assert HELD_OUT not in text


def test_check_writes_out_what_is_no_sign(tmp_path, capsys):
    (tmp_path / "a.txt").write_bytes("\0\x1b[2Ja\x7f\x85\u2028\u202e\n".encode())
    out = tmp_path / "a.h5"
    prepare("text", tmp_path / "a.txt", out, "--unit", "characters")
    assert main(["data", "check", str(out)]) == 0
    printed = capsys.readouterr().out
    assert r"\x00\x1b[2Ja\x7f\x85\u2028\u202e`" in printed
    assert all(line.isprintable() for line in printed.split("\n"))


def test_a_name_that_is_no_text(tmp_path):
    source = tmp_path / os.fsdecode(b"a\xff.txt")
    try:
        source.write_bytes(b"abc\n")
    except OSError:
        pytest.skip("the system wants names that are text")
    out = tmp_path / "a.h5"
    prepare("text", source, out, "--unit", "characters")
    assert StoredText(out).attributes["source"] == r"a\udcff.txt"


def test_check_finds_a_flipped_bit(tmp_path, capsys):
    (tmp_path / "a.txt").write_bytes(content(LINES))
    out = tmp_path / "a.h5"
    prepare("text", tmp_path / "a.txt", out, "--unit", "characters")
    data = bytearray(out.read_bytes())
    with h5py.File(out) as file:
        place = file["codes"].id.get_offset() + 1000
    data[place] ^= 1
    out.write_bytes(data)
    status, error = told(capsys, "check", out)
    assert status == 2
    assert "a.h5: damaged: the codes have the checksum" in error
