"""Particles that move in a box that repeats: energies, forces, paths across its faces, going on, files, bad input."""

import h5py
import numpy as np
import pytest

import coulombfield as cf
from coulombfield import diagnostics, parallel, periodic
from coulombfield.flow import (
    Adaptive,
    Descent,
    Euler,
    Group,
    Langevin,
    Motion,
    RungeKutta,
    Snapshot,
    State,
    Stop,
    System,
    UniformField,
    Verlet,
    Walls,
    Yoshida,
    run,
)
from coulombfield.periodic import Box
from coulombfield.starts import lattice
from coulombfield.sums.fourier import transforms
from coulombfield.trajectory import MECHANICS, Trajectory, Writer, pressure_in

pytestmark = pytest.mark.skipif(transforms.missing("numpy") != "", reason="needs finufft")

LENGTHS = np.array([2.0, 2.5, 3.0])
BOX = Box(LENGTHS)
SLAB = Box((2.0, 2.5, None), (True, True, False))
STRIP = Box((2.0, None), (True, False))
SOFT = cf.Plummer(1, 0.3)
# Loops are compiled for each dimension and each number of digits: tests share a few.


def ions(fixed=False, seed=0, dtype=np.float64):
    """Charges that don't add up to zero, two groups of them, some outside the box."""
    rng = np.random.default_rng(seed)
    x, v = (3 * rng.random((12, 3)) * LENGTHS - LENGTHS).astype(dtype), rng.standard_normal((12, 3)).astype(dtype)
    q, m = rng.choice([-1.0, 1.0, 2.0], 12).astype(dtype), rng.uniform(0.5, 2, 12).astype(dtype)
    first = Group(x[:8], v[:8], q[:8], m[:8])
    return State({"a": first, "b": Group(x[8:], None if fixed else v[8:], q[8:], m[8:], fixed=fixed)})


def moment(state, system):
    return Snapshot.of(state, Motion(system, state, None, False))


def charges_of(state):
    groups = state.groups.values()
    return cf.Charges(*(np.concatenate([getattr(g, name) for g in groups]) for name in ("positions", "charges")))


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize(
    ("kernel", "box", "exclude_self"),
    [
        (SOFT, BOX, False),
        (SOFT, BOX, True),
        (cf.Coulomb(1), BOX, True),
        (SOFT, SLAB, True),
        (cf.Gaussian(0.3), BOX, True),
    ],
)
def test_energies_and_forces_are_those_of_periodic_sums(kernel, box, exclude_self, fixed):
    state = ions(fixed)
    now = moment(state, System(kernel, coupling=-1.5, box=box, exclude_self=exclude_self, rtol=1e-8))
    charges, options = charges_of(state), {"exclude_self": exclude_self, "rtol": 1e-9}
    energy = -1.5 * periodic.energy(charges, kernel, box, **options)
    phi, e = periodic.potential_and_field(charges.positions, charges, kernel, box, **options)
    scale = np.abs(charges.weights[:, None] * e).max()
    assert now.energy == pytest.approx(energy, rel=1e-7, abs=1e-6)
    for name, rows in (("a", slice(0, 8)), ("b", slice(8, 12))):
        np.testing.assert_allclose(now[name].potential, phi[rows], rtol=1e-6, atol=1e-6)
        forces = -1.5 * charges.weights[rows, None] * e[rows]
        np.testing.assert_allclose(now[name].force, forces, rtol=0, atol=1e-6 * scale)


@pytest.mark.parametrize("fixed", [False, True])
def test_forces_are_minus_the_gradient_of_the_energy(fixed):
    state = ions(fixed)
    system = System(
        SOFT, coupling=0.7, box=SLAB, external=UniformField([0.0, 0.3, -1.0]), exclude_self=True, rtol=1e-10
    )
    along = np.random.default_rng(1).standard_normal((8, 3))

    def at(h):
        group = state["a"]
        moved = Group(group.positions + h * along, group.velocities, group.charges, group.masses)
        return moment(State({**state.groups, "a": moved}), system)

    slope = (at(1e-4).energy - at(-1e-4).energy) / 2e-4
    assert np.sum(at(0).force[:8] * along) == pytest.approx(-slope, rel=1e-5, abs=1e-5)


def test_whole_periods_change_nothing():
    state, system = ions(), System(SOFT, box=SLAB, exclude_self=True, rtol=1e-8)
    shifts = np.random.default_rng(2).integers(-3, 4, (8, 3)) * [2.0, 2.5, 0.0]
    group = state["a"]
    moved = State({**state.groups, "a": Group(group.positions + shifts, group.velocities, group.charges, group.masses)})
    here, there = moment(state, system), moment(moved, system)
    assert there.energy == pytest.approx(here.energy, rel=1e-7)
    np.testing.assert_allclose(there.force, here.force, atol=1e-6 * np.abs(here.force).max())
    # The path goes on where it is: no place is moved into the box.
    (end, _), (shifted, _) = (run(s, system, Verlet(0.01), until=Stop(steps=3)) for s in (state, moved))
    np.testing.assert_allclose(shifted["a"].positions, end["a"].positions + shifts, atol=1e-7)
    assert np.abs(shifted["a"].positions).max() > 3.0


def test_opposite_charges_meet_across_a_face():
    """From 0.6 and 1.4 of a period of 2 apart, the nearer way is through the face."""
    state = State(Group(np.array([[0.3, 0.5], [1.7, 0.5]]), None, np.array([1.0, -1.0]), 1.0))
    end, _ = run(state, System(SOFT, box=STRIP, rtol=1e-3), Verlet(0.02), until=Stop(steps=10))
    assert end["particles"].positions[0, 0] < 0.29
    assert end["particles"].positions[1, 0] > 1.71
    np.testing.assert_allclose(end["particles"].positions.sum(axis=0), [2.0, 1.0], atol=1e-4)


INTEGRATORS = [
    Verlet(0.02),
    Yoshida(0.02),
    Langevin(0.02, friction=1.0, temperature=0.5, seed=3),
    Euler(0.01, temperature=0.1),
    RungeKutta(0.01),
    Adaptive(0.01, rtol=1e-4),
    Descent(0.01),
]


@pytest.mark.parametrize(
    ("integrator", "fixed"),
    [*((each, False) for each in INTEGRATORS), (INTEGRATORS[0], True)],
    ids=lambda each: type(each).__name__ if hasattr(each, "advance") else f"fixed={each}",
)
def test_going_on_from_a_file_changes_no_bit(tmp_path, integrator, fixed):
    state = ions(fixed)
    if not integrator.inertia:
        groups = {name: Group(g.positions, None, g.charges, fixed=g.fixed) for name, g in state.groups.items()}
        state = State(groups)
    system = System(SOFT, box=BOX, exclude_self=True, rtol=1e-3)
    straight, _ = run(state, system, integrator, until=Stop(steps=5))
    with Writer(tmp_path / "flow.h5md") as writer:
        run(state, system, integrator, until=Stop(steps=3), callbacks=[writer])
    with Trajectory(tmp_path / "flow.h5md") as file:
        halfway = file.state()
    with Writer(tmp_path / "flow.h5md", resume=True) as writer:
        resumed, _ = run(halfway, system, integrator, until=Stop(steps=5), callbacks=[writer])
    assert resumed.step == 5
    for name in ("a", "b"):
        for part in ("positions", "velocities"):
            np.testing.assert_array_equal(getattr(resumed[name], part), getattr(straight[name], part))
    assert not np.array_equal(straight["a"].positions, state["a"].positions)


@pytest.mark.parametrize(
    "integrator", [Verlet(0.01), pytest.param(Yoshida(0.02), marks=pytest.mark.slow)], ids=["Verlet", "Yoshida"]
)
def test_energy_and_momentum_stay(integrator):
    moments = []
    system = System(SOFT, box=BOX, exclude_self=True, rtol=1e-7)
    run(ions(), system, integrator, until=Stop(steps=25), callbacks=[moments.append], every=25)
    start, end = moments
    totals = [MECHANICS["total_energy"](now) for now in moments]
    assert totals[1] == pytest.approx(totals[0], abs=2e-3 * start.kinetic_energy)
    assert abs(end.kinetic_energy - start.kinetic_energy) > 0.05 * start.kinetic_energy
    np.testing.assert_allclose(*(MECHANICS["momentum"](now) for now in moments), atol=1e-5)


def test_walls_stand_across_open_axes():
    state = State(Group(np.array([[0.3, 0.2, 0.9], [1.7, 2.2, 0.1]]), np.array([[5.0, 0, 3], [0, 0, -3]]), 0.01, 1.0))
    walls = Walls([-np.inf, -np.inf, 0.0], [np.inf, np.inf, 1.0])
    end, _ = run(state, System(SOFT, box=SLAB, walls=walls), Verlet(0.1), until=Stop(time=1.0))
    x = end["particles"].positions
    assert ((x[:, 2] >= 0) & (x[:, 2] <= 1)).all()
    assert x[0, 0] == pytest.approx(5.3, abs=0.01)


def test_a_crystal_an_empty_group_and_fixed_charges():
    """An ion at rest in the field of its own images; nobody; and nothing that moves."""
    one = State({"ion": Group(np.array([[0.1, 0.2, 0.3]]), charges=1.0, masses=1.0), "none": Group(np.zeros((0, 3)))})
    cube = System(cf.Coulomb(1), box=Box((1.0, 1.0, 1.0)), exclude_self=True, rtol=1e-8)
    now = moment(one, cube)
    assert now.energy == pytest.approx(-2.837297 / 2, abs=1e-6)
    np.testing.assert_allclose(now.force, 0, atol=1e-6)
    salt = lattice("nacl", 1)
    still = State({"salt": Group(salt.positions, charges=salt.charges, fixed=True), "none": Group(np.zeros((0, 3)))})
    assert moment(still, cube).energy / 4 / 2 == pytest.approx(-1.747565, abs=2e-6)


def test_float32_has_a_tolerance_of_its_own():
    state = ions(dtype=np.float32)
    now = moment(state, System(SOFT, box=BOX))
    exact = moment(ions(), System(SOFT, box=BOX))
    assert now.force.dtype == np.float32
    np.testing.assert_allclose(now.force, exact.force, atol=1e-4 * np.abs(exact.force).max())


@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_a_place_that_is_not_finite_is_told_with_its_step():
    state = State(Group(np.zeros((2, 3)), np.full((2, 3), 1e308), 1.0, 1.0))
    with pytest.raises(ArithmeticError, match=r"after step 1"):
        run(state, System(SOFT, box=BOX), Verlet(1e10), until=Stop(steps=2))


@pytest.mark.parametrize("fixed", [False, True])
def test_pressure_and_virial_ratio_are_those_of_the_box(fixed):
    state = ions(fixed)
    now = moment(state, System(SOFT, coupling=2.0, box=BOX))
    charges = charges_of(state)
    virial = 2 * periodic.virial(charges, SOFT, BOX)
    assert pressure_in()(now) == pytest.approx((2 * now.kinetic_energy + virial) / (3 * 15.0), rel=1e-5)
    if not fixed:
        expected = periodic.pressure(charges, SOFT, BOX, kinetic_energy=now.kinetic_energy / 2)
        assert pressure_in()(now) == pytest.approx(2 * expected, rel=1e-5)
    v, m = now.velocities, now.motion.masses[:, 0]
    warm = diagnostics.kinetic_energy(v - m @ v / m.sum(), m)
    assert MECHANICS["virial_ratio"](now) == pytest.approx(2 * warm / abs(virial), rel=1e-5)
    with pytest.raises(ValueError, match=r"^volume: expected a number"):
        pressure_in()(moment(state, System(SOFT)))
    with pytest.raises(ValueError, match=r"^box: expected one that is periodic along all axes"):
        pressure_in()(moment(state, System(SOFT, box=SLAB)))


def test_a_pair_distribution_knows_open_axes():
    x = np.random.default_rng(0).random((60, 3)) * [4.0, 5.0, 3.0] - 1
    found = diagnostics.radial_distribution(x, longest=1.0, bins=4, box=SLAB, volume=15.0)
    difference = SLAB.nearest(x[:, None] - x)
    distances = np.linalg.norm(difference, axis=-1)[~np.eye(60, dtype=bool)]
    counts, _ = np.histogram(distances, found.edges)
    shells = 4 / 3 * np.pi * np.diff(found.edges**3)
    np.testing.assert_allclose(found.values, counts / shells * 15.0 / (60 * 59))
    whole = diagnostics.radial_distribution(x, longest=1.0, bins=4, box=BOX)
    np.testing.assert_array_equal(
        whole.values, diagnostics.radial_distribution(x, longest=1.0, bins=4, box=LENGTHS).values
    )
    with pytest.raises(ValueError, match=r"^volume: expected a number"):
        diagnostics.radial_distribution(x, longest=1.0, box=SLAB)
    with pytest.raises(ValueError, match=r"^box: expected 3 axes"):
        diagnostics.radial_distribution(x, longest=0.5, box=Box((2.0, 2.0)))


def test_a_file_has_the_box(tmp_path):
    plane = State(
        {"moving": Group(np.array([[0.5, 7.0], [9.0, 1.0]])), "still": Group(np.array([[1.0, 1.0]]), fixed=True)}
    )
    system = System(SOFT, box=STRIP, rtol=1e-3)
    with Writer(tmp_path / "a.h5md", all_particles=True, units={"length": "nm"}) as writer:
        run(plane, system, Euler(0.1), until=Stop(steps=2), callbacks=[writer])
    with h5py.File(tmp_path / "a.h5md") as file:
        for name, dimension in (("moving", 2), ("still", 2), ("all", 3)):
            group = file[f"particles/{name}/box"]
            assert group.attrs["dimension"] == dimension
            assert group.attrs["boundary"].tolist() == [b"periodic", b"none", b"none"][:dimension]
        assert file["particles/moving/box/edges/value"][()].tolist() == [[2.0, 0.0]] * 3
        assert file["particles/moving/box/edges/step"] == file["particles/moving/position/step"]
        assert file["particles/all/box/edges/value"].shape == (3, 3)
        assert file["particles/all/box/edges/value"].attrs["unit"] == b"nm"
        assert file["particles/still/box/edges"][()].tolist() == [2.0, 0.0]
    with Trajectory(tmp_path / "a.h5md") as file:
        for particles in file[2].particles.values():
            assert particles.box.boundary[:2] == ("periodic", "none")
            assert particles.box.edges[:2].tolist() == [2.0, 0.0]
        # Places stand as they are, beyond the box.
        assert file[0].particles["moving"].position[1, 0] == 9.0
        state = file.state()
    for other in (None, Box((2.1, None), (True, False))):
        with (
            Writer(tmp_path / "a.h5md", all_particles=True, units={"length": "nm"}, resume=True) as writer,
            pytest.raises(ValueError, match=r"elements|another box"),
        ):
            run(state, System(SOFT, box=other), Euler(0.1), until=Stop(steps=4), callbacks=[writer])


def strict(state):
    import array_api_strict as xp

    return State({name: Group(xp.asarray(g.positions)) for name, g in state.groups.items()})


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: System(SOFT, box=[2.0, 2.0, 2.0]), TypeError, "^box: expected a coulombfield.periodic.Box, got list"),
        (lambda: System(SOFT, box=BOX, method="tree"), ValueError, "^method: expected 'auto' in a box"),
        (
            lambda: System(SOFT, box=BOX, walls=Walls([0.0] * 3, [1.0] * 3)),
            ValueError,
            "^walls: expected none across axis 0",
        ),
        (lambda: System(SOFT, box=BOX, walls=Walls([0.0], [1.0])), ValueError, "^walls: expected 3 numbers"),
        (lambda: System(cf.Coulomb(1), box=BOX), ValueError, "^exclude_self: expected True"),
        (lambda: moment(ions(), System(SOFT, box=Box((1.0,)))), ValueError, "^box: expected 3 axes like the particles"),
        (lambda: moment(strict(ions()), System(SOFT, box=BOX)), TypeError, "^box: expected None but for NumPy arrays"),
        (lambda: moment(ions(), System(SOFT, box=BOX, rtol=1e-20)).field, ValueError, "^rtol: expected a number from"),
    ],
)
def test_bad_input_is_told(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_particles_of_many_processes_have_no_box():
    pytest.importorskip("mpi4py")
    with pytest.raises(ValueError, match=r"system: expected one without a box"):
        parallel.run(ions(), System(SOFT, box=BOX), Verlet(0.1), until=Stop(steps=1))
