"""Batch-norm and layer-norm for both formats."""

from __future__ import annotations

from nets.layers.batchnorm import BatchNorm
from nets.layers.layernorm import LayerNorm
from nets.layers.normalization import Normalization
from nets.layers.placenorm import PlaceNorm

from .errors import ConversionError
from .translation import Graph, Module, Samples, Translation
from .weights import Weight

DIMENSIONS = {1: 1, 2: 1, 3: 2, 4: 3}
"""Dimensions in the name of PyTorch's batch-norm, by the axes of a sample."""

AFFINE = {"scale": ("weight", 1.0), "shift": ("bias", 0.0)}
"""PyTorch's names, and what stands for one that our layer is without: PyTorch has both or none."""

RUNNING = {"running_mean": "running_mean", "running_variance": "running_var"}


def batch_norm(layer: BatchNorm, x: Samples) -> Translation:
    """By the statistics of the batch, or by running ones where the layer is frozen.

    PyTorch updates running statistics by a share ``momentum`` of the new ones, which here is what remains of the old.
    """
    rank = len(x.shape)
    if rank not in DIMENSIONS:
        raise ConversionError(f"{layer.name}: PyTorch has none for samples of shape {x.shape}")
    weights = _affine(layer, x)
    settings = [str(layer.channels), f"eps={layer.epsilon!r}"]
    if layer.running:
        settings.append(f"momentum={1 - layer.momentum:.12g}")
        weights += [Weight(theirs, ours, (layer.channels,), orders=(x.order,)) for ours, theirs in RUNNING.items()]
    else:
        settings.append("track_running_stats=False")
    if not layer.shapes().keys() & AFFINE:
        settings.append("affine=False")

    def write(graph: Graph, name: str, prefix: str) -> str:
        if not layer._frozen:
            return _normalized(graph, name, [0, *range(2, rank + 1)], layer, prefix, rank)
        affine = (f"{prefix}weight", f"{prefix}bias")
        if not layer.shapes().keys() & AFFINE:
            affine = graph.vector(*[1.0] * layer.channels), graph.vector(*[0.0] * layer.channels)
        statistics = [f"{prefix}{theirs}" for theirs in RUNNING.values()]
        return graph.node("BatchNormalization", name, *affine, *statistics, epsilon=layer.epsilon)

    module = Module(
        f"nn.BatchNorm{DIMENSIONS[rank]}d({', '.join(settings)})",
        tuple(weights),
        ignored=("num_batches_tracked",) if layer.running else (),
        training=not layer._frozen if layer.running else None,
        remark=_of_groups(layer),
    )
    return Translation((module,), write, x.order)


def place_norm(layer: PlaceNorm, x: Samples) -> Translation:
    """PyTorch's batch-norm of sequences whose places are in the place of channels."""
    affine = bool(layer.shapes().keys() & AFFINE)
    settings = [str(layer.places), f"eps={layer.epsilon!r}", "track_running_stats=False"]
    if not affine:
        settings.append("affine=False")
    exchanged = Module("Transposed()")
    module = Module(
        f"nn.BatchNorm1d({', '.join(settings)})", tuple(_affine(layer, x, layer.places)), remark=_of_groups(layer)
    )

    def write(graph: Graph, name: str, prefix: str) -> str:
        there = graph.node("Transpose", name, perm=[0, 2, 1])
        y = _normalized(graph, there, [0, 2], layer, prefix, 2)
        return graph.node("Transpose", y, perm=[0, 2, 1])

    return Translation((exchanged, module, exchanged), write, x.order)


def layer_norm(layer: LayerNorm, x: Samples) -> Translation:
    """PyTorch's group-norm with one group: over all of a sample, with a factor for each channel."""
    rank = len(x.shape)
    affine = "" if layer.shapes() else ", affine=False"
    text = f"nn.GroupNorm(1, {layer.channels}, eps={layer.epsilon!r}{affine})"
    return Translation(
        (Module(text, tuple(_affine(layer, x))),),
        lambda graph, name, prefix: _normalized(graph, name, list(range(1, rank + 1)), layer, prefix, rank),
        x.order,
    )


def _of_groups(layer: BatchNorm) -> str:
    return f"one of {layer.groups} groups at a time" if layer.groups > 1 and not layer._frozen else ""


def _affine(layer: Normalization, x: Samples, count: int | None = None) -> list[Weight]:
    shapes = layer.shapes()
    if not shapes.keys() & AFFINE:
        return []
    return [
        Weight(theirs, ours if ours in shapes else None, (count or layer.channels,), orders=(x.order,), constant=usual)
        for ours, (theirs, usual) in AFFINE.items()
    ]


def _normalized(graph: Graph, x: str, axes: list[int], layer: Normalization, prefix: str, rank: int) -> str:
    """Write ``(x - mean) / sqrt(variance + epsilon)``, with mean and biased variance over axes, and its affine map."""
    over = graph.integers(*axes)
    centered = graph.node("Sub", x, graph.node("ReduceMean", x, over))
    variance = graph.node("ReduceMean", graph.node("Mul", centered, centered), over)
    deviation = graph.node("Sqrt", graph.node("Add", variance, graph.scalar(layer.epsilon)))
    y = graph.node("Div", centered, deviation)
    if layer.shapes().keys() & AFFINE:
        per_channel = graph.integers(-1, *[1] * (rank - 1))
        y = graph.node("Mul", y, graph.node("Reshape", f"{prefix}weight", per_channel))
        y = graph.node("Add", y, graph.node("Reshape", f"{prefix}bias", per_channel))
    return y
