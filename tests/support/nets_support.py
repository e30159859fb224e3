"""What the tests of ``nets`` share: dtypes, activations, and finite differences."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from coulombfield.arrays import Array, Device, select_device, to_numpy
from coulombfield.calculus import best_step, difference_tolerance, directional_derivative
from nets.layers.activations import Activation
from validation.gradients.layers import ACTIVATIONS as SAMPLES

CPU = select_device("cpu")
in_each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])

seeds = st.integers(0, 2**32 - 1)
counts = st.integers(1, 6)

ACTIVATIONS: dict[str, Callable[[], Activation]] = {sample.name: sample.make for sample in SAMPLES}
each_activation = pytest.mark.parametrize("make", ACTIVATIONS.values(), ids=ACTIVATIONS.keys())

STEP = best_step(np.float64)


def normal(device: Device, rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> Array:
    """Standard normal numbers on the device."""
    return device.put(rng.standard_normal(shape).astype(dtype))


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
