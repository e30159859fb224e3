"""Kernels of a user's own functions: sums like those of a built-in kernel, and clear words where they can't be."""

import math
import pickle

import numba
import numpy as np
import pytest
from charge_clouds import cloud

import coulombfield as cf
from coulombfield import flow
from coulombfield.calculus import machine_epsilon

PLUMMER = cf.Plummer(exponent=1.0, softening=1.0)


def value(s):
    return 1 / (s + 1) ** 0.5


def slope(s):
    return -0.5 / (s + 1) ** 1.5


def curvature(s):
    return 0.75 / (s + 1) ** 2.5


def branching(s):
    if s > 1e9:
        return 0.0
    return 1 / math.sqrt(s + 1)


class Called:
    def __call__(self, s):
        return value(s)


OWN = {
    "arithmetic": cf.Custom(value, slope, curvature),
    "of numbers": cf.Custom(branching, slope, curvature),
    "compiled": cf.Custom(numba.njit(branching), slope, curvature),
}
UNCOMPILED = cf.Custom(Called(), slope, curvature)


def sums(kernel, dtype, dimension, method, count=70):
    positions, weights = cloud(np.random.default_rng(3), count, dimension, dtype)
    charges = cf.Charges(positions, weights)
    options = {"exclude_self": True, "method": method}
    return (
        cf.potential(positions, charges, kernel, **options),
        cf.field(positions, charges, kernel, **options),
        cf.laplacian(positions, charges, kernel, **options),
        cf.potential_jvp(positions, charges, kernel, d_targets=positions, **options),
        cf.field_jvp(positions, charges, kernel, d_targets=positions, **options),
        np.asarray([cf.electrostatic_energy(charges, kernel, **options)]),
    )


# Their loops are compiled anew in each process: the few here meet each engine, dtype and kind of function once.
@pytest.mark.parametrize(("method", "dtype"), [("simd", "float32"), ("gram", "float64"), ("direct", "float64")])
def test_own_functions_sum_like_the_kernel_that_they_are(method, dtype):
    own, built_in = 2.0 * OWN["arithmetic"] + cf.Gaussian(1.5), 2.0 * PLUMMER + cf.Gaussian(1.5)
    for found, expected in zip(sums(own, dtype, 2, method), sums(built_in, dtype, 2, method), strict=True):
        assert found.dtype == expected.dtype
        assert np.abs(found - expected).max() <= 200 * machine_epsilon(dtype) * (1 + np.abs(expected).max())


@pytest.mark.parametrize("name", ["of numbers", "compiled"])
@pytest.mark.parametrize("method", ["simd", "direct"])
def test_functions_of_single_numbers_do_too(name, method):
    positions, weights = cloud(np.random.default_rng(5), 30, 2)
    charges = cf.Charges(positions, weights)
    found, expected = (cf.potential(positions, charges, kernel, method=method) for kernel in (OWN[name], PLUMMER))
    assert np.allclose(found, expected, rtol=1e-13, atol=1e-13)


def test_functions_of_arrays_serve_every_library(library, dtype):
    positions, weights = cloud(np.random.default_rng(0), 9, 3, dtype)
    charges = cf.Charges(library.put(positions), library.put(weights))
    found, expected = (cf.field(charges.positions, charges, kernel) for kernel in (OWN["arithmetic"], PLUMMER))
    assert np.allclose(library.get(found), library.get(expected), rtol=1e-4, atol=1e-4)


def test_points_far_apart_in_float32_are_summed_in_their_own_unit():
    far = cf.Custom(lambda s: 1 / (s + 1e24) ** 0.5, lambda s: -0.5 / (s + 1e24) ** 1.5)
    positions, weights = cloud(np.random.default_rng(1), 20, 2, "float32")
    charges = cf.Charges(positions * np.float32(1e12), weights)
    for method in ("simd", "direct"):
        found = cf.field(charges.positions, charges, far, method=method)
        expected = cf.field(charges.positions, charges, cf.Plummer(1.0, 1e12), method=method)
        assert np.allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_charges_move_under_it():
    generated, real = np.random.default_rng(0).standard_normal((2, 5, 2))
    start = flow.State.of(generated=generated, real=real)
    ends = [
        flow.run(start, flow.System(kernel), flow.Euler(step=0.1), until=flow.Stop(steps=3))[0]
        for kernel in (OWN["arithmetic"], PLUMMER)
    ]
    assert np.allclose(ends[0]["generated"].positions, ends[1]["generated"].positions)


def test_what_can_not_be_compiled_goes_by_arrays_and_says_why():
    positions, weights = cloud(np.random.default_rng(0), 30, 2)
    charges = cf.Charges(positions, weights)
    found, why = cf.explain(cf.potential, positions, charges, UNCOMPILED)
    assert why.method == "direct"
    assert "simd: value is no Python function" in str(why)
    assert np.allclose(found, cf.potential(positions, charges, PLUMMER))


def test_a_function_that_serves_neither_names_itself():
    words = cf.Custom(lambda s: str(s), slope)
    positions, weights = cloud(np.random.default_rng(0), 3, 2)
    with pytest.raises(ValueError, match=r"simd can't serve this: (Numba can't compile value|value of a number gives)"):
        cf.potential(positions, cf.Charges(positions, weights), words, method="simd")
    with pytest.raises(TypeError, match=r"^value: expected a function that takes an array of numpy"):
        cf.potential(positions, cf.Charges(positions, weights), words)


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        ("nufft", "kernels that are known to be smooth"),
        ("split", "inverse powers and their sums only"),
        ("tree", "Plummer, Coulomb and sums of such kernels only"),
    ],
)
def test_engines_that_need_more_of_a_kernel_refuse_it(method, reason):
    positions, weights = cloud(np.random.default_rng(0), 9, 2)
    with pytest.raises(ValueError, match=f"{method} can't serve this: .*{reason}"):
        cf.potential(positions, cf.Charges(positions, weights), OWN["arithmetic"], method=method, rtol=1e-3)


def test_without_a_curvature_what_needs_it_says_so():
    kernel = 0.5 * cf.Custom(value, slope) + cf.Gaussian(1.0)
    positions, weights = cloud(np.random.default_rng(0), 9, 2)
    charges = cf.Charges(positions, weights)
    cf.potential_and_field(positions, charges, kernel)
    cf.potential_jvp(positions, charges, kernel, d_targets=positions)
    for needs in (
        lambda: cf.laplacian(positions, charges, kernel),
        lambda: cf.explain(cf.laplacian, positions, charges, kernel),
        lambda: cf.field_jvp(positions, charges, kernel, d_targets=positions),
        lambda: cf.Custom(value, slope).curvature(positions),
    ):
        with pytest.raises(ValueError, match=r"^kernel: .*curvature"):
            needs()


def test_check_finds_a_wrong_derivative():
    OWN["arithmetic"].check()
    OWN["of numbers"].check([0.5, 2.0])
    with pytest.raises(ValueError, match=r"^slope: expected the derivative of value by s; at s = "):
        cf.Custom(value, lambda s: -0.5 / (s + 1) ** 1.49).check()
    with pytest.raises(ValueError, match=r"^curvature: expected the derivative of slope by s"):
        cf.Custom(value, slope, slope).check()
    with pytest.raises(ValueError, match=r"^squared_distances: expected positive"):
        OWN["arithmetic"].check([0.0])


def test_kernels_are_equal_by_their_functions_and_travel():
    kernel = cf.Custom(value, slope, curvature)
    assert kernel == OWN["arithmetic"]
    assert hash(kernel) == hash(OWN["arithmetic"])
    assert kernel != cf.Custom(value, slope)
    assert kernel != cf.Custom(branching, slope, curvature)
    kernel.profile  # noqa: B018  # what it has at hand must not travel
    assert pickle.loads(pickle.dumps(2.0 * kernel)) == 2.0 * kernel
    assert repr(kernel) == "Custom(value=value, slope=slope, curvature=curvature)"


@pytest.mark.parametrize(
    ("name", "functions"), [("value", (1.0, slope)), ("slope", (value, "x")), ("value", (int, slope))]
)
def test_what_is_no_function_is_named(name, functions):
    with pytest.raises(TypeError, match=rf"^{name}: expected a function of s"):
        cf.Custom(*functions)


class Yukawa:
    def value(self, s):
        return np.exp(-s)


class Half(cf.RadialKernel):
    @property
    def profile(self):
        return Yukawa()


@pytest.mark.parametrize("kernel", [Yukawa(), Half(), Yukawa])
def test_a_class_of_ones_own_is_led_to_custom(kernel):
    positions, weights = cloud(np.random.default_rng(0), 3, 2)
    with pytest.raises(TypeError, match=r"^kernel: expected a RadialKernel .* got (Yukawa|Half).* coulombfield.Custom"):
        cf.potential(positions, cf.Charges(positions, weights), kernel)
