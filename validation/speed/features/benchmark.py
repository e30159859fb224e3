"""Forward passes of feature networks against PyTorch's own layers, with the same random weights, in one process."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..rows import FORMATS, OURS, Difference, Row, compared, has_torch, milliseconds, relative, timed
from ..timing import take_turns
from .cases import CASES, Case
from .weights import random_tensors

BATCH, QUICK_BATCH = 50, 3
QUICK_SIZE = 64
AGREEMENT_IMAGES = 2


def run(
    seconds: float, *, only: Sequence[str] = (), quick: bool = False, agreement: bool = False
) -> list[dict[str, Any]]:
    """Time, print, and return one row for each network.

    Parameters
    ----------
    seconds : float
        Time to spend on each side of a row [s]; at least three passes are timed.
    only : sequence of str
        Which of ``CASES``; all if empty.
    quick : bool
        Few and small images, for a look at whether all works.
    agreement : bool
        Also compare features and logits with PyTorch's in float64.
    """
    torch = has_torch()
    rows: list[Row] = []
    batch = QUICK_BATCH if quick else BATCH
    print(f"forward passes of {batch} images in float32, min / median / max of the timed blocks [ms]:")
    for name in only or CASES:
        rows.append(_timed(name, CASES[name], seconds, batch, quick, torch))
    if agreement and torch:
        print("largest difference from PyTorch, float64, over its largest number:")
        rows += compared(_differences(only or tuple(CASES), quick))
    return [row._asdict() for row in rows]


def _timed(name: str, case: Case, seconds: float, batch: int, quick: bool, torch: bool) -> Row:
    tensors = random_tensors(case.shapes(), np.random.default_rng(0))
    x = _images(case, batch, quick, np.float32)
    calls: dict[str, Callable[[], object]] = {OURS: functools.partial(case.build(name, tensors, np.float32).forward, x)}
    if torch:
        peer = _peer(name)
        calls |= {form: peer.call(tensors, x, channels_last=last) for form, last in FORMATS.items()}
    row = timed(Row("features", name, "forward", batch), spreads := take_turns(calls, seconds))
    for who, spread in spreads.items():
        print(f"  {name:<24}{who:<16}{milliseconds(spread):<32}{batch / spread.median:7.1f} images/s", flush=True)
    if row.ratio is not None:
        print(f"  {name:<24}ours is {row.ratio:.2f}x as fast as {row.peer}")
    return row


def _differences(names: Sequence[str], quick: bool) -> Iterator[Difference]:
    for name in names:
        case = CASES[name]
        tensors = random_tensors(case.shapes(), np.random.default_rng(1))
        x = _images(case, AGREEMENT_IMAGES, quick, np.float64)
        theirs: Sequence[np.ndarray] = _peer(name).call(tensors, x)()
        found = case.build(name, tensors, np.float64).forward(x)
        for quantity, ours, peer in zip(("features", "logits"), found, theirs, strict=True):
            yield Difference(name, quantity, relative(ours, peer))


def _images(case: Case, batch: int, quick: bool, dtype: np.typing.DTypeLike) -> np.ndarray:
    size = QUICK_SIZE if quick else case.size
    return np.random.default_rng(2).uniform(-1, 1, (batch, size, size, 3)).astype(dtype)


def _peer(name: str) -> Any:
    return importlib.import_module(f"{__package__}.torch_peers.{name}")
