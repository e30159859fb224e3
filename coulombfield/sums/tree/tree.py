r"""Fast sums for charges however they lie, in one and two dimensions on NumPy: an adaptive tree of cells with proxies.

Charges in a cell act on distant targets through proxies, p Chebyshev points an axis; potentials of distant charges
reach a cell's targets through the same points, and the field is the derivative of their interpolant:

.. math:: \hat\Phi(x) \approx \sum_a \ell_a(x) \sum_b k(x_a, y_b) \sum_j q_j\,\ell_b(y_j) + \text{near charges}.

The cells of a level are of one size, so that the kernel between the proxies of two cells is the same matrix for all
pairs at the same offset. Cells act through proxies where another cell lies between them, and where the softening makes
the kernel so smooth that touching cells can: with many charges within ε no pair is summed directly. What the tolerance
needs is measured for the very kernel, on every level (:mod:`.tree.chebyshev`).

Fewer than ``DIRECT_PAIRS`` pairs are left to an exact engine. Every number is the result of one order
of additions, whatever the number of threads. Memory: per point its coordinates, charge, key and results twice, some
100 bytes in two dimensions, and about 16 p^m / leaf bytes more in proxies.

Sources: W. Fong, E. Darve, J. Comput. Phys. 228 (2009) 8712; L. Wang, R. Krasny, S. Tlupova, Commun. Comput. Phys. 28
(2020) 1415.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ...lanes import static_size
from ...profiles import cast, numbers_of
from ...rng import Streams
from ...threads import share
from ..costs import table
from ..pairs.tiles import unfit
from ..request import Request, Result
from . import expansions, near_field
from .chebyshev import MOST, Smoothness, coordinates, points, smoothness
from .expansions import Proxies
from .hierarchy import Box, Tree, build
from .interactions import OFFSETS, REACH, Lists, lists
from .near_field import Particles

DIRECT_PAIRS = 2**24
MAX_DIMENSION = 2  # in three, 1e5 charges gained less than 3 times on direct sums, and fields missed the tolerance
SINGLE = 5e-5  # tolerance from which on float32 is exact enough for arrays that are float32 anyway
SAFE = 1e10  # so far from 1 may lengths and the numbers of kernels be for their powers and products to fit float32
LEAF = 0.5  # charges that a leaf may hold, in proxies
PAIR_COST = 14.0  # time of a near pair in that of a multiplication and addition of a matrix
POWER_COST = 15.0  # time of a pair whose exponent needs pow(), in that of others
SINGLE_COST = 0.7  # time of arithmetic in float32, in that of float64
SAMPLED_A_LEAF = 8  # points of each leaf that the estimate of the time looks at


class Layout(NamedTuple):
    """What is decided before any charge is moved."""

    box: Box
    smooth: Smoothness
    leaf: int
    few: float
    """Pairs whose direct sum costs as much as one interaction from proxies to proxies."""
    dtype: np.dtype
    """In which to compute."""


def refusal(request: Request) -> str:
    """Why this engine can't serve the arrays or the kernel, or an empty string if it can."""
    if reason := unfit(request.targets, MAX_DIMENSION):
        return reason
    # Cells much larger than the width of an exponential have no proxies.
    served = request.profile.inverse_powers() is not None
    return "" if served else "it takes Plummer, Coulomb and sums of such kernels only"


def needless(request: Request) -> str:
    """Why all pairs are summed instead, or an empty string."""
    return f"all pairs are faster up to {DIRECT_PAIRS:,}" if request.pairs < DIRECT_PAIRS else ""


def least(request: Request) -> float:
    """Time of the points alone, without cells [s]."""
    costs = table()
    return costs.tree_call + costs.tree_point * (2 * request.targets.shape[0] + request.positions.shape[0])


def seconds(request: Request) -> float:
    """Time at the request's tolerance; inf if it can't be done."""
    found = plan(request, request.rtol / 4) if request.rtol else None
    return np.inf if found is None else found.seconds


class Planted(NamedTuple):
    """A tree over some points, and who interacts with whom."""

    particles: Particles
    target_order: np.ndarray
    tree: Tree
    lists: Lists


class Plan:
    """How cells are laid out; and the tree itself, where the estimate of the time took a tree over all points."""

    def __init__(self, request: Request, layout: Layout):
        self.layout = layout
        fraction = min(1.0, SAMPLED_A_LEAF / layout.leaf)
        if fraction * min(request.targets.shape[0], request.positions.shape[0]) < layout.leaf:
            fraction = 1.0
        planted = _planted(_sampled(request, fraction), layout, fraction)
        self.planted = planted if fraction == 1 else None
        self.seconds = self.left = self.again = _seconds(request, layout, planted, fraction)


def plan(request: Request, tolerance: float, room: float = 1.0) -> Plan | None:
    """The plan, which is for these points only; None if they or the charges are not finite."""
    if not np.isfinite(request.targets).all() or (layout := _layout(request, tolerance)) is None:
        return None
    return Plan(request, layout)


def _seconds(request: Request, layout: Layout, planted: Planted, fraction: float) -> float:
    """Time by the tree over a fraction of the points, with leaves that hold less in proportion."""
    count, charges, dimension = request.targets.shape[0], request.positions.shape[0], request.targets.shape[1]
    proxies, tree, found = layout.smooth.order**dimension, planted.tree, planted.lists
    # What is summed pair by pair: charges at targets, charges at proxies, proxies at targets.
    sizes = tree.targets[:, 1] - tree.targets[:, 0]
    near = float(np.sum((found.near[:, 2] - found.near[:, 1]) * sizes[found.near[:, 0]])) / fraction**2
    incoming = float(np.sum(found.incoming[:, 2] - found.incoming[:, 1])) * proxies / fraction
    outgoing = float(np.sum(sizes[found.outgoing[:, 0]])) * proxies / fraction
    moved = charges + count * (1 + request.field * dimension / 2)
    single = SINGLE_COST if layout.dtype == np.float32 else 1.0
    costs = table()
    return (
        costs.tree_call
        + costs.tree_point * (charges + (0 if request.targets is request.positions else count) + count)
        + costs.tree_cell * len(tree.parent)
        + single * costs.tree_proxy * proxies * moved
        + single * costs.tree_product * (found.far.shape[0] + len(tree.parent)) * proxies**2
        + single * costs.tree_pair * _cost(request.profile) * (near + incoming + outgoing)
    )


def _sampled(request: Request, fraction: float) -> Request:
    """The request for a fraction of its points."""
    if fraction == 1:
        return request
    rng = Streams(seed=0).stream("points")

    def draw(points: np.ndarray) -> np.ndarray:
        return points[rng.integers(0, points.shape[0], round(fraction * points.shape[0]))]

    positions = draw(request.positions)
    targets = positions if request.targets is request.positions else draw(request.targets)
    return request._replace(targets=targets, positions=positions, weights=positions[:, 0], exclude_self=False)


def _cost(profile: Any) -> float:
    """Time of a pair with this profile, in that with an inverse power that needs no pow()."""
    work = profile.work(quick=False)
    return work.roots + POWER_COST * work.powers


def approximate(request: Request, tolerance: float, known: Plan | None = None) -> Result:
    """The sums with an error of about ``tolerance``; all NaN if a charge or its position is not finite."""
    lost = ~np.isfinite(request.targets).all(axis=1)
    finite = request
    if lost.any():
        finite = request._replace(targets=np.where(lost[:, None], request.positions[:1], request.targets))
    layout = _layout(finite, tolerance) if known is None else known.layout
    if layout is None:
        lost[:] = True
        result = Result(*_empty(request, request.targets.dtype))
    else:
        planted = None if known is None else known.planted
        result = _evaluate(finite, layout, planted or _planted(finite, layout))
    for array in result:
        if array is not None:
            array[lost] = np.nan
    return result


def _empty(request: Request, dtype: Any) -> tuple[np.ndarray | None, np.ndarray | None]:
    count, dimension = request.targets.shape
    potential = np.empty(count, dtype) if request.potential else None
    return potential, np.empty((count, dimension), dtype) if request.field else None


def _layout(request: Request, tolerance: float) -> Layout | None:
    """The layout; None if the charges are not all finite, or too far apart for their distances to be."""
    box = Box.around(request.targets, request.positions)
    if not box.size < 1e150 or not np.isfinite(request.weights).all():
        return None
    dimension = request.targets.shape[1]
    smooth = smoothness(request.profile, box.size, box.levels, dimension, tolerance, request.field)
    if smooth.order == 0:
        smooth = smooth._replace(order=MOST, depth=box.levels)
    lengths = [box.size, *(abs(number) for number in numbers_of(request.profile) if number)]
    single = request.targets.dtype == np.float32 and tolerance >= SINGLE
    single = single and SAFE**-1 < min(lengths) <= max(lengths) < SAFE
    proxies = smooth.order**dimension
    pair = PAIR_COST * _cost(request.profile)
    dtype = np.dtype(np.float32 if single else np.float64)
    return Layout(box, smooth, max(8, int(LEAF * proxies)), proxies**2 / pair, dtype)


def _evaluate(request: Request, layout: Layout, planted: Planted) -> Result:
    """The sums, part after part."""
    targets, dimension = request.targets, request.targets.shape[1]
    particles, target_order, tree, found = planted
    proxies = _proxies(tree, layout.smooth.order, layout.dtype)
    exact, profile = request.profile, cast(request.profile, layout.dtype.type)
    axes = static_size(dimension)
    _charge(particles, tree, proxies)
    _act(exact, tree, found, proxies)
    receivers = np.flatnonzero(found.incoming_first[1:] > found.incoming_first[:-1])
    proxies.known[receivers] = True
    sizes = tree.centers, tree.half_widths
    nodes = proxies.nodes, proxies.factors
    _in_pieces(
        near_field.receive, receivers, profile, axes, particles.charges, particles.weights, *sizes, found.incoming,
        found.incoming_first, proxies.scaled, proxies.potential,
    )  # fmt: skip
    _pass_down(tree, proxies)
    leaves = _leaves(tree, tree.targets)
    outputs = [np.empty(targets.shape[0], layout.dtype)]
    finish, scatter = near_field.finish_potential, expansions.scatter_potential
    if request.field:
        outputs.append(np.empty((dimension, targets.shape[0]), layout.dtype))
        finish, scatter = near_field.finish_both, expansions.scatter_both
    _in_pieces(
        finish, leaves, profile, axes, *particles, tree.targets, tree.charges, *sizes, found.near, found.near_first,
        found.outgoing, found.outgoing_first, found.self_far, proxies.scaled, proxies.charges, *outputs,
    )  # fmt: skip
    known = leaves[proxies.known[leaves]]
    _in_pieces(scatter, known, particles.targets, tree.targets, *sizes, *nodes, proxies.potential, *outputs)
    result = Result(*_empty(request, targets.dtype))
    with np.errstate(over="ignore"):  # in float32 the sums may be inf
        if result.potential is not None:
            result.potential[target_order] = outputs[0]
        if result.field is not None:
            result.field[target_order] = outputs[1].T
    return result


def _planted(request: Request, layout: Layout, fraction: float = 1.0) -> Planted:
    """The tree over all points, or with smaller leaves over those of a request for a fraction of them."""
    targets, positions = request.targets, request.positions
    order, keys = layout.box.sort(positions)
    same = targets is positions
    target_order, target_keys = (order, keys) if same else layout.box.sort(targets)
    tree = build(keys, target_keys, layout.box, layout.smooth.depth, max(1, round(layout.leaf * fraction)))
    charges = _rows(positions, order, layout.dtype)
    own = np.empty(0, np.int64)
    if request.exclude_self:
        rank = np.empty(positions.shape[0], np.int64)
        rank[order] = np.arange(positions.shape[0])
        own = rank[target_order]
    weights = np.take(request.weights, order).astype(layout.dtype, copy=False)
    places = charges if same else _rows(targets, target_order, layout.dtype)
    proxies = layout.smooth.order ** targets.shape[1] * fraction
    found = lists(tree, layout.smooth.touching, proxies, layout.few * fraction**2)
    return Planted(Particles(charges, weights, places, own), target_order, tree, found)


def _rows(positions: np.ndarray, order: np.ndarray, dtype: Any) -> np.ndarray:
    """Sorted coordinates, one row an axis."""
    rows = np.empty((positions.shape[1], order.size), dtype)
    for axis, row in enumerate(rows):
        row[:] = positions[order, axis]
    return rows


def _proxies(tree: Tree, order: int, dtype: Any) -> Proxies:
    """Proxies at which nothing is known yet."""
    count, dimension = tree.places.shape
    shape = count, expansions.padded(order, dimension)
    scaled = np.ascontiguousarray(coordinates(order, dimension).T)
    return Proxies(*points(order), scaled, np.zeros(shape, dtype), np.zeros(shape, dtype), np.zeros(count, bool))


def _leaves(tree: Tree, ranges: np.ndarray) -> np.ndarray:
    """Leaves whose range of charges, or of targets, is not empty."""
    return np.flatnonzero((tree.children[:, 0] == tree.children[:, 1]) & (ranges[:, 0] < ranges[:, 1]))


def _in_pieces(loop: Callable[..., None], cells: np.ndarray, *arguments: Any) -> None:
    """Run a compiled loop over cells, shared among threads."""
    share(lambda begin, end: loop(begin, end, cells, *arguments), cells.size)


def _charge(particles: Particles, tree: Tree, proxies: Proxies) -> None:
    """Proxy charges of all cells, from the leaves up."""
    cells = _leaves(tree, tree.charges)
    _in_pieces(
        expansions.gather, cells, particles.charges, particles.weights, tree.charges, tree.centers, tree.half_widths,
        proxies.nodes, proxies.factors, proxies.charges,
    )  # fmt: skip
    dimension, order = tree.places.shape[1], proxies.nodes.size
    shifts = np.ascontiguousarray(expansions.shifts(order, dimension, proxies.charges.dtype).transpose(0, 2, 1))
    filled = tree.charges[:, 1] > tree.charges[:, 0]
    for level in range(len(tree.levels) - 2, 0, -1):
        for corner, rows in _siblings(tree, level, filled):
            expansions.translate(shifts[corner], proxies.charges, rows, proxies.charges, tree.parent[rows])


def _siblings(tree: Tree, level: int, wanted: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Wanted cells of a level that lie in the same corner of their parents, corner by corner."""
    rows = np.arange(tree.levels[level], tree.levels[level + 1])
    rows = rows[wanted[rows]]
    dimension = tree.places.shape[1]
    corners = (tree.places[rows] & 1) @ (1 << np.arange(dimension))
    for corner in range(2**dimension):
        yield corner, rows[corners == corner]


def _act(profile: Any, tree: Tree, found: Lists, proxies: Proxies) -> None:
    """Potential of proxy charges at other cells' proxies."""
    dimension, width = tree.places.shape[1], proxies.charges.shape[1]
    matrix = np.zeros((width, width), proxies.charges.dtype)
    receiving, acting = np.ascontiguousarray(found.far.T)
    groups = found.far_groups
    for (level, number, first), end in zip(groups[:-1], groups[1:, 2], strict=True):
        offset = np.array(np.unravel_index(number, (OFFSETS,) * dimension)) - REACH
        half_width = tree.half_widths[tree.levels[level]]
        expansions.kernel_matrix(profile, proxies.scaled, offset, half_width, matrix)
        expansions.translate(matrix, proxies.charges, acting[first:end], proxies.potential, receiving[first:end])
    proxies.known[receiving] = True


def _pass_down(tree: Tree, proxies: Proxies) -> None:
    """Add the potential at each cell's proxies to that at its children's."""
    shifts = expansions.shifts(proxies.nodes.size, tree.places.shape[1], proxies.potential.dtype)
    occupied = tree.targets[:, 1] > tree.targets[:, 0]
    for level in range(1, len(tree.levels) - 1):
        for corner, rows in _siblings(tree, level, occupied & proxies.known[tree.parent]):
            proxies.known[rows] = True
            expansions.translate(shifts[corner], proxies.potential, tree.parent[rows], proxies.potential, rows)
