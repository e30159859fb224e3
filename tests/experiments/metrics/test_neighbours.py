"""Nearest neighbours beside the differences of all pairs in float64."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.metrics import neighbours as module
from experiments.metrics.neighbours import nearest_neighbours, square_distances

seeds = st.integers(0, 2**32 - 1)


def plain(points, others):
    """All differences; the first of those that are equally near."""
    squares = np.square(points[:, None].astype(np.float64) - others).sum(axis=2)
    return squares.argmin(axis=1), squares.min(axis=1)


def drawn(rng, dtype, count, dimension):
    if dtype == np.uint8:
        return rng.integers(0, 256, (count, dimension), np.uint8)
    return rng.standard_normal((count, dimension)).astype(dtype)


@settings(deadline=None, max_examples=60)
@given(
    seed=seeds,
    dtype=st.sampled_from([np.uint8, np.float16, np.float32, np.float64]),
    count=st.integers(0, 9),
    sizes=st.lists(st.integers(0, 9), max_size=4),
    dimension=st.integers(1, 20),
    tile=st.integers(1, 7),
    near=st.sampled_from([0.0, 1e-5, 1.0]),
)
def test_they_are_those_of_all_differences(seed, dtype, count, sizes, dimension, tile, near):
    """Bit for bit: in tiles of any size, with points that repeat, and with others that differ in last places only."""
    rng = np.random.default_rng(seed)
    points = drawn(rng, dtype, count, dimension)
    blocks = [drawn(rng, dtype, size, dimension) for size in [*sizes, 3]]
    if near < 1:
        middle = blocks[-1][0].copy()
        for block in blocks:
            block[:] = middle if dtype == np.uint8 else (middle + near * block).astype(dtype)
        if dtype != np.uint8:
            points = (middle + near * points).astype(dtype)  # all squares are rounding beside the norms
        if dtype == np.uint8 and near:
            for block in blocks:
                block[:, 0] = rng.integers(0, 3, len(block))
    if count:
        blocks[0][1:2] = points[0]
        blocks[-1][0] = points[0]
    with pytest.MonkeyPatch.context() as patch:
        for name in ("ROWS", "COLUMNS", "CHUNK", "DIFFERENCES"):
            patch.setattr(module, name, tile)
        found = nearest_neighbours(points, iter(blocks))
    index, squares = plain(points, np.concatenate(blocks))
    np.testing.assert_array_equal(found.squares, squares)
    np.testing.assert_array_equal(found.indices, index)


@pytest.mark.parametrize("fill", [0, 255])
def test_whole_numbers_are_exact_at_their_largest(fill):
    """Distances of 12,288 pixels that are all black or white, where a longer sum would be rounded."""
    points = np.full((2, 12288), fill, np.uint8)
    points[1, 0] = 1
    others = np.repeat(np.array([[fill], [255 - fill], [3]], np.uint8), 12288, axis=1)
    others[0, :5] = 7
    found = nearest_neighbours(points, [others])
    index, squares = plain(points, others)
    np.testing.assert_array_equal(found.indices, index)
    np.testing.assert_array_equal(found.squares, squares)
    np.testing.assert_array_equal(square_distances(points), [[0, (fill - 1) ** 2], [(fill - 1) ** 2, 0]])


@pytest.mark.parametrize("scale", [1e-30, 1e-22, 1e17, 1e30])
def test_numbers_whose_squares_a_dtype_lacks(scale):
    """All neighbours are then candidates."""
    points, others = (np.random.default_rng(0).standard_normal((2, 20, 8)) * scale).astype(np.float32)
    found = nearest_neighbours(points, [others[:7], others[7:]])
    index, squares = plain(points, others)
    np.testing.assert_array_equal(found.indices, index)
    np.testing.assert_array_equal(found.squares, squares)


@given(seed=seeds, count=st.integers(1, 8), dimension=st.integers(1, 30))
def test_distances_of_all_pairs_are_those_of_differences(seed, count, dimension):
    points = drawn(np.random.default_rng(seed), np.uint8, count, dimension)
    expected = np.square(points[:, None].astype(np.float64) - points).sum(axis=2)
    np.testing.assert_array_equal(square_distances(points), expected)


@pytest.mark.parametrize(
    ("points", "blocks", "message"),
    [
        (np.zeros((1, 2)), [], "blocks: expected at least one point"),
        (np.zeros((1, 2)), [np.zeros((1, 3))], r"blocks: expected float64 of shape \(N, 2\), got float64 of \(1, 3\)"),
        (np.zeros((1, 2)), [np.zeros((1, 2), np.uint8)], "blocks: expected float64 .* got uint8"),
        (np.full((1, 2), np.nan), [np.zeros((1, 2))], "points, blocks: expected finite numbers"),
        (np.zeros((1, 2)), [np.full((1, 2), np.inf), np.full((1, 2), np.nan)], "points, blocks: expected finite"),
    ],
)
def test_what_has_no_neighbour_is_refused(points, blocks, message):
    with pytest.raises(ValueError, match=message):
        nearest_neighbours(points, blocks)
