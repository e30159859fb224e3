"""Integrators against an independent solution of the equations of motion, and the laws that their steps keep."""

import dataclasses

import numpy as np
import pytest
from charge_clouds import seeds
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from coulombfield import Gaussian, Plummer, electrostatic_energy, signed_charges
from coulombfield.calculus import observed_order
from coulombfield.flow import (
    Adaptive,
    Annealing,
    Descent,
    Euler,
    Group,
    HarmonicTrap,
    Langevin,
    RungeKutta,
    State,
    Stop,
    System,
    Verlet,
    Yoshida,
    run,
)

EXPONENT, SOFTENING, FRICTION = 2.0, 0.8, 0.7
DURATION = 1.0
FLOWS = {"generated": False, "both": True}
sides = st.sampled_from(sorted(FLOWS))


def start(side, seed=0, n_x=3, n_y=4, dimension=2, *, moving=False):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((n_x, dimension)), rng.standard_normal((n_y, dimension)) + 0.5
    v_x, v_y = (rng.standard_normal(x.shape), rng.standard_normal(y.shape)) if moving else (None, None)
    v_y = v_y if side == "both" else None
    return State.of(generated=x, real=y, moving=side, generated_velocities=v_x, real_velocities=v_y)


def system(kernel=None, **options):
    return System(kernel or Plummer(EXPONENT, SOFTENING), method="direct", **options)


def places(state):
    """Positions of the samples and of the data."""
    return state["generated"].positions, state["real"].positions


def energy_of(x, y, kernel):
    return electrostatic_energy(signed_charges(y, x), kernel, method="direct")


def plain_field(points, positions, weights, softening):
    """E by Eq 5 as it is printed."""
    difference = points[:, None] - positions
    square = np.sum(difference**2, axis=-1, keepdims=True) + softening**2
    return np.sum(weights[:, None] * EXPONENT * difference * square ** (-EXPONENT / 2 - 1), axis=1)


def exact(state, side, softening, inertia=False, friction=0.0):
    """Positions after DURATION, generated first: charges ∓1/N in the field of all, by another integrator."""
    x, y = places(state)
    n_x, n_y, dimension = len(x), len(y), x.shape[1]
    weights = np.concatenate([np.full(n_x, -1 / n_x), np.full(n_y, 1 / n_y)])
    free = np.ones((n_x + n_y, 1))
    free[n_x:] = side == "both"
    first = np.concatenate([x, y])

    def law(time, coordinates):
        positions, velocities = np.reshape(coordinates, (2, -1, dimension))
        push = free * np.sign(weights)[:, None] * plain_field(positions, positions, weights, softening(time))
        rates = (velocities, push - friction * free * velocities) if inertia else (push, 0 * push)
        return np.ravel(rates)

    v = np.zeros_like(first)
    if inertia:
        v[:n_x] = state["generated"].velocities
        if side == "both":
            v[n_x:] = state["real"].velocities
    options = {"method": "DOP853", "rtol": 1e-12, "atol": 1e-13}
    found = solve_ivp(law, (0, DURATION), np.ravel((first, v)), **options).y[:, -1]
    return found.reshape(2, -1, dimension)[0]


def reached(state, flow, integrator, schedule):
    end, reason = run(state, flow, integrator, until=Stop(time=DURATION), softening=schedule)
    assert reason == "time"
    assert end.time == pytest.approx(DURATION)
    return np.concatenate(places(end))


@pytest.mark.parametrize("side", FLOWS)
@pytest.mark.parametrize("annealed", [False, True])
@pytest.mark.parametrize(
    ("integrator", "order", "inertia"),
    [
        (Euler(1.0), 1, False),
        (RungeKutta(1.0), 4, False),
        (Verlet(1.0), 2, True),
        (Langevin(1.0, friction=FRICTION), 2, True),
        (Yoshida(1.0), 4, True),
    ],
)
def test_an_integrator_has_its_order(integrator, order, inertia, side, annealed):
    state = start(side, moving=inertia)
    # An Annealing, but smooth at times before 0 too, which Yoshida's method looks at.
    schedule = (lambda time: 1.2 * (0.7 / 1.2) ** (time / (2 * DURATION))) if annealed else None
    softening = schedule or (lambda time: SOFTENING)
    truth = exact(state, side, softening, inertia, getattr(integrator, "friction", 0.0))
    steps = [DURATION / n for n in (8, 16, 32)]
    errors = [
        float(np.abs(reached(state, system(), dataclasses.replace(integrator, step=h), schedule) - truth).max())
        for h in steps
    ]
    assert observed_order(steps, errors) == pytest.approx(order, abs=0.25)


@pytest.mark.parametrize("side", FLOWS)
@pytest.mark.parametrize("method", ["RK45", "DOP853", "LSODA"])
def test_adaptive_steps_meet_their_tolerance(method, side):
    state, schedule = start(side), Annealing(1.2, 0.7, 2 * DURATION)
    truth = exact(state, side, schedule)
    errors = [
        float(np.abs(reached(state, system(), Adaptive(DURATION / 2, method, rtol, rtol), schedule) - truth).max())
        for rtol in (1e-4, 1e-8)
    ]
    assert errors[0] < 1e-3
    assert errors[1] < 1e-7


def energies_of(state, flow, integrator, steps, **options):
    found = []
    end, reason = run(
        state, flow, integrator, until=Stop(steps=steps), callbacks=[lambda now: found.append(now.energy)], **options
    )
    return np.array(found), end, reason


@given(seed=seeds, n_x=st.integers(1, 6), n_y=st.integers(1, 6), dimension=st.integers(1, 3), side=sides)
def test_descent_never_raises_the_energy(seed, n_x, n_y, dimension, side):
    """From any start, and for first steps far too long."""
    rng = np.random.default_rng(seed)
    state, first = start(side, seed, n_x, n_y, dimension), 10.0 ** rng.uniform(-2, 3)
    if seed % 2:
        groups = state.groups.items()
        state = State({name: dataclasses.replace(g, charges=rng.standard_normal(len(g))) for name, g in groups})
    flow = system(coupling=1.0 - 1.5 * (seed % 3 == 0))
    found, end, reason = energies_of(state, flow, Descent(first), 12)
    assert np.all(np.diff(found) <= 0)
    if reason == "steps":
        assert found[-1] < found[0]
    assert end.memory or reason == "stalled"


def test_descent_comes_to_rest():
    """A sample ends at its datum, and where there is no force left no step is taken."""
    state, flow = start("generated", n_x=1, n_y=1), system()
    end, reason = run(state, flow, Descent(1.0), until=Stop(force=1e-7, steps=300))
    assert reason == "force"
    np.testing.assert_allclose(*places(end), atol=1e-6)
    there = State.of(generated=state["real"].positions, real=state["real"].positions)
    end, reason = run(there, flow, Descent(1.0), until=Stop(steps=5))
    assert (reason, end.step) == ("stalled", 0)


@given(seed=seeds, side=sides)
def test_the_energy_falls_at_the_rate_of_the_equation(seed, side):
    """dF/dt = −Σ |q_i| ‖E(x_i)‖² over what moves, up to the first order of an Euler step."""
    state, flow = start(side, seed), system()
    charges = signed_charges(*places(state)[::-1])
    e = plain_field(charges.positions, charges.positions, charges.weights, SOFTENING)
    free = np.ones(len(e)) if side == "both" else charges.weights < 0
    rate = -float(np.sum(free * np.abs(charges.weights) * np.sum(e**2, axis=1)))
    h = 1e-6
    end = run(state, flow, Euler(h), until=Stop(steps=1)).state
    before, after = (energy_of(*places(s), flow.kernel) for s in (state, end))
    # Energies of size 1 to ε^-d cancel to 1e-15 / h; the second order of the step is h times a few.
    assert (after - before) / h == pytest.approx(rate, abs=5e-5 * (1 + abs(rate)))


@pytest.mark.slow
def test_verlet_keeps_the_energy_for_long():
    """The error of 6,000 steps, 60 orbits, oscillates: it is no larger in their second half than in the first."""
    positions = {"generated": np.array([[1.0, 0.0]]), "real": np.array([[-1.0, 0.2]])}
    state = State.of(**positions, moving="both", generated_velocities=np.array([[0.1, 0.4]]))
    flow, seen = System(Plummer(1.0, 0.5)), []
    run(
        state,
        flow,
        Verlet(0.05),
        until=Stop(steps=6_000),
        every=7,
        callbacks=[lambda now: seen.append((*places(now), now.kinetic_energy))],
    )
    total = np.array([kinetic + energy_of(x, y, flow.kernel) for x, y, kinetic in seen])
    error = np.abs(total - total[0])
    half = len(error) // 2
    assert error[half:].max() < 1.1 * error[:half].max() < 5e-3


def turned(state):
    """The same particles on their way back."""
    groups = state.groups.items()
    back = {k: g if g.velocities is None else dataclasses.replace(g, velocities=-g.velocities) for k, g in groups}
    return dataclasses.replace(state, groups=back)


SYMPLECTIC = pytest.mark.parametrize("integrator", [Verlet(0.05), Yoshida(0.05)])
ROUNDING = np.finfo(float).eps


@SYMPLECTIC
@given(seed=seeds, side=sides)
def test_symplectic_steps_are_reversible_to_rounding(integrator, seed, side):
    """There and back in 20 steps: each adds a rounding, which a chaotic cloud lets grow a little."""
    state = start(side, seed, moving=True)
    there = run(state, system(), integrator, until=Stop(steps=10)).state
    back = run(turned(there), system(), integrator, until=Stop(steps=20)).state
    for end, begin in zip(places(back), places(state), strict=True):
        np.testing.assert_allclose(end, begin, atol=1000 * ROUNDING * (1 + np.abs(begin).max()))


@SYMPLECTIC
def test_symplectic_steps_keep_areas(integrator):
    """The Jacobian J of a step keeps the form Σ m dv ∧ dx, whatever the charges and masses are."""
    rng = np.random.default_rng(0)
    q, m = np.array([1.0, -2.0, 0.5]), np.array([1.0, 0.3, 2.0])
    first = rng.standard_normal((2, 3, 2))

    def step(z):
        x, v = z.reshape(2, 3, 2)
        end = run(State(Group(x, v, q, m)), system(), integrator, until=Stop(steps=1)).state["particles"]
        return np.concatenate([end.positions.ravel(), end.velocities.ravel()])

    h, z = 2.0**-17, first.ravel()
    jacobian = np.stack([(step(z + h * e) - step(z - h * e)) / (2 * h) for e in np.eye(12)], axis=1)
    masses = np.diag(np.repeat(m, 2))
    form = np.block([[np.zeros((6, 6)), masses], [-masses, np.zeros((6, 6))]])
    np.testing.assert_allclose(jacobian.T @ form @ jacobian, form, atol=1e-8)


def test_steps_by_acceleration_go_the_same_way_back():
    """Each is the same function of its ends forwards and backwards, and of the place and the last one."""
    state, integrator = start("both", 3, moving=True), Verlet(0.2, accuracy=0.1)
    states = []
    run(state, system(), integrator, until=Stop(steps=21), callbacks=[lambda now: states.append(now.state)])
    lengths = np.diff([s.time for s in states])
    assert lengths.max() > 1.5 * lengths.min()
    following = states[21].memory
    back = dataclasses.replace(turned(states[20]), memory=following)
    end = run(back, system(), integrator, until=Stop(steps=40)).state
    for found, expected in zip(places(end), places(state), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-11)
    assert end.time - back.time == pytest.approx(back.time)


def test_steps_follow_acceleration_and_softening():
    r"""The first is η √(ε / a), for a particle in a trap; a slow one takes the longest step."""
    for x, expected in ((1.0, 0.25 * np.sqrt(0.5 / 2.0)), (1e-6, 0.3)):
        begin = State(Group(np.array([[x, 0.0]]), charges=0.0, masses=1.0))
        flow = System(Plummer(1.0, 0.5), external=HarmonicTrap(2.0))
        end = run(begin, flow, Verlet(0.3, accuracy=0.25), until=Stop(steps=1)).state
        assert end.time == pytest.approx(expected)
    with pytest.raises(ValueError, match=r"^accuracy: expected None with Gaussian.* no softening"):
        run(start("both"), system(Gaussian(1.0)), Verlet(0.3, accuracy=0.25), until=Stop(steps=1))


@pytest.mark.parametrize(
    "integrator",
    [
        Euler(0.1),
        RungeKutta(0.1),
        Adaptive(0.1, rtol=1e-8),
        Descent(0.1),
        Verlet(0.1),
        Verlet(0.1, accuracy=0.05),
        Yoshida(0.1),
        Langevin(0.1, 0.5),
    ],
)
def test_a_run_ends_at_its_time_exactly(integrator):
    """The last step is shortened to it, and is a step of that length; whole numbers of steps stay whole."""
    ends = {}
    for until in (0.3, 0.33, 0.7000001):
        ends[until], reason = run(start("generated"), system(), integrator, until=Stop(time=until))
        assert reason == "time"
        assert ends[until].time == pytest.approx(until, rel=1e-12)
    if integrator in (Euler(0.1), Verlet(0.1)):
        assert [end.step for end in ends.values()] == [3, 4, 8]
        assert ends[0.33].time == 0.33
        third = run(start("generated"), system(), integrator, until=Stop(steps=3)).state
        # Three times 0.1 is more than 0.3 by a rounding, for which no step is shortened.
        np.testing.assert_array_equal(places(third)[0], places(ends[0.3])[0])
        rest = dataclasses.replace(integrator, step=0.33 - third.time)
        on = run(third, system(), rest, until=Stop(steps=4)).state
        np.testing.assert_array_equal(places(on)[0], places(ends[0.33])[0])


TENTHS, ORBIT_STEPS = 10, 2_000


def energy_errors(integrator, steps, *, exponent=1.0, softening=0.05):
    """Largest error of the total energy in each tenth of a run of two bodies on an eccentric orbit.

    Their pair is all there is: the sums are done here, so that the integrator's own steps are what takes the time.
    """
    distance, speed = 1.6, 0.35
    bodies = Group(
        np.array([[-distance / 2, 0.0], [distance / 2, 0.0]]),
        np.array([[0.0, -speed / 2], [0.0, speed / 2]]),
        charges=0.5,
    )
    found = []
    flow = System(Plummer(exponent, softening), coupling=-1, exclude_self=True)
    run(
        State(bodies),
        flow,
        integrator,
        until=Stop(steps=steps),
        callbacks=[lambda now: found.append(now.energy + now.kinetic_energy)],
        energies=True,
    )
    errors = np.abs(np.array(found) - found[0])
    return np.array([part.max() for part in np.array_split(errors, TENTHS)])


@pytest.mark.slow
@pytest.mark.parametrize(("integrator", "most"), [(Verlet(0.01), 2e-2), (Yoshida(0.01), 2e-3)])
def test_energies_do_not_drift(integrator, most):
    """A few dozen orbits: the largest error in each tenth stays that of the first."""
    errors = energy_errors(integrator, ORBIT_STEPS * 4)
    assert errors.max() < most
    assert errors.max() < 1.05 * errors[0]


@SYMPLECTIC
@given(seed=seeds, masses=st.booleans())
def test_momentum_stays_when_all_move(integrator, seed, masses):
    """Forces come in equal and opposite pairs: Σ m v stays, whatever the charges and masses."""
    state, rng = start("both", seed, moving=True), np.random.default_rng(seed)
    groups = {
        name: Group(
            group.positions,
            group.velocities,
            charges=rng.standard_normal(len(group)),
            masses=rng.uniform(0.5, 2, len(group)) if masses else None,
        )
        for name, group in state.groups.items()
    }
    end = run(State(groups), system(), integrator, until=Stop(steps=10)).state
    before, after = (sum(g.masses @ s[name].velocities for name, g in groups.items()) for s in (state, end))
    np.testing.assert_allclose(after, before, atol=1e-12)
    assert np.abs(end["real"].velocities - state["real"].velocities).max() > 1e-6


TEMPERATURE = 0.01
WALKERS = 200


def in_a_well(integrator, between, times):
    """Mean squares along an axis of walkers, and of their velocities, in the field of one charge of size 1."""
    well = Group(np.zeros((1, 2)), charges=1.0, fixed=True)
    walkers = State({"well": well, "walkers": Group(np.zeros((WALKERS, 2)), charges=-1e-9)})
    flow, found = System(Plummer(1.0, 1.0)), []

    def measure(now):
        if now.step > 5 * between:
            v = 0 if now.velocities is None else now.velocities
            found.append((np.mean(now.positions**2), np.mean(np.square(v))))

    run(walkers, flow, integrator, until=Stop(steps=(times + 5) * between), callbacks=[measure], every=between)
    return np.array(found)


@pytest.mark.parametrize(
    ("integrator", "between"),
    [
        (Euler(0.05, temperature=TEMPERATURE, seed=1), 40),
        (Langevin(0.2, friction=1.0, temperature=TEMPERATURE, per="charge", seed=2), 15),
    ],
)
def test_noise_has_its_temperature(integrator, between):
    r"""Walkers spread as exp(Φ/T), and their velocities, if any, have the variance T for masses ``abs(q)``."""
    r = np.linspace(0, 1.5, 20_001)  # exp((Φ(r) − Φ(0))/T) is 5e-8 at the end
    density = r * np.exp((1 / np.sqrt(1 + r**2) - 1) / TEMPERATURE)
    variance = np.sum(density * r**2) / np.sum(density) / 2
    found = in_a_well(integrator, between, 25)
    # Means over walkers and axes, some two relaxation times apart: independent enough for twice the naive error.
    error = 2 * found.std(axis=0) / np.sqrt(len(found))
    # Euler's steps widen a well of curvature 1 by h/2, BAOAB's narrow velocities by no more than h²/4.
    assert np.mean(found[:, 0]) == pytest.approx(variance, abs=5 * error[0] + 0.03 * variance)
    if isinstance(integrator, Langevin):
        assert np.mean(found[:, 1]) == pytest.approx(TEMPERATURE, abs=5 * error[1] + 0.01 * TEMPERATURE)
