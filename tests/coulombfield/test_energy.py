"""The interaction energy, its unbiased estimate, and their gradients."""

import itertools

import numpy as np
import pytest
from charge_clouds import KERNELS, charges_in, cloud, counts, dimensions, pair_sum, plummer_pair, seeds
from hypothesis import given
from hypothesis import strategies as st

from coulombfield import (
    Coulomb,
    Gaussian,
    Plummer,
    electrostatic_energy,
    electrostatic_energy_gradient,
    energy_gradient,
    interaction_energy,
    self_energy,
    signed_charges,
    softening_gradient,
)
from coulombfield.calculus import (
    best_step,
    difference_tolerance,
    directional_derivative,
    machine_epsilon,
    random_direction,
)

several = st.integers(2, 7)
POSITIVE_DEFINITE = [Plummer(), Plummer(3.0, 1.5), Gaussian(1.3), 0.5 * Plummer(2.0) + Gaussian(2.0)]


def samples(seed, n_y, n_x, dimension, dtype="float64"):
    rng = np.random.default_rng(seed)
    return [(rng.standard_normal((n, dimension)) + offset).astype(dtype) for n, offset in ((n_y, 0.0), (n_x, 0.5))]


def energy(library, y, x, kernel, **options):
    return interaction_energy(library.put(y), library.put(x), kernel, method="direct", **options)


@given(n_y=several, n_x=several, dimension=dimensions, seed=seeds)
def test_the_energy_is_that_of_the_equation(library, dtype, n_y, n_x, dimension, seed):
    y, x = samples(seed, n_y, n_x, dimension, dtype)
    pair = plummer_pair(2.0, 0.75)
    means = [np.mean(pair_sum(a, b, np.full(len(b), 1 / len(b)), pair)[0]) for a, b in ((y, y), (y, x), (x, x))]
    expected = (means[0] - 2 * means[1] + means[2]) / 2  # Eq 33
    found = energy(library, y, x, Plummer(2.0, 0.75))
    assert isinstance(found, float)
    assert abs(found - expected) <= 20 * machine_epsilon(dtype) * sum(means)
    home = 0.75**-2.0
    pairs_only = [(mean * n - home) / (n - 1) for mean, n in ((means[0], n_y), (means[2], n_x))]
    unbiased = (sum(pairs_only) - 2 * means[1]) / 2
    found = energy(library, y, x, Plummer(2.0, 0.75), unbiased=True)
    assert abs(found - unbiased) <= 40 * machine_epsilon(dtype) * sum(means)


@pytest.mark.parametrize("kernel", POSITIVE_DEFINITE)
@given(n_y=several, n_x=several, dimension=dimensions, seed=seeds)
def test_the_energy_is_never_negative_and_zero_for_equal_samples(kernel, n_y, n_x, dimension, seed):
    y, x = samples(seed, n_y, n_x, dimension)
    rounding = 20 * machine_epsilon("float64") * float(kernel.value(np.zeros(1))[0])
    # Positive definiteness leaves a margin that this many points don't use up: the energy is positive.
    assert interaction_energy(y, x, kernel, method="direct") > 0
    assert abs(interaction_energy(y, np.flip(y, axis=0), kernel, method="direct")) <= rounding


@given(n_y=several, n_x=several, dimension=dimensions, seed=seeds, unbiased=st.booleans())
def test_the_energy_knows_no_sides_and_no_origin_and_no_order(library, n_y, n_x, dimension, seed, unbiased):
    y, x = samples(seed, n_y, n_x, dimension)
    rng = np.random.default_rng(seed + 1)
    shift = rng.standard_normal(dimension)
    reference = energy(library, y, x, Plummer(), unbiased=unbiased)
    tolerance = 40 * machine_epsilon("float64") * (1 + float(np.max(np.abs(shift))))
    for other in ((x, y), (y + shift, x + shift), (rng.permutation(y), rng.permutation(x))):
        assert abs(energy(library, *other, Plummer(), unbiased=unbiased) - reference) <= tolerance


@given(seed=seeds, dimension=dimensions, size=st.integers(2, 4))
def test_the_unbiased_estimate_has_the_right_mean(seed, dimension, size):
    """Over all subsets of a finite population the mean of a U-statistic is its value for the population, exactly."""
    y, x = samples(seed, 3, 5, dimension)
    whole = interaction_energy(y, x, Plummer(), unbiased=True, method="direct")
    subsets = [
        interaction_energy(y, x[list(chosen)], Plummer(), unbiased=True, method="direct")
        for chosen in itertools.combinations(range(5), size)
    ]
    assert np.mean(subsets) == pytest.approx(whole, abs=1e-13)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in KERNELS if name != "laplace"])  # its tip lets no difference through
@given(
    n_y=several,
    n_x=several,
    dimension=dimensions,
    seed=seeds,
    unbiased=st.booleans(),
    moving=st.sampled_from(["generated", "real"]),
)
def test_the_gradient_is_that_of_the_energy(library, name, n_y, n_x, dimension, seed, unbiased, moving):
    y, x = (library.put(points) for points in samples(seed, n_y, n_x, dimension))
    points, kernel = (x if moving == "generated" else y), KERNELS[name]
    v, step = random_direction(np.random.default_rng(seed + 1), points), best_step("float64")

    def at(moved):
        pair = (y, moved) if moving == "generated" else (moved, x)
        return interaction_energy(*pair, kernel, unbiased=unbiased, method="direct")

    gradient = energy_gradient(y, x, kernel, with_respect_to=moving, unbiased=unbiased, method="direct")
    found = np.sum(library.get(gradient) * library.get(v))
    size = 4 * float(kernel.value(np.zeros(1))[0])  # no mean of k is larger than k(0), and there are four
    assert abs(found - directional_derivative(at, points, v, step)) <= difference_tolerance(
        size, step, "float64", truncation=10
    )


def test_descent_moves_a_generated_sample_towards_the_data_and_away_from_its_like(engine, dtype):
    put, get = engine.library.put, engine.library.get
    y, x = np.asarray([[1.0, 0.5]], dtype), np.asarray([[0.0, 0.0], [0.0, 1.0]], dtype)
    step = -get(energy_gradient(put(y), put(x), Plummer(), method=engine.method))
    assert step.dtype == dtype
    assert step.shape == x.shape
    assert (step[:, 0] > 0).all()
    assert step[0, 1] < 0 < step[1, 1]


def test_the_energy_of_large_float32_samples_is_good_to_a_part_in_a_million_of_its_terms():
    rng = np.random.default_rng(0)
    y, x = (rng.standard_normal((2000, 2)).astype("float32") for _ in "yx")
    exact = interaction_energy(y.astype(float), x.astype(float), Plummer(), unbiased=True)
    found = interaction_energy(y, x, Plummer(), unbiased=True)
    # The three means are about 0.5 each and cancel to 1e-4 here; rounding errors of 2000 potentials average out.
    assert abs(exact) < 1e-3
    assert abs(found - exact) < 1e-8


def points(count=3, dimension=2, dtype="float64"):
    return np.zeros((count, dimension), dtype)


@pytest.mark.parametrize("function", [interaction_energy, energy_gradient])
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"real": 0.0}, TypeError, r"^real: expected an array"),
        ({"real": points(0)}, ValueError, r"^real: expected at least 1 points"),
        ({"generated": points(0)}, ValueError, r"^generated: expected at least 1 points"),
        ({"generated": points(1), "unbiased": True}, ValueError, r"^generated: expected at least 2 points, got 1"),
        ({"real": points(1), "unbiased": True}, ValueError, r"^real: expected at least 2 points, got 1"),
        ({"generated": points(dimension=3)}, ValueError, r"^generated: expected 2 columns like real"),
        ({"generated": points(dtype="float32")}, TypeError, r"^generated: expected dtype float64"),
        ({"real": points(dtype="bool")}, TypeError, r"^real: expected dtype"),
        ({"unbiased": 1}, TypeError, r"^unbiased: expected True or False"),
        ({"kernel": 3}, TypeError, r"^kernel: expected a RadialKernel"),
        ({"method": "guess"}, ValueError, r"^method: expected auto"),
        ({"method": ["simd"]}, ValueError, r"^method: expected auto"),
    ],
)
def test_a_wrong_argument_is_named(function, change, error, message):
    arguments = {"real": points(), "generated": points(), "kernel": Plummer()} | change
    with pytest.raises(error, match=message):
        function(**arguments)


def test_a_third_side_is_refused():
    with pytest.raises(ValueError, match=r"^with_respect_to: expected generated or real, got 'both'"):
        energy_gradient(points(), points(), Plummer(), with_respect_to="both")


@pytest.mark.slow
@given(n=counts, seed=seeds)
def test_the_energy_of_charges_is_half_the_sum_over_pairs(engine, dtype, n, seed):
    dimension = 1 if dtype == "float32" else 3  # for each of both loops are compiled
    positions, weights = cloud(np.random.default_rng(seed), n, dimension, dtype)
    charges = charges_in(engine.library, positions, weights)
    potentials, sizes = pair_sum(positions, positions, weights, plummer_pair(2.0, 0.75))
    kernel = Plummer(2.0, 0.75)
    tolerance = (20 + n) * machine_epsilon(dtype) * float(np.abs(weights) @ sizes)
    found = electrostatic_energy(charges, kernel, method=engine.method)
    assert abs(found - float(weights @ potentials) / 2) <= tolerance
    pairs = electrostatic_energy(charges, kernel, exclude_self=True, method=engine.method)
    assert abs(found - pairs - self_energy(charges, kernel)) <= tolerance


@given(n_y=several, n_x=several, seed=seeds)
def test_the_energy_of_samples_is_that_of_their_charges(n_y, n_x, seed):
    y, x = samples(seed, n_y, n_x, 2)
    charges = signed_charges(y, x)
    tolerance = 50 * machine_epsilon("float64")
    assert abs(electrostatic_energy(charges, Plummer()) - interaction_energy(y, x, Plummer())) <= tolerance


@pytest.mark.slow
@pytest.mark.parametrize("exclude_self", [False, True])
@given(n=several, dimension=dimensions, seed=seeds)
def test_the_gradients_of_the_energy_are_its_derivatives(engine, exclude_self, n, dimension, seed):
    rng, library = np.random.default_rng(seed), engine.library
    # Other engines compile loops for each dimension.
    positions, weights = cloud(rng, n, dimension if engine.method == "direct" else 2)
    v, u, step = rng.standard_normal(positions.shape), rng.standard_normal(n), best_step("float64")
    options = {"exclude_self": exclude_self, "method": engine.method}

    def energy_at(h, softening=0.75):
        moved = charges_in(library, positions + h * v, weights + h * u)
        return electrostatic_energy(moved, 2.0 * Plummer(3.0, softening), **options)

    charges, kernel = charges_in(library, positions, weights), 2.0 * Plummer(3.0, 0.75)
    gradient = electrostatic_energy_gradient(charges, kernel, **options)
    found = np.sum(library.get(gradient.positions) * v) + np.sum(library.get(gradient.weights) * u)
    size = 2 * 0.75**-3 * (np.sum(np.abs(weights)) + np.sum(np.abs(u))) ** 2 * (1 + np.max(np.abs(v)))
    tolerance = difference_tolerance(size, step, "float64", truncation=1000)
    assert abs(found - (energy_at(step) - energy_at(-step)) / (2 * step)) <= tolerance
    by_softening = (energy_at(0, 0.75 + step) - energy_at(0, 0.75 - step)) / (2 * step)
    assert abs(softening_gradient(charges, kernel, **options) - by_softening) <= tolerance


@pytest.mark.parametrize("kernel", [Coulomb(1.0), Gaussian(1.0), Plummer() + Plummer(2.0)])
def test_a_kernel_without_one_softening_has_no_derivative_by_it(kernel):
    with pytest.raises(TypeError, match=r"^kernel: expected one softening"):
        kernel.softening_derivative()
