"""What holds for potential, field and Laplacian, on every array library."""

import array_api_strict
import numpy as np
import pytest
from charge_clouds import (
    KERNELS,
    charges_in,
    cloud,
    counts,
    dimensions,
    pair_sum,
    plummer_field_pair,
    plummer_pair,
    seeds,
)
from hypothesis import given
from hypothesis import strategies as st

from coulombfield import Charges, Coulomb, Laplace, Plummer, field, laplacian, potential, potential_and_field
from coulombfield.calculus import (
    best_step,
    difference_tolerance,
    directional_derivative,
    machine_epsilon,
    random_direction,
    second_directional_derivative,
)
from coulombfield.sums import unwatched

OPERATIONS = {"potential": potential, "field": field, "laplacian": laplacian}
PLUMMER = KERNELS["plummer"]
# Loops are compiled for each whole exponent, and floats() likes to draw whole numbers: those up to 4 have tests anyway.
EXPONENTS = st.floats(0.5, 5.5).filter(lambda d: not d.is_integer()) | st.sampled_from([1.0, 2.0, 3.0, 4.0])


def magnitude(positions, weights, targets, kernel):
    """Sum of |q| k, |q| |f'| r and |q| |f''| s: the size of all terms before they cancel, with room for 2m."""
    s = np.sum((targets[:, None] - positions[None]) ** 2, axis=-1)
    sizes = np.abs(kernel.value(s)) + (np.sqrt(s) + 2 * targets.shape[1]) * np.abs(kernel.slope(s))
    sizes = sizes + 4 * s * np.abs(kernel.curvature(s))
    return float(np.sum(np.abs(weights) * sizes)) + np.finfo(float).tiny


@given(n=counts, t=counts, dimension=dimensions, seed=seeds, exponent=st.sampled_from([1.0, 2.0, 3.0, 4.0, 2.5]))
def test_sums_are_those_of_the_equations(library, dtype, n, t, dimension, seed, exponent):
    rng = np.random.default_rng(seed)
    positions, weights = cloud(rng, n, dimension, dtype)
    targets = rng.standard_normal((t, dimension)).astype(dtype)
    charges = charges_in(library, positions, weights)
    for function, pair in ((potential, plummer_pair), (field, plummer_field_pair)):
        found = library.get(function(library.put(targets), charges, Plummer(exponent, 0.75), method="direct"))
        expected, size = pair_sum(targets, positions, weights, pair(exponent, 0.75))
        assert found.dtype == dtype
        assert found.shape == expected.shape
        # A sum of n terms with some ten roundings each, magnified by the exponent.
        assert np.all(np.abs(found - expected) <= machine_epsilon(dtype) * (10 + 2 * exponent + n) * size)


@pytest.mark.parametrize("name", KERNELS)
@given(n=counts, dimension=dimensions, seed=seeds)
def test_the_field_is_minus_the_gradient_of_the_potential(library, name, n, dimension, seed):
    rng = np.random.default_rng(seed)
    positions, weights = cloud(rng, n, dimension)
    target = rng.standard_normal((1, dimension))
    if name == "laplace":  # keep away from its tip, at whose foot the third derivative is unbounded
        positions = positions + 3 * np.sign(positions - target)
    charges, x = charges_in(library, positions, weights), library.put(target)
    v, step = random_direction(rng, x), best_step("float64")
    difference = directional_derivative(lambda y: potential(y, charges, KERNELS[name], method="direct"), x, v, step)
    found = -np.sum(library.get(field(x, charges, KERNELS[name], method="direct")) * library.get(v))
    size = magnitude(positions, weights, target, KERNELS[name])
    assert abs(found - library.get(difference)[0]) <= difference_tolerance(size, step, "float64", truncation=10)


@pytest.mark.slow
@pytest.mark.parametrize("name", KERNELS)
@given(n=counts, dimension=dimensions, seed=seeds)
def test_the_laplacian_is_the_trace_of_second_derivatives(library, name, n, dimension, seed):
    rng = np.random.default_rng(seed)
    positions, weights = cloud(rng, n, dimension)
    target = rng.standard_normal((1, dimension))
    if name == "laplace":
        positions = positions + 3 * np.sign(positions - target)
    charges, x = charges_in(library, positions, weights), library.put(target)
    step = best_step("float64", 2)
    trace = 0.0
    for axis in np.eye(dimension):
        v = library.put(axis[None, :])
        second = second_directional_derivative(
            lambda y: potential(y, charges, KERNELS[name], method="direct"), x, v, step
        )
        trace += float(library.get(second)[0])
    found = float(library.get(laplacian(x, charges, KERNELS[name], method="direct"))[0])
    size = dimension * magnitude(positions, weights, target, KERNELS[name])
    assert abs(found - trace) <= difference_tolerance(size, step, "float64", derivative=2, truncation=30)


@pytest.mark.parametrize("name", KERNELS)
@given(n=counts, dimension=dimensions, seed=seeds)
def test_the_laplacian_is_minus_the_divergence_of_the_field(name, n, dimension, seed):
    rng = np.random.default_rng(seed)
    positions, weights = cloud(rng, n, dimension)
    target = rng.standard_normal((1, dimension))
    if name == "laplace":
        positions = positions + 3 * np.sign(positions - target)
    charges, step = Charges(positions, weights), best_step("float64")
    divergence = 0.0
    for axis, v in enumerate(np.eye(dimension)):
        derivative = directional_derivative(
            lambda y: field(y, charges, KERNELS[name], method="direct"), target, v[None, :], step
        )
        divergence += derivative[0, axis]
    size = dimension * magnitude(positions, weights, target, KERNELS[name])
    tolerance = difference_tolerance(size, step, "float64", truncation=30)
    assert abs(laplacian(target, charges, KERNELS[name], method="direct")[0] + divergence) <= tolerance


def evaluate(engine, operation, targets, positions, weights, kernel=PLUMMER, **options):
    """One operation with NumPy arrays in and out, through an engine and its library."""
    library = engine.library
    charges = charges_in(library, positions, weights)
    return library.get(OPERATIONS[operation](library.put(targets), charges, kernel, method=engine.method, **options))


@pytest.mark.slow
@pytest.mark.parametrize("operation", OPERATIONS)
@given(n=counts, t=counts, seed=seeds)
def test_charges_have_no_order_and_no_origin_and_add_up(engine, operation, n, t, seed):
    rng = np.random.default_rng(seed)
    positions, weights = cloud(rng, n, 2)
    more, targets = rng.standard_normal(n), rng.standard_normal((t, 2))
    shift, order = rng.standard_normal(2), rng.permutation(n)
    a, b = rng.standard_normal(2)
    reference = evaluate(engine, operation, targets, positions, weights)
    tolerance = 64 * machine_epsilon("float64") * magnitude(positions, np.abs(weights) + np.abs(more), targets, PLUMMER)
    reordered = evaluate(engine, operation, targets, positions[order], weights[order])
    assert np.allclose(reordered, reference, rtol=0, atol=tolerance)
    # Moving the points rounds them anew, by an epsilon of their own size.
    moved = evaluate(engine, operation, targets + shift, positions + shift, weights)
    assert np.allclose(moved, reference, rtol=0, atol=tolerance * (1 + np.max(np.abs(shift))))
    both = evaluate(engine, operation, targets, positions, a * weights + b * more)
    apart = a * reference + b * evaluate(engine, operation, targets, positions, more)
    assert np.allclose(both, apart, rtol=0, atol=tolerance * (1 + abs(a) + abs(b)))


@pytest.mark.slow
@pytest.mark.parametrize("operation", OPERATIONS)
@given(n=counts, seed=seeds)
def test_exclude_self_leaves_out_just_the_charge_itself(engine, dtype, operation, n, seed):
    positions, weights = cloud(np.random.default_rng(seed), n, 2, dtype)
    positions[-1] = positions[0]  # coincident, but another charge: it counts
    found = evaluate(engine, operation, positions, positions, weights, exclude_self=True)
    for i in range(n):
        others = np.arange(n) != i
        expected = evaluate(engine, operation, positions[i : i + 1], positions[others], weights[others])[0]
        size = magnitude(positions, weights, positions[i : i + 1], PLUMMER)
        assert np.allclose(found[i], expected, rtol=0, atol=4 * n * machine_epsilon(dtype) * size)


@pytest.mark.slow
@given(exponent=EXPONENTS, softening=st.floats(1e-3, 1e3), seed=seeds)
def test_a_charge_at_home_counts_softening_to_the_minus_exponent(engine, dtype, exponent, softening, seed):
    positions = np.random.default_rng(seed).standard_normal((1, 2)).astype(dtype)
    found = evaluate(engine, "potential", positions, positions, np.ones(1, dtype), Plummer(exponent, softening))
    assert np.array_equal(found, np.asarray([softening**-exponent]).astype(dtype))
    push = evaluate(engine, "field", positions, positions, np.ones(1, dtype), Plummer(1.0, softening))
    assert np.array_equal(push, np.zeros((1, 2)))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_charges_make_zeros_and_no_targets_nothing(engine, dtype, operation):
    def shape(targets):
        return (targets, 2) if operation == "field" else (targets,)

    found = evaluate(engine, operation, np.ones((3, 2), dtype), np.zeros((0, 2), dtype), np.zeros(0, dtype))
    assert found.dtype == dtype
    assert np.array_equal(found, np.zeros(shape(3)))
    for count in (0, 4):
        found = evaluate(engine, operation, np.ones((0, 2), dtype), np.ones((count, 2), dtype), np.ones(count, dtype))
        assert found.dtype == dtype
        assert found.shape == shape(0)


@pytest.mark.slow
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_nan_reaches_what_depends_on_it_only(engine, dtype, operation):
    positions, weights = cloud(np.random.default_rng(0), 5, 2, dtype)
    targets = positions.copy()
    targets[2, 1] = np.nan
    bad = np.isnan(evaluate(engine, operation, targets, positions, weights)).reshape(5, -1)
    assert bad[2].all()
    assert not np.delete(bad, 2, axis=0).any()
    assert np.isnan(evaluate(engine, operation, positions, targets, weights)).all()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:exclude_self")
def test_a_bare_coulomb_charge_is_infinite_at_home_unless_left_out(engine, dtype):
    positions, weights = np.arange(6, dtype=dtype).reshape(3, 2), np.asarray([1, -1, 2], dtype)
    arguments = positions, positions, weights, Coulomb(1.0)
    assert np.array_equal(evaluate(engine, "potential", *arguments), [np.inf, -np.inf, np.inf])
    for operation in ("field", "laplacian"):
        assert np.isnan(evaluate(engine, operation, *arguments)).all()
    for operation in OPERATIONS:
        assert np.isfinite(evaluate(engine, operation, *arguments, exclude_self=True)).all()


def test_sums_that_are_infinite_at_home_say_so():
    kernel = Plummer() + 2.0 * Coulomb(1.0)
    with pytest.warns(RuntimeWarning, match=r"^exclude_self: .* is infinite between a charge and itself"):
        assert np.isinf(potential(CHARGES.positions, CHARGES, kernel)).all()
    potential(CHARGES.positions + 1.0, CHARGES, kernel)


@pytest.mark.slow
def test_coincident_charges_of_the_laplace_kernel_do_not_push(engine, dtype):
    arguments = np.ones((2, 2), dtype), np.ones((2, 2), dtype), np.ones(2, dtype), Laplace(0.5)
    assert np.array_equal(evaluate(engine, "field", *arguments), np.zeros((2, 2)))
    assert (evaluate(engine, "laplacian", *arguments) < -1e8).all()


CHARGES = Charges(np.zeros((3, 2)), np.ones(3))
STRICT = array_api_strict.zeros((3, 2), dtype=array_api_strict.float64)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"targets": 0.0}, TypeError, r"^targets: expected an array"),
        ({"targets": STRICT}, TypeError, r"^targets: expected a numpy array"),
        ({"targets": np.zeros(2)}, ValueError, r"^targets: expected shape"),
        ({"targets": np.zeros((3, 3))}, ValueError, r"^targets: expected 2 columns like the charges, got 3"),
        ({"targets": np.zeros((3, 2), bool)}, TypeError, r"^targets: expected dtype float32 or float64, got bool"),
        ({"targets": np.zeros((3, 2), "float32")}, TypeError, r"^targets: expected dtype float64 like the charges"),
        ({"charges": np.zeros((3, 2))}, TypeError, r"^charges: expected Charges"),
        ({"kernel": 1.0}, TypeError, r"^kernel: expected a RadialKernel"),
        ({"exclude_self": 1}, TypeError, r"^exclude_self: expected True or False"),
        (
            {"exclude_self": True, "targets": np.zeros((2, 2))},
            ValueError,
            r"^targets: expected as many as charges \(3\)",
        ),
        ({"method": "guess"}, ValueError, r"^method: expected auto or one of simd, .*, got 'guess'"),
    ],
)
def test_a_wrong_argument_is_named(operation, change, error, message):
    arguments = {"targets": np.zeros((3, 2)), "charges": CHARGES, "kernel": Plummer()} | change
    with pytest.raises(error, match=message):
        OPERATIONS[operation](**arguments)


@pytest.mark.parametrize("kernel", [Plummer(3.0, 1e-15), Plummer(1.0, 1e-39), Coulomb(1e39), 1e-40 * Plummer()])
def test_a_kernel_out_of_the_range_of_float32_is_refused_there_only(kernel):
    single = Charges(np.zeros((3, 2), "float32"), np.ones(3, "float32"))
    with pytest.raises(ValueError, match=r"^kernel: .* leaves the range of float32"):
        potential(single.positions, single, kernel, exclude_self=True)
    assert potential(CHARGES.positions, CHARGES, kernel, exclude_self=True).shape == (3,)


@pytest.mark.parametrize("function", [potential, field, potential_and_field])
@pytest.mark.parametrize("softening", [1.0, 1e-5])
def test_sums_that_nobody_watches_are_those_of_the_function(library, dtype, function, softening):
    """Also where the unit of length is another."""
    positions, weights = cloud(np.random.default_rng(5), 9, 2, dtype)
    charges, kernel = charges_in(library, positions, weights), Plummer(1.0, softening)
    given = charges.positions, charges, kernel
    found, expected = unwatched(function, *given, exclude_self=True), function(*given, exclude_self=True)
    pairs = zip(found, expected, strict=True) if isinstance(found, tuple) else [(found, expected)]
    assert all(np.array_equal(library.get(one), library.get(other)) for one, other in pairs)


def test_only_functions_that_are_known_go_unwatched_cupy(cupy):
    charges = Charges(cupy.zeros((2, 2)), cupy.ones(2))
    with pytest.raises(
        TypeError, match="function: expected potential, field or potential_and_field, got <function lap"
    ):
        unwatched(laplacian, charges.positions, charges, Plummer())
