"""The unit of length is free, also where squares of lengths leave the range of float32, or powers of any unit's do."""

import numpy as np
import pytest
from charge_clouds import charges_in, cloud, counts, seeds
from hypothesis import given
from hypothesis import strategies as st

from coulombfield import (
    Charges,
    Coulomb,
    Gaussian,
    Laplace,
    Plummer,
    electrostatic_energy,
    field,
    field_jvp,
    laplacian,
    potential,
)
from coulombfield.calculus import machine_epsilon

KERNELS = {
    "plummer": lambda unit: unit * Plummer(1.0, 0.7 * unit),
    "coulomb": lambda unit: unit * Coulomb(1.0),
    "gaussian": lambda unit: Gaussian(1.3 * unit),
    "laplace": lambda unit: Laplace(1.7 * unit),
    "sum": lambda unit: Gaussian(1.3 * unit) + Gaussian(0.2 * unit),
}
UNITS = [2.0**-67, 2.0**-64, 2.0**50, 2.0**66]  # 1e-20 ... 1e20: their squares are no float32 numbers


@pytest.mark.slow
@pytest.mark.parametrize("name", KERNELS)
@given(n=counts, t=counts, seed=seeds, unit=st.sampled_from(UNITS))
def test_sums_of_tiny_and_huge_scenes_are_those_of_normal_ones(engine, name, n, t, seed, unit):
    rng, library = np.random.default_rng(seed), engine.library
    positions, weights = cloud(rng, n, 2, "float32")
    targets = rng.standard_normal((t, 2)).astype("float32")
    scene = library.put(targets), charges_in(library, positions, weights), KERNELS[name](1.0)
    scaled = library.put(targets * np.float32(unit)), charges_in(library, positions * np.float32(unit), weights)
    for function, power in ((potential, 0), (field, 1), (laplacian, 2)):
        if power * abs(np.log2(unit)) > 120:  # the answer itself is no float32 number
            continue
        expected = library.get(function(*scene, method=engine.method)).astype(float)
        found = library.get(function(*scaled, KERNELS[name](unit), method=engine.method)).astype(float)
        size = np.max(np.abs(expected)) + np.sum(np.abs(weights))
        # Powers of two are exact, but for the parameters' own powers, whose roundings differ.
        assert np.max(np.abs(found * unit**power - expected)) <= 64 * machine_epsilon("float32") * size


def test_derivatives_know_the_unit_too(engine):
    rng, library, unit = np.random.default_rng(3), engine.library, 2.0**-64
    positions, weights = cloud(rng, 5, 2, "float32")
    direction = rng.standard_normal((5, 2)).astype("float32")
    found = []
    for scale in (1.0, unit):
        scene = charges_in(library, positions * np.float32(scale), weights)
        moved = library.put(direction * np.float32(scale))
        change = field_jvp(scene.positions, scene, Gaussian(1.3 * scale), d_positions=moved, method=engine.method)
        found.append(library.get(change) * scale)
    assert np.allclose(found[0], found[1], rtol=1e-5, atol=1e-6)


def test_a_kernel_that_float32_cannot_hold_in_any_unit_is_refused():
    positions, weights = cloud(np.random.default_rng(0), 3, 2, "float32")
    with pytest.raises(ValueError, match=r"^kernel: .* leaves the range of float32"):
        potential(positions, Charges(positions, weights), Plummer(3.0, 1e-20))


TINY, LARGEST = (float(getattr(np.finfo("f4"), name)) for name in ("tiny", "max"))
METHODS = ["auto", "gram"]
"""Besides the engines' own."""


def of_a_pair(exponent, softening, r, dimension):
    """Potential, field and Laplacian of a unit charge at a distance, in float64, and the size of what makes each."""
    x = r * r + softening**2
    value, slope = x ** (-exponent / 2), exponent * x ** (-exponent / 2 - 1)
    parts = slope * (exponent + 2 - dimension), -slope * (exponent + 2) * softening**2 / x
    return (value, value), (slope * r, slope * r), (sum(parts), slope * (exponent + 2 + dimension))


def held(method, library, positions, target, kernel):
    """What the package's three sums are in float32, for unit charges and one target."""
    charges = charges_in(library, np.asarray(positions, "f4"), np.ones(len(positions), "f4"))
    targets = library.put(np.asarray([target], "f4"))
    found = [function(targets, charges, kernel, method=method) for function in (potential, field, laplacian)]
    assert all(str(x.dtype).endswith("float32") for x in found)
    return [float(library.get(x).ravel()[0]) for x in found]


@pytest.mark.slow
@given(
    exponent=st.sampled_from([1.0, 1.7]),
    softening=st.floats(-25, 12),
    distance=st.floats(-25, 25),
    method=st.sampled_from([None, *METHODS]),
)
def test_softenings_and_distances_may_be_any_orders_apart(engine, exponent, softening, distance, method):
    chosen = engine.method if method is None or engine.library.name != "numpy" else method
    if chosen == "gram":
        exponent = 1.0  # loops are compiled for each
    softening, r = 10.0**softening, float(np.float32(10.0**distance))
    kernel = Plummer(exponent, softening)
    if not all(TINY <= abs(x) <= LARGEST for x in (softening**-exponent, softening, r)):
        return  # refused, or no float32 numbers
    try:
        found = held(chosen, engine.library, [[0.0, 0.0]], [r, 0.0], kernel)
    except ValueError as error:
        if not str(error).startswith("kernel: a power of its parameters leaves the range of float32"):
            raise
        return
    for value, (expected, size) in zip(found, of_a_pair(exponent, softening, r, 2), strict=True):
        if size < LARGEST / 16:
            assert abs(value - expected) <= 32 * machine_epsilon("float32") * size + 16 * TINY


@pytest.mark.slow
@pytest.mark.parametrize(("exponent", "far"), [(5.0, 0.0), (5.0, 2000.0), (7.0, 2000.0), (7.0, 3e7)])
def test_a_far_charge_takes_no_digits_from_a_bare_near_one(engine, exponent, far):
    positions = [[0.0, 0.0, 0.0]] if not far else [[0.0, 0.0, 0.0], [far, 0.0, 0.0]]
    for method in (engine.method, *METHODS) if engine.library.name == "numpy" else (engine.method,):
        found = held(method, engine.library, positions, [0.1, 0.0, 0.0], Coulomb(exponent))
        near = of_a_pair(exponent, 0.0, 0.1, 3)
        more = of_a_pair(exponent, 0.0, far - 0.1, 3) if far else ((0.0, 0.0),) * 3
        for value, (expected, size), (other, _) in zip(found, near, more, strict=True):
            sign = -1 if expected is near[1][0] else 1
            assert abs(value - expected - sign * other) <= 64 * exponent * machine_epsilon("float32") * size


def test_a_harmonic_kernel_leaves_what_its_softening_does(engine):
    found = held(engine.method, engine.library, [[0.0, 0.0, 0.0]], [1e3, 0.0, 0.0], Plummer(1.0, 1e-10))
    assert found == pytest.approx([1e-3, 1e-6, -3e-35], rel=1e-5)


def test_only_what_overflowed_is_summed_again(engine):
    """A coincident bare pair is infinite for good, and the other target's numbers stay as they are."""
    library = engine.library
    along = np.asarray([[1.0, 0.0, 0.0]], "f4")  # in space, as above: loops are compiled for each dimension
    charges = charges_in(library, along * np.asarray([[0.0], [2000.0]], "f4"), np.ones(2, "f4"))
    targets = library.put(along * np.asarray([[0.001], [2000.0], [7.0]], "f4"))
    found = library.get(potential(targets, charges, Coulomb(7.0), method=engine.method))
    assert found[0] == pytest.approx(1e21, rel=1e-5)
    assert np.isinf(found[1])
    assert found[2] == pytest.approx(7.0**-7, rel=1e-5)


@pytest.mark.slow
def test_derivatives_and_energies_are_kept_in_range_too(engine):
    library, kernel = engine.library, Plummer(1.0, 1e-10)
    charges = charges_in(library, np.zeros((1, 2), "f4"), np.ones(1, "f4"))
    targets, moved = (library.put(np.asarray([[x, 0.0]], "f4")) for x in (1e3, 1.0))
    change = field_jvp(targets, charges, kernel, d_targets=moved, method=engine.method)
    assert library.get(change)[0, 0] == pytest.approx(-2e-9, rel=1e-5)
    pair = charges_in(library, np.asarray([[0.0, 0.0], [1e-3, 0.0], [1e4, 0.0]], "f4"), np.ones(3, "f4"))
    energy = electrostatic_energy(pair, Coulomb(9.0), exclude_self=True, method=engine.method)
    assert energy == pytest.approx(1e27, rel=1e-4)
