"""Weights for benchmarks of networks whose real ones nobody has to fetch."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

GAIN = 2.0
"""Mean square of the weights times their number for one result, with which ReLUs keep the size of a signal."""


def random_tensors(shapes: Mapping[str, tuple[int, ...]], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Float32 tensors by PyTorch's names, with which signals keep their size from layer to layer.

    Parameters
    ----------
    shapes : mapping from str to tuple of int
        Those of convolutions, linear maps and batch-norms, whose running means and variances they have.
    rng : Generator
        Where they are drawn from.
    """
    tensors = {}
    for name, shape in shapes.items():
        if name.endswith("running_var"):
            tensor = rng.uniform(0.5, 1.5, shape)
        elif len(shape) == 1:
            tensor = 0.2 * rng.standard_normal(shape)
            if name.endswith(".weight"):
                tensor += 1
        else:
            tensor = rng.standard_normal(shape) * math.sqrt(GAIN / math.prod(shape[1:]))
        tensors[name] = tensor.astype(np.float32)
    return tensors
