"""Ways between latent vectors."""

from __future__ import annotations

from typing import Literal

import numpy as np

Way = Literal["linear", "spherical"]


def between(a: np.ndarray, b: np.ndarray, count: int, along: Way) -> np.ndarray:
    """Vectors from each row of ``a`` (P, n) to that of ``b``, shape (P, count, n); see :meth:`.Trained.interpolate`."""
    a, b = a[:, np.newaxis].astype(np.float64), b[:, np.newaxis].astype(np.float64)
    t = np.linspace(0, 1, count)[:, np.newaxis]
    linear = (1 - t) * a + t * b
    if along == "linear":
        return linear
    lengths = np.linalg.norm(a, axis=-1, keepdims=True) * np.linalg.norm(b, axis=-1, keepdims=True)
    cosine = (a * b).sum(-1, keepdims=True) / np.where(lengths, lengths, 1.0)
    omega = np.arccos(np.clip(cosine, -1, 1))
    sine = np.sin(omega)
    flat = (sine < 1e-6) | (lengths == 0)  # below, the quotients differ from t by rounding alone, or are undefined
    spherical = (np.sin((1 - t) * omega) * a + np.sin(t * omega) * b) / np.where(flat, 1.0, sine)
    return np.where(flat, linear, spherical)
