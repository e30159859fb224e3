"""Trajectories on disk: what is written comes back to the bit, and resumes."""

import h5py
import numpy as np
import pytest
from trajectory_support import STEP, content, start, system, write

import coulombfield as cf
from coulombfield.diagnostics import energy_parts
from coulombfield.flow import State, Stop, Verlet, run
from coulombfield.trajectory import Trajectory, Writer


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
