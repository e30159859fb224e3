r"""Fast sums for any distribution of charges in low dimension: an adaptive tree with proxies, on NumPy."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from ..profiles import Added, InversePower, Laplacian, Scaled, cast, numbers_of
from . import expansions, hierarchy, neighbours, simd
from .proxies import MOST, Smoothness, points, smoothness
from .request import Request, Result

DIRECT_PAIRS = 2**22
MAX_DIMENSION = 3
SINGLE = 5e-5  # tolerance from which on float32 is exact enough for arrays that are float32 anyway
PAIR_COST = 20.0  # a near pair's time in multiplications of a matrix
LEAF = 1.0


class Plan(NamedTuple):
    """What is decided before any charge is moved."""

    corner: np.ndarray
    size: float
    key_levels: int
    half_widths: np.ndarray
    smooth: Smoothness
    leaf: int
    few: float
    dtype: np.dtype


def refusal(request: Request) -> str:
    """Why this engine can't serve the arrays, or an empty string if it can."""
    targets = request.targets
    if not isinstance(targets, np.ndarray):
        return "it takes NumPy arrays only"
    if targets.shape[1] > MAX_DIMENSION:
        return f"it takes at most {MAX_DIMENSION} dimensions, not {targets.shape[1]}"
    return _unserved(request.profile)


def _unserved(profile: Any) -> str:
    """Why a profile can't be served: cells much larger than the width of an exponential have no proxies."""
    if isinstance(profile, Added):
        return _unserved(profile.left) or _unserved(profile.right)
    if isinstance(profile, Scaled | Laplacian):
        return _unserved(profile.profile)
    return "" if isinstance(profile, InversePower) else "it takes Plummer, Coulomb and sums of such kernels only"


def seconds(request: Request) -> float:
    """Time of the parts."""
    return 1.0


def approximate(request: Request, tolerance: float) -> Result:
    """The sums with an error of about ``tolerance``."""
    if request.pairs < DIRECT_PAIRS:
        return simd.evaluate(request)
    plan = _plan(request, tolerance)
    if plan is None:
        return _nothing(request)
    return _evaluate(request, plan)


def _nothing(request: Request) -> Result:
    targets = request.targets
    return Result(
        np.full(targets.shape[0], np.nan, targets.dtype) if request.potential else None,
        np.full(targets.shape, np.nan, targets.dtype) if request.field else None,
    )


def _plan(request: Request, tolerance: float) -> Plan | None:
    targets, positions = request.targets, request.positions
    dimension = targets.shape[1]
    low = np.minimum(targets.min(axis=0), positions.min(axis=0)).astype(float)
    high = np.maximum(targets.max(axis=0), positions.max(axis=0)).astype(float)
    size = float(np.max(high - low))
    if not np.isfinite(size) or not np.isfinite(np.sum(request.weights)):
        return None
    size = max(size, 1e-12 * float(np.max(np.abs(high))), 1e-140) * (1 + 2.0**-20)
    corner = (low + high) / 2 - size / 2
    key_levels = hierarchy.LEVELS if dimension < 3 else hierarchy.LEVELS_3D
    half_widths = size / 2 * 0.5 ** np.arange(key_levels + 1)
    smooth = smoothness(request.profile, half_widths, dimension, tolerance, request.field)
    if smooth.order == 0:
        smooth = smooth._replace(order=MOST, depth=key_levels)
    single = targets.dtype == np.float32 and tolerance >= SINGLE and 1e-15 < size < 1e15
    proxies = smooth.order**dimension
    return Plan(
        corner,
        size,
        key_levels,
        half_widths,
        smooth,
        max(8, int(LEAF * proxies)),
        proxies**2 / PAIR_COST,
        np.dtype(np.float32 if single else np.float64),
    )


def _evaluate(request: Request, plan: Plan) -> Result:
    targets, positions = request.targets, request.positions
    dimension = targets.shape[1]
    order, dtype = plan.smooth.order, plan.dtype
    charge_order, charge_keys = _sorted(positions, plan)
    same = targets is positions
    target_order, target_keys = (charge_order, charge_keys) if same else _sorted(targets, plan)
    tree = hierarchy.Tree(*hierarchy.build(charge_keys, target_keys, dimension, plan.key_levels, plan.smooth.depth, plan.leaf))
    del charge_keys, target_keys
    lists = hierarchy.lists(tree, plan.smooth.touching, order**dimension, plan.few)
    charges = _axes_first(positions, charge_order, dtype)
    places = charges if same else _axes_first(targets, target_order, dtype)
    weights = np.take(request.weights, charge_order).astype(dtype, copy=False)
    profile = cast(request.profile, dtype.type)
    half_widths, centers = _geometry(tree, plan)
    nodes, factors = points(order)
    proxies = expansions.scaled_proxies(order, dimension, float)
    multipoles = _multipoles(tree, charges, weights, centers, half_widths, order, dtype)
    local = _far(request.profile, tree, lists, multipoles, plan, proxies)
    axes = (0,) * dimension
    receivers = np.flatnonzero(lists.incoming_first[1:] > lists.incoming_first[:-1])
    has_local = np.zeros(len(tree.parent), bool)
    has_local[lists.far[:, 0]] = True
    has_local[receivers] = True
    if receivers.size:
        neighbours.receive(profile, axes, receivers, lists.incoming, lists.incoming_first, charges, weights, proxies,
                           centers, half_widths, local)  # fmt: skip
    _pass_down(tree, local, has_local, order)
    own = np.empty(0, np.int64)
    if request.exclude_self:
        rank = np.empty(positions.shape[0], np.int64)
        rank[charge_order] = np.arange(positions.shape[0])
        own = rank[target_order]
    childless = tree.children[:, 0] == tree.children[:, 1]
    leaves = _scattered(np.flatnonzero(childless & (tree.targets[:, 1] > tree.targets[:, 0])))
    arguments = (profile, axes, leaves, tree.targets, places, charges, weights, own, tree.charges, lists.near,
                 lists.near_first, lists.outgoing, lists.outgoing_first, proxies, multipoles, local, has_local,
                 lists.self_far, centers, half_widths, nodes, factors)  # fmt: skip
    potential = np.empty(targets.shape[0], dtype)
    field = None
    if request.field:
        field = np.empty((dimension, targets.shape[0]), dtype)
        neighbours.finish_both(*arguments, potential, field)
    else:
        neighbours.finish_potential(*arguments, potential)
    return Result(
        _unsorted(potential, target_order, targets.dtype) if request.potential else None,
        None if field is None else _unsorted(field.T, target_order, targets.dtype),
    )


def _sorted(positions, plan):
    scale = 2.0**plan.key_levels / plan.size
    keys = hierarchy.morton_keys(positions, plan.corner, scale, plan.key_levels)
    order = np.argsort(keys)
    return order, keys[order]


def _axes_first(positions, order, dtype):
    return np.stack([np.take(positions[:, axis], order).astype(dtype, copy=False) for axis in range(positions.shape[1])])


def _unsorted(values, order, dtype):
    out = np.empty(values.shape, dtype)
    out[order] = values
    return out


def _geometry(tree, plan):
    level = np.repeat(np.arange(len(tree.levels) - 1), np.diff(tree.levels))
    half_widths = plan.half_widths[level]
    return half_widths, plan.corner + (2 * tree.places + 1) * half_widths[:, None]


def _scattered(leaves):
    """The leaves in an order that gives every thread its share of the crowded places."""
    blocks = np.arange(leaves.size, dtype=np.uint64) // np.uint64(8)
    return leaves[np.argsort(blocks * np.uint64(0x9E3779B97F4A7C15), kind="stable")]


def _multipoles(tree, charges, weights, centers, half_widths, order, dtype):
    dimension = charges.shape[0]
    out = np.zeros((len(tree.parent), expansions.padded(order, dimension)), dtype)
    filled = tree.charges[:, 1] > tree.charges[:, 0]
    leaves = _scattered(np.flatnonzero((tree.children[:, 0] == tree.children[:, 1]) & filled))
    expansions.gather(charges, weights, leaves, tree.charges, centers, half_widths, *points(order), out)
    shifts = np.ascontiguousarray(expansions.shifts(order, dimension, dtype).transpose(0, 2, 1))
    for level in range(len(tree.levels) - 2, 0, -1):
        for child, rows in _siblings(tree, level):
            rows = rows[filled[rows]]
            expansions.translate(shifts[child], out, rows, out, tree.parent[rows])
    return out


def _siblings(tree, level):
    """Cells of a level that lie in the same corner of their parents, corner by corner."""
    rows = np.arange(tree.levels[level], tree.levels[level + 1])
    dimension = tree.places.shape[1]
    corner = (tree.places[rows] & 1) @ (1 << np.arange(dimension))
    for child in range(2**dimension):
        found = rows[corner == child]
        if found.size:
            yield child, found


def _far(profile, tree, lists, multipoles, plan, proxies):
    local = np.zeros_like(multipoles)
    dimension = proxies.shape[0]
    matrix = np.zeros((multipoles.shape[1],) * 2, multipoles.dtype)
    groups = lists.far_groups
    rows = np.ascontiguousarray(lists.far.T)
    for (level, number, first), end in zip(groups[:-1], groups[1:, 2], strict=True):
        offset = np.array(np.unravel_index(number, (hierarchy.OFFSETS,) * dimension)) - hierarchy.REACH
        expansions.kernel_matrix(profile, proxies, offset, plan.half_widths[level], matrix)
        expansions.translate(matrix, multipoles, rows[1, first:end], local, rows[0, first:end])
    return local


def _pass_down(tree, local, has_local, order):
    shifts = expansions.shifts(order, tree.places.shape[1], local.dtype)
    occupied = tree.targets[:, 1] > tree.targets[:, 0]
    for level in range(1, len(tree.levels) - 1):
        for child, rows in _siblings(tree, level):
            rows = rows[occupied[rows] & has_local[tree.parent[rows]]]
            has_local[rows] = True
            expansions.translate(shifts[child], local, tree.parent[rows], local, rows)
