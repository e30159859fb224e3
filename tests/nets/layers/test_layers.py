"""Activations and affine layers against their formulas, and what layers refuse."""

from __future__ import annotations

import functools
import importlib
import inspect
import math
import pkgutil
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from nets_support import (
    ACTIVATIONS,
    assert_near,
    assert_same,
    counts,
    each_activation,
    in_each_dtype,
    normal,
    seeds,
)

import nets.layers
from coulombfield.arrays import to_numpy
from nets.layers.activations import ELU, Activation, LeakyReLU, ReLU, ScaledTanh, Tanh
from nets.layers.base import Layer
from nets.layers.convolution import Convolution
from nets.layers.linear import Linear
from nets.layers.normalization import Normalization
from nets.layers.scale import Scale
from nets.network import Network, Sequential
from nets.parameters import Parameters
from nets.workspace import Workspace
from validation.gradients.layers import LAYERS


def test_every_layer_is_a_sample_of_validation_gradients():
    modules = [
        importlib.import_module(f"nets.layers.{info.name}") for info in pkgutil.iter_modules(nets.layers.__path__)
    ]
    defined = {
        item
        for module in modules
        for _, item in inspect.getmembers(module, inspect.isclass)
        if item.__module__ == module.__name__ and hasattr(item, "backward")
    }
    bases = {Layer, Activation, Convolution, Normalization}
    assert defined - bases == {kind for s in LAYERS for kind in (type(s.make()), *s.covers)} & (defined - bases)


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "of a Linear"])
@each_activation
@in_each_dtype
def test_a_second_pass_with_a_workspace_allocates_no_array(make, dtype, alone):
    rng = np.random.default_rng(0)
    network = Network(make() if alone else Linear(96, 64, make()))
    params = network.initialize(rng, dtype)
    x = rng.standard_normal((128, 96)).astype(dtype)
    dy = rng.standard_normal(network.forward(params, x)[0].shape).astype(dtype)
    workspace = Workspace()

    def step():
        _, cache = network.forward(params, x, workspace)
        network.backward(params, cache, dy, workspace=workspace)

    step()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        step()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Some kB of views, tuples and frames, and a strip of a matrix; sums of NumPy before 2.3 have a buffer beside that.
    buffer = np.getbufsize() * dy.itemsize if np.lib.NumpyVersion(np.__version__) < "2.3.0" else 0
    assert peak - before < dy.nbytes / 2 + buffer


@each_activation
@in_each_dtype
@given(fan_in=counts, fan_out=counts, batch=counts, seed=seeds)
@settings(max_examples=6)
def test_a_fused_activation_is_the_layer_and_then_the_activation(device, dtype, make, fan_in, fan_out, batch, seed):
    rng = np.random.default_rng(seed)
    fused = Network(Linear(fan_in, fan_out, make()))
    network = Network(Sequential([Linear(fan_in, fan_out), make()]))
    vector = normal(device, rng, (fused.layout.size,), dtype)
    x, dy = normal(device, rng, (batch, fan_in), dtype), normal(device, rng, (batch, fan_out), dtype)
    y, cache = fused.forward(Parameters(fused.layout, vector), x)
    params = Parameters(network.layout, vector)
    y2, cache2 = network.forward(params, x)
    curved = make in (Tanh, ScaledTanh)  # NumPy and a chain round it each in its own way
    same = functools.partial(assert_near, terms=60) if curved else assert_same
    same(y2, y)
    dx, grads = fused.backward(Parameters(fused.layout, vector), cache, dy)
    dx2, grads2 = network.backward(params, cache2, dy)
    same(dx2, dx)
    same(grads2.vector, grads.vector)


FORMULAS = {
    "Identity": lambda u: u,
    "ReLU": lambda u: max(u, 0.0),
    "LeakyReLU": lambda u: u if u > 0 else 0.2 * u,
    "LeakyReLU 0.75": lambda u: u if u > 0 else 0.75 * u,
    "ELU": lambda u: u if u > 0 else math.exp(u) - 1,
    "Tanh": math.tanh,
    "ScaledTanh": lambda u: 1.7159 * math.tanh(2 * u / 3),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
@in_each_dtype
@given(seed=seeds)
@settings(max_examples=4)
def test_an_activation_is_its_formula_on_images_too(device, dtype, name, seed):
    x = normal(device, np.random.default_rng(seed), (2, 3, 4, 5), dtype) * 3
    network = Network(ACTIVATIONS[name]())
    y, cache = network.forward(_no_parameters(network, device, dtype), x)
    expected = np.vectorize(FORMULAS[name])(to_numpy(x).astype(np.float64)).astype(dtype)
    assert_near(y, device.put(expected))
    assert network.backward(_no_parameters(network, device, dtype), cache, x)[0].shape == x.shape


@in_each_dtype
def test_the_slope_at_zero(device, dtype):
    """A kink takes the slope of its left side, and ELU has none."""
    for activation, slope in (
        (ReLU(), 0),
        (LeakyReLU(0.2), 0.2),
        (ELU(), 1),
        (Tanh(), 1),
        (ScaledTanh(), 1.7159 * 2 / 3),
    ):
        network = Network(activation)
        params = _no_parameters(network, device, dtype)
        y, cache = network.forward(params, device.xp.zeros((1, 1), dtype))
        dx, _ = network.backward(params, cache, device.xp.ones((1, 1), dtype))
        assert float(y[0, 0]) == 0
        assert float(dx[0, 0]) == dtype(slope)


@each_activation
@in_each_dtype
def test_nan_and_infinity_pass_through(device, dtype, make):
    network = Network(make())
    x = device.put(np.array([[np.nan, 1.0, -np.nan], [np.inf, -1.0, 30000.0]], dtype))
    y = to_numpy(network.forward(_no_parameters(network, device, dtype), x)[0])
    np.testing.assert_array_equal(np.isnan(y), [[True, False, True], [False, False, False]])
    assert y[1, 0] == (np.inf if y[1, 2] > 2 else y[1, 2])


@each_activation
@in_each_dtype
def test_an_activation_works_in_the_memory_it_is_given(device, dtype, make):
    activation, h, y = make(), device.xp.ones((2, 3), dtype), device.xp.ones((2, 3), dtype)
    assert activation.apply(h, device.xp.ones(3, dtype)) is h
    assert activation.apply(h) is h
    assert activation.scale_by_slope(h, y) is h


@each_activation
def test_a_layer_alone_refuses_a_gradient_of_another_shape_or_dtype(make):
    for layer in (make(), Linear(2, 3, make())):
        params = Network(layer).initialize(np.random.default_rng(0), np.float64)
        y, cache = layer.forward(params, np.ones((4, 2)))
        for dy in (np.ones((5, y.shape[1])), np.ones(y.size), np.ones(y.shape, np.float32), np.ones((4, 4))):
            with pytest.raises(ValueError, match=rf"dy: {type(layer).__name__} expects \(4, \d\) float64"):
                layer.backward(params, cache, dy)


@pytest.mark.parametrize("shape", [(3,), (4, 3), (4, 2, 2), ()])
def test_linear_refuses_another_shape(shape):
    layer = Linear(2, 3)
    params = Network(layer).initialize(np.random.default_rng(0), np.float64)
    with pytest.raises(ValueError, match=r"x: Linear\(2, 3\) expects \(N, 2\), got \("):
        layer.forward(params, np.ones(shape))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Linear(0, 1), "fan_in: expected a positive integer, got 0"),
        (lambda: Linear(1, -2), "fan_out: expected a positive integer, got -2"),
        (lambda: LeakyReLU(1.0), r"slope: expected a number in \[0, 1\), got 1.0"),
        (lambda: LeakyReLU(-0.1), r"slope: expected a number in \[0, 1\), got -0.1"),
        (lambda: LeakyReLU(math.nan), "slope: expected a finite number, got nan"),
        (lambda: Scale(0), "factor: expected a finite number other than 0, got 0"),
        (lambda: Scale(math.inf), "factor: expected a finite number, got inf"),
        (lambda: Scale(math.nan), "factor: expected a finite number, got nan"),
    ],
)
def test_a_bad_setting_is_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_an_empty_batch_has_no_gradient():
    network = Network(Linear(2, 3, ELU()))
    params = network.initialize(np.random.default_rng(0), np.float64)
    y, cache = network.forward(params, np.empty((0, 2)))
    dx, grads = network.backward(params, cache, np.empty((0, 3)))
    assert y.shape == (0, 3)
    assert dx.shape == (0, 2)
    np.testing.assert_array_equal(grads.vector, 0)


def _no_parameters(network, device, dtype):
    return Parameters(network.layout, device.xp.empty(0, dtype))
