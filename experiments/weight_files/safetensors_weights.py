"""safetensors files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..exports import safetensors_file
from ..exports.errors import WeightsError
from .errors import WeightFileError, reading


def read_safetensors(path: Path, data: bytes) -> dict[str, np.ndarray]:
    """Tensors by name.

    Raises
    ------
    WeightFileError
        If the file is damaged or has numbers that NumPy lacks.
    ConversionError
        If safetensors isn't installed.
    """
    try:
        with reading(path, "safetensors file"):
            return {tensor.name: np.asarray(tensor.read()) for tensor in safetensors_file.tensors_in(str(path), data)}
    except WeightsError as error:
        raise WeightFileError(" ".join(str(error).split())) from error
