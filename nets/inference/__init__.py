r"""Trained networks of convolutions, maxima and parallel branches, forward only.

Such a network is a tuple of steps. Batch normalization by stored statistics is an affine map of each channel, so that
it goes into the weights and a bias:

.. math:: \gamma\,\frac{w * x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta = (s\,w) * x + (\beta - s\,\mu),
          \qquad s = \gamma / \sqrt{\sigma^2 + \epsilon}.

Branches that begin with 1 x 1 convolutions of the same images begin as one product. A 1 x 1 convolution of means over
windows is the mean of the convolution, before bias and ReLU, and is a part of that product too. Each branch writes its
channels of the result where they belong.

A batch is computed in parts of a few images. On NumPy, threads compute parts side by side, each in memory of its own;
how a part is computed depends on shapes alone, so that results have the same bits with any number of threads.
"""

from .network import Inference, check_parameters
from .steps import Branches, Convolution, MaximumPool, Stage, Step, Window, convolutions

__all__ = [
    "Branches",
    "Convolution",
    "Inference",
    "MaximumPool",
    "Stage",
    "Step",
    "Window",
    "check_parameters",
    "convolutions",
]
