"""Feature networks by name, and what they gave for images, remembered for whoever asks next."""

from __future__ import annotations

import functools
import hashlib
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .. import registry
from .feature_network import FeatureNetwork

BLOCK = 250  # images measured at once; samples of several metrics are blocks of one set, from its start
REMEMBERED = 1 << 30  # [bytes] of features and logits: of 80,000 images by Inception

Measured = tuple[np.ndarray, np.ndarray]
"""Features and logits."""


@functools.lru_cache(maxsize=4)
def measuring(name: str, weights: Path | None = None) -> Measuring:
    """The feature network of a name, the same one for all who ask.

    Parameters
    ----------
    name : str
        A file of this folder, or the dotted name of a module outside, that has ``load``.
    weights : Path, optional
        Where its weights are; by default the environment says so.

    Raises
    ------
    UserError
        If there is no such network, or its weights can't be had.
    """
    return Measuring(registry.find("features", name, "load").load(weights))


class Measuring:
    """A feature network that remembers what it has measured last.

    Several metrics of one evaluation look at the same samples: each block of them is measured once, and known again by
    a digest of its pixels.

    Parameters
    ----------
    network : FeatureNetwork
        What measures.
    remembered : int
        Memory for features and logits [bytes].
    """

    def __init__(self, network: FeatureNetwork, remembered: int = REMEMBERED):
        self.network, self._limit, self._held = network, remembered, 0
        self._known: OrderedDict[bytes, Measured] = OrderedDict()

    def blocks(self, images: np.ndarray) -> Iterator[Measured]:
        """Features (n, dimension) and logits (n, classes) of images, :data:`BLOCK` at a time.

        Parameters
        ----------
        images : array of uint8, shape (N, H, W, C)
            Of any size.
        """
        for start in range(0, len(images), BLOCK):
            yield self._of(images[start : start + BLOCK])

    def features(self, images: np.ndarray) -> np.ndarray:
        """Features of images, shape (N, dimension)."""
        return np.concatenate([features for features, _ in self.blocks(images)])

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Logits of images, shape (N, classes)."""
        return np.concatenate([logits for _, logits in self.blocks(images)])

    def _of(self, images: np.ndarray) -> Measured:
        digest = hashlib.sha256(repr(images.shape[1:]).encode() + images.tobytes()).digest()
        if digest in self._known:
            self._known.move_to_end(digest)
            return self._known[digest]
        features, logits = (np.array(values) for values in self.network.measure(images))
        features.flags.writeable = logits.flags.writeable = False
        self._known[digest] = features, logits
        self._held += features.nbytes + logits.nbytes
        while self._held > self._limit and len(self._known) > 1:
            _, old = self._known.popitem(last=False)
            self._held -= sum(values.nbytes for values in old)
        return features, logits


def eight_bits(images: np.ndarray, bounds: tuple[float, float]) -> np.ndarray:
    r"""Images as a picture file would hold them, of uint8.

    Values are clipped to the bounds, then

    .. math:: v = \operatorname{round}\!\left(255\, \frac{x - a}{b - a}\right),

    which gives back the 8-bit pixels that data between -1 and 1 came from.

    Parameters
    ----------
    images : array, shape (...)
        Pixels of floating point.
    bounds : pair of float
        Black a and white b.
    """
    black, white = bounds
    values = np.clip(images, black, white, dtype=np.result_type(images, np.float32))
    values -= black
    values *= 255 / (white - black)
    return np.rint(values, out=values).astype(np.uint8)
