"""The same passes and updates in PyTorch, in both of its memory formats, ready to be timed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch.nn import functional

from ..gans.torch_peer import Peer, updates_on
from ..rows import FORMATS
from ..torch_twins import Twin, from_ours, gradients, padding_of, use_all_processors
from ..torch_variants import calls_in, variants
from .cases import BACKWARD, DX, FORWARD, KERNEL, STRIDE, Columns, Pass
from .update import OPTIMIZERS, coulomb_gan, images

Calls = dict[str, Callable[[], object]]


def calls_of(case: Pass | Columns) -> Calls:
    """The pass in each memory format; windows in the only one that PyTorch has."""
    use_all_processors()
    if isinstance(case, Columns):
        return {"contiguous": _unfold(case)}
    return {name: _pass(case, channels_last) for name, channels_last in FORMATS.items()}


def updates(size: int, base: int, batch: int, formats: Sequence[str] = tuple(FORMATS), device: str = "cpu") -> Calls:
    """The update in each memory format, eager."""
    use_all_processors()
    torch.manual_seed(0)
    gan, data = coulomb_gan(size, base, batch), images(size)
    return {name: Peer(gan, data, OPTIMIZERS, channels_last=FORMATS[name], device=device) for name in formats}


def calls_on(device: str, case: Pass | Columns, *, compiled: bool) -> Calls:
    """The pass on a GPU in all ways of PyTorch's, or those that compile nothing; windows in the only one."""
    if isinstance(case, Columns):
        return {"eager PyTorch": _unfold(case, device)}
    return calls_in(variants(compiled=compiled), lambda way: _pass(case, way.channels_last, device, way.compiled))


def updates_on_gpu(device: str, size: int, base: int, batch: int, *, compiled: bool) -> Calls:
    """The update on a GPU in all ways of PyTorch's, or those that compile nothing."""
    return updates_on(device, coulomb_gan(size, base, batch), images(size), OPTIMIZERS, variants(compiled=compiled))


def _pass(case: Pass, channels_last: bool, device: str = "cpu", compiled: bool = False) -> Callable[[], object]:
    twin = Twin(case.network, case.params(), channels_last=channels_last, device=device, compiled=compiled)
    x = twin.put(case.x())
    x.requires_grad_(case.quantity in (DX, BACKWARD))
    y = twin(x)
    if case.quantity == FORWARD:
        return lambda: twin(x)
    dy = torch.randn_like(y)
    of = [x] if case.quantity in (DX, BACKWARD) else []
    of += twin.parameters() if case.quantity != DX else []
    return lambda: gradients(y, dy, of)


def _unfold(case: Columns, device: str = "cpu") -> Callable[[], object]:
    x = from_ours(case.x()).contiguous().to(device)
    (top, bottom), (left, right) = padding_of("same", x.shape[2:], KERNEL, STRIDE)
    return lambda: functional.unfold(functional.pad(x, (left, right, top, bottom)), KERNEL, stride=STRIDE)
