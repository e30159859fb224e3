"""Trajectories on disk: what is written comes back to the bit, whole at every moment, and resumes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import coulombfield as cf
from coulombfield.diagnostics import energy_parts
from coulombfield.flow import Euler, State, Stop, System, Verlet, run
from coulombfield.trajectory import Trajectory, Writer, commits, recover

STEP = Euler(step=0.05)


def start(dtype="float64", dimension=2, generated=6, real=5, velocities=False, seed=0):
    rng = np.random.default_rng(seed)
    x, y = (rng.standard_normal((count, dimension)).astype(dtype) for count in (generated, real))
    return State(x, y, generated_velocities=np.zeros_like(x) if velocities else None)


def system(**options):
    return System(cf.Plummer(1.0, 0.5), method="direct", **options)


def write(path, state, steps, *, integrator=STEP, which=None, **options):
    with Writer(path, **options) as writer:
        return run(state, which or system(), integrator, until=Stop(steps=steps), callbacks=[writer])


def content(path):
    """Every dataset of a file with its bits, and every attribute."""
    found = {}

    def collect(name, item):
        value = item[()].tolist() if isinstance(item, h5py.Dataset) else None
        found[name] = value, {key: np.asarray(attribute).tolist() for key, attribute in item.attrs.items()}

    with h5py.File(path, "r") as file:
        file.visititems(collect)
    return found


@pytest.mark.parametrize("moving", ["generated", "both"])
def test_what_is_written_comes_back_to_the_bit(tmp_path, dtype, moving):
    seen = []
    which = system(moving=moving)
    with Writer(
        tmp_path / "a.h5md", potential=True, force=True, observables={"mean": lambda now: now.positions[0]}
    ) as w:
        run(start(dtype), which, STEP, until=Stop(steps=4), callbacks=[w, seen.append])
    with Trajectory(tmp_path / "a.h5md") as trajectory:
        assert len(trajectory) == len(seen) == 5
        for now, frame in zip(seen, trajectory, strict=True):
            x, y = frame.particles["generated"], frame.particles["real"]
            assert (frame.step, frame.time) == (now.step, now.time)
            for found, expected in (
                (x.position, now.state.generated),
                (y.position, now.state.real),
                (x.potential, now.generated_potential),
                (x.force, now.generated_force),
                (x.charge, np.full(6, -1 / 6, dtype)),
                (y.charge, np.full(5, 1 / 5, dtype)),
            ):
                assert found.dtype == dtype
                np.testing.assert_array_equal(found, expected)
            if moving == "both":
                np.testing.assert_array_equal(y.force, now.real_force)
            else:
                assert y.force is None
            assert trajectory.observables["energy"].at(now.step) == now.energy
            assert trajectory.observables["softening"].at(now.step) == 0.5
            np.testing.assert_array_equal(trajectory.observables["mean"].at(now.step), now.positions[0])
        with pytest.raises(IndexError, match=r"^frame: expected -5 to 4, got 5"):
            trajectory[5]


@pytest.mark.parametrize(("dtype", "inertia", "stop"), [("float32", True, 4), ("float64", False, 1)])
def test_a_resumed_run_writes_the_file_that_one_run_writes(tmp_path, dtype, inertia, stop):
    integrator = Verlet(step=0.05) if inertia else STEP
    state = start(dtype, velocities=inertia)
    options = {"integrator": integrator, "units": {"length": "nm"}}
    write(tmp_path / "whole.h5md", state, 6, **options)
    write(tmp_path / "parts.h5md", state, stop, **options)
    with Trajectory(tmp_path / "parts.h5md") as trajectory:
        middle = trajectory.state()
    assert middle.step == stop
    assert middle.generated.dtype == dtype
    write(tmp_path / "parts.h5md", middle, 6, resume=True, **options)
    assert content(tmp_path / "parts.h5md") == content(tmp_path / "whole.h5md")


def test_arrays_of_any_library_are_written_and_put_back(tmp_path, library):
    host = start("float32")
    state = State(library.put(host.generated), library.put(host.real))
    end = write(tmp_path / "a.h5md", state, 2, potential=True).state
    with Trajectory(tmp_path / "a.h5md") as trajectory:
        found = trajectory.state(put=library.put)
    for name in ("generated", "real"):
        np.testing.assert_array_equal(library.get(getattr(found, name)), library.get(getattr(end, name)))


def test_the_numbers_of_an_integrator_come_back(tmp_path):
    """An adaptive step size is a float that no decimal hides; it is there in every frame."""
    state = start()
    state = State(state.generated, state.real, memory={"step": 0.1 + 2**-54, "other": 1e-300})
    write(tmp_path / "a.h5md", state, 0)
    with Trajectory(tmp_path / "a.h5md") as trajectory:
        assert trajectory.state(0).memory == state.memory


def test_observables_may_be_numbers_tuples_and_arrays(tmp_path):
    observables = {
        "number": lambda now: now.step,
        "parts": lambda now: energy_parts(now.state.real, now.state.generated, cf.Plummer(1.0, 0.5), method="direct"),
        "mean": lambda now: now.positions.mean(axis=0),
    }
    write(tmp_path / "a.h5md", start(), 2, observables=observables, energies=False)
    with Trajectory(tmp_path / "a.h5md") as trajectory:
        assert sorted(trajectory.observables) == ["mean", "number", "parts", "softening"]
        assert trajectory.observables["number"][:].tolist() == [0, 1, 2]
        last = trajectory[2].particles
        expected = cf.interaction_energy(
            last["real"].position, last["generated"].position, cf.Plummer(1.0, 0.5), method="direct"
        )
        assert trajectory.observables["parts"][2][3] == pytest.approx(expected, abs=1e-14)
        assert trajectory.observables["mean"][2].tolist() == last["generated"].position.mean(axis=0).tolist()


def test_fixed_data_are_written_once_and_units_are_told(tmp_path):
    write(tmp_path / "a.h5md", start(dimension=3), 2, units={"length": "nm", "time": "ps"}, author="A. U. Thor")
    with h5py.File(tmp_path / "a.h5md") as file:
        assert file["h5md"].attrs["version"].tolist() == [1, 1]
        assert file["h5md/author"].attrs["name"] == "A. U. Thor"
        assert file["h5md/creator"].attrs["name"] == "coulombfield"
        assert {"name", "version"} <= set(file["h5md/creator"].attrs)
        assert file["h5md/modules/units"].attrs["version"].tolist() == [1, 0]
        for group in file["particles"].values():
            assert group["box"].attrs["dimension"] == 3
            assert group["box"].attrs["boundary"].tolist() == ["none"] * 3
            assert "edges" not in group["box"]
        assert isinstance(file["particles/real/position"], h5py.Dataset)
        position = file["particles/generated/position"]
        assert position["value"].shape == (3, 6, 3)
        assert position["value"].attrs["unit"] == "nm"
        assert position["time"].attrs["unit"] == "ps"
        assert position["step"][()].tolist() == [0, 1, 2]
        assert file["observables/energy/step"] == position["step"]
        assert "unit" not in file["observables/energy/value"].attrs


def test_pyh5md_reads_it(tmp_path):
    pyh5md = pytest.importorskip("pyh5md")
    write(tmp_path / "a.h5md", start(), 3)
    with pyh5md.File(tmp_path / "a.h5md", "r") as file, Trajectory(tmp_path / "a.h5md") as trajectory:
        group = file.particles_group("generated")
        position = pyh5md.element(group, "position")
        assert position.element_type == "TimeElement"
        np.testing.assert_array_equal(position.value[-1], trajectory[-1].particles["generated"].position)
        np.testing.assert_array_equal(position.time[()], trajectory.times)
        assert pyh5md.element(group, "charge").element_type == "FixedElement"


def test_files_of_other_programs_are_read_as_far_as_they_go(tmp_path):
    """Steps as an increment with an offset, groups of other names, no times, an element at fewer steps."""
    x = np.arange(24.0).reshape(4, 2, 3)
    with h5py.File(tmp_path / "b.h5md", "w") as file:
        for name in ("author", "creator"):
            file.create_group(f"h5md/{name}").attrs["name"] = np.bytes_("other")
        group = file.create_group("particles/solvent")
        group["position/value"], group["position/step"] = x, 10
        group["position/step"].attrs["offset"] = 5
        group["charge"] = [1.0, -1.0]
        group["velocity/value"], group["velocity/step"] = x[:2], [5, 25]
        file["observables/solvent/heat/value"], file["observables/solvent/heat/step"] = [1.0, 2.0], [5, 15]
    with Trajectory(tmp_path / "b.h5md") as trajectory:
        assert trajectory.steps.tolist() == [5, 15, 25, 35]
        assert np.isnan(trajectory.times).all()
        assert (trajectory.creator, trajectory.author) == ("other", "other")
        assert trajectory.observables["solvent/heat"].at(15) == 2.0
        np.testing.assert_array_equal(trajectory[2].particles["solvent"].position, x[2])
        np.testing.assert_array_equal(trajectory[2].particles["solvent"].velocity, x[1])
        assert trajectory[1].particles["solvent"].velocity is None
        assert trajectory[1].particles["solvent"].charge.tolist() == [1, -1]
        with pytest.raises(ValueError, match="this program wrote"):
            trajectory.state()


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


def test_an_error_in_a_run_keeps_what_came_before(tmp_path):
    def fail(now):
        if now.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Writer(tmp_path / "a.h5md", commit_every=100) as writer:
        run(start(), system(), STEP, until=Stop(steps=7), callbacks=[writer, fail])
    with Trajectory(tmp_path / "a.h5md") as trajectory:
        assert trajectory.steps.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("generated", [0, 1])
def test_empty_and_single_sets_are_written(tmp_path, generated):
    which = system(generated_weights=np.zeros(generated)) if generated == 0 else None
    write(tmp_path / "a.h5md", start(generated=generated), 2, which=which)
    with Trajectory(tmp_path / "a.h5md") as trajectory:
        assert len(trajectory) == 3
        assert trajectory.state().generated.shape == (generated, 2)


CHILD = """
import sys
from pathlib import Path
import numpy as np
import coulombfield as cf
from coulombfield.diagnostics import energy_parts
from coulombfield.flow import Euler, State, Stop, System, run
from coulombfield.trajectory import Writer
rng = np.random.default_rng(0)
start = State(rng.standard_normal((6, 2)), rng.standard_normal((5, 2)))
def tell(now):
    if now.step == 20:
        Path(sys.argv[1] + ".ready").touch()
with Writer(sys.argv[1], potential=True) as writer:
    system = System(cf.Plummer(1.0, 0.5), method="direct")
    run(start, system, Euler(step=0.05), until=Stop(steps=10**6), callbacks=[writer, tell])
"""


def test_a_killed_run_leaves_a_readable_file_that_resumes_bit_for_bit(tmp_path):
    path = tmp_path / "killed.h5md"
    ready = tmp_path / "killed.h5md.ready"
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)], cwd=Path(__file__).parent.parent)
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


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, FileExistsError, "exists already; give resume=True"),
        ({"resume": True, "potential": True}, ValueError, "other elements, shapes or dtypes: particles/generated/pot"),
        ({"commit_every": 0}, ValueError, r"^commit_every: expected an integer of 1 or more, got 0"),
        ({"units": {"speed": "c"}}, ValueError, r"^units: expected names among .*, got speed"),
        ({"observables": {"a/b": len}}, ValueError, r"^observables: expected names"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_reason(tmp_path, options, error, message):
    write(tmp_path / "a.h5md", start(), 2)
    before = content(tmp_path / "a.h5md")
    with pytest.raises(error, match=message):
        write(tmp_path / "a.h5md", start(), 3, **options)
    assert content(tmp_path / "a.h5md") == before


def test_another_run_is_not_appended(tmp_path):
    write(tmp_path / "a.h5md", start(), 2)
    for state, what in ((start(dtype="float32"), "generated/position"), (start(seed=1), "another real/position")):
        with pytest.raises(ValueError, match=what):
            write(tmp_path / "a.h5md", state, 3, resume=True)


def test_what_is_no_trajectory_is_refused_with_a_reason(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        Trajectory(tmp_path / "none.h5md")
    (tmp_path / "text.h5md").write_text("text")
    with pytest.raises(ValueError, match="not a readable HDF5 file"):
        Trajectory(tmp_path / "text.h5md")
    h5py.File(tmp_path / "empty.h5md", "w").close()
    with pytest.raises(ValueError, match="expected an H5MD file"):
        Trajectory(tmp_path / "empty.h5md")
