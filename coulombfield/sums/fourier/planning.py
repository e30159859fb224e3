r"""Modes and tolerances for sums by a Fourier series, from the error allowed and a sample of pairs.

Errors are allowed relative to the root mean square over the targets of A = Σ_j |q_j f|, for the field of
:math:`B = \sum_j |q_j| 2 |f'| r`. Of the three parts

- the series' error is a wave of the fastest modes K, narrow across its axis as the kernel's transform is there: its sum
  over charges is about that of q_j cos(K x) and cancels for unrelated charges;
- the first transform's error is q_j f times a wave of b_j, from beyond the modes to which the grid is blind;
- the second transform's error is relative to the sums themselves.

How much of each is allowed was found by trial over clouds and kernels of many kinds: nine of ten errors are less than
0.9 of what was asked for, and half of them less than a third.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ...arrays import namespace
from ..request import Request
from .error_scale import Sample, mean_of_axes, sample
from .periodic import Budget, Layout, box_of, fastest, layout
from .series import MOST_MODES, Radial

KERNEL_SHARE, EDGE_SHARE, FIRST_SHARE, SECOND_SHARE = 3.0, 0.3, 0.5, 1.3
SMALLEST = 1e-200  # stands for a size of 0 in a quotient


class Plan(NamedTuple):
    """All that a sum by a Fourier series needs to know."""

    layout: Layout
    budget: Budget
    transforms: float
    """Time of the transforms on one core [s]."""


class Facts(NamedTuple):
    """What a plan has to know of targets and charges, wherever they are."""

    targets: int
    charges: int
    """How many there are."""
    centre: np.ndarray
    """Of the box around all points, shape (m,) [length]."""
    extents: np.ndarray
    """Longest difference along each axis, shape (m,) [length]."""
    largest: float
    """Largest size of a charge [charge]."""
    own: float
    """Root mean square of the charges, in units of the largest."""
    total: float
    """Sum of their sizes, in units of the largest."""
    pairs: Sample
    """Some pairs, their charges in units of the largest; it, here and above, is 1 where all charges are 0."""


def plan(request: Request, length: float, tolerance: float, room: float = 1.0) -> Plan | None:
    """The plan for a kernel smooth on a length; None if it needs too many modes, or a number is not finite.

    It is for points in a box ``room`` times as large as theirs.
    """
    xp = namespace(request.targets)
    centre, extents = box_of(request.targets, request.positions)
    extents = room * extents
    largest = float(xp.max(xp.abs(request.weights)))
    if not in_reach(extents, largest, length):
        return None
    charges = request.weights / (largest or 1.0)
    facts = Facts(
        request.targets.shape[0],
        request.positions.shape[0],
        centre,
        extents,
        largest,
        math.sqrt(float(xp.mean(xp.square(charges)))),
        float(xp.sum(xp.abs(charges), dtype=xp.float64)),
        sample(request, largest or 1.0),
    )
    return planned(facts, request, length, tolerance)


def in_reach(extents: np.ndarray, largest: float, length: float) -> bool:
    """Whether all is finite, and the modes for the longest side of a box aren't too many whatever the tolerance."""
    return bool(np.isfinite([*extents, largest]).all() and np.max(extents) <= 2 * MOST_MODES * length)


def planned(facts: Facts, wanted: Request, length: float, tolerance: float) -> Plan | None:
    """The plan for what is in reach; of ``wanted`` the kernel and what is wanted are looked at, not the arrays."""

    def radial(s: np.ndarray) -> np.ndarray:
        return wanted.profile.value(np, s)

    sizes = _Sizes(facts, wanted, radial, length)
    kernel, edge = tolerance * sizes.series(tolerance), tolerance * sizes.edge()
    found = layout(facts.centre, facts.extents, radial, length, kernel, edge)
    if found is None:
        return None
    budget = sizes.budget(found, tolerance)
    outputs = wanted.potential + wanted.field * len(found.axes)
    found, time = fastest(found, budget, facts.targets, facts.charges, outputs)
    return None if math.isinf(time) else Plan(found, budget, time)


class _Sizes:
    """Sizes of the sums and of the errors' parts, in units of the largest charge and of the largest value."""

    def __init__(self, facts: Facts, wanted: Request, radial: Radial, length: float):
        extent, largest = float(np.max(facts.extents)), facts.largest or 1.0
        reach = np.linspace(0, 1, 9) * extent
        values = np.abs(radial(reach**2))
        largest_value = float(np.max(values))
        self.peak = largest_value or 1.0
        self.unit = largest * self.peak
        self.far = float(np.max(values[4:])) / self.peak
        self.extent, self.length = extent, length
        self.own = facts.own if largest_value else 0.0
        self.total = facts.total
        self.unrelated = self.own * math.sqrt(facts.charges)
        self.pairs: Sample = facts.pairs
        # What is not wanted allows any error.
        self.potential = self.field = math.inf
        shape = self.pairs.s.shape
        self.terms, self.near = np.empty(shape), np.empty(shape)
        self.slopes, self.pulls = (np.empty(shape), np.empty(shape)) if wanted.field else (self.terms, self.terms)
        for rows in self.pairs.few_rows:
            s, weights = self.pairs.s[rows], self.pairs.weights[rows]
            self.terms[rows] = weights * (radial(s) / self.peak)
            # Errors don't share the symmetry by which the field of a near charge is weak.
            self.near[rows] = self.terms[rows] * np.exp(-s / length**2) / length
            if wanted.field:
                self.slopes[rows] = weights * (2 * wanted.profile.slope(np, s) / self.peak)
                self.pulls[rows] = self.slopes[rows] * np.sqrt(s)
        if wanted.potential:
            self.potential = max(self.pairs.magnitude(self.terms), SMALLEST)
        if wanted.field:
            self.field = max(self.pairs.magnitude(self.pulls), SMALLEST)

    def series(self, tolerance: float) -> float:
        """Error allowed of the series relative to the largest value, in units of the tolerance."""
        # The fastest modes are not known yet; they are not slower than for unrelated charges.
        allowed = KERNEL_SHARE * min(self.potential, self.field * self.length) / max(self.unrelated, SMALLEST)
        cutoff = -math.log(min(0.1, max(tolerance * allowed, 1e-15))) / self.length

        def terms_of(rows: slice) -> list[np.ndarray]:
            difference = self.pairs.difference[rows]
            across = self.pairs.s[rows, :, None] - np.square(difference)
            # A size needs few digits; the products are formed before, so that no number leaves the range of float32.
            narrow = np.exp((-across * (cutoff / (2 * self.length))).astype(np.float32))
            phases = (cutoff * difference).astype(np.float32)
            return [self.pairs.weights[rows] * mean_of_axes(wave(phases) * narrow) for wave in (np.cos, np.sin)]

        sums = self.pairs.sums_of(terms_of, KERNEL_SHARE)
        # Where all sampled targets are far from the charges, the waves vanish there, but not at those that are near.
        leaked = max(math.hypot(*sums), self.own, SMALLEST)
        return KERNEL_SHARE * min(self.potential, self.field / cutoff) / leaked

    def edge(self) -> float:
        """Relative error allowed of the slope of the bent coordinate, in units of the tolerance."""
        farthest = max(self.total * self.far, SMALLEST)
        return EDGE_SHARE * min(self.potential, self.field * self.extent / 4) / farthest

    def budget(self, found: Layout, tolerance: float) -> Budget:
        """Errors allowed to the transforms."""
        # The first transform takes waves of twice the fastest modes and more for the modes themselves.
        waves = [
            wave(1.5 * axis.wave_numbers[-1] * self.pairs.places[:, number])
            for number, axis in zip(found.used, found.axes, strict=True)
            for wave in (np.cos, np.sin)
        ]
        first = max([self._relative(wave) for wave in waves], default=1.0)
        second = SECOND_SHARE * tolerance
        return Budget(
            FIRST_SHARE * tolerance / max(first, SMALLEST),
            second / max(self._relative(np.ones(()), found), SMALLEST),
            second * self.potential * self.unit,
            second * self.field * self.unit,
        )

    def _relative(self, wave: np.ndarray, found: Layout | None = None) -> float:
        """Size of the sums with each term times a wave, and each charge's own term, relative to what may be wrong."""
        with_field = not math.isinf(self.field)

        def terms_of(rows: slice) -> list[np.ndarray]:
            terms = [self.terms[rows] * wave]
            if with_field:
                terms.append(self.near[rows] * wave)
                if found is None:
                    terms.append(self.pulls[rows] * wave)
                else:
                    terms += [self.slopes[rows] * self.pairs.difference[rows, :, axis] for axis in found.used]
            return terms

        of_terms, *others = self.pairs.sums_of(terms_of)
        potential = math.hypot(self.own, of_terms) / self.potential
        if not with_field:
            return potential
        return math.hypot(potential, *[part / self.field for part in (self.own / self.length, *others)])
