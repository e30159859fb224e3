"""Potential and field of charges that are spread over the ranks of a communicator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..arrays import Array, library
from ..charges import Charges
from ..kernels import RadialKernel
from ..sums import checked_request
from ..sums.request import Request, Result
from ..sums.selection import Explanation
from .agreement import agreed
from .ranks import Ranks
from .selection import Job, check_method


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
    explain: bool = False,
) -> Any:
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
    explain : bool
        Also return an :class:`coulombfield.Explanation`.

    Returns
    -------
    numpy.ndarray, shape (T,)
        Φ̂ at this rank's targets [charge · kernel]; with ``explain``, a pair with the explanation.

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
    value, explanation = _evaluate(locals(), comm, targets, charges, kernel, potential=True, field=False)
    return (value.potential, explanation) if explain else value.potential


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
    explain: bool = False,
) -> Any:
    r"""Electric field of the charges of all ranks at this rank's targets.

    .. math:: \hat E(a_i) = -\nabla\hat\Phi(a_i) \qquad \text{(Eq 34)}

    Parameters, exceptions and notes are those of :func:`potential`.

    Returns
    -------
    numpy.ndarray, shape (T, m)
        Ê at this rank's targets [charge · kernel / length]; with ``explain``, a pair with the explanation.
    """
    value, explanation = _evaluate(locals(), comm, targets, charges, kernel, potential=False, field=True)
    return (value.field, explanation) if explain else value.field


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
    explain: bool = False,
) -> Any:
    r"""Potential and electric field together, for little more than the cost of the field alone.

    Parameters, exceptions and notes are those of :func:`potential`.

    Returns
    -------
    potential : numpy.ndarray, shape (T,)
        As from :func:`potential`.
    field : numpy.ndarray, shape (T, m)
        As from :func:`field`.
    explanation : Explanation
        Only with ``explain``.
    """
    value, explanation = _evaluate(locals(), comm, targets, charges, kernel, potential=True, field=True)
    return (*value, explanation) if explain else tuple(value)


def _evaluate(
    options: Mapping[str, Any],
    comm: Any,
    targets: Any,
    charges: Any,
    kernel: Any,
    *,
    potential: bool,
    field: bool,
) -> tuple[Result, Explanation]:
    ranks = comm if isinstance(comm, Ranks) else Ranks(comm)
    given = {name: options[name] for name in ("exclude_self", "rtol", "method", "deterministic", "explain")}

    def check() -> tuple[Request, dict[str, Any]]:
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
