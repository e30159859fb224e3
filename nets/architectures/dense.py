"""Fully connected networks."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from nets.arguments import count_of
from nets.initializers import Initializer, fan_in_normal, glorot_uniform, zeros
from nets.layers.activations import Activation
from nets.layers.base import Layer
from nets.layers.linear import Linear
from nets.layers.scale import Scale
from nets.network import Network, Sequential


def mlp(
    widths: Sequence[int],
    activation: Callable[[], Activation],
    *,
    input_scale: float = 1.0,
    output_scale: float = 1.0,
    first_weight: Initializer | None = None,
    first_bias: Initializer = zeros,
) -> Network:
    """Fully connected network, linear at its output: the networks of the paper's 25 Gaussians (appendix A.5).

    Parameters
    ----------
    widths : sequence of int
        Widths of the input, of each hidden layer and of the output: ``(2, 128, 128, 1)``.
    activation : callable
        Makes the activation of one hidden layer: a class such as :class:`~nets.layers.activations.ELU`.
    input_scale, output_scale : float
        Constants that the input and the output are multiplied by: the units of data whose size is far from 1.
    first_weight, first_bias : Initializer, optional
        How the first hidden layer starts, where that matters: in few dimensions a unit's kink is the line where its
        input is 0, and with biases of 0 every kink goes through the origin.

    Returns
    -------
    Network
        Hidden weights start normal with the gain of the activation, those of the output Glorot uniform, biases at 0.

    Raises
    ------
    ValueError
        If there are fewer than two widths, or one is not positive.
    TypeError
        If one is no integer.
    """
    if len(widths) < 2:
        raise ValueError(f"widths: expected at least an input and an output width, got {tuple(widths)}")
    widths = [count_of(f"widths[{i}]", width) for i, width in enumerate(widths)]
    layers: list[Layer] = []
    if input_scale != 1:
        layers.append(Scale(input_scale))
    hidden = fan_in_normal(activation().gain)
    for i, (fan_in, fan_out) in enumerate(itertools.pairwise(widths[:-1])):
        weight = first_weight if i == 0 and first_weight is not None else hidden
        layers.append(Linear(fan_in, fan_out, activation(), weight=weight, bias=first_bias if i == 0 else zeros))
    layers.append(Linear(widths[-2], widths[-1], weight=glorot_uniform))
    if output_scale != 1:
        layers.append(Scale(output_scale))
    return Network(Sequential(layers))
