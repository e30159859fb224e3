"""The same passes and updates in PyTorch, in both of its memory formats, ready to be timed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch.nn import functional

from ..gans.torch_peer import Peer
from ..rows import FORMATS
from ..torch_twins import Twin, from_ours, gradients, padding_of, use_all_processors
from .cases import BACKWARD, DX, FORWARD, KERNEL, STRIDE, Columns, Pass
from .update import OPTIMIZERS, coulomb_gan, images

Calls = dict[str, Callable[[], object]]


def calls_of(case: Pass | Columns) -> Calls:
    """The pass in each memory format; windows in the only one that PyTorch has."""
    use_all_processors()
    if isinstance(case, Columns):
        return {"contiguous": _unfold(case)}
    return {name: _pass(case, channels_last) for name, channels_last in FORMATS.items()}


def updates(size: int, base: int, batch: int, formats: Sequence[str] = tuple(FORMATS)) -> Calls:
    """The update in each memory format."""
    use_all_processors()
    torch.manual_seed(0)
    gan, data = coulomb_gan(size, base, batch), images(size)
    return {name: Peer(gan, data, OPTIMIZERS, channels_last=FORMATS[name]) for name in formats}


def _pass(case: Pass, channels_last: bool) -> Callable[[], object]:
    twin = Twin(case.network, case.params(), channels_last=channels_last)
    x = twin.put(case.x())
    x.requires_grad_(case.quantity in (DX, BACKWARD))
    y = twin(x)
    if case.quantity == FORWARD:
        return lambda: twin(x)
    dy = torch.randn_like(y)
    of = [x] if case.quantity in (DX, BACKWARD) else []
    of += twin.parameters() if case.quantity != DX else []
    return lambda: gradients(y, dy, of)


def _unfold(case: Columns) -> Callable[[], object]:
    x = from_ours(case.x()).contiguous()
    (top, bottom), (left, right) = padding_of("same", x.shape[2:], KERNEL, STRIDE)
    return lambda: functional.unfold(functional.pad(x, (left, right, top, bottom)), KERNEL, stride=STRIDE)
