"""Lines of text: codes of an alphabet, each the likeliest of the distribution that a generator gives for its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from coulombfield.arrays import Device

from ..data.text import one_hot
from ..text import Alphabet


def finish(made: np.ndarray, facts: Mapping[str, Any]) -> np.ndarray:
    """Codes, shape (N, L), of distributions, shape (N, L, V).

    Raises
    ------
    FloatingPointError
        If these are not finite, of which the codes would show nothing.
    """
    if not np.isfinite(made).all():
        raise FloatingPointError("generated distributions are not finite, though all parameters are")
    return made.argmax(axis=-1).astype(_alphabet(facts).dtype)


def as_made(samples: np.ndarray, facts: Mapping[str, Any], dtype: str) -> np.ndarray:
    """Distributions, shape (N, L, V): codes, shape (N, L), get 1 in the place of theirs; others stay.

    Raises
    ------
    ValueError
        If there are codes that the alphabet lacks.
    """
    if samples.ndim != 2 or not np.issubdtype(samples.dtype, np.integer):
        return samples.astype(dtype, copy=False)
    size = len(_alphabet(facts))
    if samples.size and not 0 <= samples.min() <= samples.max() < size:
        raise ValueError(f"x: expected codes from 0 to {size - 1}, got {samples.min()} to {samples.max()}")
    return one_hot(samples, size, Device(np, "cpu"), dtype)


def _alphabet(facts: Mapping[str, Any]) -> Alphabet:
    return Alphabet(facts["unit"], facts["symbols"])


def _text(samples: np.ndarray, facts: Mapping[str, Any]) -> bytes:
    """A line of text for each sample, with its padding."""
    return "".join(f"{line}\n" for line in _alphabet(facts).text(samples)).encode()


ENCODERS = {".txt": _text}
"""A file of lines as their alphabet reads them."""
