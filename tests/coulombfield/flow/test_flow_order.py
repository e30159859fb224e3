"""Integrators against an independent solution of the equations of motion, and the laws that their steps keep."""

import dataclasses

import numpy as np
import pytest
from charge_clouds import seeds
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from coulombfield import Plummer, electrostatic_energy, signed_charges
from coulombfield.calculus import observed_order
from coulombfield.flow import Adaptive, Annealing, Descent, Euler, Group, RungeKutta, State, Stop, System, Verlet, run

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
        (Verlet(1.0, friction=FRICTION), 2, True),
    ],
)
def test_an_integrator_has_its_order(integrator, order, inertia, side, annealed):
    state = start(side, moving=inertia)
    schedule = Annealing(1.2, 0.7, 2 * DURATION) if annealed else None
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


@given(seed=seeds, side=sides)
def test_verlet_is_reversible(seed, side):
    state = start(side, seed, moving=True)
    there = run(state, system(), Verlet(0.05), until=Stop(steps=10)).state
    back = run(turned(there), system(), Verlet(0.05), until=Stop(steps=20)).state
    for end, begin in zip(places(back), places(state), strict=True):
        np.testing.assert_allclose(end, begin, atol=1e-10)


@given(seed=seeds, masses=st.booleans())
def test_verlet_keeps_the_momentum_when_all_move(seed, masses):
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
    end = run(State(groups), system(), Verlet(0.05), until=Stop(steps=10)).state
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
        (Verlet(0.2, friction=1.0, temperature=TEMPERATURE, seed=2), 15),
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
    if isinstance(integrator, Verlet):
        assert np.mean(found[:, 1]) == pytest.approx(TEMPERATURE, abs=5 * error[1] + 0.01 * TEMPERATURE)
