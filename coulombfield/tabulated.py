"""The potential and field of charges that stay, tabulated once for many evaluations."""

from __future__ import annotations

import importlib
import math
from types import ModuleType

import array_api_compat
import numpy as np
import scipy  # whose parts load when they are first used

from .arguments import finite_number
from .arrays import Array, backend, floating, library, namespace, to_numpy
from .calculus import machine_epsilon
from .charges import Charges, check_charges, check_like, check_points
from .kernels import RadialKernel, check_kernel, value_at_zero
from .sums import potential_and_field

LARGEST = 1 << 22  # nodes of a grid, 100 MB of a potential and its field in the plane in float64
MARGIN = 0.25  # of the charges' largest extent, by which the grid goes beyond them on each side
RIM = 12  # nodes beyond that, where the spline knows too little of what lies outside: 0.27**12 = 1e-7 of that is left
SAMPLED = 512  # places at which the table's error is measured
SHORTEST = 1e-150  # extent whose square is a number
COARSEST = 32  # spacings along the charges' largest extent, to begin with


class TabulatedField:
    r"""Potential and field of charges that stay where they are, by cubic splines on a grid.

    .. math:: \hat\Phi(a) = \sum_j q_j\, k(a, b_j), \qquad \hat E(a) = -\nabla\hat\Phi(a) \qquad \text{(Eqs 8, 34)}

    One fast sum over the nodes of a grid, and then each evaluation takes a few operations a point, however many charges
    there are: for generated samples that move for many steps among data that do not. Points beyond the grid, which
    covers the charges and a quarter of their extent more, get exact sums.

    Parameters
    ----------
    charges : Charges
        Sources b with their charges q, at least one, of NumPy or CuPy and in up to three dimensions.
    kernel : RadialKernel
        The kernel k, smooth at 0: a bare inverse power can't be tabulated.
    rtol : float
        Error that is allowed, of the potential and of the field: root mean square relative to that of the true values.
        It is measured at some charges and some places of the grid, and the grid is made finer until both are met: of
        the order of :math:`(L/\varepsilon)^m\,\mathrm{rtol}^{-m/4}` nodes for charges over an extent L.

    Attributes
    ----------
    error : float
        The larger of the two errors, as measured.

    Raises
    ------
    TypeError
        If an argument is of a wrong type, or the arrays are of another library.
    ValueError
        If there are no charges, they are not finite or have more than three dimensions, the kernel is infinite at 0, or
        ``rtol`` is out of range.
    ArithmeticError
        If 2**22 nodes are too few for ``rtol``, the kernel being too sharp for so large an extent; if all charges lie
        at one point; or if the potential or the field leaves the range of the dtype. Use
        :func:`~coulombfield.potential_and_field` then.

    Examples
    --------
    >>> import numpy as np
    >>> import coulombfield as cf
    >>> data = cf.real_charges(np.random.default_rng(0).normal(size=(10_000, 2)))
    >>> table = cf.TabulatedField(data, cf.Plummer(exponent=1, softening=0.5), rtol=1e-4)
    >>> points = np.asarray([[0.0, 1.0], [2.0, -1.0]])
    >>> potential, field = table(points)
    >>> bool(np.allclose(field, cf.field(points, data, table.kernel), rtol=1e-3))
    True
    """

    def __init__(self, charges: Charges, kernel: RadialKernel, *, rtol: float = 1e-4):
        check_charges(charges)
        check_kernel(kernel)
        self.kernel, self.rtol = kernel, finite_number("rtol", rtol, "positive")
        positions = charges.positions
        _ndimage(positions)
        self._eps = machine_epsilon(positions.dtype)
        if not 500 * self._eps <= self.rtol < 1:
            raise ValueError(f"rtol: expected from {500 * self._eps:.1g} to below 1, got {rtol}")
        if positions.shape[0] == 0 or positions.shape[1] > 3:
            raise ValueError(f"charges: expected at least one, in up to three dimensions, got shape {positions.shape}")
        host = to_numpy(positions).astype(np.float64)
        if not (np.isfinite(host).all() and np.isfinite(to_numpy(charges.weights)).all()):
            raise ValueError("charges: expected finite positions and weights")
        if not math.isfinite(value_at_zero(kernel)):
            raise ValueError(f"kernel: expected one that is finite at 0, got {kernel}")
        copies = (namespace(one).asarray(one, copy=True) for one in (positions, charges.weights))
        self.charges = Charges(*copies)  # which the caller can't change
        self._make(host)

    @property
    def shape(self) -> tuple[int, ...]:
        """Nodes of the grid along each axis."""
        return tuple(self._splines[0].shape)

    def __call__(self, points: Array) -> tuple[Array, Array]:
        """Potential and field at ``points``.

        Parameters
        ----------
        points : array, shape (T, m)
            Places [length]; library, dtype and device of the charges. T may be 0.

        Returns
        -------
        potential : array, shape (T,)
            Φ̂ [charge · kernel].
        field : array, shape (T, m)
            Ê [charge · kernel / length].

        Raises
        ------
        TypeError
            If ``points`` are of another library or dtype than the charges.
        ValueError
            If their shape or device is another.
        """
        _, points = floating(charges=self.charges.positions, points=points)
        xp = backend(charges=self.charges.positions, points=points)
        check_points("points", points)
        check_like("points", points, "charges", self.charges.positions)
        nodes = (points - self._origin) / self._spacing
        inside = ((nodes >= RIM) & (nodes <= self._last - RIM)).all(axis=1)
        values = xp.empty((len(self._splines), len(points)), dtype=points.dtype)
        # What is outside is computed again below; a place that is not a number must not be looked up.
        places = xp.where(inside[:, None], nodes, float(RIM)).T
        interpolate = _ndimage(points).map_coordinates
        for spline, out in zip(self._splines, values, strict=True):
            interpolate(spline, places, out, order=3, mode="nearest", prefilter=False)
        potential, field = values[0], values[1:].T.copy()
        if len(outside := np.flatnonzero(~to_numpy(inside))):
            index = xp.asarray(outside, device=array_api_compat.device(points))
            there = potential_and_field(points.take(index, axis=0), self.charges, self.kernel)
            potential[index], field[index] = there
        return potential, field

    def _make(self, host: np.ndarray) -> None:
        """Finer and finer grids, until the error is small enough; ``host`` has the positions."""
        low, high = host.min(axis=0), host.max(axis=0)
        with np.errstate(over="ignore"):
            extent = float((high - low).max())
        if not SHORTEST <= extent <= 1 / SHORTEST:
            raise ArithmeticError(
                f"charges: expected an extent from {SHORTEST:g} to {1 / SHORTEST:g}, got {extent:.3g}"
            )
        low, high = low - MARGIN * extent, high + MARGIN * extent
        rng = np.random.default_rng(0)
        spread = rng.uniform(low, high, (SAMPLED // 3, len(low)))
        sampled = self._put(np.concatenate([spread, rng.choice(host, SAMPLED - len(spread))]))
        exact = potential_and_field(sampled, self.charges, self.kernel)
        if not all(np.isfinite(to_numpy(values)).all() for values in exact):
            raise ArithmeticError(
                f"charges: their potential or field under {self.kernel} leaves the range of the dtype"
            )
        spacing = extent / COARSEST
        while True:
            counts = np.ceil((high - low) / spacing) + 2 * RIM + 1
            if math.prod(counts) > LARGEST:
                raise ArithmeticError(
                    f"rtol: {LARGEST} nodes are too few for {self.rtol:g} with {self.kernel} over an extent "
                    f"of {extent:.3g}"
                )
            self._tabulate(low - RIM * spacing, spacing, counts.astype(int))
            self.error = max(map(_error, self(sampled), exact))
            if self.error <= self.rtol:
                return
            # The error of cubic splines goes with the fourth power, once they resolve the kernel.
            spacing *= max(0.3, 0.8 * (self.rtol / self.error) ** 0.25)

    def _tabulate(self, origin: np.ndarray, spacing: float, counts: np.ndarray) -> None:
        axes = [start + spacing * np.arange(count) for start, count in zip(origin, counts, strict=True)]
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
        phi, field = potential_and_field(
            self._put(grid), self.charges, self.kernel, rtol=max(0.1 * self.rtol, 16 * self._eps)
        )
        values = [to_numpy(phi), *to_numpy(field).T]
        self._splines = [
            self._put(scipy.ndimage.spline_filter(each.reshape(counts), order=3, mode="mirror")) for each in values
        ]
        self._origin, self._last = self._put(origin), self._put(counts - 1.0)
        self._spacing = spacing

    def _put(self, values: np.ndarray) -> Array:
        positions = self.charges.positions
        xp = namespace(positions)
        return xp.asarray(values, dtype=positions.dtype, device=array_api_compat.device(positions))


def _ndimage(array: Array) -> ModuleType:
    """The library's interpolation."""
    modules = {"numpy": "scipy.ndimage", "cupy": "cupyx.scipy.ndimage"}
    name = library(type(array))
    if name not in modules:
        raise TypeError(f"charges: expected NumPy or CuPy arrays, got one of {name}")
    return importlib.import_module(modules[name])


def _error(found: Array, exact: Array) -> float:
    """Root mean square error relative to that of the exact values; infinite where something found is not finite."""
    found, exact = (to_numpy(values).astype(np.float64) for values in (found, exact))
    unit = float(abs(exact).max()) or 1.0  # squares of very small numbers would be 0
    with np.errstate(over="ignore", invalid="ignore"):
        error = np.linalg.norm(found / unit - exact / unit)
    size = np.linalg.norm(exact / unit)
    if not np.isfinite(error) or (error and not size):
        return math.inf
    return float(error / size) if error else 0.0
