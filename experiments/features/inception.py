"""Features of the Inception network of 2015-12-05: those of the FID, of KID and of the inception score.

The network is :mod:`nets.architectures.inception`; images come to it as to its graph: resized to 299 x 299 by
:func:`~experiments.features.tensorflow_resizing.bilinear`, then (x - 128) / 128.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from nets.architectures.inception import CLASSES, FEATURES, SIZE, Inception

from .inception_names import InceptionWeightsError, parameters_of
from .tensorflow_resizing import bilinear

VARIABLE = "EXPERIMENTS_INCEPTION_WEIGHTS"
BATCH = 50
"""Images at a time, for which the network needs half a gigabyte."""
HOW = (
    f"the Inception network needs its published weights: give --weights FILE or set {VARIABLE} to "
    "classify_image_graph_def.pb (in http://download.tensorflow.org/models/image/imagenet/inception-2015-12-05.tgz) or "
    "pt_inception-2015-12-05-6726825d.pth (release fid_weights of https://github.com/mseitzer/pytorch-fid)"
)


def load(weights: Path | None) -> InceptionFeatures:
    """The network with the weights of a file.

    Parameters
    ----------
    weights : Path or None
        One of the published files, or an archive of its arrays under their names; None for what the environment
        variable ``EXPERIMENTS_INCEPTION_WEIGHTS`` says.

    Raises
    ------
    UserError
        If neither says where the weights are, or the file can't be read or lacks some; the message is one line.
    """
    from experiments.weight_files import read_weights

    given = weights or os.environ.get(VARIABLE)
    if not given:
        raise InceptionWeightsError(HOW)
    path = Path(given)
    return InceptionFeatures(parameters_of(read_weights(path), str(path)))


class InceptionFeatures:
    """A :class:`~experiments.features.feature_network.FeatureNetwork`.

    Parameters
    ----------
    parameters : mapping from str to array
        Those of :func:`nets.architectures.inception.shapes`, float32.
    """

    name = "inception"
    dimension = FEATURES
    classes = CLASSES

    def __init__(self, parameters: Mapping[str, np.ndarray]):
        self._network = Inception(parameters)

    def measure(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features (N, 2048) and logits (N, 1008) of images of uint8, (N, H, W, 1 or 3), float32.

        Raises
        ------
        TypeError
            If the images are not uint8.
        ValueError
            If they have another shape.
        """
        if images.dtype != np.uint8:
            raise TypeError(f"images: expected uint8, got {images.dtype}")
        if images.ndim != 4 or images.shape[3] not in (1, 3) or 0 in images.shape[1:]:
            raise ValueError(f"images: expected shape (N, H, W, 1 or 3), got {images.shape}")
        features = np.empty((len(images), self.dimension), np.float32)
        logits = np.empty((len(images), self.classes), np.float32)
        for start in range(0, len(images), BATCH):
            some = slice(start, start + BATCH)
            features[some], logits[some] = self._network(prepared(images[some]))
        return features, logits


def prepared(images: np.ndarray) -> np.ndarray:
    """What the network takes for images of uint8: (N, 299, 299, 3), float32; grey is each of the three colours."""
    x = bilinear(images, SIZE)
    x -= 128
    x /= 128
    return x if x.shape[3] == 3 else np.repeat(x, 3, axis=3)
