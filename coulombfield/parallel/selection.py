"""Which engine serves charges over ranks, and the sums by it: rank 0 chooses, from what is known of all ranks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numba
import numpy as np

from ..sums.costs import table
from ..sums.engines import EXACT, FAST
from ..sums.fourier.nufft import SMALL
from ..sums.pairs.simd import MAX_DIMENSION
from ..sums.request import OutOfReachError, Request, Result
from ..sums.selection import Candidate, Explanation
from ..sums.unit_of_length import in_double, in_old_unit, is_single, like, reach_of, rescaled
from . import fast, pairs
from .ranks import Ranks

REFUSED = {
    "tree": "it can't serve charges over ranks: its boxes are made of all points together; use nufft or split",
    "cuda": "it takes CuPy arrays only, and ranks exchange NumPy arrays",
}


class Job:
    """Sums that all ranks have agreed on.

    Parameters
    ----------
    ranks : Ranks
        That work together.
    request : Request
        This rank's part.
    method : str
        As for :func:`potential`, checked.
    deterministic : bool
        Whether no bit may depend on the ranks.
    said : sequence of mappings
        What each rank said of its part: ``_targets`` and ``_charges``, how many it has.
    """

    def __init__(
        self, ranks: Ranks, request: Request, method: str, deterministic: bool, said: Sequence[Mapping[str, Any]]
    ):
        self.ranks, self.request, self.method, self.deterministic = ranks, request, method, deterministic
        self.targets, self.charges = ([int(each[name]) for each in said] for name in ("_targets", "_charges"))
        self.pairs = sum(self.targets) * sum(self.charges)

    def evaluate(self, derivatives: int) -> tuple[Result, Explanation]:
        """The sums; ``derivatives`` are those of the kernel that they need."""
        request = self.request
        if not self.pairs:
            return _zeros(request), Explanation("none", ())
        reach = max(self.ranks.told(reach_of(request) if is_single(request) else 0.0))
        scaled, factor = rescaled(request, derivatives, reach)
        result, explanation = self._sums(scaled, reach * factor)
        if scaled is not request:
            result = in_old_unit(result, request, factor)
        if is_single(request) and self._overflown(result):
            double = in_double(request)._replace(rtol=None)
            result = like(self._exact(double, self._exact_method(double), reach), request)
        return result, explanation

    def _overflown(self, result: Result) -> bool:
        """Whether on some rank a sum is not finite though all numbers are."""
        finite = all(x is None or bool(np.isfinite(x).all()) for x in result)
        answers = self.ranks.told((finite, finite or self.request.finite))
        return not all(sums for sums, _ in answers) and all(self.ranks.told(self.request.finite))

    def _sums(self, request: Request, reach: float) -> tuple[Result, Explanation]:
        exact = self._exact_method(request)
        if self.method in EXACT:
            return self._exact(request, self.method, reach), Explanation(self.method, ())
        if self.method in FAST and self.pairs <= SMALL:
            reason = f"all pairs are faster up to {SMALL:,}"
            return self._exact(request, exact, reach), Explanation(exact, (Candidate(self.method, reason, math.inf),))
        seconds = self.ranks.decided(lambda: self._seconds(request, exact))  # whose costs may differ
        if self.method == "auto" and (request.rtol is None or seconds <= table().worth_a_plan or self.pairs <= SMALL):
            return self._exact(request, exact, reach), Explanation(exact, (Candidate(exact, "", seconds),))
        scene = fast.Scene.of(self.ranks, request, self.deterministic)
        chosen, candidates = self.ranks.decided(lambda: self._chosen(request, scene, exact, seconds))
        if chosen in EXACT:
            return self._exact(request, chosen, reach), Explanation(chosen, candidates)
        if scene.nothing and scene.charges.finite and scene.targets.finite:
            return _zeros(request), Explanation(chosen, candidates, 0.0)
        try:
            result, error = fast.within_tolerance(self.ranks, scene, chosen, exact)
        except OutOfReachError as reason:
            if self.method != "auto":
                raise ArithmeticError(f"method: {chosen} {reason}") from None
            return self._exact(request, exact, reach), Explanation(exact, candidates, gave_up=chosen)
        return result, Explanation(chosen, candidates, error)

    def _chosen(self, request: Request, scene: fast.Scene, exact: str, seconds: float) -> tuple[str, tuple]:
        """The named engine, or the one that should be fastest; and those that were asked."""
        if self.method != "auto":
            return self.method, ()
        candidates = [Candidate(exact, "", seconds)]
        for name in ("nufft", "split"):
            reason = FAST[name].refusal(request)
            candidates.append(Candidate(name, reason, math.inf if reason else fast.seconds(self.ranks, scene, name)))
        return min(candidates, key=lambda candidate: candidate.seconds).method, tuple(candidates)

    def _exact_method(self, request: Request) -> str:
        if not EXACT["simd"].refusal(request):
            return "simd"
        return "direct" if self.deterministic else "gram"

    def _seconds(self, request: Request, exact: str) -> float:
        """Time of an exact engine on one thread of one process; only few dimensions have another choice."""
        if request.targets.shape[1] > MAX_DIMENSION:
            return 0.0
        shape = (sum(self.targets), request.targets.shape[1]), (sum(self.charges), request.targets.shape[1])
        every = [np.broadcast_to(np.zeros(1, request.targets.dtype), each) for each in shape]
        whole = request._replace(targets=every[0], positions=every[1])
        return EXACT[exact].seconds(whole) * numba.get_num_threads()

    def _exact(self, request: Request, method: str, reach: float) -> Result:
        if not self.deterministic:
            return pairs.ring(self.ranks, request, method, self.charges)
        reach = max(self.ranks.told(reach_of(request)))
        finite = all(self.ranks.told(request.finite))
        bound = request.targets.shape[1] * (2 * reach) ** 2 if finite else math.inf
        return pairs.in_order(self.ranks, request, method, self.charges, bound)


def check_method(method: Any, request: Request, deterministic: bool) -> None:
    """Raise unless an engine of that name serves a request over ranks."""
    served = [*(name for name in (*EXACT, *FAST) if name not in REFUSED)]
    if method == "auto":
        return
    if not isinstance(method, str) or (method not in served and method not in REFUSED):
        raise ValueError(f"method: expected auto or one of {', '.join(served)}, got {method!r}")
    if method in REFUSED:
        raise ValueError(f"method: {method} can't serve this: {REFUSED[method]}")
    if reason := (EXACT.get(method) or FAST[method]).refusal(request):
        raise ValueError(f"method: {method} can't serve this: {reason}")
    if method in FAST and request.rtol is None:
        raise ValueError(f"rtol: method {method} needs one")
    if deterministic and method == pairs.UNORDERED:
        raise ValueError(
            f"method: {method} has no deterministic sums: those at a target hang on the targets beside it; use direct"
        )


def _zeros(request: Request) -> Result:
    """Sums without charges."""
    return Result(
        np.zeros(len(request.targets), request.targets.dtype) if request.potential else None,
        np.zeros_like(request.targets) if request.field else None,
    )
