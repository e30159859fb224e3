"""Peers of the field sums: what else a user of Python could pick, each by one adapter.

An adapter takes a problem and gives a call that returns the potential and, where it is wanted, the field. What a user
would do once, such as moving arrays into the peer's own, happens before the call. A peer is imported when it is timed.

Not all of them sum the same thing. Those that know the bare 1/r only leave out the own terms and are measured against
those sums; the rows say so.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .cases import Problem

LOW = 8  # dimensions up to which pairs are formed as differences, by products beyond
TILE = 2**22  # numbers of a tile of pairs, for peers that need the pairs in memory
BLACK_BOX_ORDER = 7  # interpolation nodes an axis of ferreus-bbfmm: between 1e-5 and 1e-6, as rtol asks
KEOPS_MOST_AXES = 4096  # m; one formula of 3072 axes compiles for 20 s
FASTSUM_DEGREE = 64  # modes an axis of pyNFFT3
FASTSUM_BORDER = 1 / 16

CANCELS = "distances by products: near points cancel"

Call = Callable[[], tuple[Any, Any]]


class Peer(NamedTuple):
    """Another way to the same sums."""

    modules: tuple[str, ...]
    """What must be importable."""
    install: str
    """How to get it."""
    refusal: Callable[[Problem, bool], str]
    """Why it can't sum this problem, with a field or without; empty if it can."""
    prepare: Callable[[Problem, bool, float], Call]
    """The call for a problem, with a field or without, to some rtol."""
    growth: float = 2.0
    """Time grows with this power of N, by which large sizes are skipped."""
    bare: bool = False
    """Whether it sums 1/r without softening and own terms instead."""
    takes_rtol: bool = False
    note: str = ""
    note_in_high_dimension: str = ""
    blind: bool = False
    """Whether what is installed does not see the GPU."""

    def note_for(self, problem: Problem) -> str:
        """What a reader must know of its sums."""
        return (
            self.note_in_high_dimension if problem.points.shape[1] > LOW and self.note_in_high_dimension else self.note
        )

    def missing(self) -> str:
        """What to install; empty if it is there."""
        if any(importlib.util.find_spec(name) is None for name in self.modules):
            return f"not installed: pip install {self.install}"
        return f"does not see this GPU; that takes {self.install}" if self.blind else ""


def _no(problem: Problem, field: bool) -> str:
    return ""


def _exponent(problem: Problem) -> int:
    return round(problem.case.kernel.exponent)


def _numbers(problem: Problem) -> tuple[np.ndarray, np.ndarray, float]:
    return problem.points, problem.weights, problem.case.kernel.softening**2


def _terms(root: Any, weights: Any, exponent: int) -> tuple[Any, Any]:
    """Terms of potential and field, q y^d and d q y^(d + 2), of y = (s + ε²)^(−1/2), for arrays of any library."""
    values = weights * functools.reduce(operator.mul, [root] * exponent)
    return values, exponent * values * root * root


def _from_products(slopes: Any, here: Any, points: Any) -> Any:
    """Σ_j w_ij (a_i − b_j) by a matrix product; it cancels where points are near."""
    return here * slopes.sum(1)[:, None] - slopes @ points


def bare_products(problem: Problem, field: bool, rtol: float, xp: Any = np) -> Call:
    """Nothing but the matrix products that sums in high dimension can't do without, in the same shapes and threads."""
    points = xp.asarray(problem.points)
    other = xp.empty_like(points)
    gram = xp.empty((len(points), len(points)), points.dtype)

    def call() -> tuple[None, None]:
        xp.matmul(points, points.T, out=gram)
        if field:
            xp.matmul(gram, points, out=other)
        return None, None

    return call


def _float64_only(problem: Problem, field: bool) -> str:
    return "" if problem.points.dtype == np.float64 else "float64 only"


def _by_distances(squared_distances: Callable[[np.ndarray, np.ndarray], np.ndarray], problem: Problem, field: bool):
    points, weights, square = _numbers(problem)
    exponent, count = _exponent(problem), len(points)
    step = max(1, TILE // count)

    def call() -> tuple[np.ndarray, np.ndarray | None]:
        potential = np.empty_like(weights)
        total = np.empty_like(points) if field else None
        for first in range(0, count, step):
            here = points[first : first + step]
            root = squared_distances(here, points)
            root += square
            np.sqrt(root, out=root)
            np.reciprocal(root, out=root)
            values = functools.reduce(operator.mul, [root] * exponent)
            potential[first : first + step] = values @ weights
            if total is not None:
                values = values * root * root * (exponent * weights)
                total[first : first + step] = _from_products(values, here, points)
        return potential, total

    return call


def _scipy(problem: Problem, field: bool, rtol: float) -> Call:
    from scipy.spatial.distance import cdist

    return _by_distances(lambda a, b: cdist(a, b, "sqeuclidean"), problem, field)


def _scikit_learn(problem: Problem, field: bool, rtol: float) -> Call:
    pairwise = importlib.import_module("sklearn.metrics.pairwise")
    return _by_distances(lambda a, b: pairwise.euclidean_distances(a, b, squared=True), problem, field)


def keops_refusal(problem: Problem, field: bool) -> str:
    """Refusal of what takes too long to compile."""
    return "its formula would take minutes to compile" if problem.points.shape[1] > KEOPS_MOST_AXES else ""


def _keops(problem: Problem, field: bool, rtol: float) -> Call:
    points, weights, square = _numbers(problem)
    reduction = importlib.import_module("pykeops.numpy").Genred(
        *keops_formula(problem, field), reduction_op="Sum", axis=1
    )
    charge, softening = weights[:, None], np.array([square], points.dtype)

    def call() -> tuple[np.ndarray, np.ndarray | None]:
        sums = reduction(points, points, charge, softening, backend="CPU")
        return sums[:, 0], sums[:, 1:] if field else None

    return call


def keops_formula(problem: Problem, field: bool) -> tuple[str, list[str]]:
    """The sums as PyKeOps writes them, and its variables: targets, positions, charges, ε²."""
    dimension, exponent = problem.points.shape[1], _exponent(problem)
    root = "Rsqrt(SqDist(X, Y) + E)"
    value = "*".join(["Q", *[root] * exponent])
    formula = f"Concat({value}, IntCst({exponent})*{value}*{root}*{root}*(X - Y))" if field else value
    return formula, [f"X = Vi({dimension})", f"Y = Vj({dimension})", "Q = Vj(1)", "E = Pm(1)"]


def torch_tensors(problem: Problem, device: str = "cpu") -> tuple[Any, Any, Any]:
    """Points, charges and ε² as PyTorch has them."""
    import torch

    points, weights, square = _numbers(problem)
    tensor = torch.from_numpy(points).to(device)
    return tensor, torch.from_numpy(weights).to(device), torch.tensor(square, dtype=tensor.dtype, device=device)


def torch_eager(problem: Problem, field: bool, rtol: float, device: str = "cpu") -> Call:
    """Blocks of targets by array operations."""
    import torch

    points, weights, square = torch_tensors(problem, device)
    exponent, (count, dimension) = _exponent(problem), points.shape
    products = dimension > LOW
    step = max(1, TILE // (count * (1 if products else dimension)))
    norms = points.square().sum(1)

    @torch.inference_mode()
    def call() -> tuple[Any, Any]:
        potential, total = torch.empty_like(weights), torch.empty_like(points)
        for first in range(0, count, step):
            rows = slice(first, first + step)
            here = points[rows]
            if products:
                s = torch.addmm(norms, here, points.T, alpha=-2).add_(norms[rows, None]).clamp_(min=0)
            else:
                difference = here[:, None] - points
                s = difference.square().sum(-1)
            values, slopes = _terms(s.add_(square).rsqrt_(), weights, exponent)
            potential[rows] = values.sum(1)
            if field and products:
                total[rows] = _from_products(slopes, here, points)
            elif field:
                total[rows] = torch.einsum("tj,tjm->tm", slopes, difference)
        return potential, total if field else None

    return call


def _axis_by_axis(points: Any, weights: Any, square: Any, exponent: int, field: bool, stack: Any, rsqrt: Any) -> Any:
    """The sums in a form that a compiler can fuse: nothing of three axes."""
    differences = [x[:, None] - x[None, :] for x in points]
    root = rsqrt(sum(difference * difference for difference in differences) + square)
    values, slopes = _terms(root, weights, exponent)
    total = stack([(slopes * difference).sum(1) for difference in differences], 1) if field else None
    return values.sum(1), total


@functools.cache
def _torch_compiled(dimension: int, exponent: int, field: bool, dtype: str) -> Any:
    import torch

    # Beyond its limit, which all these variants share, it would give up and run eagerly without saying so.
    importlib.import_module("torch._dynamo").config.recompile_limit = 256

    def sums(points: Any, weights: Any, square: Any) -> Any:
        return _axis_by_axis(points.unbind(1), weights, square, exponent, field, torch.stack, torch.rsqrt)

    return torch.compile(sums, dynamic=True)


def torch_compile(problem: Problem, field: bool, rtol: float, device: str = "cpu") -> Call:
    """All pairs in one compiled expression."""
    import torch

    points, weights, square = torch_tensors(problem, device)
    sums = _torch_compiled(points.shape[1], _exponent(problem), field, str(points.dtype))

    def call() -> tuple[Any, Any]:
        with torch.inference_mode():
            return sums(points, weights, square)

    return call


def jax_jit(problem: Problem, field: bool, rtol: float) -> Call:
    """One target after the other, or products in high dimension, compiled, where JAX computes."""
    jax, jnp = importlib.import_module("jax"), importlib.import_module("jax.numpy")
    jax.config.update("jax_enable_x64", True)
    exponent = _exponent(problem)

    def one(target: Any, points: Any, weights: Any, square: Any) -> Any:
        difference = target - points
        values, slopes = _terms(jax.lax.rsqrt((difference * difference).sum(1) + square), weights, exponent)
        return values.sum(), slopes @ difference if field else None

    @jax.jit
    def sums(points: Any, weights: Any, square: Any) -> Any:
        if points.shape[1] <= LOW:
            return jax.lax.map(lambda target: one(target, points, weights, square), points, batch_size=256)
        norms = (points * points).sum(1)
        s = jnp.maximum(norms[:, None] + norms - 2 * points @ points.T, 0)
        values, slopes = _terms(jax.lax.rsqrt(s + square), weights, exponent)
        return values.sum(1), _from_products(slopes, points, points) if field else None

    points, weights, square = _numbers(problem)
    arguments = jnp.asarray(points), jnp.asarray(weights), jnp.asarray(square, points.dtype)
    return lambda: jax.block_until_ready(sums(*arguments))


def _only(dimensions: tuple[int, ...], exponents: tuple[int, ...] = (1,)) -> Callable[[Problem, bool], str]:
    """Refusal of a peer that has no other dimensions and exponents and works in float64 only."""

    def refusal(problem: Problem, field: bool) -> str:
        if problem.points.shape[1] not in dimensions:
            return f"m = {dimensions} only"
        return _float64_only(problem, field) or ("" if _exponent(problem) in exponents else f"d = {exponents} only")

    return refusal


def low_dimension(problem: Problem, field: bool) -> str:
    """Refusal of a peer whose expression grows with the dimension."""
    return "" if problem.points.shape[1] <= LOW else "low dimension only"


def _fmm3d(problem: Problem, field: bool, rtol: float) -> Call:
    fmm3dpy = importlib.import_module("fmm3dpy")
    points, weights, _ = _numbers(problem)
    sources = np.asfortranarray(points.T)

    def call() -> tuple[np.ndarray, np.ndarray | None]:
        out = fmm3dpy.lfmm3d(eps=rtol, sources=sources, charges=weights, pg=2 if field else 1)
        # Its kernel is 1/(4πr).
        return 4 * np.pi * out.pot, -4 * np.pi * out.grad.T if field else None

    return call


def _treegrav(problem: Problem, field: bool, rtol: float) -> Call:
    pytreegrav = importlib.import_module("pytreegrav")
    points, weights, _ = _numbers(problem)

    def call() -> tuple[np.ndarray, np.ndarray | None]:
        # Masses attract: the potential is −Σ m/r, and the acceleration minus the field. One tree serves both.
        potential, tree = pytreegrav.Potential(points, weights, parallel=True, method="tree", return_tree=True)
        if not field:
            return -potential, None
        return -potential, -pytreegrav.Accel(points, weights, tree=tree, parallel=True, method="tree")

    return call


def _black_box(problem: Problem, field: bool, rtol: float) -> Call:
    bbfmm = importlib.import_module("ferreus_bbfmm")
    points, weights, _ = _numbers(problem)
    column = weights[:, None]

    def call() -> tuple[np.ndarray, np.ndarray | None]:
        kernel = bbfmm.KernelParams(bbfmm.FmmKernelType.Laplacian)
        tree = bbfmm.FmmTree(points, BLACK_BOX_ORDER, kernel, True)
        tree.set_weights(column)
        if not field:
            return tree.evaluate(column, points).reshape(-1), None
        potential, gradient = tree.evaluate_with_gradients(column, points)
        return potential.reshape(-1), -gradient

    return call


def _fastsum(problem: Problem, field: bool, rtol: float) -> Call:
    nfft = importlib.import_module("pyNFFT3")
    points, weights, square = _numbers(problem)
    count, dimension = points.shape
    # The points must lie in a ball around the origin.
    centre = (points.min(axis=0) + points.max(axis=0)) / 2
    scale = 0.999 * (0.25 - FASTSUM_BORDER / 2) / np.linalg.norm(points - centre, axis=1).max()
    scaled = (points - centre) * scale
    charge = weights.astype(complex)

    def call() -> tuple[np.ndarray, None]:
        plan = nfft.FASTSUM(
            dimension, count, count, "inverse_multiquadric", float(np.sqrt(square) * scale),
            n=FASTSUM_DEGREE, p=8, eps_I=0.0, eps_B=FASTSUM_BORDER, nn=2 * FASTSUM_DEGREE, m=6,
        )  # fmt: skip
        plan.x, plan.y, plan.alpha = scaled, scaled, charge
        plan.trafo()
        return plan.f.real * scale, None

    return call


def _fastsum_refusal(problem: Problem, field: bool) -> str:
    if field:
        return "potential only"
    if problem.case.kernel.softening < 0.1:
        return "its Fourier series would need too many modes"
    return _only((2, 3))(problem, field)


BARE_PRODUCTS = Peer((), "", _no, bare_products)
"""Timed with all sums in high dimension."""

PEERS = {
    "PyKeOps": Peer(("pykeops",), "pykeops", keops_refusal, _keops),
    "scipy cdist": Peer(("scipy",), "scipy", _float64_only, _scipy, note="field by differences of products"),
    "scikit-learn": Peer(
        ("sklearn",), "scikit-learn", _no, _scikit_learn, note=CANCELS
    ),
    "torch eager": Peer(("torch",), "torch==2.13.0", _no, torch_eager, note_in_high_dimension=CANCELS),
    "torch.compile": Peer(("torch",), "torch==2.13.0", low_dimension, torch_compile),
    "JAX jit": Peer(("jax",), "jax", _no, jax_jit, note_in_high_dimension=CANCELS),
    "fmm3dpy": Peer(
        ("fmm3dpy",), "fmm3dpy", _only((3,)), _fmm3d, growth=1.1, bare=True, takes_rtol=True,
        note="ε = 0, own terms left out",
    ),
    "pytreegrav": Peer(
        ("pytreegrav",), "pytreegrav", _only((3,)), _treegrav, growth=1.2, bare=True,
        note="ε = 0 (its softening is a spline), own terms left out, θ = 0.7",
    ),
    "ferreus-bbfmm": Peer(
        ("ferreus_bbfmm",), "ferreus_bbfmm", _only((1, 2, 3)), _black_box, growth=1.1, bare=True,
        note=f"ε = 0, own terms left out, order {BLACK_BOX_ORDER}",
    ),
    "pyNFFT3 fastsum": Peer(("pyNFFT3",), "pyNFFT3", _fastsum_refusal, _fastsum, growth=1.1, note="potential only"),
}  # fmt: skip
"""All peers by name."""
