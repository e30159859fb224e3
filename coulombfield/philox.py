r"""Numbers of NumPy's Philox streams, drawn on a GPU: bits, order and state afterwards are NumPy's.

Philox-4x64 [1]_ encrypts a counter, so that each word of a stream can be made by itself. The numbers that NumPy makes
of them can't: a rejected one moves all that follow. ``philox.cu`` looks at each word as if a number began there, and
then finds where they do. It draws what loops draw: normal numbers by NumPy's ziggurat [2]_, uniform ones of 24 or 53
bits, and integers below a bound [3]_.

**Numbers are drawn ahead.** The first call of a kind draws what it is asked for, and each later block is twice as long
as the one before, up to :data:`LIMIT` numbers. Calls are given parts of a block: within it, nothing is copied between
host and device, and nobody waits. With a new block the host waits for some KB. The state of the stream stays
the host's: when it is asked for, NumPy draws what has been given out of the block once more, at 10 ns a number.

**Why the bits are NumPy's.** Words and integers are exact; products and sums are rounded one by one, as IEEE 754 says
and as NumPy's builds for Linux do. What remains are exp and log1p, whose last bits are those of a C library:

- In the wedge of a layer, x is taken where a uniform height is below exp(-x²/2). Where the two are so close that
  rounding could decide, in some 1e-12 of these cases, the comparison counts as doubtful.
- In the tail, one number in 3,700, the number itself is a logarithm. NumPy makes it, of the words that the GPU has
  found for it and put into the record. How many words these are is a comparison, doubtful where it is close.
- A block with a doubtful comparison is drawn by NumPy and copied. That is one in 1e9 numbers of float32.

The edges of the layers are asked of NumPy, one number each; tables follow from them. Before numbers of a kind are drawn
for the first time, :data:`CHECKED` of them are compared with NumPy's own, which may change in a feature release.

Notes
-----
One block of 512 threads draws, in steps of 512 blocks of Philox: 4096 words of 32 bits or 2048 of 64. It has up to
45 KB of shared memory and 118 registers a thread, by the compiler's report for compute capability 7.5 to 10.0, and
spills none. One multiprocessor is enough, since a block of numbers serves many calls.

References
----------
.. [1] J. K. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
.. [2] G. Marsaglia and W. W. Tsang, "The ziggurat method for generating random variables", J. Stat. Softw. 5 (8), 2000.
.. [3] D. Lemire, "Fast random integer generation in an interval", ACM Trans. Model. Comput. Simul. 29 (1), 2019.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Mapping, Sequence
from importlib import resources
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from .arrays import Array, cuda_module

THREADS = 512
LIMIT = 2**18  # numbers drawn ahead: 1 or 2 MB; NumPy draws as many in 3 ms
LAYERS = 256
STATE = 13  # 64-bit words of a state
HEAD = STATE + 2  # and of a record before its tails, as in the text
TAILS = 64  # room for tails, beside one in 1,000 numbers: four times as many as there are
CHECKED = 2**13  # numbers of a kind that are compared with NumPy's before the first is used
KERNELS = {"standard_normal": "draw_normal", "random": "draw_uniform", "integers": "draw_integers"}


class Kind(NamedTuple):
    """A method of NumPy's Generator with its arguments, but for the size."""

    method: str
    dtype: np.dtype
    arguments: tuple[int, ...] = ()

    def draw(self, generator: np.random.Generator, count: int) -> np.ndarray:
        """So many numbers by NumPy."""
        return getattr(generator, self.method)(*self.arguments, size=count, dtype=self.dtype)


class DeviceGenerator:
    """A Philox stream of NumPy's whose numbers are CuPy arrays, see :mod:`coulombfield.philox`.

    Its methods are those of :class:`numpy.random.Generator` that loops need. Who draws on the host in between gets the
    generator from :meth:`host` each time.

    Parameters
    ----------
    generator : numpy.random.Generator
        On :class:`numpy.random.Philox`.
    xp : module
        CuPy; numbers lie on the device that is current when they are drawn.
    """

    def __init__(self, generator: np.random.Generator, xp: ModuleType):
        self._generator, self._xp = generator, xp
        self._block: Array | None = None
        self._used, self._length, self._count = 0, 0, 0
        self._end: Mapping[str, Any] = {}
        self._kind: Kind | None = None

    def standard_normal(self, size: int | Sequence[int], dtype: np.typing.DTypeLike = np.float64) -> Array:
        """Normal numbers, of float32 or float64."""
        return self._take(Kind("standard_normal", _real(dtype)), size)

    def random(self, size: int | Sequence[int], dtype: np.typing.DTypeLike = np.float64) -> Array:
        """Uniform numbers in [0, 1), of float32 or float64."""
        return self._take(Kind("random", _real(dtype)), size)

    def integers(self, low: int, high: int, size: int | Sequence[int]) -> Array:
        """Integers from ``low`` to below ``high``, int64.

        Raises
        ------
        ValueError
            If there are none, or 2**32 of them or more.
        """
        low, high = operator.index(low), operator.index(high)
        if not 0 < high - low < 2**32:
            raise ValueError(f"high: expected from 1 to 2**32 - 1 more than low = {low}, got {high}")
        if low < -(2**63) or high > 2**63:
            raise ValueError(f"high: expected a range of int64, got from {low} to {high}")
        if high - low == 1:  # nothing to draw
            return self._xp.full(_shape(size), low, np.int64)
        return self._take(Kind("integers", np.dtype(np.int64), (low, high)), size)

    def host(self) -> np.random.Generator:
        """The generator itself, in the state behind the last number that has been drawn."""
        if self._block is not None and self._kind is not None:
            if self._used == self._length:
                self._generator.bit_generator.state = self._end
            else:
                self._kind.draw(self._generator, self._used)
            self._block = None
        return self._generator

    def _take(self, kind: Kind, size: int | Sequence[int]) -> Array:
        shape = _shape(size)
        count = math.prod(shape)
        if count == 0:
            return self._xp.empty(shape, kind.dtype)
        if self._block is None or kind != self._kind or self._used + count > self._length:
            self._draw_ahead(kind, count)
        assert self._block is not None
        self._used += count
        return self._block[self._used - count : self._used].reshape(shape)

    def _draw_ahead(self, kind: Kind, count: int) -> None:
        """Begin a block where the last number was, of a length that calls of this size use up."""
        _expect_agreement(kind.method, kind.dtype, self._xp)
        generator = self.host()
        again = (kind, count) == (self._kind, self._count)
        self._length = count * max(1, min(2 * self._length, LIMIT) // count) if again else count
        self._kind, self._count, self._used = kind, count, 0
        start = generator.bit_generator.state
        drawn = _drawn(kind, start, self._length, self._xp)
        if drawn is None:
            values = kind.draw(generator, self._length)
            drawn = self._xp.asarray(values), generator.bit_generator.state
            generator.bit_generator.state = start
        self._block, self._end = drawn


@functools.cache
def _expect_agreement(method: str, dtype: np.dtype, xp: ModuleType) -> None:
    """Raise RuntimeError where NumPy does not draw as the kernels do."""
    kind = Kind(method, dtype, (0, 3 * 2**30) if method == "integers" else ())
    generator = np.random.Generator(np.random.Philox(0))
    drawn = _drawn(kind, generator.bit_generator.state, CHECKED, xp)
    if drawn is not None and not np.array_equal(drawn[0].get(), kind.draw(generator, CHECKED)):
        raise RuntimeError(
            f"bit_generator: expected sfc64, since NumPy {np.__version__} draws {method} otherwise than this package's "
            "CUDA code; got philox"
        )


def _drawn(kind: Kind, start: Mapping[str, Any], count: int, xp: ModuleType) -> tuple[Array, Mapping[str, Any]] | None:
    """So many numbers and the state behind them; None where that takes NumPy."""
    state = _packed(start)
    if start["buffer_pos"] == 0:  # what NumPy's own states never have
        return None
    capacity = TAILS + count // 1000 if kind.method == "standard_normal" else 0
    values, record = xp.empty(count, kind.dtype), xp.empty(HEAD + 4 * capacity, np.uint64)
    arguments: tuple[Any, ...] = (state, count, values, record, capacity)
    real = np.dtype(np.float32) if kind.dtype.kind == "i" else kind.dtype
    if kind.method == "integers":
        arguments += (kind.arguments[0], kind.arguments[1] - kind.arguments[0])
    elif kind.method == "standard_normal":
        *tables, edge = _tables(real)
        arguments += (*map(xp.asarray, tables), edge)
    _module(real.name).get_function(KERNELS[kind.method])((1,), (THREADS,), arguments)
    found = record.get()
    doubts, tails = int(found[STATE]), int(found[STATE + 1])
    if doubts or tails > capacity:
        return None
    if tails:
        of_tails = found[HEAD : HEAD + 4 * tails].reshape(tails, 4)
        numbers = np.array([_normal_of(words, real) for words in of_tails[:, 1:]], real)
        values[xp.asarray(of_tails[:, 0].astype(np.int64))] = xp.asarray(numbers)
    return values, _unpacked(found[:STATE])


def options(dtype: Any) -> tuple[str, ...]:
    """Definitions that turn the text into the code for one dtype, in which products and sums are rounded one by one."""
    real = {"float32": "float", "float64": "double"}[str(dtype)]
    return f"-DREAL={real}", f"-DTHREADS={THREADS}", "-fmad=false"


def source() -> str:
    """CUDA C++ of the kernels."""
    return resources.files(__package__).joinpath("philox.cu").read_text()


@functools.cache
def _module(dtype: str) -> Any:
    return cuda_module(source(), options(dtype))


@functools.cache
def _tables(dtype: np.dtype) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """The ziggurat: first places of each layer that are not inside, widths of a place, densities, the last edge.

    Layer i ends at x_i, which grows from x_1 to x_255; the lowest layer is number 0 and would end at x_0, were it as
    long as its area asks for. Its part before x_255 is inside, as is that of others before x_(i-1), where x_0 counts as
    0; NumPy rounds these places to the nearest.
    """
    bits = {4: 23, 8: 52}[dtype.itemsize]
    edges = _edges()
    edge = float(edges[-1])
    above = np.array([edge, 0.0, *edges[1:-1]])
    density = np.exp(-0.5 * edges**2)
    density[0] = 1.0
    inside = np.rint(above / edges * 2.0**bits).astype(f"u{dtype.itemsize}")
    return inside, (edges * 2.0**-bits).astype(dtype), density.astype(dtype), edge


def _edges() -> np.ndarray:
    """Edges of NumPy's layers: a word with the layer in its lowest bits, and a place of 2**-4 in it, is a number."""
    words = np.zeros((LAYERS, 3), np.uint64)
    words[:, 0] = np.arange(LAYERS) | 1 << (52 - 4 + 9)
    return np.array([_normal_of(word, np.dtype(np.float64)) for word in words]) * 2.0**4


def _normal_of(words: np.ndarray, dtype: np.dtype) -> float:
    """The normal number that NumPy makes of three words."""
    first, second, third = map(int, words)
    buffer = (first | second << 32, third, 0, 0) if dtype == np.float32 else (first, second, third, 0)
    scratch = _scratch()
    scratch.bit_generator.state = _EMPTY | {"buffer": np.array(buffer, np.uint64)}
    return scratch.standard_normal(dtype=dtype)


@functools.cache
def _scratch() -> np.random.Generator:
    return np.random.Generator(np.random.Philox(0))


_EMPTY = {
    "bit_generator": "Philox",
    "state": {"counter": np.zeros(4, np.uint64), "key": np.zeros(2, np.uint64)},
    "buffer_pos": 0,
    "has_uint32": 0,
    "uinteger": 0,
}
_FIELDS = (("counter", 4), ("key", 2), ("buffer", 4), ("buffer_pos", 1), ("has_uint32", 1), ("uinteger", 1))


def _shape(size: int | Sequence[int]) -> tuple[int, ...]:
    given = size if isinstance(size, tuple | list) else (size,)
    try:
        shape = tuple(map(operator.index, given))
    except TypeError:
        raise TypeError(f"size: expected an integer or a sequence of integers, got {size!r:.60}") from None
    if min(shape, default=0) < 0:
        raise ValueError(f"size: expected numbers that are not negative, got {size}")
    return shape


def _real(dtype: np.typing.DTypeLike) -> np.dtype:
    found = np.dtype(dtype)
    if found not in (np.float32, np.float64):
        raise TypeError(f"dtype: expected float32 or float64, got {found}")
    return found


def _packed(state: Mapping[str, Any]) -> np.ndarray:
    """A state of NumPy's as the struct of the kernels."""
    words = state["state"] | state
    return np.array(tuple(words[name] for name, _ in _FIELDS), [(name, np.uint64, size) for name, size in _FIELDS])


def _unpacked(words: np.ndarray) -> dict[str, Any]:
    """The words of that struct as a state of NumPy's."""
    counter, key, buffer, *rest = np.split(words, np.cumsum([size for _, size in _FIELDS])[:-1])
    position, has_half, half = (int(word[0]) for word in rest)
    return {
        "bit_generator": "Philox",
        "state": {"counter": counter, "key": key},
        "buffer": buffer,
        "buffer_pos": position,
        "has_uint32": has_half,
        "uinteger": half,
    }
