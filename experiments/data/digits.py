"""Handwritten digits, which come with this package."""

from __future__ import annotations

import importlib.resources
from dataclasses import dataclass

import numpy as np

from .stored import ImageError, InMemory, Stored, StoredConfig


@dataclass(frozen=True, kw_only=True)
class Config(StoredConfig):
    """The 1797 digits of 8 x 8 grey pixels."""

    held_out: int = 250

    def stored(self) -> Stored:
        """The images where they lie."""
        return digits()


def digits() -> InMemory:
    """The 1797 handwritten digits, 8 x 8 with values from 0 to 16, that scikit-learn comes with.

    They are the test set of E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine
    Learning Repository, 1998 (https://archive.ics.uci.edu/dataset/80), as scikit-learn (BSD-3-Clause) has it.

    Raises
    ------
    ImageError
        If the file of this package is missing or damaged.
    """
    resource = importlib.resources.files(__package__) / "digits.npz"
    try:
        with resource.open("rb") as file, np.load(file) as content:
            images = content["images"]
        return InMemory("digits", images.reshape(1797, 8, 8, 1), 8.0)
    except Exception as error:  # damaged archives fail in many ways, some with advice that is of no use here
        raise ImageError(f"{resource}: damaged, or not there ({type(error).__name__}); install again") from error
