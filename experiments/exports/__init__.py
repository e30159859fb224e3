"""A trained network for other programs: PyTorch, by way of safetensors, and whatever runs ONNX.

Both formats hold the same tensors under the same names: the ``state_dict`` of the ``nn.Sequential`` that
:func:`describe_torch` writes out, in PyTorch's layouts.

- **Axes.** Here channels come last, there second: samples are (N, C, H, W) for our (N, H, W, C), and (N, C, L) for
  (N, L, C). Weights have fan-out, fan-in, window; those of a transposed convolution fan-in, fan-out, window.
- **Flat samples.** Where images are flattened, or made from flat samples, PyTorch's numbers have another order than
  ours. The rows or columns of the linear layer beside it are permuted, and a batch-norm's numbers in between; where no
  linear layer could take the permutation, a module that reshapes in our order stands in.
- **Modules.** An activation that is part of our layer is a module of its own. So are zeros about an image, or a cut,
  that differ between the ends of an axis, where PyTorch's layers have the same at both. A module's index may therefore
  be larger than our layer's. A branch of a residual block is an ``nn.Sequential``, ``body`` or ``shortcut``.
- **Batch-norm** goes by the statistics of the batch, with the biased variance, for training and for sampling. With
  ``running=True`` it is PyTorch's with running statistics, which a frozen network (:func:`nets.running.frozen`) has in
  evaluation mode. With several groups, each is a batch of its own there: give it one after the other.

To export one more kind of layer is to add its entry to :data:`experiments.exports.layers.TRANSLATIONS`.
"""

from .errors import ConversionError, WeightsError
from .onnx_model import from_onnx, to_onnx
from .safetensors_file import from_safetensors, to_safetensors
from .torch_module import describe_torch

__all__ = [
    "ConversionError",
    "WeightsError",
    "describe_torch",
    "from_onnx",
    "from_safetensors",
    "to_onnx",
    "to_safetensors",
]
