"""What acts on particles beside each other: external fields, walls, friction and noise by groups."""

import dataclasses
import math

import numpy as np
import pytest
from charge_clouds import seeds
from hypothesis import given
from hypothesis import strategies as st

from coulombfield import Plummer
from coulombfield.flow import (
    Adaptive,
    Descent,
    Euler,
    ExternalField,
    Group,
    HarmonicTrap,
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

KERNEL = Plummer(1.0, 0.5)
DRIVEN = ExternalField(
    lambda x, t: math.cos(t) * np.cos(x[:, 0]) * x[:, 1],
    lambda x, t: math.cos(t) * np.stack([np.sin(x[:, 0]) * x[:, 1], -np.cos(x[:, 0])], axis=1),
    acts_on="mass",
)
FIELDS = {
    "trap": HarmonicTrap(0.7, centre=[0.2, -0.1]),
    "trap by axes": HarmonicTrap([0.5, 2.0], acts_on="charge", groups=["a"]),
    "uniform": UniformField([0.3, -1.0]),
    "weight": UniformField([0.0, -9.81], acts_on="mass", groups=["b", "still"]),
    "own": DRIVEN,
}


def cloud(seed=0, dtype="float64"):
    rng = np.random.default_rng(seed)

    def some(n, **options):
        q, m = rng.uniform(0.5, 2, n) * rng.choice([-1, 1], n), rng.uniform(0.5, 2, n)
        return Group(
            *(x.astype(dtype) for x in (rng.standard_normal((n, 2)),)),
            None,
            q.astype(dtype),
            m.astype(dtype),
            **options,
        )

    return State({"a": some(3), "still": some(2, fixed=True), "b": some(2)}, time=0.3)


def system(external=(), **options):
    return System(KERNEL, external=external, method="direct", **options)


def moment(state, flow):
    return Snapshot.of(state, Motion(flow, state, None, False))


@pytest.mark.parametrize("name", [*FIELDS, "all"])
@given(seed=seeds)
def test_the_force_of_an_external_field_is_minus_the_gradient_of_its_energy(name, seed):
    flow, state = system(list(FIELDS.values()) if name == "all" else FIELDS[name], coupling=-0.5), cloud(seed)
    rng = np.random.default_rng(seed)
    along = {key: rng.standard_normal(group.positions.shape) * (not group.fixed) for key, group in state.groups.items()}

    def at(h):
        groups = state.groups.items()
        moved = {key: dataclasses.replace(g, positions=g.positions + h * along[key]) for key, g in groups}
        return moment(dataclasses.replace(state, groups=moved), flow)

    h, now = 2.0**-17, at(0.0)
    for energy in ("energy", "external_energy"):
        slope = (getattr(at(h), energy) - getattr(at(-h), energy)) / (2 * h)
        pairs = moment(state, system(coupling=-0.5))
        forces = {key: now[key].force - (pairs[key].force if energy == "external_energy" else 0) for key in along}
        work = sum(float(np.sum(forces[key] * along[key])) for key in along)
        size = sum(float(np.sum(np.abs(now[key].force * along[key]))) for key in along)
        assert slope == pytest.approx(-work, abs=1e-8 * (1 + size))
    assert now.moving_energy == pytest.approx(now.energy - now.motion.fixed_energy(now.time))


def test_what_a_field_acts_on():
    state = cloud()
    for acts_on, part in (("charge", "charges"), ("mass", "masses"), ("particle", None)):
        field = UniformField([2.0, 0.0], acts_on=acts_on, groups=["a"])
        now, without = moment(state, system(field)), moment(state, system())
        extra = now["a"].force - without["a"].force
        strength = np.ones(3) if part is None else getattr(state["a"], part)
        np.testing.assert_allclose(extra, np.stack([2 * strength, 0 * strength], axis=1), atol=1e-12)
        for other in ("b", "still"):
            np.testing.assert_array_equal(now[other].force, without[other].force)


@pytest.mark.parametrize("integrator", [Verlet(0.01), Yoshida(0.01), Langevin(0.01, 0.0)])
def test_a_particle_falls_and_swings_as_it_should(integrator):
    """Free fall x = g t²/2 by the weight; a spring's cos(ω t), whose ω² is stiffness by mass."""
    start = State({"a": Group(np.array([[1.0, 0.0]]), charges=0.0, masses=4.0)})
    falling = run(start, system(UniformField([0.0, -2.0], "mass")), integrator, until=Stop(time=1.5)).state
    np.testing.assert_allclose(falling["a"].positions, [[1.0, -2.25]], atol=1e-12)
    swinging = run(start, system(HarmonicTrap(9.0)), integrator, until=Stop(time=1.5)).state
    np.testing.assert_allclose(swinging["a"].positions, [[math.cos(1.5 * 1.5), 0.0]], atol=2e-4)


@pytest.mark.parametrize("integrator", [Euler(1e-3), RungeKutta(0.05), Adaptive(0.1, rtol=1e-8), Descent(1e-3, 0.999)])
def test_a_first_order_flow_goes_down_a_trap(integrator):
    """ẋ = −s x / |q|, and the energy is that of the trap."""
    start = State(Group(np.array([[1.0, 0.0]]), charges=-2.0))
    flow, seen = system(HarmonicTrap(3.0), exclude_self=True), []
    end = run(start, flow, integrator, until=Stop(time=0.5), callbacks=[seen.append]).state
    assert end.time == pytest.approx(0.5)
    np.testing.assert_allclose(end["particles"].positions, [[math.exp(-0.75), 0.0]], atol=2e-3)
    assert seen[0].energy == pytest.approx(1.5)
    assert seen[0].largest_field == pytest.approx(1.5)


def test_arrays_of_any_library_feel_external_fields(library, dtype):
    state, flow = cloud(dtype=dtype), system([*list(FIELDS.values())[:4]], walls=Walls([-3, -9], [3, np.inf]))
    put = {
        name: Group(library.put(g.positions), None, library.put(g.charges), library.put(g.masses), g.fixed)
        for name, g in state.groups.items()
    }
    for integrator in (Verlet(0.2), Langevin(0.2, {"a": 1.0}, {"a": 0.3}), Euler(0.2)):
        expected, found = (run(State(g), flow, integrator, until=Stop(steps=4)).state for g in (state.groups, put))
        for name in state.groups:
            got = library.get(found[name].positions)
            assert got.dtype == dtype
            np.testing.assert_allclose(got, expected[name].positions, atol=1e-3 if dtype == "float32" else 1e-10)


WALLS = Walls([0.0, -np.inf, -1.0], [1.0, 2.0, np.inf])


@given(seed=seeds, far=st.floats(0.01, 50))
def test_a_reflection_is_a_flight_between_mirrors(seed, far):
    """By bouncing a point one wall at a time."""
    rng = np.random.default_rng(seed)
    x, v = far * rng.standard_normal((5, 3)), rng.standard_normal((5, 3))
    found, turned = WALLS.reflect(x, v)
    for i, axis in np.ndindex(x.shape):
        place, speed = x[i, axis], v[i, axis]
        low, high = WALLS.lower[axis], WALLS.upper[axis]
        while not low <= place <= high:
            place, speed = 2 * (low if place < low else high) - place, -speed
        assert found[i, axis] == pytest.approx(place, abs=1e-12 * (1 + far))
        assert turned[i, axis] == speed
    assert np.all((found >= WALLS.lower) & (found <= WALLS.upper))


@pytest.mark.parametrize("integrator", [Verlet(0.05), Yoshida(0.05)])
def test_a_gas_in_a_box_keeps_its_energy_and_its_way_back(integrator):
    rng = np.random.default_rng(0)
    start = State(Group(rng.random((5, 2)), rng.standard_normal((5, 2)), charges=0.3, masses=1.0))
    flow, seen = system(walls=Walls([0, 0], [1, 1])), []
    there = run(start, flow, integrator, until=Stop(steps=100), callbacks=[seen.append]).state
    x = np.stack([now.positions for now in seen])
    assert x.min() >= 0
    assert x.max() <= 1
    free = run(start, system(), integrator, until=Stop(steps=100)).state["particles"].positions
    assert np.abs(free).max() > 2
    total = np.array([now.energy + now.kinetic_energy for now in seen])
    assert np.abs(total - total[0]).max() < 0.03 * total[0]
    group = there["particles"]
    back = State(dataclasses.replace(group, velocities=-group.velocities))
    again = run(back, flow, integrator, until=Stop(steps=100)).state["particles"]
    np.testing.assert_allclose(again.positions, start["particles"].positions, atol=1e-9)


def test_noise_between_walls_fills_the_room_evenly():
    """Overdamped walkers without a force: uniform, with a variance of 1/12 in each direction."""
    rng = np.random.default_rng(0)
    start = State(Group(rng.random((2000, 2)) ** 4, charges=1e-12))
    flow = System(KERNEL, walls=Walls([0, 0], [1, 1]))
    end = run(start, flow, Euler(0.01, temperature=0.5, seed=1), until=Stop(steps=100)).state["particles"].positions
    error = math.sqrt(1 / 180 / end.size)
    assert np.var(end) == pytest.approx(1 / 12, abs=5 * error)
    assert np.mean(end) == pytest.approx(0.5, abs=5 * math.sqrt(1 / 12 / end.size))


TEMPERATURE = 0.4


@pytest.mark.slow
@pytest.mark.parametrize("by_groups", [False, True])
def test_energy_is_shared_out_evenly(by_groups):
    r"""Particles of two charges and masses that interact in a trap: ⟨m v²⟩ = ⟨−x f⟩ = T for each kind and axis.

    The second is the virial's equipartition, ⟨Σ x ∂F/∂x⟩ = (degrees of freedom) T.
    """
    rng = np.random.default_rng(0)
    start = State(
        {
            "light": Group(rng.standard_normal((40, 2)), charges=0.1, masses=0.5),
            "heavy": Group(rng.standard_normal((40, 2)), charges=0.2, masses=2.0),
        }
    )
    given = dict.fromkeys(start.groups, 1.0), dict.fromkeys(start.groups, TEMPERATURE)
    integrator = Langevin(0.15, *(given if by_groups else (1.0, TEMPERATURE)), seed=3)
    found = []

    def measure(now):
        if now.step >= 200:
            found.append([f(now[name]) / TEMPERATURE for name in ("light", "heavy") for f in (_kinetic, _virial)])

    run(start, system(HarmonicTrap(1.0)), integrator, until=Stop(steps=4200), callbacks=[measure], every=20)
    found = np.array(found)
    error = 2 * found.std(axis=0) / math.sqrt(len(found))  # some two relaxation times apart
    np.testing.assert_array_less(np.abs(found.mean(axis=0) - 1), 4 * error + 0.01)  # BAOAB's error in h² of velocities
    assert error.max() < 0.03


def _kinetic(members):
    return float(np.mean(members.masses[:, None] * members.velocities**2))


def _virial(members):
    return -float(np.mean(members.positions * members.force))


def test_a_group_without_friction_is_left_alone():
    """The noise of one group does not reach another that does not feel it."""
    rng = np.random.default_rng(0)
    groups = {name: Group(rng.standard_normal((3, 2)), charges=0.0, masses=1.0) for name in ("cold", "warm")}
    end = run(State(groups), system(), Langevin(0.1, {"warm": 1.0}, {"warm": 1.0}), until=Stop(steps=5)).state
    np.testing.assert_array_equal(end["cold"].positions, groups["cold"].positions)
    assert np.abs(end["warm"].positions - groups["warm"].positions).min() > 0
    assert np.abs(end["warm"].velocities).min() > 0


@pytest.mark.parametrize(
    ("options", "integrator", "message"),
    [
        ({"external": HarmonicTrap([1.0])}, Verlet(0.1), r"^stiffness: expected 2 numbers, one for each axis, got 1"),
        ({"external": UniformField([1.0, 0, 0])}, Verlet(0.1), r"^strength: expected 2 numbers, .*, got 3"),
        (
            {"external": HarmonicTrap(1.0, groups=["c"])},
            Verlet(0.1),
            r"^groups: expected groups among a, still, b, tracers, got c",
        ),
        ({}, Langevin(0.1, {"c": 1.0}), r"^friction: expected groups among a, still, b, tracers, got c"),
        (
            {"external": ExternalField(lambda x, t: x, lambda x, t: x[0])},
            Verlet(0.1),
            r"^field_of: expected an array of shape \(6, 2\), got \(2,\)",
        ),
        (
            {"external": HarmonicTrap(1.0)},
            Verlet(0.1),
            r"^tracers.masses: expected none of 0 where an external field .* acts, got 0 in row 0",
        ),
        ({"external": HarmonicTrap(1.0)}, Euler(0.1), r"^tracers.charges: expected none of 0"),
        ({}, Langevin(0.1, 1.0, 1.0), r"^tracers.masses: expected none of 0"),
        ({"walls": Walls([0], [1])}, Verlet(0.1), r"^walls: expected 2 numbers, one for each axis, got 1"),
        (
            {"walls": Walls([-9, -9], [0.5, 9])},
            Verlet(0.1),
            r"^a.positions: expected positions between the walls, got one beyond them in row 1",
        ),
        ({"walls": Walls([-9, -9], [9, 9])}, Descent(0.1), r"^integrator: expected one that knows walls"),
        ({"walls": Walls([-9, -9], [9, 9])}, Adaptive(0.1), r"^integrator: expected one that knows walls"),
    ],
)
def test_what_does_not_fit_the_particles_is_named(options, integrator, message):
    groups = {**cloud().groups, "tracers": Group(np.zeros((1, 2)), charges=0.0)}
    groups["a"] = dataclasses.replace(groups["a"], positions=np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    with pytest.raises(ValueError, match=message):
        run(State(groups), system(**options), integrator, until=Stop(steps=2), energies=False)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: HarmonicTrap("stiff"), TypeError, "stiffness: expected a number, got str"),
        (lambda: HarmonicTrap([1.0, np.inf]), ValueError, "stiffness: expected a finite number, got inf"),
        (lambda: HarmonicTrap(1.0, centre=3.0), TypeError, "centre: expected a sequence of numbers, got float"),
        (lambda: UniformField(1.0), TypeError, "strength: expected a sequence of numbers, got float"),
        (lambda: UniformField([1.0], "weight"), ValueError, "acts_on: expected charge, mass or particle, got 'weight'"),
        (lambda: UniformField([1.0], groups="a"), TypeError, "groups: expected a sequence of names, got str"),
        (lambda: ExternalField(1.0, print), TypeError, "potential_of: expected a function of positions and time"),
        (lambda: Walls([0], [0]), ValueError, r"upper: expected walls above those of lower = \(0.0,\), got \(0.0,\)"),
        (lambda: Walls([0], [1, 2]), ValueError, "upper: expected 1 numbers like lower, got 2"),
        (lambda: Walls([np.nan], [1]), TypeError, "lower: expected numbers, or infinity"),
        (lambda: System(KERNEL, external=3.0), TypeError, "external: expected fields such as HarmonicTrap"),
        (lambda: System(KERNEL, walls=[0, 1]), TypeError, "walls: expected Walls, got list"),
    ],
)
def test_what_is_no_good_is_named(make, error, message):
    with pytest.raises(error, match=message):
        make()
