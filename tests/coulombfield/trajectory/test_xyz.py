"""Extended XYZ: what is written comes back to the bit, ASE reads it and is read, and damage is named with its line."""

import dataclasses

import numpy as np
import pytest
from trajectory_support import system, write

import coulombfield as cf
from coulombfield.flow import Euler, Group, Motion, Snapshot, State, Stop, System, Verlet, run
from coulombfield.trajectory import Box, Trajectory, XYZWriter, read_xyz, write_xyz

TWO = """2
Properties=species:S:1:pos:R:3:charge:R:1
a 0.0 1.0 2.0 1.0
b 3.0 4.0 5.0 -1.0
"""


def groups(dtype="float64", dimension=3):
    rng = np.random.default_rng(0)
    x, v, y, z = (rng.standard_normal((count, dimension)).astype(dtype) for count in (3, 3, 2, 4))
    return {
        "stars": Group(x, v, charges=np.asarray([1.0, 2.0, 3.0], dtype), masses=2.0),
        "hole": Group(y, charges=10.0, fixed=True),
        "dust": Group(z, z * 1e-300 if dtype == "float64" else z, charges=0.0, masses=0.1),
    }


def of(tmp_path, text):
    path = tmp_path / "a.xyz"
    path.write_text(text)
    return path


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_a_state_comes_back_to_the_bit(tmp_path, dtype, dimension):
    state = State(groups(dtype, dimension), step=7, time=0.1 + 2**-54)
    write_xyz(tmp_path / "a.xyz", state)
    (frame,) = read_xyz(tmp_path / "a.xyz")
    found = frame.state(put=lambda array: array.astype(dtype))
    assert (found.step, found.time) == (state.step, state.time)
    assert list(found.groups) == ["stars", "hole", "dust"]
    for name, group in state.groups.items():
        assert found[name].fixed == group.fixed
        for part in ("positions", "velocities", "charges", "masses"):
            expected = getattr(group, part)
            if expected is None:
                assert getattr(found[name], part) is None
            else:
                np.testing.assert_array_equal(getattr(found[name], part), expected)


def test_a_run_is_written_like_its_h5md_file(tmp_path):
    """By the callback, and from the file's frames afterwards, which know no potential at the fixed particles."""
    state = State(groups())
    with (
        XYZWriter(tmp_path / "a.xyz", force=True) as writer,
        XYZWriter(tmp_path / "c.xyz", potential=True) as potential,
    ):
        run(state, system(), Verlet(step=0.1), until=Stop(steps=2), callbacks=[writer, potential])
    options = {"potential": True, "force": True, "all_particles": True}
    write(tmp_path / "a.h5md", state, 2, integrator=Verlet(step=0.1), **options)
    with Trajectory(tmp_path / "a.h5md") as trajectory:
        write_xyz(tmp_path / "b.xyz", trajectory)
        assert (tmp_path / "b.xyz").read_text() == (tmp_path / "a.xyz").read_text()
        assert "nan" not in (tmp_path / "c.xyz").read_text()
        several = zip(trajectory, read_xyz(tmp_path / "a.xyz"), read_xyz(tmp_path / "c.xyz"), strict=True)
        for expected, found, with_potential in several:
            assert (found.step, found.time) == (expected.step, expected.time)
            assert list(found.particles) == list(expected.groups) == ["stars", "hole", "dust"]
            for name, particles in expected.groups.items():
                for part in ("position", "velocity", "force", "charge", "mass"):
                    np.testing.assert_array_equal(getattr(found.particles[name], part), getattr(particles, part))
                if not particles.fixed:
                    np.testing.assert_array_equal(with_potential.particles[name].potential, particles.potential)
            everything = cf.Charges(
                np.concatenate([each.position for each in expected.groups.values()]),
                np.concatenate([each.charge for each in expected.groups.values()]),
            )
            hole = with_potential.particles["hole"]
            at_hole = cf.potential(hole.position, everything, cf.Plummer(1, 0.5), method="direct")
            np.testing.assert_allclose(hole.potential, at_hole, rtol=1e-12)


def test_a_quantity_that_a_group_lacks_is_left_out(tmp_path):
    (frame,) = read_xyz(of(tmp_path, TWO))
    frame.particles["a"] = frame.particles["a"]._replace(charge=None, velocity=np.ones((1, 3)))
    write_xyz(tmp_path / "b.xyz", frame)
    assert "Properties=species:S:1:pos:R:3:Z:I:1:group:S:1 " in (tmp_path / "b.xyz").read_text()


def test_ase_reads_what_it_has_names_for(tmp_path):
    ase = pytest.importorskip("ase.io")
    state = State(groups())
    with XYZWriter(tmp_path / "a.xyz", force=True, atomic_numbers={"stars": 11}) as writer:
        run(state, system(), Verlet(step=0.1), until=Stop(steps=1), callbacks=[writer])
    frames, ours = ase.read(tmp_path / "a.xyz", index=":"), list(read_xyz(tmp_path / "a.xyz"))
    assert [atoms.info["Time"] for atoms in frames] == [0.0, 0.1]
    for atoms, frame in zip(frames, ours, strict=True):
        x, y, z = (frame.particles[name] for name in ("stars", "hole", "dust"))
        np.testing.assert_array_equal(atoms.positions, np.concatenate([x.position, y.position, z.position]))
        np.testing.assert_array_equal(atoms.get_masses(), np.concatenate([x.mass, y.mass, z.mass]))
        np.testing.assert_array_equal(atoms.get_initial_charges(), np.concatenate([x.charge, y.charge, z.charge]))
        velocities = np.concatenate([x.velocity, np.zeros((2, 3)), z.velocity])
        np.testing.assert_allclose(atoms.get_velocities(), velocities, rtol=1e-15)
        np.testing.assert_array_equal(atoms.get_forces(apply_constraint=False)[:3], x.force)
        assert atoms.arrays["group"].tolist() == ["stars"] * 3 + ["hole"] * 2 + ["dust"] * 4
        assert atoms.numbers.tolist() == [11] * 3 + [0] * 6
        assert atoms.constraints[0].index.tolist() == [3, 4]
        assert not atoms.pbc.any()


@pytest.mark.parametrize("periodic", [(True, True, False), (True, True, True)])
def test_a_box_goes_to_ase_and_back(tmp_path, periodic):
    ase = pytest.importorskip("ase.io")
    edges = np.asarray([4.0, 5.0, 6.0 if periodic[2] else 0.0])
    box = Box(tuple("periodic" if each else "none" for each in periodic), edges)
    write_xyz(tmp_path / "a.xyz", State(groups()))
    (frame,) = read_xyz(tmp_path / "a.xyz")
    particles = {name: each._replace(box=box) for name, each in frame.particles.items()}
    write_xyz(tmp_path / "b.xyz", frame._replace(particles=particles))
    atoms = ase.read(tmp_path / "b.xyz")
    assert tuple(atoms.pbc) == periodic
    np.testing.assert_array_equal(atoms.cell, np.diag(edges))
    ase.write(tmp_path / "c.xyz", atoms, format="extxyz")
    for path in ("b.xyz", "c.xyz"):
        (found,) = read_xyz(tmp_path / path)
        assert found.particles["stars"].box.boundary == box.boundary
        np.testing.assert_array_equal(found.particles["stars"].box.edges, edges)


def test_the_box_of_a_system_is_written(tmp_path):
    law, state = system(), State(groups())
    motion = Motion(law, state, None, False)
    object.__setattr__(law, "box", cf.periodic.Box([4.0, 5.0, None], [True, True, False]))
    write_xyz(tmp_path / "a.xyz", Snapshot.of(state, motion))
    (frame,) = read_xyz(tmp_path / "a.xyz")
    for particles in frame.particles.values():
        assert particles.box.boundary == ("periodic", "periodic", "none")
        assert particles.box.edges.tolist() == [4, 5, 0]


def test_what_ase_writes_is_read(tmp_path):
    """A crystal with an oblique cell, of which one atom is fixed; with momenta once its masses are told."""
    ase = pytest.importorskip("ase")
    from ase.constraints import FixAtoms
    from ase.io import write as ase_write

    atoms = ase.Atoms("NaClNa", [[0, 0, 0], [0, 0, 2.8], [2.8, 0, 0]], charges=[1, -1, 1], pbc=True)
    atoms.cell = [[4.0, 0, 0], [1, 4, 0], [0, 1, 4]]
    atoms.set_momenta(np.ones((3, 3)))
    atoms.set_constraint(FixAtoms([2]))
    path = tmp_path / "a.xyz"
    columns = ["symbols", "positions", "initial_charges", "momenta", "move_mask"]  # before 3.26 constraints if asked
    ase_write(path, [atoms, atoms], format="extxyz", columns=columns)
    with pytest.raises(ValueError, match=rf"^{path}: can't be read as extended XYZ in line 2: expected masses beside"):
        list(read_xyz(path))
    atoms.set_masses(atoms.get_masses())
    ase_write(path, [atoms, atoms], format="extxyz", columns=[*columns, "masses"])
    first, second = read_xyz(path)
    assert (first.step, second.step, np.isnan(first.time)) == (0, 1, True)
    assert [(name, each.fixed) for name, each in first.particles.items()] == [
        ("Na", False),
        ("Na-fixed", True),
        ("Cl", False),
    ]
    state = second.state()
    np.testing.assert_allclose(state["Cl"].velocities, np.ones((1, 3)) / atoms.get_masses()[1], rtol=1e-7)
    assert state["Na-fixed"].charges.tolist() == [1.0]
    np.testing.assert_array_equal(first.particles["Na"].box.edges, atoms.cell)


def test_plain_xyz_is_read(tmp_path):
    first, second = read_xyz(of(tmp_path, "1\nwater, really\nO 0 1 2\n2\n\nO 0 1 2\nH 3 4 5\n\n\n"))
    assert first.particles["O"].position.tolist() == [[0, 1, 2]]
    assert list(second.particles) == ["O", "H"]
    assert second.particles["H"].box is None
    with pytest.raises(ValueError, match=r"^O: expected particles with a charge, got some without"):
        first.state()


def test_integers_are_numbers_and_truth_values(tmp_path):
    """As OVITO writes what is one of its own integers."""
    text = TWO.replace("charge:R:1", "mass:I:1:move_mask:I:1").replace("-1.0", "3 0").replace("2.0 1.0", "2.0 5 1")
    (frame,) = read_xyz(of(tmp_path, text))
    assert [(each.mass.tolist(), each.fixed) for each in frame.particles.values()] == [([5], False), ([3], True)]


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = of(tmp_path, TWO + TWO)
    write_xyz(path, read_xyz(path))
    assert len(list(read_xyz(path))) == 2
    before = path.read_text()
    four = State(Group(np.zeros((1, 4))))
    with pytest.raises(ValueError, match=r"^frames: expected at most 3 dimensions for extended XYZ, got 4"):
        write_xyz(path, [State(groups()), four])
    assert path.read_text() == before
    assert [each.name for each in tmp_path.iterdir()] == ["a.xyz"]
    with pytest.raises(FileExistsError):
        XYZWriter(path)


def test_a_state_of_numbers_that_are_none_does_not_run(tmp_path):
    (frame,) = read_xyz(of(tmp_path, TWO.replace("3.0", "nan")))
    with pytest.raises(ValueError, match=r"^b\.positions: expected finite numbers to start from, got \[nan"):
        run(frame.state(), system(), Verlet(step=0.1), until=Stop(steps=1))


@pytest.mark.parametrize(
    ("frames", "options", "error", "message"),
    [
        (3, {}, TypeError, "frames: expected states, snapshots or frames, got int"),
        ([3], {}, TypeError, "frames: expected states, snapshots or frames, got int"),
        ([], {}, ValueError, "frames: expected one at least, got none"),
        ({"a b": Group(np.zeros((1, 2)))}, {}, ValueError, "groups: expected names without spaces .* got 'a b'"),
        ({"a": Group(np.zeros((1, 2)))}, {"atomic_numbers": {"b": 1}}, ValueError, "atomic_numbers: .* among a, got b"),
        ({"a": Group(np.zeros((1, 2)))}, {"atomic_numbers": {"a": 1.0}}, ValueError, "atomic_numbers: .* got 1.0"),
        ({"a": Group(np.zeros((1, 2)))}, {"atomic_numbers": ["a"]}, TypeError, "atomic_numbers: .* got list"),
    ],
)
def test_what_can_not_be_written_is_named(tmp_path, frames, options, error, message):
    with pytest.raises(error, match=f"^{message}"):
        write_xyz(tmp_path / "a.xyz", State(frames) if isinstance(frames, dict) else frames, **options)
    assert not (tmp_path / "a.xyz").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a frame of extended XYZ, got an empty file"),
        (TWO + TWO[: TWO.index("b ")], r"expected 2 particles after line 6, got 1: it is cut off"),
        (TWO[:-5], r"expected 5 columns in line 4, got 4"),
        (TWO.replace("2\n", "3\n", 1), "expected 3 particles after line 2, got 2: it is cut off"),
        (TWO.replace("2\n", "1\n", 1), r"expected a number of particles in line 4, got 'b 3"),
        (TWO.replace("2\n", "-2\n", 1), "expected a number of particles in line 1, got '-2'"),
        (TWO.replace("2\n", "9" * 40 + "\n", 1), "expected 9* particles after line 2, got 2: it is cut off"),
        ("\n" + TWO, "expected a number of particles in line 1, got an empty line"),
        (TWO.replace("4.0", "4,0"), "expected a number of pos in line 4, got '4,0'"),
        (TWO.replace("4.0", "4_0"), "expected a number of pos in line 4, got '4_0'"),
        (TWO.replace("1\n", '1 Time="1_0"\n', 1), "line 2: .*without underscores, got '1_0'"),
        (TWO.replace("4.0", "\u0664.0"), "expected a number of pos in line 4, got '\u0664.0'"),
        (TWO.replace("1\n", "1 Step=99999999999999999999\n", 1), "expected a step of 64 bits"),
        (TWO.replace("1\n", '1 Lattice="-1 0 0 0 1 0 0 0 1"\n', 1), "expected edges that are not negative"),
        (TWO.replace("pos:R:3", "pos:R:2:x:R:1"), "expected pos:R:3 in line 2, got R:2"),
        (TWO.replace("pos:R:3", "pos:S:3"), "expected pos:R:3 in line 2, got S:3"),
        (TWO.replace("pos", "place"), "expected a column pos:R:3 in line 2, got species"),
        (TWO.replace(":1\n", "\n"), "expected Properties=name:kind:width"),
        (TWO.replace("charge", "pos"), "expected Properties=name:kind:width"),
        (TWO.replace("R:3", "R:three"), "expected R, I, S or L and a width of pos in line 2, got R:three"),
        (TWO.replace("R:3", "C:3"), "expected R, I, S or L and a width of pos in line 2, got C:3"),
        (TWO.replace("charge:R", "id:I"), "expected an integer of id in line 3, got '1.0'"),
        (TWO.replace("charge:R", "move_mask:L"), "expected T or F of move_mask in line 3, got '1.0'"),
        (
            TWO.replace("1\n", "1 dimension=2\n", 1),
            "expected coordinates of 0 beyond dimension=2, got others of position",
        ),
        (TWO.replace("charge:R:1", "momenta:R:1"), "expected momenta:R:3 in line 2, got R:1"),
        (
            "1\nProperties=pos:R:3:momenta:R:3:mass:R:1\n0 0 0 1 1 1 0\n",
            "expected positive masses beside momenta, got 0",
        ),
        (
            "3\nProperties=species:S:1:pos:R:3:move_mask:L:1\na-fixed 0 0 0 T\na 0 0 0 F\na 0 0 0 T\n",
            "expected a name for each group, got a-fixed for two",
        ),
        (TWO.replace("1\n", "1 dimension=4\n", 1), "expected a dimension from 1 to 3, got 4"),
        (TWO.replace("1\n", "1 Step=soon\n", 1), "can't be read as extended XYZ in line 2: .*'soon'"),
        (TWO.replace("1\n", "1 Time=soon\n", 1), "can't be read as extended XYZ in line 2: .*'soon'"),
        (TWO.replace("1\n", '1 Lattice="1 2 3"\n', 1), "expected nine finite numbers as Lattice, got '1 2 3'"),
        (TWO.replace("1\n", '1 Lattice="nan 0 0 0 1 0 0 0 1"\n', 1), "expected nine finite numbers as Lattice"),
        (TWO.replace("1\n", '1 Lattice="1 0 0 0 1 0 0 0 0"\n', 1), "expected an edge along each axis that repeats"),
        (TWO.replace("1\n", '1 pbc="T T"\n', 1), "expected three of T and F as pbc, got 'T T'"),
        (TWO.replace("1\n", '1 pbc="T T F"\n', 1), "expected a Lattice beside axes that repeat, got none"),
    ],
)
def test_what_is_damaged_is_named_with_its_line(tmp_path, text, message):
    path = of(tmp_path, text)
    with pytest.raises(ValueError, match=rf"^{path}: .*{message}") as caught:
        list(read_xyz(path))
    assert "\n" not in str(caught.value)


def test_whatever_is_overwritten_the_error_begins_with_the_path(tmp_path):
    path = tmp_path / "a.xyz"
    write_xyz(path, State(groups()))
    content, rng, errors = path.read_bytes(), np.random.default_rng(0), []
    for _ in range(150):
        damaged = bytearray(content)
        at = int(rng.integers(len(content)))
        damaged[at : at + 3] = rng.bytes(3)
        path.write_bytes(damaged)
        try:
            list(read_xyz(path))
        except ValueError as error:
            errors.append(str(error))
    assert len(errors) > 30
    assert [error for error in errors if not error.startswith(f"{path}: ")] == []


def test_what_is_no_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=rf"^{tmp_path}/none: no such file"):
        read_xyz(tmp_path / "none")


def test_an_empty_group_beside_others_is_left_out(tmp_path):
    state = State(
        {"few": Group(np.zeros((0, 2))), "one": dataclasses.replace(groups()["hole"], positions=np.ones((2, 2)))}
    )
    write_xyz(tmp_path / "a.xyz", state)
    (frame,) = read_xyz(tmp_path / "a.xyz")
    assert list(frame.particles) == ["one"]
    write_xyz(tmp_path / "b.xyz", State(Group(np.zeros((0, 2)))))
    (frame,) = read_xyz(tmp_path / "b.xyz")
    assert frame.particles == {}
    with pytest.raises(ValueError, match=r"^frames: expected particles, got a frame without groups"):
        write_xyz(tmp_path / "c.xyz", frame)


def test_particles_of_which_all_are_fixed_have_no_velocities(tmp_path):
    write_xyz(tmp_path / "a.xyz", State({"hole": groups()["hole"]}))
    assert "velo" not in (tmp_path / "a.xyz").read_text()


def test_a_writer_whose_first_frame_is_refused_leaves_no_file(tmp_path):
    start = State(Group(np.zeros((2, 4)) + np.arange(2.0)[:, None]))
    for _ in range(2):  # the second time nothing is in the way
        with pytest.raises(ValueError, match="dimension"), XYZWriter(tmp_path / "a.xyz") as writer:
            run(start, System(cf.Plummer()), Euler(0.1), until=Stop(steps=1), callbacks=[writer])
    assert not any(tmp_path.iterdir())
    (tmp_path / "a.xyz").write_text("mine")
    with pytest.raises(FileExistsError, match=r"a\.xyz: exists already; give another path"):
        XYZWriter(tmp_path / "a.xyz")
    assert (tmp_path / "a.xyz").read_text() == "mine"
