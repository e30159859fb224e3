"""The Inception network's forward pass against eager PyTorch, in one process: time, memory and agreement.

PyTorch's side is :mod:`validation.speed.inception.torch_peer` in inference mode and in both memory formats, of which
the better counts. Both sides have the same random parameters. With real ones, the network is compared with
TensorFlow.js.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from nets.architectures import inception

from ..process_memory import Peak
from ..rows import FORMATS, OURS, Row, compared, has_torch, milliseconds, timed, weighed
from ..turns import take_turns
from . import memory
from .agreement import differences, parameters

BATCH, QUICK_BATCH = 50, 3
QUICK_SIZE, QUICK_SECONDS = 107, 0.03
BOUNDS = {np.float32: 1e-4, np.float64: 1e-10}
"""Largest relative difference from PyTorch by dtype."""
PHOTOGRAPHS, QUICK_PHOTOGRAPHS = 8, 2


def run(
    seconds: float,
    *,
    batch: int = BATCH,
    quick: bool = False,
    agreement: bool = False,
    photographs: bool = False,
    memory: bool = False,
) -> list[dict[str, Any]]:
    """Time, print, and return one row for each timing.

    Parameters
    ----------
    seconds : float
        Time to spend on each side [s]; at least three passes are timed.
    batch : int
        Images of a pass.
    quick : bool
        Few and small images, for a look at whether all works.
    agreement, photographs, memory : bool
        Also compare all blocks with PyTorch's, in both precisions; with TensorFlow.js's, with real weights on
        photographs; and measure peak memory in fresh processes.

    Raises
    ------
    UserError
        If photographs are asked for, and npm or Node.js is missing or fails.
    """
    size, count = (QUICK_SIZE, QUICK_BATCH) if quick else (inception.SIZE, batch)
    peer = has_torch()
    # First, since this may fail.
    of_photographs = list(_on_photographs(QUICK_PHOTOGRAPHS if quick else PHOTOGRAPHS)) if photographs else []
    rows = [_time(size, count, min(seconds, QUICK_SECONDS) if quick else seconds, peer)]
    if memory:
        rows.append(_weigh(size, count, peer))
    if agreement and peer:
        for dtype, bound in BOUNDS.items():
            print(f"largest relative difference from PyTorch, {np.dtype(dtype).name}:")
            rows.extend(compared(differences(dtype, size), bound=bound))
    return [row._asdict() for row in rows + of_photographs]


def calls(size: int, batch: int, names: tuple[str, ...]) -> dict[str, Callable[[], object]]:
    """A forward pass of random images by each of some sides, in float32."""
    rng = np.random.default_rng(0)
    of = parameters(inception.shapes(), rng, np.float32)
    x = rng.uniform(-1, 1, (batch, size, size, 3)).astype(np.float32)
    found: dict[str, Callable[[], object]] = {}
    for name in names:
        if name == OURS:
            found[name] = functools.partial(inception.Inception(of, size), x)
        else:
            from .torch_peer import forward_pass

            found[name] = forward_pass(of, x, channels_last=FORMATS[name])
    return found


def _on_photographs(count: int) -> Iterator[Row]:
    """Compare with TensorFlow.js, with real weights."""
    from . import real_weights, tensorflow_js

    photographs, tensors = tensorflow_js.ask(count)
    bound = real_weights.rounding()
    print(f"largest relative difference from TensorFlow.js with real weights, of which rounding explains {bound:.1e}:")
    yield from compared(real_weights.differences(photographs, tensors), bound=bound)


def _time(size: int, batch: int, seconds: float, peer: bool) -> Row:
    peers = tuple(FORMATS) if peer else ()
    spreads = take_turns(calls(size, batch, (OURS, *peers)), seconds, peers)
    row = timed(Row("inception", f"forward {size} x {size}", "float32", batch), spreads)
    own = spreads.pop(OURS)
    print("  images/s by the median, and seconds of a pass in ms: min / median / max")
    for name, spread in ((OURS, own), *spreads.items()):
        print(f"  {name:<15}{batch / spread.median:>8.2f}   {milliseconds(spread)}")
    if row.ratio is not None:
        print(f"  ours is {row.ratio:.2f}x as fast as {row.peer}", flush=True)
    return row


def _weigh(size: int, batch: int, peer: bool) -> Row:
    def measure(who: str) -> Peak:
        return memory.measure(who, size, batch)

    row, text = weighed(Row("memory", f"forward {size} x {size}", "peak", batch), measure, FORMATS if peer else ())
    print(f"  peak memory     {text}", flush=True)
    return row
