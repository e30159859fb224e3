"""The flat parameter vector: its layout, its named views and its children."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nets_support import assert_same, in_each_dtype, seeds

from coulombfield.arrays import to_numpy
from nets.parameters import Layout, Parameters

shapes = st.lists(st.lists(st.integers(0, 4), min_size=0, max_size=3).map(tuple), min_size=1, max_size=5)


@in_each_dtype
@given(shapes=shapes)
@settings(max_examples=20)
def test_views_cover_the_vector_once_in_order(device, dtype, shapes):
    layout = Layout({f"layer.{i}": shape for i, shape in enumerate(shapes)})
    params = Parameters(layout, device.put(np.arange(layout.size, dtype=dtype)))
    assert layout.size == sum(math.prod(shape) for shape in shapes)
    assert [params[name].shape for name in params] == shapes
    assert len(params) == len(shapes)
    if layout.size:
        joined = device.xp.concatenate([view.ravel() for view in params.values()])
        assert_same(joined, params.vector)


@given(shapes=shapes, seed=seeds)
@settings(max_examples=10)
def test_writing_to_a_view_writes_to_the_vector_and_the_other_way_round(device, shapes, seed):
    layout = Layout({str(i): shape for i, shape in enumerate(shapes)})
    params = Parameters(layout, device.xp.zeros(layout.size, np.float32))
    value = device.put(np.random.default_rng(seed).standard_normal(layout.size).astype(np.float32))
    for name, piece in layout.slices.items():
        params[name][...] = value[piece].reshape(layout.shapes[name])
    assert_same(params.vector, value)
    params.vector[...] = 7
    assert all((to_numpy(view) == 7).all() for view in params.values())


def test_a_child_shares_the_memory_and_drops_the_prefix(device):
    layout = Layout({"0.weight": (2, 3), "0.bias": (3,), "1.inner.weight": (3, 1), "10.weight": (2,)})
    params = Parameters(layout, device.put(np.arange(14.0)))
    child = params.child("1")
    assert list(child) == ["inner.weight"]
    assert list(params.child("0")) == ["weight", "bias"]
    assert_same(child.child("inner")["weight"], params["1.inner.weight"])
    child["inner.weight"][...] = -1
    np.testing.assert_array_equal(to_numpy(params.vector), [*range(9), -1, -1, -1, 12, 13])
    assert params.child("1") is child


def test_a_layer_without_parameters_has_an_empty_child():
    params = Parameters(Layout({"0.weight": (2,)}), np.zeros(2))
    assert list(params.child("1")) == []
    assert params.child("1").vector.shape == (0,)


def test_a_child_in_pieces_is_refused():
    params = Parameters(Layout({"a.x": (2,), "b.x": (1,), "a.y": (2,)}), np.zeros(5))
    with pytest.raises(ValueError, match="prefix: the parameters of 'a' do not lie next to each other"):
        params.child("a")


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        (np.zeros(5), r"vector: expected shape \(6,\), got \(5,\)"),
        (np.zeros((2, 3)), r"vector: expected shape \(6,\), got \(2, 3\)"),
        (np.zeros(12)[::2], "vector: expected contiguous memory, got a strided view"),
    ],
)
def test_an_unfit_vector_is_refused(vector, message):
    with pytest.raises(ValueError, match=message):
        Parameters(Layout({"weight": (2, 3)}), vector)


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        (np.zeros(6, int), "vector: expected float32 or float64, got int64"),
        (np.zeros(6, np.float16), "vector: expected float32 or float64, got float16"),
        (np.ma.masked_array(np.zeros(6)), "vector: expected a plain array, got MaskedArray; fill or compress it first"),
        ([0.0] * 6, "vector: expected an array, got list"),
    ],
)
def test_what_is_no_array_of_floats_is_refused(vector, message):
    with pytest.raises(TypeError, match=message):
        Parameters(Layout({"weight": (2, 3)}), vector)


def test_read_only_parameters_give_read_only_views():
    vector = np.zeros(6)
    vector.flags.writeable = False
    assert not Parameters(Layout({"weight": (2, 3)}), vector)["weight"].flags.writeable
