"""What a GPU can do, measured on it: what the figures of benchmarks are shares of."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from coulombfield.arrays import Array, Device, cuda_module

from .timing import take_turns, timer_of

SIDE, QUICK_SIDE = 8192, 64  # of the largest matrices that are multiplied
ALIGNED = 64  # sides are multiples of it, as products like them
COPIED, QUICK_COPIED = 2**30, 2**16  # bytes, at most, and a tenth of what is free
CHAINS, THREADS = 8, 256  # enough that no multiply-add waits for another
BLOCKS_OF_A_PROCESSOR = (
    24  # 4, 6 or 8 of them run at once, by the architecture, and none is left for a last, short turn
)
ROUNDS, QUICK_ROUNDS = 2**14, 2**4
SECONDS = 0.25  # to spend on a rate

MULTIPLY_ADDS = r"""
extern "C" __global__ void multiply_adds(REAL* out, REAL factor, int rounds) {
  REAL x[CHAINS];
  for (int c = 0; c < CHAINS; ++c) x[c] = threadIdx.x + c;
  for (int i = 0; i < rounds; ++i)
#pragma unroll
    for (int c = 0; c < CHAINS; ++c) x[c] = x[c] * factor + factor;
  REAL sum = 0;
  for (int c = 0; c < CHAINS; ++c) sum += x[c];
  out[blockIdx.x * blockDim.x + threadIdx.x] = sum;
}
"""


class Shares(NamedTuple):
    """A time as shares of what the card can do; None where nobody has counted."""

    share_of_product: float | None = None
    """Of the rate of cuBLAS, for a product of square matrices of as many operations and the same dtype."""
    share_of_rate: float | None = None
    """Of the rate of multiply-adds of the dtype, two operations each."""
    share_of_bandwidth: float | None = None
    """Of the rate at which a large array is copied, each byte read and written."""

    def __str__(self) -> str:
        named = zip(("cuBLAS", "multiply-adds", "bandwidth"), self, strict=True)
        return ", ".join(f"{share:.0%} of {name}" for name, share in named if share is not None)


class Card:
    """A GPU's rates, each measured when it is first asked for.

    Parameters
    ----------
    device : Device
        The GPU.
    quick : bool
        Small arrays, for a look at whether all works.
    """

    def __init__(self, device: Device, *, quick: bool = False):
        self._xp, self._timer, self._quick = device.xp, timer_of(device), quick

    def shares(
        self,
        seconds: float,
        *,
        products: int | None = None,
        operations: int | None = None,
        moved: int | None = None,
        dtype: str = "float32",
    ) -> Shares:
        """What a time is of the card.

        Parameters
        ----------
        seconds : float
            Of a call [s].
        products : int, optional
            Its operations in matrix products.
        operations : int, optional
            All of its operations.
        moved : int, optional
            Bytes that it has to read and to write.
        dtype : str
            Of its arithmetic.
        """
        return Shares(
            None if not products else products / seconds / self.product_rate(products, dtype),
            None if not operations else operations / seconds / self.rate(dtype),
            None if not moved else moved / seconds / self.bandwidth,
        )

    def product_rate(self, operations: float, dtype: str = "float32") -> float:
        """Rate of a product of square matrices that takes about so many operations [operations/s]."""
        side = round((operations / 2) ** (1 / 3) / ALIGNED) * ALIGNED
        return self._product_rate(min(max(side, ALIGNED), QUICK_SIDE if self._quick else SIDE), dtype)

    @functools.cache  # noqa: B019 (a card lives as long as a benchmark)
    def _product_rate(self, side: int, dtype: str) -> float:
        a = self._xp.ones((side, side), dtype)
        out = self._xp.empty_like(a)
        return 2 * side**3 / self._time(lambda: self._xp.matmul(a, a, out=out))

    @functools.cache  # noqa: B019
    def rate(self, dtype: str = "float32") -> float:
        """Rate of multiply-adds in registers, each as two operations [operations/s]."""
        rounds = QUICK_ROUNDS if self._quick else ROUNDS
        processors = 1 if self._quick else int(self._xp.cuda.Device().attributes["MultiProcessorCount"])
        blocks = processors * BLOCKS_OF_A_PROCESSOR
        real = {"float32": "float", "float64": "double"}[dtype]
        function: Any = cuda_module(MULTIPLY_ADDS, (f"-DREAL={real}", f"-DCHAINS={CHAINS}")).get_function(
            "multiply_adds"
        )
        out: Array = self._xp.empty(blocks * THREADS, dtype)
        arguments = out, np.dtype(dtype).type(0.5), np.int32(rounds)
        seconds = self._time(lambda: function((blocks,), (THREADS,), arguments))
        return 2 * CHAINS * rounds * blocks * THREADS / seconds

    @functools.cached_property
    def bandwidth(self) -> float:
        """Bytes that are read or written a second while a large array is copied [bytes/s]."""
        free, _ = self._xp.cuda.runtime.memGetInfo()
        size = min(QUICK_COPIED if self._quick else COPIED, free // 10)
        x = self._xp.zeros(size, np.uint8)
        out = self._xp.empty_like(x)
        return 2 * size / self._time(lambda: self._xp.copyto(out, x))

    def _time(self, call: Callable[[], object]) -> float:
        if self._quick:
            call()  # compiles
            return self._timer(call, 1)
        return take_turns({"": call}, SECONDS, self._timer)[""].median
