"""What the tests of sums over ranks run under mpiexec: every case, and what it found as JSON from rank 0.

Each case is a function of a random stream that is the same on all ranks; it returns plain numbers and texts.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
import time

import numpy as np
from mpi4py import MPI

import coulombfield as cf
from coulombfield import flow, parallel
from coulombfield.parallel import fast, pairs, selection
from coulombfield.sums import costs
from coulombfield.sums.request import Result

COMM = MPI.COMM_WORLD
RANK, SIZE = COMM.rank, COMM.size
KERNEL, SHARP, BROAD = cf.Plummer(1.0, 0.5), cf.Plummer(3.0, 0.05), cf.Plummer(3.0, 0.4)
METHODS = [("simd", None), ("direct", None), ("gram", None), ("nufft", 1e-6), ("split", 1e-6)]


def mine(count, spread):
    """Numbers of this rank's points, in an order that hangs on the spread; spread 0 has all on the last rank."""
    rng = np.random.default_rng(spread)
    owners = rng.integers(SIZE, size=count) if spread else np.full(count, SIZE - 1)
    return rng.permutation(count)[owners == RANK] if spread else np.flatnonzero(owners == RANK)


def gathered(count, rows, values):
    """Rows of all ranks in their global order, on every rank."""
    whole = np.empty((count, *values.shape[1:]), values.dtype)
    for numbers, part in COMM.allgather((rows, values)):
        whole[numbers] = part
    return whole


def sums(points, charges, weights, kernel, spread, *, exclude_self=False, **options):
    """Potential and field of all targets, as columns."""
    of_charges = mine(len(charges), spread)
    of_targets = of_charges if exclude_self else mine(len(points), spread + 1)
    own = cf.Charges(charges[of_charges], weights[of_charges])
    targets = own.positions if exclude_self else points[of_targets]
    options |= {"exclude_self": exclude_self}
    found, why = parallel.explain(parallel.potential_and_field, targets, own, kernel, **options)
    return gathered(len(points), of_targets, np.column_stack(found)), why


def errors_of_methods(rng):
    """Errors of every method, relative to the root mean square of the exact sums."""
    found = {}
    for m, dtype in ((1, "f8"), (2, "f4"), (3, "f8")):
        charges, weights = rng.uniform(-1, 1, (300, m)).astype(dtype), rng.uniform(0, 1, 300).astype(dtype)
        for kernel in (KERNEL, SHARP):
            for exclude_self in (False, True):
                points = charges if exclude_self else rng.uniform(-1, 1, (260, m)).astype(dtype)
                double = cf.Charges(charges.astype("f8"), weights.astype("f8"))
                exact = cf.potential_and_field(points.astype("f8"), double, kernel, exclude_self=exclude_self)
                expected = np.column_stack(exact)
                for method, rtol in METHODS:
                    if method == "nufft" and m == 3 and kernel is SHARP:
                        continue  # takes too long
                    rtol = rtol and max(rtol, 1e-5 if dtype == "f4" else 0)
                    options = {"method": method, "rtol": rtol, "exclude_self": exclude_self}
                    got, why = sums(points, charges, weights, kernel, 5, **options)
                    error = np.sqrt(np.mean((got - expected) ** 2, axis=0) / np.mean(expected**2, axis=0)).max()
                    bound = rtol or (3e-6 if dtype == "f4" else 1e-14)
                    # That of a field's axis is relative to the whole, and some cancels.
                    name = f"{m} {dtype} {kernel} {exclude_self} {method}"
                    found[name] = [float(error / bound), why.method]
    return found


def spreads(rng):
    """Digests of deterministic sums, and the largest difference of others, between spreads."""
    digests, differences = {}, {}
    charges, weights = rng.uniform(-1, 1, (300, 2)), rng.standard_normal(300)
    charges[40:60], weights[40:60] = charges[7], weights[7]  # copies
    points = rng.uniform(-1, 1, (260, 2))
    points[100:130] = points[3]
    for method, rtol in METHODS:
        for exclude_self in (False, True):
            options = {"method": method, "rtol": rtol, "exclude_self": exclude_self}
            targets = charges if exclude_self else points
            name = f"{method} {exclude_self}"
            parts = [sums(targets, charges, weights, BROAD, spread, **options)[0] for spread in (0, 1, 2)]
            scale = np.sqrt(np.mean(parts[0] ** 2, axis=0))
            differences[name] = float(max(np.max(np.abs(part - parts[0]) / scale) for part in parts))
            if method != "gram":
                each = [sums(targets, charges, weights, BROAD, s, deterministic=True, **options)[0] for s in (0, 1, 2)]
                digests[name] = [hashlib.sha256(part.tobytes()).hexdigest() for part in each]
    return {"digests": digests, "differences": differences}


def few(rng):
    """More ranks than charges or targets, and none at all."""
    points, charges, weights = rng.standard_normal((2, 2)), rng.standard_normal((1, 2)), np.ones(1)
    expected = cf.potential(points, cf.Charges(charges, weights), KERNEL)
    found = {}
    for deterministic in (False, True):
        for spread in (0, 3):
            got = sums(points, charges, weights, KERNEL, spread, rtol=1e-3, deterministic=deterministic)[0]
            found[f"{deterministic} {spread}"] = float(np.max(np.abs(got[:, 0] - expected)))
    none = np.empty((0, 2))
    without = parallel.potential(points, cf.Charges(none, np.empty(0)), KERNEL, rtol=1e-3)
    found["no charges"] = float(np.max(np.abs(without)))
    found["no targets"] = parallel.potential(none, cf.Charges(charges, weights), KERNEL, method="nufft", rtol=1e-3).size
    found["zero charges"] = float(
        np.max(np.abs(parallel.potential(*_many(rng, 0.0), KERNEL, method="nufft", rtol=1e-3)))
    )
    return found


def _many(rng, weight):
    points = rng.uniform(-1, 1, (300, 2))
    return points, cf.Charges(points, np.full(300, weight))


def told(function):
    """The error of each rank, as its class and its text."""
    try:
        function()
        text = "no error"
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
    return COMM.allgather(text)


def disagreements(rng):
    """What ranks say that don't agree: the last one differs."""
    odd = RANK == SIZE - 1
    points = rng.standard_normal((5, 2))
    charges = cf.Charges(points, np.ones(5))

    def single():
        some = points.astype("f4") if odd else points
        parallel.potential(some, cf.Charges(some, np.ones(5, some.dtype)), KERNEL)

    def dimension():
        some = points[:, : 1 + (not odd)]
        parallel.field(some, cf.Charges(some, np.ones(5)), KERNEL)

    def version():
        from coulombfield.parallel import agreement

        known = agreement.own_version
        agreement.own_version = (lambda: "0.0.1") if odd else known
        try:
            parallel.potential(points, charges, KERNEL)
        finally:
            agreement.own_version = known

    state = flow.State.of(generated=points, real=points * (np.nan if odd else 1.0), moving="both")
    system, groups = flow.System(KERNEL), {"a": flow.Group(points, fixed=odd)}
    until = flow.Stop(steps=2)
    return {
        "dtype": told(single),
        "dimension": told(dimension),
        "version": told(version),
        "kernel": told(lambda: parallel.potential(points, charges, SHARP if odd else KERNEL)),
        "rtol": told(lambda: parallel.potential(points, charges, KERNEL, rtol=2e-3 if odd else 1e-3)),
        "method": told(lambda: parallel.potential(points, charges, KERNEL, method="direct" if odd else "simd")),
        "wanted": told(lambda: (parallel.field if odd else parallel.potential)(points, charges, KERNEL)),
        "targets": told(lambda: parallel.potential(points[: 4 if odd else 5], charges, KERNEL, exclude_self=True)),
        "tree": told(lambda: parallel.potential(points, charges, KERNEL, method="tree", rtol=1e-3)),
        "gram": told(lambda: parallel.potential(points, charges, KERNEL, method="gram", deterministic=True)),
        "state": told(lambda: parallel.run(state, system, flow.Euler(0.1), until=until)),
        "groups": told(lambda: parallel.run(flow.State(groups), system, flow.Euler(0.1), until=until)),
        "masses": told(
            lambda: parallel.run(
                flow.State(flow.Group(points, charges=0.0, masses=None if odd else 1.0)),
                flow.System(KERNEL, external=flow.HarmonicTrap(1.0)),
                flow.Verlet(0.1),
                until=until,
            )
        ),
        "step": told(lambda: parallel.run(state, system, flow.Euler(0.2 if odd else 0.1), until=until)),
    }


def tolerance(rng):
    """A fast engine that is wrong at one target of the last rank: the named one fails everywhere, auto falls back."""
    points, charges = _many(rng, 1.0)
    rows = mine(len(points), 4)
    own = cf.Charges(points[rows], np.ones(len(rows)))
    original = fast._fourier

    def wrong(*arguments):
        result = original(*arguments)
        if RANK == SIZE - 1:
            result.potential[:] *= 1.01
        return Result(*result)

    fast._fourier = wrong
    found, costs._found = costs._found, dataclasses.replace(costs.BUILT_IN, worth_a_plan=0.0)
    seconds, fast.seconds = fast.seconds, lambda ranks, scene, method: 0.0 if method == "nufft" else 9.0
    try:
        named = told(lambda: parallel.potential(own.positions, own, KERNEL, rtol=1e-4, method="nufft"))
        got, why = parallel.explain(parallel.potential, own.positions, own, KERNEL, rtol=1e-4)
    finally:
        fast._fourier, costs._found, fast.seconds = original, found, seconds
    expected = cf.potential(points[rows], charges, KERNEL)
    error = float(np.max(np.abs(got / expected - 1)))
    return {"named": named, "methods": COMM.allgather([why.method, why.gave_up]), "errors": COMM.allgather(error)}


def pieces(rng):
    """Pairs in many pieces with messages on their way, each charge's own term left out."""
    points, weights = rng.standard_normal((400, 2)), rng.standard_normal(400)
    whole = cf.Charges(points, weights)
    expected = cf.potential(points, whole, cf.Coulomb(1.0), exclude_self=True)
    original, pairs.PAIRS = pairs.PAIRS, 2**10
    try:
        got = {
            str(deterministic): sums(
                points,
                points,
                weights,
                cf.Coulomb(1.0),
                6,
                exclude_self=True,
                method="simd",
                deterministic=deterministic,
            )[0][:, 0]
            for deterministic in (False, True)
        }
    finally:
        pairs.PAIRS = original
    return {name: float(np.max(np.abs(values - expected)) / np.abs(expected).max()) for name, values in got.items()}


def energies(rng):
    """Differences of energies from those of one process."""
    real, generated = rng.standard_normal((50, 2)), 0.5 * rng.standard_normal((40, 2))
    whole = cf.signed_charges(real, generated)
    rows = mine(90, 3)
    own = cf.Charges(whole.positions[rows], whole.weights[rows])
    parts = real[mine(50, 1)], generated[mine(40, 2)]
    several = parallel.interaction_energy(*parts, KERNEL, unbiased=True)
    return {
        "energy": parallel.electrostatic_energy(own, KERNEL) - cf.electrostatic_energy(whole, KERNEL),
        "self": parallel.self_energy(own, KERNEL) - cf.self_energy(whole, KERNEL),
        "interaction": several - cf.interaction_energy(real, generated, KERNEL, unbiased=True),
        "none": told(lambda: parallel.interaction_energy(real[:0], generated, KERNEL)),
    }


def flows(rng):
    """Largest difference of a flow's end from one process's, its steps and its reason."""
    real, generated = rng.standard_normal((50, 2)), 0.1 * rng.standard_normal((40, 2))
    parts = [slice(len(x) * RANK // SIZE, len(x) * (RANK + 1) // SIZE) for x in (generated, real)]
    if SIZE > 2:  # the first has no samples
        parts[0] = slice(0, 0) if RANK == 0 else slice(40 * (RANK - 1) // (SIZE - 1), 40 * RANK // (SIZE - 1))
    found = {}
    for moving in ("generated", "both"):
        here = flow.State.of(
            generated=generated[parts[0]], real=real[parts[1]], moving=moving, whole=(len(generated), len(real))
        )
        trap = flow.HarmonicTrap(0.01, acts_on="mass")
        for integrator, until in (
            (flow.Euler(0.2, temperature=0.01), flow.Stop(steps=4)),
            (flow.RungeKutta(0.2), flow.Stop(steps=2)),
            (flow.Adaptive(0.5), flow.Stop(steps=2)),
            (flow.Descent(1.0, sufficient=0.7), flow.Stop(force=0.05, steps=60)),
            (flow.Langevin(0.1, friction=0.1, temperature=0.1, per="charge"), flow.Stop(steps=4)),
            (flow.Verlet(0.2, accuracy=0.1), flow.Stop(time=1.0)),
            (flow.Yoshida(0.1), flow.Stop(steps=3)),
        ):
            external = trap if integrator.inertia else ()
            system = flow.System(KERNEL, external=external, exclude_self=True)
            together = flow.State.of(generated=generated, real=real, moving=moving)
            alone = flow.run(together, system, integrator, until=until)
            energies_seen: list[float] = []
            over = parallel.run(
                here,
                system,
                integrator,
                until=until,
                callbacks=[lambda now, seen=energies_seen: seen.append(now.energy)],
            )
            ends = (
                (alone.state["generated"].positions[parts[0]], over.state["generated"].positions),
                (alone.state["real"].positions[parts[1]], over.state["real"].positions),
            )
            difference = max((float(np.max(np.abs(a - b), initial=0.0)) for a, b in ends))
            steps = alone.state.step, over.state.step
            name = f"{moving} {type(integrator).__name__}"
            found[name] = [max(COMM.allgather(difference)), *steps, alone.reason, over.reason]
            found[f"{name} energies"] = COMM.allgather(energies_seen)
    stopped = parallel.run(
        here,
        flow.System(KERNEL),
        flow.Euler(0.1),
        until=flow.Stop(steps=9),
        callbacks=[lambda now: RANK == SIZE - 1 and now.step == 3],
    )
    found["stopped"] = COMM.allgather([stopped.state.step, stopped.reason])
    return found


def parts_of_flows(rng):
    """Flows whose ranks see different things: digests of ends, the same for any number of ranks, and errors."""
    points = {"many": rng.standard_normal((120, 2)), "few": rng.standard_normal((70, 2))}
    last = RANK == SIZE - 1

    def start(velocities=False, hot=False):
        parts = {name: np.array_split(each, SIZE)[RANK] for name, each in points.items()}
        if hot:  # the last rank has all that are heated
            parts["many"] = points["many"] if last else points["many"][:0]
        return flow.State(
            {
                name: flow.Group(each, 0 * each if velocities and last else None, charges=0.1, masses=0.2)
                for name, each in parts.items()
            }
        )

    def run(state, integrator, external=()):
        system = flow.System(KERNEL, external=external)
        return parallel.run(state, system, integrator, until=flow.Stop(steps=2), deterministic=True).state

    def digest(*arguments):
        groups = run(*arguments).groups.values()
        rows = [np.concatenate(COMM.allgather(group.positions)) for group in groups]
        return [hashlib.sha256(b"".join(each.tobytes() for each in rows)).hexdigest()]

    def refuses(positions, time):
        if last:
            raise ValueError("a place where no field is known")
        return 0 * positions

    warm = flow.Langevin(0.1, friction={"many": 0.5}, temperature={"many": 0.2})
    own = flow.ExternalField(lambda positions, time: positions[:, 0], lambda positions, time: 0 * positions - 0.1)
    unknown = flow.ExternalField(lambda positions, time: positions[:, 0], refuses)
    unknown_energy = flow.ExternalField(lambda *given: refuses(*given)[:, 0], lambda positions, time: 0 * positions)
    return {
        "digests": {
            "Adaptive": digest(start(), flow.Adaptive(1.0, rtol=1e-6)),
            "heated": digest(start(hot=True), warm),
            "own field": digest(start(), flow.Verlet(0.1), own),
        },
        "errors": {
            "velocities": told(lambda: run(start(velocities=True), flow.Euler(0.1))),
            "field": told(lambda: run(start(), flow.Verlet(0.1), unknown)),
            "potential": told(lambda: run(start(), flow.Descent(0.1), unknown_energy)),
        },
    }


CASES = [errors_of_methods, spreads, few, disagreements, tolerance, pieces, energies, flows, parts_of_flows]

if __name__ == "__main__":
    selection.SMALL = 0  # few pairs go to fast engines too
    answers = {}
    for case in CASES:
        start = time.perf_counter()
        answers[case.__name__] = case(np.random.default_rng(0))
        print(f"{case.__name__}: {time.perf_counter() - start:.1f} s", file=sys.stderr)
    if RANK == 0:
        json.dump(answers, sys.stdout)
