"""Derivatives of potential and field by positions, weights and targets: against differences, and as transposes."""

import numpy as np
import pytest
from charge_clouds import KERNELS, charges_in, cloud, counts, seeds
from hypothesis import given, settings
from hypothesis import strategies as st

from coulombfield import (
    Charges,
    Plummer,
    field,
    field_jvp,
    field_vjp,
    potential,
    potential_jvp,
    potential_vjp,
)
from coulombfield.calculus import best_step, difference_tolerance, machine_epsilon

SUMS = {"potential": (potential, potential_jvp, potential_vjp), "field": (field, field_jvp, field_vjp)}
SOME_KERNELS = ["plummer", "plummer 2.5", "sum"]
dimensions = st.sampled_from([1, 2, 3])


def served(engine, name, operation, dimension):
    """The dimension, but one for each kernel and operation in engines that compile loops for each."""
    return dimension if engine.method == "direct" else 2 if name != "plummer" else 3 if operation == "field" else 1


def problem(rng, t, n, dimension, exclude_self):
    positions, weights = cloud(rng, n, dimension)
    targets = positions if exclude_self else rng.standard_normal((t, dimension))
    return targets, positions, weights


def directions(rng, *arrays):
    """One random direction of length 1 over all arrays."""
    drawn = [rng.standard_normal(array.shape) for array in arrays]
    length = np.sqrt(sum(np.sum(v * v) for v in drawn))
    return [v / length for v in drawn]


def term_sizes(positions, weights, targets, kernel):
    """Sum over all pairs of |q| and 1 times value, gradient, Hessian: what the derivatives' terms can't exceed."""
    s = np.sum((targets[:, None] - positions[None]) ** 2, axis=-1)
    sizes = (
        np.abs(kernel.value(s)) + (2 + 2 * np.sqrt(s)) * np.abs(kernel.slope(s)) + 4 * s * np.abs(kernel.curvature(s))
    )
    return float(np.sum((1 + np.abs(weights)) * sizes))


@pytest.mark.slow
@pytest.mark.parametrize("name", SOME_KERNELS)
@pytest.mark.parametrize("operation", SUMS)
@given(n=counts, t=counts, dimension=dimensions, seed=seeds, exclude_self=st.booleans())
def test_jvp_is_the_directional_derivative(engine, operation, name, n, t, dimension, seed, exclude_self):
    rng, library, kernel = np.random.default_rng(seed), engine.library, KERNELS[name]
    targets, positions, weights = problem(rng, t, n, served(engine, name, operation, dimension), exclude_self)
    da, db, dq = directions(rng, targets, positions, weights)
    function, jvp, _ = SUMS[operation]

    def moved(h):
        charges = charges_in(library, positions + h * db, weights + h * dq)
        at = library.put(targets + h * da)
        return library.get(function(at, charges, kernel, exclude_self=exclude_self, method=engine.method))

    found = library.get(
        jvp(
            library.put(targets),
            charges_in(library, positions, weights),
            kernel,
            d_targets=library.put(da),
            d_positions=library.put(db),
            d_weights=library.put(dq),
            exclude_self=exclude_self,
            method=engine.method,
        )
    )
    step = best_step("float64")
    difference = (moved(step) - moved(-step)) / (2 * step)
    tolerance = difference_tolerance(term_sizes(positions, weights, targets, kernel), step, "float64", truncation=200)
    assert found.shape == difference.shape
    assert np.max(np.abs(found - difference)) <= tolerance


@pytest.mark.slow
@pytest.mark.parametrize("operation", SUMS)
@given(n=counts, t=counts, dimension=dimensions, seed=seeds, exclude_self=st.booleans())
def test_vjp_is_the_transpose_of_jvp(engine, dtype, operation, n, t, dimension, seed, exclude_self):
    """<c, J v> = <J^T c, v> for random c and v."""
    name = "sum" if dtype == "float64" else "plummer"
    rng, library, kernel = np.random.default_rng(seed), engine.library, KERNELS[name]
    dimension = dimension if engine.method == "direct" else 2
    targets, positions, weights = (x.astype(dtype) for x in problem(rng, t, n, dimension, exclude_self))
    _, jvp, vjp = SUMS[operation]
    da, db, dq = (v.astype(dtype) for v in directions(rng, targets, positions, weights))
    c = rng.standard_normal(targets.shape[:1] if operation == "potential" else targets.shape).astype(dtype)
    charges, at = charges_in(library, positions, weights), library.put(targets)
    options = {"exclude_self": exclude_self, "method": engine.method}
    forward = jvp(
        at,
        charges,
        kernel,
        d_targets=library.put(da),
        d_positions=library.put(db),
        d_weights=library.put(dq),
        **options,
    )
    gradient = vjp(at, charges, kernel, library.put(c), **options)
    left = np.sum(c.astype(float) * library.get(forward))
    right = sum(np.sum(v.astype(float) * library.get(g)) for v, g in zip((da, db, dq), gradient, strict=True))
    size = term_sizes(positions, weights, targets, kernel) * max(1.0, np.max(np.abs(c)))
    assert abs(left - right) <= 64 * machine_epsilon(dtype) * size


@pytest.mark.parametrize("operation", SUMS)
@given(seed=seeds, exclude_self=st.booleans())
@settings(max_examples=5)
def test_what_does_not_move_may_be_left_out(engine, operation, seed, exclude_self):
    rng, library = np.random.default_rng(seed), engine.library
    targets, positions, weights = problem(rng, 5, 4, 2, exclude_self)
    tangents = directions(rng, targets, positions, weights)
    names = ("d_targets", "d_positions", "d_weights")
    charges, at = charges_in(library, positions, weights), library.put(targets)
    jvp = SUMS[operation][1]
    options = {"exclude_self": exclude_self, "method": engine.method}

    def along(**moving):
        return library.get(jvp(at, charges, Plummer(), **{k: library.put(v) for k, v in moving.items()}, **options))

    whole = along(**dict(zip(names, tangents, strict=True)))
    parts = sum(along(**{name: v}) for name, v in zip(names, tangents, strict=True))
    tolerance = 64 * machine_epsilon("float64") * term_sizes(positions, weights, targets, Plummer())
    assert np.allclose(whole, parts, rtol=0, atol=tolerance)
    assert not np.any(along())


def test_wrong_directions_are_named():
    charges, targets = Charges(np.zeros((3, 2)), np.ones(3)), np.ones((4, 2))
    with pytest.raises(ValueError, match=r"^d_targets: expected shape \(4, 2\) like targets, got \(3, 2\)"):
        potential_jvp(targets, charges, Plummer(), d_targets=np.zeros((3, 2)))
    with pytest.raises(TypeError, match=r"^d_weights: expected dtype float64 like weights, got float32"):
        field_jvp(targets, charges, Plummer(), d_weights=np.zeros(3, "float32"))
    with pytest.raises(ValueError, match=r"^cotangent: expected shape \(4,\) like targets, got \(4, 2\)"):
        potential_vjp(targets, charges, Plummer(), np.zeros((4, 2)))
