"""Batch-norms over several processes are those of the whole batch, in passes of first and second order."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nets_support import seeds

from nets.layers.activations import ELU, LeakyReLU
from nets.layers.batchnorm import BatchNorm
from nets.layers.linear import Linear
from nets.layers.placenorm import PlaceNorm
from nets.layers.reshape import Flatten
from nets.network import Network, Sequential
from nets.penalties import gradient_penalty
from nets.running import has_batch_norm, in_groups_of, over_processes, update_running

LAYERS = {
    "BatchNorm": lambda: BatchNorm(3, LeakyReLU(0.2), running=True),
    "BatchNorm, curved": lambda: BatchNorm(3, ELU()),
    "PlaceNorm": lambda: PlaceNorm(2, 3, LeakyReLU(0.2)),
}
CLOSE = {"rtol": 1e-11, "atol": 1e-12}


class Company:
    """As many threads as there are parts, which exchange arrays as processes do."""

    def __init__(self, counts):
        self.weights = tuple(count / sum(counts) for count in counts)
        self.barrier, self.arrays = threading.Barrier(len(counts), timeout=60), [None] * len(counts)

    def member(self, rank):
        return Member(self, rank)

    def each(self, work):
        """Results of ``work(rank)`` on all of them at once."""
        with ThreadPoolExecutor(len(self.weights)) as pool:
            return list(pool.map(work, range(len(self.weights))))


class Member:
    def __init__(self, company, rank):
        self.company, self.rank, self.weights = company, rank, company.weights

    def gathered(self, array):
        self.company.arrays[self.rank] = array
        self.company.barrier.wait()
        everyone = np.stack(self.company.arrays)
        self.company.barrier.wait()
        return everyone


def parts_of(array, counts, kinds):
    """Each process's samples of every kind, one kind after the other."""
    whole = np.split(array, kinds)
    bounds = np.cumsum([0, *counts])
    return [np.concatenate([kind[a:b] for kind in whole]) for a, b in itertools.pairwise(bounds)]


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS.keys())
@given(counts=st.lists(st.integers(1, 4), min_size=2, max_size=3), kinds=st.integers(1, 2), seed=seeds)
@settings(max_examples=8)
def test_parts_pass_forward_and_back_as_the_whole_batch(make, counts, kinds, seed):
    """From gradients of means over a process's own samples, which are those over all times its share's inverse."""
    rng, alone = np.random.default_rng(seed), Network(Sequential([make()]))
    params, company, whole = alone.initialize(rng, np.float64), Company(counts), sum(counts)
    params.vector += 0.1 * rng.standard_normal(params.vector.size)
    x, dy = rng.standard_normal((2, kinds * whole, 2, 3))
    x += 50.0
    grouped = in_groups_of(alone, whole)
    expected, cache = grouped.forward(params, x)
    dx, gradient = grouped.backward(params, cache, dy)
    xs, dys, dxs = (parts_of(array, counts, kinds) for array in (x, dy, dx))

    def passes(rank):
        network = over_processes(in_groups_of(alone, counts[rank]), company.member(rank))
        y, of_part = network.forward(params, xs[rank].copy())
        return y, *network.backward(params, of_part, dys[rank] / company.weights[rank])

    found = company.each(passes)
    for (y, dx_of_part, _), y_of_all, dx_of_all, weight in zip(
        found, parts_of(expected, counts, kinds), dxs, company.weights, strict=True
    ):
        np.testing.assert_allclose(y, y_of_all, **CLOSE)
        np.testing.assert_allclose(dx_of_part * weight, dx_of_all, **CLOSE)
    mean = sum(weight * part.vector for (_, _, part), weight in zip(found, company.weights, strict=True))
    np.testing.assert_allclose(mean, gradient.vector, **CLOSE)


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS.keys())
@given(samples=st.integers(2, 4), processes=st.integers(2, 3), seed=seeds)
@settings(max_examples=5)
def test_a_gradient_penalty_over_equal_parts_is_that_of_the_whole_batch(make, samples, processes, seed):
    rng, counts = np.random.default_rng(seed), [samples] * processes
    alone = Network(Sequential([make(), Flatten(), Linear(6, 1)]))
    params, company = alone.initialize(rng, np.float64), Company(counts)
    x = rng.standard_normal((sum(counts), 2, 3))
    value, gradient = gradient_penalty(alone, params, x)

    def penalty(rank):
        network = over_processes(in_groups_of(alone, samples), company.member(rank))
        return gradient_penalty(network, params, parts_of(x, counts, 1)[rank])

    found = company.each(penalty)
    np.testing.assert_allclose(np.mean([float(part) for part, _ in found]), value, **CLOSE)
    np.testing.assert_allclose(np.mean([part.vector for _, part in found], axis=0), gradient.vector, **CLOSE)


def test_running_statistics_are_those_of_all_parts():
    rng, counts = np.random.default_rng(0), [2, 5]
    alone = Network(Sequential([LAYERS["BatchNorm"]()]))
    x, company = rng.standard_normal((7, 4, 3)), Company(counts)
    expected = alone.initialize(rng, np.float64)
    update_running(alone, expected, alone.forward(expected, x)[1])

    def running(rank):
        network = over_processes(in_groups_of(alone, counts[rank]), company.member(rank))
        params = alone.initialize(rng, np.float64)
        update_running(network, params, network.forward(params, parts_of(x, counts, 1)[rank])[1])
        return params.vector

    for vector in company.each(running):
        np.testing.assert_allclose(vector, expected.vector, **CLOSE)


def test_what_has_batch_norm_is_found():
    assert has_batch_norm(Network(Sequential([LAYERS["PlaceNorm"]()])))
    assert not has_batch_norm(Network(Sequential([ELU()])))
