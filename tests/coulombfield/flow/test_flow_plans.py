"""Flows with fast sums, whose plans are kept over the steps: to ``rtol`` at every step, and resumed to the bit."""

import numpy as np
import pytest
from flow_states import same, saved

from coulombfield import Charges, Plummer, field
from coulombfield.flow import (
    Adaptive,
    Annealing,
    Descent,
    Euler,
    Group,
    Langevin,
    RungeKutta,
    State,
    Stop,
    System,
    Verlet,
    Yoshida,
    run,
)
from coulombfield.sums import keeping
from coulombfield.trajectory import Trajectory, Writer

COUNT = 2100  # of samples and of data: just enough pairs for nufft and split
RTOL = 1e-3
INTEGRATORS = {
    "euler": Euler(0.5, temperature=0.05, seed=3),
    "runge-kutta": RungeKutta(0.5),
    "adaptive": Adaptive(0.5, "RK23", 1e-2, 1e-2),
    "verlet": Verlet(0.7),
    "langevin": Langevin(0.7, friction=0.5, temperature=0.05, seed=3),
    "steps by acceleration": Verlet(0.7, accuracy=0.5),
    "yoshida": Yoshida(0.7),
    "descent": Descent(0.5),
}


def expanding(dimension=2, count=COUNT, dtype="float32", seed=0):
    """A ball of like charges, which explodes."""
    x = np.random.default_rng(seed).standard_normal((count, dimension)).astype(dtype)
    return State(Group(x, charges=np.full(count, 4 / count, dtype)))


def towards_data(count=COUNT, seed=0, spread=0.3):
    """A narrow cloud of samples among five groups of data."""
    rng = np.random.default_rng(seed)
    centres = np.array([[-4, -4], [-4, 4], [0, 0], [4, -4], [4, 4]])
    y = centres[rng.integers(5, size=count)] + 0.3 * rng.standard_normal((count, 2))
    return State.of(generated=(spread * rng.standard_normal((count, 2))).astype("f4"), real=y.astype("f4"))


def system(method="nufft", **options):
    return System(Plummer(1.0, 0.5), rtol=RTOL, method=method, **options)


def plans(state):
    """What of a state's memory is plans."""
    return {name: number for name, number in state.memory.items() if " by " in name}


@pytest.mark.slow
@pytest.mark.parametrize("name", INTEGRATORS)
def test_a_run_that_was_stopped_goes_on_bit_for_bit(name):
    """Wherever it is stopped, with the plans of before or new ones, and whatever callbacks asked for in between."""
    arguments, start, seen = (system(), INTEGRATORS[name]), expanding(), []
    whole = run(start, *arguments, until=Stop(steps=7), callbacks=[seen.append]).state
    for step in (1, 2, 5):
        half = run(start, *arguments, until=Stop(steps=step), callbacks=[lambda now: now.energy > 0 and None]).state
        assert same(half, seen[step].state)
        assert same(run(saved(half), *arguments, until=Stop(steps=7)).state, whole)
    made = [plans(now.state) for now in seen]
    assert made[2]
    assert len({str(plan) for plan in made[2:]}) > 1  # the box was left, and another plan made


@pytest.mark.slow
@pytest.mark.parametrize("method", ["split", "auto"])
@pytest.mark.parametrize("fixed", [False, True])
def test_so_does_one_with_fixed_charges_energies_and_a_schedule(method, fixed):
    start = towards_data() if fixed else expanding(3)
    options = {"softening": Annealing(0.5, 0.4, 3.0), "energies": True}
    arguments = system(method), Euler(0.5)
    whole = run(start, *arguments, until=Stop(steps=6), **options).state
    half = run(start, *arguments, until=Stop(steps=3), **options).state
    assert plans(half)
    assert same(run(saved(half), *arguments, until=Stop(steps=6), **options).state, whole)


def test_so_does_one_from_any_frame_of_a_file(tmp_path):
    arguments, start = (system(), Verlet(0.7)), expanding()
    with Writer(tmp_path / "whole.h5md") as writer:
        whole = run(start, *arguments, until=Stop(steps=5), callbacks=[writer]).state
    with Trajectory(tmp_path / "whole.h5md") as trajectory:
        for frame in (1, 3):
            state = trajectory.state(frame)
            assert plans(state)
            assert same(run(state, *arguments, until=Stop(steps=5)).state, whole)


def test_the_first_step_has_the_field_of_the_function():
    start = expanding()
    end = run(start, system(), Euler(0.5), until=Stop(steps=1)).state
    x, q = start["particles"].positions, start["particles"].charges
    expected = x + 0.5 * field(x, Charges(x, q), Plummer(1.0, 0.5), rtol=RTOL, method="nufft")
    np.testing.assert_array_equal(end["particles"].positions, expected)


@pytest.mark.slow
@pytest.mark.parametrize("schedule", [None, Annealing(0.8, 0.3, 40.0)])
def test_every_step_keeps_rtol_while_samples_move_far(schedule):
    """From one narrow cloud to where the data are, with few plans; errors are relative to the magnitudes' sums."""
    start, errors, made = towards_data(), [], []

    def look(now):
        made.append(str(plans(now.state)))
        if now.step % 7 == 0:
            kernel = Plummer(1.0, now.softening)
            rows, groups = slice(None, None, 7), [now[name] for name in ("real", "generated")]
            y = np.concatenate([group.positions for group in groups]).astype(float)
            q = np.concatenate([np.full(COUNT, 1 / COUNT), np.full(COUNT, -1 / COUNT)])
            x = now.positions[rows].astype(float)
            exact = field(x, Charges(y, q), kernel)
            s = np.sum((x[:, None] - y[None]) ** 2, axis=-1)
            sizes = (2 * np.abs(kernel.slope(s)) * np.sqrt(s)) @ np.abs(q)
            errors.append(np.linalg.norm(now.field[rows] - exact) / np.linalg.norm(sizes))

    end = run(start, system(), Euler(2.0), until=Stop(steps=42), softening=schedule, callbacks=[look]).state
    moved = np.linalg.norm(end["generated"].positions - start["generated"].positions, axis=1)
    assert np.median(moved) > 2
    assert max(errors) <= RTOL
    assert len(set(made[2:])) <= (3 if schedule is None else 25)


def test_what_a_step_gives_hangs_on_the_state_alone(monkeypatch):
    """Not on whether its plan was made here or read: the coefficients are kept with it, and made again."""
    start = expanding()
    before = run(start, system(), Euler(0.1), until=Stop(steps=3)).state
    on = run(before, system(), Euler(0.1), until=Stop(steps=4)).state
    again = saved(before)
    monkeypatch.setattr(keeping, "chosen", None)  # nothing is planned
    assert np.array_equal(
        run(again, system(), Euler(0.1), until=Stop(steps=4)).state["particles"].positions,
        on["particles"].positions,
    )
