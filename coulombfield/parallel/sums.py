"""Potential and field of charges that are spread over the ranks of a communicator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from ..arrays import Array, library
from ..charges import Charges
from ..kernels import RadialKernel
from ..sums import checked_request
from ..sums.request import Request, Result, check_explained
from ..sums.selection import Explanation
from .agreement import agreed
from .ranks import Ranks
from .selection import Job, check_method

R = TypeVar("R")


def potential(
    targets: Array,
    charges: Charges,
    kernel: RadialKernel,
    *,
    comm: Any = None,
    exclude_self: bool = False,
    rtol: float | None = None,
    method: str = "auto",
    deterministic: bool = False,
) -> np.ndarray:
    r"""Potential of the charges of all ranks at this rank's targets.

    .. math:: \hat\Phi(a_i) = \sum_r \sum_{j \text{ of } r} q_j\, k(a_i, b_j) \qquad \text{(Eq 8)}

    Every rank of the communicator has to call it, with charges and targets of its own, as many as it likes.

    Parameters
    ----------
    targets : numpy.ndarray, shape (T, m)
        This rank's targets [length]; T may be 0.
    charges : Charges
        This rank's charges, of the same dtype; there may be none.
    kernel : RadialKernel
        The kernel, the same on every rank.
    comm : mpi4py.MPI.Intracomm, optional
        The communicator; MPI.COMM_WORLD without it.
    exclude_self : bool
        On every rank, target i is charge i, and their own term is left out.
    rtol : float, optional
        As for :func:`coulombfield.potential`, over the targets of all ranks.
    method : str
        'auto', the fastest by the numbers of all ranks; or 'simd', 'gram', 'direct' (all pairs, exact), 'nufft',
        'split' (to ``rtol``).
    deterministic : bool
        Give each target the same bits for any number of ranks, however charges and targets are spread and in whatever
        order they come. Without it the same ranks with the same charges have the same bits in every run, and others
        differ in rounding.

    Returns
    -------
    numpy.ndarray, shape (T,)
        Φ̂ at this rank's targets [charge · kernel].

    Raises
    ------
    ModuleNotFoundError
        If mpi4py is not there: ``pip install 'coulombfield[mpi]'``.
    TypeError, ValueError
        On every rank the same, in one line that names the rank: for an argument that does not fit on any of them, and
        where ranks disagree in dtype, dimension, kernel, an option or the version of this package.
    ArithmeticError
        On every rank, if a fast engine that was asked for by name can't reach ``rtol``; 'auto' falls back to an exact
        one, on all ranks together.

    Notes
    -----
    All pairs: the charges go round the ranks in a ring while each sums over those that it has. 'nufft': each rank
    transforms its charges into modes, which are added up (0.4 MB at 160², whatever the numbers of charges) and
    transformed at its targets. 'split': that, and neighbours by slabs of cells, to which targets and charges are sent.
    'tree' is refused. Memory is that of one process with the same points, and two ranks' charges for all pairs.

    A deterministic sum sends the charges to an order of their own, in fixed blocks, and adds up modes as integers: it
    costs sorting them by 64-bit hashes, one more copy, and at least 64 transforms of the modes' grid.

    Start programs by ``mpiexec -n 2 python -m mpi4py program.py``: an error on one rank then ends all.
    """
    return _evaluate(locals(), potential=True, field=False)[0].potential


def field(
    targets: Array,
    charges: Charges,
    kernel: RadialKernel,
    *,
    comm: Any = None,
    exclude_self: bool = False,
    rtol: float | None = None,
    method: str = "auto",
    deterministic: bool = False,
) -> np.ndarray:
    r"""Electric field of the charges of all ranks at this rank's targets.

    .. math:: \hat E(a_i) = -\nabla\hat\Phi(a_i) \qquad \text{(Eq 34)}

    Parameters, exceptions and notes are those of :func:`potential`.

    Returns
    -------
    numpy.ndarray, shape (T, m)
        Ê at this rank's targets [charge · kernel / length].
    """
    return _evaluate(locals(), potential=False, field=True)[0].field


def potential_and_field(
    targets: Array,
    charges: Charges,
    kernel: RadialKernel,
    *,
    comm: Any = None,
    exclude_self: bool = False,
    rtol: float | None = None,
    method: str = "auto",
    deterministic: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    r"""Potential and electric field together, for little more than the cost of the field alone.

    Parameters, exceptions and notes are those of :func:`potential`.

    Returns
    -------
    potential : numpy.ndarray, shape (T,)
        As from :func:`potential`.
    field : numpy.ndarray, shape (T, m)
        As from :func:`field`.
    """
    value, _ = _evaluate(locals(), potential=True, field=True)
    return value.potential, value.field


def explain(
    function: Callable[..., R],
    targets: Array,
    charges: Charges,
    kernel: RadialKernel,
    *,
    comm: Any = None,
    exclude_self: bool = False,
    rtol: float | None = None,
    method: str = "auto",
    deterministic: bool = False,
) -> tuple[R, Explanation]:
    """Call a function of this module, and say which engine gave its result and why, on all ranks the same.

    Parameters
    ----------
    function : callable
        :func:`potential`, :func:`field` or :func:`potential_and_field`. The other parameters and the exceptions are
        its own.

    Returns
    -------
    result : array or pair of arrays
        What the function returns.
    explanation : coulombfield.Explanation
        The engine, the error that was measured, and what other engines said.

    Raises
    ------
    TypeError
        If it is another function.
    """
    result, explanation = _evaluate(locals(), potential=function is not field, field=function is not potential)
    return result.asked_for, explanation


FUNCTIONS = potential, field, potential_and_field


def _evaluate(arguments: Mapping[str, Any], *, potential: bool, field: bool) -> tuple[Result, Explanation]:
    comm, targets, charges, kernel = (arguments[name] for name in ("comm", "targets", "charges", "kernel"))
    ranks = comm if isinstance(comm, Ranks) else Ranks(comm)
    given = {name: arguments[name] for name in ("exclude_self", "rtol", "method", "deterministic")}

    def check() -> tuple[Request, dict[str, Any]]:
        if "function" in arguments:
            check_explained(arguments["function"], *FUNCTIONS)
        wanted = {"potential": potential, "field": field}
        request = checked_request(targets, charges, kernel, given["exclude_self"], given["rtol"], **wanted)
        if (name := library(type(request.targets))) != "numpy":
            raise TypeError(f"targets: expected NumPy arrays, which ranks can exchange, got one of {name}")
        if not isinstance(given["deterministic"], bool):
            raise TypeError(f"deterministic: expected True or False, got {given['deterministic']!r}")
        check_method(given["method"], request, given["deterministic"])
        said = {"wanted": wanted, "dtype": str(request.targets.dtype), "dimension": request.targets.shape[1]}
        said |= {"kernel": repr(kernel), **given}
        return request, said | {"_targets": len(request.targets), "_charges": len(request.positions)}

    request, said = agreed(ranks, check)
    same = request.targets is request.positions
    request = request._replace(positions=np.ascontiguousarray(request.positions))
    request = request._replace(targets=request.positions if same else np.ascontiguousarray(request.targets))
    return Job(ranks, request, given["method"], given["deterministic"], said).evaluate(int(field))
