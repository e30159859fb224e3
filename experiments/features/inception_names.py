"""Published names and orders of axes of the Inception network's parameters, and ours.

Ours are those of :func:`nets.architectures.inception.shapes`. There are two published files:

- ``classify_image_graph_def.pb``, whose constants are called by scopes of TensorFlow's graph: the blocks are ``mixed``,
  ``mixed_1``, ..., ``mixed_10``, their branches ``tower``, ``tower_1``, ..., and the convolutions of one ``conv``,
  ``conv_1``, ...; kernels have the axes (rows, columns, channels, filters);
- ``pt_inception-2015-12-05-6726825d.pth``, which was made of that one; kernels have the axes (filters, channels, rows,
  columns).

Which scope is which branch: the table ``map_tf_to_pt`` of toshas/torch-fidelity, ``inception_features.py`` (in later
versions ``torch_fidelity/feature_extractor_inceptionv3.py`` and ``util_convert_inception_weights.py``), which says that
it was matched by the shapes of the tensors. The file itself has not been at hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from experiments import UserError
from nets.architectures import inception

SCOPES = {
    "branch1x1": ("conv",),
    "branch5x5": ("tower/conv", "tower/conv_1"),
    "branch3x3dbl": ("tower_1/conv", "tower_1/conv_1", "tower_1/conv_2"),
    "branch7x7": ("tower/conv", "tower/conv_1", "tower/conv_2"),
    "branch7x7dbl": tuple(f"tower_1/conv{number}" for number in ("", "_1", "_2", "_3", "_4")),
    "branch_pool": ("tower_2/conv",),
}
"""Scope of each convolution of a branch, unless the block says otherwise."""
OF_8 = {
    "branch3x3": ("tower/conv", "tower/mixed/conv", "tower/mixed/conv_1"),
    "branch3x3dbl": ("tower_1/conv", "tower_1/conv_1", "tower_1/mixed/conv", "tower_1/mixed/conv_1"),
}
OF_BLOCKS = {
    "Mixed_6a": {"branch3x3": ("conv",), "branch3x3dbl": ("tower/conv", "tower/conv_1", "tower/conv_2")},
    "Mixed_7a": {
        "branch3x3": ("tower/conv", "tower/conv_1"),
        "branch7x7x3": ("tower_1/conv", "tower_1/conv_1", "tower_1/conv_2", "tower_1/conv_3"),
    },
    "Mixed_7b": OF_8,
    "Mixed_7c": OF_8,
}
OF_GRAPH = {
    "weight": "conv2d_params",
    "scale": "batchnorm/gamma",
    "shift": "batchnorm/beta",
    "mean": "batchnorm/moving_mean",
    "variance": "batchnorm/moving_variance",
}
OF_PYTORCH = {
    "weight": "conv.weight",
    "scale": "bn.weight",
    "shift": "bn.bias",
    "mean": "bn.running_mean",
    "variance": "bn.running_var",
}


class InceptionWeightsError(UserError):
    """Weights that there are not, or that are not the Inception network's; the message is one line."""


class Published(NamedTuple):
    """A parameter as a published file has it."""

    name: str
    axes: tuple[int, ...]
    """Axes of the published array, in the order of ours."""


def of_graph() -> dict[str, Published]:
    """By our name, what the frozen graph calls a parameter."""
    scopes = _scopes()
    names = {
        f"{ours}.{each}": Published(f"{scope}/{theirs}", (0, 1, 2, 3) if each == "weight" else (0,))
        for ours, scope in scopes.items()
        for each, theirs in OF_GRAPH.items()
    }
    return names | {"fc.weight": Published("softmax/weights", (0, 1)), "fc.bias": Published("softmax/biases", (0,))}


def of_pytorch() -> dict[str, Published]:
    """By our name, what the PyTorch file calls a parameter."""
    names = {
        f"{each.name}.{ours}": Published(f"{each.name}.{theirs}", (2, 3, 1, 0) if ours == "weight" else (0,))
        for each in inception.convolutions()
        for ours, theirs in OF_PYTORCH.items()
    }
    return names | {"fc.weight": Published("fc.weight", (1, 0)), "fc.bias": Published("fc.bias", (0,))}


def parameters_of(arrays: Mapping[str, np.ndarray], source: str) -> dict[str, np.ndarray]:
    """Our parameters, float32, from the arrays of a published file.

    Parameters
    ----------
    arrays : mapping from str to array
        Those of the file; others may be among them.
    source : str
        Where they are from, for errors.

    Raises
    ------
    InceptionWeightsError
        If the names are those of neither file, or an array is missing or has another shape.
    """
    names = max((of_graph(), of_pytorch()), key=lambda names: sum(each.name in arrays for each in names.values()))
    missing = [each.name for each in names.values() if each.name not in arrays]
    if len(missing) == len(names):
        first, second = of_graph()["fc.weight"].name, of_pytorch()["fc.weight"].name
        raise InceptionWeightsError(
            f"{source}: no Inception network of 2015-12-05: neither the frozen graph's names, such as {first}, nor the "
            f"PyTorch file's, such as {second}, are among its {len(arrays)} arrays"
        )
    if missing:
        more = f" and {len(missing) - 1} more of {len(names)} arrays" if len(missing) > 1 else ""
        raise InceptionWeightsError(f"{source}: {missing[0]}{more} missing")
    found = {}
    for ours, shape in inception.shapes().items():
        name, axes = names[ours]
        expected = tuple(length for _, length in sorted(zip(axes, shape, strict=True)))
        if arrays[name].shape != expected:
            raise InceptionWeightsError(f"{source}: {name}: expected shape {expected}, got {arrays[name].shape}")
        if not np.issubdtype(arrays[name].dtype, np.floating):
            raise InceptionWeightsError(f"{source}: {name}: expected floating-point numbers, got {arrays[name].dtype}")
        lowest = 0 if ours.endswith(".variance") else -np.inf
        if not (np.isfinite(arrays[name]) & (arrays[name] >= lowest)).all():
            raise InceptionWeightsError(f"{source}: damaged: {name} has values that none of its kind can have")
        found[ours] = np.ascontiguousarray(arrays[name].transpose(axes), np.float32)
    return found


def _scopes() -> dict[str, str]:
    """By our names of convolutions, their scopes in the graph."""
    scopes: dict[str, str] = {}
    blocks: dict[str, dict[str, int]] = {}  # convolutions of each branch so far
    for each in inception.convolutions():
        block, _, branch = each.name.partition(".")
        if not branch:
            scopes[each.name] = _numbered("conv", len(scopes))
            continue
        seen = blocks.setdefault(block, {})
        stem = branch if branch in SCOPES or branch in OF_BLOCKS.get(block, {}) else branch.rpartition("_")[0]
        place = seen.get(stem, 0)
        seen[stem] = place + 1
        scope = (SCOPES | OF_BLOCKS.get(block, {}))[stem][place]
        scopes[each.name] = f"{_numbered('mixed', len(blocks) - 1)}/{scope}"
    return scopes


def _numbered(name: str, number: int) -> str:
    return f"{name}_{number}" if number else name
