"""The Inception network against the same of PyTorch's layers, with random parameters in both."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nets.architectures import inception

from ..rows import Difference, relative


def parameters(shapes: Mapping[str, tuple[int, ...]], rng: np.random.Generator, dtype: type) -> dict[str, np.ndarray]:
    """Random parameters of which no two are alike, and with which activations stay of one order through all blocks."""
    drawn = {}
    for name, shape in shapes.items():
        if name.endswith(".weight"):
            array = rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[:-1]))
        elif name.endswith((".scale", ".variance")):
            array = rng.uniform(0.5, 1.5, shape)
        else:
            array = 0.1 * rng.standard_normal(shape)
        drawn[name] = array.astype(dtype)
    return drawn


def differences(dtype: type, size: int = inception.SIZE, images: int = 2) -> list[Difference]:
    """Differences of the stem, of each block, of features and of logits; each with the roundings of all before it."""
    import torch

    from .torch_peer import twin, with_channels_last

    rng = np.random.default_rng(0)
    of = parameters(inception.shapes(), rng, dtype)
    x: np.ndarray = rng.uniform(-1, 1, (images, size, size, 3)).astype(dtype)
    network, peer = inception.Inception(of, size), twin(of)
    ours = dict(network.blocks(x))
    last_of_stem, *names = [name for name in ours if name.startswith(("maxpool_5a", "Mixed"))]
    kind = np.dtype(dtype).name
    found = []
    with torch.inference_mode():
        y = peer.stem(torch.from_numpy(x.transpose(0, 3, 1, 2).copy()))
        found.append(Difference("stem", kind, relative(ours[last_of_stem], with_channels_last(y))))
        blocks = dict(peer.blocks())
        if names != list(blocks):
            raise ValueError(f"blocks: expected {', '.join(blocks)}, got {', '.join(names)}")
        for name, block in blocks.items():
            y = block(y)
            found.append(Difference(name, kind, relative(ours[name], with_channels_last(y))))
        results = peer(torch.from_numpy(x.transpose(0, 3, 1, 2).copy()))
    for name, own, other in zip(("features", "logits"), network(x), results, strict=True):
        found.append(Difference(name, kind, relative(own, other.numpy())))
    return found
