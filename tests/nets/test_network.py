"""Networks: sequences, the paper's multilayer perceptron, caches of part of a batch, workspaces."""

from __future__ import annotations

import re
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nets_support import (
    ACTIVATIONS,
    CPU,
    assert_derivative,
    assert_near,
    assert_same,
    counts,
    dot,
    in_each_dtype,
    magnitude,
    normal,
    seeds,
)

from coulombfield.arrays import to_numpy
from nets.architectures import mlp, wgan_gp_critic
from nets.initializers import uniform
from nets.layers.activations import ELU, ReLU
from nets.layers.linear import Linear, LinearCache
from nets.layers.scale import Scale
from nets.losses import generator_potential, potential_regression
from nets.network import Network, Sequential, first_rows
from nets.parameters import Parameters
from nets.penalties import gradient_penalty
from nets.workspace import Workspace

CPU = CPU
widths = st.lists(st.integers(1, 5), min_size=2, max_size=5)


def paper(seed, dtype, device=CPU):
    """The discriminator of appendix A.5, with the input scaled to the data's size and biases off 0."""
    network = mlp((2, 128, 128, 1), ELU, input_scale=1 / 7, first_bias=uniform(1.0))
    return network, network.initialize(np.random.default_rng(seed), dtype, device.xp)


@given(generated=counts, real=counts, seed=seeds)
@settings(max_examples=5)
def test_the_gradient_of_the_papers_discriminator_loss(device, generated, real, seed):
    """The whole chain: d/dw and d/dx of Eq 9 through 2-128-128-1 ELU, along one random direction."""
    network, params = paper(seed, np.float64, device)
    rng = np.random.default_rng(seed)
    x = 7 * normal(device, rng, (generated + real, 2), np.float64)
    potential = normal(device, rng, (generated + real,), np.float64)
    v = normal(device, rng, x.shape, np.float64)
    u = normal(device, rng, params.vector.shape, np.float64) / params.vector.size**0.5

    def loss(t):
        y, _ = network.forward(Parameters(network.layout, params.vector + t * u), x + t * v)
        return device.xp.asarray(potential_regression(y, potential, generated)[0]).reshape(1)

    y, cache = network.forward(params, x)
    dx, grads = network.backward(params, cache, potential_regression(y, potential, generated)[1])
    # ELU's second derivative jumps at 0: a unit whose input crosses 0 within the step adds an error of order STEP times
    # its share, of 1/128; there is some such unit in one of a hundred draws. Hence a factor of 0.01 / STEP.
    assert_derivative(loss, device.xp.ones(1), dot(dx, v) + dot(grads.vector, u), truncation=1e3)


@given(count=counts, seed=seeds)
@settings(max_examples=5)
def test_the_generators_gradient_through_the_discriminator(device, count, seed):
    """Eq 10 through D and G: d/dw of G, as Algorithm 1 needs it, with dx of D as the only link."""
    d, d_params = paper(seed, np.float64, device)
    g = mlp((3, 16, 16, 2), ReLU, output_scale=10)
    g_params = g.initialize(np.random.default_rng(seed), np.float64, device.xp)
    rng = np.random.default_rng(seed)
    z = normal(device, rng, (count, 3), np.float64)
    u = normal(device, rng, g_params.vector.shape, np.float64) / g_params.vector.size**0.5

    def loss(t):
        x, _ = g.forward(Parameters(g.layout, g_params.vector + t * u), z)
        return device.xp.asarray(generator_potential(d.forward(d_params, x)[0])[0]).reshape(1)

    x, g_cache = g.forward(g_params, z)
    y, d_cache = d.forward(d_params, x)
    dx, nothing = d.backward(d_params, d_cache, generator_potential(y)[1], need_dparams=False)
    no_dz, grads = g.backward(g_params, g_cache, dx, need_dx=False)
    assert nothing is None
    assert no_dz is None
    assert_derivative(loss, device.xp.ones(1), dot(grads.vector, u), truncation=1e3)


@pytest.mark.parametrize("name", ACTIVATIONS)
@in_each_dtype
@given(widths=widths, batch=counts, seed=seeds)
@settings(max_examples=4)
def test_a_network_s_backward_is_the_transposed_jacobian(device, dtype, name, widths, batch, seed):
    network = mlp(widths, ACTIVATIONS[name], input_scale=0.5, output_scale=3)
    rng = np.random.default_rng(seed)
    params = Parameters(network.layout, normal(device, rng, (network.layout.size,), dtype))
    u = Parameters(network.layout, normal(device, rng, (network.layout.size,), dtype))
    x, v = (normal(device, rng, (batch, widths[0]), dtype) for _ in range(2))
    _, cache = network.forward(params, x)
    dy = normal(device, rng, (batch, widths[-1]), dtype)
    y_dot = network.jvp(params, cache, v, u)
    dx, grads = network.backward(params, cache, dy)
    terms = magnitude((dy, y_dot), (dx, v), (grads.vector, u.vector))
    # Cancellation inside the layers: products of up to four matrices of N(0, 1) and width 5 are some hundreds.
    tolerance = 20 * len(widths) * np.finfo(dtype).eps * (terms + 100 * batch)
    assert abs(dot(dy, y_dot) - dot(dx, v) - dot(grads.vector, u.vector)) <= tolerance


@given(batch=counts, seed=seeds)
@settings(max_examples=5)
def test_nesting_changes_nothing(device, batch, seed):
    def layers():
        return [Scale(0.5), Linear(3, 4, ELU()), ReLU(), Linear(4, 2)]

    flat = Network(Sequential(layers()))
    first, second, third, fourth = layers()
    nested = Network(Sequential([Sequential([first]), Sequential([second, Sequential([third])]), fourth]))
    rng = np.random.default_rng(seed)
    vector = normal(device, rng, (flat.layout.size,), np.float64)
    x, dy = normal(device, rng, (batch, 3), np.float64), normal(device, rng, (batch, 2), np.float64)
    results = []
    for network in (flat, nested):
        params = Parameters(network.layout, vector)
        y, cache = network.forward(params, x)
        dx, grads = network.backward(params, cache, dy)
        _, only_grads = network.backward(params, cache, dy, need_dx=False)
        results.append((y, dx, grads.vector, only_grads.vector, network.jvp(params, cache, x, params)))
    for a, b in zip(*results, strict=True):
        assert_same(a, b)
    assert_same(results[0][2], results[0][3])


class Watched(Linear):
    """Notes which of its gradients a backward pass asks for."""

    asked: tuple[bool, bool] | None = None

    def backward(self, params, cache, dy, *, into=None, need_dx=True, workspace=None):
        self.asked = (need_dx, into is not None)
        return super().backward(params, cache, dy, into=into, need_dx=need_dx, workspace=workspace)


@pytest.mark.parametrize(
    ("need_dx", "need_dparams", "first", "second"),
    [
        (True, True, (True, True), (True, True)),
        (True, False, (True, False), (True, False)),
        (False, True, (False, True), (True, True)),
        (False, False, None, None),
    ],
)
def test_what_is_not_needed_is_not_computed(need_dx, need_dparams, first, second):
    """A discriminator's step needs no dx of its first layer, a generator's no parameter gradient of D."""
    layers = [Scale(2.0), Watched(2, 3), Watched(3, 1)]
    network = Network(Sequential(layers))
    params = network.initialize(np.random.default_rng(0))
    y, cache = network.forward(params, np.ones((4, 2), np.float32))
    network.backward(params, cache, y, need_dx=need_dx, need_dparams=need_dparams)
    assert [layer.asked for layer in layers[1:]] == [first, second]


@in_each_dtype
@given(first=counts, rest=counts, seed=seeds)
@settings(max_examples=8)
def test_first_rows_pull_back_as_if_they_were_the_batch(device, dtype, first, rest, seed):
    network, params = paper(seed, dtype, device)
    rng = np.random.default_rng(seed)
    x, dy = normal(device, rng, (first + rest, 2), dtype), normal(device, rng, (first, 1), dtype)
    _, cache = network.forward(params, x)
    dx, grads = network.backward(params, first_rows(cache, first), dy)
    _, alone = network.forward(params, x[:first])
    dx2, grads2 = network.backward(params, alone, dy)
    padded = device.xp.concatenate([dy, device.xp.zeros((rest, 1), dtype)])
    dx3, grads3 = network.backward(params, cache, padded)
    terms = 40  # widths of 128 with terms of random sign, in another order
    assert_near(dx, dx2, terms)
    assert_near(dx, dx3[:first], terms)
    assert_near(grads.vector, grads2.vector, terms)
    assert_near(grads.vector, grads3.vector, terms)


def test_first_rows_are_views():
    network, params = paper(0, np.float64)
    _, cache = network.forward(params, np.ones((5, 2)))
    part = first_rows(cache, 3)
    assert (part.x_shape, part.y_shape) == ((3, 2), (3, 1))
    assert part.layers.x.shape == (3, 2)
    assert part.layers.results is cache.layers.results
    cache = (LinearCache(np.ones((5, 2)), np.ones((5, 128))),)
    part = first_rows(cache, 3)
    assert part[0].y.shape == (3, 128)
    assert np.shares_memory(part[0].y, cache[0].y)
    assert type(part[0]) is LinearCache


@pytest.mark.parametrize("count", [0, -1])
def test_first_rows_of_none_are_refused(count):
    with pytest.raises(ValueError, match=f"count: expected a positive integer, got {count}"):
        first_rows((np.ones((2, 2)),), count)


@in_each_dtype
def test_algorithm_1_in_workspaces_gives_the_same_bits(device, dtype):
    """Both players on one forward pass of D, as in training: no result overwrites one that is still needed."""
    d, d_params = paper(1, dtype, device)
    g = mlp((3, 32, 2), ELU, output_scale=10)
    g_params = g.initialize(np.random.default_rng(2), dtype, device.xp)
    results = []
    for d_workspace, g_workspace in ((None, None), (Workspace(), Workspace())):
        rng = np.random.default_rng(3)
        for _ in range(3):
            z, real = normal(device, rng, (4, 3), dtype), normal(device, rng, (5, 2), dtype)
            x, g_cache = g.forward(g_params, z, g_workspace)
            y, cache = d.forward(d_params, device.xp.concatenate([x, real]), d_workspace)
            _, dy = potential_regression(y, normal(device, rng, (9,), dtype), 4)
            _, d_generated = generator_potential(y[:4])
            dx, _ = d.backward(d_params, first_rows(cache, 4), d_generated, need_dparams=False, workspace=d_workspace)
            _, dg = g.backward(g_params, g_cache, dx, need_dx=False, workspace=g_workspace)
            _, dd = d.backward(d_params, cache, dy, need_dx=False, workspace=d_workspace)
            results.append([array.copy() for array in (x, y, dx, dg.vector, dd.vector)])
    for plain, kept in zip(results[:3], results[3:], strict=True):
        for a, b in zip(plain, kept, strict=True):
            assert_same(b, a)


@pytest.mark.parametrize("need_dx", [False, True])
def test_a_training_pass_in_a_workspace_allocates_no_array(need_dx):
    network = mlp((2, 128, 128, 2), ELU, input_scale=1 / 7)
    params = network.initialize(np.random.default_rng(0), np.float32)
    x, dy = np.ones((256, 2), np.float32), np.ones((256, 2), np.float32)
    workspace = Workspace()

    def step():
        _, cache = network.forward(params, x, workspace)
        network.backward(params, cache, dy, need_dx=need_dx, workspace=workspace)

    step()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        step()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before < 40_000  # views, tuples, frames and strips of a matrix; one hidden layer's output has 131 kB


def test_a_workspace_keeps_networks_shapes_and_dtypes_apart():
    workspace = Workspace()
    kept = []
    for seed in range(2):
        for dtype in (np.float32, np.float64):
            network, params = paper(seed, dtype)
            for batch in (2, 3):
                x = np.ones((batch, 2), dtype)
                kept.append((network.forward(params, x, workspace)[0], network.forward(params, x)[0]))
    for shared, alone in kept:
        assert_same(shared, alone)


def test_zeros_like_is_zero_whatever_the_parameters_are(device):
    network = Network(Linear(1, 1))
    params = Parameters(network.layout, device.put(np.array([np.nan, -1.0], np.float32)))
    zeros = network.zeros_like(params)
    assert_same(zeros.vector, device.xp.zeros(2, np.float32))
    assert not np.signbit(to_numpy(zeros.vector)).any()


@given(batch=counts, seed=seeds, scale=st.floats(0.1, 10))
@settings(max_examples=5)
def test_the_scales_of_an_mlp_are_units_of_its_data(batch, seed, scale):
    plain, scaled = mlp((2, 4, 3), ELU), mlp((2, 4, 3), ELU, input_scale=scale, output_scale=5)
    params = plain.initialize(np.random.default_rng(seed), np.float64)
    same = scaled.initialize(np.random.default_rng(seed), np.float64)
    assert_same(same.vector, params.vector)
    x = np.random.default_rng(seed).standard_normal((batch, 2))
    assert_same(scaled.forward(same, x)[0], 5 * plain.forward(params, scale * x)[0])


def test_an_mlp_starts_its_first_hidden_layer_as_told():
    network = mlp((2, 3, 4, 1), ELU, first_weight=lambda rng, fans, shape: np.full(shape, 7.0), first_bias=uniform(1.0))
    params = network.initialize(np.random.default_rng(0))
    assert [params[f"{i}.weight"].shape for i in range(3)] == [(2, 3), (3, 4), (4, 1)]
    assert (params["0.weight"] == 7).all()
    assert (params["1.weight"] != 7).all()
    assert params["0.bias"].all()
    assert not params["1.bias"].any()
    assert not params["2.bias"].any()


@pytest.mark.parametrize("widths", [(), (2,)])
def test_an_mlp_needs_two_widths(widths):
    with pytest.raises(ValueError, match="widths: expected at least an input and an output width, got"):
        mlp(widths, ELU)


def test_an_mlp_names_a_width_that_is_not_positive():
    with pytest.raises(ValueError, match=r"widths\[1\]: expected a positive integer, got 0"):
        mlp((2, 0, 1), ELU)


def test_an_empty_sequence_is_refused():
    with pytest.raises(ValueError, match="layers: expected at least one layer, got none"):
        Sequential([])


def test_one_layer_in_two_places_is_refused():
    """In a workspace its second output would overwrite the first, which its backward still needs."""
    relu = ReLU()
    for layers in ([relu, Linear(2, 2), relu], [Sequential([relu]), relu], [Sequential([Sequential([relu])]), relu]):
        with pytest.raises(ValueError, match="layers: the same ReLU stands in two places; make one for each"):
            Sequential(layers)


@pytest.mark.parametrize("dtype", [np.float64, np.int64, np.float16])
def test_an_input_of_another_dtype_is_refused(dtype):
    network, params = paper(0, np.float32)
    with pytest.raises(TypeError, match=f"x: expected float32 like the parameters, got {np.dtype(dtype)}"):
        network.forward(params, np.ones((3, 2), dtype))


def test_an_input_of_another_library_is_refused(device):
    if device.xp is np:
        pytest.skip("needs a second array library")
    network, params = paper(0, np.float32, device)
    with pytest.raises(TypeError, match="x: expected a cupy array like the parameters, got one of numpy"):
        network.forward(params, np.ones((3, 2), np.float32))


def image_networks():
    """Two networks with parameters, a pass of the first, and what goes back and forth through it."""
    networks = [wgan_gp_critic(size=8, channels=2, width=width) for width in (2, 4)]
    rng = np.random.default_rng(0)
    params = [network.initialize(rng, np.float32) for network in networks]
    x = rng.standard_normal((4, 8, 8, 2)).astype(np.float32)
    y, cache = networks[0].forward(params[0], x)
    return networks, params, x, y, cache


def run_pass(name, network, params, cache, x_dot, dy, kept=None):
    """One of the passes after a forward pass."""
    if name == "backward of nothing":
        return network.backward(params, cache, dy, need_dx=False, need_dparams=False)
    arguments = {"jvp": (x_dot,), "jvp_backward": (x_dot, dy), "backward_twice": (kept, x_dot)}.get(name, (dy,))
    return getattr(network, name)(params, cache, *arguments)


TANGENTS = ("jvp", "jvp_backward", "backward_twice")
GRADIENTS = ("backward", "backward of nothing", "jvp_backward", "backward_keeping")


@pytest.mark.parametrize("cut", [np.s_[:2], np.s_[:0], np.s_[:, :4], np.s_[..., :1], np.s_[0], np.s_[None]])
@pytest.mark.parametrize("name", TANGENTS)
def test_a_tangent_of_another_shape_is_refused(name, cut):
    """It would leave memory that nobody wrote in the result."""
    (network, _), (params, _), x, y, cache = image_networks()
    shape = re.escape(str(x[cut].shape))
    with pytest.raises(ValueError, match=rf"^x_dot: expected shape \(4, 8, 8, 2\) like x, got {shape}$"):
        run_pass(name, network, params, cache, x[cut], y)


@pytest.mark.parametrize("cut", [np.s_[:2], np.s_[:0], np.s_[:, 0], np.s_[None]])
@pytest.mark.parametrize("name", GRADIENTS)
def test_a_gradient_of_another_shape_is_refused(name, cut):
    (network, _), (params, _), x, y, cache = image_networks()
    argument = "dy_dot" if name == "jvp_backward" else "dy"
    shape = re.escape(str(y[cut].shape))
    with pytest.raises(ValueError, match=rf"^{argument}: expected shape \(4, 1\) like y, got {shape}$"):
        run_pass(name, network, params, cache, x, y[cut])


@pytest.mark.parametrize("change", [np.float64, np.int32, list, np.ma.masked_array], ids=lambda change: change.__name__)
@pytest.mark.parametrize("name", ["forward", "gradient_penalty", *TANGENTS, *GRADIENTS])
def test_what_is_no_array_of_the_parameters_dtype_is_refused(name, change):
    (network, _), (params, _), x, y, cache = image_networks()
    other = change if change in (list, np.ma.masked_array) else lambda array: array.astype(change)
    calls = {
        "forward": lambda: network.forward(params, other(x)),
        "gradient_penalty": lambda: gradient_penalty(network, params, other(x)),
    }
    wrong = (other(x), y) if name in TANGENTS else (x, other(y))
    call = calls.get(name, lambda: run_pass(name, network, params, cache, *wrong))
    message = "^(x|x_dot|dy|dy_dot): expected (float32 like the parameters|an array|a plain array), got"
    with pytest.raises(TypeError, match=message):
        call()


@pytest.mark.parametrize("name", sorted({*TANGENTS, *GRADIENTS}))
def test_parameters_and_a_cache_of_another_network_are_refused(name):
    (network, other), (params, others), x, y, cache = image_networks()
    kept = network.backward_keeping(params, cache, y)[1]
    wrong_cache = other.forward(others, x)[1]
    in_float64 = Parameters(network.layout, params.vector.astype(np.float64))
    for weights, of, error, message in (
        (others, cache, ValueError, r"params: expected those of this network, \d+ numbers in \d+ arrays, got"),
        ("params", cache, TypeError, "params: expected Parameters, got str"),
        (in_float64, cache, TypeError, "params: expected float32 like the forward pass, got float64"),
        (params, wrong_cache, ValueError, "cache: expected that of a forward pass of this network, got one of another"),
        (params, cache.layers, TypeError, "cache: expected that of a network's forward pass, got tuple"),
    ):
        with pytest.raises(error, match=f"^{message}"):
            run_pass(name, network, weights, of, x, y, kept)
    run_pass(name, network, params, cache, x, y, kept)


def test_other_arguments_of_another_network_are_refused():
    (network, _), (params, others), x, y, cache = image_networks()
    message = "expected those of this network, .* laid out otherwise"
    with pytest.raises(ValueError, match=f"^params_dot: {message}"):
        network.jvp(params, cache, x, others)
    with pytest.raises(TypeError, match=r"^params_dot: expected float32 like the forward pass, got float64"):
        network.jvp(params, cache, x, Parameters(network.layout, params.vector.astype(np.float64)))
    for call in (network.forward, lambda p, x: gradient_penalty(network, p, x)):
        with pytest.raises(ValueError, match=f"^params: {message}"):
            call(others, x)
    again = network.forward(params, x)[1]
    for kept in (network.backward_keeping(params, again, y)[1], None):
        with pytest.raises(ValueError, match=r"^kept: expected what backward_keeping gave for this cache"):
            network.backward_twice(params, cache, kept, x)


def test_parameters_of_the_same_layout_are_taken():
    """Two networks made alike take each other's parameters: copies of a player, groups of a batch."""
    _, (params, _), x, y, _ = image_networks()
    again = wgan_gp_critic(size=8, channels=2, width=2)
    assert_same(again.forward(params, x)[0], y)


def test_a_gradient_of_the_whole_batch_does_not_fit_the_cache_of_its_first_rows():
    network, params = paper(0, np.float64)
    _, cache = network.forward(params, np.ones((5, 2)))
    with pytest.raises(ValueError, match=r"dy: expected shape \(3, 1\) like y, got \(5, 1\)"):
        network.backward(params, first_rows(cache, 3), np.ones((5, 1)))


def test_an_input_of_another_width_names_the_layer():
    network = mlp((2, 3, 1), ELU)
    params = network.initialize(np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"x: Linear\(2, 3\) expects \(N, 2\), got \(4, 5\)"):
        network.forward(params, np.ones((4, 5), np.float32))
