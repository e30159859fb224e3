"""What all batch-norms of a network normalise by: groups of a batch, be it over processes, or running statistics."""

from __future__ import annotations

import copy
from typing import Protocol, runtime_checkable

from nets.arguments import count_of
from nets.layers.base import Cache, Layer
from nets.layers.batchnorm import Exchange
from nets.layers.composition import leaves_of, rebuilt, with_caches
from nets.network import Network
from nets.parameters import Parameters
from nets.passes import Pass, check_parameters, check_pass


@runtime_checkable
class BatchStatistics(Protocol):
    """A layer that normalises by statistics of its batch; see :class:`~nets.layers.batchnorm.BatchNorm`."""

    running: bool

    def over_processes(self, exchange: Exchange) -> Layer:
        """A layer with the same parameters whose groups have a part on each of several processes."""

    def in_groups_of(self, samples: int) -> Layer:
        """A layer with the same parameters, and statistics of each ``samples`` successive samples."""

    def frozen(self) -> Layer:
        """A layer with the same parameters that normalises by its running statistics."""

    def update_running(self, params: Parameters, cache: Cache) -> None:
        """Move the running statistics towards those of a forward pass."""


def in_groups_of(network: Network, samples: int) -> Network:
    """A network with the same parameters whose batch-norms take statistics over each ``samples`` successive samples.

    One network then takes minibatches of either kind of sample by themselves, and both together as if each came
    alone; all batches have their places in one workspace.

    Parameters
    ----------
    network : Network
        Into how many groups its batch-norms cut a batch counts for nothing. No layer is shared with it.
    samples : int
        Of a group. Every batch is a multiple of it.

    Raises
    ------
    ValueError
        If the number is not positive; from a forward pass, if a batch is not a multiple of it.
    """
    samples = count_of("samples", samples)

    def change(layer: Layer) -> Layer:
        return layer.in_groups_of(samples) if isinstance(layer, BatchStatistics) else copy.copy(layer)

    return Network(rebuilt(network.body, change))


def over_processes(network: Network, exchange: Exchange) -> Network:
    """A network with the same parameters whose batch-norms take statistics over all parts of a batch.

    Each process passes its own part through such a network, and all of them have to do so in the same order, backward
    passes too. Gradients by parameters are those of a process's own samples; see
    :class:`~nets.layers.batchnorm.BatchNorm` for what the processes' gradients by samples are.

    Parameters
    ----------
    network : Network
        No layer is shared with it.
    exchange : Exchange
        How arrays come from process to process, and how large each part is.
    """

    def change(layer: Layer) -> Layer:
        return layer.over_processes(exchange) if isinstance(layer, BatchStatistics) else copy.copy(layer)

    return Network(rebuilt(network.body, change))


def has_batch_norm(network: Network) -> bool:
    """Whether a sample's output depends on the others of its batch."""
    return any(isinstance(layer, BatchStatistics) for layer in leaves_of(network.body))


def frozen(network: Network) -> Network:
    """A network with the same parameters whose batch-norms normalise by their running statistics.

    It shares all other layers with the given one, so that the two must not use one workspace.

    Raises
    ------
    ValueError
        If a batch-norm keeps no running statistics.
    """

    def change(layer: Layer) -> Layer:
        return layer.frozen() if isinstance(layer, BatchStatistics) else layer

    return Network(rebuilt(network.body, change))


def update_running(network: Network, params: Parameters, cache: Pass) -> None:
    """Move the running statistics of every batch-norm that keeps them towards those of a forward pass.

    Parameters
    ----------
    network : Network
        Its other layers count for nothing.
    params : Parameters
        Changed in place.
    cache : Cache
        What the forward pass left.

    Raises
    ------
    ValueError
        If the cache or the parameters are those of another network.
    """
    check_pass(cache, network.body)
    check_parameters("params", params, network.layout, cache.dtype)
    _update(network.body, params, cache.layers)


def _update(layer: Layer, params: Parameters, cache: Cache) -> None:
    if isinstance(layer, BatchStatistics) and layer.running:
        layer.update_running(params, cache)
    for name, child, of_child in with_caches(layer, cache):
        _update(child, params.child(name), of_child)
