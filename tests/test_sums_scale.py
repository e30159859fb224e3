"""The unit of length is free, also where squares of lengths leave the range of float32."""

import numpy as np
import pytest
from charge_clouds import charges_in, cloud, counts, seeds
from hypothesis import given
from hypothesis import strategies as st

from coulombfield import Charges, Coulomb, Gaussian, Laplace, Plummer, field, field_jvp, laplacian, potential
from coulombfield.calculus import machine_epsilon

KERNELS = {
    "plummer": lambda unit: unit * Plummer(1.0, 0.7 * unit),
    "coulomb": lambda unit: unit * Coulomb(1.0),
    "gaussian": lambda unit: Gaussian(1.3 * unit),
    "laplace": lambda unit: Laplace(1.7 * unit),
    "sum": lambda unit: Gaussian(1.3 * unit) + Gaussian(0.2 * unit),
}
UNITS = [2.0**-67, 2.0**-64, 2.0**50, 2.0**66]  # 1e-20 ... 1e20: their squares are no float32 numbers


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
