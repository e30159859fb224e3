"""Mean and covariance of features in files, as they are published for FID: ``mu`` and ``sigma`` of an .npz."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from .. import DataError
from ..files import write_atomically
from .frechet_distance import Gaussian

NAMES = ("mu", "sigma")


def read_statistics(path: Path, dimension: int | None = None) -> Gaussian:
    """Read the statistics of a file.

    Parameters
    ----------
    path : Path
        An .npz file with ``mu``, shape (D,), and ``sigma``, shape (D, D).
    dimension : int, optional
        D that is expected.

    Raises
    ------
    DataError
        If the file can't be read or holds something else; the message begins with its name.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            if missing := [name for name in NAMES if name not in file.files]:
                there = ", ".join(file.files) or "nothing"
                raise DataError(f"{path}: expected arrays mu and sigma, lacks {' and '.join(missing)}; there: {there}")
            mean, covariance = (file[name] for name in NAMES)
    except (DataError, MemoryError):
        raise
    except Exception as error:  # damaged archives fail with errors of every kind
        raise DataError(f"{path}: can't be read as .npz ({' '.join(str(error).split())})") from error
    if dimension is not None and mean.shape != (dimension,):
        raise DataError(f"{path}: expected statistics of {dimension} features, got mu of shape {mean.shape}")
    try:
        if any(np.iscomplexobj(values) for values in (mean, covariance)):
            raise TypeError("expected real numbers, got complex ones")
        gaussian = Gaussian(mean, covariance)
        _ = gaussian.root  # which looks for negative eigenvalues, now rather than after an evaluation's samples
        return gaussian
    except (ValueError, TypeError) as error:
        raise DataError(f"{path}: {error}") from error


def write_statistics(path: Path, gaussian: Gaussian) -> None:
    """Write statistics as others read them.

    Raises
    ------
    WriteError
        If the system refuses.
    """
    buffer = io.BytesIO()
    np.savez(buffer, mu=gaussian.mean, sigma=gaussian.covariance)
    write_atomically(path, buffer.getvalue())
