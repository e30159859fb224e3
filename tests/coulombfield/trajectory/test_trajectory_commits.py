"""Files of a run are whole at every moment: while it is written, and whenever its writer dies."""

import contextlib
import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trajectory_support import STEP, content, start, system, write

from coulombfield.flow import Stop, run
from coulombfield.trajectory import Trajectory, Writer, commits, recover


def test_many_frames_wait_until_they_are_committed(tmp_path):
    path = tmp_path / "a.h5md"
    lengths = []

    def look(now):
        if now.step >= 2:
            with Trajectory(path) as trajectory:
                lengths.append(len(trajectory))

    with Writer(path, commit_every=3) as writer:
        run(start(), system(), STEP, until=Stop(steps=7), callbacks=[writer, look])
    assert lengths == [3, 3, 3, 6, 6, 6]
    with Trajectory(path) as trajectory:
        assert len(trajectory) == 8


CHILD = """
import sys
from pathlib import Path
import numpy as np
import coulombfield as cf
from coulombfield.diagnostics import energy_parts
from coulombfield.flow import Euler, State, Stop, System, run
from coulombfield.trajectory import Writer
rng = np.random.default_rng(0)
start = State.of(generated=rng.standard_normal((6, 2)), real=rng.standard_normal((5, 2)))
def tell(now):
    if now.step == 20:
        Path(sys.argv[1] + ".ready").touch()
with Writer(sys.argv[1], potential=True) as writer:
    system = System(cf.Plummer(1.0, 0.5), method="direct")
    run(start, system, Euler(step=0.05), until=Stop(steps=10**6), callbacks=[writer, tell])
"""


@pytest.mark.slow
def test_a_killed_run_leaves_a_readable_file_that_resumes_bit_for_bit(tmp_path):
    path = tmp_path / "killed.h5md"
    ready = tmp_path / "killed.h5md.ready"
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)], cwd=Path(__file__).parents[3])
    try:
        deadline = time.monotonic() + 100
        while not ready.exists():
            assert child.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        with pytest.raises(BlockingIOError, match="another process"):
            Writer(path, resume=True)
        assert not recover(path)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    with Trajectory(path) as trajectory:
        frames, middle = len(trajectory), trajectory.state()
    assert middle.step == frames - 1 >= 20
    write(path, middle, frames + 2, resume=True, potential=True)
    write(tmp_path / "whole.h5md", start(), frames + 2, potential=True)
    assert content(path) == content(tmp_path / "whole.h5md")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["killed.h5md", "killed.h5md.ready", "whole.h5md"]


class Death(BaseException):
    pass


class Mortal:
    """System calls, of which the one with a given number, and all after it, are not done, or half done."""

    def __init__(self, last, torn):
        self.last, self.torn, self.armed, self.calls = last, torn, False, 0

    def pwrite(self, file, data, offset, real=os.pwrite):
        if self.dies():
            if self.torn:
                real(file, bytes(data)[: len(data) // 2], offset)
            raise Death
        return real(file, data, offset)

    def ftruncate(self, file, size, real=os.ftruncate):
        if self.dies():
            raise Death
        real(file, size)

    def dies(self):
        self.calls += self.armed
        return self.calls > self.last


edits = st.lists(st.tuples(st.integers(0, 4 * commits.PAGE), st.binary(min_size=1, max_size=6000)), max_size=4)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(versions=st.lists(edits, min_size=1, max_size=3), torn=st.booleans())
def test_whenever_the_writer_dies_the_file_is_one_of_its_versions(tmp_path, monkeypatch, versions, torn):
    """Death at each system call of the last commit in turn, in the middle of the write or before it."""
    path = tmp_path / "file"
    texts = [b""]
    for version in versions:
        text = bytearray(texts[-1])
        for offset, data in version:
            text.extend(bytes(max(0, offset + len(data) - len(text))))
            text[offset : offset + len(data)] = data
        if text:
            text[0] = 1  # a file's signature is not all zeros
        texts.append(bytes(text))
    survived, call = False, 0
    while not survived:
        path.unlink(missing_ok=True)
        mortal = Mortal(call, torn)
        with monkeypatch.context() as patch, commits.CommittedFile(path) as store:
            patch.setattr(commits.os, "pwrite", mortal.pwrite)
            patch.setattr(commits.os, "ftruncate", mortal.ftruncate)
            try:
                for i, version in enumerate(versions):
                    mortal.armed = i == len(versions) - 1
                    for offset, data in [*version, (0, b"\1")] if version else []:
                        store.seek(offset)
                        store.write(data)
                    store.commit()
                survived = True
            except Death:
                pass
        assert recover(path)
        assert os.listdir(tmp_path) == ["file"]
        found = path.read_bytes()
        if survived:
            assert found == texts[-1]
        else:
            # A new version may have written beyond the end of the last one, where nothing refers to.
            assert found == texts[-1] or found[: len(texts[-2])] == texts[-2]
            assert texts[-2] or found == texts[-1] or not any(found[: commits.PAGE])
        call += 1


def test_a_trajectory_opens_whenever_its_writer_died(tmp_path, monkeypatch):
    """Death in the middle of each system call of the last commit: that frame is there whole, or not at all."""
    path, survived, call, lengths = tmp_path / "a.h5md", False, 0, set()
    while not survived:
        path.unlink(missing_ok=True)
        mortal = Mortal(call, torn=True)
        with monkeypatch.context() as patch:
            patch.setattr(commits.os, "pwrite", mortal.pwrite)
            patch.setattr(commits.os, "ftruncate", mortal.ftruncate)

            def arm(now, mortal=mortal):
                mortal.armed = now.step == 2

            try:
                with Writer(path) as writer:
                    run(start(), system(), STEP, until=Stop(steps=2), callbacks=[arm, writer])
                survived = True
            except Death:
                pass
        with Trajectory(path) as trajectory:
            lengths.add(len(trajectory))
            assert trajectory.state().step == len(trajectory) - 1
            assert all(len(element[:]) == len(trajectory) for element in trajectory.observables.values())
        call += 1
    assert lengths == {2, 3}


def test_a_file_whose_writer_died_before_its_first_commit_is_begun_anew(tmp_path):
    (tmp_path / "a.h5md").write_bytes(bytes(3 * commits.PAGE))
    write(tmp_path / "a.h5md", start(), 1, resume=True)
    write(tmp_path / "b.h5md", start(), 1)
    assert content(tmp_path / "a.h5md") == content(tmp_path / "b.h5md")


def test_a_store_reads_what_it_wrote(tmp_path):
    with commits.CommittedFile(tmp_path / "file") as store:
        store.write(b"abc" * 3000)
        store.seek(2)
        assert store.read(5) == b"cabca"
        store.commit()
        store.seek(-3, os.SEEK_END)
        store.write(b"xyz")
        store.seek(8995)
        assert store.read(5) == b"bcxyz"[-5:]
        assert store.tell() == 9000
    assert (tmp_path / "file").read_bytes() == b"abc" * 3000


def killed(path, monkeypatch, call):
    """A file whose writer died in a system call of its last commit, of step 2; calls are numbered from 0."""
    mortal = Mortal(call, torn=True)
    with monkeypatch.context() as patch:
        patch.setattr(commits.os, "pwrite", mortal.pwrite)
        patch.setattr(commits.os, "ftruncate", mortal.ftruncate)

        def arm(now):
            mortal.armed = now.step == 2

        with pytest.raises(Death), Writer(path) as writer:
            run(start(), system(), STEP, until=Stop(steps=2), callbacks=[arm, writer])


@contextlib.contextmanager
def reading_only(code):
    """What the system answers who may read files but not write them, or in their folder, or anybody on such a disk."""

    def refuse(*_, **__):
        raise OSError(code, os.strerror(code))

    def open_(path, flags, *arguments, real=os.open):
        return refuse() if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) else real(path, flags, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", open_)
        patch.setattr(Path, "unlink", refuse)
        yield


refusals = pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])


@refusals
def test_who_may_only_read_sees_a_file_that_is_being_written(tmp_path, code):
    path = tmp_path / "a.h5md"
    with Writer(path) as writer:
        run(start(), system(), STEP, until=Stop(steps=2), callbacks=[writer])
        with reading_only(code), Trajectory(path) as trajectory:
            assert len(trajectory) == 3


@refusals
def test_who_may_only_read_sees_the_last_whole_version_whenever_the_writer_died(tmp_path, monkeypatch, code):
    """Death in each system call of a commit: a journal that is needed is replayed in memory, and nothing is written."""
    lengths, call, survived = set(), 0, False
    paths = []
    while not survived:
        path = tmp_path / f"{call}.h5md"
        try:
            killed(path, monkeypatch, call)
        except pytest.fail.Exception:
            survived = True
        commits._journal_of(path).touch()  # of an empty one nothing is needed
        paths.append(path)
        call += 1
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    with reading_only(code):
        for path in paths:
            with Trajectory(path) as trajectory:
                lengths.add(len(trajectory))
                assert trajectory.state().step == len(trajectory) - 1
        needed = [path for path in paths if commits._pages(commits._journal_of(path).read_bytes()) is not None]
        with pytest.raises(OSError, match=os.strerror(code)):
            recover(needed[0])
    assert lengths == {2, 3}
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_journal_that_is_needed_and_can_not_be_read_is_named(tmp_path):
    path = tmp_path / "a.h5md"
    write(path, start(), 1)
    commits._journal_of(path).mkdir()
    with pytest.raises(ValueError, match=rf"^{path}: its writer was killed .* has to open it once"):
        Trajectory(path)


@pytest.mark.parametrize("content", [b"", bytes(3 * commits.PAGE)])
def test_before_the_first_commit_there_is_no_frame(tmp_path, content):
    (tmp_path / "a.h5md").write_bytes(content)
    with pytest.raises(ValueError, match=rf"^{tmp_path}/a.h5md: has no frame yet"):
        Trajectory(tmp_path / "a.h5md")


def test_a_writer_that_is_closed_without_a_frame_leaves_none(tmp_path):
    Writer(tmp_path / "a.h5md").close()
    with pytest.raises(ValueError, match="has no frame yet"):
        Trajectory(tmp_path / "a.h5md")
    write(tmp_path / "a.h5md", start(), 1)
    with Trajectory(tmp_path / "a.h5md") as trajectory:
        assert len(trajectory) == 2


def test_a_writer_does_not_hold_a_journal_that_another_has_removed(tmp_path, monkeypatch):
    """Between its opening and its locking, the journal's last holder may remove it; a third would hold a new one."""
    path = tmp_path / "a.h5md"
    removed = []

    def open_locked(journal, flags, real=commits.open_locked):
        file = real(journal, flags)
        if not removed:
            removed.append(journal)
            journal.unlink()
        return file

    monkeypatch.setattr(commits, "open_locked", open_locked)
    with commits.CommittedFile(path), pytest.raises(BlockingIOError, match="another process"):
        commits.CommittedFile(path)
    assert removed
