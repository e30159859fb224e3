"""JAX's own transformations through the package: derivatives, compiled functions and maps."""

import numpy as np
import pytest
from charge_clouds import KERNELS

import coulombfield as cf
from coulombfield import interop

jax = pytest.importorskip("jax")

POINTS = np.random.default_rng(0).standard_normal((6, 2))
WEIGHTS = np.random.default_rng(1).standard_normal(6)
SUMS = {"potential": cf.potential, "field": cf.field, "laplacian": cf.laplacian}
BARE = [*KERNELS.values(), cf.Coulomb(1.0)]


@pytest.fixture(autouse=True)
def _doubles(dtype):
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", dtype == "float64")
    yield
    jax.config.update("jax_enable_x64", before)


def charges(dtype):
    return cf.Charges(jax.numpy.asarray(POINTS, dtype=dtype), jax.numpy.asarray(WEIGHTS, dtype=dtype))


def targets(dtype):
    return jax.numpy.asarray(POINTS + 0.3, dtype=dtype)


def close(found, expected, dtype):
    scale = float(jax.numpy.max(jax.numpy.abs(expected)))
    np.testing.assert_allclose(found, expected, rtol=0, atol=64 * float(np.finfo(dtype).eps) * scale)


@pytest.mark.parametrize("kernel", BARE)
def test_the_gradient_of_a_potential_is_minus_the_field(dtype, kernel):
    sources, at = charges(dtype), targets(dtype)
    found = jax.grad(lambda points: cf.potential(points, sources, kernel).sum())(at)
    assert found.dtype == dtype
    close(found, -cf.field(at, sources, kernel), dtype)


@pytest.mark.parametrize("kernel", BARE)
@pytest.mark.parametrize("name", SUMS)
def test_a_sum_can_be_compiled_and_mapped(dtype, name, kernel):
    """As a function of the targets alone, and of everything."""
    function, sources, at = SUMS[name], charges(dtype), targets(dtype)
    expected = function(at, sources, kernel)
    close(jax.jit(lambda points: function(points, sources, kernel))(at), expected, dtype)
    close(jax.vmap(lambda point: function(point[None], sources, kernel)[0])(at), expected, dtype)
    compiled = jax.jit(lambda points, places, weights: function(points, cf.Charges(places, weights), kernel))
    close(compiled(at, sources.positions, sources.weights), expected, dtype)


def test_signed_charges_and_points_can_be_compiled(dtype):
    kernel, at = cf.Plummer(1, 0.5), targets(dtype)
    real = charges(dtype).positions

    def potential(real, generated):
        points = interop.positions_from(generated, columns=[0, 1])
        return cf.potential(points, cf.signed_charges(real, points), kernel)

    close(jax.jit(potential)(real, at), potential(real, at), dtype)


def test_arrays_of_another_library_are_named(dtype):
    with pytest.raises(TypeError, match=r"^targets: expected a jaxlib array like positions, got one of numpy"):
        cf.potential(np.asarray(targets(dtype)), charges(dtype), cf.Plummer(1, 0.5))
