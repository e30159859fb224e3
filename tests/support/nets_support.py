"""What the tests of ``nets`` share: devices, a table of all layers, and finite differences."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import assume
from hypothesis import strategies as st

from coulombfield.arrays import Array, Device, select_device, to_numpy
from coulombfield.calculus import best_step, difference_tolerance, directional_derivative
from nets.layers.activations import ELU, Activation, Identity, LeakyReLU, ReLU, ScaledTanh, Tanh
from nets.layers.base import Layer
from nets.layers.linear import Linear
from nets.layers.scale import Scale
from nets.network import Network
from nets.parameters import Parameters


def _devices() -> Iterator[Device]:
    cpu = select_device("cpu")
    yield cpu
    best = select_device("auto", report=lambda reason: None)
    if best.xp is not cpu.xp:
        yield best


DEVICES = list(_devices())
on_each_device = pytest.mark.parametrize("device", DEVICES, ids=lambda device: device.xp.__name__)
in_each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])

seeds = st.integers(0, 2**32 - 1)
counts = st.integers(1, 6)

ACTIVATIONS: dict[str, Callable[[], Activation]] = {
    "identity": Identity,
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "steep_leaky_relu": lambda: LeakyReLU(0.75),
    "elu": ELU,
    "tanh": Tanh,
    "scaled_tanh": ScaledTanh,
}

LAYERS: dict[str, Callable[[int, int], Layer]] = {
    **{name: lambda fan_in, fan_out, make=make: make() for name, make in ACTIVATIONS.items()},
    **{
        f"linear_{name}": lambda fan_in, fan_out, make=make: Linear(fan_in, fan_out, make())
        for name, make in ACTIVATIONS.items()
    },
    "linear_without_bias": lambda fan_in, fan_out: Linear(fan_in, fan_out, Tanh(), bias=None),
    "scale": lambda fan_in, fan_out: Scale(-1.5),
}
"""Every layer, made for an input of width ``fan_in``; a layer that has a choice gives ``fan_out``."""

each_layer = pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS.keys())
each_activation = pytest.mark.parametrize("make", ACTIVATIONS.values(), ids=ACTIVATIONS.keys())

STEP = best_step(np.float64)
KINK_MARGIN = 16 * STEP


class Case(NamedTuple):
    """A layer as a network, with arguments drawn from a seed."""

    network: Network
    params: Parameters
    x: Array
    dy: Array
    rng: np.random.Generator


def draw_case(
    device: Device, make: Callable[[int, int], Layer], fan_in: int, fan_out: int, batch: int, seed: int, dtype: Any
) -> Case:
    """Parameters, x and dy from N(0, 1): biases too, so that none is 0."""
    rng = np.random.default_rng(seed)
    network = Network(make(fan_in, fan_out))
    params = Parameters(network.layout, normal(device, rng, (network.layout.size,), dtype))
    x = normal(device, rng, (batch, fan_in), dtype)
    y, _ = network.forward(params, x)
    return Case(network, params, x, normal(device, rng, y.shape, dtype), rng)


def normal(device: Device, rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> Array:
    """Standard normal numbers on the device."""
    return device.put(rng.standard_normal(shape).astype(dtype))


def stay_off_kinks(case: Case) -> None:
    """Reject a case in which a central difference would step over the kink of an activation at 0."""
    u = to_numpy(case.x)
    layer = case.network.body
    if isinstance(layer, Linear):
        u = u @ to_numpy(case.params["weight"])
        u += to_numpy(case.params["bias"]) if "bias" in case.params else 0
    assume(abs(u).min() > KINK_MARGIN * (1 + abs(u).max()))


def dot(a: Array, b: Array) -> float:
    """Inner product in float64."""
    return math.fsum((to_numpy(a).astype(np.float64) * to_numpy(b).astype(np.float64)).ravel())


def assert_derivative(value: Callable[[float], Array], weights: Array, exact: float, truncation: float) -> None:
    """Check d/dt of ``sum(weights * value(t))`` at t = 0 against a central difference.

    ``truncation`` is the third derivative of the value along the direction, relative to the value's size.
    """
    difference = directional_derivative(lambda t: dot(weights, value(t)), 0.0, 1.0, STEP)
    size = magnitude((weights, value(0.0))) + abs(exact)
    assert abs(difference - exact) <= difference_tolerance(size, STEP, np.float64, truncation=truncation)


def magnitude(*pairs: tuple[Array, Array]) -> float:
    """Sum of the absolute terms of several inner products: their size before cancellation."""
    return sum(dot(abs(a), abs(b)) for a, b in pairs)


def assert_same(a: Array | None, b: Array | None) -> None:
    """Equal to the last bit, dtype and library."""
    assert type(a) is type(b)
    if a is not None and b is not None:
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(to_numpy(a), to_numpy(b))


def assert_near(a: Array, b: Array, terms: int = 1) -> None:
    """Equal within the rounding of ``terms`` additions of numbers as large as the largest in ``b``."""
    assert a.dtype == b.dtype
    a, b = to_numpy(a), to_numpy(b)
    scale = max(1.0, float(abs(b).max(initial=0)))
    np.testing.assert_allclose(a, b, rtol=0, atol=(4 + terms) * np.finfo(b.dtype).eps * scale)
