"""Losses of the Coulomb GAN's players."""

from __future__ import annotations

from typing import Literal

from coulombfield.arrays import Array, module_of
from nets.arguments import check_floats, count_of

Reduction = Literal["expectation", "sum"]


def potential_regression(
    values: Array, potential: Array, generated: int, *, reduction: Reduction = "expectation"
) -> tuple[Array, Array]:
    r"""Discriminator's loss: the squared error of D against the potential (Eq 9; v1 Eq 12).

    .. math:: L_D = \tfrac12 E_{p_a}[(D(a) - \hat\Phi(a))^2], \qquad
              p_a = \tfrac12 p_x + \tfrac12 p_y

    Parameters
    ----------
    values : array, shape (N_x + N_y, 1)
        D at the generated samples, then at the real ones.
    potential : array, shape (N_x + N_y,)
        The potential at the same points.
    generated : int
        N_x, between 1 and N_x + N_y - 1.
    reduction : {"expectation", "sum"}
        ``expectation`` is Eq 9: the mean over each species, each with weight 1/2. ``sum`` is Algorithm 1's: half
        the sum of all squared errors, which is 2N times Eq 9 for N_x = N_y = N.

    Returns
    -------
    value : scalar or 0-d array
        The loss, in the dtype of ``values``.
    gradient : array, shape (N_x + N_y, 1)
        dL/dvalues.

    Raises
    ------
    ValueError
        If a shape or dtype disagrees, a species is empty or the reduction is unknown.
    TypeError
        If values are not float32 or float64, or ``generated`` is no integer.

    Notes
    -----
    The potential is a target, not a function of the networks: no gradient passes through it (appendix A.6).
    """
    total = _count(values)
    check_floats("potential", potential)
    if potential.shape != (total,) or potential.dtype != values.dtype:
        raise ValueError(
            f"potential: expected shape ({total},) {values.dtype} like values, got {potential.shape} {potential.dtype}"
        )
    generated = count_of("generated", generated)
    if generated >= total:
        raise ValueError(f"generated: expected a count below {total}, that of all values, got {generated}")
    if reduction not in ("expectation", "sum"):
        raise ValueError(f"reduction: expected 'expectation' or 'sum', got {reduction!r}")
    error = values - potential.reshape(total, 1)
    if reduction == "sum":
        return 0.5 * (error * error).sum(), error
    gradient = error
    squared = error * error
    if 2 * generated == total:  # the same to the bit, by fewer kernels on a GPU
        gradient *= 0.5 / generated
        return (squared.reshape(2, generated).sum(axis=1) * (0.25 / generated)).sum(), gradient
    value = squared[:generated].sum() * (0.25 / generated) + squared[generated:].sum() * (0.25 / (total - generated))
    gradient[:generated] *= 0.5 / generated
    gradient[generated:] *= 0.5 / (total - generated)
    return value, gradient


def generator_potential(values: Array) -> tuple[Array, Array]:
    r"""Generator's loss: minus half the mean potential of its samples, as D sees it (Eq 10).

    .. math:: L_G = -\tfrac12 E_{p_z}[D(G(z))]

    Parameters
    ----------
    values : array, shape (N_x, 1)
        D at the generated samples.

    Returns
    -------
    value : scalar or 0-d array
        The loss, in the dtype of ``values``.
    gradient : array, shape (N_x, 1)
        dL/dvalues, the same -1/(2 N_x) for each sample.

    Raises
    ------
    ValueError
        If the shape is another.
    TypeError
        If values are not float32 or float64: a gradient of integers would be 0.
    """
    factor = -0.5 / _count(values)
    return values.sum() * factor, module_of(values).full_like(values, factor)


def _count(values: Array) -> int:
    check_floats("values", values)
    if values.ndim != 2 or values.shape[0] < 1 or values.shape[1] != 1:
        raise ValueError(f"values: expected one number a sample, shape (N, 1), got {values.shape}")
    return values.shape[0]
