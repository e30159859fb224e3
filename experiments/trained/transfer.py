"""Networks of trained GANs to other programs and back, by the formats of :mod:`experiments.exports`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from .. import UserError
from ..exports import describe_torch, from_onnx, from_safetensors, to_onnx, to_safetensors
from ..exports.onnx_model import DISCRIMINATOR, GENERATOR
from ..runs.checkpoint import Checkpoint
from ..runs.checkpoint import save as save_checkpoint
from .gan import Trained


def export(gan: Trained, to: Literal["safetensors", "onnx"], name: str = "generator") -> bytes:
    """A player in another format, see :mod:`experiments.exports`; what it gives is not clipped to the bounds."""
    network, params = gan.of(name)
    shape, metadata = gan.roles[name].input, {"player": name, "step": str(gan.step), "config": gan.text}
    if to == "safetensors":
        return to_safetensors(network, params, shape, metadata)
    names = GENERATOR if name == "generator" else DISCRIMINATOR
    return to_onnx(network, params, shape, names=names, metadata=metadata)


def torch_module(gan: Trained, name: str = "generator") -> str:
    """Python of the PyTorch module that takes a player's safetensors file."""
    return describe_torch(gan.of(name)[0], gan.roles[name].input)


def replace(gan: Trained, weights: Path, out: Path, name: str = "generator") -> None:
    """Write the parameters of all players that are there into a file, those of one from another format.

    Parameters
    ----------
    gan : Trained
        The others are its own.
    weights : Path
        ``.safetensors`` or ``.onnx``, with the tensors that :func:`export` writes.
    out : Path
        New file, which :func:`experiments.load` reads.
    name : str
        The player that the weights are of.
    """
    read = {".safetensors": from_safetensors, ".onnx": from_onnx}.get(weights.suffix)
    if read is None:
        raise UserError(f"{weights}: expected a name that ends in .safetensors or .onnx")
    network = gan.network(name)
    params = read(network, weights, gan.roles[name].input, gan.config.dtype)
    players = {key: {"parameters": value} for key, value in {**gan.parameters, name: dict(params)}.items()}
    state = {"experiment": {**players, "samples": gan.facts}}
    save_checkpoint(out, Checkpoint(gan.step, gan.text, state))
