"""Runs of a flow: what a snapshot tells, how a run ends and goes on, and what happens to input that is no good."""

import dataclasses
import itertools

import numpy as np
import pytest
from charge_clouds import KERNELS, seeds
from flow_states import same, saved
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
from coulombfield.flow import (
    Adaptive,
    Annealing,
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
    Verlet,
    Yoshida,
    run,
)

INTEGRATORS = {
    "euler": Euler(0.1),
    "euler with noise": Euler(0.1, temperature=0.05, seed=3),
    "runge-kutta": RungeKutta(0.1),
    "adaptive": Adaptive(0.1, rtol=1e-4),
    "verlet": Verlet(0.1),
    "langevin": Langevin(0.1, friction=0.5, temperature=0.05, seed=3),
    "langevin per charge": Langevin(0.1, friction=0.5, temperature=0.05, per="charge", seed=3),
    "steps by acceleration": Verlet(0.1, accuracy=0.05),
    "yoshida": Yoshida(0.1),
    "descent": Descent(0.1),
}
sides = st.sampled_from(["generated", "both"])
integrators = pytest.mark.parametrize("integrator", INTEGRATORS.values(), ids=INTEGRATORS.keys())


def points(seed=0, n_x=4, n_y=5, dimension=2, dtype="float64"):
    rng = np.random.default_rng(seed)
    shapes = (n_x, dimension), (n_y, dimension)
    return [(rng.standard_normal(shape) + offset).astype(dtype) for shape, offset in zip(shapes, (0, 0.5), strict=True)]


def direct(kernel=None, **options):
    return System(kernel or Plummer(2.0, 0.8), method="direct", **options)


def both_kinds(x, y, q_x=None, q_y=None, *, moving="generated", velocities=None):
    """Samples and data with charges of their own, in the order of the paper's case."""
    real = Group(y, charges=q_y, fixed=moving == "generated")
    return State({"real": real, "generated": Group(x, velocities, q_x)})


def of(x, y, **options):
    return State.of(generated=x, real=y, **options)


def of_points():
    return of(*points())


@integrators
@pytest.mark.parametrize("moving", ["generated", "both"])
@pytest.mark.parametrize("schedule", [None, Annealing(2.0, 0.5, 0.4)])
def test_a_run_that_was_stopped_goes_on_bit_for_bit(integrator, moving, schedule, dtype):
    """Whatever callbacks asked for in between."""
    x, y = points(dtype=dtype)
    arguments, start = (direct(), integrator), of(x, y, moving=moving)
    seen = []
    whole = run(start, *arguments, until=Stop(steps=6), softening=schedule, callbacks=[seen.append])
    assert [now.step for now in seen] == list(range(7))
    assert same(seen[-1].state, whole.state)
    half = run(
        start,
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
    flow, until = direct(), Stop(steps=3)
    expected = run(of(x, y, moving=moving), flow, integrator, until=until).state
    start = State.of(generated=library.put(x), real=library.put(y), moving=moving)
    found = run(start, flow, integrator, until=until).state
    for name, part in itertools.product(("generated", "real"), ("positions", "velocities", "charges", "masses")):
        if (want := getattr(expected[name], part)) is None:
            assert getattr(found[name], part) is None
            continue
        got = library.get(getattr(found[name], part))
        assert got.dtype == want.dtype == dtype
        np.testing.assert_allclose(got, want, atol=1e-4 if dtype == "float32" else 1e-10)
    moved = np.abs(library.get(found["real"].positions) - y).max() > 0
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
    flow = direct(kernel, exclude_self=exclude_self)
    seen = []
    run(
        both_kinds(x, y, q_x, q_y, moving=moving),
        flow,
        Euler(0.01),
        until=Stop(steps=0),
        callbacks=[seen.append],
        energies=together,
    )
    (now,) = seen
    charges = Charges(np.concatenate([y, x]), np.concatenate([q_y, q_x]))
    options = {"exclude_self": exclude_self, "method": "direct"}
    gradient = electrostatic_energy_gradient(charges, kernel, **options)
    np.testing.assert_allclose(now.energy, electrostatic_energy(charges, kernel, **options), rtol=1e-12)
    close = {"rtol": 1e-12, "atol": 1e-13 * np.abs(gradient.positions).max()}
    np.testing.assert_allclose(
        np.concatenate([now["real"].force, now["generated"].force]), -gradient.positions, **close
    )
    potentials = np.concatenate([now["real"].potential, now["generated"].potential])
    np.testing.assert_allclose(potentials, gradient.weights, rtol=1e-12, atol=1e-13)
    moves = slice(None) if moving == "both" else slice(5, None)
    fields = -(gradient.positions / charges.weights[:, None])[moves]
    assert now.largest_field == pytest.approx(np.linalg.norm(fields, axis=1).max())


def test_velocities_have_an_energy():
    x, y = points()
    v = np.ones_like(x)
    for masses, expected in ((None, 0.5 * 2 * 4 / 4), (np.arange(1.0, 5), 0.5 * 2 * 10)):
        groups = {"real": Group(y, fixed=True), "generated": Group(x, v, -0.25, masses)}
        seen = []
        run(State(groups), direct(), Verlet(0.1), until=Stop(steps=0), callbacks=[seen.append])
        assert seen[0].kinetic_energy == pytest.approx(expected)


@pytest.mark.parametrize("energies", [False, True])
@pytest.mark.parametrize(("integrator", "fields"), [(Euler(0.1), 11), (Verlet(0.1), 11), (RungeKutta(0.1), 41)])
def test_no_field_is_computed_twice(monkeypatch, integrator, fields, energies):
    """Callbacks see the integrator's own; the data's mutual field is never computed, their energy once."""
    pairs, fixed = [], []
    for name, seen in (("kept_sums", pairs), ("electrostatic_energy", fixed)):
        function = getattr(coulombfield.flow.processes, name)

        def counted(*arguments, function=function, seen=seen, **options):
            charges = next(a for a in arguments if isinstance(a, Charges))
            seen.append(len(arguments[0]) * len(charges.positions) if function is not electrostatic_energy else 1)
            return function(*arguments, **options)

        monkeypatch.setattr(coulombfield.flow.processes, name, counted)
    x, y = points()

    def look(now):
        return (now.energy, now["generated"].potential) if energies else now["generated"].force

    start = of(x, y)
    run(start, direct(), integrator, until=Stop(steps=10), callbacks=[look, look], energies=energies)
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
    run(of_points(), direct(), integrator, until=Stop(steps=steps))
    assert len(calls) == sums


def test_rules_end_a_run():
    x, y = points(n_x=1, n_y=1)
    flow, start, step = direct(), of(x, y), Euler(0.1)
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
        of(x, y),
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
        run(of(x, y), direct(kernel), Euler(1.0), until=Stop(steps=2), softening=anneal, callbacks=[seen.append])
    assert [now.state.softening for now in seen] == pytest.approx([3.0, 1.5, 0.75] * 2)
    q = Charges(np.concatenate([y, x]), np.concatenate([np.full(5, 0.2), np.full(4, -0.25)]))
    for now, weight in ((seen[0], 1.0), (seen[3], 2.0)):
        expected = potential(x, q, weight * Plummer(1.0, 3.0), method="direct")
        np.testing.assert_allclose(now["generated"].potential, expected)


def test_without_a_schedule_the_softening_is_the_kernels():
    x, y = points()
    for kernel, expected in ((Plummer(1.0, 0.4), 0.4), (Gaussian(1.0), None)):
        assert run(of(x, y), direct(kernel), Euler(0.1), until=Stop(steps=1)).state.softening == expected


@pytest.mark.parametrize("make", [lambda seed: Euler(0.1, 0.1, seed), lambda seed: Langevin(0.1, 1.0, 0.1, seed=seed)])
def test_noise_is_its_seeds(make):
    x, y = points()
    ends = [run(of(x, y), direct(), make(seed), until=Stop(steps=2)).state["generated"].positions for seed in (1, 1, 2)]
    assert np.array_equal(ends[0], ends[1])
    assert not np.any(ends[0] == ends[2])


def test_each_step_has_noise_of_its_own():
    x, y = points()
    free, noise = both_kinds(x, y, -1e-15, 1e-15), Euler(0.1, temperature=0.1)
    first, second = (run(free, direct(), noise, until=Stop(steps=n)).state["generated"].positions for n in (1, 2))
    assert np.abs((second - first) - (first - x)).min() > 1e-3


@given(seed=seeds, moving=sides)
def test_a_charge_is_pushed_by_its_sign_alone(seed, moving):
    """In a first-order flow the size of a charge is how much it acts, not how fast it goes."""
    x, y = points(seed)
    rng = np.random.default_rng(seed)
    q_x, q_y = rng.standard_normal(4), rng.standard_normal(5)
    q_x[0] = 0.0
    flow = direct()
    end = run(both_kinds(x, y, q_x, q_y, moving=moving), flow, Euler(0.1), until=Stop(steps=1)).state
    force = -electrostatic_energy_gradient(
        Charges(np.concatenate([y, x]), np.concatenate([q_y, q_x])), flow.kernel, method="direct"
    ).positions
    np.testing.assert_allclose(
        end["generated"].positions[1:] - x[1:], 0.1 * force[6:] / np.abs(q_x[1:, None]), atol=1e-12
    )
    np.testing.assert_array_equal(end["generated"].positions[0], x[0])
    moved = 0.1 * force[:5] / np.abs(q_y[:, None]) if moving == "both" else 0 * y
    np.testing.assert_allclose(end["real"].positions - y, moved, atol=1e-12)


def test_what_has_no_velocity_starts_at_rest():
    x, y = points()
    until, given = Stop(steps=2), {"generated": x, "real": y, "generated_velocities": np.ones_like(x), "moving": "both"}
    some = run(State.of(**given), direct(), Verlet(0.1), until=until).state
    start = State.of(**given, real_velocities=np.zeros_like(y))
    assert same(run(start, direct(), Verlet(0.1), until=until).state, some)


def test_a_tracer_has_a_motion_with_inertia_too():
    """A charge of 0 flies straight on, also without a mass of its own."""
    x, y = points()
    start = both_kinds(x, y, np.array([-1.0, 0.0, -1.0, -1.0]), velocities=np.ones_like(x))
    end = run(start, direct(), Verlet(0.5), until=Stop(steps=2)).state
    np.testing.assert_allclose(end["generated"].positions[1], x[1] + 1.0)


@integrators
@pytest.mark.parametrize("moving", ["generated", "both"])
def test_a_group_may_be_empty_or_one_particle_or_fixed(integrator, moving):
    x, y = points()
    none = np.empty((0, 2))
    for start in (both_kinds(x, none, -0.25, moving=moving), both_kinds(x[:1], none, moving=moving)):
        end = run(start, direct(), integrator, until=Stop(steps=2)).state
        assert end["generated"].positions.shape == start["generated"].positions.shape
        assert end["real"].positions.shape == (0, 2)
    end, reason = run(both_kinds(none, y, moving=moving), direct(), integrator, until=Stop(steps=2))
    assert reason == "steps" or (integrator == Descent(0.1) and moving == "generated")
    assert np.array_equal(end["real"].positions, y) == (moving == "generated")
    seen = []
    still = State({"a": Group(x, fixed=True), "b": Group(y, charges=-1.0, fixed=True)})
    end, reason = run(still, direct(), integrator, until=Stop(steps=2), callbacks=[seen.append])
    assert reason == ("stalled" if isinstance(integrator, Descent) else "steps")
    assert same(dataclasses.replace(end, step=0, time=0, softening=None, memory={}), still)
    charges = Charges(np.concatenate([x, y]), np.concatenate([np.full(4, 0.25), np.full(5, -1.0)]))
    assert seen[0].energy == pytest.approx(electrostatic_energy(charges, Plummer(2.0, 0.8), method="direct"))
    assert seen[0].largest_field == seen[0].kinetic_energy == 0


def test_charges_of_one_sign_repel_and_masses_attract():
    x, _ = points()
    ends = {k: run(State(Group(x)), direct(coupling=k), Euler(0.1), until=Stop(steps=5)).state for k in (1, -1, 2)}
    spread = {k: np.var(end["particles"].positions, axis=0).sum() for k, end in ends.items()}
    assert spread[-1] < np.var(x, axis=0).sum() < spread[1] < spread[2]


@pytest.mark.parametrize("coupling", [1.0, -1.0, 0.3])
@pytest.mark.parametrize("fixed", ["", "b", "ac", "abc"])
@given(seed=seeds)
def test_a_force_is_minus_the_gradient_of_the_energy(seed, coupling, fixed):
    """Of several groups, moving and fixed, along a random direction; by central differences."""
    rng = np.random.default_rng(seed)
    state = {
        k: Group(rng.standard_normal((n, 3)), charges=rng.standard_normal(n), fixed=k in fixed)
        for k, n in zip("abc", (2, 3, int(rng.integers(0, 3))), strict=True)
    }
    flow = direct(coupling=coupling)
    along = {k: rng.standard_normal(g.positions.shape) for k, g in state.items()}

    def at(h):
        moved = {k: dataclasses.replace(g, positions=g.positions + h * along[k]) for k, g in state.items()}
        return Snapshot.of(State(moved), Motion(flow, State(moved), None, False))

    h = 2.0**-17
    slope = (at(h).energy - at(-h).energy) / (2 * h)
    now = at(0.0)
    work = sum(float(np.sum(now[k].force * along[k])) for k in state)
    size = sum(float(np.sum(np.abs(now[k].force * along[k]))) for k in state)
    assert slope == pytest.approx(-work, abs=1e-8 * (1 + size + abs(now.energy)))


@integrators
def test_how_particles_are_grouped_does_not_matter(integrator):
    """One group, three, or all in another order of names: the same motion up to rounding."""
    if getattr(integrator, "temperature", 0):
        pytest.skip("noise goes by rows")
    x, _ = points(n_x=6)
    q, parts = np.array([1.0, 2, -1, -2, 1, 1]), (slice(0, 1), slice(1, 3), slice(3, 6))
    one = run(State(Group(x, charges=q)), direct(), integrator, until=Stop(steps=3)).state["particles"]
    split = State({name: Group(x[rows], charges=q[rows]) for name, rows in zip("bca", parts, strict=True)})
    end = run(split, direct(), integrator, until=Stop(steps=3)).state
    for name, rows in zip("bca", parts, strict=True):
        np.testing.assert_allclose(end[name].positions, one.positions[rows], rtol=1e-12)


def test_coincident_charges_have_no_force_on_each_other_if_softened():
    x, _ = points()
    twice = np.concatenate([x, x])
    state = State.of(generated=twice, real=twice, moving="both")
    for kernel in KERNELS.values():
        end = run(state, direct(kernel), Euler(0.1), until=Stop(steps=1)).state
        assert np.array_equal(end["generated"].positions[:4], end["generated"].positions[4:])
        assert np.all(np.isfinite(end["real"].positions))


@integrators
def test_bare_charges_that_coincide_end_the_run_with_a_reason(integrator):
    if getattr(integrator, "accuracy", None):
        pytest.skip("goes by a softening")
    x, y = points()
    state = State.of(generated=np.concatenate([x, y[:1]]), real=y)
    with pytest.raises(ArithmeticError, match="coincide") as caught:
        run(state, direct(Coulomb(1.0), exclude_self=True), integrator, until=Stop(steps=3))
    assert "generated: expected finite numbers as field at" in str(caught.value)
    assert "row 4" in str(caught.value)


def test_bare_charges_need_their_own_terms_left_out():
    with pytest.raises(ValueError, match=r"exclude_self: expected True with Coulomb.*Plummer"):
        System(Coulomb(1.0))
    x, y = points()
    end = run(of(x, y), direct(Coulomb(1.0), exclude_self=True), RungeKutta(1e-3), until=Stop(steps=2)).state
    assert np.all(np.isfinite(end["generated"].positions))
    assert np.any(end["generated"].positions != x)


X, Y = points()
NAN = X.copy()
NAN[2, 1] = np.nan


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: of(X, Y.astype("float32")), TypeError, "real: expected dtype float64 like generated, got float32"),
        (lambda: of(X, Y[:, :1]), ValueError, "real: expected 2 columns like generated, got 1"),
        (lambda: of(X[0], Y), ValueError, r"generated: expected shape \(count, m\)"),
        (lambda: of(X.astype(bool), Y.astype(bool)), TypeError, "real: expected dtype float32 or float64"),
        (lambda: of(0.0, Y), TypeError, "generated: expected an array, got float"),
        (lambda: of(X, Y[:0]), ValueError, "real: expected at least one point, got none"),
        (lambda: of(X, Y, moving="real"), ValueError, "moving: expected generated or both, got 'real'"),
        (lambda: of(X, Y, generated_velocities=Y), ValueError, r"generated_velocities: expected shape \(4, 2\)"),
        (
            lambda: of(X, Y, real_velocities=Y.astype("float32"), moving="both"),
            TypeError,
            "real_velocities: expected dtype float64 like positions, got float32",
        ),
        (
            lambda: of(X, Y, real_velocities=Y),
            ValueError,
            "real_velocities: expected None for particles that are fixed",
        ),
        (lambda: State({}), ValueError, "groups: expected at least one group of particles, got none"),
        (lambda: State(X), TypeError, "groups: expected a Group, or a mapping of names to groups, got ndarray"),
        (lambda: State({"a": X}), TypeError, "groups: expected a Group for 'a', got ndarray"),
        (lambda: State({"a/b": Group(X)}), ValueError, "groups: expected names without a slash, got 'a/b'"),
        (lambda: State({3: Group(X)}), ValueError, "groups: expected names without a slash, got 3"),
        (
            lambda: State({"a": Group(X), "b": Group(Y[:, :1])}),
            ValueError,
            "b.positions: expected 2 columns like a.positions, got 1",
        ),
        (lambda: Group(X, fixed=1), TypeError, "fixed: expected True or False, got 1"),
        (lambda: Group(X, charges=np.ones(3)), ValueError, r"charges: expected shape \(4,\) .*, got \(3,\)"),
        (lambda: Group(X, charges=np.inf), ValueError, "charges: expected a finite number, got inf"),
        (lambda: Group(X, masses=0.0), ValueError, "masses: expected a positive, finite number, got 0"),
        (lambda: Group(X, masses=X), ValueError, r"masses: expected shape \(4,\) .*, got \(4, 2\)"),
        (lambda: State(Group(X), step=-1), ValueError, "step: expected an integer of at least 0, got -1"),
        (lambda: State(Group(X), step=1.0), TypeError, "step: expected an integer, got float"),
        (lambda: State(Group(X), time=np.inf), ValueError, "time: expected a finite number, got inf"),
        (
            lambda: State(Group(X), softening=-1.0),
            ValueError,
            "softening: expected a non-negative, finite number, got -1",
        ),
        (lambda: System("plummer"), TypeError, "kernel: expected a RadialKernel"),
        (lambda: System(Plummer(), "attract"), TypeError, "coupling: expected a number, got str"),
        (lambda: System(Plummer(), exclude_self=1), TypeError, "exclude_self: expected True or False, got 1"),
        (lambda: Stop(), ValueError, "expected at least one of steps, time, energy, force"),
        (lambda: Stop(steps=1.5), TypeError, "steps: expected an integer, got float"),
        (lambda: Stop(force=-1.0), ValueError, "force: expected a non-negative, finite number, got -1"),
        (lambda: Stop(energy=np.nan), ValueError, "energy: expected a finite number, got nan"),
        (lambda: Euler(0), ValueError, "step: expected a positive, finite number, got 0"),
        (lambda: Euler("0.1"), TypeError, "step: expected a number, got str"),
        (lambda: Euler(0.1, -1.0), ValueError, "temperature: expected a non-negative, finite number, got -1"),
        (lambda: Euler(0.1, seed=-1), ValueError, "seed: expected a non-negative integer, got -1"),
        (lambda: Langevin(0.1, 0.0, 1.0), ValueError, r"friction: .* positive number with temperature=1, got 0"),
        (lambda: Langevin(0.1, {"a": 1.0}, {"b": 1.0}), ValueError, r"friction: .* temperature=1 in b, got 0"),
        (lambda: Langevin(0.1, {"a": -1.0}), ValueError, r"friction\['a'\]: expected a non-negative, finite number"),
        (lambda: Langevin(0.1, 1.0, per="atom"), ValueError, "per: expected particle or charge, got 'atom'"),
        (lambda: Verlet(0.1, accuracy=0.0), ValueError, "accuracy: expected a positive, finite number, got 0"),
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
            {"state": of(NAN, Y)},
            ValueError,
            r"generated.positions: expected finite numbers to start from, got \[.*nan\] in row 2",
        ),
        ({"state": of(X, Y, generated_velocities=X)}, ValueError, "a first-order flow has no velocities"),
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
        (
            {"state": State({"a": Group(X), "b": Group(Y, charges=np.full(5, np.nan))})},
            ValueError,
            "b.charges: expected finite numbers to start from, got nan in row 0",
        ),
        (
            {"state": State(Group(X, masses=np.array([1.0, 2.0, -1.0, 1.0])))},
            ValueError,
            "particles.masses: expected positive numbers, got -1 in row 2",
        ),
        ({"system": direct(rtol=2.0)}, ValueError, "rtol: expected a number from"),
        ({"system": System(Plummer(), method="fast")}, ValueError, "method: expected auto or one of"),
        (
            {"state": of(X.astype("float32"), Y.astype("float32")), "integrator": Adaptive(0.1, rtol=1e-7)},
            ValueError,
            "rtol: expected at least 1.2e-05 for float32, got 1e-07",
        ),
    ],
)
def test_what_does_not_fit_is_named(options, error, message):
    usual = {"state": of(X, Y), "system": direct(), "integrator": Euler(0.1), "until": Stop(steps=1)}
    arguments = usual | options
    state, system, integrator = (arguments.pop(name) for name in ("state", "system", "integrator"))
    with pytest.raises(error, match=message):
        run(state, system, integrator, **arguments)


def test_fast_sums_serve_a_flow():
    pytest.importorskip("finufft")
    x, y = points(n_x=1500, n_y=2000)  # fewer pairs are summed exactly all the same
    state, kernel, step, once = of(x, y), Plummer(1.0, 0.5), Euler(1.0), Stop(steps=1)
    exact = run(state, System(kernel), step, until=once).state["generated"].positions - x
    found = run(state, System(kernel, rtol=1e-4, method="nufft"), step, until=once).state["generated"].positions - x
    error = np.linalg.norm(found - exact)
    assert 0 < error < 1e-3 * np.linalg.norm(exact)


def test_states_are_not_changed_by_a_run():
    x, y = points()
    for array in (x, y):
        array.flags.writeable = False
    state = of(x, y, moving="both")
    for integrator in INTEGRATORS.values():
        run(state, direct(), integrator, until=Stop(steps=2))
    assert dataclasses.asdict(Stop(steps=2)) == {"steps": 2, "time": None, "energy": None, "force": None}


def test_lists_and_integers_are_taken_for_a_state():
    state = State.of(generated=[[1, 2]], real=np.zeros((3, 2), np.float32), generated_velocities=[[0, 1]])
    assert state["generated"].positions.dtype == state["generated"].velocities.dtype == np.float32
    assert State.of(generated=[[1, 2]], real=np.zeros((3, 2), int))["real"].positions.dtype == np.float64
    group = Group([[1, 2], [3, 4]], charges=[1, -2], masses=2)
    assert (group.charges.tolist(), group.masses.tolist()) == ([1, -2], [2, 2])
    assert group.charges.dtype == group.masses.dtype == np.float64


def test_charges_and_masses_follow_from_the_number_of_particles():
    x, y = points(dtype="float32")
    paper = of(x, y)
    assert list(paper.groups) == ["real", "generated"]
    assert [paper[name].fixed for name in paper.groups] == [True, False]
    np.testing.assert_array_equal(paper["generated"].charges, np.full(4, -0.25, "float32"))
    np.testing.assert_array_equal(paper["generated"].masses, np.full(4, 0.25, "float32"))
    np.testing.assert_array_equal(Group(y).charges, np.full(5, 0.2, "float32"))
    np.testing.assert_array_equal(Group(y, charges=-3.0).masses, np.full(5, 3.0, "float32"))


def test_a_state_shows_itself_briefly():
    state = State.of(generated=np.zeros((500, 2)), real=np.ones((400, 2)))
    text = repr(dataclasses.replace(state, step=7, time=0.25, softening=0.5))
    assert text == "State(400 fixed real, 500 generated in 2 dimensions, float64; step 7, time 0.25, softening 0.5)"
    assert repr(state["real"]) == "Group(400 fixed in 2 dimensions, float64)"
    with pytest.raises(KeyError, match="ions: expected one of real, generated"):
        state["ions"]


def test_a_snapshot_names_its_groups():
    now = Snapshot.of(of(X, Y), Motion(direct(), of(X, Y), None, False))
    assert (now["real"].fixed, now["real"].velocities, now["generated"].velocities) == (True, None, None)
    np.testing.assert_array_equal(now["real"].positions, Y)
    np.testing.assert_array_equal(now["generated"].positions, X)
    with pytest.raises(KeyError, match="ions: expected one of real, generated"):
        now["ions"]
