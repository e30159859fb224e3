"""Optimizers, weight decay and clipping, against their sources' algorithms in longdouble and in closed form."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as at_most
from hypothesis import strategies as st
from nets_support import CPU, assert_same, in_each_dtype, normal, seeds

import nets.optimizers
from coulombfield.arrays import to_numpy
from experiments.players.optimizer import OptimizerConfig, ScheduleConfig
from experiments.players.player import Player
from nets.layers.activations import Tanh
from nets.layers.linear import Linear
from nets.network import Network
from nets.optimizers import SGD, Adam, Optimizer, RMSprop, add_l2, clip
from nets.parameters import Layout, Parameters
from nets.schedules import Exponential, Step

CPU = CPU
sizes = st.integers(1, 40)


def parameters(device, values):
    return Parameters(Layout({"weight": values.shape}), device.put(values.copy()))


class Textbook(NamedTuple):
    """Where one parameter is after its updates, and the size of all terms that were added to it."""

    theta: np.longdouble
    size: np.longdouble


def textbook_adam(theta, gradients, rate, beta1, beta2, epsilon):
    """Algorithm 1 of Kingma & Ba (2015); t counts from 1 there. Steps' sizes have every gradient as positive in m."""
    m = v = positive_m = 0
    size = abs(theta)
    for t, g in enumerate(gradients, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        denominator = np.sqrt(v / (1 - beta2**t)) + epsilon
        theta -= rate(t - 1) * (m / (1 - beta1**t)) / denominator
        positive_m = beta1 * positive_m + (1 - beta1) * abs(g)
        size += rate(t - 1) * (positive_m / (1 - beta1**t)) / denominator
    return Textbook(theta, size)


def textbook_rmsprop(theta, gradients, rate, decay, epsilon):
    """Lecture 6.5 of Tieleman & Hinton (2012), with epsilon outside the root."""
    v, size = 0, abs(theta)
    for t, g in enumerate(gradients):
        v = decay * v + (1 - decay) * g**2
        step = rate(t) * g / (np.sqrt(v) + epsilon)
        theta -= step
        size += abs(step)
    return Textbook(theta, size)


def textbook_sgd(theta, gradients, rate, momentum):
    """All past gradients, each weighted by a power of the momentum: the sum that the velocity is built up to."""
    size = abs(theta)
    for t in range(len(gradients)):
        terms = [momentum ** (t - s) * gradients[s] for s in range(t + 1)]
        theta -= rate(t) * sum(terms)
        size += rate(t) * sum(map(abs, terms))
    return Textbook(theta, size)


class Kind(NamedTuple):
    """An optimizer, its algorithm, its decays with the largest to draw, and the rest of its settings."""

    make: type[Optimizer]
    textbook: Callable[..., Textbook]
    decays: dict[str, float]
    rest: dict[str, float]


KINDS = [
    Kind(Adam, textbook_adam, {"beta1": 0.99, "beta2": 0.9999}, {"epsilon": 1e-6}),
    Kind(RMSprop, textbook_rmsprop, {"decay": 0.9999}, {"epsilon": 1e-6}),
    Kind(SGD, textbook_sgd, {"momentum": 0.99}, {}),
]
on_each_optimizer = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.make.__name__)


@on_each_optimizer
@in_each_dtype
@given(data=st.data(), steps=st.integers(1, 12), scale=st.floats(-8, 8), seed=seeds)
@at_most(max_examples=15)
def test_an_optimizer_is_its_algorithm(kind, device, dtype, data, steps, scale, seed):
    settings = {name: data.draw(st.floats(0, largest), name) for name, largest in kind.decays.items()} | kind.rest
    rng = np.random.default_rng(seed)
    rate = Exponential(0.1, 0.01, 10)
    start = rng.standard_normal(20).astype(dtype)
    gradients = (rng.standard_normal((steps, 20)) * 10**scale).astype(dtype)
    params = parameters(device, start)
    optimizer = kind.make(params, rate, **settings)
    for gradient in gradients:
        optimizer.update(parameters(device, gradient))
    columns = gradients.T.astype(np.longdouble)
    textbook = [
        kind.textbook(theta, list(column), rate, **settings)
        for theta, column in zip(start.astype(np.longdouble), columns, strict=True)
    ]
    expected, size = np.transpose(textbook)
    # Some ten roundings a step, and those of the moments add up over the steps.
    tolerance = (10 + 4 * steps) * np.finfo(dtype).eps * size
    assert (abs(to_numpy(params.vector) - expected) <= tolerance).all()


@given(magnitude=st.floats(-3, 3), rate=st.floats(1e-4, 1), steps=st.integers(1, 30))
@at_most(max_examples=15)
def test_adam_moves_by_the_rate_under_a_constant_gradient(device, magnitude, rate, steps):
    """Bias correction is exact there: m / c1 is g and v / c2 is g**2, so that each step is rate g / (|g| + eps)."""
    g, epsilon = 10**magnitude, 1e-4
    found = after_constant_gradient(device, Adam, g, steps, rate=rate, epsilon=epsilon)
    assert found == pytest.approx(-steps * rate * g / (g + epsilon), rel=1e-11)


@given(decay=st.floats(0, 0.999), steps=st.integers(1, 30))
@at_most(max_examples=15)
def test_rmsprop_begins_with_longer_steps_under_a_constant_gradient(device, decay, steps):
    """The average isn't corrected for its start at 0: it is (1 - decay^t) g^2."""
    found = after_constant_gradient(device, RMSprop, 3.0, steps, rate=0.1, decay=decay, epsilon=1e-300)
    assert found == pytest.approx(-math.fsum(0.1 / math.sqrt(1 - decay**t) for t in range(1, steps + 1)), rel=1e-11)


@given(momentum=st.floats(0, 0.99), steps=st.integers(1, 30))
@at_most(max_examples=15)
def test_momentum_sums_a_geometric_series_under_a_constant_gradient(device, momentum, steps):
    """The velocity is g (1 - momentum^t) / (1 - momentum)."""
    found = after_constant_gradient(device, SGD, 3.0, steps, rate=0.1, momentum=momentum)
    series = math.fsum((1 - momentum**t) / (1 - momentum) for t in range(1, steps + 1))
    assert found == pytest.approx(-0.3 * series, rel=1e-11)


def after_constant_gradient(device, make, g, steps, **settings):
    params = parameters(device, np.zeros(1))
    optimizer = make(params, **settings)
    for _ in range(steps):
        optimizer.update(parameters(device, np.array([g])))
    return float(params.vector[0])


@pytest.mark.parametrize("make", [Adam, SGD], ids=lambda make: make.__name__)
def test_the_schedule_counts_updates_from_zero(make):
    """Steps of a constant gradient show the rate of each update; no momentum carries a rate over to the next."""
    params = parameters(CPU, np.zeros(1))
    optimizer = make(params, Step(1.0, 0.1, (2, 3)))
    seen = [0.0]
    for _ in range(5):
        optimizer.update(parameters(CPU, np.ones(1)))
        seen.append(float(params.vector[0]))
    np.testing.assert_allclose(-np.diff(seen), [1, 1, 0.1, 0.01, 0.01], rtol=1e-7)  # Adam's epsilon is 1e-8


def test_a_new_rate_holds_for_past_gradients_too():
    """The velocity is in units of the gradient: what is left of a first gradient moves by the rate of today."""
    params = parameters(CPU, np.zeros(1))
    optimizer = SGD(params, Step(1.0, 0.125, (1,)), momentum=0.5)
    optimizer.update(parameters(CPU, np.ones(1)))
    optimizer.update(parameters(CPU, np.zeros(1)))
    assert float(params.vector[0]) == -1 - 0.125 * 0.5


@on_each_optimizer
@in_each_dtype
@given(size=sizes, before=st.integers(0, 4), after=st.integers(1, 4), seed=seeds)
@at_most(max_examples=10)
def test_a_loaded_state_continues_bit_for_bit(kind, device, dtype, size, before, after, seed):
    rng = np.random.default_rng(seed)
    start, *gradients = (rng.standard_normal(size).astype(dtype) for _ in range(1 + before + after))
    params = parameters(device, start)
    settings = {"rate": Exponential(0.1, 0.01, 5), **dict.fromkeys(kind.decays, 0.9)}
    whole = kind.make(params, **settings)
    for gradient in gradients[:before]:
        whole.update(parameters(device, gradient))
    state = {name: part if name == "step" else part.copy() for name, part in whole.state().items()}
    resumed = kind.make(parameters(device, to_numpy(params.vector).copy()), **settings)
    resumed.load_state(state)
    for gradient in gradients[before:]:
        whole.update(parameters(device, gradient))
        resumed.update(parameters(device, gradient))
    assert_same(resumed.parameters.vector, params.vector)
    assert resumed.step == before + after
    assert set(state) == {"step", *kind.make.moments}
    for name in kind.make.moments:
        assert_same(resumed.state()[name], whole.state()[name])


@on_each_optimizer
@in_each_dtype
def test_moments_end_at_zero_and_never_become_subnormal(kind, device, dtype):
    """A unit that stops firing: its moments must not linger where arithmetic is slow."""
    tiny = float(np.finfo(dtype).tiny)
    params = parameters(device, np.ones(3, dtype))
    optimizer = kind.make(params, 1e-3, **dict.fromkeys(kind.decays, 0.5))
    optimizer.update(parameters(device, np.array([1e3, -1e-3, 1e-15], dtype) * tiny**0.25))
    assert all(getattr(optimizer, name).any() for name in optimizer.moments)
    silence = parameters(device, np.zeros(3, dtype))
    for _ in range(1100):
        optimizer.update(silence)
        moments = [abs(to_numpy(getattr(optimizer, name))) for name in optimizer.moments]
        assert all(((moment == 0) | (moment >= tiny)).all() for moment in moments)
        if not any(moment.any() for moment in moments):
            break
    assert not any(moment.any() for moment in moments)
    assert np.isfinite(to_numpy(params.vector)).all()


@on_each_optimizer
@in_each_dtype
def test_a_parameter_without_gradient_stays(kind, device, dtype):
    params = parameters(device, np.ones(2, dtype))
    smallest = dict.fromkeys(kind.rest, float(np.finfo(dtype).tiny))
    optimizer = kind.make(params, 0.1, **dict.fromkeys(kind.decays, 0.0), **smallest)
    optimizer.update(parameters(device, np.array([0, 1], dtype)))
    assert float(params.vector[0]) == 1
    assert float(params.vector[1]) == pytest.approx(0.9)


@on_each_optimizer
@in_each_dtype
def test_a_nan_gradient_is_not_hidden(kind, device, dtype):
    params = parameters(device, np.ones(2, dtype))
    optimizer = kind.make(params, 0.1)
    optimizer.update(parameters(device, np.array([np.nan, 1], dtype)))
    for array in (params.vector, *(getattr(optimizer, name) for name in optimizer.moments)):
        np.testing.assert_array_equal(np.isnan(to_numpy(array)), [True, False])


@pytest.mark.parametrize("number", [np.float32, np.float64, int])
@on_each_optimizer
def test_numpy_scalars_as_settings_change_no_dtype(kind, device, number):
    """A NumPy float64 among the settings would promote float32 arrays."""
    plain, other = (parameters(device, np.ones(3, np.float32)) for _ in range(2))
    gradient = parameters(device, np.array([1, -2, 3], np.float32))
    for params, of in ((plain, float), (other, number)):
        settings = {**dict.fromkeys(kind.decays, of(0)), **dict.fromkeys(kind.rest, of(1))}
        optimizer = kind.make(params, of(1), **settings)
        optimizer.update(gradient)
        assert all(getattr(optimizer, name).dtype == np.float32 for name in optimizer.moments)
    assert_same(other.vector, plain.vector)


@pytest.mark.slow
@on_each_optimizer
@in_each_dtype
def test_a_gradient_that_must_not_be_written_is_taken(kind, dtype):
    values = np.array([1, -2, 3], dtype)
    results = []
    for writeable in (True, False):
        params, gradient = parameters(CPU, np.ones(3, dtype)), parameters(CPU, values)
        gradient.vector.flags.writeable = writeable
        kind.make(params, 0.1).update(gradient)
        np.testing.assert_array_equal(gradient.vector, values)
        results.append(params.vector)
    assert_same(*results)


BAD_DECAYS = [(1.0, "1.0"), (-0.1, "-0.1"), (math.nan, "nan")]
BAD_EPSILONS = [(0.0, "0.0"), (1e-50, "1e-50"), (math.nan, "nan"), (math.inf, "inf")]
BAD_RATES = [(-1, "-1.0"), (math.inf, "inf"), (math.nan, "nan")]


@on_each_optimizer
def test_an_optimizer_names_a_bad_setting(kind):
    bad = [(name, *case, r"a number in \[0, 1\)") for name in kind.decays for case in BAD_DECAYS]
    bad += [
        (name, *case, "a finite number of at least 1.18e-38 for float32") for name in kind.rest for case in BAD_EPSILONS
    ]
    bad += [("rate", *case, "a finite number that is not negative") for case in BAD_RATES]
    for name, value, shown, expected in bad:
        with pytest.raises(ValueError, match=f"^{name}: expected {expected}, got {shown}$"):
            kind.make(parameters(CPU, np.zeros(2, np.float32)), **{"rate": 1e-3, name: value})


@pytest.mark.parametrize("gradient", [np.zeros(3), np.zeros(1), np.zeros(2, np.float32)])
@on_each_optimizer
def test_a_gradient_of_another_shape_or_dtype_is_refused(kind, gradient):
    optimizer = kind.make(parameters(CPU, np.zeros(2)), 1e-3)
    with pytest.raises(ValueError, match=r"gradient: expected \(2,\) float64 like the parameters, got \("):
        optimizer.update(parameters(CPU, gradient))
    assert optimizer.step == 0


@on_each_optimizer
def test_an_unfit_state_is_refused_whole(kind):
    optimizer = kind.make(parameters(CPU, np.zeros(2)), 1e-3)
    fit = {**{name: np.ones(2) for name in optimizer.moments}, "step": 3}
    last = optimizer.moments[-1]
    for part, message in (
        ({last: np.zeros(1)}, rf"{last}: expected \(2,\) float64 like the parameters, got \(1,\) float64"),
        ({last: np.zeros(2, "f")}, rf"{last}: expected \(2,\) float64 like the parameters, got \(2,\) float32"),
        ({"step": -1}, "step: expected a count of updates, got -1"),
    ):
        with pytest.raises(ValueError, match=message):
            optimizer.load_state({**fit, **part})
        assert optimizer.step == 0
        assert not any(getattr(optimizer, name).any() for name in optimizer.moments)


LAYOUT = Layout({"a.weight": (2, 3), "a.bias": (3,), "empty": (0,), "b.weight": (3, 1), "b.bias": (1,), "scale": ()})
chosen_names = st.lists(st.sampled_from(sorted(LAYOUT.shapes)), unique=True)


@in_each_dtype
@given(seed=seeds, coefficient=st.floats(0, 10), chosen=chosen_names)
@at_most(max_examples=20)
def test_l2_adds_the_gradient_of_its_penalty_to_the_named_parameters(device, dtype, seed, coefficient, chosen):
    rng = np.random.default_rng(seed)
    params, gradient = (Parameters(LAYOUT, normal(device, rng, (LAYOUT.size,), dtype)) for _ in range(2))
    before = {name: value.copy() for name, value in gradient.items()}
    weights = params.vector.copy()
    add_l2(gradient, params, np.float64(coefficient), chosen)
    assert_same(params.vector, weights)
    for name in LAYOUT.shapes:
        if name in chosen:
            exact = to_numpy(before[name]).astype(np.float64) + coefficient * to_numpy(params[name])
            size = 10 * np.finfo(dtype).eps * (1 + abs(exact))
            assert (abs(to_numpy(gradient[name]) - exact) <= size * (1 + coefficient)).all()
        else:
            assert_same(gradient[name], before[name])


@in_each_dtype
@given(seed=seeds, bound=st.floats(0, 2), chosen=st.none() | chosen_names)
@at_most(max_examples=20)
def test_clip_moves_the_named_parameters_to_the_bound_and_leaves_the_rest(device, dtype, seed, bound, chosen):
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(LAYOUT.size).astype(dtype)
    values[rng.integers(0, LAYOUT.size, 3)] = math.inf, -math.inf, math.nan
    params, before = (Parameters(LAYOUT, device.put(values.copy())) for _ in range(2))
    clip(params, np.float64(bound), chosen)
    for name in LAYOUT.shapes:
        if chosen is None or name in chosen:
            nearest = dtype(bound)  # the bound that the dtype has
            clipped = [w if math.isnan(w) else min(max(w, -nearest), nearest) for w in to_numpy(before[name]).flat]
            expected = np.array(clipped, dtype).reshape(LAYOUT.shapes[name])
            np.testing.assert_array_equal(to_numpy(params[name]), expected)
        else:
            assert_same(params[name], before[name])


@pytest.mark.parametrize(
    ("chosen", "runs"),
    [
        (["scale", "b.weight", "b.bias"], [5]),
        (["a.weight", "b.weight"], [6, 3]),
        (["b.weight", "a.weight", "empty", "a.bias"], [12]),
        (["scale", "scale"], [1]),
        ([], []),
    ],
)
def test_parameters_next_to_each_other_are_one_pass(chosen, runs, monkeypatch):
    seen = []
    monkeypatch.setattr(nets.optimizers, "l2", lambda gradient, *rest: seen.append(gradient.size))
    monkeypatch.setattr(nets.optimizers, "clamp", lambda weights, bound: seen.append(weights.size))
    params = Parameters(LAYOUT, np.zeros(LAYOUT.size))
    add_l2(params, params, 1.0, chosen)
    clip(params, 1.0, chosen)
    assert seen == 2 * runs


def test_without_names_the_whole_vector_is_clipped_in_one_pass(monkeypatch):
    seen = []
    monkeypatch.setattr(nets.optimizers, "clamp", lambda weights, bound: seen.append(weights.size))
    clip(Parameters(LAYOUT, np.zeros(LAYOUT.size)), 1.0)
    assert seen == [LAYOUT.size]


@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf])
def test_l2_and_clip_name_a_bad_number(bad):
    params = parameters(CPU, np.zeros(2))
    with pytest.raises(ValueError, match=f"^coefficient: expected a finite number that is not negative, got {bad}$"):
        add_l2(params, params, bad, ["weight"])
    with pytest.raises(ValueError, match=f"^bound: expected a finite number that is not negative, got {bad}$"):
        clip(params, bad)


def test_l2_and_clip_change_nothing_where_a_name_is_unknown():
    params = parameters(CPU, np.ones(2))
    for names in (["wieght"], ["weight", "wieght"]):
        with pytest.raises(KeyError, match="wieght"):
            add_l2(params, params, 1.0, names)
        with pytest.raises(KeyError, match="wieght"):
            clip(params, 0.5, names)
    np.testing.assert_array_equal(params.vector, 1)


@pytest.mark.parametrize("gradient", [np.zeros(3), np.zeros(2, np.float32)])
def test_l2_refuses_a_gradient_of_another_shape_or_dtype(gradient):
    with pytest.raises(ValueError, match=r"gradient: expected \(2,\) float64 like the parameters, got \("):
        add_l2(parameters(CPU, gradient), parameters(CPU, np.zeros(2)), 1.0, ["weight"])


RATE = ScheduleConfig(start=0.1, end=0.01)


def player(device, **settings):
    network = Network(Linear(2, 3, Tanh()))
    params = Parameters(network.layout, device.put(np.linspace(-1, 1, network.layout.size)))
    return Player(network, params, OptimizerConfig(RATE, **settings), updates=10)


@pytest.mark.parametrize(
    ("make", "settings"),
    [
        (Adam, {}),
        (Adam, {"kind": "adam", "beta1": 0.5, "beta2": 0.6, "epsilon": 1e-3}),
        (RMSprop, {"kind": "rmsprop", "decay": 0.7, "epsilon": 1e-3}),
        (SGD, {"kind": "sgd", "momentum": 0.8}),
    ],
)
def test_a_player_updates_by_the_optimizer_that_its_configuration_names(device, make, settings):
    one, resumed = player(device, l2=0.1, **settings), player(device, l2=0.1, **settings)
    other = player(device).params
    settings.pop("kind", None)
    optimizer = make(other, Exponential(0.1, 0.01, 10), **settings)
    for seed in range(3):
        values = normal(device, np.random.default_rng(seed), other.vector.shape, np.float64)
        gradients = [Parameters(other.layout, values.copy()) for _ in range(2)]
        add_l2(gradients[1], other, 0.1, ["weight"])
        optimizer.update(gradients[1])
        state = one.state()
        host = {name: part if name == "step" else to_numpy(part).copy() for name, part in state["optimizer"].items()}
        parameters = {name: to_numpy(part).copy() for name, part in state["parameters"].items()}
        resumed.load_state({"parameters": parameters, "optimizer": host}, device.put)
        for p in (resumed, one):
            p.update(Parameters(other.layout, gradients[0].vector.copy()))
            assert_same(p.params.vector, other.vector)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "rmsprop", "beta1": 0.5}, "beta1: expected with the kind adam only, got 0.5 with rmsprop"),
        ({"kind": "sgd", "beta2": 0.5}, "beta2: expected with the kind adam only, got 0.5 with sgd"),
        ({"decay": 0.5}, "decay: expected with the kind rmsprop only, got 0.5 with adam"),
        ({"momentum": 0.5}, "momentum: expected with the kind sgd only, got 0.5 with adam"),
        ({"kind": "sgd", "epsilon": 1e-3}, "epsilon: expected with the kind adam or rmsprop only, got 0.001 with sgd"),
        ({"kind": "sgd", "momentum": 1.0}, r"momentum: expected a number in \[0, 1\), got 1.0"),
        ({"kind": "rmsprop", "decay": -0.1}, r"decay: expected a number in \[0, 1\), got -0.1"),
        ({"kind": "rmsprop", "epsilon": 0.0}, "epsilon: expected a positive number, got 0.0"),
    ],
)
def test_a_player_s_configuration_names_a_bad_setting(settings, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        OptimizerConfig(RATE, **settings)
