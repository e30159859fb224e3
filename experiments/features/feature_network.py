"""What a network that measures images offers."""

from __future__ import annotations

from typing import Protocol

import numpy as np


class FeatureNetwork(Protocol):
    """A trained network from images to features, such as the Inception network of the FID.

    A file of this folder has a function ``load(weights: Path | None) -> FeatureNetwork``; without a path, the
    environment says where the weights are.
    """

    @property
    def name(self) -> str:
        """What its results are named after, such as ``inception``."""

    @property
    def dimension(self) -> int:
        """Numbers in a feature vector."""

    @property
    def classes(self) -> int:
        """Numbers of classes that it tells apart."""

    def measure(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features and logits of images.

        Parameters
        ----------
        images : array of uint8, shape (N, H, W, C)
            Grey (C = 1) or colour (C = 3) images of any size, which the network resizes as its authors did.

        Returns
        -------
        features : array, shape (N, dimension)
        logits : array, shape (N, classes)
        """
