"""Every layer's forward, backward and jvp, against finite differences and against each other."""

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
    LAYERS,
    assert_derivative,
    assert_near,
    assert_same,
    counts,
    dot,
    draw_case,
    each_activation,
    each_layer,
    in_each_dtype,
    magnitude,
    normal,
    on_each_device,
    seeds,
    stay_off_kinks,
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
from validation.gradients.layers import LAYERS as ANY_SHAPE


def test_every_layer_is_in_one_of_the_two_tables():
    """Those of rows are here; those of any shape are the samples of ``validation gradients``."""
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
    of_rows, of_any_shape = (
        {type(make(2, 3)) for make in LAYERS.values()},
        {kind for s in ANY_SHAPE for kind in (type(s.make()), *s.covers)},
    )
    assert defined - bases <= of_rows | of_any_shape
    assert of_rows <= defined


@each_layer
@on_each_device
@given(fan_in=counts, fan_out=counts, batch=counts, seed=seeds)
@settings(max_examples=8)
def test_backward_is_the_derivative(device, make, fan_in, fan_out, batch, seed):
    """d/dt <dy, y(x + t v, w + t u)> along a random direction over x and the parameters."""
    case = draw_case(device, make, fan_in, fan_out, batch, seed, np.float64)
    stay_off_kinks(case)
    v = normal(device, case.rng, case.x.shape, np.float64)
    u = normal(device, case.rng, case.params.vector.shape, np.float64)

    def value(t):
        return case.network.forward(Parameters(case.network.layout, case.params.vector + t * u), case.x + t * v)[0]

    _, cache = case.network.forward(case.params, case.x)
    dx, grads = case.network.backward(case.params, cache, case.dy)
    # A third derivative along v and u, of length sqrt(their size) each, is that of tanh times some tens.
    assert_derivative(value, case.dy, dot(dx, v) + dot(grads.vector, u), truncation=1e3)


@each_layer
@on_each_device
@in_each_dtype
@given(fan_in=counts, fan_out=counts, batch=counts, seed=seeds)
@settings(max_examples=8)
def test_backward_is_the_transposed_jacobian(device, dtype, make, fan_in, fan_out, batch, seed):
    """<dy, J v> = <J^T dy, v> for a random direction v over x and the parameters."""
    case = draw_case(device, make, fan_in, fan_out, batch, seed, dtype)
    _, cache = case.network.forward(case.params, case.x)
    v = normal(device, case.rng, case.x.shape, dtype)
    u = Parameters(case.network.layout, normal(device, case.rng, case.params.vector.shape, dtype))
    y_dot = case.network.jvp(case.params, cache, v, u)
    dx, grads = case.network.backward(case.params, cache, case.dy)
    assert y_dot.dtype == dx.dtype == grads.vector.dtype == dtype
    terms = fan_in + fan_out + batch
    size = magnitude((case.dy, y_dot), (dx, v), (grads.vector, u.vector))
    # The matrix products may cancel inside one entry, whose size is that of their terms: hence the constant too.
    tolerance = terms * np.finfo(dtype).eps * (size + 10 * terms)
    assert abs(dot(case.dy, y_dot) - dot(dx, v) - dot(grads.vector, u.vector)) <= tolerance


@each_layer
@on_each_device
@given(fan_in=counts, fan_out=counts, batch=counts, seed=seeds)
@settings(max_examples=4)
def test_jvp_without_parameters_is_that_of_a_zero_direction(device, make, fan_in, fan_out, batch, seed):
    case = draw_case(device, make, fan_in, fan_out, batch, seed, np.float64)
    _, cache = case.network.forward(case.params, case.x)
    v = normal(device, case.rng, case.x.shape, np.float64)
    before = v.copy()
    assert_same(
        case.network.jvp(case.params, cache, v),
        case.network.jvp(case.params, cache, v, case.network.zeros_like(case.params)),
    )
    assert_same(v, before)


@each_layer
@on_each_device
@in_each_dtype
@given(fan_in=counts, fan_out=counts, batch=counts, seed=seeds)
@settings(max_examples=4)
def test_what_is_not_needed_is_none_and_changes_nothing_else(device, dtype, make, fan_in, fan_out, batch, seed):
    case = draw_case(device, make, fan_in, fan_out, batch, seed, dtype)
    _, cache = case.network.forward(case.params, case.x)
    dx, grads = case.network.backward(case.params, cache, case.dy)
    only_dx, no_grads = case.network.backward(case.params, cache, case.dy, need_dparams=False)
    no_dx, only_grads = case.network.backward(case.params, cache, case.dy, need_dx=False)
    assert no_grads is None
    assert no_dx is None
    assert_same(only_dx, dx)
    assert_same(only_grads.vector, grads.vector)
    assert case.network.backward(case.params, cache, case.dy, need_dx=False, need_dparams=False) == (None, None)


@each_layer
@on_each_device
@in_each_dtype
@given(fan_in=counts, fan_out=counts, batch=counts, seed=seeds)
@settings(max_examples=4)
def test_one_cache_serves_several_gradients_and_no_argument_changes(device, dtype, make, fan_in, fan_out, batch, seed):
    case = draw_case(device, make, fan_in, fan_out, batch, seed, dtype)
    arguments = (case.x, case.dy, case.params.vector)
    before = [array.copy() for array in arguments]
    y, cache = case.network.forward(case.params, case.x)
    kept_y = y.copy()
    first = case.network.backward(case.params, cache, case.dy)
    twice, _ = case.network.backward(case.params, cache, 2 * case.dy)
    again = case.network.backward(case.params, cache, case.dy)
    assert_same(twice, 2 * first[0])
    assert_same(again[0], first[0])
    assert_same(again[1].vector, first[1].vector)
    assert_same(y, kept_y)
    for array, kept in zip(arguments, before, strict=True):
        assert_same(array, kept)


@each_layer
@on_each_device
@in_each_dtype
@given(fan_in=counts, fan_out=counts, batch=counts, seed=seeds)
@settings(max_examples=4)
def test_strided_and_read_only_arguments_give_the_same(device, dtype, make, fan_in, fan_out, batch, seed):
    case = draw_case(device, make, fan_in, fan_out, batch, seed, dtype)
    y, cache = case.network.forward(case.params, case.x)
    dx, grads = case.network.backward(case.params, cache, case.dy)

    def strided(array):
        wide = device.xp.zeros((2 * array.shape[0], 3 * array.shape[1]), dtype)
        wide[::2, 1::3] = array
        return wide[::2, 1::3]

    x, dy, vector = strided(case.x), strided(case.dy), case.params.vector.copy()
    if device.xp is np:  # CuPy knows no read-only arrays
        for array in (x, dy, vector):
            array.flags.writeable = False
    params = Parameters(case.network.layout, vector)
    y2, cache2 = case.network.forward(params, x)
    dx2, grads2 = case.network.backward(params, cache2, dy)
    terms = 4 * (fan_in + fan_out + batch)  # BLAS may sum in another order
    assert_near(y2, y, terms)
    assert_near(dx2, dx, terms)
    assert_near(grads2.vector, grads.vector, terms)


@each_layer
@on_each_device
@in_each_dtype
@given(fan_in=counts, fan_out=counts, batch=counts, seed=seeds)
@settings(max_examples=4)
def test_a_workspace_gives_the_same_bits_in_memory_that_it_keeps(device, dtype, make, fan_in, fan_out, batch, seed):
    case = draw_case(device, make, fan_in, fan_out, batch, seed, dtype)
    workspace = Workspace()
    y, cache = case.network.forward(case.params, case.x)
    dx, grads = case.network.backward(case.params, cache, case.dy)
    kept = []
    for _ in range(2):
        y2, cache2 = case.network.forward(case.params, case.x, workspace)
        assert_same(y2, y)
        dx2, grads2 = case.network.backward(case.params, cache2, case.dy, workspace=workspace)
        assert_same(dx2, dx)
        assert_same(grads2.vector, grads.vector)
        kept.append([_address(array) for array in (y2, dx2, grads2.vector)])
    assert kept[0] == kept[1]


@each_layer
@in_each_dtype
def test_a_second_pass_with_a_workspace_allocates_no_array(make, dtype):
    rng = np.random.default_rng(0)
    network = Network(make(96, 64))
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
@on_each_device
@in_each_dtype
@given(fan_in=counts, fan_out=counts, batch=counts, seed=seeds)
@settings(max_examples=6)
def test_a_fused_activation_is_the_layer_and_then_the_activation(device, dtype, make, fan_in, fan_out, batch, seed):
    fused = draw_case(device, lambda i, o: Linear(i, o, make()), fan_in, fan_out, batch, seed, dtype)
    network = Network(Sequential([Linear(fan_in, fan_out), make()]))
    params = Parameters(network.layout, fused.params.vector)
    y, cache = fused.network.forward(fused.params, fused.x)
    y2, cache2 = network.forward(params, fused.x)
    curved = make in (Tanh, ScaledTanh)  # NumPy and a chain round it each in its own way
    same = functools.partial(assert_near, terms=60) if curved else assert_same
    same(y2, y)
    dx, grads = fused.network.backward(fused.params, cache, fused.dy)
    dx2, grads2 = network.backward(params, cache2, fused.dy)
    same(dx2, dx)
    same(grads2.vector, grads.vector)


FORMULAS = {
    "identity": lambda u: u,
    "relu": lambda u: max(u, 0.0),
    "leaky_relu": lambda u: u if u > 0 else 0.2 * u,
    "steep_leaky_relu": lambda u: u if u > 0 else 0.75 * u,
    "elu": lambda u: u if u > 0 else math.exp(u) - 1,
    "tanh": math.tanh,
    "scaled_tanh": lambda u: 1.7159 * math.tanh(2 * u / 3),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
@on_each_device
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


@on_each_device
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
@on_each_device
@in_each_dtype
def test_nan_and_infinity_pass_through(device, dtype, make):
    network = Network(make())
    x = device.put(np.array([[np.nan, 1.0, -np.nan], [np.inf, -1.0, 30000.0]], dtype))
    y = to_numpy(network.forward(_no_parameters(network, device, dtype), x)[0])
    np.testing.assert_array_equal(np.isnan(y), [[True, False, True], [False, False, False]])
    assert y[1, 0] == (np.inf if y[1, 2] > 2 else y[1, 2])


@each_activation
@on_each_device
@in_each_dtype
def test_an_activation_works_in_the_memory_it_is_given(device, dtype, make):
    activation, h, y = make(), device.xp.ones((2, 3), dtype), device.xp.ones((2, 3), dtype)
    assert activation.apply(h, device.xp.ones(3, dtype)) is h
    assert activation.apply(h) is h
    assert activation.scale_by_slope(h, y) is h


@each_layer
def test_initial_values_have_the_shapes_of_the_parameters(make):
    layer = make(3, 4)
    values = layer.initialize(np.random.default_rng(0))
    assert {name: value.shape for name, value in values.items()} == layer.shapes()
    assert all(value.dtype == np.float64 for value in values.values())


@each_layer
def test_a_gradient_of_another_shape_or_dtype_is_refused(make):
    if isinstance(make(2, 3), Scale):
        pytest.skip("keeps nothing of the forward pass, and takes any shape")
    layer = make(2, 3)
    params = Network(layer).initialize(np.random.default_rng(0), np.float64)
    y, cache = layer.forward(params, np.ones((4, 2)))
    for dy in (np.ones((5, y.shape[1])), np.ones(y.size), np.ones(y.shape, np.float32), np.ones((4, y.shape[1] + 1))):
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


def _address(array):
    return array.ctypes.data if isinstance(array, np.ndarray) else array.data.ptr
