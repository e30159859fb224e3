"""What the paper's networks and those of its peers consist of: layers, shapes, parameters and operations."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from nets import architectures
from nets.layers.activations import ELU, Activation, Identity
from nets.layers.base import Layer
from nets.layers.composition import with_shapes
from nets.layers.conv1d import Conv1d
from nets.network import Network, Sequential

from . import UserError

COLLAPSED = ("kernel", "stride", "padding")
INITIALIZED = ("weight", "bias", "scale", "shift")

Shape = tuple[int, ...]


class Entry(NamedTuple):
    """A network by its name, for images of some size where it has images.

    Attributes
    ----------
    make : callable
        Makes it for a size, which it may ignore.
    shape : callable
        Shape of one sample of its input.
    """

    make: Callable[[int], Network]
    shape: Callable[[int], Shape]


class Row(NamedTuple):
    """One layer; one made of others comes before them, with all that is theirs.

    Attributes
    ----------
    path : str
        Its place, as in the names of parameters.
    layer : str
        Class and settings.
    shape : tuple of int
        Of one sample of its output.
    parameters : int
        Numbers that are trained.
    operations : int
        Of the forward pass of one sample: multiplications and additions.
    """

    path: str
    layer: str
    shape: Shape
    parameters: int
    operations: int


def _image(size: int) -> Shape:
    return (size, size, 3)


NETWORKS: dict[str, Entry] = {
    "mlp": Entry(lambda size: architectures.mlp((2, 128, 128, 1), ELU), lambda size: (2,)),
    "coulomb_generator": Entry(architectures.coulomb_generator, lambda size: (32,)),
    "coulomb_discriminator": Entry(architectures.coulomb_discriminator, _image),
    "dcgan_generator": Entry(architectures.dcgan_generator, lambda size: (100,)),
    "dcgan_discriminator": Entry(architectures.dcgan_discriminator, _image),
    "wgan_gp_generator": Entry(architectures.wgan_gp_generator, lambda size: (128,)),
    "wgan_gp_critic": Entry(architectures.wgan_gp_critic, _image),
    "began_generator": Entry(architectures.began_generator, lambda size: (64,)),
    "began_discriminator": Entry(architectures.began_discriminator, _image),
    "ebgan_generator": Entry(architectures.ebgan_generator, lambda size: (100,)),
    "ebgan_encoder": Entry(lambda size: architectures.ebgan_encoder(size, 4 * size**2), _image),
    "ebgan_decoder": Entry(lambda size: architectures.ebgan_decoder(size, 4 * size**2), lambda size: (4 * size**2,)),
    "mmd_gan_generator": Entry(architectures.mmd_gan_generator, lambda size: (64,)),
    "mmd_gan_encoder": Entry(architectures.mmd_gan_encoder, _image),
    "mmd_gan_decoder": Entry(architectures.mmd_gan_decoder, lambda size: (64,)),
    "lim_ye_generator": Entry(lambda size: architectures.lim_ye_generator(), lambda size: (4,)),
    "lim_ye_discriminator": Entry(lambda size: architectures.lim_ye_discriminator(), lambda size: (2,)),
    "lim_ye_autoencoder": Entry(lambda size: architectures.lim_ye_autoencoder(), lambda size: (2,)),
    "language_generator": Entry(lambda size: architectures.language_generator(), lambda size: (128,)),
    "language_discriminator": Entry(lambda size: architectures.language_discriminator(), lambda size: (32, 2048)),
}
"""Every network at the settings of the paper, by the name of the function that makes it."""


def describe(names: Sequence[str], size: int) -> Iterator[str]:
    """Tables of the networks of these names, or of all if there is none, as lines of text.

    Raises
    ------
    UserError
        If there is no network of a name.
    """
    for name in names:
        if name not in NETWORKS:
            raise UserError(f"unknown network {name!r}: expected {', '.join(NETWORKS)}")
    for name in names or NETWORKS:
        entry = NETWORKS[name]
        network, shape = entry.make(size), entry.shape(size)
        yield from table(name, network, shape)
        yield ""
    yield "MFLOP: million multiplications and additions of the products in one sample's forward pass."
    yield "The row of a Residual has all that is in its branches, whose rows follow it."


def table(name: str, network: Network, shape: Shape) -> Iterator[str]:
    """Lines for the layers of one network, with totals."""
    total = network.body.output_shape(shape), network.layout.size, network.body.operations(shape)
    lines = [("", "layer", "output", "parameters", "MFLOP")]
    lines += [(row.path, row.layer, *_cells(*row[2:])) for row in rows(network.body, shape)]
    lines.append(("", "total", *_cells(*total)))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    yield f"{name}: {_text(shape)} -> {_text(total[0])}"
    for cells in lines:
        left = [f"{cell:{width}}" for cell, width in zip(cells[:3], widths[:3], strict=True)]
        right = [f"{cell:>{width}}" for cell, width in zip(cells[3:], widths[3:], strict=True)]
        yield "  ".join(["", *left, *right]).rstrip()


def rows(layer: Layer, shape: Shape, path: str = "") -> Iterator[Row]:
    """Row of each layer within a layer, in the order of the forward pass."""
    for name, child, child_shape in with_shapes(layer, shape):
        here = f"{path}{name}"
        parameters = sum(math.prod(size) for size in child.shapes().values())
        output, operations = child.output_shape(child_shape), child.operations(child_shape)
        if not isinstance(child, Sequential):
            yield Row(here, text_of(child), output, parameters, operations)
        yield from rows(child, child_shape, f"{here}.")


def text_of(layer: Layer) -> str:
    """Class of a layer and those of its settings that are not as by default."""
    settings = []
    for name, parameter in inspect.signature(type(layer)).parameters.items():
        if name in INITIALIZED:
            if name not in layer.shapes() and parameter.default is not None:
                settings.append(f"{name}=None")
            continue
        value: Any = getattr(layer, name, parameter.default)
        if name == "kernel" and isinstance(layer, Conv1d):
            value = value[1]  # a row of images one pixel high
        if name in COLLAPSED:
            value = _collapsed(value)
        within = hasattr(value, "forward") and not isinstance(value, Activation)
        if within or isinstance(value, Identity) or value == parameter.default:
            continue
        text = text_of(value) if isinstance(value, Activation) else str(value)
        settings.append(text if parameter.default is parameter.empty else f"{name}={text}")
    return f"{type(layer).__name__}({', '.join(settings)})"


def _collapsed(value: Any) -> Any:
    """5 for (5, 5), and 0 for ((0, 0), (0, 0))."""
    if isinstance(value, tuple) and all(part == value[0] for part in value):
        return _collapsed(value[0])
    return value


def _cells(shape: Shape, parameters: int, operations: int) -> tuple[str, str, str]:
    millions = operations / 1e6
    spent = f"{millions:,.1f}" if millions >= 1 else f"{millions:.2g}"
    return _text(shape), f"{parameters:,}" if parameters else "", spent if operations else ""


def _text(shape: Shape) -> str:
    return " x ".join(map(str, shape))
