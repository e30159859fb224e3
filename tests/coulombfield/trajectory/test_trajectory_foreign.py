"""Trajectories that other programs wrote, and damaged ones."""

from __future__ import annotations

import shutil

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trajectory_support import start, write

from coulombfield.trajectory import Trajectory

POSITIONS = np.arange(24.0).reshape(4, 2, 3)


def foreign(path, group=None, **elements):
    """A file of another program: by name of the element the value, its steps, and its times."""
    with h5py.File(path, "w") as file:
        for name in ("author", "creator"):
            file.create_group(f"h5md/{name}").attrs["name"] = np.bytes_("other")
        group = file.create_group(f"particles/{group or 'a'}")
        for name, (value, *clock) in elements.items():
            for part, data in zip(("value", "step", "time"), (value, *clock), strict=False):
                group[f"{name}/{part}"] = data
    return path


def first(frames, name="position"):
    """First coordinate of each frame's first particle, which numbers the frames here; None where there is none."""
    arrays = [getattr(frame.particles["a"], name) for frame in frames]
    return [None if array is None else float(array[0, 0]) for array in arrays]


def numbered(count):
    return np.arange(float(count))[:, None, None] * np.ones((1, 2, 3))


def test_files_of_other_programs_are_read_as_far_as_they_go(tmp_path):
    """Steps as an increment with an offset, groups of other names, no times, an element at fewer steps."""
    x = POSITIONS
    path = foreign(tmp_path / "b.h5md", "solvent", position=(x, 10), velocity=(x[:2], [5, 25]))
    with h5py.File(path, "r+") as file:
        group = file["particles/solvent"]
        group["position/step"].attrs["offset"] = 5
        group["charge"] = [1.0, -1.0]
        file["observables/solvent/heat/value"], file["observables/solvent/heat/step"] = [1.0, 2.0], [5, 15]
    with Trajectory(tmp_path / "b.h5md") as trajectory:
        assert trajectory.steps.tolist() == [5, 15, 25, 35]
        assert np.isnan(trajectory.times).all()
        assert (trajectory.creator, trajectory.author) == ("other", "other")
        assert (trajectory.kernel, trajectory.integrator) == ("", "")
        assert trajectory.observables["solvent/heat"].at(15) == 2.0
        np.testing.assert_array_equal(trajectory[2].particles["solvent"].position, x[2])
        np.testing.assert_array_equal(trajectory[2].particles["solvent"].velocity, x[1])
        assert trajectory[1].particles["solvent"].velocity is None
        assert trajectory[1].particles["solvent"].charge.tolist() == [1, -1]
        assert trajectory[1].particles["solvent"].box is None
        with pytest.raises(ValueError, match="this program wrote"):
            trajectory.state()


@pytest.mark.parametrize("steps", [[0, 10, 20, 30], [0, 10, 10, 20], [0, 10, 0, 10], [0, 0, 10, 20], [0] * 4, 0, 5.0])
def test_a_frame_is_its_own_also_where_steps_repeat(tmp_path, steps):
    """A restart that writes its first frame again, two runs in one file, a minimization before the dynamics."""
    elements = {name: (numbered(4), steps) for name in ("position", "velocity", "force")}
    with Trajectory(foreign(tmp_path / "a.h5md", **elements)) as trajectory:
        for name in elements:
            assert first(trajectory, name) == [0, 1, 2, 3]
            assert first(trajectory[1:3], name) == [1, 2]
            assert first(trajectory[::-2], name) == [3, 1]


@given(
    runs=st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=6).map(sorted), min_size=1, max_size=3),
    every=st.integers(1, 3),
)
def test_an_element_at_fewer_steps_has_its_own_frame_or_none_or_an_error(tmp_path_factory, runs, every):
    """Each value says of which frame it is: no frame may show another's."""
    steps = np.concatenate(runs)
    kept = np.flatnonzero(steps % every == 0)
    path = tmp_path_factory.mktemp("runs") / "a.h5md"
    values = numbered(len(steps))
    some = values[kept] if kept.size else np.zeros((0, 2, 3))
    foreign(path, position=(values, steps), velocity=(some, steps[kept]))
    with Trajectory(path) as trajectory:
        assert first(trajectory, "velocity") == [float(i) if i in kept else None for i in range(len(steps))]


def test_where_it_can_not_be_told_which_value_belongs_is_an_error(tmp_path):
    path = foreign(tmp_path / "a.h5md", position=(numbered(4), [0, 10, 10, 20]), velocity=(numbered(3), [0, 10, 20]))
    with Trajectory(path) as trajectory:
        assert first([trajectory[0], trajectory[3]], "velocity") == [0, 2]
        for frame in (1, 2):
            with pytest.raises(
                ValueError, match=rf"^{path}: /particles/a/velocity has the step of frame {frame} another"
            ):
                trajectory[frame]
        assert trajectory.groups["a"]["velocity"].at(10)[0, 0] == 1
        with pytest.raises(
            ValueError, match=rf"^{path}: /particles/a/position has 2 values at step 10, at frames 1, 2;"
        ):
            trajectory.groups["a"]["position"].at(10)


def test_a_writer_killed_between_values_steps_and_times(tmp_path):
    with Trajectory(foreign(tmp_path / "a.h5md", position=(numbered(4), [0, 1, 2, 3], [0.0, 0.1, 0.2]))) as trajectory:
        assert trajectory[-2].time == 0.2
        assert np.isnan(trajectory[-1].time)
        assert [frame.step for frame in trajectory] == [0, 1, 2, 3]
    with Trajectory(foreign(tmp_path / "b.h5md", position=(numbered(4), [0, 1, 2]))) as trajectory:
        assert first(trajectory) == [0, 1, 2]
        assert first(trajectory[-1:]) == [2]
        element = trajectory.groups["a"]["position"]
        assert [float(element[i][0, 0]) for i in (0, -1)] == [0, 2]
        assert element[::-1][:, 0, 0].tolist() == [2, 1, 0]
        assert element[5:].shape == (0, 2, 3)
        with pytest.raises(IndexError, match="expected -3 to 2, got 3"):
            element[3]


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([0.5, 1.0, 1.5, 2.0], "expected integers that fit int64, got 0.5"),
        (np.arange(4, dtype=np.uint64) + 2**63, "expected integers that fit int64, got 9223372036854775808"),
        ([0.0, np.nan, 2.0, 3.0], "expected integers that fit int64, got nan"),
        (0.5, "expected integers that fit int64, got 0.5"),
        (2**62, "expected steps that fit int64, got 0 and then every 4611686018427387904"),
        (np.asarray([b"0", b"1", b"2", b"3"]), r"expected integers, got \|S1"),
    ],
)
def test_steps_that_are_no_steps_are_refused(tmp_path, steps, message):
    path = foreign(tmp_path / "a.h5md", position=(numbered(4), steps))
    with pytest.raises(ValueError, match=rf"^{path}: can't be read as H5MD: /particles/a/position/step: {message}"):
        Trajectory(path)


@pytest.mark.parametrize(
    ("remove", "message"),
    [
        ("h5md/author", "without the group h5md/author"),
        ("h5md/creator", "without the group h5md/creator"),
        ("particles", "without the group particles"),
        ("particles/a/position", "whose groups have no positions"),
        ("particles/a/position/step", "can't be read as H5MD: /particles/a/position: expected an element of H5MD"),
    ],
)
def test_what_is_missing_is_named(tmp_path, remove, message):
    path = foreign(tmp_path / "a.h5md", position=(numbered(4), [0, 1, 2, 3]))
    with h5py.File(path, "r+") as file:
        del file[remove]
    with pytest.raises(ValueError, match=rf"^{path}: .*{message}"):
        Trajectory(path)


def test_what_is_no_trajectory_is_refused_with_a_reason(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        Trajectory(tmp_path / "none.h5md")
    (tmp_path / "text.h5md").write_text("text")
    with pytest.raises(ValueError, match=rf"^{tmp_path}/text.h5md: can't be read as HDF5"):
        Trajectory(tmp_path / "text.h5md")
    h5py.File(tmp_path / "empty.h5md", "w").close()
    with pytest.raises(ValueError, match=rf"^{tmp_path}/empty.h5md: expected an H5MD file"):
        Trajectory(tmp_path / "empty.h5md")


@pytest.mark.parametrize("by", ["position", "id"])
def test_rows_that_fill_up_arrays_are_left_out(tmp_path, by):
    """As znh5md writes absent atoms, NaN as fill value, and as H5MD has it, by a fill value of the identifiers."""
    x, v = POSITIONS.copy(), -POSITIONS
    identifiers = np.asarray([[7, 3], [3, 7], [7, -1], [-1, -1]])
    if by == "position":
        x[2, 1] = x[3] = np.nan
    path = foreign(tmp_path / "a.h5md", velocity=(v, 1))
    with h5py.File(path, "r+") as file:
        group = file["particles/a"]
        group["charge"] = [1.0, -1.0]
        fills = {"position": (x, np.nan if by == "position" else 0.0), "id": (identifiers, -1 if by == "id" else None)}
        for name, (value, fill) in fills.items():
            group.create_dataset(f"{name}/value", data=value, fillvalue=fill)
            group[f"{name}/step"] = 1
    with Trajectory(path) as trajectory:
        for frame, count in zip(trajectory, (2, 2, 1, 0), strict=True):
            found = frame.particles["a"]
            assert [len(found.position), len(found.velocity), len(found.charge), len(found.id)] == [count] * 4
            assert np.isfinite(found.position).all()
        np.testing.assert_array_equal(trajectory[2].particles["a"].velocity, v[2, :1])


def test_nan_is_a_row_where_it_fills_nothing(tmp_path):
    x = POSITIONS.copy()
    x[1] = np.nan
    with Trajectory(foreign(tmp_path / "a.h5md", position=(x, 1))) as trajectory:
        assert trajectory[1].particles["a"].position.shape == (2, 3)


def test_particles_that_change_their_order_can_be_followed(tmp_path):
    """Identifiers, species, images and a box that changes; as a simulation that sorts its particles in space writes."""
    orders = np.asarray([[4, 2, 9], [9, 4, 2]])
    x = orders[..., None] * np.ones(2) + np.asarray([0.0, 0.5])[:, None, None]
    path = foreign(
        tmp_path / "a.h5md", position=(x, 1), id=(orders, 1), species=(orders % 2, 1), image=(np.sign(x).astype(int), 1)
    )
    with h5py.File(path, "r+") as file:
        box = file.create_group("particles/a/box")
        box.attrs["dimension"], box.attrs["boundary"] = 2, np.asarray([b"periodic", b"none"])
        box["edges/value"], box["edges/step"] = [[10.0, 10.0], [11.0, 10.0]], 1
    with Trajectory(path) as trajectory:
        for number, frame in enumerate(trajectory):
            found = frame.particles["a"]
            assert found.id.tolist() == orders[number].tolist()
            assert found.box.boundary == ("periodic", "none")
            assert found.box.edges.tolist() == [10.0 + number, 10.0]
            ordered = found.sorted_by_id()
            assert ordered.id.tolist() == [2, 4, 9]
            assert ordered.species.tolist() == [0, 0, 1]
            assert (ordered.position - number / 2)[:, 0].tolist() == [2, 4, 9]
            assert ordered.box is found.box
            assert ordered.velocity is None
    with (
        Trajectory(foreign(tmp_path / "b.h5md", position=(x, 1))) as trajectory,
        pytest.raises(ValueError, match=r"^id: expected particles with identifiers"),
    ):
        trajectory[0].particles["a"].sorted_by_id()


@pytest.mark.parametrize("frame", [1.0, "1", None, [0, 1]])
def test_a_frame_is_an_integer_or_a_slice(tmp_path, frame):
    with (
        Trajectory(foreign(tmp_path / "a.h5md", position=(numbered(2), 1))) as trajectory,
        pytest.raises(TypeError, match=r"^frame: expected an integer or a slice"),
    ):
        trajectory[frame]


@pytest.mark.slow
def test_whatever_is_damaged_the_error_begins_with_the_path(tmp_path):
    """Bytes of a file overwritten, or its end cut off: what can't be read is a ValueError that names the file."""
    whole, path = tmp_path / "whole.h5md", tmp_path / "a.h5md"
    write(whole, start(), 3, compression="gzip", potential=True)
    content = whole.read_bytes()
    used = np.flatnonzero(np.frombuffer(content, np.uint8))  # most of so small a file is empty
    # HDF5 2.0 reads on without end where its heap of texts is damaged.
    used = used[[content.rfind(b"GCOL", max(0, at - 4096), at + 4) < 0 for at in used]]
    rng = np.random.default_rng(0)
    errors = []
    for attempt in range(60):
        shutil.copy(whole, path)
        with open(path, "r+b") as file:
            if attempt % 10:
                file.seek(int(rng.choice(used)))
                file.write(rng.bytes(int(rng.integers(1, 9))))
            else:
                file.truncate(int(rng.integers(1, whole.stat().st_size)))
        try:
            with Trajectory(path) as trajectory:
                list(trajectory)
                trajectory.state()
                for element in trajectory.observables.values():
                    element[:]
        except ValueError as error:
            errors.append(str(error))
    assert len(errors) > 10
    assert [error for error in errors if not error.startswith(f"{path}: ")] == []


def test_a_damaged_file_is_not_resumed(tmp_path):
    """Elements of which one has a size that no writer gave it, which HDF5 would work on for hours to fill."""
    path = tmp_path / "a.h5md"
    write(path, start(), 3)
    with h5py.File(path, "r+") as file:
        file["observables/energy/value"].resize(2**40, axis=0)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=rf"^{path}: is damaged: its elements have different numbers of frames"):
        write(path, start(), 5, resume=True)
    assert path.read_bytes() == before
