"""A feature network for tests: random projections of the mean colours of an image's quarters."""

import numpy as np

DIMENSION, CLASSES = 6, 4


class Projection:
    name, dimension, classes = "projection", DIMENSION, CLASSES

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self._features = rng.standard_normal((12, DIMENSION)).astype(np.float32)
        self._logits = rng.standard_normal((DIMENSION, CLASSES)).astype(np.float32)
        self.measured = 0

    def measure(self, images):
        assert images.dtype == np.uint8
        self.measured += len(images)
        colours = np.broadcast_to(images, (*images.shape[:3], 3)).astype(np.float32) / 128 - 1
        n, h, w, _ = colours.shape
        quarters = colours[:, : h // 2 * 2, : w // 2 * 2].reshape(n, 2, h // 2, 2, w // 2, 3).mean(axis=(2, 4))
        features = np.tanh(quarters.reshape(n, -1) @ self._features)
        return features, features @ self._logits


def load(weights):
    return Projection(0 if weights is None else int(weights.read_text()))
