"""Any frame of a file is where a run can start: bit for bit by the file alone, or anew from another program's file."""

import h5py
import numpy as np
import pytest
from trajectory_support import start, system, write

import coulombfield as cf
from coulombfield.flow import (
    Adaptive,
    Annealing,
    Descent,
    Euler,
    ExternalField,
    Group,
    HarmonicTrap,
    Langevin,
    RungeKutta,
    State,
    Stop,
    System,
    Verlet,
    Walls,
    Yoshida,
    run,
)
from coulombfield.trajectory import Trajectory, Writer
from coulombfield.trajectory.words import made_of, with_line, words_at, words_of

KERNELS = [
    cf.Plummer(1, 0.5),
    0.5 * cf.Plummer(3, 1.0) + cf.Gaussian(2.0) + cf.Laplace(1.5),
    cf.Coulomb(1),
]
FIRST_ORDER = [Euler(0.05, temperature=0.1, seed=3), RungeKutta(0.05), Adaptive(0.05), Descent(0.05)]
WITH_INERTIA = [
    Verlet(0.05),
    Verlet(0.05, accuracy=0.1),
    Yoshida(0.05),
    Langevin(0.05, friction={"stars": 1.0}, temperature=0.5, seed=2),
]


def stars(inertia):
    rng = np.random.default_rng(0)
    x, v, y = (rng.uniform(-1, 1, (count, 3)) for count in (5, 5, 4))
    heavy = Group(x, v if inertia else None, charges=[1.0, 2, 3, 4, 5], masses=2.0)
    return State({"stars": heavy, "hole": Group(y[:1], charges=10.0, fixed=True), "dust": Group(y[1:], charges=0.1)})


def values(path):
    """What changes with each frame of a file, by its names."""
    with h5py.File(path) as file:
        found = {}
        file.visititems(lambda name, item: found.update({name: item[()]}) if name.endswith("/value") else None)
    return found


@pytest.mark.parametrize("integrator", [*FIRST_ORDER, *WITH_INERTIA], ids=lambda one: type(one).__name__)
def test_from_any_frame_the_file_alone_goes_on_bit_for_bit(tmp_path, integrator):
    """Positions, velocities, energies and the integrator's memory; ε falls, and there are walls and a trap."""
    walls = None if isinstance(integrator, Adaptive | Descent | RungeKutta) else Walls([-2, -2, -2], [2, 2, 2])
    law = System(KERNELS[0], coupling=-1, external=[HarmonicTrap(0.3)], walls=walls, method="direct")
    schedule = None if isinstance(integrator, Descent) else Annealing(1.0, 0.2, 1.0)
    with Writer(tmp_path / "a.h5md") as writer:
        first = stars(integrator in WITH_INERTIA)
        run(first, law, integrator, until=Stop(steps=6), softening=schedule, callbacks=[writer], every=2)
    whole = values(tmp_path / "a.h5md")
    for frame in (1, 2):
        path = tmp_path / f"{frame}.h5md"
        with Trajectory(tmp_path / "a.h5md") as trajectory, Writer(path) as writer:
            made = trajectory.setup(frame)
            run(trajectory.state(frame), **made._asdict(), until=Stop(steps=6), callbacks=[writer], every=2)
        found = values(path)
        assert found.keys() == whole.keys()
        for name, expected in whole.items():
            np.testing.assert_array_equal(found[name], expected[frame:], err_msg=name)


@pytest.mark.parametrize("kernel", KERNELS, ids=str)
def test_a_system_is_made_of_its_words(kernel):
    law = System(
        kernel,
        coupling=-0.5,
        external=(HarmonicTrap([1.0, 2.0], centre=[0, -1], groups=["a"]),),
        walls=Walls([-1, -np.inf], [1, np.inf]),
        exclude_self=True,
        rtol=1e-3,
    )
    made = made_of(words_of(law).decode())
    assert made is not law
    assert (repr(made), made.kernel) == (repr(law), kernel)


@pytest.mark.parametrize(
    "words",
    [
        "open('a')",
        "Plummer.__init__",
        "[].append(1)",
        "Plummer(1",
        "Plummer(1, 0.5) if 1 else 2",
        "Plummer(-1)",
        "System(kernel=Custom(value=<lambda>))",
        "-'a'",
        "-" * 10**4 + "1",
        "(" * 150 + "1" + ",)" * 150 + "+",
        "{[]: 1}",
    ],
)
def test_words_of_anything_else_are_refused(words):
    with pytest.raises(ValueError, match=r"^expected calls of public classes with numbers, got "):
        made_of(words)


def test_what_holds_at_a_step_is_the_last_line_before_it():
    text = b""
    for step, words in ((None, b"a"), (4, b"b"), (6, b"b"), (8, b"c")):
        text = with_line(text, words, step)
    assert text.count(b"\n") == 2
    assert [words_at(text, step) for step in (0, 3, 4, 7, 8)] == ["a", "a", "b", "b", "c"]
    for step in range(10, 30):
        text = with_line(text, b"%d" % step, step)
    assert words_at(text, 25) == "25"
    with pytest.raises(ValueError, match="expected words of what was used at step 3, got none"):
        words_at(text, 3)


def test_a_function_has_the_same_words_in_each_process():
    field = ExternalField(lambda x, t: x[:, 0], lambda x, t: -x)
    assert b"0x" not in words_of(System(KERNELS[0], external=field))


def test_a_setup_is_that_of_the_frame(tmp_path):
    path = tmp_path / "a.h5md"
    write(path, start(), 2)
    with Trajectory(path) as trajectory:
        middle = trajectory.state()
    write(path, middle, 4, integrator=Euler(step=0.02), resume=True)
    with Trajectory(path) as trajectory:
        assert [trajectory.setup(frame).integrator.step for frame in range(5)] == [0.05, 0.05, 0.02, 0.02, 0.02]
        with pytest.raises(IndexError, match=r"^frame: expected -5 to 4, got 5"):
            trajectory.setup(5)


def test_a_setup_with_a_function_of_the_user_is_told(tmp_path):
    path = tmp_path / "a.h5md"
    field = ExternalField(lambda x, t: x[:, 0], lambda x, t: -x)
    write(path, start(), 1, which=system(external=field))
    with Trajectory(path) as trajectory:
        with pytest.raises(ValueError, match=rf"^{path}: can't be read as a system: expected calls of .*<lambda>"):
            trajectory.setup()
        assert trajectory.state().step == 1


def test_a_frame_is_found_by_its_time(tmp_path):
    path = tmp_path / "a.h5md"
    write(path, start(), 30)
    with Trajectory(path) as trajectory:
        assert [trajectory.at_time(time) for time in (0, 0.15, 1.5)] == [0, 3, 30]
        assert trajectory.state(trajectory.at_time(0.75)).step == 15
        for time, nearest in ((0.16, "0.15"), (-1, "0"), (2, "1.5")):
            with pytest.raises(
                ValueError, match=rf"^time: expected one that {path} has, nearest {nearest}, got {time}"
            ):
                trajectory.at_time(time)
        with pytest.raises(TypeError, match=r"^time: expected a number, got str"):
            trajectory.at_time("0")
    with h5py.File(path, "r+") as file:
        file["parameters/coulombfield/memory/time"][10:20] = np.nan
        file["parameters/coulombfield/memory/time"][20:] = 0.15
    with Trajectory(path) as trajectory:
        assert trajectory.at_time(0.15) == 30


def test_a_file_without_times_has_no_frame_at_one(tmp_path):
    path = tmp_path / "a.h5md"
    write(path, start(), 2)
    with h5py.File(path, "r+") as file:
        del file["particles/generated/position/time"]
    with Trajectory(path) as trajectory, pytest.raises(ValueError, match=r"nearest none, got 0$"):
        trajectory.at_time(0)


def test_a_run_that_goes_on_before_the_end_has_to_be_the_same(tmp_path):
    """By another law it would leave frames of two runs in one file."""
    path = tmp_path / "a.h5md"
    write(path, start(), 6)
    before = path.read_bytes()
    with Trajectory(path) as trajectory:
        middle = trajectory.state(3)
    message = rf"^{path}: has another particles/generated/position at step 4; start from its last state"
    with pytest.raises(ValueError, match=message):
        write(path, middle, 8, integrator=Euler(step=0.02), resume=True)
    assert path.read_bytes() == before
    write(path, middle, 8, resume=True)
    write(tmp_path / "b.h5md", start(), 8)
    np.testing.assert_equal(values(path), values(tmp_path / "b.h5md"))


def test_a_new_run_starts_from_a_frame_of_another_program(tmp_path):
    """As pyh5md writes one: integer charges, float64 masses, float32 positions, fixed particles without steps."""
    pyh5md = pytest.importorskip("pyh5md")
    x = np.random.default_rng(0).standard_normal((2, 4, 3)).astype(np.float32)
    path = tmp_path / "a.h5md"
    with pyh5md.File(path, "w", author="n", creator="pyh5md") as file:
        for name in ("ions", "wall"):
            group = file.particles_group(name)
            group.create_box(dimension=3, boundary=["none"] * 3)
            pyh5md.element(group, "charge", data=np.asarray([1, -1, 1, -1]), store="fixed")
            if name == "wall":
                pyh5md.element(group, "position", data=x[0], store="fixed")
                continue
            pyh5md.element(group, "mass", data=np.asarray([1.0, 2, 3, 4]), store="fixed")
            for part in ("position", "velocity"):
                element = pyh5md.element(group, part, store="time", data=x[0], time=True)
                for i in range(2):
                    element.append(x[i], i, 0.5 * i)
    with Trajectory(path) as trajectory:
        with pytest.raises(
            ValueError, match=r"this program wrote, .*; trajectory\[frame\]\.state\(\) starts a new run"
        ):
            trajectory.state()
        with pytest.raises(ValueError, match=rf"^{path}: can't be read as a system: expected words"):
            trajectory.setup()
        state = trajectory[-1].state()
    assert (state.step, state.time) == (1, 0.5)
    assert (state["ions"].fixed, state["wall"].fixed) == (False, True)
    np.testing.assert_array_equal(state["ions"].velocities, x[1])
    np.testing.assert_array_equal(state["ions"].masses, np.asarray([1, 2, 3, 4], np.float32))
    assert state["wall"].charges.dtype == np.float32
    end, _ = run(state, system(), Verlet(step=0.1), until=Stop(steps=2))
    assert end["ions"].positions.dtype == np.float32


def test_a_frame_whose_charges_or_masses_do_not_fit_starts_nothing(tmp_path):
    """MDAnalysis writes neither. What a run needs is not made up."""
    path = tmp_path / "a.h5md"
    write(path, start(), 1, integrator=Verlet(step=0.1), all_particles=True)
    with h5py.File(path, "r+") as file:
        del file["particles/generated/charge"]
        file["particles/generated/charge"] = [1.0, 2.0]
    with (
        Trajectory(path) as trajectory,
        pytest.raises(ValueError, match=r"^generated\.charges: expected shape \(6,\) like positions .* got \(2,\)"),
    ):
        trajectory[0].state()
    for name in ("mass", "charge"):
        with h5py.File(path, "r+") as file:
            del file[f"particles/generated/{name}"]
        with (
            Trajectory(path) as trajectory,
            pytest.raises(ValueError, match=rf"^generated: .* with a {name}, got some"),
        ):
            trajectory[0].state()
    with Trajectory(path) as trajectory:
        assert list(trajectory[0].particles) == ["real", "generated", "all"]
        assert list(trajectory[0].groups) == ["real", "generated"]


def test_mdanalysis_writes_what_is_read(tmp_path):
    analysis = pytest.importorskip("MDAnalysis")
    universe = analysis.Universe.empty(4, trajectory=True)
    universe.atoms.positions = np.arange(12.0).reshape(4, 3)
    universe.dimensions = [10, 11, 12, 90, 90, 90]
    path = str(tmp_path / "a.h5md")
    with analysis.Writer(path, n_atoms=4, n_frames=1, lengthunit="Angstrom", timeunit="ps") as writer:
        writer.write(universe.atoms)
    with Trajectory(path) as trajectory:
        (found,) = trajectory[0].particles.values()
        assert found.position.tolist() == universe.atoms.positions.tolist()
        assert found.box.boundary == ("periodic",) * 3
        assert trajectory.groups["trajectory"]["position"].unit == "Angstrom"


@pytest.mark.slow
def test_xarray_has_axes_by_their_names(tmp_path):
    pytest.importorskip("xarray")
    path = tmp_path / "a.h5md"
    options = {"observables": {"mean": lambda now: now.positions.mean(axis=0)}, "units": {"length": "nm"}}
    write(path, start(), 3, potential=True, **options)
    with h5py.File(path, "r+") as file:
        file["observables/seldom/value"], file["observables/seldom/step"] = [1.0, 2.0], [0, 2]
    with Trajectory(path) as trajectory:
        numbers, found, fixed = (trajectory.to_xarray(name) for name in (None, "generated", "real"))
        np.testing.assert_array_equal(found.position[2], trajectory[2].particles["generated"].position)
        np.testing.assert_array_equal(numbers["time"], trajectory.times)
        assert "seldom" not in numbers
        assert numbers["mean"].dims == ("frame", "mean_0")
        assert numbers["energy"].dims == numbers["step"].dims == ("frame",)
        assert found["position"].dims == ("frame", "particle", "axis")
        assert found["potential"].dims == ("frame", "particle")
        assert fixed["position"].dims == ("particle", "axis")
        assert found["charge"].dims == ("particle",)
        assert found["position"].attrs == {"unit": "nm"}
        assert numbers.attrs["kernel"] == trajectory.kernel
        with pytest.raises(ValueError, match=r"^group: expected one of real, generated, got 'x'"):
            trajectory.to_xarray("x")


def test_xarray_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "coulombfield.trajectory.labelled.trouble_with", lambda package, install: f"{package}: {install}"
    )
    write(tmp_path / "a.h5md", start(), 1)
    with (
        Trajectory(tmp_path / "a.h5md") as trajectory,
        pytest.raises(ImportError, match=r"^to_xarray needs xarray: xarray: pip install 'coulombfield\[particles\]'"),
    ):
        trajectory.to_xarray()
