"""Batch-norm of places: that of channels, of arrays whose places and channels are exchanged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nets_support import in_each_dtype, normal, seeds

from coulombfield.arrays import to_numpy
from nets.layers.activations import Identity, ReLU, Tanh
from nets.layers.batchnorm import BatchNorm
from nets.layers.placenorm import PlaceNorm
from nets.network import Network, Sequential
from nets.parameters import Parameters


@in_each_dtype
@pytest.mark.parametrize("activation", [Identity, ReLU, Tanh])
@given(
    samples=st.integers(1, 4),
    groups=st.integers(1, 2),
    places=st.integers(1, 5),
    channels=st.integers(1, 6),
    seed=seeds,
)
@settings(max_examples=10)
def test_it_is_batch_norm_with_places_and_channels_exchanged(
    device, dtype, activation, samples, groups, places, channels, seed
):
    rng = np.random.default_rng(seed)
    layer = PlaceNorm(places, channels, activation(), epsilon=0.1, groups=groups)
    ours = Network(Sequential([layer]))
    other = Network(Sequential([BatchNorm(places, activation(), epsilon=0.1, groups=groups)]))
    assert list(ours.layout.shapes.items()) == list(other.layout.shapes.items())
    params = ours.initialize(rng, dtype, device.xp)
    params.vector[...] = normal(device, rng, params.vector.shape, dtype)
    x, dy, v = (normal(device, rng, (samples * groups, places, channels), dtype) for _ in range(3))

    def exchanged(array):
        return device.xp.ascontiguousarray(array.transpose(0, 2, 1))

    there = Parameters(other.layout, params.vector)
    y, cache = ours.forward(params, x)
    expected, of_other = other.forward(there, exchanged(x))
    dx, gradient = ours.backward(params, cache, dy.copy())
    dx_there, gradient_there = other.backward(there, of_other, exchanged(dy))
    y_dot = ours.jvp(params, cache, v)
    y_dot_there = other.jvp(there, of_other, exchanged(v))
    atol = 1e3 * np.finfo(dtype).eps
    for found, wanted in ((y, expected), (dx, dx_there), (y_dot, y_dot_there)):
        np.testing.assert_allclose(to_numpy(found), to_numpy(exchanged(wanted)), rtol=0, atol=atol)
    np.testing.assert_allclose(to_numpy(gradient.vector), to_numpy(gradient_there.vector), rtol=0, atol=atol)


@pytest.mark.parametrize("shape", [(2, 12), (2, 4, 3), (2, 3, 5), (2, 1, 3, 4)])
def test_only_sequences_of_its_size_fit(shape):
    layer = PlaceNorm(3, 4)
    params = Network(Sequential([layer])).initialize(np.random.default_rng(0), np.float64).child("0")
    with pytest.raises(ValueError, match=r"^x: PlaceNorm\(3, 4\) expects \(N, 3, 4\)"):
        layer.forward(params, np.ones(shape))
    with pytest.raises(ValueError, match=r"^shape: PlaceNorm\(3, 4\) expects \(3, 4\)"):
        layer.output_shape(shape[1:])


@pytest.mark.parametrize(("arguments", "name"), [((0, 4), "places"), ((3, 0), "channels")])
def test_a_size_must_be_positive(arguments, name):
    with pytest.raises(ValueError, match=f"^{name}"):
        PlaceNorm(*arguments)
