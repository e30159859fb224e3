"""Runs of a flow: what a snapshot tells, how a run ends and goes on, and what happens to input that is no good."""

import dataclasses
import json

import numpy as np
import pytest
from charge_clouds import KERNELS, seeds
from hypothesis import given
from hypothesis import strategies as st

import coulombfield.flow.processes
from coulombfield import (
    Charges,
    Coulomb,
    Gaussian,
    Plummer,
    electrostatic_energy,
    electrostatic_energy_gradient,
    potential,
)
from coulombfield.arrays import to_numpy
from coulombfield.flow import Adaptive, Annealing, Descent, Euler, RungeKutta, State, Stop, System, Verlet, run

INTEGRATORS = {
    "euler": Euler(0.1),
    "euler with noise": Euler(0.1, temperature=0.05, seed=3),
    "runge-kutta": RungeKutta(0.1),
    "adaptive": Adaptive(0.1, rtol=1e-4),
    "verlet": Verlet(0.1),
    "verlet with noise": Verlet(0.1, friction=0.5, temperature=0.05, seed=3),
    "descent": Descent(0.1),
}
sides = st.sampled_from(["generated", "both"])
integrators = pytest.mark.parametrize("integrator", INTEGRATORS.values(), ids=INTEGRATORS.keys())


def points(seed=0, n_x=4, n_y=5, dimension=2, dtype="float64"):
    rng = np.random.default_rng(seed)
    shapes = (n_x, dimension), (n_y, dimension)
    return [(rng.standard_normal(shape) + offset).astype(dtype) for shape, offset in zip(shapes, (0, 0.5), strict=True)]


def direct(kernel=None, moving="generated", **options):
    return System(kernel or Plummer(2.0, 0.8), moving, method="direct", **options)


def same(a, b):
    """Whether two states agree to the last bit."""
    for name in ("generated", "real", "generated_velocities", "real_velocities"):
        left, right = getattr(a, name), getattr(b, name)
        if (left is None) != (right is None):
            return False
        if left is not None and (left.dtype != right.dtype or to_numpy(left).tobytes() != to_numpy(right).tobytes()):
            return False
    numbers = [(s.step, s.time, s.softening, dict(s.memory)) for s in (a, b)]
    return numbers[0] == numbers[1]


def saved(state):
    """The state by way of plain arrays and JSON, as a file would hold it."""
    arrays = ("generated", "real", "generated_velocities", "real_velocities")
    copies = {name: None if (x := getattr(state, name)) is None else np.array(x) for name in arrays}
    numbers = {"step": state.step, "time": state.time, "softening": state.softening, "memory": dict(state.memory)}
    return State(**copies, **json.loads(json.dumps(numbers)))


@integrators
@pytest.mark.parametrize("moving", ["generated", "both"])
@pytest.mark.parametrize("schedule", [None, Annealing(2.0, 0.5, 0.4)])
def test_a_run_that_was_stopped_goes_on_bit_for_bit(integrator, moving, schedule, dtype):
    """Whatever callbacks asked for in between."""
    x, y = points(dtype=dtype)
    arguments = direct(moving=moving), integrator
    seen = []
    whole = run(State(x, y), *arguments, until=Stop(steps=6), softening=schedule, callbacks=[seen.append])
    assert [now.step for now in seen] == list(range(7))
    assert same(seen[-1].state, whole.state)
    half = run(
        State(x, y),
        *arguments,
        until=Stop(steps=3),
        softening=schedule,
        callbacks=[lambda now: now.energy > 0 and None],
    )
    assert same(half.state, seen[3].state)
    assert not same(half.state, whole.state)
    on = run(saved(half.state), *arguments, until=Stop(steps=6), softening=schedule)
    assert same(on.state, whole.state)
    assert on.reason == "steps"


@integrators
@pytest.mark.parametrize("moving", ["generated", "both"])
def test_a_flow_keeps_library_and_dtype(library, dtype, integrator, moving):
    x, y = points(dtype=dtype)
    flow, until = direct(moving=moving), Stop(steps=3)
    expected = run(State(x, y), flow, integrator, until=until).state
    found = run(State(library.put(x), library.put(y)), flow, integrator, until=until).state
    for name in ("generated", "real", "generated_velocities", "real_velocities"):
        if (want := getattr(expected, name)) is None:
            assert getattr(found, name) is None
            continue
        got = library.get(getattr(found, name))
        assert got.dtype == want.dtype == dtype
        np.testing.assert_allclose(got, want, atol=1e-4 if dtype == "float32" else 1e-10)
    moved = np.abs(library.get(found.real) - y).max() > 0
    assert moved == (moving == "both")


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("exclude_self", [True, False])
@pytest.mark.parametrize("moving", ["generated", "both"])
@pytest.mark.parametrize("name", [*KERNELS, "coulomb"])
def test_a_snapshot_tells_the_sums_at_all_charges(name, moving, exclude_self, together):
    """For weights of any sign and sum; computed with the fields or afterwards."""
    kernel = KERNELS.get(name, Coulomb(1.0))
    if name == "coulomb" and not exclude_self:
        pytest.skip("refused, see below")
    x, y = points()
    rng = np.random.default_rng(1)
    q_x, q_y = rng.standard_normal(4), rng.standard_normal(5)
    flow = direct(kernel, moving, generated_weights=q_x, real_weights=q_y, exclude_self=exclude_self)
    seen = []
    run(State(x, y), flow, Euler(0.01), until=Stop(steps=0), callbacks=[seen.append], energies=together)
    (now,) = seen
    charges = Charges(np.concatenate([y, x]), np.concatenate([q_y, q_x]))
    options = {"exclude_self": exclude_self, "method": "direct"}
    gradient = electrostatic_energy_gradient(charges, kernel, **options)
    np.testing.assert_allclose(now.energy, electrostatic_energy(charges, kernel, **options), rtol=1e-12)
    close = {"rtol": 1e-12, "atol": 1e-13 * np.abs(gradient.positions).max()}
    np.testing.assert_allclose(np.concatenate([now.real_force, now.generated_force]), -gradient.positions, **close)
    potentials = np.concatenate([now.real_potential, now.generated_potential])
    np.testing.assert_allclose(potentials, gradient.weights, rtol=1e-12, atol=1e-13)
    moves = slice(None) if moving == "both" else slice(5, None)
    fields = -(gradient.positions / charges.weights[:, None])[moves]
    assert now.largest_field == pytest.approx(np.linalg.norm(fields, axis=1).max())


def test_velocities_have_an_energy():
    x, y = points()
    v = np.ones_like(x)
    for masses, expected in ((None, 0.5 * 2 * 4 / 4), (np.arange(1.0, 5), 0.5 * 2 * 10)):
        flow = direct(generated_masses=masses)
        seen = []
        run(State(x, y, generated_velocities=v), flow, Verlet(0.1), until=Stop(steps=0), callbacks=[seen.append])
        assert seen[0].kinetic_energy == pytest.approx(expected)


@pytest.mark.parametrize("energies", [False, True])
@pytest.mark.parametrize(("integrator", "fields"), [(Euler(0.1), 11), (Verlet(0.1), 11), (RungeKutta(0.1), 41)])
def test_no_field_is_computed_twice(monkeypatch, integrator, fields, energies):
    """Callbacks see the integrator's own; the data's mutual field is never computed, their energy once."""
    pairs, fixed = [], []
    for name, seen in (("field", pairs), ("potential_and_field", pairs), ("electrostatic_energy", fixed)):
        function = getattr(coulombfield.flow.processes, name)

        def counted(*arguments, function=function, seen=seen, **options):
            charges = next(a for a in arguments if isinstance(a, Charges))
            seen.append(len(arguments[0]) * len(charges.positions) if function is not electrostatic_energy else 1)
            return function(*arguments, **options)

        monkeypatch.setattr(coulombfield.flow.processes, name, counted)
    x, y = points()

    def look(now):
        return (now.energy, now.generated_potential) if energies else now.generated_force

    run(State(x, y), direct(), integrator, until=Stop(steps=10), callbacks=[look, look], energies=energies)
    apart = 11 if energies else 0  # over the samples and over the data, but not in a stage inside a step
    assert len(pairs) == fields + apart
    assert sum(pairs) == fields * 4 * (4 + 5)
    assert len(fixed) == energies


@pytest.mark.parametrize(
    ("integrator", "steps", "sums"),
    [
        (Descent(1e-6), 5, 2 * (1 + 5)),  # first tries that are short enough; two sums each
        (Adaptive(1e-3, "RK45", 1e-3, 1e-3), 3, 1 + 1 + 3 * 6),  # one to choose the first step, six stages in each
    ],
)
def test_an_integrator_takes_along_what_it_knows(monkeypatch, integrator, steps, sums):
    """The last stage's field is the next step's first, and the length of a step is remembered."""
    calls = []
    sums_of = coulombfield.flow.motion.Motion._sums
    monkeypatch.setattr(coulombfield.flow.motion.Motion, "_sums", lambda *a, **o: calls.append(1) or sums_of(*a, **o))
    run(State(*points()), direct(), integrator, until=Stop(steps=steps))
    assert len(calls) == sums


def test_rules_end_a_run():
    x, y = points(n_x=1, n_y=1)
    flow, start, step = direct(), State(x, y), Euler(0.1)
    seen = []
    run(start, flow, step, until=Stop(steps=40), callbacks=[seen.append], energies=True)
    energies, forces = (np.array([getattr(now, name) for now in seen]) for name in ("energy", "largest_field"))
    assert np.all(np.diff(energies[:25]) < 0)
    middle = 20
    assert forces[middle] == forces[: middle + 1].min()
    for rule, value in (("steps", middle), ("time", 2.0), ("energy", energies[middle]), ("force", forces[middle])):
        end, reason = run(start, flow, step, until=Stop(**{rule: value}))
        assert (reason, end.step) == (rule, middle)
        assert same(end, seen[middle].state)
    end, reason = run(start, flow, step, until=Stop(steps=30, time=1.0))
    assert (reason, end.step) == ("time", 10)
    end, reason = run(start, flow, step, until=Stop(steps=30), callbacks=[lambda now: now.step == 7])
    assert (reason, end.step) == ("callback", 7)
    end, reason = run(end, flow, step, until=Stop(steps=7))
    assert (reason, end.step) == ("steps", 7)


@pytest.mark.parametrize(("every", "expected"), [(1, [0, 1, 2, 3, 4, 5, 6, 7]), (3, [0, 3, 6, 7]), (7, [0, 7])])
def test_callbacks_come_every_so_often_and_at_the_end(every, expected):
    x, y = points()
    seen = []
    run(
        State(x, y),
        direct(),
        Euler(0.1),
        until=Stop(steps=7),
        callbacks=[lambda now: seen.append(now.step)],
        every=every,
    )
    assert seen == expected


def test_annealing_falls_and_stays():
    anneal = Annealing(3.0, 0.75, 2.0)
    assert [anneal(t) for t in (0, 1, 2, 5)] == pytest.approx([3.0, 1.5, 0.75, 0.75])
    assert anneal(2) == 0.75
    x, y = points()
    seen = []
    for kernel in (Plummer(1.0, 1.0), 2.0 * Plummer(1.0, 1.0)):
        run(State(x, y), direct(kernel), Euler(1.0), until=Stop(steps=2), softening=anneal, callbacks=[seen.append])
    assert [now.state.softening for now in seen] == pytest.approx([3.0, 1.5, 0.75] * 2)
    q = Charges(np.concatenate([y, x]), np.concatenate([np.full(5, 0.2), np.full(4, -0.25)]))
    for now, weight in ((seen[0], 1.0), (seen[3], 2.0)):
        expected = potential(x, q, weight * Plummer(1.0, 3.0), method="direct")
        np.testing.assert_allclose(now.generated_potential, expected)


def test_without_a_schedule_the_softening_is_the_kernels():
    x, y = points()
    for kernel, expected in ((Plummer(1.0, 0.4), 0.4), (Gaussian(1.0), None)):
        assert run(State(x, y), direct(kernel), Euler(0.1), until=Stop(steps=1)).state.softening == expected


@pytest.mark.parametrize("make", [lambda seed: Euler(0.1, 0.1, seed), lambda seed: Verlet(0.1, 1.0, 0.1, seed)])
def test_noise_is_its_seeds(make):
    x, y = points()
    ends = [run(State(x, y), direct(), make(seed), until=Stop(steps=2)).state.generated for seed in (1, 1, 2)]
    assert np.array_equal(ends[0], ends[1])
    assert not np.any(ends[0] == ends[2])


def test_each_step_has_noise_of_its_own():
    x, y = points()
    free = direct(generated_weights=np.full(4, -1e-15), real_weights=np.full(5, 1e-15))
    noise = Euler(0.1, temperature=0.1)
    first, second = (run(State(x, y), free, noise, until=Stop(steps=n)).state.generated for n in (1, 2))
    assert np.abs((second - first) - (first - x)).min() > 1e-3


@given(seed=seeds, moving=sides)
def test_a_charge_is_pushed_by_its_sign_alone(seed, moving):
    """In a first-order flow the size of a charge is how much it acts, not how fast it goes."""
    x, y = points(seed)
    rng = np.random.default_rng(seed)
    q_x, q_y = rng.standard_normal(4), rng.standard_normal(5)
    q_x[0] = 0.0
    flow = direct(moving=moving, generated_weights=q_x, real_weights=q_y)
    end = run(State(x, y), flow, Euler(0.1), until=Stop(steps=1)).state
    force = -electrostatic_energy_gradient(
        Charges(np.concatenate([y, x]), np.concatenate([q_y, q_x])), flow.kernel, method="direct"
    ).positions
    np.testing.assert_allclose(end.generated[1:] - x[1:], 0.1 * force[6:] / np.abs(q_x[1:, None]), atol=1e-12)
    np.testing.assert_array_equal(end.generated[0], x[0])
    moved = 0.1 * force[:5] / np.abs(q_y[:, None]) if moving == "both" else 0 * y
    np.testing.assert_allclose(end.real - y, moved, atol=1e-12)


def test_what_has_no_velocity_starts_at_rest():
    x, y = points()
    flow, until = direct(moving="both"), Stop(steps=2)
    some = run(State(x, y, generated_velocities=np.ones_like(x)), flow, Verlet(0.1), until=until).state
    start = State(x, y, generated_velocities=np.ones_like(x), real_velocities=np.zeros_like(y))
    assert same(run(start, flow, Verlet(0.1), until=until).state, some)


def test_a_tracer_has_a_motion_with_inertia_too():
    """A charge of 0 flies straight on, also without a mass of its own."""
    x, y = points()
    weights = np.array([-1.0, 0.0, -1.0, -1.0])
    start = State(x, y, generated_velocities=np.ones_like(x))
    end = run(start, direct(generated_weights=weights), Verlet(0.5), until=Stop(steps=2)).state
    np.testing.assert_allclose(end.generated[1], x[1] + 1.0)


@pytest.mark.parametrize("moving", ["generated", "both"])
def test_a_kind_may_be_missing_if_its_charges_are_given(moving):
    x, y = points()
    none = np.empty((0, 2))
    with pytest.raises(ValueError, match="real: expected at least one point"):
        run(State(x, none), direct(moving=moving), Euler(0.1), until=Stop(steps=1))
    flow = direct(moving=moving, real_weights=np.empty(0))
    for integrator in INTEGRATORS.values():
        end = run(State(x, none), flow, integrator, until=Stop(steps=2)).state
        assert end.generated.shape == x.shape
        assert end.real.shape == (0, 2)
    pushed = run(State(x, none), flow, Euler(0.1), until=Stop(steps=5)).state.generated
    assert np.var(pushed, axis=0).sum() > np.var(x, axis=0).sum()  # charges of one sign repel each other
    flow = direct(moving=moving, generated_weights=np.empty(0))
    for integrator in INTEGRATORS.values():
        end, reason = run(State(none, y), flow, integrator, until=Stop(steps=2))
        assert reason == "steps" or (integrator == Descent(0.1) and moving == "generated")
        assert np.array_equal(end.real, y) == (moving == "generated")


def test_coincident_charges_have_no_force_on_each_other_if_softened():
    x, _ = points()
    twice = np.concatenate([x, x])
    state = State(twice, twice)
    for kernel in KERNELS.values():
        end = run(state, direct(kernel, moving="both"), Euler(0.1), until=Stop(steps=1)).state
        assert np.array_equal(end.generated[:4], end.generated[4:])
        assert np.all(np.isfinite(end.real))


@integrators
def test_bare_charges_that_coincide_end_the_run_with_a_reason(integrator):
    x, y = points()
    state = State(np.concatenate([x, y[:1]]), y)
    with pytest.raises(ArithmeticError, match="coincide") as caught:
        run(state, direct(Coulomb(1.0), exclude_self=True), integrator, until=Stop(steps=3))
    assert "generated: expected finite numbers as field at" in str(caught.value)
    assert "row 4" in str(caught.value)


def test_bare_charges_need_their_own_terms_left_out():
    with pytest.raises(ValueError, match=r"exclude_self: expected True with Coulomb.*Plummer"):
        System(Coulomb(1.0))
    x, y = points()
    end = run(State(x, y), direct(Coulomb(1.0), exclude_self=True), RungeKutta(1e-3), until=Stop(steps=2)).state
    assert np.all(np.isfinite(end.generated))
    assert np.any(end.generated != x)


X, Y = points()
NAN = X.copy()
NAN[2, 1] = np.nan


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: State(X, Y.astype("float32")), TypeError, "real: expected dtype float64 like generated, got float32"),
        (lambda: State(X, Y[:, :1]), ValueError, "real: expected 2 columns like generated, got 1"),
        (lambda: State(X[0], Y), ValueError, r"generated: expected shape \(count, m\)"),
        (lambda: State(X.astype(bool), Y.astype(bool)), TypeError, "generated: expected dtype float32 or float64"),
        (lambda: State(0.0, Y), TypeError, "generated: expected an array, got float"),
        (lambda: State(X, Y, step=-1), ValueError, "step: expected an integer of at least 0, got -1"),
        (lambda: State(X, Y, step=1.0), TypeError, "step: expected an integer, got float"),
        (lambda: State(X, Y, time=np.inf), ValueError, "time: expected a finite number, got inf"),
        (
            lambda: State(X, Y, softening=-1.0),
            ValueError,
            "softening: expected a non-negative, finite number, got -1",
        ),
        (lambda: State(X, Y, generated_velocities=Y), ValueError, r"generated_velocities: expected shape \(4, 2\)"),
        (
            lambda: State(X, Y, real_velocities=Y.astype("float32")),
            TypeError,
            "real_velocities: expected dtype float64 like real, got float32",
        ),
        (lambda: System("plummer"), TypeError, "kernel: expected a RadialKernel"),
        (lambda: System(Plummer(), "real"), ValueError, "moving: expected generated or both, got 'real'"),
        (lambda: System(Plummer(), exclude_self=1), TypeError, "exclude_self: expected True or False, got 1"),
        (lambda: Stop(), ValueError, "expected at least one of steps, time, energy, force"),
        (lambda: Stop(steps=1.5), TypeError, "steps: expected an integer, got float"),
        (lambda: Stop(force=-1.0), ValueError, "force: expected a non-negative, finite number, got -1"),
        (lambda: Stop(energy=np.nan), ValueError, "energy: expected a finite number, got nan"),
        (lambda: Euler(0), ValueError, "step: expected a positive, finite number, got 0"),
        (lambda: Euler("0.1"), TypeError, "step: expected a number, got str"),
        (lambda: Euler(0.1, -1.0), ValueError, "temperature: expected a non-negative, finite number, got -1"),
        (lambda: Euler(0.1, seed=-1), ValueError, "seed: expected a non-negative integer, got -1"),
        (lambda: Verlet(0.1, temperature=1.0), ValueError, "friction: expected a positive number"),
        (lambda: Descent(0.1, sufficient=1.0), ValueError, "sufficient: expected a number less than 1"),
        (lambda: Adaptive(0.1, "RK4"), ValueError, "method: expected one of RK23, RK45"),
        (lambda: Annealing(1.0, 0.0, 1.0), ValueError, "end: expected a positive, finite number, got 0"),
    ],
)
def test_what_is_no_good_is_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"state": State(NAN, Y)},
            ValueError,
            r"generated: expected finite numbers to start from, got \[.*nan\] in row 2",
        ),
        ({"state": State(X, Y, generated_velocities=X)}, ValueError, "a first-order flow has no velocities"),
        (
            {"state": State(X, Y, real_velocities=Y), "integrator": Verlet(0.1)},
            ValueError,
            "real_velocities: expected None where the real data are fixed",
        ),
        ({"state": X}, TypeError, "state: expected a State, got ndarray"),
        ({"system": Plummer()}, TypeError, "system: expected a System, got Plummer"),
        ({"integrator": Euler}, TypeError, "integrator: expected one such as"),
        ({"until": 3}, TypeError, "until: expected a Stop, got int"),
        ({"callbacks": print}, TypeError, "callbacks: expected a list of functions"),
        ({"every": 0}, ValueError, "every: expected an integer of at least 1, got 0"),
        ({"energies": 1}, TypeError, "energies: expected True or False, got 1"),
        ({"softening": 1.0}, TypeError, "softening: expected a function of time"),
        ({"softening": lambda time: 0.0}, ValueError, "softening: expected a positive, finite number, got 0"),
        (
            {"softening": lambda time: 1.0, "system": direct(Gaussian(1.0))},
            TypeError,
            "softening: a schedule needs a kernel with one softening",
        ),
        ({"system": direct(generated_weights=np.ones(3))}, ValueError, r"generated_weights: .* \(4,\) .* \(3,\)"),
        ({"system": direct(real_weights=np.ones(5, "float32"))}, TypeError, "real_weights: .* float64 .* float32"),
        ({"system": direct(real_weights=np.full(5, np.nan))}, ValueError, "real_weights: expected finite numbers"),
        ({"system": direct(generated_masses=np.zeros(4))}, ValueError, "generated_masses: expected positive numbers"),
        ({"system": direct(rtol=2.0)}, ValueError, "rtol: expected a number from"),
        ({"system": System(Plummer(), method="fast")}, ValueError, "method: expected auto or one of"),
        (
            {"state": State(X.astype("float32"), Y.astype("float32")), "integrator": Adaptive(0.1, rtol=1e-7)},
            ValueError,
            "rtol: expected at least 1.2e-05 for float32, got 1e-07",
        ),
    ],
)
def test_what_does_not_fit_is_named(options, error, message):
    usual = {"state": State(X, Y), "system": direct(), "integrator": Euler(0.1), "until": Stop(steps=1)}
    arguments = usual | options
    state, system, integrator = (arguments.pop(name) for name in ("state", "system", "integrator"))
    with pytest.raises(error, match=message):
        run(state, system, integrator, **arguments)


def test_fast_sums_serve_a_flow():
    pytest.importorskip("finufft")
    x, y = points(n_x=1500, n_y=2000)  # fewer pairs are summed exactly all the same
    state, kernel, step, once = State(x, y), Plummer(1.0, 0.5), Euler(1.0), Stop(steps=1)
    exact = run(state, System(kernel), step, until=once).state.generated - x
    found = run(state, System(kernel, rtol=1e-4, method="nufft"), step, until=once).state.generated - x
    error = np.linalg.norm(found - exact)
    assert 0 < error < 1e-3 * np.linalg.norm(exact)


def test_states_are_not_changed_by_a_run():
    x, y = points()
    for array in (x, y):
        array.flags.writeable = False
    state = State(x, y)
    for integrator in INTEGRATORS.values():
        run(state, direct(moving="both"), integrator, until=Stop(steps=2))
    assert dataclasses.asdict(Stop(steps=2)) == {"steps": 2, "time": None, "energy": None, "force": None}


def test_lists_and_integers_are_taken_for_a_state():
    state = State([[1, 2]], np.zeros((3, 2), np.float32), generated_velocities=[[0, 1]])
    assert state.generated.dtype == state.generated_velocities.dtype == np.float32
    assert State([[1, 2]], np.zeros((3, 2), int)).real.dtype == np.float64


def test_a_state_shows_itself_briefly():
    text = repr(State(np.zeros((500, 2)), np.ones((400, 2)), step=7, time=0.25, softening=0.5))
    assert text == "State(500 generated and 400 real in 2 dimensions, float64; step 7, time 0.25, softening 0.5)"
