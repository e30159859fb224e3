"""Adam and weight decay, against the paper's algorithm in plain Python and in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nets_support import DEVICES, assert_same, in_each_dtype, normal, on_each_device, seeds

from coulombfield.arrays import to_numpy
from nets.optimizers import Adam, add_l2
from nets.parameters import Layout, Parameters
from nets.schedules import Exponential, Step

CPU = DEVICES[0]
sizes = st.integers(1, 40)


def parameters(device, values):
    return Parameters(Layout({"weight": values.shape}), device.put(values.copy()))


def textbook_adam(theta, gradients, rate, beta1, beta2, epsilon):
    """Algorithm 1 of Kingma & Ba (2015), one parameter in float64; t counts from 1 there.

    Also returns the size of all terms that were added to it: its steps with every gradient taken as positive in m.
    """
    m = v = positive_m = 0.0
    size = abs(theta)
    for t, g in enumerate(gradients, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        denominator = math.sqrt(v / (1 - beta2**t)) + epsilon
        theta -= rate(t - 1) * (m / (1 - beta1**t)) / denominator
        positive_m = beta1 * positive_m + (1 - beta1) * abs(g)
        size += rate(t - 1) * (positive_m / (1 - beta1**t)) / denominator
    return theta, size


@on_each_device
@in_each_dtype
@given(
    steps=st.integers(1, 12),
    beta1=st.floats(0, 0.99),
    beta2=st.floats(0, 0.9999),
    scale=st.floats(-8, 8),
    seed=seeds,
)
@settings(max_examples=15)
def test_adam_is_algorithm_1(device, dtype, steps, beta1, beta2, scale, seed):
    rng = np.random.default_rng(seed)
    rate = Exponential(0.1, 0.01, 10)
    start = rng.standard_normal(20).astype(dtype)
    gradients = (rng.standard_normal((steps, 20)) * 10**scale).astype(dtype)
    params = parameters(device, start)
    optimizer = Adam(params, rate, beta1=beta1, beta2=beta2, epsilon=1e-6)
    for gradient in gradients:
        optimizer.update(parameters(device, gradient))
    columns = [[float(g) for g in column] for column in gradients.T]
    textbook = [textbook_adam(float(p), g, rate, beta1, beta2, 1e-6) for p, g in zip(start, columns, strict=True)]
    expected, size = np.transpose(textbook)
    # Some ten roundings a step, and those of the moments add up over the steps.
    tolerance = (10 + 4 * steps) * np.finfo(dtype).eps * size
    assert (abs(to_numpy(params.vector) - expected) <= tolerance).all()


@on_each_device
@given(magnitude=st.floats(-3, 3), rate=st.floats(1e-4, 1), steps=st.integers(1, 30))
@settings(max_examples=15)
def test_a_constant_gradient_moves_by_the_rate_at_every_step(device, magnitude, rate, steps):
    """Bias correction is exact there: m / c1 is g and v / c2 is g**2, so that each step is rate g / (|g| + eps)."""
    g, epsilon = 10**magnitude, 1e-4
    params = parameters(device, np.zeros(1))
    optimizer = Adam(params, rate, epsilon=epsilon)
    for _ in range(steps):
        optimizer.update(parameters(device, np.array([g])))
    assert float(params.vector[0]) == pytest.approx(-steps * rate * g / (g + epsilon), rel=1e-11)


def test_the_schedule_counts_updates_from_zero():
    """Steps of a constant gradient show the rate of each update."""
    params = parameters(CPU, np.zeros(1))
    optimizer = Adam(params, Step(1.0, 0.1, (2, 3)), epsilon=1e-12)
    seen = [0.0]
    for _ in range(5):
        optimizer.update(parameters(CPU, np.ones(1)))
        seen.append(float(params.vector[0]))
    np.testing.assert_allclose(-np.diff(seen), [1, 1, 0.1, 0.01, 0.01], rtol=1e-9)


@on_each_device
@in_each_dtype
@given(size=sizes, before=st.integers(0, 4), after=st.integers(1, 4), seed=seeds)
@settings(max_examples=10)
def test_a_loaded_state_continues_bit_for_bit(device, dtype, size, before, after, seed):
    rng = np.random.default_rng(seed)
    start, *gradients = (rng.standard_normal(size).astype(dtype) for _ in range(1 + before + after))
    params = parameters(device, start)
    rate = Exponential(0.1, 0.01, 5)
    whole = Adam(params, rate)
    for gradient in gradients[:before]:
        whole.update(parameters(device, gradient))
    state = {name: part if name == "step" else part.copy() for name, part in whole.state().items()}
    resumed = Adam(parameters(device, to_numpy(params.vector).copy()), rate)
    resumed.load_state(state)
    for gradient in gradients[before:]:
        whole.update(parameters(device, gradient))
        resumed.update(parameters(device, gradient))
    assert_same(resumed.parameters.vector, params.vector)
    assert resumed.step == before + after
    for name in ("mean", "square"):
        assert_same(resumed.state()[name], whole.state()[name])


@on_each_device
@in_each_dtype
def test_moments_end_at_zero_and_never_become_subnormal(device, dtype):
    """A unit that stops firing: its moments must not linger where arithmetic is slow."""
    tiny = float(np.finfo(dtype).tiny)
    params = parameters(device, np.ones(3, dtype))
    optimizer = Adam(params, 1e-3, beta1=0.5, beta2=0.5)
    optimizer.update(parameters(device, np.array([1e3, -1e-3, 1e-15], dtype) * tiny**0.25))
    silence = parameters(device, np.zeros(3, dtype))
    for _ in range(1100):
        optimizer.update(silence)
        for moment in (optimizer.mean, optimizer.square):
            moment = abs(to_numpy(moment))
            assert ((moment == 0) | (moment >= tiny)).all()
        if not (optimizer.mean.any() or optimizer.square.any()):
            break
    assert not optimizer.mean.any()
    assert not optimizer.square.any()
    assert np.isfinite(to_numpy(params.vector)).all()


@on_each_device
@in_each_dtype
def test_a_parameter_without_gradient_stays(device, dtype):
    params = parameters(device, np.ones(2, dtype))
    optimizer = Adam(params, 0.1, epsilon=float(np.finfo(dtype).tiny))
    optimizer.update(parameters(device, np.array([0, 1], dtype)))
    assert float(params.vector[0]) == 1
    assert float(params.vector[1]) == pytest.approx(0.9)


@on_each_device
@in_each_dtype
def test_a_nan_gradient_is_not_hidden(device, dtype):
    params = parameters(device, np.ones(2, dtype))
    optimizer = Adam(params, 0.1)
    optimizer.update(parameters(device, np.array([np.nan, 1], dtype)))
    for array in (params.vector, optimizer.mean, optimizer.square):
        np.testing.assert_array_equal(np.isnan(to_numpy(array)), [True, False])


@pytest.mark.parametrize("number", [np.float32, np.float64, int])
@on_each_device
def test_numpy_scalars_as_settings_change_no_dtype(device, number):
    """A NumPy float64 among the settings would promote float32 arrays."""
    plain, other = (parameters(device, np.ones(3, np.float32)) for _ in range(2))
    gradient = parameters(device, np.array([1, -2, 3], np.float32))
    for params, kind in ((plain, float), (other, number)):
        Adam(params, kind(1), beta1=kind(0), beta2=kind(0), epsilon=kind(1)).update(gradient)
    assert_same(other.vector, plain.vector)


@on_each_device
@in_each_dtype
@given(seed=seeds, coefficient=st.floats(0, 10))
@settings(max_examples=10)
def test_l2_adds_the_gradient_of_its_penalty_to_the_named_parameters(device, dtype, seed, coefficient):
    layout = Layout({"a.weight": (2, 3), "a.bias": (3,), "b.weight": (3, 1)})
    rng = np.random.default_rng(seed)
    params, gradient = (Parameters(layout, normal(device, rng, (layout.size,), dtype)) for _ in range(2))
    before = {name: value.copy() for name, value in gradient.items()}
    add_l2(gradient, params, np.float64(coefficient), ["a.weight"])
    exact = to_numpy(before["a.weight"]).astype(np.float64) + coefficient * to_numpy(params["a.weight"])
    size = 10 * np.finfo(dtype).eps * (1 + abs(exact))
    assert (abs(to_numpy(gradient["a.weight"]) - exact) <= size * (1 + coefficient)).all()
    for name in ("a.bias", "b.weight"):
        assert_same(gradient[name], before[name])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"beta1": 1.0}, r"beta1: expected a number in \[0, 1\), got 1.0"),
        ({"beta2": -0.1}, r"beta2: expected a number in \[0, 1\), got -0.1"),
        ({"beta2": math.nan}, r"beta2: expected a number in \[0, 1\), got nan"),
        ({"epsilon": 0.0}, "epsilon: expected a finite number of at least 1.18e-38 for float32, got 0.0"),
        ({"epsilon": 1e-50}, "epsilon: expected a finite number of at least 1.18e-38 for float32, got 1e-50"),
        ({"epsilon": math.nan}, "epsilon: expected a finite number .* got nan"),
        ({"rate": -1}, "rate: expected a finite number that is not negative, got -1.0"),
        ({"rate": math.inf}, "rate: expected a finite number that is not negative, got inf"),
    ],
)
def test_adam_names_a_bad_setting(settings, message):
    with pytest.raises(ValueError, match=message):
        Adam(parameters(CPU, np.zeros(2, np.float32)), **{"rate": 1e-3, **settings})


@pytest.mark.parametrize("gradient", [np.zeros(3), np.zeros(1), np.zeros(2, np.float32)])
def test_a_gradient_of_another_shape_or_dtype_is_refused(gradient):
    optimizer = Adam(parameters(CPU, np.zeros(2)), 1e-3)
    with pytest.raises(ValueError, match=r"gradient: expected \(2,\) float64 like the parameters, got \("):
        optimizer.update(parameters(CPU, gradient))
    assert optimizer.step == 0


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"mean": np.zeros(1)}, r"mean: expected \(2,\) float64 like the parameters, got \(1,\) float64"),
        ({"square": np.zeros(2, "f")}, r"square: expected \(2,\) float64 like the parameters, got \(2,\) float32"),
        ({"step": -1}, "step: expected a count of updates, got -1"),
    ],
)
def test_an_unfit_state_is_refused_whole(part, message):
    optimizer = Adam(parameters(CPU, np.zeros(2)), 1e-3)
    with pytest.raises(ValueError, match=message):
        optimizer.load_state({"mean": np.ones(2), "square": np.ones(2), "step": 3, **part})
    assert optimizer.step == 0
    assert not optimizer.mean.any()


def test_l2_names_a_bad_argument():
    params = parameters(CPU, np.zeros(2))
    for bad in (-1.0, math.nan):
        with pytest.raises(ValueError, match=f"coefficient: expected a finite number that is not negative, got {bad}"):
            add_l2(params, params, bad, ["weight"])
    with pytest.raises(KeyError, match="wieght"):
        add_l2(params, params, 1.0, ["wieght"])
