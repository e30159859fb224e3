"""Running statistics of a whole network: to sample from it as training left it, whatever else is in the batch."""

from __future__ import annotations

from nets.layers.base import Cache, Layer
from nets.layers.batchnorm import BatchNorm
from nets.layers.residual import Residual
from nets.network import Network, Sequential
from nets.parameters import Parameters


def update_running(network: Network, params: Parameters, cache: Cache) -> None:
    """Move the running statistics of every batch-norm that keeps them towards those of a forward pass.

    Parameters
    ----------
    network : Network
        Its other layers count for nothing.
    params : Parameters
        Changed in place.
    cache : Cache
        What the forward pass left.
    """
    _update(network.body, params, cache)


def frozen(network: Network) -> Network:
    """A network with the same parameters whose batch-norms normalise by their running statistics.

    It shares all other layers with the given one, so that the two must not use one workspace.

    Raises
    ------
    ValueError
        If a batch-norm keeps no running statistics.
    """
    return Network(_frozen(network.body))


def _update(layer: Layer, params: Parameters, cache: Cache) -> None:
    if isinstance(layer, Sequential):
        for i, child in enumerate(layer.layers):
            _update(child, params.child(str(i)), cache[i])
    elif isinstance(layer, Residual):
        _update(layer.body, params.child("body"), cache.body)
        if layer.shortcut is not None:
            _update(layer.shortcut, params.child("shortcut"), cache.shortcut)
    elif isinstance(layer, BatchNorm) and layer.running:
        layer.update_running(params, cache)


def _frozen(layer: Layer) -> Layer:
    if isinstance(layer, Sequential):
        return Sequential([_frozen(child) for child in layer.layers])
    if isinstance(layer, Residual):
        shortcut = None if layer.shortcut is None else _frozen(layer.shortcut)
        return Residual(_frozen(layer.body), shortcut, layer.factor)
    return layer.frozen() if isinstance(layer, BatchNorm) else layer
