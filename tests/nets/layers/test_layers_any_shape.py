"""What holds for each layer and network of ``validation gradients``, in its own shape: vectors, signals or images."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from nets_support import assert_same, dot, in_each_dtype, normal, seeds

from coulombfield.arrays import Array, to_numpy
from nets.layers.activations import Activation
from nets.layers.base import Layer
from nets.layers.batchnorm import BatchNorm
from nets.layers.reshape import Flatten
from nets.layers.scale import Scale
from nets.layers.softmax import Softmax
from nets.network import Network, first_rows
from nets.parameters import Parameters
from nets.workspace import Workspace
from validation.gradients.layers import LAYERS, NETWORKS, numbers
from validation.gradients.samples import Sample

SAMPLES = {sample.name: sample for sample in (*LAYERS, *NETWORKS)}
TAKE_ANY_SHAPE = (Activation, Flatten, Scale, Softmax)
ROUNDINGS = 200
"""Units of rounding, relative to norms, that a pass through a few layers may add up to."""

each_sample = pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES.keys())
batches = st.integers(1, 3)
few = settings(max_examples=2)


class Case(NamedTuple):
    """A network, or a layer as one, with arguments drawn from a seed."""

    network: Network
    params: Parameters
    x: Array
    dy: Array
    v: Array
    u: Parameters


def network_of(sample: Sample) -> Network:
    made = sample.make()
    return made if isinstance(made, Network) else Network(made)


def treats_samples_singly(layer: Layer) -> bool:
    """Whether a layer is no batch-norm, and made of none."""
    return not isinstance(layer, BatchNorm) and all(treats_samples_singly(part) for _, part in layer.named_children())


def draw_case(sample: Sample, device: Any, batch: int, seed: int, dtype: Any) -> Case:
    """Parameters off their initial values, so that none is 0; the rest from N(0, 1)."""
    rng = np.random.default_rng(seed)
    network = network_of(sample)
    params = network.initialize(rng, dtype, device.xp)
    params.vector[...] += normal(device, rng, params.vector.shape, dtype) * 0.3
    count = batch if treats_samples_singly(network.body) else sample.shape[0]
    shape = (count, *sample.shape[1:])
    x, v = (normal(device, rng, shape, dtype) for _ in range(2))
    u = Parameters(network.layout, normal(device, rng, params.vector.shape, dtype))
    y_shape = (shape[0], *network.output_shape(shape[1:]))
    return Case(network, params, x, normal(device, rng, y_shape, dtype), v, u)


def norm(array: Array) -> float:
    return float(np.linalg.norm(to_numpy(array).astype(np.float64)))


def assert_near(a: Array, b: Array, roundings: float = ROUNDINGS) -> None:
    """Equal within rounding, relative to the largest number or 1; dtypes may differ, and the coarser one counts."""
    a, b = to_numpy(a), to_numpy(b)
    assert a.shape == b.shape
    epsilon = max(np.finfo(array.dtype).eps for array in (a, b))
    np.testing.assert_allclose(a, b, rtol=0, atol=roundings * epsilon * max(1.0, float(abs(b).max(initial=0))))


@pytest.mark.slow
@each_sample
@in_each_dtype
@given(batch=batches, seed=seeds)
@few
def test_backward_is_the_transposed_jacobian(device, dtype, sample, batch, seed):
    """<dy, J v> = <J^T dy, v> along a direction over x and the parameters, and jvp_backward has the same J^T."""
    network, params, x, dy, v, u = draw_case(sample, device, batch, seed, dtype)
    y, cache = network.forward(params, x)
    y_dot = network.jvp(params, cache, v, u)
    dx, grads = network.backward(params, cache, dy)
    _, dx_dot, _ = network.jvp_backward(params, cache, v, dy)
    assert y.shape == dy.shape
    assert dx.shape == x.shape
    assert y.dtype == y_dot.dtype == dx.dtype == grads.vector.dtype == dx_dot.dtype == dtype
    size = norm(dy) * norm(y_dot) + norm(dx) * norm(v) + norm(grads.vector) * norm(u.vector)
    tolerance = ROUNDINGS * np.finfo(dtype).eps * size
    assert abs(dot(dy, y_dot) - dot(dx, v) - dot(grads.vector, u.vector)) <= tolerance
    assert_near(dx_dot, dx)


@each_sample
@given(batch=batches, seed=seeds)
@few
def test_jvp_without_parameters_is_that_of_a_zero_direction(device, sample, batch, seed):
    network, params, x, _, v, _ = draw_case(sample, device, batch, seed, np.float64)
    _, cache = network.forward(params, x)
    assert_same(network.jvp(params, cache, v), network.jvp(params, cache, v, network.zeros_like(params)))


@pytest.mark.slow
@each_sample
@given(batch=batches, seed=seeds)
@few
def test_float32_gives_what_float64_gives(device, sample, batch, seed):
    network, params, x, dy, v, u = draw_case(sample, device, batch, seed, np.float32)
    results: list[tuple[Array, ...]] = []
    branches = []
    for dtype in (np.float32, np.float64):
        weights, direction = (Parameters(network.layout, p.vector.astype(dtype)) for p in (params, u))
        x, dy, v = (array.astype(dtype) for array in (x, dy, v))
        y, cache = network.forward(weights, x)
        branches.append(numbers(cache, to_numpy) > 0)
        dx, grads = network.backward(weights, cache, dy)
        through_jacobian, dx_dot, second = network.jvp_backward(weights, cache, v, dy)
        by_x = () if through_jacobian is None else (through_jacobian,)
        tangent = network.jvp(weights, cache, v, direction)
        results.append((y, dx, grads.vector, tangent, dx_dot, second.vector, *by_x))
    assume(not sample.kinks or np.array_equal(*branches))  # both are on one side of each kink
    for single, double in zip(*results, strict=True):
        assert (single.dtype, double.dtype) == (np.float32, np.float64)
        assert_near(single, double, roundings=10 * ROUNDINGS)


@each_sample
@given(batch=batches, seed=seeds)
@few
def test_what_is_not_needed_is_none_and_changes_nothing_else(device, sample, batch, seed):
    network, params, x, dy, *_ = draw_case(sample, device, batch, seed, np.float32)
    _, cache = network.forward(params, x)
    dx, grads = network.backward(params, cache, dy)
    only_dx, no_grads = network.backward(params, cache, dy, need_dparams=False)
    no_dx, only_grads = network.backward(params, cache, dy, need_dx=False)
    assert no_grads is None
    assert no_dx is None
    assert_same(only_dx, dx)
    assert_same(only_grads.vector, grads.vector)


@pytest.mark.slow
@each_sample
@given(batch=batches, seed=seeds)
@few
def test_one_cache_serves_several_gradients_and_no_argument_changes(device, sample, batch, seed):
    network, params, x, dy, v, u = draw_case(sample, device, batch, seed, np.float64)
    arguments = (x, dy, params.vector, v, u.vector)
    before = [array.copy() for array in arguments]
    y, cache = network.forward(params, x)
    kept = y.copy(), numbers(cache, to_numpy)
    first = network.backward(params, cache, dy)
    twice, _ = network.backward(params, cache, 2 * dy)
    tangent = network.jvp(params, cache, v, u)
    second = network.jvp_backward(params, cache, v, dy)
    again = network.backward(params, cache, dy)
    assert_same(twice, 2 * first[0])
    assert_same(again[0], first[0])
    assert_same(again[1].vector, first[1].vector)
    assert_same(network.jvp(params, cache, v, u), tangent)
    for a, b in zip(network.jvp_backward(params, cache, v, dy)[:2], second[:2], strict=True):
        assert_same(a, b)
    assert_same(y, kept[0])
    np.testing.assert_array_equal(numbers(cache, to_numpy), kept[1])
    for array, copy in zip(arguments, before, strict=True):
        assert_same(array, copy)


@each_sample
@given(batch=batches, seed=seeds)
@few
def test_a_workspace_gives_the_same_bits_in_memory_that_it_keeps(device, sample, batch, seed):
    network, params, x, dy, *_ = draw_case(sample, device, batch, seed, np.float32)
    workspace = Workspace()
    y, cache = network.forward(params, x)
    dx, grads = network.backward(params, cache, dy)
    places = []
    for _ in range(2):
        y2, cache2 = network.forward(params, x, workspace)
        assert_same(y2, y)
        dx2, grads2 = network.backward(params, cache2, dy, workspace=workspace)
        assert_same(y2, y)
        assert_same(dx2, dx)
        assert_same(grads2.vector, grads.vector)
        places.append([address(array) for array in (y2, dx2, grads2.vector)])
    assert places[0] == places[1]


def address(array: Array) -> int:
    return array.ctypes.data if isinstance(array, np.ndarray) else array.data.ptr


def strided(device: Any, array: Array) -> Array:
    """The same numbers in every third place along the last axis, in the reverse order along the first."""
    wide = device.xp.zeros((*array.shape[:-1], 3 * array.shape[-1]), array.dtype)
    view = wide[::-1, ..., 1::3]
    view[...] = array
    return view


@pytest.mark.slow
@each_sample
@given(batch=batches, seed=seeds)
@few
def test_strided_and_read_only_arguments_give_the_same(device, sample, batch, seed):
    network, params, x, dy, v, _ = draw_case(sample, device, batch, seed, np.float64)
    results = []
    for copy in (lambda array: array, lambda array: strided(device, array)):
        arguments = [copy(array) for array in (x, dy, v)]
        weights = Parameters(network.layout, params.vector.copy())
        if device.xp is np:  # CuPy knows no read-only arrays
            for array in (*arguments, weights.vector):
                array.flags.writeable = False
        x2, dy2, v2 = arguments
        y, cache = network.forward(weights, x2)
        dx, grads = network.backward(weights, cache, dy2)
        _, dx_dot, second = network.jvp_backward(weights, cache, v2, dy2)
        results.append((y, dx, grads.vector, network.jvp(weights, cache, v2), dx_dot, second.vector))
    for a, b in zip(*results, strict=True):
        assert_near(b, a)


@each_sample
@given(batch=batches, seed=seeds)
@few
def test_first_rows_are_as_if_they_were_the_batch(device, sample, batch, seed):
    network, params, x, dy, v, _ = draw_case(sample, device, batch + 1, seed, np.float64)
    if not treats_samples_singly(network.body):
        return
    y, cache = network.forward(params, x)
    of_some, alone = network.forward(params, x[:batch])
    assert_near(y[:batch], of_some)
    part = first_rows(cache, batch)
    assert_near(network.jvp(params, part, v[:batch]), network.jvp(params, alone, v[:batch]))
    for a, b in zip(
        network.backward(params, part, dy[:batch]), network.backward(params, alone, dy[:batch]), strict=True
    ):
        assert_near(getattr(a, "vector", a), getattr(b, "vector", b))


@each_sample
def test_a_network_knows_its_output_and_takes_no_other_input(sample):
    network = network_of(sample)
    params = network.initialize(np.random.default_rng(0), np.float64)
    y, _ = network.forward(params, np.ones(sample.shape))
    assert y.shape[1:] == network.output_shape(sample.shape[1:])
    operations = network.operations(sample.shape[1:])
    assert isinstance(operations, int)
    assert operations >= 0
    if isinstance(network.body, TAKE_ANY_SHAPE):
        return
    wrong = (*sample.shape, 7)
    with pytest.raises(ValueError, match=r"^(x|shape): [A-Z].* expects .*, got \("):
        network.forward(params, np.ones(wrong))
    with pytest.raises(ValueError, match=r"^shape: [A-Z].* expects .*, got \("):
        network.output_shape(wrong[1:])


@each_sample
def test_initial_values_have_the_shapes_of_the_parameters(sample):
    layer = network_of(sample).body
    values = layer.initialize(np.random.default_rng(0))
    assert {name: value.shape for name, value in values.items()} == layer.shapes()
    assert all(value.dtype == np.float64 for value in values.values())


@each_sample
def test_a_gradient_of_another_shape_or_dtype_is_refused(sample):
    network = network_of(sample)
    params = network.initialize(np.random.default_rng(0), np.float64)
    y, cache = network.forward(params, np.ones(sample.shape))
    for dy in (np.ones((len(y) + 1, *y.shape[1:])), np.ones(y.size + 1), np.ones(y.shape, np.float32)):
        with pytest.raises((TypeError, ValueError), match=r"^dy: expected"):
            network.backward(params, cache, dy)
