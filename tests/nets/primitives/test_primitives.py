"""Every primitive, in every version, library and dtype, against its reference in float64."""

import importlib
import inspect
import pkgutil
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from primitive_samples import SAMPLES

import coulombfield
import nets
import nets.primitives.shares
from coulombfield.arrays import Primitive
from coulombfield.calculus import machine_epsilon

for package in (coulombfield, nets):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)


def as_tuple(results):
    return results if isinstance(results, tuple) else (results,)


def convert(arguments, function):
    return [function(argument) if isinstance(argument, np.ndarray) else argument for argument in arguments]


def test_every_primitive_has_a_sample():
    assert set(SAMPLES) == set(Primitive.registry)


@pytest.mark.slow
@pytest.mark.parametrize("library", ["numpy", "cupy"], indirect=True)
@pytest.mark.parametrize("chosen", ["fastest", "reference"])
@pytest.mark.parametrize("name", sorted(Primitive.registry))
@given(seed=st.integers(0, 2**32 - 1))
def test_a_primitive_gives_what_its_float64_reference_gives(library, dtype, name, chosen, seed):
    primitive = Primitive.registry[name]
    arguments = convert(SAMPLES[name](np.random.default_rng(seed)), lambda x: x.astype(dtype))
    expected = as_tuple(primitive.reference(*convert(arguments, lambda x: x.astype("float64"))))
    function = primitive if chosen == "fastest" else primitive.reference
    found = as_tuple(function(*convert(arguments, lambda x: library.put(x.copy()))))
    assert len(found) == len(expected)
    for result, reference in zip(found, expected, strict=True):
        values = library.get(result)
        assert values.dtype == dtype
        assert values.shape == reference.shape
        # Samples give results of order 1 from some ten operations; an elementary function adds a few units.
        assert np.all(np.abs(values - reference) <= 32 * machine_epsilon(dtype) * np.maximum(1, np.abs(reference)))


def one_by_one(work, count):
    """In place of ``share``: as many parts as there can be, from the last to the first."""
    for i in reversed(range(count)):
        work(i, i + 1)


SHARED = [
    name
    for name, primitive in Primitive.registry.items()
    if vars(inspect.getmodule(primitive.reference)).keys() & {"share_numbers", "share_rows"}
]


@pytest.mark.parametrize("name", sorted(SHARED))
@given(seed=st.integers(0, 2**32 - 1))
def test_any_number_of_threads_gives_the_same_bits(dtype, name, seed):
    arguments = convert(SAMPLES[name](np.random.default_rng(seed)), lambda x: x.astype(dtype))
    whole = as_tuple(Primitive.registry[name](*convert(arguments, np.copy)))
    with mock.patch.multiple(nets.primitives.shares, WORTH=0, share=one_by_one):
        parts = as_tuple(Primitive.registry[name](*convert(arguments, np.copy)))
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_a_sample_is_changed_by_its_primitive(name):
    """A sample that doing nothing would pass tests nothing."""
    arguments = SAMPLES[name](np.random.default_rng(0))
    results = as_tuple(Primitive.registry[name].reference(*convert(arguments, np.copy)))
    assert not any(np.array_equal(results[0], x) for x in arguments if isinstance(x, np.ndarray))
