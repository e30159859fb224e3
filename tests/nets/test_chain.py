"""Chains of affine maps and activations, compiled as one pass, against the passes of their layers."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nets_support import assert_same

import nets.chain
from coulombfield.calculus import machine_epsilon
from nets.architectures import mlp
from nets.chain import ChainCache
from nets.initializers import uniform
from nets.layers.activations import ELU, Identity, LeakyReLU, ReLU, ScaledTanh, Tanh
from nets.layers.batchnorm import BatchNorm
from nets.layers.linear import Linear
from nets.layers.scale import Scale
from nets.network import Network, Sequential, first_rows
from nets.optimizers import Adam
from nets.primitives.products import LARGEST, SPAN, product
from nets.running import update_running
from nets.workspace import Workspace

ACTIVATIONS = (ELU, ReLU, lambda: LeakyReLU(0.3), Tanh, ScaledTanh, Identity)
widths = st.lists(st.integers(1, 40), min_size=2, max_size=5)


def draw_network(rng, widths, dtype, activation):
    network = mlp(widths, activation, input_scale=0.7, output_scale=2.0, first_bias=uniform(1.0))
    params = network.initialize(rng, dtype)
    return network, params, rng.standard_normal((int(rng.integers(1, 30)), widths[0])).astype(dtype)


def all_results(network, params, x, rng):
    """Of a forward pass, a backward pass, and one of the first rows alone."""
    y, cache = network.forward(params, x)
    dy = rng.standard_normal(y.shape).astype(y.dtype)
    few = int(rng.integers(1, len(x) + 1))
    dx, gradient = network.backward(params, cache, dy)
    dx_few, gradient_few = network.backward(params, first_rows(cache, few), dy[:few])
    return y, dx, gradient.vector, dx_few, gradient_few.vector


def by_layers(network, *arguments):
    """The results of the layers' own passes."""
    with mock.patch.object(network.body, "_chain", None):
        return all_results(network, *arguments)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@given(widths=widths, seed=st.integers(0, 2**32 - 1))
@settings(max_examples=15)
def test_a_chain_gives_what_its_layers_give(dtype, activation, widths, seed):
    network, params, x = draw_network(np.random.default_rng(seed), widths, dtype, activation)
    assert type(network.forward(params, x)[1].layers) is ChainCache
    found = all_results(network, params, x, np.random.default_rng(seed))
    expected = by_layers(network, params, x, np.random.default_rng(seed))
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == dtype
        np.testing.assert_allclose(a, b, rtol=0, atol=300 * machine_epsilon(dtype) * max(1, np.abs(b).max()))


@given(widths=widths, seed=st.integers(0, 2**32 - 1))
@settings(max_examples=15)
def test_any_number_of_threads_gives_the_same_bits(dtype, widths, seed):
    network, params, x = draw_network(np.random.default_rng(seed), widths, dtype, ELU)
    whole = all_results(network, params, x, np.random.default_rng(seed))

    def one_by_one(work, count):
        for i in reversed(range(count)):
            work(i, i + 1)

    with mock.patch.multiple(nets.chain, SHARED=0, share=one_by_one):
        parts = all_results(network, params, x, np.random.default_rng(seed))
    for a, b in zip(whole, parts, strict=True):
        assert_same(b, a)


def test_layers_without_bias_and_activations_alone_are_steps_too(dtype):
    rng = np.random.default_rng(0)
    layers = [ReLU(), Linear(3, 20, bias=None), Tanh(), Scale(0.5), Linear(20, 5, ELU()), LeakyReLU()]
    network = Network(Sequential(layers))
    params, x = network.initialize(rng, dtype), rng.standard_normal((9, 3)).astype(dtype)
    assert type(network.forward(params, x)[1].layers) is ChainCache
    found = all_results(network, params, x, np.random.default_rng(1))
    for a, b in zip(found, by_layers(network, params, x, np.random.default_rng(1)), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=300 * machine_epsilon(dtype))


class Cubic(ELU):
    """An activation that no table knows, though it is derived from one that a table knows."""

    def apply(self, h, bias=None):
        """The cube."""
        return (h + bias) ** 3


def test_what_no_table_knows_runs_by_its_layers():
    rng, x = np.random.default_rng(0), np.ones((4, 3))
    for network in (mlp((3, 5, 2), Cubic), Network(Sequential([Scale(2.0), ELU()]))):
        assert type(network.forward(network.initialize(rng, float), x)[1].layers) is tuple
    network = mlp((3, 5, 2), ELU)
    params = network.initialize(rng, float)
    fixed = x.copy()
    fixed.flags.writeable = False
    for other in (np.ones((3, 4)).T, fixed, np.ones((0, 3))):
        y, cache = network.forward(params, other)
        assert type(cache.layers) is tuple
        np.testing.assert_allclose(y, network.forward(params, x)[0][: len(other)], rtol=1e-14)
    with pytest.raises(ValueError, match=r"x: Linear\(3, 5\) expects \(N, 3\), got \(4, 2\)"):
        network.forward(params, np.ones((4, 2)))


@pytest.mark.parametrize("widths", [(3, 20, 1), (3, 20, 2)])
@pytest.mark.parametrize("memory", [None, Workspace()])
def test_two_gradients_apart_are_those_of_two_passes(dtype, widths, memory):
    rng = np.random.default_rng(0)
    network = mlp(widths, ELU, output_scale=0.3)
    params = network.initialize(rng, dtype)
    _, cache = network.forward(params, rng.standard_normal((11, 3)).astype(dtype), memory)
    of_x, of_params = (rng.standard_normal((rows, widths[-1])).astype(dtype) for rows in (4, 11))
    dx, gradient = (
        np.copy(getattr(result, "vector", result))
        for result in network.backward_apart(params, cache, of_x, of_params, workspace=memory)
    )
    bound = {"rtol": 0, "atol": 300 * machine_epsilon(dtype)}
    expected, _ = network.backward(params, first_rows(cache, 4), of_x, need_dparams=False)
    np.testing.assert_allclose(dx, expected, **bound)
    np.testing.assert_allclose(gradient, network.backward(params, cache, of_params)[1].vector, **bound)
    into = network.zeros_like(params)
    assert network.backward_apart(params, cache, of_x, of_params, into=into)[1] is into
    np.testing.assert_allclose(into.vector, gradient, **bound)


def test_gradients_apart_that_do_not_fit_are_refused():
    network = mlp((2, 4, 1), ELU)
    params = network.initialize(np.random.default_rng(0), float)
    _, cache = network.forward(params, np.ones((6, 2)))
    one = np.ones((6, 1))
    with pytest.raises(ValueError, match=r"dy_of_params: expected shape \(6, 1\) like y, got \(5, 1\)"):
        network.backward_apart(params, cache, one, one[:5])
    with pytest.raises(ValueError, match=r"dy_of_x: expected shape \(3, 1\) like the first rows of y, got \(3, 2\)"):
        network.backward_apart(params, cache, np.ones((3, 2)), one)
    with pytest.raises(ValueError, match=r"dy_of_x: expected shape \(6, 1\) like the first rows of y, got \(7, 1\)"):
        network.backward_apart(params, cache, np.ones((7, 1)), one)
    other = mlp((2, 5, 1), ELU).initialize(np.random.default_rng(0), float)
    with pytest.raises(ValueError, match="into: expected those of this network"):
        network.backward_apart(params, cache, one, one, into=other)


@pytest.mark.parametrize("a_order", "CF")
@pytest.mark.parametrize("b_order", "CF")
@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 3, 2), (6, 7, 16), (13, 2, 33), (128, 64, 1), (2, 50, 40)])
def test_products_of_matrices_and_transposes(dtype, shape, a_order, b_order):
    m, k, n = shape
    rng = np.random.default_rng(0)
    a = np.asarray(rng.standard_normal((m, k)), dtype, order=a_order)
    b = np.asarray(rng.standard_normal((k, n)), dtype, order=b_order)
    out = np.full((m + 2, n), 7, dtype)  # a row around it stays
    with mock.patch.object(np, "matmul", side_effect=AssertionError):
        assert product(a, b, out[1:-1]).base is not None
    exact = a.astype(float) @ b.astype(float)
    np.testing.assert_allclose(out[1:-1], exact, rtol=0, atol=2 * k**0.5 * machine_epsilon(dtype) * np.abs(exact).max())
    assert (out[[0, -1]] == 7).all()


@pytest.mark.parametrize("k", [SPAN, SPAN + 1, 2 * SPAN + 500])
def test_products_of_long_sums_cupy(cupy, dtype, k):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((k, 40)).astype(dtype), rng.standard_normal((k, 3)).astype(dtype)
    out = cupy.full((40, 3), np.nan, dtype)
    with mock.patch.object(cupy, "matmul", side_effect=AssertionError):
        assert product(cupy.asarray(a).T, cupy.asarray(b), out) is out
    exact = a.astype(float).T @ b.astype(float)
    np.testing.assert_allclose(out.get(), exact, rtol=0, atol=k**0.5 * machine_epsilon(dtype) * np.abs(exact).max())


@pytest.mark.slow
def test_products_that_are_large_or_have_gaps_are_the_library_s():
    rng = np.random.default_rng(0)
    for a, b in (
        (rng.standard_normal((4, 6))[:, ::2], rng.standard_normal((3, 5))),
        (rng.standard_normal((4, 0)), rng.standard_normal((0, 5))),
        (np.ones((LARGEST, 1), np.float32), np.ones((1, 2), np.float32)),
    ):
        out = np.empty((len(a), b.shape[1]), a.dtype)
        np.testing.assert_array_equal(product(a, b, out), a @ b)


def test_a_small_network_s_update_wakes_no_threads_of_blas():
    """Which beside other work wait for each other, whoever calls."""
    rng = np.random.default_rng(0)
    network = mlp((2, 128, 128, 1), ELU)
    params = network.initialize(rng)
    optimizer = Adam(params, 1e-3)
    with mock.patch.object(np, "matmul", side_effect=AssertionError) as library:
        y, cache = network.forward(params, rng.standard_normal((256, 2)).astype("f4"))
        _, gradient = network.backward(params, cache, np.ones_like(y))
        optimizer.update(gradient)
        network.jvp_backward(params, cache, np.ones((256, 2), "f4"), np.ones_like(y))
    library.assert_not_called()


def test_running_statistics_beside_a_chain():
    """A sequence in a sequence is a chain of more layers than its cache has parts."""
    body = Sequential(
        [BatchNorm(3, running=True), Sequential([Linear(3, 4), ReLU(), Linear(4, 4), ReLU(), Linear(4, 1)])]
    )
    network = Network(body)
    params = network.initialize(np.random.default_rng(0), float)
    _, cache = network.forward(params, np.arange(12.0).reshape(4, 3))
    before = params["0.running_mean"].copy()
    update_running(network, params, cache)
    assert (params["0.running_mean"] != before).all()


@pytest.mark.parametrize(
    ("a", "b", "out"),
    [
        (np.ones((5, 9)), np.ones((3, 4)), np.empty((5, 4))),
        (np.ones((5, 2)), np.ones((3, 4)), np.empty((5, 4))),
        (np.ones((5, 3)), np.ones((3, 4)), np.empty((4, 4))),
    ],
)
def test_products_that_do_not_fit_are_refused(a, b, out):
    with pytest.raises(ValueError, match="matmul"):
        product(a, b, out)


def test_layers_of_another_dtype_follow_numpy():
    layer = Network(Sequential([Linear(3, 4), ReLU()])).body
    params = Network(layer).initialize(np.random.default_rng(0))
    assert type(layer.forward(params, np.ones((2, 3), np.float32))[1]) is ChainCache
    assert product(np.ones((2, 3)), np.ones((3, 4), np.float32), np.empty((2, 4)))[0, 0] == 3
    assert type(layer.forward(params, np.ones((2, 3)))[1]) is tuple


def test_a_gradient_of_another_shape_than_y_is_refused():
    network = mlp((3, 4, 1), ELU)
    params = network.initialize(np.random.default_rng(0), float)
    _, cache = network.body.forward(params, np.ones((6, 3)))
    with pytest.raises(ValueError, match=r"dy: .* expects \(6, 1\) float64 like its output, got \(1, 1\)"):
        network.body.backward(params, cache, np.ones((1, 1)))


def test_who_keeps_y_keeps_no_other_layer_s_results():
    network = mlp((2, 100, 1), ELU)
    y, _ = network.forward(network.initialize(np.random.default_rng(0)), np.ones((50, 2), np.float32))
    assert y.base is None or y.base.nbytes <= y.nbytes
