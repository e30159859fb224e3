"""A network as a tree of PyTorch modules, and the names of its weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from nets.layers.activations import Identity
from nets.layers.base import Layer
from nets.layers.residual import Residual
from nets.network import Network, Sequential

from .errors import ConversionError
from .layers import TRANSLATIONS
from .orders import Order
from .translation import Module, Samples, Translation
from .weights import Shape, Slot


@dataclass(frozen=True)
class Leaf:
    """A layer of ours, without its activation, as modules in a row.

    Attributes
    ----------
    modules : tuple of (str, Module)
        With their paths: ``2.body.0``.
    translation : Translation
        Both formats.
    ours : str
        Prefix of our parameters' names.
    """

    modules: tuple[tuple[str, Module], ...]
    translation: Translation
    ours: str

    @property
    def weights(self) -> str:
        """Prefix of the names of the tensors, or of the first module if there is none."""
        paths = [path for path, module in self.modules if module.weights] or [self.modules[0][0]]
        return f"{paths[0]}."


@dataclass(frozen=True)
class Branches:
    """A residual block."""

    path: str
    body: Chain
    shortcut: Chain | None
    factor: float


@dataclass(frozen=True)
class Chain:
    """An ``nn.Sequential``, whose path is empty for that of the whole network."""

    path: str
    children: list[Leaf | Branches | Chain] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """A network for samples of one shape.

    Attributes
    ----------
    root : Chain
        Its modules.
    before, after : tuple of int
        Shapes of one sample of its input and of its output, channels last.
    """

    root: Chain
    before: Shape
    after: Shape

    def slots(self) -> list[Slot]:
        """Every weight, in the order of ``state_dict``."""
        return [
            Slot(f"{path}.{weight.name}", None if weight.ours is None else f"{leaf.ours}{weight.ours}", weight)
            for leaf in leaves(self.root)
            for path, module in leaf.modules
            for weight in module.weights
        ]

    def ignored(self) -> list[str]:
        """Names that a ``state_dict`` may have and that mean nothing."""
        return [
            f"{path}.{name}" for leaf in leaves(self.root) for path, module in leaf.modules for name in module.ignored
        ]


def plan(network: Network, shape: Shape) -> Plan:
    """Modules of a network for samples of this shape, with all orders of flat samples settled.

    Raises
    ------
    ConversionError
        If a layer has no entry in the table.
    ValueError
        If the network doesn't take samples of this shape.
    """
    before = tuple(shape)
    root, y = _chain(network.body, _samples(before), "", "")
    return Plan(root, before, y.in_our_order().shape)


def leaves(node: Leaf | Branches | Chain) -> Iterator[Leaf]:
    """The layers within, in the order of ``state_dict``."""
    if isinstance(node, Leaf):
        yield node
    elif isinstance(node, Chain):
        for child in node.children:
            yield from leaves(child)
    else:
        yield from leaves(node.body)
        if node.shortcut is not None:
            yield from leaves(node.shortcut)


def _chain(layer: Layer, x: Samples, path: str, ours: str) -> tuple[Chain, Samples]:
    """A sequence, or one layer as a sequence."""
    chain, index = Chain(path), 0
    prefix = f"{path}." if path else ""
    parts = [(layer, ours)]
    if type(layer) is Sequential:
        parts = [(child, f"{ours}{i}.") for i, child in enumerate(layer.layers)]
    for part, own in parts:
        here = f"{prefix}{index}"
        if type(part) is Sequential:
            child, x = _chain(part, x, here, own)
            chain.children.append(child)
            index += 1
        elif type(part) is Residual:
            block, x = _branches(part, x, here, own)
            chain.children.append(block)
            index += 1
        else:
            for single in _with_activation(part):
                translation, y = _translated(single, x, own)
                paths = [f"{prefix}{index + i}" for i in range(len(translation.modules))]
                modules = tuple(zip(paths, translation.modules, strict=True))
                chain.children.append(Leaf(modules, translation, own))
                index, x = index + len(modules), y
    return chain, x


def _branches(layer: Residual, x: Samples, path: str, ours: str) -> tuple[Branches, Samples]:
    x.in_our_order()
    body, y = _chain(layer.body, _samples(x.shape), f"{path}.body", f"{ours}body.")
    shortcut = None
    if layer.shortcut is not None:
        shortcut, z = _chain(layer.shortcut, _samples(x.shape), f"{path}.shortcut", f"{ours}shortcut.")
        z.in_our_order()
    layer.output_shape(x.shape)  # which refuses branches that don't fit
    return Branches(path, body, shortcut, layer.factor), _samples(y.in_our_order().shape)


def _translated(layer: Layer, x: Samples, ours: str) -> tuple[Translation, Samples]:
    make = TRANSLATIONS.get(type(layer))
    if make is None:
        names = ", ".join(sorted(known.__name__ for known in (*TRANSLATIONS, Residual, Sequential)))
        raise ConversionError(
            f"layer {ours.rstrip('.') or 'network'}: {type(layer).__name__} can't be exported: expected one of {names}"
        )
    shape = layer.output_shape(x.shape)
    translation = make(layer, x)
    return translation, Samples(shape, translation.order)


def _with_activation(layer: Layer) -> list[Layer]:
    activation = getattr(layer, "activation", None)
    return [layer] if activation is None or type(activation) is Identity else [layer, activation]


def _samples(shape: Shape) -> Samples:
    """Samples in our order, whatever happens to them."""
    return Samples(shape, Order.fixed(shape[0]) if len(shape) == 1 else None)
