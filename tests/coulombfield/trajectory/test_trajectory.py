"""Trajectories on disk: what is written comes back to the bit, and resumes."""

import dataclasses

import h5py
import numpy as np
import pytest
from trajectory_support import STEP, content, start, system, write

import coulombfield as cf
from coulombfield.diagnostics import energy_parts
from coulombfield.flow import Euler, Group, State, Stop, Verlet, run
from coulombfield.trajectory import Trajectory, Writer
from coulombfield.trajectory.units import Units


@pytest.mark.parametrize("moving", ["generated", "both"])
def test_what_is_written_comes_back_to_the_bit(tmp_path, dtype, moving):
    seen = []
    with Writer(
        tmp_path / "a.h5md", potential=True, force=True, observables={"mean": lambda now: now.positions[0]}
    ) as w:
        run(start(dtype, moving=moving), system(), STEP, until=Stop(steps=4), callbacks=[w, seen.append])
    with Trajectory(tmp_path / "a.h5md") as trajectory:
        assert len(trajectory) == len(seen) == 5
        for now, frame in zip(seen, trajectory, strict=True):
            x, y = frame.particles["generated"], frame.particles["real"]
            assert (frame.step, frame.time) == (now.step, now.time)
            for found, expected in (
                (x.position, now["generated"].positions),
                (y.position, now["real"].positions),
                (x.potential, now["generated"].potential),
                (x.force, now["generated"].force),
                (x.charge, np.full(6, -1 / 6, dtype)),
                (y.charge, np.full(5, 1 / 5, dtype)),
            ):
                assert found.dtype == dtype
                np.testing.assert_array_equal(found, expected)
            if moving == "both":
                np.testing.assert_array_equal(y.force, now["real"].force)
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
    assert middle["generated"].positions.dtype == dtype
    write(tmp_path / "parts.h5md", middle, 6, resume=True, **options)
    assert content(tmp_path / "parts.h5md") == content(tmp_path / "whole.h5md")


def test_arrays_of_any_library_are_written_and_put_back(tmp_path, library):
    host = start("float32")
    state = State.of(generated=library.put(host["generated"].positions), real=library.put(host["real"].positions))
    end = write(tmp_path / "a.h5md", state, 2, potential=True).state
    with Trajectory(tmp_path / "a.h5md") as trajectory:
        found = trajectory.state(put=library.put)
    for name in ("generated", "real"):
        for part in ("positions", "charges", "masses"):
            got, expected = (library.get(getattr(state[name], part)) for state in (found, end))
            np.testing.assert_array_equal(got, expected)
            assert got.dtype == np.float32


def test_the_numbers_of_an_integrator_come_back(tmp_path):
    """An adaptive step size is a float that no decimal hides; it is there in every frame."""
    state = dataclasses.replace(start(), memory={"step": 0.1 + 2**-54, "other": 1e-300})
    write(tmp_path / "a.h5md", state, 0)
    with Trajectory(tmp_path / "a.h5md") as trajectory:
        assert trajectory.state(0).memory == state.memory


def test_observables_may_be_numbers_tuples_and_arrays(tmp_path):
    observables = {
        "number": lambda now: now.step,
        "parts": lambda now: energy_parts(
            now["real"].positions, now["generated"].positions, cf.Plummer(1.0, 0.5), method="direct"
        ),
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


def test_fixed_data_are_written_once(tmp_path):
    write(tmp_path / "a.h5md", start(dimension=3), 2)
    with h5py.File(tmp_path / "a.h5md") as file:
        for kind, count in (("real", 5), ("generated", 6)):
            group = file["particles"][kind]
            assert group["box"].attrs["dimension"] == 3
            assert "edges" not in group["box"]
            np.testing.assert_array_equal(group["mass"], np.full(count, 1 / count))
        assert isinstance(file["particles/real/position"], h5py.Dataset)
        position = file["particles/generated/position"]
        assert position["value"].shape == (3, 6, 3)
        assert position["step"][()].tolist() == [0, 1, 2]
        assert file["observables/energy/step"] == position["step"]
        assert "modules" not in file["h5md"]
        assert "unit" not in position["value"].attrs


def test_text_is_of_fixed_length_in_ascii_as_h5md_demands(tmp_path):
    write(tmp_path / "a.h5md", start(), 1, units={"length": "nm", "time": "ps"}, author="A. U. Thor")
    found = {}

    def collect(name, item):
        for key in item.attrs:
            kind = item.attrs.get_id(key).get_type()
            if isinstance(kind, h5py.h5t.TypeStringID):
                found[f"{name}.{key}"] = item.attrs[key]
                assert not kind.is_variable_str(), (name, key)
                assert kind.get_cset() == h5py.h5t.CSET_ASCII, (name, key)

    with h5py.File(tmp_path / "a.h5md") as file:
        file.visititems(collect)
        assert file["h5md"].attrs["version"].tolist() == [1, 1]
        assert file["h5md/modules/units"].attrs["version"].tolist() == [1, 0]
    assert found["h5md/author.name"] == b"A. U. Thor"
    assert found["h5md/creator.name"] == b"coulombfield"
    assert found["h5md/creator.version"]
    assert found["h5md/modules/units.system"] == b"SI"
    assert found["particles/real/box.boundary"].tolist() == [b"none", b"none"]


def units_of(path):
    """Unit of every dataset that is no step, no text of this program and no observable of a user."""
    found = {}

    def collect(name, item):
        if isinstance(item, h5py.Dataset) and not name.endswith("/step") and item.dtype.kind == "f":
            found[name.removesuffix("/value")] = item.attrs.get("unit")

    with h5py.File(path) as file:
        file.visititems(collect)
    return found


def test_once_a_unit_is_named_all_have_one(tmp_path):
    options = {"potential": True, "force": True, "observables": {"spread": lambda now: now.positions.std()}}
    units = {"length": "nm", "time": "ps", "charge": "e", "energy": "kJ mol-1", "spread": "Ang"}
    write(tmp_path / "a.h5md", start(), 1, integrator=Verlet(step=0.1), units=units, **options)
    found = units_of(tmp_path / "a.h5md")
    assert None not in found.values()
    group = "particles/generated"
    for name, unit in {
        f"{group}/position": b"nm",
        "particles/real/position": b"nm",
        f"{group}/velocity": b"nm ps-1",
        f"{group}/force": b"kJ mol-1 nm-1",
        f"{group}/potential": b"kJ mol-1 e-1",
        f"{group}/charge": b"e",
        f"{group}/mass": b"1",
        "observables/softening": b"nm",
        "observables/largest_field": b"kJ mol-1 e-1 nm-1",
        "observables/spread": b"Ang",
        "observables/energy/time": b"ps",
    }.items():
        assert found[name] == unit, name


@pytest.mark.parametrize(
    ("named", "kind", "unit", "system"),
    [
        ({"length": "10+3 m", "time": "60 s"}, "velocity", "16.6666666666667 m s-1", "SI"),
        ({"length": "sigma", "time": "tau"}, "velocity", "sigma tau-1", "other"),
        ({"length": "nm", "time": "ps", "velocity": "Ang fs-1"}, "velocity", "Ang fs-1", "SI"),
        ({"length": "um+2", "time": "um+2"}, "velocity", "1", "SI"),
        ({"potential": "mV", "length": "nm"}, "field", "mV nm-1", "SI"),
        ({"time": "dar"}, "time", "dar", "other"),
        ({"time": "ps"}, "unknown", None, "SI"),
    ],
)
def test_units_follow_from_those_that_are_named(named, kind, unit, system):
    units = Units(named)
    assert (units.of(kind), units.system) == (unit, system)


def test_kernel_and_integrator_are_told_in_words(tmp_path):
    """A resumed run with others adds from which step; with the same it adds nothing."""
    path = tmp_path / "a.h5md"
    write(path, start(), 2)
    for step, last in ((0.05, 4), (0.02, 6), (0.02, 8)):
        with Trajectory(path) as trajectory:
            middle = trajectory.state()
        write(path, middle, last, integrator=Euler(step=step), resume=True)
    with Trajectory(path) as trajectory:
        assert trajectory.kernel == "Plummer(exponent=1.0, softening=0.5)"
        first = "Euler(step=0.05, temperature=0.0, seed=0)"
        assert trajectory.integrator == f"{first}\nfrom step 4: {first.replace('0.05', '0.02')}"


@pytest.mark.parametrize("moving", ["generated", "both"])
def test_dynamics_that_begin_at_rest_are_those_with_velocities_of_zero(tmp_path, moving):
    at_rest = start(moving=moving)
    moved = [name for name, group in at_rest.groups.items() if not group.fixed]
    zeros = {name: dataclasses.replace(at_rest[name], velocities=np.zeros((len(at_rest[name]), 2))) for name in moved}
    given = State({**at_rest.groups, **zeros})
    integrator, which = Verlet(step=0.1), system()
    seen = []
    for name, state, stop in (("a", at_rest, 3), ("b", given, 3), ("c", at_rest, 1)):
        write(tmp_path / f"{name}.h5md", state, stop, integrator=integrator, which=which)
    with Trajectory(tmp_path / "c.h5md") as trajectory:
        middle = trajectory.state()
    write(tmp_path / "c.h5md", middle, 3, integrator=integrator, which=which, resume=True)
    assert content(tmp_path / "a.h5md") == content(tmp_path / "b.h5md") == content(tmp_path / "c.h5md")
    run(at_rest, which, integrator, until=Stop(steps=2), callbacks=[lambda now: seen.append(now.velocities)])
    assert not seen[0].any()
    assert all(velocities.shape == seen[0].shape for velocities in seen)


@pytest.mark.parametrize("moving", ["generated", "both"])
@pytest.mark.parametrize("dimension", [2, 4])
def test_other_programs_find_all_particles_in_the_first_group(tmp_path, moving, dimension):
    state = start(dimension=dimension, moving=moving)
    options = {"integrator": Verlet(step=0.1), "all_particles": True}
    write(tmp_path / "a.h5md", state, 2, **options)
    with h5py.File(tmp_path / "a.h5md") as file:
        assert next(iter(file["particles"])) == "all"
        assert file["particles/all/box"].attrs["dimension"] == max(3, dimension)
        assert file["particles/all/box"].attrs["boundary"].tolist() == [b"none"] * max(3, dimension)
    with Trajectory(tmp_path / "a.h5md") as trajectory:
        for frame in trajectory:
            together, x, y = (frame.particles[name] for name in ("all", "generated", "real"))
            for name in ("position", "velocity"):
                parts = [
                    np.zeros((5, dimension)) if part is None else part for part in (getattr(y, name), getattr(x, name))
                ]
                np.testing.assert_array_equal(getattr(together, name)[:, :dimension], np.concatenate(parts))
                assert not getattr(together, name)[:, dimension:].any()
            for name in ("charge", "mass"):
                np.testing.assert_array_equal(
                    getattr(together, name), np.concatenate([getattr(y, name), getattr(x, name)])
                )
            assert together.species.tolist() == [0] * 5 + [1] * 6
            assert together.id.tolist() == list(range(11))
        middle = trajectory.state(1)
    write(tmp_path / "b.h5md", state, 1, **options)
    write(tmp_path / "b.h5md", middle, 2, resume=True, **options)
    assert content(tmp_path / "a.h5md") == content(tmp_path / "b.h5md")


def test_mdanalysis_reads_it(tmp_path):
    """As its documentation says: without units there is nothing to convert."""
    analysis = pytest.importorskip("MDAnalysis")
    state = start()
    write(tmp_path / "a.h5md", state, 3, all_particles=True)
    universe = analysis.Universe.empty(11, trajectory=True)
    universe.load_new(str(tmp_path / "a.h5md"), format="H5MD", convert_units=False)
    assert len(universe.trajectory) == 4
    expected = np.concatenate([state["real"].positions, state["generated"].positions])
    np.testing.assert_array_equal(universe.atoms.positions[:, :2], expected.astype(np.float32))


def test_a_file_of_an_earlier_version_goes_on_bit_for_bit(tmp_path):
    """Those have no masses, kernel or integrator, and text of variable length."""
    options = {"units": {"length": "nm"}, "force": True}
    write(tmp_path / "whole.h5md", start(), 4, **options)
    write(tmp_path / "old.h5md", start(), 2, **options)
    with h5py.File(tmp_path / "old.h5md", "r+") as file:
        for kind in ("generated", "real"):
            del file[f"particles/{kind}/mass"]
            del file[f"particles/{kind}/box"].attrs["boundary"]
            file[f"particles/{kind}/box"].attrs["boundary"] = ["none", "none"]
        for name in ("kernel", "integrator", "coupling", "groups"):
            del file["parameters/coulombfield"].attrs[name]
        file["h5md/author"].attrs["name"] = "N/A"
        del file["h5md/modules/units"].attrs["system"]
    with Trajectory(tmp_path / "old.h5md") as trajectory:
        assert (trajectory.author, trajectory.kernel) == ("N/A", "")
        assert trajectory[0].particles["real"].mass is None
        middle = trajectory.state()
    write(tmp_path / "old.h5md", middle, 4, resume=True, **options)
    whole, old = content(tmp_path / "whole.h5md"), content(tmp_path / "old.h5md")
    assert {name for name in whole if name not in old} == {"particles/generated/mass", "particles/real/mass"}
    assert all(old[name][0] == whole[name][0] for name in old)
    with Trajectory(tmp_path / "old.h5md") as trajectory:
        assert trajectory.kernel == "from step 2: Plummer(exponent=1.0, softening=0.5)"
        assert trajectory.setup(2).system.kernel == cf.Plummer(1.0, 0.5)
        with pytest.raises(ValueError, match="expected words of what was used at step 1, got none"):
            trajectory.setup(1)


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


@pytest.mark.parametrize("count", [0, 1])
def test_empty_and_single_groups_are_written(tmp_path, count):
    groups = {"few": Group(np.zeros((count, 2))), "real": Group(np.ones((3, 2)), fixed=True)}
    write(tmp_path / "a.h5md", State(groups), 2, integrator=Verlet(step=0.1), all_particles=True)
    with Trajectory(tmp_path / "a.h5md") as trajectory:
        assert len(trajectory) == 3
        assert trajectory.state()["few"].positions.shape == trajectory.state()["few"].velocities.shape == (count, 2)
        assert trajectory[0].particles["all"].species.tolist() == [0] * count + [1] * 3


def test_groups_come_back_by_their_names_and_in_their_order(tmp_path):
    """HDF5 sorts names; charges, masses, who is fixed and the coupling come back too."""
    rng = np.random.default_rng(0)
    groups = {
        "stars": Group(rng.standard_normal((3, 3)), rng.standard_normal((3, 3)), charges=[1.0, 2, 3], masses=2.0),
        "hole": Group(np.zeros((1, 3)), charges=10.0, fixed=True),
        "dust": Group(rng.standard_normal((4, 3)), charges=0.0, masses=0.1),
    }
    which, verlet = system(coupling=-1), Verlet(step=0.05)
    write(tmp_path / "whole.h5md", State(groups), 4, which=which, integrator=verlet)
    write(tmp_path / "parts.h5md", State(groups), 2, which=which, integrator=verlet)
    with Trajectory(tmp_path / "parts.h5md") as trajectory:
        middle = trajectory.state()
        assert trajectory.coupling == -1
        assert list(middle.groups) == ["stars", "hole", "dust"]
        assert [group.fixed for group in middle.groups.values()] == [False, True, False]
        for name, group in groups.items():
            np.testing.assert_array_equal(middle[name].charges, group.charges)
            np.testing.assert_array_equal(middle[name].masses, group.masses)
    write(tmp_path / "parts.h5md", middle, 4, which=which, integrator=verlet, resume=True)
    assert content(tmp_path / "parts.h5md") == content(tmp_path / "whole.h5md")
    reordered = dataclasses.replace(middle, groups=dict(sorted(middle.groups.items())))
    for state, other, what in ((middle, system(), "coupling"), (reordered, which, "groups")):
        with pytest.raises(ValueError, match=f"holds a run with another {what}"):
            write(tmp_path / "parts.h5md", state, 5, which=other, integrator=verlet, resume=True)


def test_a_group_named_like_that_of_all_particles_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"^all_particles: expected False with a group of the name 'all', got True"):
        write(tmp_path / "a.h5md", State({"all": Group(np.zeros((2, 2)))}), 1, all_particles=True)
    write(tmp_path / "b.h5md", State({"all": Group(np.zeros((2, 2)))}), 1)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, FileExistsError, "exists already; give resume=True"),
        ({"resume": True, "potential": True}, ValueError, "other elements, shapes or dtypes: particles/generated/pot"),
        ({"commit_every": 0}, ValueError, r"^commit_every: expected an integer of 1 or more, got 0"),
        ({"units": {"speed": "c"}}, ValueError, r"^units: expected names among .*, got speed"),
        ({"units": {"length": 1}}, TypeError, r"^units: expected text for length, got int"),
        ({"units": ["length"]}, TypeError, r"^units: expected a mapping such as .*, got list"),
        ({"units": {"length": "Å"}}, ValueError, r"^units: expected for length a unit as H5MD writes it, .* got 'Å'"),
        ({"units": {"time": "m/s"}}, ValueError, r"^units: expected for time .* got 'm/s'"),
        ({"units": {"time": ""}}, ValueError, r"^units: expected for time .* got ''"),
        ({"units": {"time": "s 60"}}, ValueError, r"^units: expected for time .* got 's 60'"),
        ({"units": {"time": "s s"}}, ValueError, r"^units: expected for time .* got 's s'"),
        ({"author": 3}, TypeError, r"^author: expected text, got int"),
        ({"author": ""}, ValueError, r"^author: expected text in ASCII, as H5MD has it, got ''"),
        ({"author": "José"}, ValueError, r"^author: expected text in ASCII, as H5MD has it, got 'José'"),
        ({"compression": "zip"}, ValueError, r"^compression: expected a filter of HDF5 such as 'gzip', got 'zip'"),
        ({"observables": {"a/b": len}}, ValueError, r"^observables: expected names .* got 'a/b'"),
        ({"observables": {"..": len}}, ValueError, r"^observables: expected names .* got '\.\.'"),
        ({"observables": {"a\0": len}}, ValueError, r"^observables: expected names .* got 'a"),
        ({"observables": {1: len}}, ValueError, r"^observables: expected names .* got 1"),
        ({"observables": {"energy": len}}, ValueError, r"^observables: energy is written already; .* energies=False"),
        ({"observables": {"size": 3}}, TypeError, r"^observables: expected a function of a Snapshot for size, got 3"),
        ({"observables": [len]}, TypeError, r"^observables: expected a mapping of names to functions, got list"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_reason(tmp_path, options, error, message):
    write(tmp_path / "a.h5md", start(), 2)
    before = content(tmp_path / "a.h5md")
    with pytest.raises(error, match=message):
        write(tmp_path / "a.h5md", start(), 3, **options)
    assert content(tmp_path / "a.h5md") == before


MASKED = np.ma.masked_array([1.0, 999.0], mask=[False, True])


@pytest.mark.parametrize("value", [None, "text", [[1.0], [1.0, 2.0]], {"a": 1}, object(), [None, 1.0], 1j, MASKED])
def test_an_observable_that_is_no_number_is_named_before_anything_is_written(tmp_path, value):
    with pytest.raises(
        TypeError, match=r"^observables: expected a number, a tuple of numbers or an array of mine, got"
    ):
        write(tmp_path / "a.h5md", start(), 2, observables={"mine": lambda now: value})
    assert (tmp_path / "a.h5md").read_bytes() == b""


@pytest.mark.parametrize("values", [(0, 0.5, 1), ((1.0, 2.0), 3.0, 1), (1.0, (1.0, 2.0), 1), (np.float32(1), 0.1, 1)])
def test_an_observable_keeps_its_shape_and_type_or_is_named(tmp_path, values):
    """A number would fill an array, and a float be cut to an integer: the frames before stay."""
    with pytest.raises(ValueError, match=r"^observables: expected .* of mine, as in the frames before, got "):
        write(tmp_path / "a.h5md", start(), 2, observables={"mine": lambda now: values[now.step]})
    with Trajectory(tmp_path / "a.h5md") as trajectory:
        assert trajectory.steps.tolist() == [0]


def test_an_observable_may_be_an_integer_where_it_is_a_float_otherwise(tmp_path):
    path, observables = tmp_path / "a.h5md", {"energy": lambda now: 0.5 if now.step % 2 == 0 else 0}
    write(path, start(), 3, observables=observables, energies=False)
    with Trajectory(path) as trajectory:
        assert trajectory.observables["energy"][:].tolist() == [0.5, 0, 0.5, 0]
        middle = trajectory.state(2)
    write(path, middle, 4, observables=observables, energies=False, resume=True)


def test_another_run_is_not_appended(tmp_path):
    write(tmp_path / "a.h5md", start(), 2)
    for state, what in ((start(dtype="float32"), "generated/position"), (start(seed=1), "another real/position")):
        with pytest.raises(ValueError, match=what):
            write(tmp_path / "a.h5md", state, 3, resume=True)
    heavy = dataclasses.replace(start()["generated"], masses=2.0)
    with pytest.raises(ValueError, match="another generated/mass"):
        write(tmp_path / "a.h5md", State({**start().groups, "generated": heavy}), 3, resume=True)


def test_a_file_of_something_else_is_not_appended_to(tmp_path):
    """Text, an HDF5 file of another kind, a trajectory of another program: each stays as it is."""
    text, data, other = (tmp_path / name for name in ("text.h5md", "data.h5md", "other.h5md"))
    text.write_text("text")
    with h5py.File(data, "w") as file:
        file["x"] = [1.0]
    with h5py.File(other, "w") as file:
        file.create_group("h5md")
    for path, message in ((text, "can't be read as HDF5"), (data, "expected a trajectory"), (other, "expected a traj")):
        before = path.read_bytes()
        with pytest.raises(ValueError, match=rf"^{path}: {message}"):
            write(path, start(), 1, resume=True)
        assert path.read_bytes() == before
