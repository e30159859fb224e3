"""Kernels against mpmath, and the rules at r = 0."""

import mpmath
import numpy as np
import pytest
from charge_clouds import KERNELS, seeds
from hypothesis import given, settings
from hypothesis import strategies as st

from coulombfield import Charges, Coulomb, Gaussian, Laplace, Plummer, Sheets, laplacian, potential_and_field
from coulombfield.calculus import machine_epsilon
from coulombfield.profiles import Laplacian

mpmath.mp.dps = 40

KINDS = {
    "plummer": lambda size, exponent: Plummer(exponent, size),
    "coulomb": lambda size, exponent: Coulomb(exponent),
    "gaussian": lambda size, exponent: Gaussian(size),
    "laplace": lambda size, exponent: Laplace(size),
    "sheets": lambda size, exponent: Sheets(),
    "sum": lambda size, exponent: 3.0 * Plummer(exponent, size) + Gaussian(size),
}
ORACLES = {
    "plummer": lambda s, size, exponent: (s + size**2) ** (-exponent / 2),
    "coulomb": lambda s, size, exponent: s ** (-exponent / 2),
    "gaussian": lambda s, size, exponent: mpmath.exp(-s / (2 * size**2)),
    "laplace": lambda s, size, exponent: mpmath.exp(-mpmath.sqrt(s) / size),
    "sheets": lambda s, size, exponent: -mpmath.sqrt(s) / 2,
    "sum": lambda s, size, exponent: 3 * (s + size**2) ** (-exponent / 2) + mpmath.exp(-s / (2 * size**2)),
}


def oracle(kind, s, size, exponent, derivative):
    """Derivative of the kernel by s from mpmath's numerical differentiation at 40 digits."""
    size, exponent = mpmath.mpf(size), mpmath.mpf(exponent)
    return mpmath.diff(lambda t: ORACLES[kind](t, size, exponent), mpmath.mpf(s), derivative)


@pytest.mark.parametrize("kind", KINDS)
@given(
    seed=seeds,
    exponent=st.sampled_from([1.0, 2.0, 3.0, 4.0, 1.5, 5.0]),
    size=st.sampled_from([0.01, 1.0, 3.3]),
)
def test_value_and_derivatives_are_those_of_the_formula(library, dtype, kind, seed, exponent, size):
    distances = size * 10.0 ** np.random.default_rng(seed).uniform(-2, 0.7, 3)
    s = (distances**2).astype(dtype)
    kernel = KINDS[kind](size, exponent)
    # Up to 20 roundings, and each rounding of s / ε² or r / w is magnified by the power or the exponential.
    tolerance = machine_epsilon(dtype) * (20 + 4 * exponent + 2 * float(np.max(distances / size)) ** 2)
    for derivative, function in enumerate((kernel.value, kernel.slope, kernel.curvature)):
        found = library.get(function(library.put(s)))
        expected = np.array([float(oracle(kind, float(x), size, exponent, derivative)) for x in s])
        assert found.dtype == dtype
        assert np.all(np.abs(found - expected) <= tolerance * np.abs(expected)), (kind, derivative, found, expected)


@given(seed=seeds, exponent=st.floats(0.5, 5.5), softening=st.floats(1e-3, 1e3))
def test_a_plummer_charge_has_softening_to_the_minus_exponent_at_home(library, dtype, seed, exponent, softening):
    zero = library.put(np.zeros(1, dtype))
    expected = np.asarray([softening**-exponent]).astype(dtype)
    assert np.array_equal(library.get(Plummer(exponent, softening).value(zero)), expected)


@given(softening=st.floats(1e-3, 1e3), exponent=st.sampled_from([1.0, 2.0, 3.0, 4.0]))
def test_whole_exponents_too(library, dtype, softening, exponent):
    zero = library.put(np.zeros(1, dtype))
    expected = np.asarray([softening**-exponent]).astype(dtype)
    assert np.array_equal(library.get(Plummer(exponent, softening).value(zero)), expected)


def test_bounded_kernels_have_a_maximum_of_one(library, dtype):
    zero = library.put(np.zeros(1, dtype))
    for kernel in (Gaussian(2.5), Laplace(0.3)):
        assert float(library.get(kernel.value(zero))[0]) == 1.0


def test_the_laplace_kernel_has_finite_derivatives_at_its_tip(library, dtype):
    zero = library.put(np.zeros(1, dtype))
    for width in (0.01, 1.0, 50.0):
        slope = float(library.get(Laplace(width).slope(zero))[0])
        assert np.isfinite(slope)
        assert slope < 0
        assert np.isfinite(library.get(Laplace(width).curvature(zero))).all()


@given(seed=seeds)
def test_sheets_have_the_field_of_the_charges_on_both_sides(library, dtype, seed):
    """Half of those on the left less half of those on the right, those at the same place counting as neither."""
    rng = np.random.default_rng(seed)
    x, q = rng.integers(-8, 8, (9, 1)).astype(dtype), rng.integers(-3, 4, 9).astype(dtype)
    phi, e = potential_and_field(library.put(x), Charges(library.put(x), library.put(q)), Sheets())
    sides = np.sign(x - x.T)
    rounding = 200 * machine_epsilon(dtype)
    np.testing.assert_allclose(library.get(e)[:, 0], sides @ q / 2, atol=rounding)
    np.testing.assert_allclose(library.get(phi), -np.abs(x - x.T) @ q / 2, atol=10 * rounding)
    between = library.put((x + 0.5).astype(dtype))
    found = library.get(laplacian(between, Charges(library.put(x), library.put(q)), Sheets()))
    np.testing.assert_allclose(found, 0, atol=rounding)


def test_a_bare_coulomb_charge_is_infinite_at_home():
    with np.errstate(divide="ignore"):
        assert Coulomb(1.0).value(np.zeros(1))[0] == np.inf


@pytest.mark.parametrize("exponent", [1.0, 2.0, 3.0, 4.0, 2.5])
@given(seed=seeds, dimension=st.integers(1, 12), softening=st.floats(0.1, 5))
@settings(max_examples=10)
def test_the_laplacian_of_a_plummer_kernel_is_that_of_the_paper(exponent, seed, dimension, softening):
    s = np.random.default_rng(seed).uniform(0, 9, 5)
    square, d, m = softening**2, exponent, dimension
    terms = d * (-square * m), d * (2 + d - m) * s  # Eq 14
    found = Laplacian.of(Plummer(exponent, softening).profile, dimension).value(np, s)
    scale = (square + s) ** (-2 - d / 2)
    size = (np.abs(terms[0]) + np.abs(terms[1]) + 4 * d * (d + 2) * s) * scale
    assert np.all(np.abs(found - (terms[0] + terms[1]) * scale) <= 64 * machine_epsilon("float64") * size)


def test_kernels_compare_by_their_numbers():
    assert Plummer(1, 2) == Plummer(np.float32(1.0), 2.0)
    assert np.float64(2.0) * Gaussian(1.0) == 2 * Gaussian(1)
    assert type(Gaussian(np.float32(1.0)).width) is float
    assert len(set(KERNELS.values())) == len(KERNELS)


@pytest.mark.parametrize("kernel", [Plummer, Coulomb, Gaussian, Laplace])
@pytest.mark.parametrize(
    ("value", "error"),
    [
        (0.0, ValueError),
        (-1.0, ValueError),
        (np.nan, ValueError),
        (np.inf, ValueError),
        (10**400, ValueError),
        (5e-324, ValueError),
        ("1", TypeError),
        (True, TypeError),
    ],
)
def test_a_bad_parameter_is_named(kernel, value, error):
    name = "width" if kernel in (Gaussian, Laplace) else "exponent"
    with pytest.raises(error, match=rf"^{name}: expected"):
        kernel(value)
    with pytest.raises(error, match=r"^softening: expected"):
        Plummer(1.0, value)


@pytest.mark.parametrize(
    "build",
    [
        lambda: Plummer(1.0, 1e-200),
        lambda: Plummer(400.0, 1e-3),
        lambda: Plummer(400.0, 1e3),
        lambda: Gaussian(1e-170),
        lambda: Laplace(1e-310),
    ],
)
def test_a_parameter_out_of_the_range_of_a_double_is_named(build):
    with pytest.raises(ValueError, match=r"^(softening|width): .* leaves the range of a double"):
        build()


@pytest.mark.parametrize(("weight", "error"), [(np.inf, ValueError), ("2", TypeError), (np.ones(2), TypeError)])
def test_a_bad_weight_is_named(weight, error):
    with pytest.raises(error, match=r"^weight: expected"):
        weight * Plummer()


def test_only_kernels_can_be_added():
    with pytest.raises(TypeError):
        Plummer() + 1.0
