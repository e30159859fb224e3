"""The feature networks that are timed; the peer of each is the file of its name in ``torch_peers``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

import numpy as np

from experiments.features import efficientnet_lite0
from nets.architectures.efficientnet_lite0 import SIZE


class ForwardOnly(Protocol):
    """A network of this package."""

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features and logits of images that are prepared as it expects them."""


class Case(NamedTuple):
    """A network by its tensors in PyTorch's names."""

    shapes: Callable[[], dict[str, tuple[int, ...]]]
    build: Callable[[str, Mapping[str, np.ndarray], np.typing.DTypeLike], ForwardOnly]
    """From a label, the tensors and a dtype."""
    size: int
    """Height and width of the images that it was trained with [pixels]."""


CASES = {"efficientnet_lite0": Case(efficientnet_lite0.tensor_shapes, efficientnet_lite0.network_of, SIZE)}
