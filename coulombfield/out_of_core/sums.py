"""Potential and field of charges that no memory holds, at targets that none holds either."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..arguments import check_count, finite_number
from ..charges import Charges
from ..kernels import RadialKernel, check_kernel
from ..packages import own_version
from ..sums.engines import EXACT
from ..sums.engines import FAST as APPROXIMATE
from ..sums.request import Request, Result, check_explained
from ..sums.selection import Explanation
from .evaluation import FAST, REFUSED, Evaluation, Progress
from .results import Sink
from .saved import Saved
from .stored import DTYPES, Stored, StoredCharges, check_points, fingerprint

MEMORY = 2**30
BYTES_A_POINT, BYTES_A_COORDINATE = 64, 48
"""What a point of a block takes, read, turned into angles or tiles, and with its sums."""


def potential(
    targets: Any,
    charges: StoredCharges | Charges,
    kernel: RadialKernel,
    *,
    exclude_self: bool = False,
    rtol: float | None = None,
    method: str = "auto",
    dtype: str | None = None,
    memory: int = MEMORY,
    out: Any = None,
    state: str | os.PathLike | None = None,
    progress: Progress | None = None,
) -> Any:
    r"""Potential of stored charges at stored targets, both read in blocks.

    .. math:: \hat\Phi(a_i) = \sum_j q_j\, k(a_i, b_j) \qquad \text{(Eq 8)}

    Parameters
    ----------
    targets : dataset, shape (T, m)
        Targets [length]: an h5py dataset, a memory map, a Dask array, or any array whose slices NumPy can turn into
        arrays, of float32 or float64.
    charges : StoredCharges or Charges
        The charges.
    kernel, exclude_self, rtol
        As for :func:`coulombfield.potential`.
    method : str
        'auto', the faster; 'nufft' (to ``rtol``, m ≤ 3), or all pairs by 'simd', 'gram' or 'direct'. 'split' and
        'tree' are refused: they need all points in memory.
    dtype : str, optional
        'float32' or 'float64', in which blocks are summed and results are; that of the targets without it. float32
        points can have float64 sums.
    memory : int
        Bytes that blocks may take together [bytes]. The modes of 'nufft' and their grids may take as many: 6.5 MB at
        160² in float64 and two threads; it is out of reach where they'd take more.
    out : array or dataset, shape (T,), optional
        What to write into: a NumPy array or memory map, an h5py dataset or the like, of the sums' dtype. Without it an
        array is made, of at most ``memory`` bytes.
    state : path, optional
        A file, HDF5, for what has been done so far, written every ten seconds. Where it is there, an evaluation with
        the same inputs goes on from it, and one with others is refused. It is removed at the end. Targets that are
        done are kept if ``out`` is a dataset or memory map; else they are computed again.
    progress : callable, optional
        Is called with the name of a stage, how much of it is done, and of how much.

    Returns
    -------
    array or dataset, shape (T,)
        ``out``, or a new array [charge · kernel].

    Raises
    ------
    TypeError, ValueError
        If an argument doesn't fit; if ``state`` is a file of other inputs: other shapes, dtypes, rows at the datasets'
        ends or arguments.
    ArithmeticError
        If 'nufft' was asked for by name and can't reach ``rtol``; 'auto' then sums all pairs.

    Notes
    -----
    'nufft' reads all points twice and the targets a third time: for their box and a sample of them, for the modes (in
    the same pass exact sums at 48 targets, which ``rtol`` is measured against before a result is written), and for the
    sums. The 48 are drawn uniformly and near to charges, not by what they contribute, which is not known then. All
    pairs read the charges once for each block of targets.
    """
    return _evaluate(locals(), potential=True)[0].potential


def field(
    targets: Any,
    charges: StoredCharges | Charges,
    kernel: RadialKernel,
    *,
    exclude_self: bool = False,
    rtol: float | None = None,
    method: str = "auto",
    dtype: str | None = None,
    memory: int = MEMORY,
    out: Any = None,
    state: str | os.PathLike | None = None,
    progress: Progress | None = None,
) -> Any:
    r"""Electric field of stored charges at stored targets.

    .. math:: \hat E(a_i) = -\nabla\hat\Phi(a_i) \qquad \text{(Eq 34)}

    Parameters, exceptions and notes are those of :func:`potential`.

    Returns
    -------
    array or dataset, shape (T, m)
        ``out``, or a new array [charge · kernel / length].
    """
    return _evaluate(locals(), field=True)[0].field


def potential_and_field(
    targets: Any,
    charges: StoredCharges | Charges,
    kernel: RadialKernel,
    *,
    exclude_self: bool = False,
    rtol: float | None = None,
    method: str = "auto",
    dtype: str | None = None,
    memory: int = MEMORY,
    out: Any = None,
    state: str | os.PathLike | None = None,
    progress: Progress | None = None,
) -> Any:
    r"""Potential and electric field together.

    Parameters, exceptions and notes are those of :func:`potential`; ``out`` is a pair, for the potential and the field.

    Returns
    -------
    potential : array or dataset, shape (T,)
        As from :func:`potential`.
    field : array or dataset, shape (T, m)
        As from :func:`field`.
    """
    value, _ = _evaluate(locals(), potential=True, field=True)
    return value.potential, value.field


def explain(
    function: Callable[..., Any],
    targets: Any,
    charges: StoredCharges | Charges,
    kernel: RadialKernel,
    *,
    exclude_self: bool = False,
    rtol: float | None = None,
    method: str = "auto",
    dtype: str | None = None,
    memory: int = MEMORY,
    out: Any = None,
    state: str | os.PathLike | None = None,
    progress: Progress | None = None,
) -> tuple[Any, Explanation]:
    """Call a function of this module, and say which engine gave its result and why.

    Parameters
    ----------
    function : callable
        :func:`potential`, :func:`field` or :func:`potential_and_field`. The other parameters and the exceptions are
        its own.

    Returns
    -------
    result : array or dataset, or pair of them
        What the function returns.
    explanation : coulombfield.Explanation
        The engine, the error that was measured, and what other engines said.

    Raises
    ------
    TypeError
        If it is another function.
    """
    check_explained(function, potential, field, potential_and_field)
    result, explanation = _evaluate(locals(), potential=function is not field, field=function is not potential)
    return result.asked_for, explanation


def _evaluate(given: Mapping[str, Any], *, potential: bool = False, field: bool = False) -> tuple[Result, Any]:
    targets, kernel, memory, progress = (given[name] for name in ("targets", "kernel", "memory", "progress"))
    charges = given["charges"]
    if not isinstance(charges, StoredCharges | Charges):
        expected = "StoredCharges(positions, weights)"
        raise TypeError(f"charges: expected {expected}, got {type(charges).__name__}")
    check_points("targets", targets)
    check_kernel(kernel)
    check_count("memory", memory, least=2**20)
    if progress is not None and not callable(progress):
        raise TypeError(f"progress: expected a function, got {type(progress).__name__}")
    positions, (count, dimension) = charges.positions, (int(length) for length in targets.shape)
    if positions.shape[1] != dimension:
        raise ValueError(f"targets: expected {positions.shape[1]} columns like the charges, got {dimension}")
    if not isinstance(given["exclude_self"], bool):
        raise TypeError(f"exclude_self: expected True or False, got {given['exclude_self']!r}")
    if given["exclude_self"] and count != positions.shape[0]:
        raise ValueError(f"targets: expected as many as charges ({positions.shape[0]}) with exclude_self, got {count}")
    dtype = np.dtype(_checked_dtype(given["dtype"], targets))
    rtol = _checked_rtol(given["rtol"], dtype)
    like = np.empty((0, dimension), dtype)
    wanted = Request(like, like, like[:, 0], kernel.profile, given["exclude_self"], potential, field, rtol)
    _check_method(given["method"], wanted)

    rows = max(1, memory // (2 * (BYTES_A_POINT + BYTES_A_COORDINATE * dimension)))
    out = given["out"]
    if potential and field:
        if out is not None and (not isinstance(out, tuple | list) or len(out) != 2):
            raise TypeError(f"out: expected a pair, for the potential and the field, got {type(out).__name__}")
        places = Result(*(out or (None, None)))
    else:
        places = Result(out, None) if potential else Result(None, out)
    shapes = Result((count,) if potential else None, (count, dimension) if field else None)
    sink = Sink(places, shapes, dtype, memory)
    saved = Saved(given["state"], _inputs(given, rows, dtype, potential, field) if given["state"] is not None else {})
    stored = [Stored(targets, None, dtype, rows), Stored(positions, charges.weights, dtype, rows)]
    if given["exclude_self"]:  # blocks of both have to be of the same rows
        stored[0].rows = stored[1].rows
    evaluation = Evaluation(wanted, stored[0], stored[1], given["method"], sink, saved, memory, progress)
    explanation = evaluation.run(int(field))
    saved.remove()
    return sink.result, explanation


def _inputs(given: Mapping[str, Any], rows: int, dtype: np.dtype, potential: bool, field: bool) -> dict[str, str]:
    """What has to be the same for an evaluation to go on."""
    charges = given["charges"]
    said = {name: str(given[name]) for name in ("exclude_self", "rtol", "method")}
    said |= {"kernel": repr(given["kernel"]), "dtype": str(dtype), "rows of a block": str(rows)}
    said |= {"targets": fingerprint(given["targets"]), "positions": fingerprint(charges.positions)}
    said |= {"weights": fingerprint(charges.weights), "version": own_version()}
    return said | {"potential": str(potential), "field": str(field)}


def _checked_dtype(given: Any, targets: Any) -> str:
    if given is None:
        return str(targets.dtype)
    try:
        name = np.dtype(given).name
    except TypeError:
        name = repr(given)
    if name not in DTYPES:
        raise ValueError(f"dtype: expected float32 or float64, got {name}")
    return name


def _checked_rtol(given: Any, dtype: np.dtype) -> float | None:
    if given is None:
        return None
    rtol, least = finite_number("rtol", given), 16 * float(np.finfo(dtype).eps)
    if not least <= rtol < 1:
        raise ValueError(f"rtol: expected a number from {least:.1e} ({dtype}) to 1, got {rtol:g}")
    return rtol


def _check_method(method: Any, wanted: Request) -> None:
    served = [name for name in EXACT if name not in REFUSED] + [FAST]
    if method == "auto":
        return
    if not isinstance(method, str) or (method not in served and method not in REFUSED):
        raise ValueError(f"method: expected auto or one of {', '.join(served)}, got {method!r}")
    if reason := REFUSED.get(method) or (EXACT.get(method) or APPROXIMATE[method]).refusal(wanted):
        raise ValueError(f"method: {method} can't serve this: {reason}")
    if method == FAST and wanted.rtol is None:
        raise ValueError(f"rtol: method {method} needs one")
