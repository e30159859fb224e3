"""The Fréchet distance beside its formula in 50 digits, and the statistics behind it."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.metrics import frechet_distance as module
from experiments.metrics.frechet_distance import Gaussian, Moments, frechet_distance, gaussian_of, nuclear_norm

seeds = st.integers(0, 2**32 - 1)
DIGITS = 50


def gaussian(features):
    return gaussian_of([features], features.shape[1])


def exact_moments(features):
    """Mean and covariance in many digits."""
    count, dimension = features.shape
    x = mpmath.matrix(features.tolist())
    mean = [mpmath.fsum(x[i, k] for i in range(count)) / count for k in range(dimension)]
    centred = mpmath.matrix([[x[i, k] - mean[k] for k in range(dimension)] for i in range(count)])
    return mpmath.matrix(mean), centred.T * centred / (count - 1)


def exact_distance(a, b):
    """The formula itself: square roots of the eigenvalues of the product, which are not negative in exact numbers."""
    with mpmath.workdps(DIGITS):
        (mean_a, cov_a), (mean_b, cov_b) = exact_moments(a), exact_moments(b)
        eigenvalues = mpmath.eig(cov_a * cov_b, left=False, right=False)
        trace = sum(mpmath.sqrt(max(0, mpmath.re(value))) for value in eigenvalues)
        square = sum(x**2 for x in mean_a - mean_b)
        return float(square + sum((cov_a + cov_b)[k, k] for k in range(len(mean_a))) - 2 * trace)


@settings(max_examples=30, deadline=None)
@given(seed=seeds, counts=st.tuples(st.integers(2, 9), st.integers(2, 9)), dimension=st.integers(2, 5))
def test_it_is_the_formulas_value_for_any_number_of_features(seed, counts, dimension):
    """Fewer than dimensions and more, with a constant feature, or one that repeats another."""
    rng = np.random.default_rng(seed)
    a, b = (rng.standard_normal((count, dimension)) * rng.uniform(0.1, 3, dimension) + rng.normal() for count in counts)
    kind = rng.integers(3)
    if kind == 1:
        a[:, 0] = 0.3
    if kind == 2 and dimension > 1:
        a[:, 1] = a[:, 0]
    expected = exact_distance(a, b)
    assert frechet_distance(gaussian(a), gaussian(b)) == pytest.approx(expected, rel=1e-8, abs=1e-9)
    assert frechet_distance(gaussian(b), gaussian(a)) == pytest.approx(expected, rel=1e-8, abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_directions_that_features_lack_are_no_small_ones(seed):
    """Half of the features are sums of the others: what rounding leaves of their variance is not taken for some."""
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((2, 40, 8)) * 100
    a[:, 4:] = a[:, :4] @ rng.standard_normal((4, 4))
    assert frechet_distance(gaussian(a), gaussian(b)) == pytest.approx(exact_distance(a, b), rel=1e-10)


@settings(max_examples=20, deadline=None)
@given(seed=seeds, count=st.integers(2, 60), dimension=st.integers(1, 20), level=st.sampled_from([0.0, 1e6]))
def test_equal_sets_are_at_zero(seed, count, dimension, level):
    """Exactly so, and in another order within rounding but never below."""
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((count, dimension)) + level
    assert frechet_distance(gaussian(a), gaussian(a.copy())) == 0
    assert 0 <= frechet_distance(gaussian(a), gaussian(rng.permutation(a))) <= 1e-12 * dimension * max(1, level) ** 2
    assert frechet_distance(gaussian(0 * a), gaussian(0 * a + 2)) == pytest.approx(4 * dimension)


def test_few_features_in_many_dimensions_beside_the_singular_values_of_their_covariances():
    """50 in 2048 dimensions; the trace is that of the small matrix of products, computed here another way."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 50, 2048)) * np.logspace(0, -3, 2048)
    b = np.abs(b) + 0.1
    ca, cb = (x - x.mean(0) for x in (a, b))
    product = (ca @ cb.T / 49).T @ (ca @ cb.T / 49)
    trace = np.sqrt(np.maximum(np.linalg.eigvalsh(product), 0)).sum()
    square = ((a.mean(0) - b.mean(0)) ** 2).sum()
    expected = square + ((ca**2).sum() + (cb**2).sum()) / 49 - 2 * trace
    assert frechet_distance(gaussian(a), gaussian(b)) == pytest.approx(expected, rel=1e-8)


def test_few_features_against_a_covariance():
    """One set by its features, the other by a full covariance, and both by covariances."""
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((4, 6)), rng.standard_normal((40, 6)) * 2
    expected = exact_distance(a, b)
    few, many = gaussian(a), gaussian(b)
    assert frechet_distance(few, Gaussian(b.mean(0), np.cov(b, rowvar=False))) == pytest.approx(expected, rel=1e-10)
    stored = Gaussian(a.mean(0), np.cov(a, rowvar=False))
    assert frechet_distance(stored, many) == pytest.approx(expected, rel=1e-8)


@settings(max_examples=30, deadline=None)
@given(
    seed=seeds,
    sizes=st.lists(st.integers(0, 30), min_size=1, max_size=6),
    level=st.sampled_from([0.0, 1e7]),
    rows=st.integers(1, 40),
)
def test_moments_of_blocks_are_those_of_all(seed, sizes, level, rows):
    """In any blocks, and without the cancellation of sums of squares far from zero."""
    rng = np.random.default_rng(seed)
    blocks = [rng.standard_normal((size, 4)) + level + rng.normal() for size in [*sizes, 2]]
    whole = np.concatenate(blocks)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "ROWS", rows)
        found = gaussian_of(blocks, 4)
    np.testing.assert_allclose(found.mean, whole.mean(0), rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(found.covariance, np.cov(whole, rowvar=False), rtol=1e-7 if level else 1e-11, atol=1e-9)
    assert found.trace == pytest.approx(np.trace(found.covariance), rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("decay", [1.0, 2.0, 8.0])
def test_the_fast_sum_of_singular_values_is_the_slow_one(decay):
    """Also where their squares lie below the rounding of the largest."""
    size = module.SMALL + 40
    rng = np.random.default_rng(0)
    left, right = (np.linalg.qr(rng.standard_normal((size, size)))[0] for _ in range(2))
    values = np.arange(1, size + 1.0) ** -decay
    values[-30:] = 0
    matrix = left * values @ right
    assert nuclear_norm(matrix) == pytest.approx(values.sum(), rel=1e-10)
    assert nuclear_norm(matrix[:, :0]) == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: gaussian(np.zeros((1, 3))), "features: expected at least 2, got 1"),
        (lambda: gaussian(np.full((3, 3), np.nan)), "features: expected finite"),
        (lambda: Moments(4).add(np.zeros((2, 3))), r"features: expected shape \(N, 4\), got \(2, 3\)"),
        (lambda: Gaussian(np.zeros(3), np.zeros((2, 2))), r"covariance: expected shape \(3, 3\), got \(2, 2\)"),
        (lambda: Gaussian(np.zeros((3, 1)), np.eye(3)), r"mean: expected shape \(D,\)"),
        (lambda: Gaussian(np.zeros(2), np.array([[1.0, 1.0], [0.0, 1.0]])), "covariance: expected a symmetric"),
        (lambda: Gaussian(np.zeros(2), -np.eye(2)), "covariance: expected variances"),
        (lambda: Gaussian(np.zeros(2), np.array([[1.0, 2.0], [2.0, 1.0]])).root, "expected no negative eigenvalue"),
        (lambda: Gaussian(np.zeros(2), np.full((2, 2), math.inf)), "expected finite numbers"),
        (lambda: frechet_distance(gaussian(np.eye(3)), gaussian(np.eye(4))), "second: expected 3 dimensions, got 4"),
    ],
)
def test_what_is_no_distribution_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
