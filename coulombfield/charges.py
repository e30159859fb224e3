"""Point charges, and the one place that knows which sign a sample carries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import array_api_compat

from .arrays import Array, backend, floating, library, namespace


@dataclass(frozen=True, eq=False)
class Charges:
    """Point charges: where they are and how much each carries.

    Parameters
    ----------
    positions : array, shape (S, m)
        Places of the charges [length], float32 or float64, m ≥ 1; S may be 0. Lists of numbers and arrays of integers
        become floating-point arrays, here and in all that takes points or charges: of the dtype of the floating-point
        array beside them, or else of float64.
    weights : array, shape (S,)
        Charges [charge]; same library, dtype and device as ``positions``.

    Raises
    ------
    TypeError
        If an argument is no array or has another dtype, or the two belong to different libraries.
    ValueError
        If a shape or a device disagrees.

    Notes
    -----
    Values aren't looked at: a NaN goes through to the results.
    """

    positions: Array
    weights: Array

    def __post_init__(self) -> None:
        positions, weights = floating(positions=self.positions, weights=self.weights)
        object.__setattr__(self, "positions", positions)
        object.__setattr__(self, "weights", weights)
        backend(positions=positions, weights=weights)
        check_points("positions", self.positions)
        count = self.positions.shape[0]
        if tuple(self.weights.shape) != (count,):
            raise ValueError(f"weights: expected shape ({count},) like positions, got {tuple(self.weights.shape)}")
        if self.weights.dtype != self.positions.dtype:
            raise TypeError(f"weights: expected dtype {self.positions.dtype} like positions, got {self.weights.dtype}")

    def __repr__(self) -> str:
        count, dimension = self.positions.shape
        return f"Charges({count} in {dimension} dimensions, {kind_of(self.positions)})"


def real_charges(real: Array) -> Charges:
    """Real data as charges +1/N_y each; ``real`` has shape (N_y, m) [length], N_y ≥ 1."""
    (real,) = floating(real=real)
    backend(real=real)
    return Charges(real, _real_weights(real))


def generated_charges(generated: Array) -> Charges:
    """Generated samples as charges −1/N_x each; ``generated`` has shape (N_x, m) [length], N_x ≥ 1."""
    (generated,) = floating(generated=generated)
    backend(generated=generated)
    return Charges(generated, _generated_weights(generated))


def signed_charges(real: Array, generated: Array) -> Charges:
    r"""Charges of a minibatch: real data first, then generated samples.

    .. math:: \hat\rho = \frac{1}{N_y} \sum_i \delta_{y_i} - \frac{1}{N_x} \sum_i \delta_{x_i} \qquad \text{(Eq 8)}

    Parameters
    ----------
    real : array, shape (N_y, m)
        Real data y [length], N_y ≥ 1.
    generated : array, shape (N_x, m)
        Generated samples x [length], N_x ≥ 1; same library, dtype and device as ``real``.

    Returns
    -------
    Charges
        N_y + N_x charges, whose sum is 0.

    Raises
    ------
    TypeError
        If an argument is no array or has another dtype, or the two belong to different libraries.
    ValueError
        If one is empty, or a shape or a device disagrees.

    Notes
    -----
    The positions are a copy. A loop that has its points in one array anyway can build its charges once and
    overwrite the positions.
    """
    real, generated = floating(real=real, generated=generated)
    xp = backend(real=real, generated=generated)
    weights = xp.concat([_real_weights(real), _generated_weights(generated)])
    check_like("generated", generated, "real", real)
    return Charges(xp.concat([real, generated]), weights)


def check_charges(charges: Any) -> None:
    """Raise unless an argument is a set of charges."""
    if not isinstance(charges, Charges):
        raise TypeError(f"charges: expected Charges(positions, weights), got {type(charges).__name__}")


def check_points(name: str, points: Array) -> None:
    """Raise unless an array is a set of points: shape (count, m) with m ≥ 1, float32 or float64."""
    if points.ndim != 2 or points.shape[1] == 0:
        raise ValueError(f"{name}: expected shape (count, m) with m >= 1, got {tuple(points.shape)}")
    xp = namespace(points)
    if points.dtype != xp.float32 and points.dtype != xp.float64:
        raise TypeError(f"{name}: expected dtype float32 or float64, got {points.dtype}")


def check_like(name: str, points: Array, like_name: str, like: Array) -> None:
    """Raise unless two sets of points have one dimension and one dtype."""
    if points.shape[1] != like.shape[1]:
        raise ValueError(f"{name}: expected {like.shape[1]} columns like {like_name}, got {points.shape[1]}")
    if points.dtype != like.dtype:
        raise TypeError(f"{name}: expected dtype {like.dtype} like {like_name}, got {points.dtype}")


def checked_samples(real: Array, generated: Array, least: int = 1) -> tuple[Array, Array]:
    """Two samples as floating-point arrays; raises unless they fit each other and have enough points."""
    real, generated = floating(real=real, generated=generated)
    backend(real=real, generated=generated)
    for name, points in (("real", real), ("generated", generated)):
        check_points(name, points)
        if points.shape[0] < least:
            raise ValueError(f"{name}: expected at least {least} points, got {points.shape[0]}")
    check_like("generated", generated, "real", real)
    return real, generated


def kind_of(array: Array) -> str:
    """Dtype of an array, and its library where that isn't NumPy: what a short description of it says."""
    name, dtype = library(type(array)), str(array.dtype).rpartition(".")[2]
    return dtype if name == "numpy" else f"{dtype}, {name}"


def unit_charges(points: Array) -> Charges:
    """Charges of 1: 1/N rounded to float32 would put one and the same relative error on a whole mean."""
    xp, device = namespace(points), array_api_compat.device(points)
    return Charges(points, xp.ones((points.shape[0],), dtype=points.dtype, device=device))


def shares(name: str, points: Array, count: int) -> Array:
    """Weights of points that are some of ``count`` in all, which are 'real' data or 'generated' samples."""
    check_points(name, points)
    if count == 0:
        raise ValueError(f"{name}: expected at least one point, got none")
    xp, device = namespace(points), array_api_compat.device(points)
    total = +1.0 if name == "real" else -1.0
    return xp.full((points.shape[0],), total / count, dtype=points.dtype, device=device)


def _real_weights(real: Array) -> Array:
    check_points("real", real)
    return shares("real", real, real.shape[0])


def _generated_weights(generated: Array) -> Array:
    check_points("generated", generated)
    return shares("generated", generated, generated.shape[0])
